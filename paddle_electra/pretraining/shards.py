"""Token shards: pretraining examples on disk, without padding, read through memory maps.

A dataset is a folder with ``dataset.json`` (settings, statistics, and for each shard its counts
and SHA-256; written last, so its presence means that the dataset is whole), ``vocab.txt``, and
for each shard two little-endian files:

    shard-00000.tokens  the token ids of all examples, one after the other: uint16, or uint32
                        for a vocabulary of more than 65536
    shard-00000.index   int64 [examples, 2]: where an example ends in the file above, counted in
                        tokens, and how many of its tokens have type 0
"""

import bisect
import contextlib
import hashlib
import itertools
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..files import atomic_write, read_json, sha256

FORMAT = "paddle-electra pretraining shards"
VERSION = 1
DATASET_FILE = "dataset.json"
VOCAB_FILE = "vocab.txt"
BUILD_FILE = "build.json"  # of an unfinished build

_INDEX_TYPE = np.dtype("<i8")
_BUFFERED_TOKENS = 1 << 16


def token_type(vocab_size):
    """The NumPy type of stored token ids."""
    return np.dtype("<u2" if vocab_size <= 1 << 16 else "<u4")


def shard_name(number):
    return f"shard-{number:05d}"


def shard_paths(folder, name):
    """(tokens file, index file) of a shard."""
    return Path(folder) / f"{name}.tokens", Path(folder) / f"{name}.index"


@contextlib.contextmanager
def write_shard(folder, name, vocab_size):
    """Yield a `ShardWriter`; its two files appear when the block ends without an exception.

    Raises:
        InputError: the disk is full or the folder not writable.
    """
    tokens_path, index_path = shard_paths(folder, name)
    with atomic_write(tokens_path, "wb") as tokens, atomic_write(index_path, "wb") as index:
        writer = ShardWriter(name, tokens, index, token_type(vocab_size))
        yield writer
        writer.flush()


class ShardWriter:
    """Append examples to the two open files of a shard; memory does not grow with the shard."""

    def __init__(self, name, tokens, index, dtype):
        self.examples = 0
        self.tokens = 0
        self._name = name
        self._tokens = _HashedFile(tokens, dtype)
        self._index = _HashedFile(index, _INDEX_TYPE)

    def add(self, example):
        """Append an `Example`: its ``ids`` and ``first_length``."""
        self.tokens += len(example.ids)
        self.examples += 1
        self._tokens.buffer.extend(example.ids)
        self._index.buffer += (self.tokens, example.first_length)
        if len(self._tokens.buffer) >= _BUFFERED_TOKENS:
            self.flush()

    def flush(self):
        self._tokens.flush()
        self._index.flush()

    def record(self):
        """What dataset.json says of the shard, after `flush`."""
        return {
            "name": self._name,
            "examples": self.examples,
            "tokens": self.tokens,
            "sha256": {"tokens": self._tokens.sha256(), "index": self._index.sha256()},
        }


class _HashedFile:
    def __init__(self, handle, dtype):
        self.buffer = []
        self._handle = handle
        self._dtype = dtype
        self._digest = hashlib.sha256()

    def flush(self):
        data = np.array(self.buffer, self._dtype).tobytes()
        self.buffer = []
        self._handle.write(data)
        self._digest.update(data)

    def sha256(self):
        return self._digest.hexdigest()


