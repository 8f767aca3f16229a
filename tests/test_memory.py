"""Freed memory stays with the process."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource, torch
from bench.memory import keep_freed_memory
assert keep_freed_memory()
def tensors():
    return [torch.ones(6 << 20) for _ in range(4)]  # 24 MiB each, 6144 pages
for _ in range(5):
    tensors()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    tensors()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's allocator alone is told")
def test_freed_memory_is_not_fetched_again_page_by_page():
    """Given back, it would be up to 245,760 pages."""
    assert int(subprocess.check_output([sys.executable, "-c", FAULTS], text=True)) < 10000
