"""Building one unit of a corpus: read, split, tokenize, pack, write a shard and its record."""

import random
from pathlib import Path

from ..files import write_json
from ..text.segmenters import load_segmenter
from ..text.sentences import split_lines
from ..text.tokenizer import ElectraTokenizer
from .duplicates import Kept, dropped_documents
from .examples import ExampleBuilder
from .packing import Packer
from .pieces import read_piece
from .shard_folder import record_path
from .shards import VOCAB_FILE, shard_name, write_shard


class UnitBuilder:
    """Makes shards in ``folder``, which holds the vocabulary already.

    Args:
        files: the corpus, a list of `plan.InputFile`.
        settings: ``max_seq_length``, ``segments``, ``split_sentences``, ``blanks_separate_docs``,
            ``drop_duplicates`` (after `duplicates.find`), ``segmenter``, ``do_lower_case``,
            ``text_key``, ``seed`` (see `BuildOptions`).
    """

    def __init__(self, folder, files, settings):
        self._folder = Path(folder)
        self._files = files
        self._settings = settings
        self._tokenizer = ElectraTokenizer(self._folder / VOCAB_FILE, settings["do_lower_case"])
        self._segment = load_segmenter(settings["segmenter"])

    def build(self, number, unit, report):
        """Make the shard of a unit and return its record.

        Args:
            number: of the unit; with the seed it decides all that is random in the shard.
            unit: list of `plan.Piece`.
            report: called with the bytes of input that were just worked off.
        Raises:
            InputError: unreadable text, a file that has changed, a full disk, a segmenter that
                does not keep to the text.
        """
        name, size, words = shard_name(number), self._tokenizer.vocab_size, self._segment
        with write_shard(self._folder, name, size, words is not None) as writer:
            packer = Packer(writer, self._example_builder(number), self._tokenizer)
            kept = self._kept(number)
            for piece in unit:
                self._add_piece(packer, kept, piece, report)
            packer.counts["duplicate_documents"] = kept.dropped if kept else 0
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
        )

    def _kept(self, number):
        if self._settings["drop_duplicates"]:
            return Kept(dropped_documents(self._folder, number))
        return None

    def _add_piece(self, packer, kept, piece, report):
        for lines, consumed in read_piece(self._files, piece, self._settings):
            self._add_lines(packer, kept.keep(lines) if kept else lines)
            packer.counts["bytes"] += consumed
            report(consumed)
        packer.end_document()
        if kept:
            kept.end_document()

    def _add_lines(self, packer, lines):
        packer.counts["lines"] += sum(map(bool, lines))
        packer.counts["characters"] += sum(map(len, lines))
        if self._settings["split_sentences"]:
            lines = split_lines(lines)
        if self._segment is None:
            packer.add(lines, *self._tokenizer.encode_flat(lines))
        else:
            packer.add(lines, *self._tokenizer.encode_words(lines, self._segment))
