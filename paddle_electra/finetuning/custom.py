"""``--task custom``: a task of one's own, from options instead of an entry in `tasks.TASKS`."""

import collections
import dataclasses
import os
import re
from pathlib import Path

from ..errors import InputError
from . import readers, tag_files
from .columns import OPTIONS, short
from .custom_options import COLUMNS, FILES, KINDS, CustomOptions
from .question_tables import read_task_questions
from .tables import read_lines
from .tasks import Task

CUSTOM = "custom"
MOST_LABELS = 1000
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_READING = {"max_seq_length": 512, "num_train_epochs": 2.0}  # as the reading tasks of the registry


# kind -> (columns, reader, metric, hyperparameters)
_OF_KIND = {
    "seq-cls": (("text_a", "label"), readers.read_texts, "accuracy", {}),
    "pair-cls": (("text_a", "text_b", "label"), readers.read_texts, "accuracy", {}),
    "token-cls": (("text_a", "label"), tag_files.read_tags, "f1", {}),
    "qa": ((), read_task_questions, "f1", _READING),
}


def refuse_custom_options(options):
    """Raise `InputError` when a task of the registry is given options of a custom task."""
    for field in dataclasses.fields(CustomOptions):
        if getattr(options, field.name) != field.default:
            raise InputError(
                f"--{field.name.replace('_', '-')} is for --task {CUSTOM}; the task "
                f"{_shown(options.task)} has its own files, columns and labels: give its folder "
                f"with --data, or name the task {CUSTOM}"
            )


def _shown(task):
    return task if isinstance(task, str) else " ".join(task)


def custom_task(options, labels_of_model=None):
    """The `Task` that the options describe.

    Its labels are those of ``--labels``, else without training those of the model, else those of
    the training file, which are printed: numbers by value, tags with O first and then by type,
    others in alphabetical order.

    Args:
        options: a `FinetuneOptions`.
        labels_of_model: the labels of the fine-tuned model that is only scored (its ``task.json``).
    Returns:
        a `Task` called "custom" whose files have absolute paths: ``find`` takes any folder.
    Raises:
        InputError: an option is missing, not for this kind or contradicts another one; a file is
            missing; the labels are too few, too many, or no tags.
    """
    _check_options(options)
    columns, reader, metric, defaults = _OF_KIND[options.kind]
    named = {name: getattr(options, name) for name in FILES}
    task = Task(
        name=CUSTOM,
        kind=options.kind,
        labels=() if options.kind == "qa" else None,
        columns=columns,
        files={split: (str(_file(split, name)),) for split, name in named.items() if name},
        metric=metric,
        defaults=defaults,
        reader=reader,
        chosen=_chosen(options, columns),
    )
    if options.kind == "qa":
        return task
    labels, source = _labels(options, task, labels_of_model)
    return dataclasses.replace(task, labels=labels, labels_of=source)


def _check_options(options):
    if options.kind is None:
        raise InputError(f"--task {CUSTOM} needs --kind: {', '.join(KINDS)}")
    if getattr(options, "data", None) is not None:
        raise InputError(
            f"--data {options.data}: --task {CUSTOM} takes files, not a folder: give --train, "
            f"--dev and --test and drop --data"
        )
    if options.do_train and not options.train:
        raise InputError(f"--task {CUSTOM} needs --train, the file with the training examples")
    if not options.do_train and not (options.dev or options.test):
        raise InputError("--no-do-train: nothing to score; give --dev or --test")
    for name, given in (
        ("--keep best", options.keep == "best"),
        ("--early-stopping", options.early_stopping),
    ):
        if given and not options.dev:
            raise InputError(f"{name} needs the scores of a dev file; give --dev")
    wanted = _OF_KIND[options.kind][0]
    for name, column in COLUMNS.items():
        if getattr(options, name) is not None and column not in wanted:
            raise InputError(f"{OPTIONS[column]} is not for --kind {options.kind}{_hint(wanted)}")
    if options.labels and options.kind == "qa":
        raise InputError("--labels is not for --kind qa: an answer is a part of the text")


def _hint(wanted):
    if not wanted:
        return ", whose columns are called question, context and answer, or SQuAD's keys"
    return ", which has one text; pairs are --kind pair-cls"


def _file(split, name):
    path = Path(name).absolute()
    if not path.is_file():
        what = "expected a file, this is a folder" if path.is_dir() else "no such file"
        raise InputError(f"--{split} {name}: {what}")
    return path


