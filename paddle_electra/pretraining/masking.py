"""Which tokens the generator must guess, and the numbers it samples with.

Every random draw comes from a counter-based generator (Philox) keyed by purpose, seed, step and
the example's place in the step's batch.  So masks and samples do not depend on how the batch is
cut into parts or on where a run was resumed, and there is no random state to save.
"""

from typing import NamedTuple

import numpy as np

MASK, SAMPLE = 1, 2  # purposes
MODES = ("unique", "google")
MASKED_SHARE = 0.85  # of the drawn positions become [MASK], the others stay (PARITY 7)


def generator(purpose, seed, step, place):
    """A NumPy generator for one example of one step."""
    return np.random.Generator(
        np.random.Philox(key=[seed % 2**64, purpose], counter=[0, 0, step, place])
    )


def number_of_slots(real_tokens, max_seq_length, mask_prob=0.15):
    """clip(round-half-even(mask_prob * real tokens), 1, int((mask_prob + 0.005) * length)).

    Computed in float32 as the original does (PARITY 7, `pretrain_helpers.mask`).
    """
    slots = int(np.rint(np.float32(mask_prob) * np.float32(real_tokens)))
    return max(1, min(slots, int((mask_prob + 0.005) * max_seq_length)))


class Masked(NamedTuple):
    """One example's slots: ``positions`` may repeat with mode "google" only."""

    input_ids: np.ndarray  # (tokens,) with [MASK] written
    positions: np.ndarray  # (slots,) int64


def mask_tokens(ids, special_ids, mask_id, max_seq_length, rng, mask_prob=0.15, mode="unique"):
    """Draw positions uniformly from the tokens that are not special and write [MASK] at 85 %.

    Args:
        ids: (tokens,) one example without padding.
        special_ids: ids never drawn: [CLS], [SEP] and [MASK].
        mode: "unique" draws without replacement; "google" with, as the original, so that about
            7 % of the slots repeat a position (PARITY 7 and 8).
    Returns:
        a `Masked`; without a maskable token it has no slots (PARITY 12).
    """
    candidates = np.flatnonzero(~np.isin(ids, special_ids))
    masked = np.array(ids, dtype=np.int64)
    if not len(candidates):
        return Masked(masked, np.zeros(0, np.int64))
    slots = number_of_slots(len(ids), max_seq_length, mask_prob)
    if mode == "google":
        positions = rng.choice(candidates, slots, replace=True)
    else:
        positions = rng.choice(candidates, min(slots, len(candidates)), replace=False)
    # A position drawn twice is masked if either of its draws says so, as in the original.
    masked[positions[rng.random(len(positions)) < MASKED_SHARE]] = mask_id
    return Masked(masked, positions.astype(np.int64))


def mask_words(ids, word_starts, special_ids, mask_id, max_seq_length, rng, mask_prob=0.15):
    """Draw whole words and write [MASK] over 85 % of them.

    Words come in random order; one that has more tokens than slots are left is passed over, so
    there are at most `number_of_slots`.  All tokens of a word are slots, and all of them become
    [MASK] or none.

    Args:
        ids: (tokens,) one example without padding.
        word_starts: bool (tokens,), which tokens begin a word (`ShardDataset.word_starts`).
        special_ids: ids never drawn: [CLS], [SEP] and [MASK].
    Returns:
        a `Masked`; without a word that can be drawn it has no slots.
    """
    masked = np.array(ids, dtype=np.int64)
    starts = np.flatnonzero(word_starts)
    if not len(starts):
        return Masked(masked, np.zeros(0, np.int64))
    ends = np.append(starts[1:], len(ids))
    candidates = np.flatnonzero(~np.logical_or.reduceat(np.isin(ids, special_ids), starts))
    room = number_of_slots(len(ids), max_seq_length, mask_prob)
    lengths = (ends - starts).tolist()
    chosen = []
    for word in rng.permutation(candidates).tolist():
        if lengths[word] <= room:
            chosen.append(word)
            room -= lengths[word]
            if not room:
                break
    hidden = rng.random(len(chosen)) < MASKED_SHARE
    spans = [np.arange(starts[word], ends[word]) for word in chosen]
    for span, hide in zip(spans, hidden.tolist(), strict=True):
        if hide:
            masked[span] = mask_id
    return Masked(masked, np.concatenate([np.zeros(0, np.int64), *spans]))
