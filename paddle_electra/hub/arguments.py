"""The arguments of a module and of a request, checked; needs neither paddle nor paddlehub."""

import difflib

from ..errors import InputError
from ..inference.inputs import as_texts

TASKS = {"seq-cls": "seq-cls", "sequence_classification": "seq-cls", None: None}


def normalize_task(task):
    """The task under its present name.  Raises `InputError` saying which there are."""
    if not isinstance(task, (str, type(None))) or task not in TASKS:
        raise InputError(
            f"task: {task!r} does not exist here; there are 'seq-cls' (classification of a text "
            f"or of a pair, old name 'sequence_classification') and None (embeddings)"
        )
    return TASKS[task]


def refuse_unknown(arguments, known):
    """Raise `InputError` for the first of ``arguments``, naming the nearest of ``known``."""
    for name in arguments:
        near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}"
        raise InputError(f"unknown argument {name!r}; {hint}")


def check_request(data, use_gpu, return_prob):
    """Raise `InputError` naming the field of a JSON request that is wrong."""
    if data is None:
        raise InputError('the request has no \'data\'; send {"data": [["text"]]}')
    for position, item in enumerate(as_texts(data, "'data'")):
        if not all(text.strip() for text in ([item] if isinstance(item, str) else item)):
            raise InputError(f"'data'[{position}]: the text is empty")
    if not data:
        raise InputError('\'data\' is an empty list; send {"data": [["text"]]}')
    for name, value in (("use_gpu", use_gpu), ("return_prob", return_prob)):
        if not isinstance(value, bool):
            raise InputError(f"{name!r}: expected true or false, got {value!r:.40}")
