"""Tensors on disk: what is in a file is known at once, each array is read when it is asked for."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ..errors import InputError

_COMPARED = 1 << 20  # bytes at once: comparing takes as much memory again
_STRIP = 16  # rows at once: sixteen numbers of four bytes are a line of the processor's cache


class Spec(NamedTuple):
    """Shape and data type of a tensor."""

    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def nbytes(self):
        """Size in bytes, exact however large the shape claims to be."""
        count = self.dtype.itemsize
        for size in self.shape:
            count *= size
        return count


class LazyTensors(Mapping):
    """{name: array} whose arrays are read on access and not kept.

    Attributes:
        specs: {name: `Spec`} of every tensor, in the order in which reading is cheapest.
        source: the file or folder, for messages.

    A subclass sets both and implements ``read(name)``.
    """

    def __init__(self, specs, source):
        self.specs = specs
        self.source = str(source)

    def read(self, name):
        """The array called ``name``, which is there.  Raises `InputError` when it is damaged."""
        raise AssertionError("a subclass reads")

    def __getitem__(self, name):
        if name not in self.specs:
            raise KeyError(name)
        return self.read(name)

    def __contains__(self, name):
        return name in self.specs

    def __iter__(self):
        return iter(self.specs)

    def __len__(self):
        return len(self.specs)


class InMemory(LazyTensors):
    """Arrays that are there already."""

    def __init__(self, arrays, source="memory"):
        self.arrays = {name: np.asarray(array) for name, array in arrays.items()}
        specs = {name: Spec(array.shape, array.dtype) for name, array in self.arrays.items()}
        super().__init__(specs, source)

    def read(self, name):
        return self.arrays[name]


class Joined(LazyTensors):
    """Several sets of tensors as one; of equal names the last counts."""

    def __init__(self, sets):
        self.owner = {name: tensors for tensors in sets for name in tensors}
        specs = {name: tensors.specs[name] for name, tensors in self.owner.items()}
        super().__init__(specs, sets[-1].source)

    def read(self, name):
        return self.owner[name].read(name)


def join_shards(files, source):
    """The shards of one model as one.  Raises `InputError` for a tensor in two of them."""
    owner = {}
    for file in files:
        for name in file:
            if name in owner:
                raise InputError(f"{file.source}: tensor {name!r} stands in {owner[name]} too")
            owner[name] = file.source
    joined = Joined(files)
    joined.source = str(source)
    return joined


class Renamed(LazyTensors):
    """The same tensors under other names: {new name: old name}."""

    def __init__(self, tensors, names):
        self.tensors, self.names = tensors, names
        super().__init__({new: tensors.specs[old] for new, old in names.items()}, tensors.source)

    def read(self, name):
        return self.tensors.read(self.names[name])


class Cast(LazyTensors):
    """The same tensors with floating point numbers of another type.

    Args:
        tensors: `LazyTensors`.
        dtype: "float16" or "float32".

    Attributes:
        largest_change: of any number read so far.
    """

    def __init__(self, tensors, dtype):
        self.tensors, self.largest_change = tensors, 0.0
        specs = {
            name: spec._replace(dtype=np.dtype(dtype)) if spec.dtype.kind == "f" else spec
            for name, spec in tensors.specs.items()
        }
        super().__init__(specs, tensors.source)

    def read(self, name):
        array, dtype = self.tensors.read(name), self.specs[name].dtype
        if array.dtype == dtype:
            return array
        with np.errstate(over="ignore"):
            cast = array.astype(dtype)
        if not np.array_equal(np.isfinite(cast), np.isfinite(array)):
            raise InputError(
                f"{self.source}: tensor {name!r} has numbers too large for {dtype}; keep its type"
            )
        change = np.abs(cast.astype(np.float64) - array)
        self.largest_change = max(self.largest_change, float(np.nanmax(change, initial=0.0)))
        return cast


def lazy(tensors):
    """``tensors`` as `LazyTensors`; a plain dict of arrays becomes `InMemory`."""
    return tensors if isinstance(tensors, LazyTensors) else InMemory(tensors)


def same_bits(one, other):
    """Are two arrays the same to the bit, shape and type included?  NaN equals itself here."""
    one, other = np.ascontiguousarray(one), np.ascontiguousarray(other)
    if (one.shape, one.dtype) != (other.shape, other.dtype):
        return False
    one, other = one.reshape(-1).view(np.uint8), other.reshape(-1).view(np.uint8)
    return all(
        np.array_equal(one[start : start + _COMPARED], other[start : start + _COMPARED])
        for start in range(0, one.size, _COMPARED)
    )


def copy_transposed(source, target):
    """Copy ``source.T`` into ``target``, which may be part of an array.

    Strip by strip: NumPy goes through the whole source in the target's order, which misses the
    cache with every number where the sizes are powers of two, and takes six times as long.
    """
    for start in range(0, len(source), _STRIP):
        target[:, start : start + _STRIP] = source[start : start + _STRIP].T


def widen_bfloat16(data, shape):
    """Raw bfloat16 bytes as the float32 array of the same numbers; NumPy has no such type."""
    halves = np.frombuffer(data, "<u2")
    return (halves.astype(np.uint32) << 16).view(np.float32).reshape(shape)
