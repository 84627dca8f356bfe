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

SPLITS = ("train", "dev", "test")

# kind of task -> "module:class" (loaded on use: those import paddle)
KINDS = {"seq-cls": "classification:SequenceClassification"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task:
    """What is particular to a task.

    Attributes:
        kind: one of `KINDS`: features, head, loss and predictions.
        labels: the label set; the position is the label's id.
        columns: column order of a file without a header.
        files: split -> names to look for in the data folder, the first one found is taken.
        metric: a name in `metrics.METRICS`; higher is better.
        defaults: hyperparameters in which the task differs from its model size's recipe.
        reference: published scores, model size -> split -> (maximum, mean or None), in percent.
        reader: ``reader(path, columns, labels, rows, needs_labels) -> list of examples``.
    """

    name: str
    kind: str
    labels: tuple[str, ...]
    columns: tuple[str, ...]
    files: dict[str, tuple[str, ...]]
    metric: str = "accuracy"
    defaults: dict = dataclasses.field(default_factory=dict)
    reference: dict = dataclasses.field(default_factory=dict)
    reader: Callable = readers.read_tsv

    def find(self, folder, split):
        """The path of a split's file in ``folder``, or None."""
        candidates = (Path(folder) / name for name in self.files[split])
        return next((path for path in candidates if path.is_file()), None)

    def read(self, path, split, rows="strict"):
        """The examples of a split's file.  Only a test split may lack labels.

        Raises:
            InputError: see the reader.
        """
        return self.reader(path, self.columns, self.labels, rows, needs_labels=split != "test")

    def kind_class(self):
        """The class that implements the task's kind (imports paddle)."""
        module, _, name = KINDS[self.kind].partition(":")
        return getattr(importlib.import_module(f".{module}", __package__), name)


# HFL's test split is named "eval".
TSV_FILES = {"train": ("train.tsv",), "dev": ("dev.tsv",), "test": ("test.tsv", "eval.tsv")}

TASKS = {
    task.name: task
    for task in (
        Task(
            name="chnsenticorp",
            kind="seq-cls",
            labels=("0", "1"),
            columns=("label", "text_a"),
            files=TSV_FILES,
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
