"""What the kernel has to do for memory that comes and goes."""

import platform
import subprocess
import sys

import pytest

ROUNDS, BLOCKS = 20, 8
PAGES = ROUNDS * BLOCKS * 256
"""What `USE` fills when all memory is new: pages of 4 KiB in blocks of 1 MiB."""

USE = f"""
import resource
from clickstream_kafka.memory import keep_freed_memory
KEEP
def use():
    blocks = [bytes([1]) * 2**20 for _ in range({BLOCKS})]
use()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range({ROUNDS}):
    use()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(first: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", USE.replace("KEEP", first)], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told to keep memory")
def test_memory_that_was_freed_is_used_again() -> None:
    assert page_faults("") > PAGES / 2
    assert page_faults("assert keep_freed_memory()") < PAGES / 20
