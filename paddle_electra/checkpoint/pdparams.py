"""Paddle's ``.pdparams``: a pickled dict of NumPy arrays, read without running it.

Format: paddle/framework/io.py (`_pickle_save`, `_legacy_save`).
"""

import pickle
import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import InputError
from . import pickles
from .limits import check_tensors, reason, shown
from .pickles import Blob, PickleError
from .tensors import LazyTensors, Spec, lazy, widen_bfloat16

_NAMES_OF_PARAMETERS = "StructuredToParameterName@@"
_SPLIT = "UnpackBigParamInfor@@"
_ARRAY_MODULES = ("numpy.core.multiarray", "numpy._core.multiarray")
_TYPES = {"f8", "f4", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "b1"}


class _Type:
    """A NumPy data type, as far as the pickle has described it."""

    def __init__(self, code):
        self.code, self.order = code, "<"


class _Array:
    """A NumPy array, as far as the pickle has described it."""

    def __init__(self):
        self.shape = self.type = self.data = None


class _Encoded(NamedTuple):
    """Bytes as protocol 2 keeps them: the text whose Latin-1 they are."""

    text: str


class PdparamsFile(LazyTensors):
    """The arrays of a ``.pdparams`` file.  uint16 stands for bfloat16 there, and comes as float32.

    Raises:
        InputError: missing, damaged, or a pickle with anything but arrays.
    """

    def __init__(self, path):
        self.path = Path(path)
        try:
            with open(path, "rb") as handle:
                end = handle.seek(0, 2)
                handle.seek(0)
                value = pickles.read_pickle(handle, end, _call, _build)
            self._arrays = _state_dict(value)
            specs = {name: _spec(shown(name), array) for name, array in self._arrays.items()}
            check_tensors({name: spec.shape for name, spec in specs.items()})
        except (ValueError, OSError) as error:
            raise InputError(
                f"{path}: not a readable Paddle checkpoint ({reason(error)})"
            ) from None
        super().__init__(specs, path)

    def read(self, name):
        array, spec = self._arrays[name], self.specs[name]
        data = array.data
        if isinstance(data, Blob):
            with open(self.path, "rb") as handle:
                handle.seek(data.offset)
                size, data = data.size, bytearray(data.size)
                if handle.readinto(data) != size:
                    raise InputError(f"{self.path}: tensor {name!r} is cut short")
        elif isinstance(data, _Encoded):
            data = data.text.encode("latin-1")
        if array.type.code == "u2":
            return widen_bfloat16(data, spec.shape)
        return np.frombuffer(data, spec.dtype).reshape(spec.shape)


def _state_dict(value):
    if not isinstance(value, dict) or not value:
        raise PickleError("expected a dict of names and arrays")
    if _SPLIT in value:
        raise PickleError("tensors of over 4 GB in parts are not read here")
    arrays, seen = {}, set()
    for name, item in value.items():
        if name == _NAMES_OF_PARAMETERS:
            continue
        if isinstance(item, tuple) and len(item) == 2:  # (name in the program, array)
            item = item[1]
        if not isinstance(name, str) or not isinstance(item, _Array):
            raise PickleError(f"entry {shown(name)} is not an array; expected a dict of arrays")
        # Paddle writes every array's numbers, so that a file cannot hold more than its size.
        place = _place(item.data)
        if place in seen:
            raise PickleError(f"array {shown(name)} has the numbers of another")
        seen.add(place)
        seen.discard(None)
        arrays[name] = item
    return arrays


def _place(data):
    """What tells an array's numbers from another's; None for so few that Python shares them."""
    if data is None or isinstance(data, Blob):
        return data
    content = data.text if isinstance(data, _Encoded) else data
    return id(content) if len(content) > 1 else None


def _spec(name, array):
    shape, kind, data = array.shape, array.type, array.data
    if not isinstance(shape, tuple) or not isinstance(kind, _Type) or data is None:
        raise PickleError(f"array {name} is not described")
    if any(type(size) is not int or size < 0 for size in shape):
        raise PickleError(f"array {name} has a size that is no number")
    if kind.order not in ("<", "|") or kind.code not in _TYPES:
        order, code = shown(kind.order), shown(kind.code)
        raise PickleError(f"array {name} has the unknown data type {code}, byte order {order}")
    stored = Spec(shape, np.dtype("<" + kind.code))
    if isinstance(data, _Encoded):
        data = data.text.encode("latin-1")
    if stored.nbytes != (data.size if isinstance(data, Blob) else len(data)):
        raise PickleError(f"array {name} has too few or too many bytes for its shape")
    return Spec(shape, np.dtype("<f4") if kind.code == "u2" else stored.dtype)


def _call(function, arguments):
    module, name = function
    if module in _ARRAY_MODULES and name == "_reconstruct":
        return _Array()
    if (module, name) == ("numpy", "dtype") and arguments and isinstance(arguments[0], str):
        return _Type(arguments[0])
    if (module, name) == ("_codecs", "encode") and len(arguments) == 2:
        text, encoding = arguments
        if isinstance(text, str) and encoding == "latin1":
            return _Encoded(text)
    if (module, name) == ("collections", "OrderedDict") and not arguments:
        return {}
    return pickles.refuse(function)


def _build(target, state):
    if isinstance(target, _Type) and isinstance(state, tuple) and len(state) >= 2:
        target.order = state[1]
    elif isinstance(target, _Array) and isinstance(state, tuple) and len(state) == 5:
        _, target.shape, target.type, columns_first, target.data = state
        if columns_first not in (False, 0):
            raise PickleError("an array that is not laid out row by row is not read here")
        if not isinstance(target.data, (bytes, Blob, _Encoded)):
            raise PickleError("an array of what is no numbers is not read here")
    elif not isinstance(target, dict):
        raise PickleError("an object with a state has no place in a file of weights")


def write(path, tensors):
    """Write {name: array} as ``paddle.save`` does a state dict of arrays; not atomic.

    One array is in memory at a time.  ``paddle.load(path)`` gives a dict.
    """
    tensors = lazy(tensors)
    with open(path, "wb") as handle:
        handle.write(pickles.proto(4) + pickles.EMPTY_DICT + pickles.MARK)
        for name, spec in tensors.specs.items():
            dtype = spec.dtype.newbyteorder("<")
            array = np.ascontiguousarray(tensors[name], dtype)
            data = memoryview(array.reshape(-1)).cast("B")
            make = pickles.name("numpy.core.multiarray", "_reconstruct") + pickle.MARK
            make += pickles.name("numpy", "ndarray") + pickles.value((0,)) + pickles.value(b"b")
            make += pickle.TUPLE + pickles.REDUCE
            kind = pickles.name("numpy", "dtype") + pickles.value((dtype.str[1:], False, True))
            kind += pickles.REDUCE + pickle.MARK + pickles.value(3) + pickles.value("<")
            kind += pickle.NONE * 3 + pickle.BININT + struct.pack("<i", -1)
            kind += pickle.BININT + struct.pack("<i", -1) + pickles.value(0)
            kind += pickle.TUPLE + pickles.BUILD
            state = pickle.MARK + pickles.value(1) + pickles.value(spec.shape) + kind
            state += pickle.NEWFALSE + pickles.bytes_header(len(data))
            handle.write(pickles.value(name) + make + state)
            handle.write(data)
            handle.write(pickle.TUPLE + pickles.BUILD)
        handle.write(pickles.SET_ITEMS + pickles.STOP)
