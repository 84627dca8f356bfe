"""The WordPiece tokenizer of Chinese ELECTRA: text to token ids and back, exactly the original.

The work on characters is in `normalize`, that on words in `wordpiece`.  The `tokenizers`
library's own pipeline is not used for it: its normalizer differs from the original (other CJK
ranges, another Unicode version), and on Chinese text it is many times slower.
"""

import bisect
import functools
import hashlib
import itertools
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import InputError
from ..files import atomic_write, read_json
from .detokenize import join_tokens
from .vocab import CLS, MASK, PAD, SEP, UNK, check_special_tokens, read_vocab
from .wordpiece import WordPieceCutter
from .words import word_numbers

CHARACTERS_AT_ONCE = 1 << 17  # so that the arrays of one go stay in the cache


class Encoding(NamedTuple):
    """One model input, without padding.

    ``ids``, ``token_type_ids`` and ``tokens`` have one entry a token; ``offsets`` are (start, end)
    in characters of the text the token came from, (0, 0) for [CLS] and [SEP]; ``sequence_ids``
    are 0 for the first text, 1 for the second, None for [CLS] and [SEP].
    """

    ids: list
    token_type_ids: list
    tokens: list
    offsets: list
    sequence_ids: list


class ElectraTokenizer:
    """Text to token ids with the rules of the original code (PARITY 20 and 21).

    Args:
        vocab_file: a vocabulary file, one token a line.
        do_lower_case: lower-case and strip accents, as all published Chinese models want it.

    Attributes: ``vocab`` (token -> id), ``vocab_size`` (lines of the file = rows of the embedding
    table), ``vocab_file``, ``do_lower_case``, ``pad_id``, ``unk_id``, ``cls_id``, ``sep_id``,
    ``mask_id``, ``fingerprint`` (SHA-256 of the vocabulary file and the lower-case flag).

    Raises:
        InputError: the file is missing, empty, not UTF-8, or lacks a special token.
    """

    def __init__(self, vocab_file, do_lower_case=True):
        vocabulary = read_vocab(vocab_file)
        check_special_tokens(vocabulary, vocab_file)
        self.vocab_file = Path(vocab_file)
        self.do_lower_case = bool(do_lower_case)
        self.vocab = vocabulary.ids
        self.vocab_size = len(vocabulary.tokens)
        self.pad_id, self.unk_id, self.cls_id, self.sep_id, self.mask_id = (
            vocabulary.ids[token] for token in (PAD, UNK, CLS, SEP, MASK)
        )
        flag = b"lower" if self.do_lower_case else b"cased"
        self.fingerprint = hashlib.sha256(vocabulary.content + b"\0" + flag).hexdigest()
        self._tokens = vocabulary.tokens
        self._content = vocabulary.content
        self._vocabulary = vocabulary

    @functools.cached_property
    def _cutter(self):
        return WordPieceCutter(self._vocabulary, self.do_lower_case)

    @classmethod
    def from_pretrained(cls, path):
        """The tokenizer of a model folder, or of a vocabulary file.

        In a folder ``vocab.txt`` is read, and ``do_lower_case`` from ``config.json`` if it is
        there (default true).
        """
        path = Path(path)
        if not path.is_dir():
            return cls(path)
        config = read_json(path / "config.json", keys=()) if (path / "config.json").exists() else {}
        return cls(path / "vocab.txt", do_lower_case=config.get("do_lower_case", True))

    def __reduce__(self):
        return type(self), (self.vocab_file, self.do_lower_case)

    def __len__(self):
        return self.vocab_size

    def save(self, directory):
        """Write ``directory/vocab.txt``, byte for byte the file this tokenizer was made from."""
        with atomic_write(Path(directory) / "vocab.txt", "wb") as handle:
            handle.write(self._content)

    def tokenize(self, text):
        """The tokens of one text, without [CLS] and [SEP]; "[MASK]" in it is ordinary text."""
        return self.convert_ids_to_tokens(self.encode_plain_batch([text])[0])

    def convert_tokens_to_ids(self, tokens):
        """Ids of ``tokens``; a token that is not in the vocabulary gets that of [UNK]."""
        return [self.vocab.get(token, self.unk_id) for token in tokens]

    def convert_ids_to_tokens(self, ids):
        """Tokens of ``ids``.  Raises `InputError` for an id outside the vocabulary."""
        try:
            if min(ids, default=0) >= 0:
                return [self._tokens[number] for number in ids]
        except IndexError:
            pass
        wrong = next(number for number in ids if not 0 <= number < self.vocab_size)
        raise InputError(f"id {wrong} is outside the vocabulary of {self.vocab_size} tokens")

    def decode(self, ids):
        """Readable text of ``ids``; [PAD], [CLS] and [SEP] are left out.

        Chinese characters stand without spaces, pieces are joined, Latin words spaced.
        """
        hidden = (self.pad_id, self.cls_id, self.sep_id)
        return join_tokens(self.convert_ids_to_tokens([i for i in ids if i not in hidden]))

    def encode_plain_batch(self, texts):
        """Token ids of many texts, without special tokens or truncation: list of lists of int."""
        ids, bounds = self.encode_flat(texts)
        ids, bounds = ids.tolist(), bounds.tolist()
        return [ids[start:end] for start, end in itertools.pairwise(bounds)]

    def encode_flat(self, texts):
        """The fastest form, for corpora: ``(ids, bounds)``, NumPy arrays of int32 and int64.

        The ids of all texts stand one after the other; text k has
        ``ids[bounds[k]:bounds[k + 1]]``.
        """
        texts = _listed(texts)
        if not set(map(type, texts)) <= {str}:
            texts = [_text(text, number) for number, text in enumerate(texts)]
        parts = [self._cutter.cut(chunk, with_spans=False) for chunk in _chunks(texts)]
        ids = np.concatenate([np.zeros(0, np.int32), *(part.ids for part in parts)])
        counts = [np.diff(part.bounds) for part in parts]
        return ids, np.concatenate([[0], *counts]).astype(np.int64).cumsum()

    def encode_words(self, texts, segment):
        """`encode_flat`, and which tokens begin a word: ``(ids, bounds, word_starts)``.

        A token continues the word of the one before it if it is a ``##`` piece, or begins
        inside the same word of the segmenter.

        Args:
            segment: function from a text to the list of its words (see `segmenters`).
        Returns:
            the arrays of `encode_flat`, and bool [tokens].
        """
        ids, counts, starts = [np.zeros(0, np.int32)], [np.zeros(1, np.int64)], [np.zeros(0, bool)]
        for chunk in _chunks(texts):
            tokens = self._cutter.cut(chunk, with_spans=True)
            lengths = np.array([len(text) + 1 for text in chunk])
            counts.append(np.diff(tokens.bounds))
            places = tokens.spans[0] + np.repeat(lengths.cumsum() - lengths, counts[-1])
            words = word_numbers(chunk, segment)[places]
            begins = np.ones(len(words), bool)
            begins[1:] = words[1:] != words[:-1]
            ids.append(tokens.ids)
            starts.append(begins & ~self._is_piece[tokens.ids])
        bounds = np.concatenate(counts).cumsum()
        return np.concatenate(ids), bounds, np.concatenate(starts)

    @functools.cached_property
    def _is_piece(self):
        """Per id: does its token continue a word?"""
        return np.array([token.startswith("##") and len(token) > 2 for token in self._tokens])

    def encode(self, text, text_pair=None, max_seq_length=None):
        """One `Encoding`: [CLS] text [SEP], or [CLS] text [SEP] text_pair [SEP].

        Args:
            text_pair: a second text; None, or one without a token, makes a single.
            max_seq_length: longest result in tokens, the special ones counted; tokens are
                dropped from the end of the longer text, of the second when they are equal
                (PARITY 21).  None: no limit.
        """
        return self.encode_batch(
            [text if text_pair is None else (text, text_pair)], max_seq_length
        )[0]

    def encode_batch(self, inputs, max_seq_length=None):
        """`encode` for many inputs, each a text or a pair (text, text or None)."""
        texts, pairs, numbers = _unpack(_listed(inputs))
        _check_length(max_seq_length, bool(pairs))
        sequences = self._sequences(texts + pairs)
        partners = dict(zip(numbers, sequences[len(texts) :], strict=True))
        return [
            self._assemble(sequence, partners.get(number), max_seq_length)
            for number, sequence in enumerate(sequences[: len(texts)])
        ]

    def _sequences(self, texts):
        """(ids, offsets) of each text."""
        sequences = []
        for chunk in _chunks(texts):
            tokens = self._cutter.cut(chunk, with_spans=True)
            ids = tokens.ids.tolist()
            offsets = list(zip(*tokens.spans.tolist(), strict=True))
            for start, end in itertools.pairwise(tokens.bounds.tolist()):
                sequences.append((ids[start:end], offsets[start:end]))
        return sequences

    def _assemble(self, first, second, max_seq_length):
        second = second if second and second[0] else None
        lengths = len(first[0]), len(second[0]) if second else 0
        if max_seq_length is not None:
            lengths = truncated_lengths(*lengths, max_seq_length - (3 if second else 2))
        ids, types, offsets, sequence_ids = [self.cls_id], [0], [(0, 0)], [None]
        for number, sequence in enumerate((first, second) if second else (first,)):
            length = lengths[number]
            ids += [*sequence[0][:length], self.sep_id]
            types += [number] * (length + 1)
            offsets += [*sequence[1][:length], (0, 0)]
            sequence_ids += [*[number] * length, None]
        tokens = [self._tokens[number] for number in ids]
        return Encoding(ids, types, tokens, offsets, sequence_ids)


