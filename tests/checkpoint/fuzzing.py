"""Broken and hostile checkpoints: break one, read it, judge the answer.

What is right is one of

- an `InputError` whose message is one line and names the file or its folder;
- the very tensors that were written: names, shapes, types, bits;
- where no checksum covers the numbers (Hugging Face's safetensors, PyTorch's legacy layout,
  Paddle's files): the tensors that were written, with those numbers changed that were changed in
  the file.

Everything else is a failure: another exception, other tensors, code run, a file left behind or
written outside.  Not tried, because what comes out is a sound file of another model, which nobody
can notice without a checksum: to exchange two tensors of one size, to call float16 bfloat16, and to
take a whole half, or all of a head, away.

A mutation depends on (seed, kind, number) alone, so that `Fuzzer.again` shows it once more.
"""

import gc
import os
import random
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

from fuzz_mutations import mutate
from fuzz_pickles import marker
from fuzz_samples import HALVES, make_samples
from fuzz_zips import ESCAPES

from paddle_electra import checkpoint
from paddle_electra.checkpoint.native import with_embeddings
from paddle_electra.errors import InputError

KINDS = (
    "TF index",
    "TF index, blocks",
    "TF index, Snappy",
    "TF data",
    "TF data, shards",
    "ours",
    "safetensors",
    "safetensors, shards",
    "bin, zip",
    "bin, legacy",
    "pdparams",
    "pdparams, protocol 2",
    "zip, deflated",
    "zip, stored",
)
_LONGEST_MESSAGE = 2000
REFUSED, RIGHT, VALUES, FAILURE = "refused", "right", "values", "failure"


class Outcome(NamedTuple):
    """What came of one mutation: one of `REFUSED`, ..., the mutation, and the message."""

    result: str
    what: str
    message: str = ""


def read(path):
    """{half: {our name: array}} of a checkpoint, the generator with its embeddings."""
    loaded = checkpoint.load(path)
    halves = {half: getattr(loaded, half) for half in HALVES}
    if loaded.config.tied_embeddings and None not in halves.values():
        halves["generator"] = with_embeddings(halves["generator"], halves["discriminator"])
    return {half: dict(tensors.items()) for half, tensors in halves.items() if tensors is not None}


def difference(found, wanted):
    """What is first seen to differ between two answers of `read`, or None."""
    if found.keys() != wanted.keys():
        return f"halves {sorted(found)}"
    for half in wanted:
        if found[half].keys() != wanted[half].keys():
            return f"{half}: names {sorted(found[half].keys() ^ wanted[half].keys())[:3]}"
        for name, array in wanted[half].items():
            other = found[half][name]
            if (other.shape, other.dtype) != (array.shape, array.dtype):
                return f"{half}: {name} is {other.dtype} {other.shape}"
    for half, tensors in wanted.items():
        for name, array in tensors.items():
            if found[half][name].tobytes() != array.tobytes():
                return f"{VALUES} of {half}: {name}"
    return None


class Fuzzer:
    """Samples of all kinds below a folder, and what is done with them.

    Args:
        folder: an empty one; temporary files of what is read go there too.
    """

    def __init__(self, folder):
        self.root = Path(folder)
        self.temporary = self.root / "temporary"
        self.temporary.mkdir()
        self.samples = make_samples(self.root / "samples")
        self.work = {}
        for kind, sample in self.samples.items():
            place = self.root / "work" / sample.folder.name
            self.work[kind] = shutil.copytree(sample.folder, place)
        self.originals = {
            kind: {target: (sample.folder / target).read_bytes() for target in sample.targets}
            for kind, sample in self.samples.items()
        }
        self.before = self._files()

    def run(self, seed, kind, number):
        """The `Outcome` of one mutation."""
        target, data, what = self.mutation(seed, kind, number)
        return self.judge(kind, target, data, f"{target}: {what}")

    def mutation(self, seed, kind, number):
        """(target, its new bytes, what was done)."""
        before, tempfile.tempdir = tempfile.tempdir, str(self.temporary)
        try:
            rng = random.Random(f"{seed}/{kind}/{number}")
            return mutate(self.samples[kind], self.originals[kind], rng)
        finally:
            tempfile.tempdir = before

    def judge(self, kind, target, data, what=""):
        """Read a sample with another content of one file."""
        place = self.work[kind]
        before, tempfile.tempdir = tempfile.tempdir, str(self.temporary)
        try:
            (place / target).write_bytes(data)
            outcome = self._read(kind, target, data, what)
            (place / target).write_bytes(self.originals[kind][target])
            wrong = self._left_behind()
            return outcome._replace(result=FAILURE, message=wrong) if wrong else outcome
        finally:
            tempfile.tempdir = before

    def _read(self, kind, target, data, what):
        sample, place = self.samples[kind], self.work[kind]
        try:
            found = read(place / sample.opened)
        except InputError as error:
            message = str(error)
            wrong = _wrong_message(message, place)
            return Outcome(FAILURE if wrong else REFUSED, what, wrong or message)
        except Exception as error:
            return Outcome(FAILURE, what, f"{type(error).__name__}: {error}")
        differs = difference(found, sample.wanted)
        if differs is None:
            return Outcome(RIGHT, what)
        if differs.startswith(VALUES) and self._allowed(kind, target, data, found):
            return Outcome(VALUES, what)
        return Outcome(FAILURE, what, differs)

    def _allowed(self, kind, target, data, found):
        """Are the changed values those whose bytes in the file were changed?"""
        sample, original = self.samples[kind], self.originals[kind][target]
        areas = sample.areas.get(target, [])
        begin = _equal(original, data)
        end = len(original) - _equal(original[::-1], data[::-1])
        if any(low <= begin and end <= high for low, high in areas):
            return True
        only_numbers = bytearray(original)
        for begin, end in areas:  # what was added behind the end does not count
            only_numbers[begin:end] = data[begin:end].ljust(end - begin, b"\0")
        (self.work[kind] / target).write_bytes(only_numbers)
        return difference(found, read(self.work[kind] / sample.opened)) is None

    def _left_behind(self):
        if os.path.exists(os.path.join(self.temporary, os.path.basename(marker()))):
            return "code was run"
        if any(self.temporary.iterdir()):
            gc.collect()  # an exception keeps its frames, and they the folder
        if left := [path.name for path in self.temporary.iterdir()]:
            return f"left in the temporary folder: {left}"
        if any(os.path.isabs(path) and os.path.exists(path) for path in ESCAPES):
            return "written outside"
        if self._files() != self.before:
            return f"files made: {sorted(self._files() - self.before)}"
        return None

    def _files(self):
        return {
            os.path.join(folder, name)
            for folder, _, files in os.walk(self.root / "work")
            for name in files
        } | {path.name for path in self.root.iterdir()}


def _equal(one, other):
    """How many bytes at the beginning are equal."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((n for n, (a, b) in pairs if a != b), min(len(one), len(other)))


def _wrong_message(message, place):
    if len(message.splitlines()) != 1 or not message.isprintable():
        return f"not one printable line: {message[:500]!r}"
    if len(message) > _LONGEST_MESSAGE:
        return f"{len(message)} characters: {message[:200]!r}"
    names = {path.name for path in place.rglob("*.zip")} | {str(place)}
    if not any(name in message for name in names):
        return f"does not name the file: {message!r}"
    return None
