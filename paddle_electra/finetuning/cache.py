"""Features that were computed before, kept in files, so that a second run starts at once.

A kind of task takes part when it has two methods, and a third if it has settings of its own:

- ``pack(features) -> {name: array}``: what ``prepare`` returned, as few flat arrays (`join`).
- ``unpack(arrays, examples) -> features``: the same again, equal in every field (`pieces`); says
  once more what ``prepare`` said.
- ``cache_key() -> dict``: the settings besides ``max_seq_length`` and the labels on which its
  features depend.  JSON must be able to hold it.

A file is named after everything that its features depend on, so no file is ever out of date.
"""

import contextlib
import hashlib
import json
import os
import secrets
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np

from .. import __version__
from ..cache_folder import cache_folder
from ..checkpoint.safetensors_file import SafetensorsFile, write
from ..errors import InputError
from ..files import sha256

# Raise it with every change of what a tokenizer, a kind of task or `pack` makes of the same data.
FORMAT = 1
LIMIT_BYTES = 2 << 30  # what the files of a folder may take together
_DIGITS = 32
_ABOUT = "about"  # the array with the key and the empty arrays: under a checksum, as all arrays
_STALE_SECONDS = 24 * 3600  # a temporary file this old belongs to a process that was killed
_DAMAGED = (InputError, OSError, KeyError, IndexError, ValueError)


def default_folder():
    """The folder of the cache, or None; see `cache_folder`."""
    return cache_folder("features")


def cached_features(kind, examples, split, path, folder, settings=None):
    """``kind.prepare(examples, split)``, from the cache when it holds it, else into the cache.

    Nothing that is wrong with the cache ends the run: a damaged file is made anew, a folder that
    cannot be written is left alone, both with one note on stderr.

    Args:
        kind: of the task; see the module.
        examples, split: what ``prepare`` takes.
        path: the file that the examples were read from.
        folder: of the cache; None for no cache.
        settings: dict of what else the features depend on, such as {"rows": "strict"}.
    """
    if folder is None or not hasattr(kind, "pack"):
        return kind.prepare(examples, split)
    key = make_key(kind, examples, split, path, settings or {})
    file = Path(folder) / f"{key[:_DIGITS]}.safetensors"
    if os.path.isfile(file):
        try:
            return _load(file, key, kind, examples)
        except _DAMAGED as error:
            _note(f"{file}: damaged, its features are computed again ({error})")
    features = kind.prepare(examples, split)
    try:
        _store(file, key, kind.pack(features))
    except OSError as error:
        _note(f"{folder}: features are not kept for the next run ({error.strerror or error})")
    return features


def make_key(kind, examples, split, path, settings):
    """The SHA-256 of everything that the features depend on, 64 hexadecimal digits.

    The examples themselves are in it besides the file: the same file gives others when other
    columns are chosen, or when it was replaced since it was read.  The split is in it because
    answers are looked up in training only, and what is printed names it.
    """
    labels = kind.task.labels
    parts = {
        "format": [FORMAT, __version__],
        "tokenizer": kind.tokenizer.fingerprint,
        "kind": kind.task.kind,
        "labels": None if labels is None else list(labels),
        "max_seq_length": kind.max_seq_length,
        "own": kind.cache_key() if hasattr(kind, "cache_key") else {},
        "split": split,
        "settings": settings,
        "file": sha256(path),
        "examples": _digest(examples),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _digest(examples):
    digest = hashlib.sha256()
    for example in examples:
        digest.update(f"{example!r}\n".encode())
    return digest.hexdigest()


def join(arrays, dtype):
    """(all arrays one after the other as ``dtype``, their lengths as int32)."""
    arrays = list(arrays)
    flat = np.concatenate([np.zeros(0, dtype), *arrays]).astype(dtype, copy=False)
    return flat, np.array([len(array) for array in arrays], np.int32)


def pieces(flat, lengths):
    """The arrays that `join` joined: parts of ``flat``, not copies."""
    ends = np.cumsum(lengths, dtype=np.int64).tolist()
    if (ends[-1] if ends else 0) != len(flat):
        raise ValueError("the lengths do not add up")
    return [flat[start:end] for start, end in pairwise([0, *ends])]


def _load(file, key, kind, examples):
    tensors = SafetensorsFile(file)
    about = json.loads(tensors[_ABOUT].tobytes())
    if about["key"] != key:
        raise ValueError("it holds other features")
    arrays = {name: tensors[name] for name in tensors if name != _ABOUT}
    for name, (dtype, shape) in about["empty"].items():
        arrays[name] = np.zeros(shape, dtype)
    features = kind.unpack(arrays, examples)
    with contextlib.suppress(OSError):  # of a folder that one may only read
        os.utime(file)
    return features


def _store(file, key, arrays):
    """Write a file of the cache; what stands there before is replaced."""
    empty = {name: (a.dtype.str, a.shape) for name, a in arrays.items() if not a.size}
    about = json.dumps({"key": key, "empty": empty}).encode()
    tensors = {name: array for name, array in arrays.items() if array.size}
    tensors[_ABOUT] = np.frombuffer(about, np.uint8)
    file.parent.mkdir(parents=True, exist_ok=True)
    # A name of its own in every thread of every machine that shares the folder.  Not synced to the
    # disk: after a power cut the checksums tell.
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(8)}.tmp")
    try:
        write(temporary, tensors)
        os.replace(temporary, file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _tidy(file)


def _tidy(newest):
    """Delete what killed processes left, and the files least recently used beyond the limit."""
    for leftover in newest.parent.glob(f".{'[0-9a-f]' * _DIGITS}.safetensors.*.tmp"):
        with contextlib.suppress(FileNotFoundError):
            if leftover.stat().st_mtime < time.time() - _STALE_SECONDS:
                leftover.unlink()
    found = []
    for file in newest.parent.glob(f"{'[0-9a-f]' * _DIGITS}.safetensors"):
        with contextlib.suppress(FileNotFoundError):  # another process tidies, too
            status = file.stat()
            found.append((status.st_mtime_ns, status.st_size, file))
    total = sum(size for _, size, _ in found)
    for _, size, file in sorted(found):
        if total <= LIMIT_BYTES:
            return
        if file != newest:
            file.unlink(missing_ok=True)
            total -= size


def _note(text):
    print(f"note: {text}", file=sys.stderr)
