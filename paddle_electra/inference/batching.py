"""Encoded texts to batches with little padding, and the answers back into their order."""

from typing import NamedTuple

import numpy as np


class Batch(NamedTuple):
    """``rows``: which texts; ``arrays``: input_ids, token_type_ids, attention_mask, (rows, length)
    int64; ``lengths``: tokens of each row."""

    rows: list
    arrays: tuple
    lengths: list


TOKENS = 2048  # of a batch: measured best; larger ones leave the cache and pad more


def batches(encodings, pad_id, batch_size=None, tokens=TOKENS, multiple=1, least=1, most=None):
    """Batches of texts of about the same length, the longest first.

    Args:
        encodings: objects with ``ids`` and ``token_type_ids``, such as `Encoding`.
        batch_size: most rows of a batch; None for as many as ``tokens`` allows.
        tokens: most tokens of a batch, padding counted; one row always fits.
        multiple: lengths are rounded up to a multiple of this, but not beyond ``most``.
        least: shorter texts are padded to this length.
    Yields:
        `Batch`; every text is in one of them.
    """
    order = sorted(range(len(encodings)), key=lambda row: -len(encodings[row].ids))
    start = 0
    while start < len(order):
        longest = len(encodings[order[start]].ids)
        length = max(longest, least, _rounded(longest, multiple, most))
        count = max(1, tokens // length)
        rows = order[start : start + (count if batch_size is None else min(count, batch_size))]
        yield pad(rows, [encodings[row] for row in rows], length, pad_id)
        start += len(rows)


def _rounded(length, multiple, most):
    rounded = -(-length // multiple) * multiple
    return rounded if most is None else min(rounded, most)


def pad(rows, encodings, length, pad_id):
    """A `Batch` of ``encodings``, padded to ``length``."""
    lengths = [len(encoding.ids) for encoding in encodings]
    ids = np.full((len(rows), length), pad_id, np.int64)
    types = np.zeros_like(ids)
    for row, (encoding, used) in enumerate(zip(encodings, lengths, strict=True)):
        ids[row, :used] = encoding.ids
        types[row, :used] = encoding.token_type_ids
    mask = (np.arange(length) < np.array(lengths)[:, None]).astype(np.int64)
    return Batch(rows, (ids, types, mask), lengths)
