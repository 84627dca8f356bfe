"""What callers hand in, checked and brought to one form."""

import numbers

from ..errors import InputError

CLASSIFYING = ("seq-cls", "pair-cls")  # kinds of tasks with a label for a text, or for two
SPLIT = "\002"  # between the tokens of a text for token-cls, as PaddleHub has it


def as_texts(data, name="data"):
    """Bring texts to the form the tokenizer takes.

    Args:
        data: a list whose items are a text, ``[text]`` or ``[text, second text]`` (PaddleHub's
            form; tuples serve as well).
        name: how messages call ``data``.
    Returns:
        A list of ``str`` and ``(str, str)``.
    Raises:
        InputError: naming the item that is neither.
    """
    check_list(data, name)
    return [_as_text(item, f"{name}[{position}]") for position, item in enumerate(data)]


def check_list(data, name):
    """Raise `InputError` unless ``data`` is a list (or tuple) of whatever."""
    if isinstance(data, str):
        raise InputError(f"{name}: expected a list of texts, got one text; write [text]")
    if not isinstance(data, (list, tuple)):
        raise InputError(f"{name}: expected a list of texts, got {type(data).__name__}")


def _as_text(item, name):
    if isinstance(item, str):
        return item
    if not isinstance(item, (list, tuple)):
        raise InputError(f"{name}: expected a text or a list of one or two texts, got {item!r:.40}")
    if len(item) not in (1, 2):
        raise InputError(f"{name}: expected one or two texts, got {len(item)}")
    for position, text in enumerate(item):
        if not isinstance(text, str):
            raise InputError(f"{name}[{position}]: expected a text, got {text!r:.40}")
    return item[0] if len(item) == 1 else tuple(item)


def check_number(value, name, least=1):
    """Return ``value`` if it is a whole number of at least ``least``, else raise `InputError`."""
    # NumPy's numbers are such numbers, too.
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
        raise InputError(f"{name}: expected a whole number of at least {least}, got {value!r:.40}")
    return value


def check_threshold(threshold, name="threshold"):
    """Raise `InputError` unless ``threshold`` is a number from 0 to 1."""
    is_number = isinstance(threshold, numbers.Real) and not isinstance(threshold, bool)
    if not is_number or not 0 <= threshold <= 1:
        raise InputError(f"{name}: expected a number from 0 to 1, got {threshold!r:.40}")
