"""What stands behind [MASK]: the generator's guesses."""

import itertools

import numpy as np

from ..errors import InputError
from ..text.vocab import MASK
from .inputs import check_number
from .long_texts import plain_texts, sequence

_ROWS_AT_ONCE = 64  # of logits over the whole vocabulary


def fill_mask(predictor, texts, top_k=5, batch_size=None, max_seq_len=None):
    """See `Predictor.fill_mask`."""
    texts = plain_texts(texts)
    check_top_k(predictor, top_k)
    most = predictor.check_length(max_seq_len)
    sequences, places = [], []
    for number, text in enumerate(texts):
        ids, masks = _encode(predictor.tokenizer, text, f"texts[{number}]", most)
        sequences.append(sequence(predictor.tokenizer, ids))
        places.append(masks)
    return guess(predictor, sequences, places, top_k, batch_size)


def filled(text, guesses):
    """``text`` with the best guess in the place of each [MASK]; ``guesses``: its `fill_mask`."""
    parts = text.split(MASK)
    best = [found[0]["token"].removeprefix("##") for found in guesses]
    return "".join(itertools.chain(*zip(parts, best, strict=False), parts[-1:]))


def has_generator(predictor):
    """Does the model come with the half that guesses?"""
    checkpoint = getattr(predictor.networks, "checkpoint", None)
    return checkpoint is not None and checkpoint.generator is not None


def check_top_k(predictor, top_k, least=1):
    """Raise `InputError` for more guesses than there are tokens, or fewer than ``least``."""
    most = _most_guesses(predictor.tokenizer)
    if check_number(top_k, "top_k", least) > most:
        raise InputError(f"top_k: {top_k} is more than the {most} tokens that can be guessed")


def _most_guesses(tokenizer):
    return tokenizer.vocab_size - len(_special(tokenizer))


def guess(predictor, sequences, places, top_k, batch_size=None):
    """The generator's guesses at some positions.

    Args:
        sequences: list of `long_texts.Sequence` with [MASK] at ``places``.
        places: of each the list of positions.
    Returns:
        of each sequence, of each place, the ``top_k`` best tokens: list of list of list of
        {"token", "probability"}.  Special tokens are left out; their probability counts.
    """
    table, bias = predictor.output_table
    top_k = min(top_k, _most_guesses(predictor.tokenizer))
    found = [None] * len(sequences)
    for batch, (states,) in predictor.outputs("generator", sequences, batch_size):
        counts = [len(places[row]) for row in batch.rows]
        columns = np.array([place for row in batch.rows for place in places[row]], np.int64)
        chosen = states[np.repeat(np.arange(len(counts)), counts), columns]
        answers = iter(_best(predictor.tokenizer, chosen, table, bias, top_k))
        for row, count in zip(batch.rows, counts, strict=True):
            found[row] = list(itertools.islice(answers, count))
    return found


def _encode(tokenizer, text, name, most):
    """(ids, positions of [MASK] with [CLS] counted); the tokenizer knows no [MASK]."""
    parts = tokenizer.encode_plain_batch(text.split(MASK))
    if len(parts) == 1:
        raise InputError(f"{name}: no {MASK} in it; write {MASK} where a token is to be guessed")
    ids, masks = parts[0], []
    for part in parts[1:]:
        masks.append(len(ids) + 1)
        ids = [*ids, tokenizer.mask_id, *part]
    cut = next((number for number, place in enumerate(masks, 1) if place > most - 2), None)
    if cut is not None:
        raise InputError(
            f"{name}: {MASK} number {cut} is token {masks[cut - 1]} and would be cut off: "
            f"max_seq_len {most} leaves {most - 2}; shorten the text or raise max_seq_len"
        )
    return ids[: most - 2], masks


def _special(tokenizer):
    return [
        *(tokenizer.pad_id, tokenizer.unk_id, tokenizer.cls_id, tokenizer.sep_id),
        tokenizer.mask_id,
    ]


def _best(tokenizer, states, table, bias, top_k):
    """Of each row of ``states`` [n, embedding] the list of its best tokens."""
    for start in range(0, len(states), _ROWS_AT_ONCE):
        # Rows of the table beyond the vocabulary have no token.
        logits = states[start : start + _ROWS_AT_ONCE] @ table[: tokenizer.vocab_size].T
        logits += bias[: tokenizer.vocab_size]
        highest = logits.max(-1, keepdims=True)
        total = np.exp(logits - highest).sum(-1, keepdims=True)
        logits[:, _special(tokenizer)] = -np.inf
        best = np.argpartition(-logits, top_k - 1, axis=-1)[:, :top_k]
        scores = np.take_along_axis(logits, best, -1)
        order = np.argsort(-scores, axis=-1, kind="stable")
        best, scores = (np.take_along_axis(array, order, -1) for array in (best, scores))
        chances = (np.exp(scores - highest) / total).tolist()
        for ids, row in zip(best.tolist(), chances, strict=True):
            tokens = tokenizer.convert_ids_to_tokens(ids)
            yield [
                {"token": token, "probability": chance}
                for token, chance in zip(tokens, row, strict=True)
            ]
