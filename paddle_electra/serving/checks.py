"""What a request may hold: every field checked, and a message that names the one that is wrong."""

import difflib
from typing import NamedTuple

from ..errors import InputError
from ..inference.inputs import CLASSIFYING, as_texts, check_number, check_threshold
from ..text.vocab import MASK

EMBEDDING, FILL_MASK, DETECT, TAG, QA = "embedding", "fill-mask", "detect", "tag", "qa"
PAIRS = ("pair-cls", "text-matching", QA)
SINGLE = ("token-cls", TAG, FILL_MASK, DETECT)
HEAVY = (EMBEDDING, DETECT)
WINDOWED = (TAG, QA, DETECT)  # long texts are read in overlapping stretches
OLD_NAMES = {"sequence_classification": "seq-cls"}

# Fields that only some tasks have, with their defaults.
FIELDS_OF_TASKS = {
    "return_prob": (*CLASSIFYING, "text-matching", "token-cls"),
    "top_k": (FILL_MASK, DETECT),
    "threshold": (DETECT,),
    "n_best": (QA,),
}
FIELDS = ("data", "task", "max_seq_len", "batch_size", "use_gpu", *FIELDS_OF_TASKS)
DEFAULTS = {(FILL_MASK, "top_k"): 5, (DETECT, "top_k"): 3, (DETECT, "threshold"): 0.5}
DEFAULTS[QA, "n_best"] = 5


class Call(NamedTuple):
    """What is to be done; requests with equal calls may share a batch.  None: not of this task."""

    task: str
    max_seq_len: int | None = None
    use_gpu: bool = False
    top_k: int | None = None
    threshold: float | None = None
    n_best: int | None = None


class Asked(NamedTuple):
    """A request that is in order: its `Call`, its texts, and the form of its answers."""

    call: Call
    items: list
    return_prob: bool


def read_request(fields, tasks, default, settings):
    """Check a request.

    Args:
        fields: dict of the request; a field that is None counts as not given.
        tasks: names of the tasks there are.
        default: the task of a request that names none.
        settings: `ServingSettings`.
    Returns:
        `Asked`, with texts as `str` or (str, str).
    Raises:
        InputError: naming the field, and the item in ``data``, that is wrong.
    """
    refuse_unknown(fields, FIELDS, "field")
    fields = {name: value for name, value in fields.items() if value is not None}
    task = _task(fields.get("task"), tasks, default)
    _refuse_fields_of_others(fields, task)
    for name in ("use_gpu", "return_prob"):
        if not isinstance(fields.get(name, False), bool):
            raise InputError(f"'{name}': expected true or false, got {fields[name]!r:.40}")
    for name in ("batch_size", "max_seq_len"):
        if name in fields:
            check_number(fields[name], f"'{name}'")
    for name in ("top_k", "n_best"):
        if name in fields:
            check_number(fields[name], f"'{name}'", least=0 if task == DETECT else 1)
            _limit(f"'{name}': {fields[name]}", fields[name], settings, "max_answers")
    if "threshold" in fields:
        check_threshold(fields["threshold"], "'threshold'")
    own = {name: fields.get(name, DEFAULTS.get((task, name))) for name in Call._fields[3:]}
    call = Call(task, fields.get("max_seq_len"), fields.get("use_gpu", False), **own)
    return Asked(call, _items(fields, task, settings), fields.get("return_prob", False))


def refuse_unknown(names, known, what="argument"):
    """Raise `InputError` for the first of ``names`` that is not ``known``, with the nearest."""
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(str(name)[:40], known, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}"
            raise InputError(f"unknown {what} {name!r:.40}; {hint}")


def _task(task, tasks, default):
    if task is None:
        return default
    name = OLD_NAMES.get(task, task) if isinstance(task, str) else task
    if not isinstance(name, str) or name not in tasks:
        raise InputError(
            f"'task': {task!r:.40} does not exist here; there are {', '.join(map(repr, tasks))}"
        )
    return name


def _refuse_fields_of_others(fields, task):
    for name, owners in FIELDS_OF_TASKS.items():
        if task not in owners and fields.get(name, False) is not False:
            raise InputError(
                f"'{name}': the task {task!r} has no such field; it is of "
                f"{', '.join(map(repr, owners))}"
            )


def _limit(what, value, settings, name):
    most = getattr(settings, name)
    if value > most:
        raise InputError(f"{what} is more than the {most} that this server allows ({name})")


def _items(fields, task, settings):
    data = fields.get("data")
    if data is None:
        raise InputError('the request has no \'data\'; send {"data": [["text"]]}')
    if isinstance(data, list):
        if not data:
            raise InputError('\'data\' is an empty list; send {"data": [["text"]]}')
        _limit(f"'data': a list of {len(data)} items", len(data), settings, "max_items")
        if task == QA:
            data = [_pair_of(item, position) for position, item in enumerate(data)]
    items, total = as_texts(data, "'data'"), 0
    for position, item in enumerate(items):
        name = f"'data'[{position}]"
        texts = (item,) if isinstance(item, str) else item
        if task in PAIRS and len(texts) == 1:
            raise InputError(f"{name}: the task {task!r} takes two texts, got one")
        if task in SINGLE and len(texts) == 2:
            raise InputError(f"{name}: the task {task!r} takes one text, got two")
        for text in texts:
            _check_text(text, name, settings)
            total += len(text)
        if task == FILL_MASK and MASK not in item:
            raise InputError(f"{name}: no {MASK} in it; write {MASK} for what is to be guessed")
    what = f"'data': {total} characters"
    _limit(what, total, settings, "max_request_characters")
    if task in HEAVY:
        _limit(f"{what} for {task!r}", total, settings, "max_heavy_characters")
    return items


def _pair_of(item, position):
    """A question and its context, which may be named."""
    if not isinstance(item, dict):
        return item
    if set(item) != {"question", "context"}:
        raise InputError(
            f"'data'[{position}]: expected 'question' and 'context', "
            f"got {', '.join(map(repr, item)) or 'nothing':.80}"
        )
    return [item["question"], item["context"]]


def _check_text(text, name, settings):
    if not text.strip():
        raise InputError(f"{name}: the text is empty")
    _limit(f"{name}: a text of {len(text)} characters", len(text), settings, "max_characters")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(
            f"{name}: character {error.start} is half of one (a lone surrogate); send UTF-8"
        ) from None
