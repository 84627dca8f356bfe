"""``paddle-electra data from-tfrecords``: the original's pretraining data to shards.

Small files go together, each group becomes one shard; what was stopped is continued.  The examples
are kept exactly, those of HFL with an empty first segment too; only the padding goes.
"""

import functools
import glob
import re
import sys
import time
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..files import write_json
from ..progress import progress_bar
from ..text.tokenizer import ElectraTokenizer
from . import shard_folder, shards
from .division import check_unchanged, describe_files
from .tfrecords import read_records

PATTERN = "*.tfrecord*"
SHARD_BYTES = 256 << 20  # of records in one shard, about
RECORDS_AT_ONCE = 1024


def run(options):
    """Convert the files of `FromTfrecordsOptions`; see `convert_tfrecords`."""
    files = find_tfrecords(options.input)
    return convert_tfrecords(
        files, options.vocab, options.do_lower_case, options.output, options.overwrite
    )


def find_tfrecords(inputs):
    """The files behind paths, patterns and folders, those with numbers in their order.

    Raises:
        InputError: nothing there.
    """
    found = {}
    for item in map(str, inputs):
        path = Path(item)
        if path.is_dir():
            files = [file for file in path.glob(PATTERN) if file.is_file()]
            missing = f"{item}: no file named {PATTERN} in this folder"
        elif path.exists():
            files, missing = [path], ""
        else:
            files = [Path(name) for name in glob.glob(item) if Path(name).is_file()]
            missing = f"{item}: no such file, nor does it match any as a pattern"
        if not files:
            raise InputError(missing)
        for file in sorted(files, key=_by_numbers):
            found.setdefault(file.resolve(), file)
    return list(found.values())


def _by_numbers(path):
    """pretrain_data.tfrecord-2-of-1000 comes before -10-of-1000."""
    parts = re.split(r"(\d+)", path.name)
    return str(path.parent), [int(part) if part.isdigit() else part for part in parts]


def convert_tfrecords(files, vocab, do_lower_case, output, overwrite=False):
    """Turn the original's ``pretrain_data.tfrecord*`` files into a folder of shards.

    Args:
        files: paths, in the order of the examples.
        vocab: the vocabulary file that the records were made with.
        do_lower_case: whether their text was lower-cased; for the fingerprint of the vocabulary.
        output: folder; an unfinished conversion of the same files is continued, a finished one
            left as it is.
        overwrite: delete other shards there.
    Returns:
        the `ShardDataset`.
    Raises:
        InputError: a file that is missing, cut off, damaged or of other records, an id outside
            the vocabulary, or records of several lengths; names the file and the record.
    """
    folder = Path(output)
    described = describe_files(files)
    tokenizer = ElectraTokenizer(vocab, do_lower_case)
    first = _first_record(described)
    if first.input_ids[0] != tokenizer.cls_id:
        print(
            f"note: {described[0].path}: the first record begins with id {first.input_ids[0]}, "
            f"[CLS] is {tokenizer.cls_id} in {vocab}: were they made with another vocabulary?",
            file=sys.stderr,
        )
    build = {
        "format": shards.FORMAT,
        "version": shards.VERSION,
        "source": "tfrecords",
        "max_seq_length": len(first.input_ids),
        "vocab_size": tokenizer.vocab_size,
        "vocab_fingerprint": tokenizer.fingerprint,
        "do_lower_case": tokenizer.do_lower_case,
        "inputs": [file._asdict() for file in described],
    }
    work = functools.partial(_convert, folder, build, described, tokenizer)
    return shard_folder.fill(
        folder, build, overwrite, "data from-tfrecords", tokenizer, work, "converted"
    )


def _first_record(files):
    for file in files:
        for record in read_records(file.path):
            return record
    raise InputError(f"{files[0].path}{' and the others' if files[1:] else ''}: no record in it")


def _plan(files):
    """{number of the shard: ((file number,), ...)}"""
    groups, group, size = [], [], 0
    for number, file in enumerate(files):
        group.append((number,))
        size += file.size
        if size >= SHARD_BYTES:
            groups.append(group)
            group, size = [], 0
    return dict(enumerate([*groups, group] if group else groups))