def _chosen(options, columns):
    chosen = dict.fromkeys(columns)
    for name, column in COLUMNS.items():
        value = getattr(options, name)
        if value is None:
            continue
        if re.fullmatch("[0-9]+", value):
            if int(value) == 0:
                raise InputError(f"{OPTIONS[column]} 0: columns are numbered from 1")
            value = int(value)
        elif not value:
            raise InputError(f"{OPTIONS[column]} is empty; give a name, or a number from 1")
        chosen[column] = value
    return chosen


# Labels -----------------------------------------------------------------------------------------


def _labels(options, task, labels_of_model):
    """(labels in the order of their ids, where they are from)."""
    if options.labels:
        labels, source = _given(options.labels), "--labels"
        wrong = next((label for label in labels if not tag_files.is_tag(label)), None)
        if task.kind == "token-cls" and wrong is not None:
            raise InputError(
                f"--labels: {wrong!r} is not a label of tagging; expected {tag_files.FORMS}"
            )
    elif not options.do_train:
        if not labels_of_model:
            raise InputError("--no-do-train: the model's task.json names no labels; give --labels")
        labels, source = tuple(labels_of_model), "labels of the model"
    else:
        labels = _inferred(task, options)
        source = f"labels of {options.train}; name all that there are with --labels"
    if len(labels) < 2:
        where, hint = options.train, _column_hint(task)
        if options.labels or not options.do_train:
            where, hint = source, ""
        raise InputError(
            f"{where}: there is only the label {short(labels[0])!r}; at least two are needed{hint}"
        )
    return labels, source


def _given(values):
    """Labels as given: several values, one with commas, or one that is a file."""
    if len(values) == 1 and os.path.isfile(values[0]):
        found = [line.strip() for line in read_lines(values[0])]
        while found and not found[-1]:
            found.pop()
        source = f"--labels {values[0]}"
    elif len(values) == 1 and ("/" in values[0] or values[0].endswith(".txt")):
        raise InputError(f"--labels {values[0]}: no such file")
    else:
        found = values[0].split(",") if len(values) == 1 else values
        found, source = [label.strip() for label in found], "--labels"
    for number, label in enumerate(found):
        if not label:
            raise InputError(f"{source}: label {number + 1} is empty")
        if label in found[:number]:
            raise InputError(f"{source}: {label!r} is there twice")
    if not found:
        raise InputError(f"{source}: no labels in it; expected one a line")
    return tuple(found)


def _inferred(task, options):
    """The labels of the training file in their natural order; prints them."""
    path = task.find("", "train")
    examples = task.read(path, "train", options.rows)
    if task.kind == "token-cls":
        found = [label for example in examples for label in example.labels]
        labels = sorted(set(found), key=tag_files.tag_order)
    else:
        found = [example.label for example in examples]
        labels = sorted(set(found), key=_natural(found))
        _refuse_header(task, path, examples)
        _refuse_texts(task, path, len(labels), len(found))
    if len(labels) > MOST_LABELS:
        raise InputError(
            f"{path}: {len(labels)} different labels, at most {MOST_LABELS} are taken from a file"
            f"{_column_hint(task)}; name them with --labels if it is right"
        )
    counts = collections.Counter(found)
    shown = ", ".join(f"{short(label)} {counts[label]}" for label in labels)
    print(f"labels of {options.train}, and how often they occur: {shown}")
    return tuple(labels)


def _natural(labels):
    """Sort key: by value when all are numbers, else by characters."""
    if all(_NUMBER.fullmatch(label) for label in labels):
        return lambda label: (float(label), label)
    return lambda label: label


def _refuse_texts(task, path, labels, rows):
    """Labels that are all different are a text, or a number of the row."""
    if rows >= 20 and 10 * labels > 9 * rows:
        raise InputError(
            f"{path}: {labels} different labels in {rows} rows, so this is hardly a label"
            f"{_column_hint(task)}; name the labels with --labels if it is right"
        )


def _refuse_header(task, path, examples):
    """A header whose names are unknown looks like data when columns are given by number."""
    first = examples[0]
    by_number = all(isinstance(task.chosen[column], int) for column in task.columns)
    if not by_number or first.row != 1 or len(examples) < 3:
        return
    if all(example.label != first.label for example in examples[1:]):
        raise InputError(
            f"{path}: row 1: the label {short(first.label)!r} is in no other row; if this row is a "
            f"header give the columns by its names, if it is data name all labels with --labels"
        )


def _column_hint(task):
    chosen = task.chosen["label"]
    found = "" if chosen is None else f" {chosen}"
    return f"; is {OPTIONS['label']}{found} the right column?"
