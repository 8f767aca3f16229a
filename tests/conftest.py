"""Each test process keeps to one processor: threads that fight over two cost far more than they give."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch is first imported, also by the programs tests start