def _convert(folder, build, files, tokenizer):
    started = time.perf_counter()
    shard_folder.remove_half_written(folder)
    units = _plan(files)
    with progress_bar("records", sum(file.size for file in files), unit="B") as bar:
        records = shard_folder.finished_shards(folder, units, tokenizer.vocab_size)
        kept = shard_folder.bytes_read(records.values())
        bar.update(kept)
        for number, unit in units.items():
            if number not in records:
                chosen = [files[file] for (file,) in unit]
                writer, counts = _convert_files(folder, number, chosen, build, tokenizer, bar)
                records[number] = {**writer.record(), "unit": unit, "statistics": counts}
                write_json(shard_folder.record_path(folder, number), records[number])
        built = shard_folder.bytes_read(records.values()) - kept
    seconds = time.perf_counter() - started
    records = [records[number] for number in sorted(records)]
    shard_folder.write_description(folder, build, records, seconds, built)


def _convert_files(folder, number, files, build, tokenizer, bar):
    """Make one shard.  Returns its (writer, counts)."""
    name = shards.shard_name(number)
    with shards.write_shard(folder, name, tokenizer.vocab_size) as writer:
        batch = _Batch(writer, tokenizer)
        for file in files:
            check_unchanged(file)
            for position, record in enumerate(read_records(file.path), start=1):
                try:
                    batch.add(record, build["max_seq_length"])
                except ValueError as error:
                    raise InputError(f"{file.path}: record {position}: {error}") from None
            batch.write()
            check_unchanged(file)
            batch.counts["bytes"] += file.size
            bar.update(file.size)
    return writer, batch.counts


class _Batch:
    """Records checked, freed of their padding, collected and written."""

    def __init__(self, writer, tokenizer):
        self.counts = dict.fromkeys(
            ("bytes", "examples", "tokens", "unknown_tokens", "two_segment_examples"), 0
        )
        self._writer = writer
        self._tokenizer = tokenizer
        self._ids, self._first_lengths = [], []

    def add(self, record, max_seq_length):
        """Raises `ValueError` that says what is wrong with a record."""
        ids, first_length = unpad(record, max_seq_length)
        wrong = (ids < 0) | (ids >= self._tokenizer.vocab_size)
        if wrong.any():
            raise ValueError(
                f"id {ids[wrong][0]} is outside the vocabulary of {self._tokenizer.vocab_size} "
                f"tokens; give the --vocab that the records were made with"
            )
        self._ids.append(ids)
        self._first_lengths.append(first_length)
        if len(self._ids) >= RECORDS_AT_ONCE:
            self.write()

    def write(self):
        if not self._ids:
            return
        tokens = np.concatenate(self._ids)
        lengths = np.array([len(ids) for ids in self._ids])
        first_lengths = np.array(self._first_lengths)
        self._writer.append(tokens, lengths, first_lengths)
        unknown = np.count_nonzero(tokens == self._tokenizer.unk_id)
        self.counts["examples"] += len(lengths)
        self.counts["tokens"] += len(tokens)
        self.counts["unknown_tokens"] += int(unknown)
        self.counts["two_segment_examples"] += int(np.count_nonzero(first_lengths < lengths))
        self._ids, self._first_lengths = [], []


def unpad(record, max_seq_length):
    """(token ids, tokens of type 0) of a `tfrecords.Record`.

    Raises:
        ValueError: another length than ``max_seq_length``, a hole in the mask, or types that are
            not 0, then 1.
    """
    ids, mask, types = record
    if len(ids) != max_seq_length:
        raise ValueError(
            f"{len(ids)} numbers, but the first record has {max_seq_length}; "
            f"convert files of one max_seq_length at a time"
        )
    size = int(np.count_nonzero(mask))
    if not size or (mask[:size] != 1).any():
        raise ValueError("input_mask: expected ones for the tokens, then zeros for the padding")
    first_length = size - int(np.count_nonzero(types[:size]))
    expected = np.arange(max_seq_length)
    if (types != ((expected >= first_length) & (expected < size))).any() or not first_length:
        raise ValueError("segment_ids: expected zeros for the first segment, ones for the second")
    return ids[:size], first_length
