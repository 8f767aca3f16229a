"""Each test process keeps to one processor: threads that fight over two cost far more than they give.

Random examples are the same in every run.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch is first imported, also by the programs tests start

from hypothesis import settings

settings.register_profile("repeatable", derandomize=True)
settings.load_profile("repeatable")
