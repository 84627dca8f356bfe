"""Many texts to WordPiece ids at once, with NumPy.

The characters of all texts are settled and cut into words as one array (`normalize`).  Chinese
characters and punctuation, nearly all of Chinese text, are then one look-up in an array; only the
other words go to the WordPiece model of the `tokenizers` library (Rust), each distinct word once.
"""

import itertools
from operator import itemgetter
from typing import NamedTuple

import numpy as np
from tokenizers.models import WordPiece

from . import normalize
from .vocab import UNK

MAX_WORD = 200  # characters; a longer word is [UNK] (PARITY 20)
WORDS_KEPT = 1 << 17  # distinct words whose pieces are remembered, some 50 MB


class Tokens(NamedTuple):
    """The tokens of several texts, one after the other.

    Text k has ``ids[bounds[k]:bounds[k + 1]]``; ``spans`` [2, n], if asked for, are the starts
    and ends of the tokens in characters of the text that each is from.
    """

    ids: np.ndarray
    bounds: np.ndarray
    spans: np.ndarray | None


class Words(dict):
    """word -> (ids of its pieces, where they end in characters), filled on demand."""

    def __init__(self, vocabulary):
        self._unknown = vocabulary.ids[UNK]
        self._known = vocabulary.ids
        self._model = WordPiece(vocabulary.ids, unk_token=UNK, max_input_chars_per_word=MAX_WORD)

    def __missing__(self, word):
        if len(word) > MAX_WORD:
            return (self._unknown,), (len(word),)
        if word in self._known:
            entry = (self._known[word],), (len(word),)
        elif len(pieces := self._model.tokenize(word)) == 1:
            entry = (pieces[0].id,), (len(word),)
        else:
            lengths = [len(piece.value) - len("##") for piece in pieces]
            lengths[0] += len("##")
            entry = tuple(piece.id for piece in pieces), tuple(itertools.accumulate(lengths))
        if len(self) >= WORDS_KEPT:
            self.clear()
        self[word] = entry
        return entry


class Layout(NamedTuple):
    """Where the tokens of a settled text go.

    ``before`` [n + 1]: tokens that begin before each character; ``alone``: the characters of kind
    ALONE; ``starts``: the first character of each word; ``counts``: its number of pieces;
    ``places``: the token number of each piece of each word.
    """

    before: np.ndarray
    alone: np.ndarray
    starts: np.ndarray
    counts: np.ndarray
    places: np.ndarray


class WordPieceCutter:
    """Cuts texts into the tokens of one vocabulary."""

    def __init__(self, vocabulary, do_lower_case):
        self._lower = do_lower_case
        self._words = Words(vocabulary)
        self._character_ids = np.full(normalize.CODE_POINTS, vocabulary.ids[UNK], np.int32)
        for token, number in vocabulary.ids.items():
            if len(token) == 1:
                self._character_ids[ord(token)] = number

    def cut(self, texts, with_spans):
        """The `Tokens` of a list of texts, with ``spans`` only if asked for."""
        codes = normalize.code_points("\n".join(texts))
        settled = normalize.settle(codes, self._lower)
        entries = list(map(self._words.__getitem__, settled.words()))
        layout = _lay_out(settled, [len(ids) for ids, _ in entries])
        ids = np.empty(layout.before[-1], np.int32)
        ids[layout.before[layout.alone]] = self._character_ids[settled.codes[layout.alone]]
        ids[layout.places] = _flatten(map(itemgetter(0), entries), len(layout.places))

        first_characters = _before(np.fromiter(map(len, texts), np.int64, len(texts)) + 1)
        characters = first_characters
        if settled.source is not None:
            characters = np.searchsorted(settled.source, first_characters)
        bounds = np.append(layout.before[characters], len(ids))
        if not with_spans:
            return Tokens(ids, bounds, None)
        spans = _settled_spans(layout, map(itemgetter(1), entries))
        spans = _given_spans(spans, settled.source, codes, self._lower)
        return Tokens(ids, bounds, spans - np.repeat(first_characters, np.diff(bounds)))


def _lay_out(settled, piece_counts):
    starts, _ = settled.word_spans()
    counts = np.array(piece_counts, np.int64)
    alone = np.flatnonzero(settled.kinds == normalize.ALONE)
    beginning = np.zeros(len(settled.codes) + 1, np.int32)  # tokens that begin at a character
    beginning[alone] = 1
    beginning[starts] = counts
    before = _before(beginning)
    places = np.repeat(before[starts] - _before(counts), counts)
    places += np.arange(len(places))
    return Layout(before, alone, starts, counts, places)


def _settled_spans(layout, ends_in_words):
    """Starts and ends of all tokens in settled characters, [2, tokens]."""
    ends = np.repeat(layout.starts, layout.counts)
    ends += _flatten(ends_in_words, len(ends))
    starts = np.concatenate([[0], ends[:-1]]) if len(ends) else ends
    starts[_before(layout.counts)] = layout.starts
    spans = np.empty((2, layout.before[-1]), np.int64)
    spans[:, layout.before[layout.alone]] = layout.alone, layout.alone + 1
    spans[:, layout.places] = starts, ends
    return spans


def _given_spans(spans, source, codes, lower):
    """Turn spans over settled characters into spans over the given ones.

    A mark that was dropped belongs to the character before it.
    """
    if source is None or not spans.size:
        return spans
    no_marks = np.append(np.flatnonzero(~normalize.tables(lower).marks[codes]), len(codes))
    last = source[spans[1] - 1]
    return np.stack([source[spans[0]], no_marks[np.searchsorted(no_marks, last, side="right")]])


def _before(counts):
    """Exclusive running sum."""
    return counts.cumsum(dtype=counts.dtype) - counts


def _flatten(sequences, length):
    return np.fromiter(itertools.chain.from_iterable(sequences), np.int64, length)
