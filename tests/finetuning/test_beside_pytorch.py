"""The reference in PyTorch that `benchmarks/beside_pytorch.py` compares with takes our steps."""

import sys
from pathlib import Path

import numpy as np
import pytest

from paddle_electra.checkpoint.foreign import export_half
from paddle_electra.checkpoint.native import starting_with, tensors_of
from paddle_electra.finetuning.setup import prepare

pytestmark = pytest.mark.bench
STEPS = 30


@pytest.fixture
def beside(monkeypatch):
    """The benchmark as a module."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    import beside_pytorch

    yield beside_pytorch
    for name in ("beside_pytorch", "torch_electra", "record"):
        sys.modules.pop(name, None)


def final_weights(setup, trainer, reference):
    """[(name, ours, the reference's)] of every parameter, by Hugging Face's names."""
    tensors = tensors_of(trainer.model)
    checkpoint = setup.checkpoint._replace(discriminator=starting_with(tensors, "electra."))
    ours = dict(export_half(checkpoint, "discriminator", "huggingface", embeddings=True).items())
    ours["classifier.weight"] = tensors["classifier.weight"].T
    ours["classifier.bias"] = tensors["classifier.bias"]
    theirs = dict(reference.model.named_parameters())
    assert ours.keys() == theirs.keys()
    return [(name, ours[name], theirs[name].detach().numpy()) for name in ours]


def test_steps_without_dropout_are_the_same(beside, options):
    # Three epochs of 15 steps, so that the 30 cross epochs; the warm-up is 4.5 steps.
    settings = options(num_train_epochs=3, learning_rate=1e-3, layerwise_lr_decay=0.8)
    setup = prepare(settings)
    trainer, reference = beside.make_pair(setup, dropout=False)
    before = [array.copy() for _, array, _ in final_weights(setup, trainer, reference)]
    losses = beside.compare_losses(trainer, reference, STEPS)

    ours, theirs = np.array(losses).T
    np.testing.assert_allclose(ours, theirs, rtol=2e-4)
    assert ours[-5:].mean() < 0.9 * ours[:5].mean()
    after = final_weights(setup, trainer, reference)
    for start, (name, one, other) in zip(before, after, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5, rtol=0, err_msg=name)
        # A bias that all keys share changes no attention weight: its gradient is rounding noise.
        assert name.endswith("key.bias") or np.abs(one - start).max() > 1e-4, name
