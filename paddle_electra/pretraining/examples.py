"""Packing the lines of a document into pretraining examples of one or two segments.

The behaviour is that of `ExampleBuilder` in the original build_pretraining_dataset.py, to the
last random number (PARITY 13).
"""

import random
from typing import NamedTuple

RULES = ("google", "hfl")

SINGLE_SEGMENT_RATE = 0.1
SHORT_TARGET_RATE = 0.05
SHORTEST_TARGET = 5


class Example(NamedTuple):
    """[CLS] first [SEP], or [CLS] first [SEP] second [SEP]; no padding."""

    ids: list  # at most max_seq_length
    first_length: int  # tokens of type 0: [CLS], the first segment and its [SEP]


class ExampleBuilder:
    """Collect lines until they fill an example; a document's end closes one, too.

    Once in twenty examples the next one's target is a random shorter length, so that the model
    meets short inputs; one in ten has a single segment, as in classification of single texts.

    Args:
        max_seq_length: longest example, special tokens counted.
        rng: draws everything random; the order of the draws is the original's.
        rule: how lines are dealt to the two segments.  ``google``: the first segment takes lines
            until about half of the target, the second the rest.  ``hfl``: the fork that the
            Chinese models were made with, where the first segment, once it has a line, takes
            all later ones, and may stay empty: 18 % of the examples at 128 have two segments.
    """

    def __init__(self, max_seq_length, rng: random.Random, rule="google", *, cls_id, sep_id):
        if rule not in RULES:
            raise ValueError(f"rule {rule!r} is not one of {', '.join(RULES)}")
        self.max_seq_length = max_seq_length
        self._rng = rng
        self._goes_first = self._google_rule if rule == "google" else self._hfl_rule
        self._cls_id = cls_id
        self._sep_id = sep_id
        self._target = max_seq_length
        self._lines = []
        self._length = 0

    def add_line(self, ids):
        """Add the token ids of a line.  Returns an `Example` if it completes one, else None."""
        self._lines.append(ids)
        self._length += len(ids)
        return self._create() if self._length >= self._target else None

    def end_document(self):
        """Close the document.  Returns an `Example` of what was left of it, or None."""
        return self._create() if self._length else None

    def _create(self):
        first, second = self._deal_lines()
        del first[self.max_seq_length - 2 :]
        del second[max(0, self.max_seq_length - len(first) - 3) :]
        self._lines = []
        self._length = 0
        self._target = self.max_seq_length
        if self._rng.random() < SHORT_TARGET_RATE:
            self._target = self._rng.randint(SHORTEST_TARGET, self.max_seq_length)
        ids = [self._cls_id, *first, self._sep_id]
        first_length = len(ids)
        if second:
            ids += second
            ids.append(self._sep_id)
        return Example(ids, first_length)

    def _deal_lines(self):
        half = (self._target - 3) // 2  # of the room left by [CLS] [SEP] [SEP]
        if self._rng.random() < SINGLE_SEGMENT_RATE:
            half = float("inf")
        first, second = [], []
        for line in self._lines:
            (first if self._goes_first(first, second, line, half) else second).extend(line)
        return first, second

    def _google_rule(self, first, second, line, half):
        if not first or len(first) + len(line) < half:
            return True
        return not second and len(first) < half and self._rng.random() < 0.5

    def _hfl_rule(self, first, second, line, half):
        if first or len(line) < half:
            return True
        return bool(second) and self._rng.random() < 0.5
