"""What `speed_pretraining` measures of Paddle itself: matrix products, and a step's operators."""

import time

import paddle

DTYPES = {"float32": "float32", "bf16": "bfloat16", "fp16": "float16"}


@paddle.no_grad()
def products(shapes, precision):
    """Paddle's operations a second in matrix products (rows, inner) x (inner, columns).

    Args:
        shapes: [(rows, inner, columns), ...].
    """
    dtype, rates = DTYPES[precision], []
    for rows, inner, columns in shapes:
        left, right = paddle.ones([rows, inner], dtype), paddle.ones([inner, columns], dtype)
        best = float("inf")
        for _ in range(5):
            began = time.perf_counter()
            paddle.matmul(left, right)
            if paddle.device.get_device().startswith("gpu"):
                paddle.device.synchronize()
            best = min(best, time.perf_counter() - began)
        rates.append(2 * rows * inner * columns / best)
    return rates


def device_peak():
    """Bytes of the GPU's memory in use at most; None on a CPU."""
    if not paddle.device.get_device().startswith("gpu"):
        return None
    return paddle.device.cuda.max_memory_allocated()


def operators(step, steps):
    """[(operator, milliseconds a step, calls a step), ...] by Paddle's profiler, longest first.

    The time is an operator's own, without that of operators which it calls.

    Args:
        step: function of a step's number.
    """
    from paddle import profiler

    # Without a handler of its own it writes a folder of traces.
    targets = [profiler.ProfilerTarget.CPU]
    with profiler.Profiler(targets=targets, on_trace_ready=lambda _: None) as watch:
        for number in range(steps):
            step(1 + number)
    found = {}
    for root in watch.profiler_result.get_data().values():
        _add_own_times(root, found)
    rows = [(name, ns / 1e6 / steps, calls / steps) for name, (ns, calls) in found.items()]
    return sorted(rows, key=lambda row: -row[1])


def _add_own_times(node, found):
    """Add the operators at and below a node to {name: [nanoseconds, calls]}; their whole time."""
    below = sum(_add_own_times(child, found) for child in node.children_node)
    if node.type.name != "Operator":
        return below
    whole = node.end_ns - node.start_ns
    entry = found.setdefault(node.name, [0, 0])
    entry[0] += whole - below
    entry[1] += 1
    return whole


class OnPaddle:
    """What contestants on Paddle have in common; they have ``settings`` and ``step``."""

    def ceiling(self, shapes):
        """See `products`."""
        return products(shapes, self.settings.precision)

    def peak(self):
        """See `device_peak`."""
        return device_peak()

    def profile(self, steps):
        """See `operators`."""
        return operators(self.step, steps)
