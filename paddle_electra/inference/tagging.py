"""Labels of words and the entities that they spell, for models fine-tuned on tagging."""

import itertools

import numpy as np

from ..errors import InputError
from .long_texts import sequence, stretches
from .predictor import softmax

OUTSIDE = "O"


def tag(predictor, texts, batch_size=None, max_seq_len=None):
    """See `Predictor.tag`."""
    if predictor.kind != "token-cls":
        raise InputError(
            "this model has no head for tagging; fine-tune it with `paddle-electra finetune --task "
            "custom --kind token-cls`, or load a model fine-tuned so"
        )
    items = [_words(item, f"texts[{number}]") for number, item in enumerate(_listed(texts))]
    cut = _pieces(predictor.tokenizer, items)
    outputs = _run(predictor, cut, batch_size, predictor.check_length(max_seq_len) - 2)
    return [
        _answer(predictor, texts[number], *items[number], cut[number], outputs[number])
        for number in range(len(items))
    ]


def entities(labels):
    """The entities that labels spell, in BIO or BIOES, as CoNLL's scorer reads them.

    I-X that continues nothing begins an entity.  Labels without such a prefix are entities as long
    as they stay the same.

    Returns:
        list of (type, first word, one after the last).
    """
    found, kind, start = [], None, 0
    closed = True  # did the label before end its entity?
    for number, label in enumerate([*labels, OUTSIDE]):
        prefix, own = _split(label)
        begins = own is not None and (prefix in "BS" or closed or own != kind)
        if kind is not None and (begins or own is None or closed):
            found.append((kind, start, number))
            kind = None
        if begins:
            kind, start = own, number
        closed = own is None or prefix in "ES"
    return found


def _split(label):
    if label == OUTSIDE:
        return "", None
    if label[1:2] == "-" and label[0] in "BIES" and len(label) > 2:
        return label[0], label[2:]
    return "I", label


def _listed(texts):
    if not isinstance(texts, (list, tuple)):
        raise InputError(
            f"texts: expected a list of texts or of lists of words, got {type(texts).__name__}"
        )
    return texts


def _words(item, name):
    """(words, (start, end) of each in characters, or None for words given as such)."""
    if isinstance(item, str):
        places = [place for place, character in enumerate(item) if not character.isspace()]
        return [item[place] for place in places], [(place, place + 1) for place in places]
    if not isinstance(item, (list, tuple)):
        raise InputError(f"{name}: expected a text or a list of words, got {item!r:.40}")
    for number, word in enumerate(item):
        if not isinstance(word, str) or not word:
            raise InputError(f"{name}: word {number + 1}: expected a text, got {word!r:.40}")
    return list(item), None


def _pieces(tokenizer, items):
    """Of each item the list of its words' token ids; each word is cut alone, as in training."""
    different = list(dict.fromkeys(word for words, _ in items for word in words))
    cut = dict(zip(different, tokenizer.encode_plain_batch(different), strict=True))
    # A word of control characters only has no pieces, but needs a place for its label.
    return [[cut[word] or [tokenizer.unk_id] for word in words] for words, _ in items]


def _run(predictor, cut, batch_size, room):
    """Of each item, of each word, the log-odds [pieces, labels]."""
    parts = []
    for number, words in enumerate(cut):
        lengths = np.array([len(word) for word in words], np.int64)
        for stretch in stretches(number, lengths, room):
            shown = words[stretch.first : stretch.first + stretch.count]
            ids = list(itertools.chain(*(word[:room] for word in shown)))
            parts.append((stretch, [len(word[:room]) for word in shown], ids))
    outputs = [[None] * len(words) for words in cut]
    sequences = [sequence(predictor.tokenizer, ids) for _, _, ids in parts]
    for batch, (logits,) in predictor.outputs("task", sequences, batch_size):
        for row, values in zip(batch.rows, logits, strict=True):
            stretch, lengths, _ = parts[row]
            ends = np.cumsum(lengths) + 1
            for word in np.flatnonzero(stretch.own).tolist():
                start = ends[word] - lengths[word]
                outputs[stretch.text][stretch.first + word] = values[start : ends[word]]
    return outputs


def _answer(predictor, item, words, spans, cut, outputs):
    labels, chances, pieces, piece_labels = [], [], [], []
    for ids, logits in zip(cut, outputs, strict=True):
        best = logits.argmax(-1).tolist()
        labels.append(predictor.labels[best[0]])
        chances.append(float(softmax(logits[0]).max()))
        pieces += predictor.tokenizer.convert_ids_to_tokens(ids[: len(best)])
        piece_labels += [predictor.labels[number] for number in best]
    return {
        "words": words,
        "labels": labels,
        "probabilities": chances,
        "pieces": pieces,
        "piece_labels": piece_labels,
        "entities": [_entity(item, words, spans, *entity) for entity in entities(labels)],
    }


def _entity(item, words, spans, kind, first, stop):
    if spans is None:
        return {"type": kind, "start": first, "end": stop, "text": join_words(words[first:stop])}
    start, end = spans[first][0], spans[stop - 1][1]
    return {"type": kind, "start": start, "end": end, "text": item[start:end]}


def join_words(words):
    """The words as one text, a blank only between two of ASCII letters and digits."""
    text = ""
    for word in words:
        needs_blank = _is_latin(text[-1:]) and _is_latin(word[0])
        text += f" {word}" if needs_blank else word
    return text


def _is_latin(character):
    return character.isascii() and character.isalnum()
