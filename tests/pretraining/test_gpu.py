"""What only a GPU can do: half precision, flash attention, nccl.  Skipped where there is none."""

import json

import paddle
import pytest
from launched import ENTRY, launch
from small_run import SMALL
from test_equality import distance, losses_and_gradients, trainer_and_batch

from paddle_electra import checkpoint
from paddle_electra.config import from_dict
from paddle_electra.pretraining import run as pretraining
from paddle_electra.pretraining.options import PretrainOptions
from paddle_electra.training.log import read_log

GPUS = paddle.device.cuda.device_count() if paddle.device.is_compiled_with_cuda() else 0
pytestmark = pytest.mark.skipif(not GPUS, reason="needs a GPU and a paddle built for it")
HALF = [("bf16", "O1"), ("bf16", "O2"), ("fp16", "O1"), ("fp16", "O2")]


@pytest.fixture(autouse=True)
def on_the_gpu():
    before = paddle.device.get_device()
    paddle.device.set_device("gpu")
    yield
    paddle.device.set_device(before)


def with_sdpa(layout, **changes):
    """Losses and gradients with the attention that a run on a GPU chooses."""
    trainer, batch = trainer_and_batch(layout, **changes)
    for encoder in trainer.model.encoders:
        encoder.use_attention("sdpa")
    return losses_and_gradients(trainer, batch)


@pytest.mark.parametrize("layout", ["padded", "packed", "unpadded"])
def test_layouts_agree_in_float32(layout):
    expected, gradients = losses_and_gradients(*trainer_and_batch("padded"))
    values, found = with_sdpa(layout)
    assert values["loss"] == pytest.approx(expected["loss"], rel=1e-4)
    assert distance(found, gradients) < 1e-3


@pytest.mark.parametrize(("precision", "level"), HALF)
@pytest.mark.parametrize("layout", ["padded", "packed", "unpadded"])
def test_half_precision_is_near_float32(precision, level, layout):
    expected, _ = losses_and_gradients(*trainer_and_batch("padded"))
    changes = {"precision": precision, "amp_level": level}
    values, _ = with_sdpa(layout, **changes)
    assert values["loss"] == pytest.approx(expected["loss"], rel=2e-2)


def hparams(shards, output, **changes):
    return {**SMALL, "device": "gpu", "data": str(shards), "output": str(output), **changes}


@pytest.mark.parametrize(("precision", "level"), HALF)
def test_a_run_in_half_precision_learns_resumes_and_saves_float32(
    shards, tmp_path, precision, level
):
    changes = {"precision": precision, "amp_level": level, "num_train_steps": 12}
    options = from_dict(PretrainOptions, hparams(shards, tmp_path / "run", **changes))
    run = pretraining.Run(options)
    run._stopping = lambda: run.step >= 7
    with pytest.raises(KeyboardInterrupt):
        run.train()
    pretraining.run(options)
    entries = [e for e in read_log(tmp_path / "run" / "log.jsonl") if e["kind"] == "train"]
    assert [entry["step"] for entry in entries] == list(range(1, 13))
    assert entries[-1]["loss"] < entries[0]["loss"]
    assert ("loss_scale" in entries[0]) == (precision == "fp16")
    loaded = checkpoint.load(tmp_path / "run")
    assert {str(array.dtype) for array in dict(loaded.discriminator.items()).values()} == {
        "float32"
    }


@pytest.mark.skipif(GPUS < 2, reason="needs two GPUs")
def test_two_gpus_equal_one(shards, tmp_path):
    quiet = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    pretraining.run(from_dict(PretrainOptions, hparams(shards, tmp_path / "one", **quiet)))
    text = json.dumps(hparams(shards, tmp_path / "two", **quiet))
    launch(ENTRY, "pretrain", "--hparams", text, logs=tmp_path / "logs")
    one, two = (
        [e["loss"] for e in read_log(tmp_path / name / "log.jsonl") if e["kind"] == "train"]
        for name in ("one", "two")
    )
    assert two == pytest.approx(one, rel=1e-3)
