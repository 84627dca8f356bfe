"""``paddle-electra data merge``: the parts of a build, made on several machines, to one dataset.

The shards of all parts lie beside each other unchanged; with the counts added up the result is,
but for the time it took, that of one build.
"""

import os
import shutil
from pathlib import Path

from ..errors import InputError
from ..files import atomic_directory, read_json, write_json
from ..progress import progress_bar
from ..wording import plural
from . import shards, statistics
from .build import parse_part

# What differs between parts, or is settled by what remains.  Times of files differ from machine
# to machine, so of the inputs only names and sizes are compared.
_OWN = ("part", "examples", "statistics", "shards", "inputs")


def run(options):
    """Merge the parts of `MergeOptions`.  Returns the `ShardDataset`.

    Raises:
        InputError: folders that are not all parts of one build, each once; a damaged shard; an
            output folder with anything else in it.
    """
    parts = _sorted_parts([shards.ShardDataset(folder) for folder in options.input])
    meta = _merged_description(parts)
    output = Path(options.output)
    if _is_done(output, meta):
        print(f"{output}: already merged")
    else:
        with atomic_directory(output) as folder:
            _gather(parts, folder)
            write_json(folder / shards.DATASET_FILE, meta)
        count, whole = len(meta["shards"]), len(parts)
        shown = f"{count} {plural(count, 'shard')} of {whole} {plural(whole, 'part')}"
        print(f"{output}: {shown}")
    dataset = shards.ShardDataset(output)
    print(statistics.describe(dataset.meta))
    return dataset


def _sorted_parts(parts):
    """The parts in the order of their numbers; checks that they are all parts of one build."""
    numbers = {}
    for part in parts:
        number, count = _part_of(part)
        if number in numbers:
            raise InputError(
                f"{part.folder}: part {number}/{count}, and so is {numbers[number].folder}; "
                f"name each part once"
            )
        numbers[number] = part
        _check_same_build(parts[0], part)
    missing = sorted(set(range(1, _part_of(parts[0])[1] + 1)) - set(numbers))
    if missing:
        count = _part_of(parts[0])[1]
        raise InputError(
            f"{parts[0].folder}: one of {count} parts, and {missing[0]}/{count} is not there; "
            f"name all parts after --input"
        )
    return [numbers[number] for number in sorted(numbers)]


def _part_of(dataset):
    if "units" not in dataset.meta:
        raise InputError(f"{dataset.folder}: expected a folder that `data build --part` made")
    return parse_part(dataset.meta["part"])


def _check_same_build(first, other):
    def settled(dataset):
        return {key: value for key, value in dataset.meta.items() if key not in _OWN}

    def inputs(dataset):
        return [(Path(file["path"]).name, file["size"]) for file in dataset.meta["inputs"]]

    ours, theirs = settled(first), settled(other)
    different = [key for key in ours | theirs if ours.get(key) != theirs.get(key)]
    if not different and _part_of(first)[1] != _part_of(other)[1]:
        different = ["number of parts"]
    if not different and inputs(first) != inputs(other):
        different = ["input files"]
    if different:
        raise InputError(
            f"{other.folder}: not of the same build as {first.folder}: the {different[0]} differs; "
            f"build all parts with the same settings and files"
        )


def _merged_description(parts):
    first = parts[0].meta
    records = sorted((r for part in parts for r in part.meta["shards"]), key=_number)
    names = [record["name"] for record in records]
    expected = [shards.shard_name(number) for number in range(first["units"])]
    if names != expected:
        wrong = sorted(set(names) ^ set(expected)) or [
            name for name in names if names.count(name) > 1
        ]
        raise InputError(
            f"{', '.join(str(part.folder) for part in parts)}: together they should have each of "
            f"{first['units']} shards once, which is not so of {wrong[0]}"
        )
    if not sum(record["examples"] for record in records):
        raise InputError(f"{parts[0].folder} and the other parts: no text, only blank lines")
    counts = [part.meta["statistics"] for part in parts]
    seconds = sum(count["seconds"] for count in counts)
    summary = statistics.summarize(counts, first["max_seq_length"])
    return {
        **first,
        "part": "1/1",
        "examples": sum(record["examples"] for record in records),
        "statistics": {
            **summary,
            "seconds": round(seconds, 3),
            "megabytes_per_second": round(summary["bytes"] / 1e6 / max(seconds, 1e-3), 3),
        },
        "shards": records,
    }


def _number(record):
    return int(record["name"].rpartition("-")[2])


def _is_done(output, meta):
    """Is this the dataset in the output folder?  Refuses a folder with anything else in it."""
    if not output.exists():
        return False
    if not output.is_dir():
        raise InputError(f"{output}: expected a folder, a file is in the way")
    if (output / shards.DATASET_FILE).exists():
        found = read_json(output / shards.DATASET_FILE, keys=("statistics",))
        if _without_times(found) == _without_times(meta):
            return True
        raise InputError(f"{output}: another dataset is here; choose another --output")
    if any(output.iterdir()):
        raise InputError(f"{output}: not empty, and not made by data merge; choose another")
    return False


def _without_times(meta):
    times = ("seconds", "megabytes_per_second")
    counts = {key: value for key, value in meta["statistics"].items() if key not in times}
    return {**meta, "statistics": counts}


def _gather(parts, folder):
    """Link or copy vocabulary and shards into a folder, all of them checked first."""
    shutil.copyfile(parts[0].vocab_file, folder / shards.VOCAB_FILE)
    records = [(part, record) for part in parts for record in part.meta["shards"]]
    with progress_bar("shards", len(records), unit="shard") as bar:
        for part, record in records:
            shards.check_content(part.folder, record, part.vocab_size)
            for path in shards.shard_paths(part.folder, record).values():
                _link(path, folder / path.name)
            bar.update(1)


def _link(source, target):
    try:
        os.link(source, target)
    except OSError:  # another disk, or one that knows no links
        shutil.copyfile(source, target)
