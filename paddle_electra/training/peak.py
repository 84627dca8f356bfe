"""What a device can do at most, as the ceiling of a run's utilisation."""

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
    on_gpu = paddle.device.get_device().startswith("gpu")
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


def _wait(on_gpu):
    if on_gpu:
        paddle.device.synchronize()