class ShardDataset:
    """The examples of a dataset folder, by number, whatever shard they are in.

    ``dataset[i]`` is ``(ids, first_length)``: int64 [n] token ids with [CLS] and [SEP]s, not
    padded, and the number of tokens of type 0.  It takes the same time for every ``i``; files
    are mapped when first needed, also after pickling or forking.

    Attributes: ``folder``, ``meta`` (the content of dataset.json), ``max_seq_length``,
    ``vocab_size``, ``vocab_fingerprint``, ``vocab_file``.

    Raises:
        InputError: no such folder, an unfinished or broken dataset, another format version, a
            shard that is missing or of another size than dataset.json says.
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        self.meta = _read_meta(self.folder)
        self.max_seq_length = self.meta["max_seq_length"]
        self.vocab_size = self.meta["vocab_size"]
        self.vocab_fingerprint = self.meta["vocab_fingerprint"]
        self.vocab_file = self.folder / VOCAB_FILE
        self._shards = self.meta["shards"]
        self._ends = list(itertools.accumulate(shard["examples"] for shard in self._shards))
        self._maps = {}
        for shard in self._shards:
            check_sizes(self.folder, shard, self.vocab_size)

    def __len__(self):
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, number):
        if number < 0:
            number += len(self)
        if not 0 <= number < len(self):
            raise IndexError(f"example {number} of {len(self)}")
        position = bisect.bisect_right(self._ends, number)
        tokens, index = self._map(position)
        row = number - (self._ends[position - 1] if position else 0)
        start = int(index[row - 1, 0]) if row else 0
        end, first_length = index[row].tolist()
        return tokens[start:end].astype(np.int64), first_length

    def __getstate__(self):
        return {**self.__dict__, "_maps": {}}

    def _map(self, position):
        if position not in self._maps:
            paths = shard_paths(self.folder, self._shards[position]["name"])
            types = token_type(self.vocab_size), _INDEX_TYPE
            try:
                # Plain arrays over the maps: slicing a np.memmap costs ten times as much.
                tokens, index = (
                    np.asarray(np.memmap(path, dtype, mode="r"))
                    for path, dtype in zip(paths, types, strict=True)
                )
            except FileNotFoundError as error:
                raise InputError(f"{error.filename}: the shard has disappeared") from None
            self._maps[position] = tokens, index.reshape(-1, 2)
        return self._maps[position]

    def check_vocabulary(self, fingerprint):
        """Raise `InputError` if the shards were built with another vocabulary."""
        if fingerprint != self.vocab_fingerprint:
            raise InputError(
                f"{self.folder}: these shards were built with another vocabulary (or another "
                f"lower-case setting); use {self.vocab_file}, or build them again"
            )

    def verify(self):
        """Read every file and compare its SHA-256.  Raises `InputError` naming a changed file."""
        for shard in self._shards:
            check_content(self.folder, shard, self.vocab_size)


def check_sizes(folder, record, vocab_size):
    """Raise `InputError` if a shard is missing or its size is not what its record says."""
    sizes = (
        record["tokens"] * token_type(vocab_size).itemsize,
        record["examples"] * 2 * _INDEX_TYPE.itemsize,
    )
    for path, expected in zip(shard_paths(folder, record["name"]), sizes, strict=True):
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            raise InputError(f"{path}: this shard is missing; build the dataset again") from None
        if size != expected:
            raise InputError(
                f"{path}: {size} bytes, expected {expected}: the file was cut or changed; "
                f"copy it again or build the dataset again"
            )


def check_content(folder, record, vocab_size):
    """`check_sizes`, and that both files still have the SHA-256 of the record."""
    check_sizes(folder, record, vocab_size)
    for path in shard_paths(folder, record["name"]):
        if sha256(path) != record["sha256"][path.suffix[1:]]:
            raise InputError(
                f"{path}: its content is not what was written (SHA-256 differs); "
                f"copy it again or build the dataset again"
            )


def _read_meta(folder):
    path = folder / DATASET_FILE
    if not folder.is_dir():
        found = "this is a file" if folder.exists() else "no such folder"
        raise InputError(f"{folder}: {found}; expected a folder of shards made by: data build")
    if not path.exists():
        unfinished = (folder / BUILD_FILE).exists()
        hint = (
            "the build is not finished; run the same data build again"
            if unfinished
            else ("expected a folder of shards made by: data build")
        )
        raise InputError(f"{folder}: no {DATASET_FILE}: {hint}")
    meta = read_json(path)
    if not isinstance(meta, dict) or meta.get("format") != FORMAT:
        raise InputError(f"{path}: not the description of pretraining shards")
    if meta.get("version") != VERSION:
        raise InputError(
            f"{path}: format version {meta.get('version')}, this program reads {VERSION}; "
            f"build the dataset again"
        )
    missing = {"max_seq_length", "vocab_size", "vocab_fingerprint", "shards"} - meta.keys()
    if missing:
        raise InputError(f"{path}: the key {sorted(missing)[0]!r} is missing")
    return meta
