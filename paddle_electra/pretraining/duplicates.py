"""Finding documents that occur more than once, in any file, in memory that does not grow.

1. Of every unit a file of digests is written (`DigestBuilder`, in as many processes as the build):
   16 bytes of BLAKE2b for each document and its number in the unit, in sorted runs.
2. The digests are compared a bucket at a time (`find`): those in one of as many equal ranges as it
   takes that a bucket is about a run.  The first in the order of the corpus stays.  What is to be
   dropped is written by unit.
3. The builder of a unit reads its list and leaves these documents out (`Kept`).

Memory holds the digests of one run or bucket, 262,144 documents whatever the size of the corpus,
and a byte for each document of a unit, which has 256 MB of text at most, or is a packed file.
Every machine that builds a part does 1 and 2 for the whole corpus by itself, and comes to the same
result.  A file of digests appears at once and is kept when the build stops.

A document too large for a unit is cut by the plan; its pieces count as documents.
"""

import bisect
import hashlib
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..files import atomic_directory, atomic_write
from ..progress import progress_bar
from .pieces import read_piece
from .pool import run_units
from .shard_folder import DUPLICATES_FOLDER

_DIGEST = 16  # bytes
RUN = 1 << 18  # documents
_ENTRY = np.dtype([("high", ">u8"), ("low", ">u8"), ("document", "<u4")])  # 20 bytes
_FOUND = "found"  # folder of the lists of documents to drop


class Kept:
    """Numbers the documents of a unit and leaves out some.

    A document is what stands between two ends of documents, if it has a line; the lines may come
    in several blocks.

    Args:
        drop: bytes, 1 at the number of each document to leave out; it may end early.

    Attributes: ``dropped``, how many were left out so far.
    """

    def __init__(self, drop=b""):
        self.dropped = 0
        self._drop = drop
        self._number = -1
        self._inside = False

    def keep(self, lines):
        """The lines of a block without those of the documents to leave out."""
        kept = []
        for number, part in self.documents(lines):
            if number is None or not self._is_dropped(number):
                kept += part
        return kept

    def documents(self, lines):
        """Yield (number of the document, its lines) of a block; (None, [""]) ends one."""
        start = 0
        for end in [place for place, line in enumerate(lines) if not line] + [len(lines)]:
            if end > start:
                self._begin()
                yield self._number, lines[start:end]
            if end < len(lines):
                self._inside = False
                yield None, [""]
            start = end + 1

    def _begin(self):
        if not self._inside:
            self._inside = True
            self._number += 1
            self.dropped += self._is_dropped(self._number)

    def _is_dropped(self, number):
        return number < len(self._drop) and self._drop[number] == 1

    def end_document(self):
        """End the document, as the end of a file does."""
        self._inside = False


class DigestBuilder:
    """Writes the digests of units; takes the arguments of `units.UnitBuilder`."""

    def __init__(self, folder, files, settings):
        self._folder = Path(folder)
        self._files = files
        self._settings = settings

    def build(self, number, unit, report):
        """Write the file of digests of a unit and return the number of its documents."""
        with atomic_write(_digest_path(self._folder, number), "wb") as handle:
            digests = _Digests(handle)
            for piece in unit:
                for lines, consumed in read_piece(self._files, piece, self._settings):
                    digests.add(lines)
                    report(consumed)
                digests.end_document()
            digests.flush()
        return digests.count


class _Digests:
    """Writes the digests of the documents of a unit, in runs sorted by digest, then document.

    Attributes: ``count``, of the documents in the runs written.
    """

    def __init__(self, handle):
        self.count = 0
        self._handle = handle
        self._documents = Kept()
        self._run = bytearray()
        self._hash = None

    def add(self, lines):
        for number, part in self._documents.documents(lines):
            if number is None:
                self._finish()
                continue
            if self._hash is None:
                self._hash = hashlib.blake2b(digest_size=_DIGEST)
            self._hash.update("\n".join([*part, ""]).encode("utf-8", "surrogatepass"))

    def end_document(self):
        self._documents.end_document()
        self._finish()

    def _finish(self):
        if self._hash is not None:
            self._run += self._hash.digest()
            self._hash = None
            if len(self._run) == RUN * _DIGEST:
                self.flush()

    def flush(self):
        halves = np.frombuffer(bytes(self._run), ">u8").reshape(-1, 2)
        entries = np.empty(len(halves), _ENTRY)
        entries["high"], entries["low"] = halves[:, 0], halves[:, 1]
        entries["document"] = np.arange(self.count, self.count + len(halves))
        self._handle.write(entries[_order(entries)].tobytes())
        self.count += len(halves)
        self._run.clear()


