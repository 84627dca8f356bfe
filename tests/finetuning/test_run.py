"""Whole fine-tuning runs on a task with a rule, and what is said when one cannot be."""

import json
import math
import os
import signal
from pathlib import Path

import numpy as np
import paddle
import pytest
from safetensors.numpy import load_file

from paddle_electra import checkpoint as checkpoints
from paddle_electra.checkpoint import native
from paddle_electra.cli import main
from paddle_electra.errors import InputError
from paddle_electra.finetuning.loop import Trainer, epoch_order, split_into_parts
from paddle_electra.finetuning.metrics import only_scores
from paddle_electra.finetuning.run import build_model, run
from paddle_electra.finetuning.session import Session
from paddle_electra.finetuning.setup import prepare
from paddle_electra.finetuning.tasks import get_task
from paddle_electra.training.log import read_log


def weights(options):
    return load_file(Path(options.output) / native.DISCRIMINATOR)


def assert_same_weights(one, other):
    one, other = weights(one), weights(other)
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        np.testing.assert_array_equal(tensor, other[name], err_msg=name)


def test_learns_the_rule_and_leaves_everything(options, capsys):
    settings = options()
    results = run(settings)
    assert results["dev"]["accuracy"] > 90
    assert results["test"]["accuracy"] > 90
    assert results["train"]["steps"] == results["train"]["kept_step"] == 75
    assert [entry["epoch"] for entry in results["epochs"]] == [1, 2, 3, 4, 5]

    folder = Path(settings.output)
    assert json.loads((folder / "results.json").read_text()) == results
    assert not (folder / "checkpoints").exists()
    saved = json.loads((folder / "settings.json").read_text())["options"]
    assert (saved["weight_decay_rate"], saved["learning_rate"]) == (0.01, 3e-3)
    loaded = checkpoints.load(folder)
    assert loaded.task == {
        "task": "chnsenticorp",
        "kind": "seq-cls",
        "labels": ["0", "1"],
        "max_seq_length": 32,
        "num_classes": 2,
    }
    train = [entry for entry in read_log(folder / "log.jsonl") if entry["kind"] == "train"]
    assert [entry["step"] for entry in train] == [1, 10, 20, 30, 40, 50, 60, 70, 75]
    assert train[0]["learning_rate"] == 0
    assert train[-1]["loss"] < 0.1 < train[0]["loss"]

    lines = (folder / "predictions_test.tsv").read_text("utf-8").splitlines()
    assert lines[0].split("\t") == [
        *("row", "text_a", "label", "predicted", "probability_0", "probability_1")
    ]
    right = 0
    for number, line in enumerate(lines[1:], 2):
        row, text, label, predicted, *probabilities = line.split("\t")
        assert int(row) == number
        assert label == str(int("好" in text))
        assert math.isclose(sum(map(float, probabilities)), 1, abs_tol=1e-5)
        assert predicted == str(int(float(probabilities[1]) > 0.5))
        right += predicted == label
    assert 100 * right / len(lines[1:]) == results["test"]["accuracy"]

    capsys.readouterr()
    assert run(settings) == results
    assert "already finished" in capsys.readouterr().out


def test_same_seed_same_run_other_seed_other_run(options):
    short = {"num_train_epochs": 1}
    same = [options(name, **short) for name in ("one", "two")]
    for settings in same:
        run(settings)
    assert_same_weights(*same)
    other = options("three", **short, seed=2)
    run(other)
    with pytest.raises(AssertionError):
        assert_same_weights(same[0], other)


