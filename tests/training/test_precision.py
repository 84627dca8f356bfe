"""Loss scaling: when the scale changes, what is saved of it, and that it cancels out."""

import numpy as np
import paddle
import pytest
from paddle import nn

from paddle_electra.errors import InputError
from paddle_electra.training.optimizer import clip_gradients
from paddle_electra.training.precision import LossScaler, Precision


def test_good_steps_in_a_row_double_the_scale():
    scaler = LossScaler(enabled=True, scale=8.0, patience=3)
    scales = []
    for finite in (True, True, True, True, True, False, True, True, True):
        assert scaler.update(finite)
        scales.append(scaler.scale)
    assert scales == [8, 8, 16, 16, 16, 8, 8, 8, 16]


def test_a_step_that_is_not_finite_halves_the_scale_down_to_one():
    scaler = LossScaler(enabled=True, scale=4.0)
    assert scaler.update(False) and scaler.scale == 2.0
    assert scaler.update(False) and scaler.scale == 1.0
    assert not scaler.update(False), "without scaling it is the loss itself"
    assert scaler.scale == 1.0


def test_a_scaler_that_is_off_never_scales_and_tolerates_nothing():
    scaler = LossScaler(patience=1)
    assert all(scaler.update(True) for _ in range(3))
    assert scaler.state() == {"scale": 1.0, "good": 0}
    assert not scaler.update(False)
    scaler.load({"scale": 1024.0, "good": 7})
    assert scaler.state() == {"scale": 1.0, "good": 0}


def test_a_loaded_state_goes_on_like_the_one_that_was_saved():
    going, loaded = (LossScaler(enabled=True, scale=64.0, patience=4) for _ in range(2))
    for finite in (False, True, True, True):
        going.update(finite)
    loaded.load(going.state())
    for finite in (True, False, True, True, True, True):
        assert going.update(finite) == loaded.update(finite)
        assert going.state() == loaded.state()
    assert going.scale == 64.0


def scaled_gradients(scale):
    """(parameters, gradients without scaling) of a loss that was multiplied by ``scale``."""
    paddle.seed(3)
    layer = nn.Linear(5, 4)
    x = paddle.to_tensor(np.random.default_rng(0).normal(size=(6, 5)).astype("float32"))
    ((layer(x) ** 2).sum() * scale).backward()
    gradients = [parameter.grad.numpy() / scale for parameter in layer.parameters()]
    return layer.parameters(), gradients


@pytest.mark.parametrize("scale", [1.0, 8.0, 2.0**15])
@pytest.mark.parametrize("share", [0.5, 2.0])
def test_clipping_takes_the_scale_out(scale, share):
    parameters, expected = scaled_gradients(scale)
    norm = float(np.sqrt(sum(np.square(g, dtype="float64").sum() for g in expected)))
    found = clip_gradients(parameters, max_norm=share * norm, loss_scale=scale)
    assert found == pytest.approx(norm, rel=1e-6)
    for parameter, gradient in zip(parameters, expected, strict=True):
        np.testing.assert_allclose(parameter.grad.numpy(), min(1.0, share) * gradient, rtol=1e-5)


@pytest.mark.parametrize("broken", [float("inf"), float("nan")])
def test_the_norm_of_broken_gradients_is_not_finite(broken):
    parameters, _ = scaled_gradients(8.0)
    parameters[1].grad.set_value(np.full([4], broken, "float32"))
    assert not np.isfinite(clip_gradients(parameters, loss_scale=8.0))


@pytest.mark.skipif(paddle.device.get_device().startswith("gpu"), reason="a GPU can")
@pytest.mark.parametrize("name", ["bf16", "fp16"])
def test_half_precision_is_refused_where_paddle_cannot_train_in_it(name):
    with pytest.raises(InputError, match=f"--precision {name}: .*use --precision float32"):
        Precision(name)


@pytest.mark.skipif(paddle.device.is_compiled_with_cuda(), reason="is about Paddle for CPUs")
def test_why_training_in_bfloat16_is_refused_on_a_cpu():
    """If this fails, Paddle has learned it, and `Precision` may let it through."""
    x = paddle.ones([4, 4]).astype("bfloat16")
    missing = []
    for name, compute in (
        ("matmul", lambda: paddle.matmul(x, x)),
        ("add", lambda: x + x),
        ("gelu", lambda: nn.functional.gelu(x)),
        ("softmax", lambda: nn.functional.softmax(x)),
    ):
        try:
            compute()
        except RuntimeError:
            missing.append(name)
    assert missing == ["matmul", "add", "gelu", "softmax"]
    with paddle.amp.auto_cast(level="O1", dtype="bfloat16"):
        assert nn.Linear(4, 4)(paddle.ones([2, 4])).dtype == paddle.float32
