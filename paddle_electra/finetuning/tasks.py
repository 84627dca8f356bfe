"""The registry of tasks.

A new task of a known kind is one `Task` entry in `TASKS`: the command line, its help and the
documentation read it from here.  A new kind of task is one class with the interface of
`classification.SequenceClassification`, named in `KINDS`.
"""

import dataclasses
import difflib
import importlib
from collections.abc import Callable
from pathlib import Path

from ..errors import InputError
from . import readers
from .question_tables import read_task_questions

SPLITS = ("train", "dev", "test", "challenge")

# kind of task -> "module:class" (loaded on use: those import paddle)
KINDS = {
    "seq-cls": "classification:SequenceClassification",
    "pair-cls": "classification:SequenceClassification",
    "token-cls": "tagging:SequenceTagging",
    "qa": "reading:ReadingComprehension",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task:
    """What is particular to a task.

    Attributes:
        kind: one of `KINDS`: features, head, loss and predictions.
        labels: the label set; the position is the label's id.  None: not known before reading.
        columns: column order of a file without a header.
        aliases: other spellings of labels -> the label.
        chosen: column -> its name, or its number from 1, that a user gave; None for a task whose
            files have a known order.
        labels_of: where the label set is from, for messages.
        files: split -> names to look for in the data folder, the first one found is taken.
        metric: the score that counts, one that the kind gives; higher is better.
        defaults: hyperparameters in which the task differs from its model size's recipe.
        recipes: size or "bert" -> hyperparameters for models of that recipe only.
        reference: published scores, model size -> split -> (maximum, mean or None), in percent.
        reader: ``reader(path, task, split, rows) -> list of examples``.
    """

    name: str
    kind: str
    labels: tuple[str, ...] | None
    columns: tuple[str, ...]
    files: dict[str, tuple[str, ...]]
    metric: str = "accuracy"
    defaults: dict = dataclasses.field(default_factory=dict)
    recipes: dict = dataclasses.field(default_factory=dict)
    reference: dict = dataclasses.field(default_factory=dict)
    reader: Callable = readers.read_texts
    aliases: dict = dataclasses.field(default_factory=dict)
    chosen: dict | None = None
    labels_of: str = ""

    def find(self, folder, split):
        """The path of a split's file in ``folder``, or None."""
        candidates = (Path(folder) / name for name in self.files.get(split, ()))
        return next((path for path in candidates if path.is_file()), None)

    def folder_in(self, data):
        """Where its files are: ``data``, or the folder named after it in the one of all tasks."""
        inside = Path(data) / self.name
        own = any(self.find(data, split) for split in SPLITS)
        return inside if not own and inside.is_dir() else Path(data)

    def read(self, path, split, rows="strict"):
        """The examples of a split's file.  Only a training or dev split must have labels.

        Raises:
            InputError: see the reader.
        """
        return self.reader(path, self, split, rows)

    def label(self, text):
        """The label that a spelling of it stands for."""
        return self.aliases.get(text.strip(), text.strip())

    def has_dummy_labels(self, path, split, rows):
        """The original gives the label 0 to all of a split whose name contains "test".

        Those labels say nothing: there is no score by them.  A custom task has no such names.
        """
        named = self.chosen is None and "test" in Path(path).stem
        return rows == "hfl" and split == "test" and named

    def kind_class(self):
        """The class that implements the task's kind (imports paddle)."""
        module, _, name = KINDS[self.kind].partition(":")
        return getattr(importlib.import_module(f".{module}", __package__), name)


# HFL's test split is named "eval".
TSV_FILES = {
    "train": ("train.tsv", "train.csv"),
    "dev": ("dev.tsv", "dev.csv"),
    "test": ("test.tsv", "eval.tsv", "test.csv", "eval.csv"),
}


# HFL's rate for its BERT models on some tasks (README of Chinese-BERT-wwm); 3e-5 on the others.
BERT_2E5 = {"bert": {"learning_rate": 2e-5}}


def _matching(name, reference, recipes):
    """A task of two texts that mean the same or not."""
    return Task(
        name=name,
        kind="pair-cls",
        labels=("0", "1"),
        columns=("text_a", "text_b", "label"),
        files=TSV_FILES,
        recipes=recipes,
        reference=reference,
    )


QA_FILES = {
    "train": ("train.json",),
    "dev": ("dev.json",),
    "test": ("test.json", "eval.json"),
    "challenge": ("challenge.json",),
}


def _reading(name, reference):
    """A reading-comprehension task; HFL trains two epochs on windows of 512 tokens."""
    return Task(
        name=name,
        kind="qa",
        labels=(),
        columns=(),
        files=QA_FILES,
        metric="f1",
        defaults={"max_seq_length": 512, "num_train_epochs": 2.0},
        reference=reference,
        reader=read_task_questions,
    )


TASKS = {
    task.name: task
    for task in (
        _reading(
            "cmrc2018",
            {
                "small": {"dev": (80.8, 80.2), "test": (83.4, 83.0), "challenge": (37.2, 35.8)},
                "small-ex": {"dev": (82.2, None), "test": (85.3, None), "challenge": (38.3, None)},
                "base": {"dev": (84.8, 84.6), "test": (87.1, 86.9), "challenge": (45.0, 43.8)},
                "large": {"dev": (85.2, None), "test": (87.1, None), "challenge": (44.2, None)},
            },
        ),
        _reading(
            "drcd",
            {
                "small": {"dev": (86.7, 86.4), "test": (85.8, 85.6)},
                "small-ex": {"dev": (89.5, None), "test": (89.1, None)},
                "base": {"dev": (92.5, 92.3), "test": (91.8, 91.7)},
                "large": {"dev": (93.3, None), "test": (93.6, None)},
            },
        ),
        Task(
            name="xnli",
            kind="pair-cls",
            labels=("contradictory", "entailment", "neutral"),
            aliases={"contradiction": "contradictory"},
            columns=("text_a", "text_b", "label"),
            files=TSV_FILES,
            reader=readers.read_xnli,
            reference={
                "small": {"dev": (73.3, 72.5), "test": (73.1, 72.6)},
                "small-ex": {"dev": (75.4, None), "test": (75.8, None)},
                "base": {"dev": (77.9, 77.0), "test": (78.4, 77.8)},
                "large": {"dev": (81.5, None), "test": (81.0, None)},
            },
        ),
        _matching(
            "lcqmc",
            {
                "small": {"dev": (86.7, 86.3), "test": (85.9, 85.6)},
                "small-ex": {"dev": (87.5, None), "test": (86.0, None)},
                "base": {"dev": (90.2, 89.8), "test": (87.6, 87.3)},
                "large": {"dev": (90.7, None), "test": (87.3, None)},
            },
            recipes=BERT_2E5,
        ),
        _matching(
            "bqcorpus",
            {
                "small": {"dev": (83.5, 83.0), "test": (82.0, 81.7)},
                "small-ex": {"dev": (84.0, None), "test": (82.6, None)},
                "base": {"dev": (84.8, 84.7), "test": (84.5, 84.0)},
                "large": {"dev": (86.7, None), "test": (85.1, None)},
            },
            recipes={},
        ),
        Task(
            name="chnsenticorp",
            kind="seq-cls",
            labels=("0", "1"),
            columns=("label", "text_a"),
            files=TSV_FILES,
            recipes=BERT_2E5,
            reference={
                "small": {"dev": (92.8, 92.5), "test": (94.3, 93.5)},
                "small-ex": {"dev": (92.6, None), "test": (93.6, None)},
                "base": {"dev": (93.8, 93.0), "test": (94.5, 93.5)},
                "large": {"dev": (95.2, None), "test": (95.3, None)},
            },
        ),
    )
}


def get_task(name):
    """The task of that name.  Raises `InputError` naming the nearest one."""
    if name in TASKS:
        return TASKS[name]
    near = difflib.get_close_matches(name, TASKS, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(TASKS)}"
    raise InputError(f"unknown task {name!r}; {hint}")
