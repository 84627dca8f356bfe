"""Token shards: pretraining examples on disk, without padding, read through memory maps.

A dataset is a folder with ``dataset.json`` (settings, statistics, and for each shard its counts,
sizes and SHA-256; written last, so its presence means the dataset is whole), ``vocab.txt``, and
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
_INDEX_TYPE = np.dtype("<i8")
_BUFFERED = 1 << 16  # tokens


def token_dtype(vocab_size):
    """The type of stored ids, as little-endian as the files."""
    return np.dtype("<u2" if vocab_size <= 1 << 16 else "<u4")


def shard_name(number):
    return f"shard-{number:05d}"


class ShardWriter:
    """Write one shard; a context manager.  Its two files appear when the block ends well.

    Afterwards ``record`` holds what dataset.json says of the shard.  Memory does not grow with
    the shard.

    Raises:
        InputError: the disk is full, or the folder is not writable; no file has appeared.
    """

    def __init__(self, folder, name, vocab_size):
        self.record = None
        self._name = name
        self._paths = {kind: Path(folder) / f"{name}.{kind}" for kind in ("tokens", "index")}
        self._dtype = token_dtype(vocab_size)
        self._examples = 0
        self._end = 0
        self._buffers = {"tokens": [], "index": []}

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self._files = {
                kind: stack.enter_context(atomic_write(path, "wb"))
                for kind, path in self._paths.items()
            }
            self._hashes = {kind: hashlib.sha256() for kind in self._paths}
            self._stack = stack.pop_all()
        return self

    def add(self, example):
        """Append an example: ``ids`` and ``first_length``."""
        self._buffers["tokens"].extend(example.ids)
        self._end += len(example.ids)
        self._buffers["index"] += (self._end, example.first_length)
        self._examples += 1
        if len(self._buffers["tokens"]) >= _BUFFERED:
            self._flush()

    def _flush(self):
        for kind, dtype in (("tokens", self._dtype), ("index", _INDEX_TYPE)):
            data = np.array(self._buffers[kind], dtype).tobytes()
            self._buffers[kind] = []
            self._files[kind].write(data)
            self._hashes[kind].update(data)

    def __exit__(self, kind, error, traceback):
        with self._stack:
            if error is None:
                self._flush()
            elif self._stack.__exit__(kind, error, traceback):
                return True
        if error is None:
            self.record = self._describe()
        return None

    def _describe(self):
        return {
            "name": self._name,
            "examples": self._examples,
            "tokens": self._end,
            "sha256": {kind: digest.hexdigest() for kind, digest in self._hashes.items()},
        }
