"""``paddle-electra data build``: a corpus of text to shards of pretraining examples.

The corpus is divided into units (`plan`), each becomes one shard, with random numbers of its
own, in whatever process: the shards are the same, byte for byte, for any number of processes.
A shard counts as finished when its record ``shard-00000.json`` is written; a build that was
stopped keeps the finished ones and goes on with the others.  dataset.json is written last.
"""

import os
import sys
import time
from pathlib import Path

from ..errors import InputError
from ..files import disk_errors, read_json, write_json
from ..progress import progress_bar
from ..text.corpus import expand_inputs
from ..text.tokenizer import ElectraTokenizer
from . import shards, statistics
from .plan import describe_files, plan_units
from .pool import build_in_processes
from .units import UnitBuilder, record_path

SHORTEST_EXAMPLE = 8


def run(options):
    """Build the shards of `BuildOptions` and print the statistics.  Returns the `ShardDataset`.

    Raises:
        InputError: unreadable or empty input, a bad vocabulary, another build in the output
            folder, a full disk, a dead worker.  Shards finished until then are kept.
    """
    if options.max_seq_length < SHORTEST_EXAMPLE:
        raise InputError(f"--max-seq-length: expected at least {SHORTEST_EXAMPLE}")
    if options.processes < 0:
        raise InputError("--processes: expected 0 (one a core) or more")
    folder = Path(options.output)
    files = _list_files(options, folder)
    tokenizer = ElectraTokenizer(options.vocab, options.do_lower_case)
    build = _describe_build(options, files, tokenizer)
    if _prepare_folder(folder, build, options.overwrite):
        print(f"{folder}: already built")
    else:
        tokenizer.save(folder)
        try:
            _build_shards(folder, build, files, options.processes or _cores())
        except KeyboardInterrupt:
            print(f"{folder}: stopped; the same command goes on from here", file=sys.stderr)
            raise
    dataset = shards.ShardDataset(folder)
    _remove(folder, (shards.BUILD_FILE, "shard-*.json"))
    print(statistics.describe(dataset.meta))
    return dataset


def _cores():
    if hasattr(os, "sched_getaffinity"):  # not on a Mac
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _list_files(options, folder):
    """The files of the corpus; refuses folders where the output would be read as input."""
    for item in options.input:
        if Path(item).is_dir() and folder.resolve().is_relative_to(Path(item).resolve()):
            raise InputError(f"--output {folder} lies in the input {item}; choose another folder")
    files = describe_files(expand_inputs(options.input))
    for file in files:
        if Path(file.path).resolve() == Path(options.vocab).resolve():
            raise InputError(f"{file.path}: the vocabulary is among the input; move one of them")
    if not any(file.size for file in files):
        raise InputError(
            f"{', '.join(options.input)}: the corpus is empty: not a byte of text; "
            f"expected UTF-8 text, one sentence or paragraph a line"
        )
    return files


def _describe_build(options, files, tokenizer):
    """All that decides the content of the shards."""
    return {
        "format": shards.FORMAT,
        "version": shards.VERSION,
        "max_seq_length": options.max_seq_length,
        "vocab_size": tokenizer.vocab_size,
        "vocab_fingerprint": tokenizer.fingerprint,
        "segments": options.segments,
        "split_sentences": options.split_sentences,
        "do_lower_case": options.do_lower_case,
        "text_key": options.text_key,
        "seed": options.seed,
        "inputs": [file._asdict() for file in files],
    }


def _prepare_folder(folder, build, overwrite):
    """Make or check the output folder.  Returns whether it holds this build, complete."""
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for name in (shards.DATASET_FILE, shards.BUILD_FILE):
        if not (folder / name).exists():
            continue
        difference = _difference(read_json(folder / name), build)
        if not difference and not overwrite:
            return name == shards.DATASET_FILE
        unfinished = name == shards.BUILD_FILE and not any(folder.glob("shard-*.json"))
        if not overwrite and not unfinished:  # without a shard nothing is lost
            raise InputError(
                f"{folder}: the shards here differ from this build ({difference}); "
                f"choose another --output, or delete them with --overwrite"
            )
        _remove(folder, (name, *_OWN_FILES))  # the description first: what is left is no dataset
        break
    else:
        if any(folder.iterdir()):
            raise InputError(f"{folder}: not empty, and not made by data build; choose another")
    write_json(folder / shards.BUILD_FILE, build)
    return False


