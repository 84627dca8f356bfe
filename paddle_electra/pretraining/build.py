"""``paddle-electra data build``: a corpus of text to shards of pretraining examples.

The corpus is divided into units (`division`), each becomes one shard, with random numbers of its
own, in whatever process and on whatever machine: the shards are the same, byte for byte, for any
number of processes, and those of all parts together are those of one build.
"""

import functools
import re
import time
from pathlib import Path

from ..errors import InputError
from ..progress import progress_bar
from ..runtime import cores
from ..text.corpus import check_encodings, expand_inputs, passed_over
from ..text.segmenters import load_segmenter, segmenter_version
from ..text.tokenizer import ElectraTokenizer
from ..wording import plural
from . import duplicates, shard_folder, shards
from .division import describe_files, plan_units
from .pool import run_units
from .units import UnitBuilder

SHORTEST_EXAMPLE = 8


def run(options):
    """Build the shards of `BuildOptions` and print the statistics.  Returns the `ShardDataset`.

    Raises:
        InputError: unreadable or empty input, a bad vocabulary or segmenter, another build in the
            output folder, a full disk, a dead worker.  Shards finished until then are kept.
    """
    for item in options.input:
        if Path(item).is_dir() and Path(options.output).resolve().is_relative_to(
            Path(item).resolve()
        ):
            raise InputError(
                f"--output {options.output} lies in the input {item}; choose another folder"
            )
    paths = expand_inputs(options.input)
    return build_from_files(options, paths, passed_over(options.input))


def build_from_files(options, paths, others=""):
    """`run` with ``paths``, files of text, in the place of ``options.input``.

    Args:
        others: what the statistics say of files that were passed over.
    """
    if options.max_seq_length < SHORTEST_EXAMPLE:
        raise InputError(f"--max-seq-length: expected at least {SHORTEST_EXAMPLE}")
    if options.processes < 0:
        raise InputError("--processes: expected 0 (one a core) or more")
    part = parse_part(options.part)
    folder = Path(options.output)
    files = _describe_inputs(options, paths)
    load_segmenter(options.segmenter)
    tokenizer = ElectraTokenizer(options.vocab, options.do_lower_case)
    build = _describe_build(options, files, tokenizer)
    processes = options.processes or cores()
    work = functools.partial(_build_shards, folder, build, files, part, processes)
    return shard_folder.fill(
        folder, build, options.overwrite, "data build", tokenizer, work, "built", others
    )


def parse_part(text):
    """(i, n) of "i/n".  Raises `InputError` if it is no such thing."""
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    part, parts = map(int, match.groups()) if match else (0, 0)
    if not 1 <= part <= parts:
        raise InputError(f"--part {text}: expected i/n with i from 1 to n, such as 2/3")
    return part, parts


def _describe_inputs(options, paths):
    files = describe_files(paths)
    for file in files:
        if Path(file.path).resolve() == Path(options.vocab).resolve():
            raise InputError(f"{file.path}: the vocabulary is among the input; move one of them")
    if not any(file.size for file in files):
        raise InputError(
            f"{', '.join(options.input)}: the corpus is empty: not a byte of text; "
            f"expected UTF-8 text, one sentence or paragraph a line"
        )
    check_encodings(paths)
    return files


def _describe_build(options, files, tokenizer):
    """All that decides the content of the shards."""
    part, parts = parse_part(options.part)
    return {
        "format": shards.FORMAT,
        "version": shards.VERSION,
        "part": f"{part}/{parts}",
        "max_seq_length": options.max_seq_length,
        "vocab_size": tokenizer.vocab_size,
        "vocab_fingerprint": tokenizer.fingerprint,
        "segments": options.segments,
        "split_sentences": options.split_sentences,
        "blanks_separate_docs": options.blanks_separate_docs,
        "drop_duplicates": options.drop_duplicates,
        "segmenter": options.segmenter,
        "segmenter_version": segmenter_version(options.segmenter),
        "do_lower_case": options.do_lower_case,
        "text_key": options.text_key,
        "seed": options.seed,
        "inputs": [file._asdict() for file in files],
    }


def _build_shards(folder, build, files, part, processes):
    started = time.perf_counter()
    shard_folder.remove_half_written(folder)
    planned = dict(enumerate(plan_units(files, build["blanks_separate_docs"])))
    units = {number: unit for number, unit in planned.items() if number % part[1] == part[0] - 1}
    total = sum(_share_of_bytes(files, unit) for unit in units.values())
    with progress_bar("shards", total, unit="B") as bar:
        records = shard_folder.finished_shards(folder, units, build["vocab_size"])
        kept = shard_folder.bytes_read(records.values())
        bar.update(kept)
        bar.unpause()
        todo = {number: unit for number, unit in units.items() if number not in records}
        arguments = folder, files, build
        if build["drop_duplicates"] and todo:
            duplicates.find(*arguments, planned, processes)
        records.update(run_units(UnitBuilder, arguments, todo, processes, bar.update))
        seconds = time.perf_counter() - started
        built = shard_folder.bytes_read(records.values()) - kept
    records = [records[number] for number in sorted(records)]
    if part == (1, 1):
        _check_not_blank(folder, files, records)
    shard_folder.write_description(
        folder, {**build, "units": len(planned)}, records, seconds, built
    )
    before = f", {len(records) - len(todo)} of them from before" if kept else ""
    rate = f"{built / 1e6:,.1f} MB in {seconds:,.1f} s, {built / 1e6 / seconds:.2f} MB/s"
    print(f"{folder}: {len(records)} {plural(len(records), 'shard')}{before}; {rate}")


def _share_of_bytes(files, unit):
    """Bytes on disk of a unit."""
    return sum(
        files[piece.file].size if piece.end is None else piece.end - piece.start for piece in unit
    )


def _check_not_blank(folder, files, records):
    if not sum(record["examples"] for record in records):
        shard_folder.remove(folder)
        first = f"{files[0].path}{' and the other files' if len(files) > 1 else ''}"
        raise InputError(f"{first}: the corpus is empty: no text, only blank lines")
