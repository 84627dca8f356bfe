"""Models of BERT's family: their own head, loss and rates."""

import dataclasses

import paddle
import pytest
from test_reading import write_reading

from paddle_electra import checkpoint as checkpoints
from paddle_electra.checkpoint import native
from paddle_electra.finetuning.loop import Trainer
from paddle_electra.finetuning.run import build_model, run
from paddle_electra.finetuning.setup import prepare
from paddle_electra.modeling.electra import ElectraDiscriminator


@pytest.fixture
def bert(pretrained, tmp_path):
    """A checkpoint with BERT's pooler."""
    config = dataclasses.replace(checkpoints.load(pretrained).config, pooler=True)
    paddle.seed(4)
    model = ElectraDiscriminator(config)
    native.save(tmp_path / "bert", config, pretrained / "vocab.txt", model)
    return tmp_path / "bert"


def test_its_recipe(bert, options):
    given = {"model": str(bert), "learning_rate": None, "layerwise_lr_decay": None}
    setup = prepare(options(**given))
    assert setup.options.loss_reduction == "mean"
    assert (setup.options.learning_rate, setup.options.layerwise_lr_decay) == (2e-5, 1.0)
    assert prepare(options(**given, loss_reduction="sum")).options.loss_reduction == "sum"
    electra = prepare(options(learning_rate=None))
    assert electra.options.loss_reduction == "sum"
    assert electra.options.learning_rate == 3e-4


def test_the_mean_is_the_sum_over_the_batch_size(bert, options):
    """One step without clipping: the gradient's norm is that of the sum by the batch's size."""
    norms = []
    for reduction in ("mean", "sum"):
        setup = prepare(options(model=str(bert), loss_reduction=reduction))
        model = build_model(setup)
        trainer = Trainer(setup.kind, model, setup.training_features, setup.options)
        norms.append(trainer.train_step()[2])
    assert norms[1] == pytest.approx(16 * norms[0], rel=1e-3)


@pytest.mark.slow
def test_it_classifies_and_reads(bert, options, tmp_path):
    results = run(options("out", model=str(bert)))
    assert results["dev"]["accuracy"] > 90
    assert "electra.pooler.weight" in checkpoints.load(tmp_path / "out").discriminator
    folder = tmp_path / "reading"
    folder.mkdir()
    for split, count in (("train", 60), ("dev", 10)):
        write_reading(folder / f"{split}.json", count, count)
    given = {"task": "cmrc2018", "data": str(folder), "num_train_epochs": 1}
    run(options("read", model=str(bert), **given))
    names = set(checkpoints.load(tmp_path / "read").discriminator)
    assert {"start.weight", "end.weight"} < names
    assert not any(name.startswith(("answerable", "end_hidden")) for name in names)
    # The head is found again from the fine-tuned model alone.
    again = {**given, "model": str(tmp_path / "read"), "do_train": False}
    assert "dev" in run(options("again", **again))
