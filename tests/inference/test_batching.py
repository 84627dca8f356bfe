from typing import NamedTuple

import numpy as np
import pytest

from paddle_electra.inference.batching import batches


class Text(NamedTuple):
    ids: list
    token_type_ids: list


def texts(*lengths):
    return [Text([number + 1] * length, [1] * length) for number, length in enumerate(lengths)]


def test_every_text_is_in_one_batch_within_the_budget():
    random = np.random.default_rng(1)
    lengths = random.integers(3, 129, 200).tolist()
    given = texts(*lengths)
    seen = []
    for batch in batches(given, pad_id=0, tokens=512, multiple=8, most=128):
        ids, types, mask = batch.arrays
        assert ids.size <= 512
        assert ids.shape[1] % 8 == 0
        for row, number in enumerate(batch.rows):
            used = batch.lengths[row]
            assert used == lengths[number] == mask[row].sum()
            assert (ids[row, :used] == number + 1).all()
            assert not ids[row, used:].any()
            assert not types[row, used:].any()
        seen += batch.rows
    assert sorted(seen) == list(range(200))


@pytest.mark.parametrize(
    ("length", "options", "expected"),
    [
        (13, {}, 13),
        (13, {"multiple": 8}, 16),
        (13, {"multiple": 8, "most": 14}, 14),
        (3, {"multiple": 8, "least": 20, "most": 64}, 20),
        (64, {"multiple": 8, "least": 20, "most": 64}, 64),
        (600, {"tokens": 512}, 600),
    ],
)
def test_lengths_are_rounded_up_within_bounds(length, options, expected):
    (batch,) = batches(texts(length), pad_id=0, **options)
    assert batch.arrays[0].shape == (1, expected)


def test_batch_size_limits_the_rows():
    sizes = [len(batch.rows) for batch in batches(texts(*[4] * 7), pad_id=0, batch_size=3)]
    assert sizes == [3, 3, 1]
    assert list(batches([], pad_id=0)) == []