def truncated_lengths(first, second, limit):
    """The lengths left when tokens are popped from the longer, from the second when equal."""
    if first + second <= limit:
        return first, second
    if second <= limit // 2:
        return limit - second, second
    if first <= (limit + 1) // 2:
        return first, limit - first
    return (limit + 1) // 2, limit // 2


def _chunks(texts):
    """Lists of consecutive ``texts`` of about `CHARACTERS_AT_ONCE` characters."""
    ends = list(itertools.accumulate(map(len, texts)))
    start = done = 0
    while start < len(texts):
        stop = bisect.bisect_left(ends, done + CHARACTERS_AT_ONCE, start) + 1
        yield texts[start:stop]
        done, start = ends[min(stop, len(ends)) - 1], stop


def _listed(texts):
    if isinstance(texts, str):
        raise InputError("expected a list of texts, got one text; put it in a list")
    return list(texts)


def _text(text, number):
    if not isinstance(text, str):
        raise InputError(f"input {number}: expected text, got {type(text).__name__}")
    return text


def _unpack(inputs):
    """(all first texts, all second texts, the numbers of the inputs that have a second)."""
    first, second, numbers = [], [], []
    for number, item in enumerate(inputs):
        text, pair = item, None
        if isinstance(item, (tuple, list)):
            if len(item) != 2:
                raise InputError(f"input {number}: expected one text or two, got {len(item)}")
            text, pair = item
        first.append(_text(text, number))
        if pair is not None:
            second.append(_text(pair, number))
            numbers.append(number)
    return first, second, numbers


def _check_length(max_seq_length, has_pairs):
    smallest = 5 if has_pairs else 3
    if max_seq_length is not None and max_seq_length < smallest:
        kind = "a pair of texts" if has_pairs else "a text"
        raise InputError(
            f"max_seq_length {max_seq_length} is too small: {kind} needs at least {smallest}"
        )
