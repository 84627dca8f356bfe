"""The downstream probe: what is refused early, and that it is a fine-tuning of its own."""

import json
import os
import random

import numpy as np
import paddle
import pytest
from tiny_checkpoint import TEXTS, make_checkpoint

from paddle_electra.errors import InputError
from paddle_electra.pretraining.probe import check_probe, probe_environment, run_probe


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    for split, count in (("train", 24), ("dev", 10)):
        rows = [f"{number % 2}\t{TEXTS[number % 2]}" for number in range(count)]
        (folder / f"{split}.tsv").write_text("\n".join(["label\ttext_a", *rows]) + "\n", "utf-8")
    return folder


def spec(folder, **changes):
    values = {"task": "chnsenticorp", "data": str(folder), "num_train_epochs": 0.5}
    return check_probe({**values, "train_batch_size": 4, "max_seq_length": 16, **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learning_rat": 1}, "--probe: unknown .*'learning_rat'; did you mean 'learning_rate'"),
        ({"learning-rate": "much"}, "--probe: --learning-rate: expected a number"),
        ({"keep": "middle"}, "--probe: --keep: 'middle' is not one of"),
        ({"model": "m"}, "--probe: model cannot be given: it is the run's checkpoint"),
        ({"num-trials": 3}, "--probe: num_trials cannot be given"),
        ({"task": ["xnli", "lcqmc"]}, "expected the name of one task"),
        ({"task": "xnli,lcqmc"}, "expected the name of one task"),
        ({"data": "nowhere"}, "--probe: data nowhere: no such folder"),
    ],
)
def test_a_wrong_spec_is_refused_before_anything_runs(data, changes, message):
    with pytest.raises(InputError, match=message):
        spec(data, **changes)


def test_a_spec_needs_a_task():
    with pytest.raises(InputError, match="--probe: --task is required"):
        check_probe({"num_train_epochs": 1})


def test_the_child_is_no_rank_of_the_run(monkeypatch):
    for name in ("PADDLE_TRAINER_ID", "PADDLE_MASTER", "PADDLE_LOCAL_RANK", "POD_NAME"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("PADDLE_ELECTRA_CACHE", "cache")
    monkeypatch.setenv("FLAGS_selected_gpus", "1")
    kept = probe_environment()
    assert not any(name.startswith(("PADDLE_TRAINER", "PADDLE_M", "POD_")) for name in kept)
    assert not any(name.startswith("PADDLE_LOCAL") for name in kept)
    assert (kept["PADDLE_ELECTRA_CACHE"], kept["FLAGS_selected_gpus"]) == ("cache", "1")


@pytest.mark.slow
def test_the_same_checkpoint_scores_the_same_and_nothing_else_moves(data, tmp_path, monkeypatch):
    model = make_checkpoint(tmp_path / "step-00000004", generator=True)
    monkeypatch.setenv("PADDLE_TRAINERS_NUM", "2")  # as in a run under two processes
    monkeypatch.setenv("PADDLE_TRAINER_ID", "0")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    paddle.seed(5)
    random.seed(5)
    np.random.seed(5)
    expected = paddle.rand([3]).numpy(), random.random(), np.random.rand()
    paddle.seed(5)
    random.seed(5)
    np.random.seed(5)
    output = tmp_path / "probes" / "step-00000004"
    first = run_probe(model, spec(data, seed=3), output)
    np.testing.assert_array_equal(paddle.rand([3]).numpy(), expected[0])
    assert (random.random(), np.random.rand()) == expected[1:]
    second = run_probe(model, spec(data, seed=3), output)  # takes the place of the first
    assert {**first, "seconds": 0} == {**second, "seconds": 0}
    assert first["task"] == "chnsenticorp" and first["examples"] == 10
    assert 0 <= first["accuracy"] <= 100 and first["seconds"] > 0
    json.dumps(first)
    left = {path.name for path in output.iterdir()}
    assert {"results.json", "settings.json", "log.jsonl"} <= left
    assert not left & {"discriminator.safetensors", "config.json"}
    assert os.listdir(output.parent) == [output.name]
    options = json.loads((output / "settings.json").read_text("utf-8"))["options"]
    assert (options["seed"], options["num_train_epochs"], options["do_test"]) == (3, 0.5, False)


@pytest.mark.slow
def test_a_failure_gives_the_last_line_of_the_fine_tuning(data, tmp_path):
    model = make_checkpoint(tmp_path / "model")
    with pytest.raises(InputError, match=r"probe of .*/model: .*failed: .*'chnsenticor'") as error:
        run_probe(model, spec(data, task="chnsenticor"), tmp_path / "out")
    assert "\n" not in str(error.value) and "paddle-electra: error" not in str(error.value)
    assert not (tmp_path / "out").exists()
    (data / "dev.tsv").rename(data / "test.tsv")
    with pytest.raises(InputError, match=r"neither a dev nor a test split|no dev file"):
        run_probe(model, spec(data, do_test=True), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_probe_is_broken_off_when_the_run_is(data, tmp_path):
    model = make_checkpoint(tmp_path / "model")
    with pytest.raises(KeyboardInterrupt):
        run_probe(model, spec(data, num_train_epochs=10000), tmp_path / "out", interrupted=[15])
    assert os.listdir(tmp_path).count("out") == 0
