"""Whole pretraining runs: exact resume, kills, refusals, equal sums of parts."""

import contextlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import paddle
import pytest
from small_run import CHARACTERS, SMALL, build_shards, write_vocab

from paddle_electra import checkpoint
from paddle_electra.config import from_dict
from paddle_electra.errors import InputError
from paddle_electra.pretraining import run as pretraining
from paddle_electra.pretraining.options import PretrainOptions
from paddle_electra.training import peak
from paddle_electra.training.log import read_log
from paddle_electra.training.state import list_checkpoints


def options(shards, output, **changes):
    values = {**SMALL, "data": str(shards), "output": str(output), **changes}
    return from_dict(PretrainOptions, values)


def entries(output):
    """The log without what depends on the clock."""
    clock = {"tokens_per_second", "seconds_trained", "flops_utilisation"}
    return [
        {key: value for key, value in entry.items() if key not in clock}
        for entry in read_log(output / "log.jsonl")
    ]


@pytest.fixture(scope="module")
def unbroken(shards, tmp_path_factory):
    output = tmp_path_factory.mktemp("runs") / "unbroken"
    pretraining.run(options(shards, output))
    return output


def same_weights(first, second):
    for half in ("discriminator", "generator"):
        ours, theirs = getattr(first, half), getattr(second, half)
        assert ours.keys() == theirs.keys()
        for name, array in ours.items():
            np.testing.assert_array_equal(array, theirs[name], err_msg=name)


def test_a_run_learns_logs_and_leaves_a_model(unbroken):
    train = [entry for entry in entries(unbroken) if entry["kind"] == "train"]
    evals = [entry for entry in entries(unbroken) if entry["kind"] == "eval"]
    assert [entry["step"] for entry in train] == list(range(1, 13))
    assert [entry["step"] for entry in evals] == [6, 12]
    assert train[-1]["loss"] < train[0]["loss"]
    assert {"mlm_accuracy", "rtd_accuracy", "rtd_precision", "rtd_recall", "rtd_auc"} <= evals[
        0
    ].keys()
    assert train[0]["learning_rate"] == 0.0
    loaded = checkpoint.load(unbroken)
    assert loaded.config.hidden_size == 32 and loaded.generator is not None
    assert not any(name.startswith("electra.embeddings.") for name in loaded.generator)


def test_resumed_equals_uninterrupted_to_the_last_bit(shards, unbroken, tmp_path, monkeypatch):
    class Stopped(Exception):
        pass

    make_step = pretraining.Trainer.step

    def stops(self, batch, *rest):
        if batch.step == stop_at:
            raise Stopped
        return make_step(self, batch, *rest)

    monkeypatch.setattr(pretraining.Trainer, "step", stops)
    output = tmp_path / "run"
    for stop_at in (3, 7, 10, 99):  # 3 is before the first checkpoint
        paddle.seed(stop_at)  # whatever happened before must not matter
        if stop_at == 99:
            pretraining.run(options(shards, output))
        else:
            with pytest.raises(Stopped):
                pretraining.run(options(shards, output))
    assert entries(output) == entries(unbroken)
    same_weights(checkpoint.load(output), checkpoint.load(unbroken))


