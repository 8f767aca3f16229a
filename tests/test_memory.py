"""Freed memory stays with the process."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource, torch
from bench.memory import keep_freed_memory
{call}
def tensors():
    return [torch.ones(6 << 20) for _ in range(4)]  # 24 MiB each
for _ in range(3):
    tensors()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    tensors()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's allocator alone is told")
def test_freed_memory_is_not_fetched_again_page_by_page():
    without, kept = (
        int(subprocess.check_output([sys.executable, "-c", FAULTS.format(call=call)], text=True))
        for call in ("", "keep_freed_memory()")
    )
    assert without > 10000
    assert kept < without / 10