@pytest.mark.parametrize("keep", ["last", "best"])
def test_a_stopped_run_continues_exactly(options, monkeypatch, keep):
    """Stopped inside the second epoch, some steps after the last save."""
    settings = {"num_train_epochs": 3, "keep": keep, "log_steps": 1}
    whole = options("whole", **settings)
    expected = run(whole)

    stopped = options("stopped", **settings)
    take_step, log_step = Trainer.train_step, Session._log_step

    def interrupted(self):
        if self.step == 22:
            raise KeyboardInterrupt
        return take_step(self)

    def saved_after_19(self, *values):
        log_step(self, *values)
        if self.trainer.step == 19:
            self._save()

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "train_step", interrupted)
        patch.setattr(Session, "_log_step", saved_after_19)
        with pytest.raises(KeyboardInterrupt):
            run(stopped)
    results = run(stopped)
    assert_same_weights(whole, stopped)
    assert results["epochs"] == expected["epochs"]
    assert results["dev"] == expected["dev"]
    logs = [read_log(Path(s.output) / "log.jsonl") for s in (whole, stopped)]
    assert logs[0] == logs[1]


def test_keep_best_keeps_the_best_epoch(options, monkeypatch):
    """With dev scores that fall after the second epoch, its weights are the result."""
    scores = iter([50.0, 80.0, 70.0])
    kind = get_task("chnsenticorp").kind_class()
    original = kind.score

    def made_up(self, examples, features, outputs):
        return {**original(self, examples, features, outputs), "accuracy": next(scores, 0.0)}

    monkeypatch.setattr(kind, "score", made_up)
    settings = options("best", num_train_epochs=3, keep="best")
    results = run(settings)
    assert results["train"]["kept_step"] == 30
    assert results["dev"]["loss"] == results["epochs"][1]["loss"]
    assert results["dev"]["loss"] != results["epochs"][2]["loss"]


def test_scoring_without_training(options, tmp_path):
    trained = options(num_train_epochs=3)
    results = run(trained)
    again = options("scored", model=trained.output, do_train=False)
    scored = run(again)
    for split in ("dev", "test"):
        assert scored[split] == results[split]
    assert not (Path(again.output) / native.DISCRIMINATOR).exists()
    with pytest.raises(InputError, match=r"has no task\.json"):
        run(options("other", do_train=False))


def test_random_initialisation_takes_no_weights(options, pretrained):
    kept = checkpoints.load(pretrained).discriminator["electra.embeddings.word_embeddings.weight"]
    for init, equal in (("checkpoint", True), ("random", False)):
        model = build_model(prepare(options(init=init)))
        table = model.electra.embeddings.word_embeddings.weight.numpy()
        assert np.array_equal(table, kept) == equal


def test_absent_splits_are_announced(options, data, capsys):
    (data / "eval.tsv").unlink()
    (data / "dev.tsv").unlink()
    with pytest.raises(InputError, match=r"no dev\.tsv or dev\.csv: the dev split is missing"):
        run(options("best", keep="best"))
    results = run(options(num_train_epochs=0.1))
    assert results["train"]["steps"] == 1
    assert "dev" not in results
    assert "test" not in results
    out = capsys.readouterr().out
    assert "dev: no dev.tsv" in out
    assert "test: no test.tsv or eval.tsv" in out
    (data / "train.tsv").unlink()
    with pytest.raises(InputError, match=r"no train\.tsv or train\.csv: the train split"):
        run(options("none"))


def test_texts_with_tabs_and_line_breaks_stay_on_one_line(options, data):
    (data / "dev.tsv").unlink()
    row = json.dumps({"text": "好\t好\n好", "label": 1})
    file = data / "own.jsonl"
    file.write_text(f"{row}\n" * 2 + json.dumps({"text": "不", "label": 0}) + "\n", "utf-8")
    places = {"task": "custom", "kind": "seq-cls", "data": None, "num_train_epochs": 1}
    given = {**places, "train": str(file), "dev": str(file)}
    run(options("out", **given))
    lines = (Path(options("out").output) / "predictions_dev.tsv").read_text("utf-8").splitlines()
    assert len(lines) == 4
    assert lines[1].split("\t")[:3] == ["1", "好 好 好", "1"]


