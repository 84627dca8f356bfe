"""A new task is one entry: the one that CONTRIBUTING.md shows."""

import random
import re
from pathlib import Path

import pytest
from finetuning_data import CHARACTERS

from paddle_electra import checkpoint as checkpoints
from paddle_electra.cli import main
from paddle_electra.finetuning import tasks
from paddle_electra.finetuning.run import run

CONTRIBUTING = Path(__file__).resolve().parents[2] / "CONTRIBUTING.md"
MARKS = {"bad": "不", "fair": "中", "good": "好"}


@pytest.fixture
def hotel(monkeypatch):
    """The entry in CONTRIBUTING.md, put into the registry."""
    blocks = re.findall(r"```python\n(.*?)```", CONTRIBUTING.read_text("utf-8"), re.DOTALL)
    entry = next(block for block in blocks if block.startswith("Task("))
    names = {"Task": tasks.Task, "TSV_FILES": tasks.TSV_FILES}
    task = eval(entry, names)
    monkeypatch.setitem(tasks.TASKS, task.name, task)
    return task


def test_it_is_learned_and_every_command_knows_it(hotel, options, tmp_path, capsys):
    folder = tmp_path / "hotel"
    folder.mkdir()
    plain = [c for c in CHARACTERS if c not in MARKS.values()]
    for split, count in (("train", 360), ("dev", 60)):
        source, lines = random.Random(count), []
        for number in range(count):
            label = list(MARKS)[number % 3]
            text = source.choices(plain, k=6)
            text[source.randrange(6)] = MARKS[label]
            lines.append(f"{label}\t{''.join(text)}\n")
        (folder / f"{split}.tsv").write_text("".join(lines), "utf-8")
    results = run(options("out", task="hotel", data=str(folder), learning_rate=3e-3))
    assert results["dev"]["accuracy"] > 90
    assert checkpoints.load(tmp_path / "out").task["labels"] == list(hotel.labels)
    assert main(["validate", str(folder), "--task", "hotel"]) == 0
    assert "labels: bad 120, fair 120, good 120" in capsys.readouterr().out
    # Its own default is taken where nothing else is said.
    results = run(
        options("rate", task="hotel", data=str(folder), learning_rate=None, num_train_epochs=0.1)
    )
    saved = (tmp_path / "rate" / "settings.json").read_text("utf-8")
    assert f'"learning_rate": {hotel.defaults["learning_rate"]}' in saved
    assert (
        main(["finetune", "--task", "hotels", "--model", "m", "--output", "o", "--data", "d"]) == 2
    )
