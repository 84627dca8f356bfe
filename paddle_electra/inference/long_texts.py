"""Texts of any length as overlapping stretches that the network takes."""

from typing import NamedTuple

import numpy as np

from ..errors import InputError
from ..text.windows import most_context
from .inputs import check_list


class Sequence(NamedTuple):
    """What `batching.batches` needs of a model input: two lists with one number a token."""

    ids: list
    token_type_ids: list


class Stretch(NamedTuple):
    """``count`` units (tokens or words) of text ``text`` from ``first`` on, which ``own`` [count]
    bool are to be answered here: each unit where it has the most context."""

    text: int
    first: int
    count: int
    own: np.ndarray


def sequence(tokenizer, ids):
    """The `Sequence` [CLS] ids [SEP] of one text."""
    ids = [tokenizer.cls_id, *ids, tokenizer.sep_id]
    return Sequence(ids, [0] * len(ids))


def stretches(text, lengths, room):
    """The `Stretch`es of a text; one when all of it fits, none for a text without units.

    Args:
        text: its number.
        lengths: [n] tokens of each unit; a unit is never cut, one of more than ``room`` counts
            as ``room``.
        room: most tokens of a stretch.  Neighbours share about a quarter of it.
    """
    places = _places(np.minimum(lengths, room), room)
    best = most_context(places, len(lengths))
    return [
        Stretch(text, first, count, best[first : first + count] == number)
        for number, (first, count) in enumerate(places)
    ]


def _places(lengths, room):
    """(first unit, number of units) of each stretch; the last one reaches back as far as it can."""
    ends = lengths.cumsum()
    starts = ends - lengths
    first, found = 0, []
    while first < len(lengths):
        stop = int(np.searchsorted(ends, starts[first] + room, "right"))
        if stop == len(lengths):
            first = int(np.searchsorted(starts, ends[-1] - room))
            found.append((first, stop - first))
            break
        found.append((first, stop - first))
        first = max(first + 1, int(np.searchsorted(starts, ends[stop - 1] - room // 4)))
    return found


def plain_texts(texts, name="texts"):
    """``texts`` if it is a list of single texts, else raise `InputError` naming the item."""
    check_list(texts, name)
    for position, text in enumerate(texts):
        if not isinstance(text, str):
            raise InputError(f"{name}[{position}]: expected a text, got {text!r:.40}")
    return texts
