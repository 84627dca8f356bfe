"""The optimizer against a NumPy version of its formulas, and its saved state."""

import numpy as np
import paddle
import pytest
from paddle import nn

from paddle_electra.errors import InputError
from paddle_electra.training.optimizer import (
    build_optimizer,
    clip_gradients,
    decays,
    layerwise_factors,
)
from paddle_electra.training.schedule import learning_rate, warmup_steps


class Small(nn.Layer):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.layer_norm = nn.LayerNorm(4)

    def forward(self, x):
        return self.layer_norm(self.first(x)).sum(axis=-1) ** 2


def step(model, optimizer, seed, rate=0.1):
    x = paddle.to_tensor(np.random.default_rng(seed).normal(size=(5, 3)).astype("float32"))
    (model(x) * paddle.arange(5).astype("float32")).sum().backward()
    gradients = {name: p.grad.numpy().copy() for name, p in model.named_parameters()}
    optimizer.set_lr(rate)
    optimizer.step()
    optimizer.clear_grad()
    return gradients


def test_update_equals_the_formula_without_bias_correction():
    model = Small()
    optimizer = build_optimizer(model, weight_decay=0.01)
    expected = {name: p.numpy().astype("float64") for name, p in model.named_parameters()}
    m = dict.fromkeys(expected, 0.0)
    v = dict.fromkeys(expected, 0.0)
    for number in range(4):
        rate = 0.1 / (number + 1)
        for name, gradient in step(model, optimizer, number, rate).items():
            m[name] = 0.9 * m[name] + 0.1 * gradient
            v[name] = 0.999 * v[name] + 0.001 * gradient.astype("float64") ** 2
            update = m[name] / (np.sqrt(v[name]) + 1e-6)
            if name == "first.weight":
                update = update + 0.01 * expected[name]
            expected[name] = expected[name] - rate * update
    for name, parameter in model.named_parameters():
        np.testing.assert_allclose(parameter.numpy(), expected[name], atol=2e-5, err_msg=name)


def test_saved_moments_continue_exactly():
    def fresh():
        paddle.seed(1)
        return Small()

    unbroken, optimizer = (model := fresh()), build_optimizer(model)
    for number in range(4):
        step(unbroken, optimizer, number)

    first, optimizer = (model := fresh()), build_optimizer(model)
    for number in range(2):
        step(first, optimizer, number)
    second = Small()
    second.set_state_dict(first.state_dict())
    resumed = build_optimizer(second)
    resumed.load_moments(optimizer.moments(), "here")
    for number in range(2, 4):
        step(second, resumed, number)
    for ours, theirs in zip(second.parameters(), unbroken.parameters(), strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


def test_missing_moment_is_named():
    model = Small()
    optimizer = build_optimizer(model)
    moments = optimizer.moments()
    moments.pop("moment2/first.weight")
    with pytest.raises(InputError, match=r"moment2/first\.weight"):
        optimizer.load_moments(moments, "here")


def test_layerwise_decay_has_the_originals_off_by_one():
    names = ["electra.embeddings.word_embeddings.weight", "electra.embeddings_project.bias"]
    names += ["electra.layers.0.output.bias", "electra.layers.11.output.bias", "classifier.weight"]
    factors = layerwise_factors(names, 12, 0.8)
    powers = [14, 14, 13, 2, 0]
    assert [factors[name] for name in names] == pytest.approx([0.8**p for p in powers])


class Deep(nn.Layer):
    def __init__(self):
        super().__init__()
        self.layers = nn.LayerList([nn.Linear(3, 3), nn.Linear(3, 3)])
        self.classifier = nn.Linear(3, 1)


def test_layerwise_factor_scales_rate_and_decay():
    model = Deep()
    before = {name: p.numpy().copy() for name, p in model.named_parameters()}
    optimizer = build_optimizer(model, weight_decay=0.5, layerwise_lr_decay=0.5, num_layers=2)
    for parameter in model.parameters():
        (parameter * 0.0).sum().backward()  # no gradient: only the decay moves the weights
    optimizer.set_lr(0.1)
    optimizer.step()
    weights = {name: p for name, p in model.named_parameters() if name.endswith("weight")}
    moved = {name: p.numpy() / before[name] for name, p in weights.items()}
    for name, factor in {"layers.0": 0.5**3, "layers.1": 0.5**2, "classifier": 1.0}.items():
        np.testing.assert_allclose(moved[f"{name}.weight"], 1 - 0.1 * factor * 0.5, rtol=1e-6)


def test_decay_spares_norms_and_biases():
    assert decays("electra.layers.0.attention.qkv.weight")
    assert decays("electra.embeddings.word_embeddings.weight")
    for name in (
        "head.bias",
        "electra.layers.0.output_norm.weight",
        "electra.layers.0.output.bias",
    ):
        assert not decays(name)


def test_clipping_scales_to_the_norm_and_reports_it():
    model = Small()
    x = paddle.ones([5, 3]) * 100
    (model(x) + model.first(x).sum(-1)).sum().backward()
    before = np.concatenate([p.grad.numpy().ravel() for p in model.parameters()])
    norm = clip_gradients(model.parameters(), 1.0)
    after = np.concatenate([p.grad.numpy().ravel() for p in model.parameters()])
    assert norm == pytest.approx(np.linalg.norm(before), rel=1e-5) and norm > 1
    np.testing.assert_allclose(after, before / norm, rtol=1e-5)
    assert clip_gradients(model.parameters(), 5.0) == pytest.approx(1.0, rel=1e-5)
    np.testing.assert_allclose(
        np.concatenate([p.grad.numpy().ravel() for p in model.parameters()]), after
    )


def test_rate_decays_during_a_fractional_warmup():
    assert learning_rate(0, 1.0, 10, 2.5) == 0.0
    assert learning_rate(1, 1.0, 10, 2.5) == pytest.approx(0.9 * 0.4)
    assert learning_rate(5, 1.0, 10, 2.5) == pytest.approx(0.5)
    assert learning_rate(10, 1.0, 10, 2.5) == 0.0
    assert learning_rate(0, 1.0, 10) == 1.0
    assert warmup_steps(25, 0.1) == 2.5 and warmup_steps(25, 0.1, 10) == 10