def _order(entries):
    """Sorts by digest; equal ones stay as they are."""
    return np.lexsort((entries["low"], entries["high"]))


def find(folder, files, settings, units, processes):
    """Find the duplicates among the documents of all units; keeps what an earlier run did.

    Args:
        folder: of the build.
        files, settings: see `units.UnitBuilder`.
        units: {number: list of `plan.Piece`}, all of the corpus.
        processes: at most so many.
    """
    folder = Path(folder)
    place = folder / DUPLICATES_FOLDER
    if (place / _FOUND).is_dir():
        return
    place.mkdir(exist_ok=True)
    todo = {n: unit for n, unit in units.items() if not _digest_path(folder, n).exists()}
    total = sum(_size(files, piece) for unit in units.values() for piece in unit)
    done = total - sum(_size(files, piece) for unit in todo.values() for piece in unit)
    with progress_bar("duplicates", total, done, unit="B") as bar:
        run_units(DigestBuilder, (folder, files, settings), todo, processes, bar.update)
    with atomic_directory(place / _FOUND) as found:
        entries = sum(_digest_path(folder, n).stat().st_size for n in units) // _ENTRY.itemsize
        buckets = entries // RUN + 1
        for bucket in range(buckets):
            start, stop = ((number << 64) // buckets for number in (bucket, bucket + 1))
            _compare_bucket(folder, units, start, stop, found)


def _size(files, piece):
    return files[piece.file].size if piece.end is None else piece.end - piece.start


def dropped_documents(folder, number):
    """Which documents of a unit `find` wants dropped, for `Kept`."""
    path = Path(folder) / DUPLICATES_FOLDER / _FOUND / str(number)
    if not path.exists():
        return b""
    numbers = np.fromfile(path, "<u4")
    drop = np.zeros(int(numbers.max()) + 1, np.uint8)
    drop[numbers] = 1
    return drop.tobytes()


def _digest_path(folder, number):
    return Path(folder) / DUPLICATES_FOLDER / f"digests-{number:05d}"


def _compare_bucket(folder, units, start, stop, found):
    """Append the documents that occurred before to the lists of their units.

    Args:
        start, stop: the range of the first halves of the digests that are compared.
    """
    parts = [_read_bucket(_digest_path(folder, number), start, stop) for number in sorted(units)]
    numbers = np.repeat(sorted(units), [len(part) for part in parts])
    entries = np.concatenate(parts)
    order = _order(entries)  # equal digests stay in the order of units, runs and documents
    entries, numbers = entries[order], numbers[order]
    again = np.zeros(len(entries), bool)
    again[1:] = (entries["high"][1:] == entries["high"][:-1]) & (
        entries["low"][1:] == entries["low"][:-1]
    )
    entries, numbers = entries[again], numbers[again]
    for number in np.unique(numbers):
        with open(found / str(number), "ab") as handle:
            handle.write(entries["document"][numbers == number].tobytes())


def _read_bucket(path, start, stop):
    """The entries of a file of digests in a range of first halves, run after run."""
    size = path.stat().st_size
    if size % _ENTRY.itemsize:
        raise InputError(f"{path}: damaged; delete the folder {path.parent} and build again")
    if not size:
        return np.zeros(0, _ENTRY)
    high = np.memmap(path, _ENTRY, mode="r")["high"]
    parts = []
    for begin in range(0, len(high), RUN):
        run = range(begin, min(begin + RUN, len(high)))
        first, last = (
            begin + bisect.bisect_left(run, value, key=lambda place: int(high[place]))
            for value in (start, stop)
        )
        parts.append(np.fromfile(path, _ENTRY, last - first, offset=first * _ENTRY.itemsize))
    return np.concatenate(parts)
