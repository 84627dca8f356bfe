"""Dividing a corpus into units of work, one shard each.

The division depends on the names and sizes of the files and on where their documents end, never
on the number of processes, so that the shards do not depend on it either.
"""

import os
from typing import NamedTuple

from ..errors import InputError
from ..text.corpus import boundary_after, is_jsonl, is_packed

WANTED_UNITS = 64
SMALLEST_UNIT = 2 << 20  # bytes of text
LARGEST_UNIT = 256 << 20
PACKED_RATIO = 3  # how much longer text is than its gzip file, about


class InputFile(NamedTuple):
    """A file as it was when the build was planned."""

    path: str
    size: int
    mtime_ns: int


class Piece(NamedTuple):
    """A byte range of the file with this number; a whole file may have end None."""

    file: int
    start: int
    end: int | None


def describe_files(paths):
    """The `InputFile` of every path.  Raises `InputError` when one is missing."""
    return [_describe(str(path)) for path in paths]


def _describe(path):
    try:
        status = os.stat(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file (it was there a moment ago)") from None
    return InputFile(path, status.st_size, status.st_mtime_ns)


def check_unchanged(file):
    """Raise `InputError` if an `InputFile` is gone or is not what it was when planned."""
    if _describe(file.path) != file:
        raise InputError(
            f"{file.path}: the file has changed since the build began; "
            f"build again into another folder (data build: or with --overwrite)"
        )


def plan_units(files, blanks_separate_docs=True):
    """Lists of `Piece`, in the order of the corpus, each of about the same amount of text.

    Large files are cut between documents, small ones go together.  Files of plain text stay whole
    without ``blanks_separate_docs``: each is one document.
    """
    total = sum(map(_text_size, files))
    target = min(max(total // WANTED_UNITS, SMALLEST_UNIT), LARGEST_UNIT)
    units, unit, filled = [], [], 0
    for number, file in enumerate(files):
        whole = is_packed(file.path) or not (blanks_separate_docs or is_jsonl(file.path))
        for piece, size in _pieces(number, file, target, whole):
            unit.append(piece)
            filled += size
            if filled >= target:
                units.append(unit)
                unit, filled = [], 0
    if unit:
        units.append(unit)
    return units


def _text_size(file):
    return file.size * PACKED_RATIO if is_packed(file.path) else file.size


def _pieces(number, file, target, whole):
    """Yield (piece, bytes of text in it)."""
    if not file.size:
        return
    if whole:
        yield Piece(number, 0, None), _text_size(file)
        return
    count = max(1, round(file.size / target))
    start = 0
    for cut in range(1, count + 1):
        end = file.size
        if cut < count:
            end = boundary_after(file.path, max(start, file.size * cut // count))
        if end > start:
            yield Piece(number, start, end), end - start
            start = end
