"""What is set in the environment before paddle computes anything."""

import ctypes
import os
import re
import sys
import warnings

_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8  # names and numbers of glibc's malloc.h


_AVX512 = {"avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"}  # what MKL's kernels use


def fast_products(processor):
    """The ``MKL_DEBUG_CPU_TYPE`` that is fastest on a processor of AMD's; None on others.

    The MKL inside paddle's CPU wheel picks a slow code path on processors that are not Intel's.
    "5" picks AVX2 and doubles or trebles the speed of matrix products; "7" picks AVX-512 and, where
    the processor has it, doubles it again.

    Args:
        processor: text of ``/proc/cpuinfo``.
    """
    if "AuthenticAMD" not in processor:
        return None
    flags = re.search(r"^flags\s*:(.*)$", processor, re.MULTILINE)
    return "7" if flags and set(flags[1].split()) >= _AVX512 else "5"


def use_fast_products():
    """Set what `fast_products` says, unless the user chose a path.

    MKL reads it at its first product, so this does nothing afterwards.
    """
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as handle:
            fast = fast_products(handle.read(8192))
    except OSError:
        return
    if fast:
        os.environ.setdefault("MKL_DEBUG_CPU_TYPE", fast)


_share = 1  # of how many processes that divide the cores this is one


def share_cores(processes):
    """Let `default_threads` be this process' part of the cores."""
    global _share
    _share = max(1, processes)


def default_threads():
    """OMP_NUM_THREADS as the user gave it, else the cores that this process may use."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    # Paddle sets it to 1 when it is imported and finds it unset.
    if given.isdigit() and int(given) and (given != "1" or _started_with("OMP_NUM_THREADS")):
        return int(given)
    return max(1, cores() // _share)


def cores():
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on a Mac
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _started_with(variable):
    """Was the variable in the environment that this process was started with?"""
    try:
        with open("/proc/self/environ", "rb") as handle:
            entries = handle.read().split(b"\0")
    except OSError:
        return False
    return any(entry.startswith(f"{variable}=".encode()) for entry in entries)


def prepare_environment():
    """`use_fast_products`, and for a process of our own: quiet imports, memory that is kept."""
    use_fast_products()
    # Paddle says so at every import; it matters only to people who compile operators.
    warnings.filterwarnings("ignore", message="No ccache found")
    os.environ.setdefault("GLOG_minloglevel", "2")  # paddle's C++ tells of its inner workings
    _keep_freed_memory()


def _keep_freed_memory():
    """Make glibc reuse freed memory instead of handing it back to the kernel.

    Paddle's CPU tensors come from malloc, and large ones would be mapped and zeroed afresh by the
    kernel at every operation: 15-20 % of a training step.
    """
    _set_malloc(_MMAP_MAX, 0)
    share_one_heap()
    _set_malloc(_TRIM_THRESHOLD, 2**31 - 1)


def share_one_heap():
    """Make glibc take the memory of all threads that start from now on from one heap.

    With a heap for each thread, what large requests leave behind in each adds up: a server grew by
    a tenth.
    """
    _set_malloc(_ARENA_MAX, 1)


def give_back_memory():
    """Hand what was freed back to the kernel, as far as it lies in whole pages; some milliseconds.

    Large requests leave holes in the heap, which add up: a server grew by a tenth.
    """
    _call_glibc("malloc_trim", 0)


def _set_malloc(parameter, value):
    _call_glibc("mallopt", parameter, value)


def _call_glibc(name, *numbers):
    """Call a function of glibc's malloc; nothing elsewhere."""
    if sys.platform == "linux":
        function = getattr(ctypes.CDLL(None), name, None)
        if function is not None:
            function(*numbers)
