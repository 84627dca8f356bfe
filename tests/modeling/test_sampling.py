"""The generator's samples, dropout and the kernels for training on a CPU."""

import numpy as np
import paddle
import paddle.nn.functional as F
import pytest

from paddle_electra.modeling import kernels
from paddle_electra.modeling.sampling import sample_ids

SHARES = np.array([0.5, 0.3, 0.15, 0.05, 0.0])
COUNT = 20000


def drawn(temperature=1.0, disallow_correct=False, original=1):
    """Shares of the words among many samples."""
    with np.errstate(divide="ignore"):
        logits = np.log(SHARES).clip(-200).astype(np.float32)
    logits = paddle.to_tensor(np.tile(logits, (COUNT, 1)))
    originals = paddle.full([COUNT], original, "int64")
    uniforms = paddle.to_tensor(np.random.default_rng(0).random(COUNT, dtype=np.float32))
    ids = sample_ids(logits, F.softmax(logits), originals, uniforms, temperature, disallow_correct)
    assert ids.dtype == paddle.int64
    return np.bincount(ids.numpy(), minlength=len(SHARES)) / COUNT


def test_samples_follow_the_softmax():
    np.testing.assert_allclose(drawn(), SHARES, atol=0.015)
    assert drawn()[4] == 0.0


def test_the_correct_token_can_be_disallowed():
    expected = SHARES * [1, 0, 1, 1, 1]
    found = drawn(disallow_correct=True)
    assert found[1] == 0.0
    np.testing.assert_allclose(found, expected / expected.sum(), atol=0.015)


@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_temperature_divides_the_logits(temperature):
    expected = SHARES ** (1 / temperature)
    np.testing.assert_allclose(drawn(temperature), expected / expected.sum(), atol=0.015)


def test_the_largest_random_number_draws_a_word():
    logits = paddle.zeros([3, 7])
    uniforms = paddle.to_tensor(np.array([0.0, 0.5, np.nextafter(np.float32(1), 0)], np.float32))
    ids = sample_ids(logits, F.softmax(logits), paddle.zeros([3], "int64"), uniforms)
    assert ids.tolist() == [0, 3, 6]


def gradients(function, *arrays):
    tensors = [paddle.to_tensor(array, stop_gradient=False) for array in arrays]
    output = function(*tensors)
    weights = np.random.default_rng(1).standard_normal(output.shape).astype(np.float32)
    (output * paddle.to_tensor(weights)).sum().backward()
    return [output.numpy(), *(tensor.grad.numpy() for tensor in tensors)]


def arrays(*shapes):
    rng = np.random.default_rng(0)
    return [(2 * rng.standard_normal(shape)).astype(np.float32) for shape in shapes]


@pytest.mark.parametrize(
    ("function", "inputs"),
    [
        (kernels.linear, arrays((3, 5, 8), (8, 12), (12,))),
        (kernels.linear, arrays((7, 8), (8, 12), (12,))),
        (kernels.gelu, arrays((3, 5, 8))),
        (lambda x, w, b: kernels.layer_norm(x, w, b, 1e-12), arrays((3, 5, 8), (8,), (8,))),
        (lambda x, w, b: kernels.layer_norm(x, w, b, 1e-5), arrays((9, 8), (8,), (8,))),
    ],
)
def test_kernels_give_paddles_values_and_gradients(function, inputs):
    ours = gradients(function, *inputs)
    with kernels.reference():
        theirs = gradients(function, *inputs)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("frozen", [0, 1])
@pytest.mark.parametrize("make", [lambda: kernels.Linear(8, 12), lambda: kernels.LayerNorm(8)])
def test_a_frozen_weight_gets_no_gradient_and_stops_none(make, frozen):
    layer = make()
    parameters = [layer.weight, layer.bias]
    parameters[frozen].stop_gradient = True
    x = paddle.to_tensor(arrays((5, 8))[0], stop_gradient=False)
    layer(x).sum().backward()
    assert x.grad is not None and parameters[1 - frozen].grad is not None
    assert parameters[frozen].grad is None


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
def test_dropout_drops_scales_and_differentiates(probability):
    paddle.seed(3)
    ones = paddle.ones([300, 501])
    ones.stop_gradient = False
    output = kernels.dropout(ones, probability)
    output.sum().backward()
    values = output.numpy()
    assert (values == 0).mean() == pytest.approx(probability, abs=0.005)
    np.testing.assert_allclose(values[values != 0], 1 / (1 - probability), rtol=1e-4)
    np.testing.assert_array_equal(ones.grad.numpy(), values)  # the same mask backwards


def test_dropout_goes_by_paddles_seed_and_by_training():
    x = paddle.ones([64, 64])
    paddle.seed(5)
    first, second = kernels.dropout(x, 0.3).numpy(), kernels.dropout(x, 0.3).numpy()
    paddle.seed(5)
    np.testing.assert_array_equal(kernels.dropout(x, 0.3).numpy(), first)
    assert (first != second).any()
    assert kernels.dropout(x, 0.3, training=False) is x
    assert kernels.dropout(x, 0.0) is x
