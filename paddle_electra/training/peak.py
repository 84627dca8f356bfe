"""What a device can do at most, as the ceiling of a run's utilisation."""

import os
import platform
import re
import time

import paddle

_TRIALS = 5


@paddle.no_grad()
def matrix_product_rate(dtype="float32"):
    """Operations a second of large square matrix products on this process's device, the best of
    a few; 2 n^3 operations a product of n x n matrices.

    Args:
        dtype: "float32", "float16" or "bfloat16".
    """
    on_gpu = _is_on_gpu()
    size, products = (8192, 8) if on_gpu else (1024, 1)
    left = paddle.ones([size, size], dtype)
    best = float("inf")
    for _ in range(_TRIALS):
        _wait(on_gpu)
        started = time.perf_counter()
        for _ in range(products):
            paddle.matmul(left, left)
        _wait(on_gpu)
        best = min(best, time.perf_counter() - started)
    return 2.0 * size**3 * products / best


def measure_once(before, dtype="float32"):
    """A `matrix_product_rate` for JSON: {"on": device, threads and type, "rate": operations/s}.

    Args:
        before: what this gave when the run began, or None.  It stands while device and threads are
            the same: a machine that is busy when a run goes on must not change the run's ceiling.
    """
    device = paddle.device.cuda.get_device_name() if _is_on_gpu() else _processor()
    on = [device, os.environ.get("OMP_NUM_THREADS", ""), dtype]
    if before is not None and before["on"] == on:
        return before
    return {"on": on, "rate": matrix_product_rate(dtype)}


def _processor():
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as handle:
            found = re.search(r"^model name\s*:\s*(.*)$", handle.read(8192), re.MULTILINE)
    except OSError:  # not Linux
        found = None
    return found[1] if found else platform.processor()


def _is_on_gpu():
    return paddle.device.get_device().startswith("gpu")


def _wait(on_gpu):
    if on_gpu:
        paddle.device.synchronize()
