"""The output folder of a command that makes shards: what belongs there, resuming, the end.

A shard counts as finished when its record ``shard-00000.json`` is written; what was stopped keeps
the finished ones and goes on with the others.  dataset.json is written last.
"""

import shutil
import sys
from pathlib import Path

from ..errors import InputError
from ..files import disk_errors, is_empty, only_writer, read_json, write_json
from . import shards, statistics

DUPLICATES_FOLDER = "duplicates"  # of an unfinished build

_OWN_FILES = (
    shards.DATASET_FILE,
    shards.BUILD_FILE,
    shards.VOCAB_FILE,
    DUPLICATES_FOLDER,
    "shard-*.json",
    *(f"shard-*.{kind}" for kind in shards.KINDS),
    ".shard-*.tmp",
)
# What the description of an older dataset does not say.
_DEFAULTS = {
    "part": "1/1",
    "blanks_separate_docs": True,
    "drop_duplicates": False,
    "segmenter": "none",
}


def prepare(folder, build, overwrite, command):
    """Make or check an output folder.

    Args:
        build: all that decides the content of the shards, a dict for JSON.
        overwrite: delete other shards.
        command: its name, for messages.
    Returns:
        whether the folder holds these shards, complete.
    Raises:
        InputError: other shards, or anything else, in the folder.
    """
    folder = Path(folder)
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for name in (shards.DATASET_FILE, shards.BUILD_FILE):
        if not (folder / name).exists():
            continue
        differences = differences_of(read_json(folder / name), build)
        if not differences and not overwrite:
            return name == shards.DATASET_FILE
        unfinished = name == shards.BUILD_FILE and not any(folder.glob("shard-*.json"))
        if not overwrite and not unfinished:  # without a shard nothing is lost
            raise InputError(
                f"{folder}: the shards here differ from this build ({', '.join(differences)}); "
                f"choose another folder, or delete them (data build: --overwrite)"
            )
        # The description first: what is left is no dataset.
        remove(folder, (name, *_OWN_FILES))
        break
    else:
        if not is_empty(folder):
            raise InputError(f"{folder}: not empty, and not made by {command}; choose another")
    write_json(folder / shards.BUILD_FILE, build)
    return False


def fill(folder, build, overwrite, command, tokenizer, work, done, others=""):
    """Make the shards of a folder, unless they are there, and print their statistics.

    Args:
        folder, build, overwrite, command: see `prepare`.
        tokenizer: whose vocabulary goes beside the shards.
        work: called to make the shards that are missing and to write the description.
        done: what to call shards that are there, such as "built".
        others: see `statistics.describe`.
    Returns:
        the `ShardDataset`.
    Raises:
        InputError: see `prepare`, and what ``work`` raises.
    """
    folder = Path(folder)
    with only_writer(folder):
        if prepare(folder, build, overwrite, command):
            print(f"{folder}: already {done}")
        else:
            tokenizer.save(folder)
            try:
                work()
            except KeyboardInterrupt:
                print(f"{folder}: stopped; the same command goes on from here", file=sys.stderr)
                raise
        dataset = shards.ShardDataset(folder)
        remove_traces(folder)
    print(statistics.describe(dataset.meta, others))
    return dataset


def differences_of(old, new):
    """The settings that differ, a list.  Files may have moved, but not changed."""
    if not isinstance(old, dict):
        return ["description"]
    different = {}  # in the order of the settings, each once
    for key, value in new.items():
        if key == "inputs":
            if list(map(_identity, old.get(key, []))) != list(map(_identity, value)):
                different["input files"] = None
        elif old.get(key, _DEFAULTS.get(key)) != value:
            different["vocabulary" if key.startswith("vocab_") else key] = None
    if "segmenter" in different:
        different.pop("segmenter_version", None)
    return list(different)


def _identity(file):
    return Path(file["path"]).name, file["size"], file["mtime_ns"]


def remove(folder, patterns=_OWN_FILES):
    """Delete what these patterns find in a folder, by default all that such a command leaves."""
    for pattern in patterns:
        for path in Path(folder).glob(pattern):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def remove_half_written(folder):
    """Delete the temporary files of a process that was killed."""
    remove(folder, (".shard-*.tmp",))


def remove_traces(folder):
    """Delete what only an unfinished build needs."""
    remove(folder, (shards.BUILD_FILE, DUPLICATES_FOLDER, "shard-*.json"))


def record_path(folder, number):
    """Where the record of a finished shard lies until all are."""
    return Path(folder) / f"{shards.shard_name(number)}.json"


def finished_shards(folder, units, vocab_size):
    """{number: record} of the shards that an earlier run finished and that are still sound.

    Args:
        units: {number: what the shard is made of}, for JSON.
    """
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


def bytes_read(records):
    """Bytes of the input files behind the records of shards."""
    return sum(record["statistics"]["bytes"] for record in records)


def write_description(folder, build, records, seconds, built):
    """Write dataset.json.

    Args:
        records: of all shards, in their order.
        seconds, built: what it took, and the bytes of input worked off in them.
    """
    described = ("name", "examples", "tokens", "sha256")
    meta = {
        **build,
        "examples": sum(record["examples"] for record in records),
        "statistics": {
            **statistics.summarize(
                [record["statistics"] for record in records], build["max_seq_length"]
            ),
            "seconds": round(seconds, 3),
            "megabytes_per_second": round(built / 1e6 / seconds, 3),
        },
        "shards": [{key: record[key] for key in described} for record in records],
    }
    write_json(Path(folder) / shards.DATASET_FILE, meta)
