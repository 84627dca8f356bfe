"""The arguments of a module, checked; needs neither paddle nor paddlehub."""

from ..errors import InputError
from ..serving.checks import OLD_NAMES

MATCHING = "text-matching"
TASKS = {
    "seq-cls": "classification of a text or of a pair, old name 'sequence_classification'",
    "pair-cls": "classification of a pair of texts, seen together",
    "token-cls": "labels of tokens",
    MATCHING: "two texts, seen one by one",
    "qa": "answers to questions about a text",
}


def normalize_task(task):
    """The task under its present name.  Raises `InputError` saying which there are."""
    if task is None:
        return None
    name = OLD_NAMES.get(task, task) if isinstance(task, str) else task
    if not isinstance(name, str) or name not in TASKS:
        known = "; ".join(f"'{name}' ({what})" for name, what in TASKS.items())
        raise InputError(
            f"task: {task!r:.40} does not exist here; there are {known}; and None (embeddings)"
        )
    return name
