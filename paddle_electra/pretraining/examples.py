"""Packing the lines of a document into pretraining examples of one or two segments.

The behaviour is that of `ExampleBuilder` in the original build_pretraining_dataset.py, to the
last random number (PARITY 13).  It depends on the lengths of lines only, so no token is handled
here: an example is a list of places in a stream that begins with [CLS] and [SEP], which each
example takes from there, followed by all tokens of the text.
"""

import random
from bisect import bisect_left
from typing import NamedTuple

RULES = ("google", "hfl")

SINGLE_SEGMENT_RATE = 0.1
SHORT_TARGET_RATE = 0.05
SHORTEST_TARGET = 5

TEXT_BEGINS = 2  # in the stream
_CLS, _SEP = (0, 1), (1, 2)  # start and end of the special tokens in the stream


class Examples(NamedTuple):
    """[CLS] first [SEP], or [CLS] first [SEP] second [SEP], without padding.

    ``spans``: starts and ends, by turns, of the parts of the stream that are all examples, one
    after the other; ``lengths`` of the examples in tokens, at most ``max_seq_length``;
    ``first_lengths``: tokens of type 0, [CLS], the first segment and its [SEP].
    """

    spans: list
    lengths: list
    first_lengths: list


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

    def __init__(self, max_seq_length, rng: random.Random, rule="google"):
        if rule not in RULES:
            raise ValueError(f"rule {rule!r} is not one of {', '.join(RULES)}")
        self.max_seq_length = max_seq_length
        self._rng = rng
        self._deal = self._deal_as_google if rule == "google" else self._deal_as_hfl
        self._target = max_seq_length
        self._bounds = [TEXT_BEGINS]  # of the lines that wait for an example to be full
        self._examples = Examples([], [], [])

    @property
    def end(self):
        """The end of the stream: where the next line begins."""
        return self._bounds[-1]

    def add_lines(self, ends):
        """Add lines of a document, given where in the stream each ends, in ascending order."""
        position = 0
        while True:
            # The first line with which the example is full.
            full = bisect_left(ends, self._bounds[0] + self._target, position)
            self._bounds += ends[position : full + 1]
            if full == len(ends):
                return
            self._create()
            position = full + 1

    def end_document(self):
        """Close the document; what was left of it becomes an example."""
        if self._bounds[-1] > self._bounds[0]:
            self._create()

    def take(self):
        """The examples completed since the last call.

        The stream then loses the tokens before the first that waits: that one moves to
        `TEXT_BEGINS`.

        Returns:
            (`Examples`, the number of tokens that the stream lost)
        """
        examples, self._examples = self._examples, Examples([], [], [])
        lost = self._bounds[0] - TEXT_BEGINS
        self._bounds = [bound - lost for bound in self._bounds]
        return examples, lost

    def _create(self):
        half = (self._target - 3) // 2  # of the room left by [CLS] [SEP] [SEP]
        if self._rng.random() < SINGLE_SEGMENT_RATE:
            half = float("inf")
        first, first_size, second, second_size = self._deal(self._bounds, half)
        first_size = _cut(first, first_size, self.max_seq_length - 2)
        second_size = _cut(second, second_size, max(0, self.max_seq_length - first_size - 3))
        self._append(first, first_size, second, second_size)
        self._bounds = self._bounds[-1:]
        self._target = self.max_seq_length
        if self._rng.random() < SHORT_TARGET_RATE:
            self._target = self._rng.randint(SHORTEST_TARGET, self.max_seq_length)

    def _append(self, first, first_size, second, second_size):
        spans, lengths, first_lengths = self._examples
        spans += _CLS
        spans += first
        spans += _SEP
        length = first_size + 2
        first_lengths.append(length)
        if second_size:
            spans += second
            spans += _SEP
            length += second_size + 1
        lengths.append(length)

    def _deal_as_google(self, bounds, half):
        """(spans, size, spans, size) of the two segments."""
        start = bounds[0]
        # The first line, and what follows as long as it fills less than half.
        taken = max(1, bisect_left(bounds, start + half) - 1)
        first, second, second_size = [start, bounds[taken]], [], 0
        first_size = bounds[taken] - start
        start = bounds[taken]
        for end in bounds[taken + 1 :]:
            if (
                not first_size
                or first_size + end - start < half
                or (not second_size and first_size < half and self._rng.random() < 0.5)
            ):
                _extend(first, start, end)
                first_size += end - start
            else:
                _extend(second, start, end)
                second_size += end - start
            start = end
        return first, first_size, second, second_size

    def _deal_as_hfl(self, bounds, half):
        """(spans, size, spans, size) of the two segments."""
        first, first_size, second, second_size = [], 0, [], 0
        start = bounds[0]
        for end in bounds[1:]:
            if first_size or end - start < half or (second_size and self._rng.random() < 0.5):
                _extend(first, start, end)
                first_size += end - start
            else:
                _extend(second, start, end)
                second_size += end - start
            start = end
        return first, first_size, second, second_size


def _extend(spans, start, end):
    if spans and spans[-1] == start:
        spans[-1] = end
    else:
        spans += (start, end)


def _cut(spans, size, limit):
    """Shorten spans of ``size`` tokens to the first ``limit``, in place.  Returns their size."""
    if size <= limit:
        return size
    while size > limit:
        end, start = spans.pop(), spans.pop()
        size -= end - start
    spans += (start, start + limit - size)
    return limit
