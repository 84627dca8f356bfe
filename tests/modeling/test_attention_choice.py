"""Which kernel attention takes on a GPU, of which there is none here: by stand-ins."""

from types import SimpleNamespace

import paddle
import pytest

from paddle_electra.modeling import attention


def tensor(dtype, gpu=True):
    return SimpleNamespace(dtype=dtype, place=SimpleNamespace(is_gpu_place=lambda: gpu))


@pytest.mark.parametrize(
    ("dtype", "capability", "gpu", "takes"),
    [
        (paddle.float16, (8, 0), True, True),
        (paddle.bfloat16, (9, 0), True, True),
        (paddle.float16, (7, 5), True, False),  # T4: half precision, but no flash kernel
        (paddle.float32, (9, 0), True, False),
        (paddle.bfloat16, (9, 0), False, False),
    ],
)
def test_flash_needs_half_precision_and_a_gpu_that_has_it(
    monkeypatch, dtype, capability, gpu, takes
):
    monkeypatch.setattr(attention, "_capability", lambda: capability)
    assert attention.takes_flash(tensor(dtype, gpu)) is takes


def test_on_a_gpu_without_flash_sdpa_is_eager(monkeypatch):
    """Paddle would choose a kernel that wants the mask of every query."""
    monkeypatch.setattr(attention, "_eager", lambda *arguments: arguments)
    mixed = tensor(paddle.float32)
    assert attention._FUNCTIONS["sdpa"](mixed, 4, "bias", 0.1) == (mixed, 4, "bias", 0.1)
