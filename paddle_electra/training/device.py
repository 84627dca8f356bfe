"""Which device and which attention code a run uses."""

import paddle

from ..errors import InputError


def choose_device(name="auto"):
    """Set paddle's device: "cpu", "gpu", "gpu:N", or "auto" for a GPU where there is one.

    Raises:
        InputError: paddle cannot use that device here.
    """
    if name == "auto":
        name = "gpu" if paddle.device.is_compiled_with_cuda() and _gpus() else "cpu"
    elif name.startswith("gpu") and not (paddle.device.is_compiled_with_cuda() and _gpus()):
        raise InputError(f"--device {name}: this paddle sees no GPU; use --device cpu")
    try:
        return paddle.device.set_device(name)
    except (ValueError, RuntimeError, OSError) as error:
        raise InputError(f"--device {name}: {str(error).splitlines()[0]}") from None


def _gpus():
    return paddle.device.cuda.device_count()


def choose_attention(name="auto"):
    """The attention backend: "auto" is "sdpa" on a GPU and "eager" on a CPU."""
    if name != "auto":
        return name
    return "sdpa" if paddle.device.get_device().startswith("gpu") else "eager"
