"""Answers in the form of the published modules: two towers, tokens in a row."""

import numpy as np

from ..errors import InputError
from .inputs import as_texts
from .long_texts import Sequence
from .predictor import softmax


def check_pairs(data):
    """The (first, second) of every item.  Raises `InputError` for an item without two texts."""
    pairs = as_texts(data)
    for number, item in enumerate(pairs):
        if isinstance(item, str):
            raise InputError(f"data[{number}]: expected two texts, got one")
    return pairs


def match(predictor, data, batch_size=None, max_seq_len=None):
    """Compare two texts with the network of text-matching.

    Returns:
        (labels, probabilities as a float32 array [pairs, 2]).
    """
    pairs = check_pairs(data)
    texts = [text for pair in pairs for text in pair]
    means = np.zeros((len(texts), predictor.config.hidden_size), np.float32)
    encodings = predictor.encode(texts, max_seq_len)
    for batch, outputs in predictor.outputs("encoder", encodings, batch_size):
        for row, states, length in zip(batch.rows, outputs[0], batch.lengths, strict=True):
            means[row] = states[:length].mean(0)
    query, title = means[0::2], means[1::2]
    layer = predictor.networks.layer("task").classifier
    seen = np.concatenate([query, title, abs(query - title)], -1)
    chances = softmax(seen @ layer.weight.numpy() + layer.bias.numpy())
    return [predictor.labels[best] for best in chances.argmax(-1)], chances


def tag_tokens(predictor, data, split_char, batch_size=None, max_seq_len=None):
    """Label the tokens of texts, the way the published modules' answers are read.

    Args:
        data: list of texts or ``[text]``, each the tokens joined by ``split_char``; in a text
            without it every piece of the tokenizer is a token.
    Returns:
        (labels, probabilities), one list a text: of [CLS], of every token that ``max_seq_len``
        leaves room for, of [SEP].  A token of several pieces has the label of its first one, one
        without any is read as [UNK], so that a token's answer is where the token is, plus one.
    """
    texts = as_texts(data)
    for number, text in enumerate(texts):
        if not isinstance(text, str):
            raise InputError(f"data[{number}]: expected one text, got two; token-cls takes one")
    room = predictor.check_length(max_seq_len) - 2
    made = [_tokens(predictor.tokenizer, text, split_char, room) for text in texts]
    chances = [None] * len(texts)
    inputs = [item for item, _ in made]
    for batch, (logits,) in predictor.outputs("task", inputs, batch_size):
        for row, values in zip(batch.rows, logits, strict=True):
            chances[row] = softmax(values[made[row][1]])
    labels = [[predictor.labels[best] for best in rows.argmax(-1)] for rows in chances]
    return labels, [rows.tolist() for rows in chances]


def _tokens(tokenizer, text, split_char, room):
    """(input, places of [CLS], the tokens' first pieces and [SEP])."""
    if split_char in text:
        words = tokenizer.encode_plain_batch(text.split(split_char))
        words = [pieces or [tokenizer.unk_id] for pieces in words]
    else:
        words = [[piece] for piece in tokenizer.encode_plain_batch([text])[0]]
    ids, places = [tokenizer.cls_id], [0]
    for pieces in words:
        if len(ids) - 1 >= room:
            break
        places.append(len(ids))
        ids += pieces[: room - len(ids) + 1]
    places.append(len(ids))
    ids.append(tokenizer.sep_id)
    return Sequence(ids, [0] * len(ids)), places
