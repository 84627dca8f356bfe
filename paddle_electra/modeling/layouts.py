"""How the examples of a batch lie in its arrays: padded, packed or one after the other.

The layers work token by token, whatever the layout; only positions and attention depend on it.
A layout has ``positions`` (of each token in its example, in the shape of the ids, or None where
they count along the last axis), ``real`` (1.0 for tokens and 0.0 for padding, in the shape of
the ids, or None where every place is a token) and ``attend``.
"""

from typing import NamedTuple

import numpy as np
import paddle

from .attention import attention, flash_attention, takes_flash

MASKED = -10000.0  # on the scores of keys that a token must not see (PARITY 1)
# Examples go into one product while the shortest has at least this share of the longest's tokens.
ALIKE = 0.75


class Padded:
    """One example a row, filled up to the longest.

    Args:
        mask: (batch, length), 1 for tokens and 0 for padding; None for no padding.
    """

    positions = None

    def __init__(self, mask=None):
        self.real = None if mask is None else mask.astype("float32")
        self._bias = None if mask is None else (1.0 - self.real) * MASKED

    def attend(self, mixed, heads, dropout, backend):
        """See `attention.attention`: mixed (batch, length, 3 * hidden), or its tuple."""
        return attention(mixed, heads, self._bias, dropout, backend)


class Packed:
    """Several examples a row, each seeing only itself.

    Args:
        example_ids: (rows, length) int64: 0 for padding, and another number for each example of
            a row.
        positions: (rows, length) int64, from 0 in each example.
    """

    def __init__(self, example_ids, positions):
        self.positions = positions
        self.real = (example_ids > 0).astype("float32")
        alike = (example_ids.unsqueeze(2) == example_ids.unsqueeze(1)).astype("float32")
        self._bias = (1.0 - alike) * MASKED  # (rows, length, length)

    def attend(self, mixed, heads, dropout, backend):
        """See `attention.attention`: mixed (rows, length, 3 * hidden)."""
        return attention(mixed, heads, self._bias, dropout, backend)


class _Group(NamedTuple):
    """Neighbouring examples of similar length, which attend in one product."""

    start: int  # its first token
    end: int
    examples: int
    longest: int
    spread: paddle.Tensor | None  # (examples * longest,) which token stands there; None: in order
    back: paddle.Tensor | None  # (tokens,) where each token stands in the above
    bias: paddle.Tensor | None  # (examples, longest)


class Unpadded:
    """All examples one after the other in a single axis, without padding.

    On a GPU in half precision attention is the variable-length flash kernel; elsewhere examples of
    similar length are spread out for it, which costs no work but on attention's own scores.

    Args:
        lengths: tokens of each example; sorted ones need the fewest products.
    """

    real = None

    def __init__(self, lengths):
        self.lengths = [int(length) for length in lengths]
        self.positions = paddle.to_tensor(np.concatenate([np.arange(n) for n in self.lengths]))
        self._groups = None
        self._ends = None

    def attend(self, mixed, heads, dropout, backend):
        """As `attention.attention`, with mixed (tokens, 3 * hidden) and result (tokens, hidden)."""
        if takes_flash(mixed):
            if self._ends is None:
                self._ends = paddle.to_tensor(np.cumsum([0, *self.lengths]).astype(np.int32))
            return flash_attention(mixed, heads, self._ends, max(self.lengths), dropout)
        if self._groups is None:
            self._groups = list(_groups(self.lengths))
        parts = []
        for group in self._groups:
            part = mixed if len(self._groups) == 1 else mixed[group.start : group.end]
            if group.spread is not None:
                part = paddle.gather(part, group.spread)
            part = part.reshape([group.examples, group.longest, part.shape[-1]])
            context = attention(part, heads, group.bias, dropout, backend)
            context = context.reshape([-1, context.shape[-1]])
            parts.append(context if group.back is None else paddle.gather(context, group.back))
        return parts[0] if len(parts) == 1 else paddle.concat(parts)


def _groups(lengths):
    start = first = 0
    shortest = longest = lengths[0]
    for number, length in enumerate([*lengths[1:], None], 1):
        if length is not None:
            low, high = min(shortest, length), max(longest, length)
            if low >= ALIKE * high:
                shortest, longest = low, high
                continue
        inside = lengths[first:number]
        yield _group(start, inside)
        start, first = start + sum(inside), number
        shortest = longest = length


def _group(start, lengths):
    longest, tokens = max(lengths), sum(lengths)
    shape = (start, start + tokens, len(lengths), longest)
    if tokens == len(lengths) * longest:
        return _Group(*shape, None, None, None)
    real = np.arange(longest) < np.array(lengths)[:, None]
    # Padding repeats the example's first token: as a key it is masked, as a query left out.
    spread = np.repeat(np.cumsum([0, *lengths[:-1]]), longest)
    spread[real.reshape(-1)] = np.arange(tokens)
    bias = np.where(real, 0.0, MASKED).astype(np.float32)
    arrays = (spread, np.flatnonzero(real), bias)
    return _Group(*shape, *map(paddle.to_tensor, arrays))
