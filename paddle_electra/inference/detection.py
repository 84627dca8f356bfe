"""Which characters of a text were replaced: the discriminator's opinion, the generator's advice."""

import numpy as np

from .inputs import check_threshold
from .long_texts import plain_texts, sequence, stretches
from .masks import check_top_k, guess, has_generator


def detect(predictor, texts, threshold=0.5, top_k=3, batch_size=None, max_seq_len=None):
    """See `Predictor.detect`."""
    texts = plain_texts(texts)
    check_threshold(threshold)
    check_top_k(predictor, top_k, least=0)
    encodings = predictor.tokenizer.encode_batch(texts)
    chances, pieces = _token_chances(predictor, encodings, batch_size, max_seq_len)
    offsets = [encoding.offsets[1:-1] for encoding in encodings]
    suspects = [np.flatnonzero(row >= threshold).tolist() for row in chances]
    advice = [{} for _ in texts]
    if top_k and has_generator(predictor):
        advice = _suggestions(predictor, pieces, suspects, top_k, batch_size)
    return [
        {
            "text": text,
            "characters": _characters(text, places, of_tokens),
            "suspicious": [
                _suspect(text, places[token], of_tokens[token], known.get(token, []))
                for token in tokens
            ],
        }
        for text, places, of_tokens, tokens, known in zip(
            texts, offsets, chances, suspects, advice, strict=True
        )
    ]


def _token_chances(predictor, encodings, batch_size, max_seq_len):
    """([tokens] float32 probabilities of each text, list of (`Stretch`, its `Sequence`))."""
    room = predictor.check_length(max_seq_len) - 2
    pieces = []
    for number, encoding in enumerate(encodings):
        ids = encoding.ids[1:-1]
        for stretch in stretches(number, np.ones(len(ids), np.int64), room):
            shown = ids[stretch.first : stretch.first + stretch.count]
            pieces.append((stretch, sequence(predictor.tokenizer, shown)))
    chances = [np.zeros(len(encoding.ids) - 2, np.float32) for encoding in encodings]
    sequences = [piece for _, piece in pieces]
    for batch, (logits,) in predictor.outputs("discriminator", sequences, batch_size):
        for row, values in zip(batch.rows, logits, strict=True):
            text, first, count, own = pieces[row][0]
            chances[text][first : first + count][own] = _sigmoid(values[1 : count + 1][own])
    return chances, pieces


def _sigmoid(logits):
    return 0.5 * (1 + np.tanh(0.5 * logits))  # does not overflow


def _suggestions(predictor, pieces, suspects, top_k, batch_size):
    """Of each text {token: guesses other than what stands there}, each token masked alone."""
    wanted = [set(places) for places in suspects]
    keys, sequences, places, present = [], [], [], []
    for stretch, piece in pieces:
        for number in np.flatnonzero(stretch.own).tolist():
            token = stretch.first + number
            if token in wanted[stretch.text]:
                keys.append((stretch.text, token))
                places.append([number + 1])
                present.append(piece.ids[number + 1])
                ids = list(piece.ids)
                ids[number + 1] = predictor.tokenizer.mask_id
                sequences.append(piece._replace(ids=ids))
    present = predictor.tokenizer.convert_ids_to_tokens(present)
    guesses = guess(predictor, sequences, places, top_k + 1, batch_size)
    advice = [{} for _ in suspects]
    for (text, token), own, (found,) in zip(keys, present, guesses, strict=True):
        advice[text][token] = [one for one in found if one["token"] != own][:top_k]
    return advice


def _characters(text, offsets, chances):
    """One entry for each character; of several tokens in one character the likeliest counts."""
    found = [None] * len(text)
    for (start, end), chance in zip(offsets, chances.tolist(), strict=True):
        for place in range(start, end):
            if found[place] is None or found[place] < chance:
                found[place] = chance
    return [
        {"character": character, "start": place, "probability": found[place]}
        for place, character in enumerate(text)
    ]


def _suspect(text, place, chance, suggestions):
    start, end = place
    return {
        "start": start,
        "end": end,
        "text": text[start:end],
        "probability": float(chance),
        "suggestions": suggestions,
    }
