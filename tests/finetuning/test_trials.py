"""Several trials: seeds, summary, resuming, what is kept."""

import json
import statistics
from pathlib import Path

import pytest

from paddle_electra import checkpoint as checkpoints
from paddle_electra.errors import InputError
from paddle_electra.finetuning.run import run
from paddle_electra.finetuning.session import Session
from paddle_electra.finetuning.trials import print_summary, summarize

SHORT = {"num_train_epochs": 1, "train_batch_size": 60}


def without_times(results):
    """Results but for what the clock says."""
    text = json.loads(json.dumps(results))
    for trial in text.get("trials", [text]):
        trial.get("train", {}).pop("seconds", None)
    return text


def test_trials_are_runs_with_their_own_seeds(options, capsys):
    results = run(options("three", num_trials=3, seed=5, **SHORT))
    folder = Path(options("three").output)
    assert json.loads((folder / "results.json").read_text()) == results
    assert [trial["seed"] for trial in results["trials"]] == [5, 6, 7]
    single = run(options("one", seed=6, **SHORT))
    assert without_times(results["trials"][1]) == without_times(single)
    for number in (1, 2, 3):
        assert checkpoints.load(folder / f"trial_{number}").task["task"] == "chnsenticorp"
        for name in ("predictions_dev.tsv", "predictions_test.tsv", "log.jsonl"):
            assert (folder / f"trial_{number}" / name).is_file()
        assert list((folder / f"trial_{number}" / "visualdl").iterdir())
    values = [trial["dev"]["accuracy"] for trial in results["trials"]]
    assert results["summary"]["dev"]["accuracy"] == {
        "maximum": max(values),
        "mean": statistics.fmean(values),
        "std": statistics.stdev(values),
        "values": values,
    }
    out = capsys.readouterr().out
    shown = f"{max(values):.1f} ({statistics.fmean(values):.1f})"
    assert f"chnsenticorp dev   accuracy  {shown}" in out


@pytest.mark.slow
def test_a_stopped_trial_goes_on_and_more_may_be_added(options, monkeypatch, capsys):
    unbroken = run(options("unbroken", num_trials=3, **SHORT))
    score, calls = Session._score_dev, []

    def stop_in_the_second(self, bar):
        calls.append(self)
        if len(calls) == 2:
            raise KeyboardInterrupt
        score(self, bar)

    monkeypatch.setattr(Session, "_score_dev", stop_in_the_second)
    with pytest.raises(KeyboardInterrupt):
        run(options("stopped", num_trials=2, **SHORT))
    monkeypatch.undo()
    two = run(options("stopped", num_trials=2, **SHORT))
    assert two["num_trials"] == 2
    capsys.readouterr()
    three = run(options("stopped", num_trials=3, **SHORT))
    assert capsys.readouterr().out.count("already finished") == 2
    assert without_times(three) == without_times(unbroken)
    assert run(options("stopped", num_trials=1 + 1, **SHORT)) == three  # nothing is lost
    assert "3 trials are already finished" in capsys.readouterr().out


def test_what_is_kept(options):
    given = {**SHORT, "num_trials": 3, "n_writes_test": 2, "keep_all_models": False}
    run(options("few", **given))
    folder = Path(options("few").output)
    models = [(folder / f"trial_{n}" / "discriminator.safetensors").is_file() for n in (1, 2, 3)]
    assert models == [False, False, True]
    tests = [(folder / f"trial_{n}" / "predictions_test.tsv").is_file() for n in (1, 2, 3)]
    assert tests == [True, True, False]
    assert (folder / "trial_3" / "predictions_dev.tsv").is_file()
    run(options("none", write_test_outputs=False, **SHORT))
    assert not (Path(options("none").output) / "predictions_test.tsv").exists()


def test_a_folder_holds_a_run_or_trials(options):
    run(options("out", **SHORT))
    with pytest.raises(InputError, match="holds a single run; name a new folder for trials, or d"):
        run(options("out", num_trials=2, **SHORT))
    run(options("trials", num_trials=2, **SHORT))
    with pytest.raises(InputError, match="holds several trials; name a new folder for one run"):
        run(options("trials", **SHORT))
    with pytest.raises(InputError, match="--num-trials needs training"):
        run(options("other", num_trials=2, model=options("out").output, do_train=False))


def test_summary_leaves_out_what_not_all_trials_have(capsys):
    trials = [
        {"dev": {"examples": 2, "f1": 50.0, "loss": 1.0}, "test": {"examples": 1}},
        {"dev": {"examples": 2, "f1": 60.0, "loss": 2.0}, "test": {"examples": 1}},
    ]
    found = summarize(trials, ["t"])
    assert found["test"] == {}
    assert found["dev"]["f1"]["std"] == pytest.approx(50**0.5)
    assert summarize(trials[:1], ["t"])["dev"]["f1"]["std"] == 0
    task = type("Task", (), {"name": "t"})
    trials = [{"seed": seed, **trial} for seed, trial in enumerate(trials, 7)]
    print_summary({"num_trials": 2, "summary": found, "trials": trials}, [task])
    out = capsys.readouterr().out
    assert "60.0 (55.0)" in out
    assert "loss" not in out and "warning" not in out


def test_collapsed_trials_are_told_with_the_summary(capsys):
    one, two = ({"dev": {"examples": 2, "f1": f1, "loss": 1.0}} for f1 in (50.0, 60.0))
    one["dev"]["warning"] = "all 2 predictions are '0'"
    found = summarize([one, two], ["t"])
    assert list(found["dev"]) == ["f1", "loss"]
    task = type("Task", (), {"name": "t"})
    trials = [{"seed": 7, **one}, {"seed": 8, **two}]
    print_summary({"num_trials": 2, "summary": found, "trials": trials}, [task])
    assert "warning: t dev: one answer to everything with seed 7\n" in capsys.readouterr().out
    several = [task, type("Task", (), {"name": "u"})]
    trials = [{"seed": seed, "t": one, "u": two} for seed in (7, 8)]
    summary = {"t": found, "u": found}
    print_summary({"num_trials": 2, "summary": summary, "trials": trials}, several)
    out = capsys.readouterr().out
    assert "warning: t dev: one answer to everything with seeds 7, 8\n" in out
    assert "warning: u" not in out
