"""From tokenized lines to the examples of a shard, whole blocks of text at a time with NumPy."""

import numpy as np

from .examples import TEXT_BEGINS
from .statistics import COUNTS


class Packer:
    """Packs tokenized texts into examples, writes them and counts.

    Memory holds the tokens of one block and of the lines that wait for the next.

    Args:
        writer: a `ShardWriter`.
        builder: an `ExampleBuilder`.
        tokenizer: for the ids of [CLS], [SEP] and [UNK].

    Attributes: ``counts``, a dict of `statistics.COUNTS`.
    """

    def __init__(self, writer, builder, tokenizer):
        self.counts = dict.fromkeys(COUNTS, 0)
        self._writer = writer
        self._builder = builder
        self._unk_id = tokenizer.unk_id
        # The stream that the builder speaks of.
        self._stream = np.array([tokenizer.cls_id, tokenizer.sep_id], np.int32)
        self._word_starts = np.ones(TEXT_BEGINS, bool)
        self._in_document = False

    def add(self, texts, ids, bounds, word_starts=None):
        """Add texts, ``""`` for the end of a document.

        Args:
            ids, bounds: their tokens, see `ElectraTokenizer.encode_flat`.
            word_starts: bool, which tokens begin a word; None if the shard has no such bits.
        """
        ends = (bounds[1:] + self._builder.end).tolist()
        start = 0
        blanks = [place for place, text in enumerate(texts) if not text]
        for blank in blanks:
            self._add_lines(ends[start:blank])
            self._end_document()
            start = blank + 1
        self._add_lines(ends[start:])
        self._stream = np.concatenate([self._stream, ids])
        if word_starts is not None:
            self._word_starts = np.concatenate([self._word_starts, word_starts])
        self.counts["sentences"] += len(texts) - len(blanks)
        self.counts["text_tokens"] += len(ids)
        self._write()

    def end_document(self):
        """End the document, and with it what waits for more lines."""
        self._end_document()
        self._write()

    def _add_lines(self, ends):
        if ends:
            self._in_document = True
            self._builder.add_lines(ends)

    def _end_document(self):
        self.counts["documents"] += self._in_document
        self._in_document = False
        self._builder.end_document()

    def _write(self):
        """Write the examples that are complete and forget their tokens."""
        (spans, *lengths), lost = self._builder.take()
        if spans:
            places = _expand(np.array(spans).reshape(-1, 2))
            tokens = self._stream[places]
            lengths, first_lengths = map(np.array, lengths)
            with_words = len(self._word_starts) == len(self._stream)
            word_starts = self._word_starts[places] if with_words else None
            self._writer.append(tokens, lengths, first_lengths, word_starts)
            self._count(tokens, lengths, first_lengths)
        self._stream = _forget(self._stream, lost)
        self._word_starts = _forget(self._word_starts, lost)

    def _count(self, tokens, lengths, first_lengths):
        counts = self.counts
        counts["examples"] += len(lengths)
        counts["tokens"] += len(tokens)
        counts["unknown_tokens"] += int(np.count_nonzero(tokens == self._unk_id))
        counts["two_segment_examples"] += int(np.count_nonzero(first_lengths < lengths))


def _expand(spans):
    """All places inside spans [n, 2], one after the other."""
    lengths = spans[:, 1] - spans[:, 0]
    ends = lengths.cumsum()
    places = np.repeat(spans[:, 0] - ends + lengths, lengths)
    places += np.arange(len(places))
    return places


def _forget(stream, lost):
    """The stream without the first ``lost`` tokens of text."""
    return np.concatenate([stream[:TEXT_BEGINS], stream[TEXT_BEGINS + lost :]])