@pytest.mark.slow
def test_killed_and_resumed_equals_uninterrupted(shards, tmp_path):
    def command(output):
        hparams = json.dumps({**SMALL, "data": str(shards), "output": str(output)})
        return [sys.executable, "-m", "paddle_electra", "pretrain", "--hparams", hparams]

    environment = {**os.environ, "OMP_NUM_THREADS": "1"}  # the same sums in every process
    log = tmp_path / "killed" / "log.jsonl"
    process = subprocess.Popen(
        command(tmp_path / "killed"), env=environment, stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        if log.exists() and log.read_text("utf-8").count('"train"') >= 6:
            break
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it ended before it could be killed"
    for name in ("killed", "whole"):
        subprocess.run(command(tmp_path / name), env=environment, check=True, capture_output=True)
    assert entries(tmp_path / "killed") == entries(tmp_path / "whole")
    same_weights(checkpoint.load(tmp_path / "killed"), checkpoint.load(tmp_path / "whole"))


def test_finished_run_says_so_and_changes_nothing(shards, unbroken, capsys):
    before = (unbroken / "log.jsonl").read_bytes()
    pretraining.run(options(shards, unbroken))
    assert "finished already" in capsys.readouterr().out
    assert (unbroken / "log.jsonl").read_bytes() == before


def test_other_settings_data_or_vocabulary_are_refused(shards, unbroken, tmp_path):
    with pytest.raises(InputError, match=r"learning_rate=0\.001, now it is 0\.002"):
        pretraining.run(options(shards, unbroken, learning_rate=0.002))
    other = build_shards(tmp_path, "other", CHARACTERS, seed=1)
    with pytest.raises(InputError, match="not the shards"):
        pretraining.run(options(other, unbroken))
    fewer = build_shards(tmp_path, "fewer", CHARACTERS[:-1])
    with pytest.raises(InputError, match="another vocabulary"):
        pretraining.run(options(fewer, unbroken))


def test_checkpoint_of_another_size_is_refused(shards, unbroken, tmp_path):
    output = tmp_path / "run"
    pretraining.run(options(shards, output, num_train_steps=4))
    _, folder = list_checkpoints(output)[-1]
    config = json.loads((folder / "config.json").read_text("utf-8"))
    config["hidden_size"] = 64
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    settings = json.loads((output / "pretraining.json").read_text("utf-8"))
    settings["options"]["num_train_steps"] = 8
    (output / "pretraining.json").write_text(json.dumps(settings), "utf-8")
    with pytest.raises(InputError, match="another size"):
        pretraining.run(options(shards, output, num_train_steps=8))


def test_resuming_needs_both_halves(shards, tmp_path):
    output = tmp_path / "run"
    pretraining.run(options(shards, output, num_train_steps=4))
    (list_checkpoints(output)[-1][1] / "generator.safetensors").unlink()
    with pytest.raises(InputError, match=r"generator\.safetensors is missing"):
        pretraining.run(options(shards, output, num_train_steps=4))


def test_shards_with_a_changed_vocabulary_are_refused(tmp_path):
    folder = build_shards(tmp_path, "changed", CHARACTERS)
    write_vocab(folder / "vocab.txt", CHARACTERS[::-1])
    with pytest.raises(InputError, match=r"vocab"):
        pretraining.run(options(folder, tmp_path / "run"))


def test_settings_that_are_not_a_runs_are_refused(shards, tmp_path):
    (tmp_path / "pretraining.json").write_text("[1]", "utf-8")
    with pytest.raises(InputError, match=r"pretraining\.json"):
        pretraining.run(options(shards, tmp_path))


def test_rotation_keeps_the_newest(shards, tmp_path):
    output = tmp_path / "run"
    changes = {"save_checkpoints_steps": 1, "keep_checkpoint_max": 2, "num_train_steps": 5}
    pretraining.run(options(shards, output, **changes))
    assert [step for step, _ in list_checkpoints(output)] == [4, 5]
    assert not list((output / "checkpoints").glob(".*"))


@pytest.mark.parametrize("keep", [0, None])
def test_no_limit_keeps_all(shards, tmp_path, keep):
    changes = {"save_checkpoints_steps": 1, "keep_checkpoint_max": keep, "num_train_steps": 5}
    pretraining.run(options(shards, tmp_path / "run", **changes))
    assert [step for step, _ in list_checkpoints(tmp_path / "run")] == [1, 2, 3, 4, 5]


def test_evaluating_needs_held_out_examples(shards, tmp_path):
    few = {"eval_examples": 0, "num_train_steps": 2, "num_warmup_steps": 1}
    pretraining.run(options(shards, tmp_path / "run", **few))
    with pytest.raises(InputError, match="no example is held out to evaluate on"):
        pretraining.run(options(shards, tmp_path / "run", **few, do_train=False))


def test_not_a_number_stops_before_the_weights_and_names_step_and_batch(
    shards, tmp_path, monkeypatch
):
    forward_backward = pretraining.Trainer.forward_backward

    def broken(self, batch, *rest):
        values = forward_backward(self, batch, *rest)
        return {**values, "loss": float("nan")} if batch.step == 5 else values

    monkeypatch.setattr(pretraining.Trainer, "forward_backward", broken)
    with pytest.raises(InputError, match=r"step 6: loss nan.*examples \d+, \d+"):
        pretraining.run(options(shards, tmp_path / "run"))
    assert [step for step, _ in list_checkpoints(tmp_path / "run")] == [4]


def test_stopping_is_said_on_a_line_of_its_own_and_the_peak_stays(shards, tmp_path, monkeypatch):
    quick = {"num_train_steps": 4, "num_warmup_steps": 1, "save_checkpoints_steps": 1}
    chosen = options(shards, tmp_path / "run", do_eval=False, **quick)
    rates, peaks = iter((1e9, 2e9)), []
    monkeypatch.setattr(peak, "matrix_product_rate", lambda dtype: next(rates))
    monkeypatch.setattr(
        pretraining.Run, "close", lambda run: peaks.append(run.peak) or run.log.close()
    )
    printed = io.StringIO()
    with monkeypatch.context() as patch:
        patch.setattr(pretraining.Run, "_stopping", lambda run: run.step >= 2)
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            with pytest.raises(KeyboardInterrupt):
                pretraining.run(chosen)
    lines = printed.getvalue().split("\n")
    assert "stopped at step 2; the same command continues from there" in lines
    pretraining.run(chosen)
    assert peaks == [1e9, 1e9]

    last, before = [folder for _, folder in list_checkpoints(tmp_path / "run")][-1:-3:-1]
    shutil.rmtree(last)
    state = json.loads((before / "training.json").read_text("utf-8"))
    state["peak"]["on"][1] = "another number of threads"
    (before / "training.json").write_text(json.dumps(state), "utf-8")
    pretraining.run(chosen)
    assert peaks == [1e9, 1e9, 2e9]


def test_one_step_is_no_steps(shards, tmp_path, capsys):
    pretraining.run(options(shards, tmp_path, num_train_steps=1, num_warmup_steps=0))
    assert "finished 1 step; the model is in" in capsys.readouterr().out


def test_dry_run_writes_nothing(shards, tmp_path, capsys):
    pretraining.run(options(shards, tmp_path / "run", dry_run=True))
    assert "nothing was written" in capsys.readouterr().out
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("masking", ["unique", "google"])
def test_parts_of_a_batch_add_up_to_the_batch(shards, tmp_path, masking):
    quiet = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "masking": masking}
    losses = {}
    for parts in (1, 2, 4):
        output = tmp_path / str(parts)
        pretraining.run(
            options(shards, output, gradient_accumulation_steps=parts, num_train_steps=6, **quiet)
        )
        losses[parts] = [e["loss"] for e in entries(output) if e["kind"] == "train"]
    for parts in (2, 4):
        np.testing.assert_allclose(losses[parts], losses[1], rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "value"),
    [("num_train_steps", 0), ("train_batch_size", -1), ("mask_prob", 1.5), ("learning_rate", 0)],
)
def test_numbers_out_of_range_are_named(shards, tmp_path, name, value):
    with pytest.raises(InputError, match=f"--{name.replace('_', '-')}"):
        pretraining.run(options(shards, tmp_path / "run", **{name: value}))
