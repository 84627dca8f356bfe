"""Masking: slot counts, shares, keyed draws; statistics against the recordings."""

import json

import numpy as np
import pytest

from paddle_electra.pretraining import masking

SPECIAL = [101, 102, 103]
MASK_ID = 103


def draw(ids, step=0, place=0, mode="unique", length=128):
    rng = masking.generator(masking.MASK, 7, step, place)
    return masking.mask_tokens(np.array(ids), SPECIAL, MASK_ID, length, rng, 0.15, mode)


def test_slots_round_half_to_even_within_bounds():
    assert [masking.number_of_slots(n, 128) for n in (2, 10, 30, 50, 128)] == [1, 2, 4, 8, 19]
    assert masking.number_of_slots(512, 512) == 77


def test_positions_are_distinct_and_never_special():
    ids = [101, *range(200, 240), 102, *range(300, 340), 102]
    for place in range(50):
        positions = draw(ids, place=place).positions
        assert len(set(positions)) == len(positions) == masking.number_of_slots(len(ids), 128)
        assert not np.isin(np.array(ids)[positions], SPECIAL).any()


def test_same_key_same_draw_and_other_key_other_draw():
    ids = [101, *range(200, 320), 102]
    first = draw(ids, step=3, place=4)
    again = draw(ids, step=3, place=4)
    np.testing.assert_array_equal(first.positions, again.positions)
    np.testing.assert_array_equal(first.input_ids, again.input_ids)
    for step, place in ((3, 5), (4, 4), (4, 3)):
        assert set(draw(ids, step=step, place=place).positions) != set(first.positions)


def test_example_without_maskable_token_has_no_slots():
    masked = draw([101, 102])
    assert len(masked.positions) == 0 and masked.input_ids.tolist() == [101, 102]


def make_words(rng, special=(101, 102)):
    """(ids, word starts, list of the words' positions): words of one to four tokens."""
    ids, starts, words = [special[0]], [True], []
    for _ in range(40):
        size = int(rng.integers(1, 5))
        words.append(list(range(len(ids), len(ids) + size)))
        ids += rng.integers(200, 300, size).tolist()
        starts += [True, *[False] * (size - 1)]
    return np.array([*ids, special[1]]), np.array([*starts, True]), words


def draw_words(ids, starts, step=0, place=0, length=128):
    rng = masking.generator(masking.MASK, 7, step, place)
    return masking.mask_words(ids, starts, SPECIAL, MASK_ID, length, rng)


def test_words_are_masked_whole_or_not_at_all():
    slots = expected = hidden = 0
    for place in range(300):
        ids, starts, words = make_words(np.random.default_rng(place))
        masked = draw_words(ids, starts, place=place)
        chosen = set(masked.positions.tolist())
        assert len(chosen) == len(masked.positions)
        room = masking.number_of_slots(len(ids), 128)
        assert room - 4 < len(chosen) <= room
        for word in words:
            assert chosen.issuperset(word) or chosen.isdisjoint(word)
            assert len(set((masked.input_ids[word] == MASK_ID).tolist())) == 1
        changed = np.flatnonzero(masked.input_ids != ids)
        assert chosen.issuperset(changed.tolist()) and set(masked.input_ids[changed]) <= {MASK_ID}
        slots, expected, hidden = slots + len(chosen), expected + room, hidden + len(changed)
    assert slots / expected > 0.98
    assert hidden / slots == pytest.approx(masking.MASKED_SHARE, abs=0.02)


def test_every_word_is_drawn_about_as_often():
    ids = np.array([101, *range(200, 260), 102])
    starts = np.ones(len(ids), bool)
    starts[2:61:2] = False  # thirty words of two
    counts = np.zeros(len(ids))
    for place in range(2000):
        counts[draw_words(ids, starts, place=place).positions] += 1
    room = masking.number_of_slots(len(ids), 128) // 2 * 2
    assert counts[0] == counts[-1] == 0
    np.testing.assert_allclose(counts[1:-1] / 2000, room / 60, rtol=0.25)


