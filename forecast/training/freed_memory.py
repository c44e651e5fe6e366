"""Keeps freed memory in the process while it trains on a processor, instead of handing it back after each operation."""

from __future__ import annotations

import ctypes
import sys

# Names and numbers of glibc's <malloc.h>.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4
_MOST = 2**31 - 1
_AHEAD_BYTES = 64 * 2**20


def keep_freed_memory() -> bool:
    """Tell glibc's allocator to reuse large blocks.

    By default it maps each block of more than some MiB anew and unmaps it when it is freed. A step of training on a
    processor allocates hundreds of those, and the kernel clears every page of them each time, which takes a good part
    of a step. What the process holds does not grow much beyond its peak.

    Returns:
        Whether it was done; elsewhere than on Linux with glibc nothing is.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return False
    mallopt.argtypes, mallopt.restype = [ctypes.c_int, ctypes.c_int], ctypes.c_int
    settings = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, _MOST), (_M_TOP_PAD, _AHEAD_BYTES))
    return all(mallopt(name, value) == 1 for name, value in settings)
