"""Memory of a server with many threads."""

import ctypes
import sys

_ARENA_MAX = -8  # number of glibc's malloc.h


def share_one_heap():
    """Make glibc take the memory of all threads that start from now on from one heap.

    With a heap for each thread, what large requests leave behind in each adds up: a server grew by
    a tenth.  Does nothing elsewhere.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(_ARENA_MAX, 1)
