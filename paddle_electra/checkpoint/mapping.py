"""Tensors under our names from tensors under a format's, and the other way; by `names`."""

import numpy as np

from ..errors import InputError
from . import names
from .tensors import LazyTensors, Spec, copy_transposed


def _native_shape(row, shape):
    """Shape of a part in our orientation."""
    return tuple(reversed(shape)) if row.transposed else tuple(shape)


class Imported(LazyTensors):
    """One half of a model by our names, read from a file of another format.

    Args:
        file: the `LazyTensors` of the file.
        rows: the half's `names.model_rows`.

    Raises:
        InputError: a tensor that is missing, is no floating-point tensor, or is of another shape
            than the sizes say.
    """

    def __init__(self, file, rows, config):
        self.file, self.source = file, file.source
        self.rows = {row.native: row for row in rows}
        specs = {}
        for row in rows:
            parts = [self._check(name, row, config) for name in row.names]
            shape = _native_shape(row, parts[0].shape)
            shape = (*shape[:-1], shape[-1] * len(parts))
            specs[row.native] = Spec(shape, np.result_type(*(part.dtype for part in parts)))
        super().__init__(specs, file.source)

    def _check(self, name, row, config):
        spec = self.file.specs.get(name)
        if spec is None:
            raise InputError(f"{self.source}: tensor {name!r} is missing")
        if spec.dtype.kind != "f":
            raise InputError(
                f"{self.source}: tensor {name!r} is of type {spec.dtype}, expected floating point"
            )
        wanted = tuple(getattr(config, s) if isinstance(s, str) else s for s in row.sizes)
        wanted = _native_shape(row, wanted)
        if tuple(spec.shape) != wanted:
            raise InputError(
                f"{self.source}: tensor {name!r} has shape {list(spec.shape)}, "
                f"expected {list(wanted)}"
            )
        return spec

    def read(self, name):
        row = self.rows[name]
        parts = [self.file.read(part) for part in row.names]
        if not row.transposed:
            return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)
        whole = np.empty(*self.specs[name])
        for part, place in zip(parts, np.split(whole, len(parts), axis=-1), strict=True):
            copy_transposed(part, place)
        return whole


class Exported(LazyTensors):
    """One half of a model by another format's names.

    Args:
        half: `LazyTensors` by our names.
        rows: the half's `names.model_rows`; those whose tensor is not there are left out when
            their name begins with one of ``optional``.

    Raises:
        InputError: a tensor of ours that is missing.
    """

    def __init__(self, half, rows, optional=()):
        self.half, self.places = half, {}
        self._last = (None, None)
        specs = {}
        for row in rows:
            if row.native not in half.specs:
                if row.native.startswith(tuple(optional)):
                    continue
                raise InputError(f"{half.source}: tensor {row.native!r} is missing")
            shape, dtype = half.specs[row.native]
            for number, name in enumerate(row.names):
                part = (*shape[:-1], shape[-1] // len(row.names))
                specs[name] = Spec(_native_shape(row, part), dtype)
                self.places[name] = (row, number)
        super().__init__(specs, half.source)

    def read(self, name):
        row, number = self.places[name]
        whole = self._read_whole(row)
        part = np.split(whole, len(row.names), axis=-1)[number] if len(row.names) > 1 else whole
        if not row.transposed:
            return np.ascontiguousarray(part)
        array = np.empty(*self.specs[name])
        copy_transposed(part, array)
        return array

    def _read_whole(self, row):
        """Our tensor; one of several parts is kept, as they are asked for one after another."""
        if len(row.names) == 1:
            return self.half.read(row.native)
        if self._last[0] != row.native:
            self._last = (row.native, self.half.read(row.native))
        return self._last[1]


def has_half(specs, half, column):
    """Does a file hold the head of this half?  Every one of its tensors counts."""
    prefixes = [row for row in names.rows(half, column) if row.native.startswith("head.")]
    return any(name in specs for row in prefixes for name in row.names)