def test_ctrl_c_finishes_the_step_and_saves(options, capsys, monkeypatch):
    step, calls = Trainer.train_step, []

    def interrupted(self):
        calls.append(1)
        if len(calls) == 4:
            os.kill(os.getpid(), signal.SIGINT)
        return step(self)

    monkeypatch.setattr(Trainer, "train_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(options("out", num_train_epochs=1))
    monkeypatch.undo()
    assert "stopped at step 4; the same command continues there" in capsys.readouterr().out
    results = run(options("out", num_train_epochs=1))
    assert "continuing after step 4 of 15" in capsys.readouterr().out
    unbroken = run(options("unbroken", num_train_epochs=1))
    assert results["dev"] == unbroken["dev"]
    assert_same_weights(options("out"), options("unbroken"))


def test_models_that_are_named_by_mistake(options, capsys, tmp_path):
    run(options("out", num_train_epochs=0.1))
    with pytest.raises(InputError, match="this is the folder of --model"):
        run(options("out", model=options("out").output))
    capsys.readouterr()
    run(options("again", model=options("out").output, num_train_epochs=0.1))
    note = "is fine-tuned already (on chnsenticorp): its encoder is taken, its head is not"
    assert note in capsys.readouterr().err
    run(options("two", num_train_epochs=0.1, num_trials=2))
    with pytest.raises(InputError, match="there are models in it, name one: trial_1, trial_2"):
        run(options("other", model=options("two").output))


def test_what_is_said_before_training(options, pretrained, capsys):
    settings = options("out", num_train_epochs=0.1)
    run(settings)
    first, second, third = capsys.readouterr().out.splitlines()[:3]
    assert first == f"read    native checkpoint {pretrained}"
    assert second.startswith("loaded  discriminator: ")
    assert "; 2 layers of 32, heads 2, embeddings 16, " in second
    recipe = "recipe  epochs 0.1, rate 0.003, layer decay 1, batch 16, length 32"
    assert third == recipe
    run(options("again", num_train_epochs=0.1, init="random", layerwise_lr_decay=None))
    said = capsys.readouterr().out
    assert recipe.replace("decay 1", "decay 0.8") + ", from random weights\n" in said
    run(options("scores", model=settings.output, do_train=False))
    said = capsys.readouterr().out
    assert said.startswith(f"read    native checkpoint {settings.output}\n")
    assert "recipe" not in said


def test_files_that_changed_are_said_without_digests(options, data):
    run(options("out", num_train_epochs=0.1))
    with open(data / "train.tsv", "a", encoding="utf-8") as handle:
        handle.write("1\t好\n")
    with pytest.raises(InputError, match=r"a run on another train file, or the file has changed"):
        run(options("out", num_train_epochs=0.1))
    (data / "train.tsv").write_bytes(b"PK\x03\x04 a workbook")
    with pytest.raises(InputError, match="an Excel or zip file; save the table as CSV in UTF-8"):
        run(options("new", num_train_epochs=0.1))


def test_a_run_of_an_earlier_version_goes_on(options):
    """It does not know options that came later; at their defaults they change nothing."""
    results = run(options("out", num_train_epochs=0.1))
    path = Path(options("out").output) / "settings.json"
    saved = json.loads(path.read_text("utf-8"))
    del saved["run"]["early_stopping"], saved["run"]["loss_reduction"]
    path.write_text(json.dumps(saved), "utf-8")
    assert run(options("out", num_train_epochs=0.1)) == results
    with pytest.raises(InputError, match=r"another early-stopping"):
        run(options("out", num_train_epochs=0.1, early_stopping=1))


def test_texts_that_are_cut_are_counted(options, capsys):
    run(options("out", num_train_epochs=0.1, max_seq_length=8))
    setup = prepare(options("other", max_seq_length=8))
    full = sum(len(feature) == 8 for feature in setup.training_features)
    assert 0 < full < 240
    said = f"train.tsv; {full} fill --max-seq-length 8, what is longer was cut"
    assert said in capsys.readouterr().out


@pytest.mark.slow
def test_early_stopping(options, data, capsys):
    """With a rate of nearly 0 no epoch is better than the first one."""
    still = {"learning_rate": 1e-9, "num_train_epochs": 5}
    results = run(options("out", **still, early_stopping=2))
    assert [entry["epoch"] for entry in results["epochs"]] == [1, 2, 3]
    assert results["train"]["steps"] == results["train"]["kept_step"] == 45
    assert len(run(options("all", **still))["epochs"]) == 5
    (data / "dev.tsv").unlink()
    with pytest.raises(InputError, match="the dev split is missing, which --early-stopping needs"):
        run(options("none", early_stopping=1))
    with pytest.raises(InputError, match="--early-stopping needs the scores of the dev split"):
        run(options("none", early_stopping=1, do_eval=False))


def test_unlabelled_test_split_gets_predictions(options, data):
    (data / "test.tsv").write_text("qid\ttext_a\n0\t好好好\n1\t的是\n", encoding="utf-8")
    settings = options(num_train_epochs=0.1)
    results = run(settings)
    assert results["test"]["examples"] == 2 and not only_scores(results["test"])
    lines = (Path(settings.output) / "predictions_test.tsv").read_text("utf-8").splitlines()
    assert [line.split("\t")[:3] for line in lines[1:]] == [["2", "好好好", ""], ["3", "的是", ""]]


def test_dummy_labels_give_no_score(options, data):
    """As the original, `rows="hfl"` takes no label of a file called "test"."""
    (data / "eval.tsv").rename(data / "test.tsv")
    settings = options(num_train_epochs=0.1, rows="hfl")
    results = run(settings)
    assert results["test"]["examples"] == 40 and not only_scores(results["test"])
    lines = (Path(settings.output) / "predictions_test.tsv").read_text("utf-8").splitlines()
    assert {line.split("\t")[2] for line in lines[1:]} == {""}


def test_one_step_is_said_to_learn_nothing(options, capsys):
    run(options("one", num_train_epochs=0.1))
    assert "this is one step, whose rate is 0" in capsys.readouterr().err
    run(options("two", num_train_epochs=0.1, warmup_proportion=0.0))
    assert "this is one step" not in capsys.readouterr().err


def test_warns_when_dev_predictions_are_all_one_class(options, capsys):
    results = run(options(num_train_epochs=1, learning_rate=0.0))
    warning = results["dev"]["warning"]
    assert warning.startswith("all 60 predictions are")
    assert capsys.readouterr().err.count(f"warning: dev: {warning}") == 1


def test_every_example_is_used_once_an_epoch(options):
    setup = prepare(options(train_batch_size=50))
    trainer = Trainer(setup.kind, build_model(setup), setup.training_features, setup.options)
    sizes, seen = [], []
    for step in range(trainer.steps_per_epoch):
        trainer.step = step
        features = trainer.next_features()
        sizes.append(len(features))
        seen.extend(map(id, features))
    assert sizes == [50, 50, 50, 50, 40]
    assert sorted(seen) == sorted(map(id, trainer.features))
    assert trainer.total_steps == 25
    assert not np.array_equal(epoch_order(240, 1, 0), epoch_order(240, 1, 1))


def test_the_loss_is_a_sum_and_its_mean_is_reported(options, monkeypatch):
    """Also: a batch computed in parts has the gradient of the whole."""
    setup = prepare(options())
    trainer = Trainer(setup.kind, build_model(setup), setup.training_features, setup.options)
    features = trainer.next_features()
    assert len(split_into_parts(features)) == 2
    trainer.model.eval()
    losses = setup.kind.losses(trainer.model, setup.kind.collate(features))
    losses.sum().backward()
    squares = [float((p.grad**2).sum()) for p in trainer.model.parameters() if p.grad is not None]
    trainer.optimizer.clear_grad()

    monkeypatch.setattr(trainer.model, "train", trainer.model.eval)  # no dropout
    mean, rate, norm = trainer.train_step()
    assert mean == pytest.approx(float(losses.mean()), rel=1e-6)
    assert norm == pytest.approx(math.sqrt(sum(squares)), rel=1e-5)
    assert rate == 0


def test_padding_changes_nothing(options):
    setup = prepare(options(max_seq_length=64))
    kind, model = setup.kind, build_model(setup)
    features = sorted(setup.jobs[0].splits["dev"].features, key=len)[:16]
    model.eval()
    batch = kind.collate(features)
    assert batch["input_ids"].shape[1] == 8
    wide = {
        name: paddle.nn.functional.pad(t, [0, 0, 0, 56]) if t.ndim == 2 else t
        for name, t in batch.items()
    }
    assert wide["input_ids"].shape == [16, 64]
    alone = []
    for feature in features:
        unpadded = {
            "input_ids": feature.input_ids[None],
            "token_type_ids": feature.token_type_ids[None],
            "attention_mask": np.ones((1, len(feature)), np.int64),
            "labels": np.array([feature.label]),
        }
        single = {name: paddle.to_tensor(array) for name, array in unpadded.items()}
        alone.append(float(kind.losses(model, single).sum()))
    np.testing.assert_allclose(kind.losses(model, batch).numpy(), alone, atol=1e-6)
    np.testing.assert_allclose(kind.losses(model, wide).numpy(), alone, atol=1e-6)


def test_stops_on_a_loss_that_is_not_a_number(options, monkeypatch):
    kind = get_task("chnsenticorp").kind_class()
    losses = kind.losses

    def bad(self, model, batch):
        return losses(self, model, batch) * float("nan")

    monkeypatch.setattr(kind, "losses", bad)
    with pytest.raises(InputError, match=r"step 1: .* nan; no weight was changed"):
        run(options())


def test_another_run_in_the_output_folder(options, tmp_path):
    run(options(num_train_epochs=0.1))
    with pytest.raises(InputError, match=r"another learning-rate \(0\.003, now 0\.001\)"):
        run(options(num_train_epochs=0.1, learning_rate=1e-3))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("important")
    with pytest.raises(InputError, match="not of a fine-tuning run"):
        run(options("mine"))


def arguments(options):
    names = ("model", "data", "output")
    places = (part for name in names for part in (f"--{name}", getattr(options, name)))
    return ["finetune", "--task", *options.task, *places]


def check_refused(arguments, capsys, *parts):
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    for part in parts:
        assert part in error


def test_command_line_errors(options, data, tmp_path, pretrained, capsys):
    line = arguments(options())
    check_refused([*line, "--max-seq-length", "1024"], capsys, "1024", "has 64 positions")
    check_refused([*line, "--learning-rat", "1"], capsys, "did you mean 'learning_rate'")
    check_refused([*line, "--model", str(tmp_path / "nowhere")], capsys, "nowhere")
    check_refused([*line, "--data", str(tmp_path / "nowhere")], capsys, "nowhere: no such folder")
    with open(data / "dev.tsv", "a", encoding="utf-8") as handle:
        handle.write("2\t好\n")
    check_refused(line, capsys, "dev.tsv: row 62: label '2' is outside the label set 0, 1")
    assert not Path(options().output).exists()


def test_checkpoint_of_another_size(options, data, tmp_path, pretrained, capsys):
    """Weights that are not of the size that the checkpoint's config.json says."""
    other = tmp_path / "other"
    other.mkdir()
    for file in pretrained.iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    config = json.loads((other / native.CONFIG).read_text())
    (other / native.CONFIG).write_text(json.dumps({**config, "intermediate_size": 128}))
    line = arguments(options(model=str(other)))
    check_refused(line, capsys, "layers.0.intermediate.", "[32, 128]", "another size")

    (other / native.CONFIG).write_text(json.dumps({**config, "num_hidden_layers": 3}))
    line = arguments(options(model=str(other)))
    check_refused(line, capsys, "'electra.layers.2.", "is missing")
    assert not (tmp_path / "out").exists()
