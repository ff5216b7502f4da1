"""Keeping memory that is free: every fetch needs a few megabytes for a moment."""

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""glibc's numbers of these parameters: mallopt(3)."""

_KEPT = 64 * 1024 * 1024
_LARGEST_BLOCK = 16 * 1024 * 1024


def keep_freed_memory() -> bool:
    """Let glibc keep up to 64 MiB at its heap's end; return whether there is a glibc that can be told.

    By default it gives memory back to the kernel as soon as a few hundred kilobytes are free, and takes large blocks
    from the kernel each time. Filling new pages then costs up to a tenth of the processor's time.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # musl, macOS, Windows
        return False
    return bool(mallopt(_TRIM_THRESHOLD, _KEPT)) and bool(mallopt(_MMAP_THRESHOLD, _LARGEST_BLOCK))
