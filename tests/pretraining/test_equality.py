"""However a batch is cut, shared, laid out or recomputed, it trains the same."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import paddle
import pytest
import recorded_run
from launched import launch
from small_run import QUIET, SMALL

from paddle_electra.config import from_dict
from paddle_electra.modeling import kernels
from paddle_electra.modeling.config import ElectraConfig
from paddle_electra.pretraining.batches import LAYOUTS, BatchMaker
from paddle_electra.pretraining.options import PretrainOptions
from paddle_electra.pretraining.settings import build_model
from paddle_electra.pretraining.step import LOSSES, Trainer
from paddle_electra.training.log import read_log

STEPS = 50


def hparams(shards, output, **changes):
    values = {**SMALL, **QUIET, "num_train_steps": STEPS, "eval_every": 0}
    values |= {"data": str(shards), "output": str(output), **changes}
    return json.loads(json.dumps(values))


def recorded(folder, name):
    """What all processes recorded, the gradients of rank 0, and the losses of each step."""
    samples, gradients = {}, None
    for path in sorted(folder.glob(f"{name}.*.npz")):
        arrays = dict(np.load(path))
        found = [arrays.pop(key) for key in sorted(arrays) if key.startswith("gradient/")]
        gradients = gradients or found
        samples |= arrays
    log = read_log(folder / name / "log.jsonl")
    losses = [[entry[key] for key in LOSSES] for entry in log if entry["kind"] == "train"]
    return samples, gradients, losses


@pytest.fixture(scope="module")
def whole(shards, tmp_path_factory):
    """One process, whole batches."""
    folder = tmp_path_factory.mktemp("whole")
    recorded_run.main(hparams(shards, folder / "run"), folder / "run")
    return recorded(folder, "run")


def distance(ours, theirs):
    """||difference|| / ||theirs|| over all arrays."""
    squares = [
        (float(np.square(a - b, dtype=np.float64).sum()), float(np.square(b).sum()))
        for a, b in zip(ours, theirs, strict=True)
    ]
    difference, norm = map(sum, zip(*squares, strict=True))
    return (difference / norm) ** 0.5


def assert_same_training(ours, whole):
    samples, gradients, losses = ours
    assert samples.keys() == whole[0].keys() and len(samples) == STEPS * 8
    for key, ids in whole[0].items():
        np.testing.assert_array_equal(samples[key], ids, err_msg=key)
    assert distance(gradients, whole[1]) < 1e-5
    assert len(losses) == STEPS
    np.testing.assert_allclose(losses, whole[2], rtol=1e-4)


@pytest.mark.parametrize("parts", [2, 3])
def test_micro_steps_equal_the_whole_batch(shards, whole, tmp_path, parts):
    changes = {"gradient_accumulation_steps": parts}
    recorded_run.main(hparams(shards, tmp_path / "run", **changes), tmp_path / "run")
    assert_same_training(recorded(tmp_path, "run"), whole)


@pytest.mark.slow
@pytest.mark.parametrize("parts", [1, 2])
def test_two_processes_equal_one(shards, whole, tmp_path, parts):
    changes = {"gradient_accumulation_steps": parts}
    arguments = json.dumps(hparams(shards, tmp_path / "run", **changes)), tmp_path / "run"
    launch(Path(recorded_run.__file__), *arguments, logs=tmp_path / "logs")
    assert len(list(tmp_path.glob("run.*.npz"))) == 2
    assert_same_training(recorded(tmp_path, "run"), whole)


class Examples:
    """Random examples of very different lengths."""

    max_seq_length = 64
    vocab_size = 90

    def __init__(self, lengths):
        rng = np.random.default_rng(0)
        self.rows = [rng.integers(5, self.vocab_size, length) for length in lengths]
        for row in self.rows:
            row[0], row[-1] = 2, 3

    def __getitem__(self, number):
        return self.rows[number], max(1, len(self.rows[number]) // 3)


TOKENIZER = SimpleNamespace(cls_id=2, sep_id=3, mask_id=4, pad_id=0)
LENGTHS = [64, 3, 17, 40, 64, 5, 9, 33, 4, 2, 25, 61]


def trainer_and_batch(layout, lengths=LENGTHS, parts=1, **changes):
    values = {**SMALL, **QUIET, "data": "-", "output": "-", **changes}
    options = from_dict(PretrainOptions, values)
    config = ElectraConfig.from_size(
        "tiny",
        Examples.vocab_size,
        num_hidden_layers=2,
        hidden_dropout_prob=options.hidden_dropout_prob,
        attention_probs_dropout_prob=options.attention_probs_dropout_prob,
    )
    paddle.seed(1)
    trainer = Trainer(build_model(config, options), options)
    maker = BatchMaker(Examples(lengths), TOKENIZER, options, layout, parts)
    return trainer, maker.make(0, np.arange(len(lengths)))


def losses_and_gradients(trainer, batch):
    values = trainer.forward_backward(batch)
    none = paddle.zeros([1])  # of the generator when there is nothing to guess
    return values, [(none if p.grad is None else p.grad).numpy() for p in trainer.parameters]


def test_layouts_give_the_same_losses_and_gradients():
    expected, gradients = losses_and_gradients(*trainer_and_batch("padded"))
    sizes = {"padded": expected["places"]}
    for layout in ("packed", "unpadded"):
        values, found = losses_and_gradients(*trainer_and_batch(layout))
        sizes[layout] = values["places"]
        assert values["tokens"] == expected["tokens"] == sum(LENGTHS)
        for name in ("loss", "mlm_loss", "discriminator_loss"):
            assert values[name] == pytest.approx(expected[name], rel=1e-5)
        assert distance(found, gradients) < 1e-5
    # The point of it: no work on padding.
    assert sizes["unpadded"] == sum(LENGTHS)
    assert sizes["packed"] == 6 * 64 < sizes["padded"] == len(LENGTHS) * 64


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("lengths", [[20, 20, 20, 20], [64, 63, 12], [2], [64] * 3 + [48] * 2])
def test_layouts_of_any_lengths(layout, lengths):
    expected, gradients = losses_and_gradients(*trainer_and_batch("padded", lengths))
    values, found = losses_and_gradients(*trainer_and_batch(layout, lengths))
    assert values["loss"] == pytest.approx(expected["loss"], rel=1e-5)
    assert distance(found, gradients) < 1e-5


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_attention_code_gives_the_same(layout, attention):
    expected, gradients = losses_and_gradients(*trainer_and_batch("padded"))
    trainer, batch = trainer_and_batch(layout)
    for encoder in trainer.model.encoders:
        encoder.use_attention(attention)
    values, found = losses_and_gradients(trainer, batch)
    assert values["loss"] == pytest.approx(expected["loss"], rel=1e-5)
    assert distance(found, gradients) < 1e-5


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", ["ours", "paddle's"])
def test_recompute_changes_no_bit(layout, kind):
    noisy = {"hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1}
    results = []
    for recompute in (False, True):
        trainer, batch = trainer_and_batch(layout, parts=2, recompute=recompute, **noisy)
        if kind == "ours":
            results.append(losses_and_gradients(trainer, batch))
        else:
            with kernels.reference():
                results.append(losses_and_gradients(trainer, batch))
    (kept, gradients), (computed, again) = results
    assert kept == computed
    for one, other in zip(gradients, again, strict=True):
        np.testing.assert_array_equal(one, other)


def test_kernels_train_as_paddles_own():
    expected, gradients = losses_and_gradients(*trainer_and_batch("padded"))
    with kernels.reference():
        values, found = losses_and_gradients(*trainer_and_batch("padded"))
    assert values["loss"] == pytest.approx(expected["loss"], rel=1e-5)
    assert 0 < distance(found, gradients) < 1e-5  # 0: they were not used
