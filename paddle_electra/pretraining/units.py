"""Building one unit of a corpus: read, split, tokenize, pack, write a shard and its record."""

import random
from pathlib import Path

from ..files import write_json
from ..text.corpus import read_blocks
from ..text.sentences import split_sentences
from ..text.tokenizer import ElectraTokenizer
from .examples import ExampleBuilder
from .plan import check_unchanged
from .shards import VOCAB_FILE, shard_name, write_shard
from .statistics import COUNTS


def record_path(folder, number):
    """Where the record of a finished shard lies until the build is complete."""
    return Path(folder) / f"{shard_name(number)}.json"


class UnitBuilder:
    """Makes shards in ``folder``, which holds the vocabulary already.

    Args:
        files: the corpus, a list of `plan.InputFile`.
        settings: ``max_seq_length``, ``segments``, ``split_sentences``, ``do_lower_case``,
            ``text_key``, ``seed`` (see `BuildOptions`).
    """

    def __init__(self, folder, files, settings):
        self._folder = Path(folder)
        self._files = files
        self._settings = settings
        self._tokenizer = ElectraTokenizer(self._folder / VOCAB_FILE, settings["do_lower_case"])

    def build(self, number, unit, report):
        """Make the shard of a unit and return its record.

        Args:
            number: of the unit; with the seed it decides all that is random in the shard.
            unit: list of `plan.Piece`.
            report: called with the bytes of input that were just worked off.
        Raises:
            InputError: unreadable text, a file that has changed, a full disk.
        """
        with write_shard(self._folder, shard_name(number), self._tokenizer.vocab_size) as writer:
            packer = _Packer(writer, self._example_builder(number), self._tokenizer.unk_id)
            for piece in unit:
                self._add_piece(packer, piece, report)
        record = {
            **writer.record(),
            "unit": [list(piece) for piece in unit],
            "statistics": packer.counts,
        }
        write_json(record_path(self._folder, number), record)
        return record

    def _example_builder(self, number):
        return ExampleBuilder(
            self._settings["max_seq_length"],
            random.Random(f"{self._settings['seed']}:{number}"),
            self._settings["segments"],
            cls_id=self._tokenizer.cls_id,
            sep_id=self._tokenizer.sep_id,
        )

    def _add_piece(self, packer, piece, report):
        file = self._files[piece.file]
        check_unchanged(file)
        blocks = read_blocks(file.path, piece.start, piece.end, self._settings["text_key"])
        for block in blocks:
            packer.count_block(block)
            texts = self._split(block.lines) if self._settings["split_sentences"] else block.lines
            packer.add(texts, self._tokenizer.encode_plain_batch(texts))
            report(block.consumed)
        packer.end_document()
        check_unchanged(file)

    def _split(self, lines):
        return [sentence for line in lines for sentence in split_sentences(line)]


class _Packer:
    """Packs tokenized texts into examples and writes and counts them."""

    def __init__(self, writer, builder, unk_id):
        self.counts = dict.fromkeys(COUNTS, 0)
        self._writer = writer
        self._builder = builder
        self._unk_id = unk_id
        self._in_document = False

    def count_block(self, block):
        self.counts["lines"] += sum(map(bool, block.lines))
        self.counts["characters"] += sum(map(len, block.lines))
        self.counts["bytes"] += block.consumed

    def add(self, texts, token_ids):
        """Add texts, ``""`` for the end of a document, and the ids of each."""
        add_line = self._builder.add_line
        for text, ids in zip(texts, token_ids, strict=True):
            if not text:
                self.end_document()
                continue
            self._in_document = True
            example = add_line(ids)
            if example:
                self._write(example)
        self.counts["sentences"] += sum(map(bool, texts))
        self.counts["text_tokens"] += sum(map(len, token_ids))

    def end_document(self):
        self.counts["documents"] += self._in_document
        self._in_document = False
        example = self._builder.end_document()
        if example:
            self._write(example)

    def _write(self, example):
        self._writer.add(example)
        counts = self.counts
        counts["examples"] += 1
        counts["tokens"] += len(example.ids)
        counts["unknown_tokens"] += example.ids.count(self._unk_id)
        counts["two_segment_examples"] += example.first_length < len(example.ids)
