"""The table of fine-tuned checkpoints: means, spreads, what is unfinished."""

import sys

import probe_checkpoints
import pytest

from paddle_electra.files import write_json


def write_trial(folder, seed, accuracy):
    write_json(folder / "results.json", {"seed": seed, "dev": {"accuracy": accuracy}})
    names = ("max_seq_length", "num_train_epochs", "train_batch_size", "learning_rate")
    write_json(folder / "settings.json", {"options": dict.fromkeys(names, 1)})


@pytest.fixture
def report(tmp_path, monkeypatch):
    """report(*arguments) -> the lines of the result, of two checkpoints and a third not run."""
    data = tmp_path / "data" / "chnsenticorp"
    data.mkdir(parents=True)
    (data / "dev.tsv").write_text("label\ttext_a\n1\t好\n1\t好\n0\t不\n1\t好\n", "utf-8")
    work = tmp_path / "work"
    for name, values in (("run-step-00000000", (60, 64)), ("run-step-00000010", (80,))):
        for seed, value in enumerate(values, 1):
            write_trial(work / name / "chnsenticorp" / f"trial_{seed}", seed, value)

    def _report(*arguments):
        root = tmp_path / "run" / "checkpoints"
        steps = [str(root / f"step-{step:08d}") for step in (0, 10, 20)]
        words = ["probe_checkpoints.py", "--checkpoints", *steps, "--seeds", "2", "--report-only"]
        words += ["--data", str(data.parent), "--work", str(work)]
        monkeypatch.setattr(sys, "argv", [*words, "--output", str(tmp_path / "r.md"), *arguments])
        probe_checkpoints.main()
        return (tmp_path / "r.md").read_text("utf-8").splitlines()

    return _report


def test_a_row_a_checkpoint(report):
    lines = report("--about", "Three checkpoints.")
    assert "Three checkpoints." in lines
    assert "| run-step-00000000 | 62.00 | 2.83 | 2 of 2 | 1: 60.00, 2: 64.00 |" in lines
    assert "| run-step-00000010 | 80.00 |  | 1 of 2 | 1: 80.00 |" in lines
    assert "| run-step-00000020 | not run | | 0 of 2 | |" in lines
    assert "The commonest label alone would score 75.00." in lines
    assert lines[0].startswith("# ") and any(line.startswith("- hardware: ") for line in lines)


def test_two_checkpoints_of_one_name_are_refused(report, tmp_path, capsys):
    with pytest.raises(SystemExit):
        report("--checkpoints", str(tmp_path / "a" / "model"), str(tmp_path / "b" / "model"))
    assert "same name" in capsys.readouterr().err
