"""Memory for fetches: each needs a few megabytes for a moment."""

import ctypes
import gc

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # glibc's numbers of these parameters: mallopt(3)
_KEPT_BYTES = 64 * 1024 * 1024
_MAX_HEAP_BLOCK_BYTES = 16 * 1024 * 1024
_GARBAGE_THRESHOLD = 200_000
"""Allocations between collections: a batch makes thousands of objects, none of them in a cycle."""


def keep_freed_memory() -> bool:
    """Make glibc keep up to 64 MiB of free memory at its heap's end; return whether the C library is glibc.

    By default it returns memory to the kernel as soon as a few hundred kilobytes are free, and takes large blocks from
    the kernel each time. Filling new pages then costs up to a tenth of the process's time.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # musl, macOS, Windows
        return False
    return bool(mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)) and bool(mallopt(_M_MMAP_THRESHOLD, _MAX_HEAP_BLOCK_BYTES))


def collect_garbage_rarely() -> None:
    """Exempt what exists by now from garbage collection, and collect the rest less often."""
    gc.freeze()
    gc.set_threshold(_GARBAGE_THRESHOLD)