_OWN_FILES = (
    shards.DATASET_FILE,
    shards.BUILD_FILE,
    shards.VOCAB_FILE,
    "shard-*.json",
    "shard-*.tokens",
    "shard-*.index",
    ".shard-*.tmp",
)


def _remove(folder, patterns):
    for pattern in patterns:
        for path in folder.glob(pattern):
            path.unlink(missing_ok=True)


def _difference(old, new):
    """The first setting that differs, or None.  Files may have moved, but not changed."""
    if not isinstance(old, dict):
        return "description"
    for key, value in new.items():
        if key == "inputs":
            if list(map(_identity, old.get(key, []))) != list(map(_identity, value)):
                return "input files"
        elif old.get(key) != value:
            return key
    return None


def _identity(file):
    return Path(file["path"]).name, file["size"], file["mtime_ns"]


def _build_shards(folder, build, files, processes):
    started = time.perf_counter()
    _remove(folder, (".shard-*.tmp",))  # of a build that was killed
    units = dict(enumerate(plan_units(files)))
    total = sum(file.size for file in files)
    with progress_bar("shards", total, unit="B") as bar:
        records = _finished_shards(folder, units, build["vocab_size"])
        bar.update(sum(record["statistics"]["bytes"] for record in records.values()))
        bar.unpause()
        kept = bar.n
        todo = {number: unit for number, unit in units.items() if number not in records}
        records.update(_build_units(processes, (folder, files, build), todo, bar.update))
        seconds = time.perf_counter() - started
        built = bar.n - kept
    records = [records[number] for number in sorted(records)]
    if not sum(record["examples"] for record in records):
        _remove(folder, _OWN_FILES)
        first = f"{files[0].path}{' and the other files' if len(files) > 1 else ''}"
        raise InputError(f"{first}: the corpus is empty: no text, only blank lines")
    _write_description(folder, build, records, seconds, built)
    before = f", {len(records) - len(todo)} of them from before" if kept else ""
    rate = f"{built / 1e6:,.1f} MB in {seconds:,.1f} s, {built / 1e6 / seconds:.2f} MB/s"
    print(f"{folder}: {len(records)} shards{before}; {rate}")


def _build_units(processes, arguments, todo, report):
    if min(processes, len(todo)) > 1:
        return build_in_processes(processes, arguments, todo, report)
    builder = UnitBuilder(*arguments)
    return {number: builder.build(number, unit, report) for number, unit in todo.items()}


def _finished_shards(folder, units, vocab_size):
    """{number: record} of the shards that an earlier run finished and that are still sound."""
    records = {}
    for number, unit in units.items():
        path = record_path(folder, number)
        if not path.exists():
            continue
        try:
            record = read_json(path)
            if record["unit"] == [list(piece) for piece in unit]:
                shards.check_content(folder, record, vocab_size)
                records[number] = record
        except (InputError, KeyError, TypeError):
            path.unlink()  # unsound: built once more
    return records


def _write_description(folder, build, records, seconds, built):
    parts = [record["statistics"] for record in records]
    described = ("name", "examples", "tokens", "sha256")
    meta = {
        **build,
        "examples": sum(record["examples"] for record in records),
        "statistics": {
            **statistics.summarize(parts, build["max_seq_length"]),
            "seconds": round(seconds, 3),
            "megabytes_per_second": round(built / 1e6 / seconds, 3),
        },
        "shards": [{key: record[key] for key in described} for record in records],
    }
    write_json(folder / shards.DATASET_FILE, meta)