def test_words_that_do_not_fit_are_passed_over():
    ids = np.array([101, *range(200, 230), 102])
    starts = np.zeros(len(ids), bool)
    starts[[0, 1, 29, 30, 31]] = True  # one of 28, one of one, one of one, [SEP]
    for place in range(20):
        assert set(draw_words(ids, starts, place=place).positions.tolist()) == {29, 30}
    starts[[29, 30]] = False
    masked = draw_words(ids, starts)
    assert len(masked.positions) == 0 and masked.positions.dtype == np.int64
    np.testing.assert_array_equal(masked.input_ids, ids)


def test_words_by_the_same_key_and_by_another():
    ids, starts, _ = make_words(np.random.default_rng(1))
    first, again = draw_words(ids, starts, 3, 4), draw_words(ids, starts, 3, 4)
    np.testing.assert_array_equal(first.positions, again.positions)
    np.testing.assert_array_equal(first.input_ids, again.input_ids)
    assert set(draw_words(ids, starts, 3, 5).positions) != set(first.positions)


def test_no_word_to_draw():
    for ids in ([101, 102], [101, 103, 102], []):
        masked = draw_words(np.array(ids, np.int64), np.ones(len(ids), bool))
        assert len(masked.positions) == 0 and masked.input_ids.tolist() == ids


@pytest.mark.reference
def test_slot_counts_equal_the_recorded_ones(oracle):
    folder = oracle / "pretrain_data"
    facts = json.loads((folder / "masking_facts.json").read_text("utf-8"))
    samples = np.load(folder / "masking_samples.npz")
    ours = [
        masking.number_of_slots(n, facts["max_seq_length"], facts["mask_prob"])
        for n in samples["input_mask"].sum(1)
    ]
    assert ours == samples["masked_lm_weights"].sum(1).astype(int).tolist()


@pytest.mark.reference
def test_statistics_equal_the_recorded_ones(oracle):
    folder = oracle / "pretrain_data"
    facts = json.loads((folder / "masking_facts.json").read_text("utf-8"))
    samples = np.load(folder / "masking_samples.npz")
    rows = [
        ids[: mask.sum()]
        for ids, mask in zip(samples["input_ids"], samples["input_mask"], strict=True)
    ]

    def statistics(mode):
        slots = repeats = real = distinct = masked_once = once = 0
        for run in range(facts["n_runs"]):
            for place, ids in enumerate(rows):
                masked = draw(ids, run, place, mode, facts["max_seq_length"])
                unique, counts = np.unique(masked.positions, return_counts=True)
                slots += len(masked.positions)
                repeats += len(masked.positions) - len(unique)
                distinct += len(unique)
                real += len(ids)
                single = unique[counts == 1]
                once += len(single)
                masked_once += int((masked.input_ids[single] == MASK_ID).sum())
        return repeats / slots, distinct / real, slots / real, masked_once / once

    google = statistics("google")
    recorded = [
        facts["duplicate_slot_fraction"],
        facts["distinct_positions_over_real_tokens"],
        facts["slots_over_real_tokens"],
        facts["mask_token_fraction_at_positions_drawn_once"],
    ]
    np.testing.assert_allclose(google, recorded, atol=0.005)
    assert statistics("unique")[0] == 0


@pytest.mark.reference
def test_replacing_tokens_equals_the_recorded_scatter(oracle):
    import paddle

    from paddle_electra.modeling.sampling import replace_tokens

    recorded = np.load(oracle / "pretrain_data" / "scatter_update.npz")
    sequence = recorded["sequence"].astype("int64")
    rows = np.arange(len(sequence))[:, None] * sequence.shape[1]
    replaced = replace_tokens(
        paddle.to_tensor(sequence),
        paddle.to_tensor((recorded["positions"] + rows).ravel().astype("int64")),
        paddle.to_tensor(recorded["updates"].ravel().astype("int64")),
    )
    np.testing.assert_array_equal(replaced.numpy(), recorded["updated"])
