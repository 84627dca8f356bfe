"""PyTorch's ``pytorch_model.bin`` without PyTorch and without running its pickle.

Two layouts: since PyTorch 1.6 a zip with ``data.pkl`` and one member per storage; before, pickles
one after another and then the storages.  Format: torch/serialization.py.
"""

import contextlib
import io
import pickle
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import InputError
from . import pickles
from .pickles import PickleError
from .tensors import LazyTensors, Spec, lazy, widen_bfloat16

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_LARGEST_PICKLE = 64 << 20
# storage class -> (array type, bytes an item)
_STORAGES = {
    "DoubleStorage": ("<f8", 8),
    "FloatStorage": ("<f4", 4),
    "HalfStorage": ("<f2", 2),
    "BFloat16Storage": ("bfloat16", 2),
    "LongStorage": ("<i8", 8),
    "IntStorage": ("<i4", 4),
    "ShortStorage": ("<i2", 2),
    "CharStorage": ("<i1", 1),
    "ByteStorage": ("<u1", 1),
    "BoolStorage": ("?", 1),
}
_NAMES = {np.dtype(code): name for name, (code, _) in _STORAGES.items() if code != "bfloat16"}


class _Storage(NamedTuple):
    key: str
    code: str  # array type or "bfloat16"
    width: int  # bytes an item
    items: int


class _Tensor(NamedTuple):
    storage: _Storage
    offset: int
    shape: tuple
    stride: tuple


class TorchFile(LazyTensors):
    """The tensors of a state dict that ``torch.save`` wrote, in either layout.

    bfloat16 comes as float32.  The members of a zip are checked against their CRC-32.

    Raises:
        InputError: missing, damaged, or a pickle with anything but tensors.
    """

    def __init__(self, path):
        self.path = Path(path)
        with _damage(path):
            with open(path, "rb") as handle:
                zipped = handle.read(4) == b"PK\x03\x04"
            self._layout = _Zipped(self.path) if zipped else _Legacy(self.path)
            self._tensors = _state_dict(self._layout.load())
            for name, tensor in self._tensors.items():
                _check_tensor(name, tensor)
            self._layout.check({t.storage for t in self._tensors.values()})
        specs = {}
        for name, tensor in self._tensors.items():
            code = tensor.storage.code
            specs[name] = Spec(tensor.shape, np.dtype("<f4" if code == "bfloat16" else code))
        super().__init__(specs, path)

    def read(self, name):
        tensor = self._tensors[name]
        code = tensor.storage.code
        with _damage(self.path):
            data = self._layout.read(tensor.storage)
        wide = code == "bfloat16"
        items = widen_bfloat16(data, (-1,)) if wide else np.frombuffer(data, code)
        if 0 in tensor.shape:
            return np.zeros(tensor.shape, items.dtype)
        strides = [step * items.itemsize for step in tensor.stride]
        view = np.lib.stride_tricks.as_strided(items[tensor.offset :], tensor.shape, strides)
        return np.ascontiguousarray(view).reshape(tensor.shape)


@contextlib.contextmanager
def _damage(path):
    """What reading a damaged file raises, as an `InputError` naming it."""
    try:
        yield
    except (
        PickleError,
        OSError,
        EOFError,
        zipfile.BadZipFile,
        NotImplementedError,
        RuntimeError,
        UnicodeDecodeError,
        OverflowError,
        KeyError,
        IndexError,
        ValueError,
    ) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise InputError(f"{path}: not a readable PyTorch checkpoint ({reason})") from None


def _state_dict(value):
    if isinstance(value, dict) and isinstance(value.get("state_dict"), dict):
        value = value["state_dict"]
    if not isinstance(value, dict) or not value:
        raise PickleError("expected a state dict: names and tensors")
    for name, tensor in value.items():
        if not isinstance(name, str) or not isinstance(tensor, _Tensor):
            raise PickleError(f"entry {name!r} is not a tensor; expected a state dict")
    return value


def _check_tensor(name, tensor):
    """All numbers are what they must be, and no item lies outside the storage."""
    storage, offset, shape, stride = tensor
    numbers = (offset, *shape, *stride)
    if any(type(number) is not int or number < 0 for number in numbers):
        raise PickleError(f"tensor {name!r} has a size that is no number")
    if len(shape) != len(stride) or len(shape) > 8:
        raise PickleError(f"tensor {name!r} has {len(shape)} sizes and {len(stride)} strides")
    if 0 in shape:
        return
    last = offset + sum((size - 1) * step for size, step in zip(shape, stride, strict=True))
    count = 1
    for size in shape:
        count *= size
    if last >= storage.items or count > storage.items:
        raise PickleError(f"tensor {name!r} reaches past its storage")


def _call(function, arguments):
    if function == ("collections", "OrderedDict") and not arguments:
        return {}
    if function.module == "torch._utils":
        if function.name in ("_rebuild_tensor_v2", "_rebuild_tensor") and len(arguments) >= 4:
            storage, offset, shape, stride = arguments[:4]
            if not isinstance(storage, _Storage) or not isinstance(shape, tuple):
                raise PickleError("damaged: a tensor without a storage")
            return _Tensor(storage, offset, shape, tuple(stride))
        if function.name == "_rebuild_parameter" and arguments:
            return arguments[0]
    return pickles.refuse(function)


def _build(target, state):
    """A state dict's ``_metadata`` is the only state there is; it is not needed."""
    if not isinstance(target, dict):
        raise PickleError("an object with a state has no place in a file of weights")
    del state


def _storage(identifier):
    """A persistent identifier: ("storage", class, key, device, number of items, ...)."""
    if not isinstance(identifier, tuple) or len(identifier) < 5 or identifier[0] != "storage":
        raise PickleError("it refers to something that is no storage")
    _, kind, key, _, items = identifier[:5]
    if not isinstance(kind, pickles.Global) or kind.module not in ("torch", "torch.storage"):
        raise PickleError(f"unknown storage {kind!r}")
    if kind.name not in _STORAGES:
        raise PickleError(f"tensors of {kind.name} are not read here")
    if not isinstance(key, str) or type(items) is not int or items < 0:
        raise PickleError("damaged: a storage without key or size")
    if len(identifier) > 5 and identifier[5] is not None:
        raise PickleError("a storage that is part of another is not read here")
    return _Storage(key, *_STORAGES[kind.name], items)


class _Zipped:
    """A zip: ``NAME/data.pkl``, ``NAME/data/KEY``."""

    def __init__(self, path):
        self.path = path
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            self.sizes = {member.filename: member.file_size for member in members}
            if len(self.sizes) != len(members):
                raise PickleError("a member of the zip stands there twice")
            pickled = [name for name in self.sizes if name.count("/") == 1]
            pickled = [name for name in pickled if name.endswith("/data.pkl")]
            if len(pickled) != 1:
                raise PickleError("the zip has no data.pkl; was it saved by torch.save?")
            for member in members:
                if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
                    raise PickleError(f"member {member.filename} is compressed or encrypted")
            self.root = pickled[0].removesuffix("data.pkl")
            order = self.root + "byteorder"
            if order in self.sizes and archive.read(order) != b"little":
                raise PickleError("its numbers are big-endian")

    def load(self):
        with zipfile.ZipFile(self.path) as archive:
            data = archive.read(f"{self.root}data.pkl")
        return pickles.read_pickle(io.BytesIO(data), len(data), _call, _build, _storage)

    def check(self, storages):
        for storage in storages:
            size = self.sizes.get(f"{self.root}data/{storage.key}")
            if size is None:
                raise PickleError(f"storage {storage.key} is missing")
            if size != storage.items * storage.width:
                raise PickleError(f"storage {storage.key} has {size} bytes, not what it should")

    def read(self, storage):
        with zipfile.ZipFile(self.path) as archive:
            return archive.read(f"{self.root}data/{storage.key}")


class _Legacy:
    """Pickles (magic number, protocol, machine, state dict, keys), then the storages."""

    def __init__(self, path):
        self.path = path
        self.places = {}

    def load(self):
        storages = {}

        def persistent(identifier):
            storage = _storage(identifier)
            return storages.setdefault(storage.key, storage)

        with open(self.path, "rb") as handle:
            end = handle.seek(0, 2)
            handle.seek(0)
            if self._plain(handle, end) != _MAGIC or self._plain(handle, end) != _PROTOCOL:
                raise PickleError("the magic number at its beginning is wrong")
            machine = self._plain(handle, end)
            if isinstance(machine, dict) and machine.get("little_endian") is False:
                raise PickleError("its numbers are big-endian")
            value = pickles.read_pickle(handle, end, _call, _build, persistent)
            keys = self._plain(handle, end)
            if not isinstance(keys, list) or sorted(map(str, keys)) != sorted(storages):
                raise PickleError("its list of storages is not that of its tensors")
            for key in keys:
                storage = storages[key]
                items = int.from_bytes(handle.read(8), "little")
                if items != storage.items:
                    raise PickleError(f"storage {key} has {items} items, not {storage.items}")
                self.places[key] = handle.tell()
                if handle.seek(items * storage.width, 1) > end:
                    raise PickleError(f"storage {key} is cut short")
        return value

    @staticmethod
    def _plain(handle, end):
        return pickles.read_pickle(handle, end, lambda function, _: pickles.refuse(function))

    def check(self, storages):
        for storage in storages:
            if storage.key not in self.places:
                raise PickleError(f"storage {storage.key} is missing")

    def read(self, storage):
        with open(self.path, "rb") as handle:
            handle.seek(self.places[storage.key])
            data = bytearray(storage.items * storage.width)
            if handle.readinto(data) != len(data):
                raise PickleError(f"storage {storage.key} is cut short")
            return data


def write(file, tensors):
    """Write {name: array} as ``torch.save`` does since 1.6, one array in memory at a time.

    ``torch.load(path)``, with ``weights_only`` too, gives a dict of tensors.

    Args:
        file: a path, which is not written atomically, or an open binary file.
    """
    tensors = lazy(tensors)
    out = [pickles.proto(2), pickles.EMPTY_DICT, pickles.MARK]
    for number, (name, spec) in enumerate(tensors.specs.items()):
        stride, strides = 1, []
        for size in reversed(spec.shape):
            strides.insert(0, stride)
            stride *= max(size, 1)
        out.append(pickles.value(name))
        out.append(pickles.name("torch._utils", "_rebuild_tensor_v2") + pickle.MARK)
        kind = pickles.name("torch", _NAMES[spec.dtype.newbyteorder("<")])
        items = spec.nbytes // spec.dtype.itemsize
        out.append(pickle.MARK + pickles.value("storage") + kind + pickles.value(str(number)))
        out.append(pickles.value("cpu") + pickles.value(items) + pickle.TUPLE)
        out.append(pickles.PERSISTENT + pickles.value(0) + pickles.value(spec.shape))
        out.append(pickles.value(tuple(strides)) + pickles.value(False))
        out.append(pickles.name("collections", "OrderedDict") + pickle.EMPTY_TUPLE)
        out.append(pickles.REDUCE + pickle.TUPLE + pickles.REDUCE)
    out += [pickles.SET_ITEMS, pickles.STOP]
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        root = "archive"
        _add(archive, f"{root}/data.pkl", b"".join(out))
        _add(archive, f"{root}/byteorder", b"little")
        for number, (name, spec) in enumerate(tensors.specs.items()):
            array = np.ascontiguousarray(tensors[name], spec.dtype.newbyteorder("<"))
            _add(archive, f"{root}/data/{number}", memoryview(array.reshape(-1)).cast("B"))
        _add(archive, f"{root}/version", b"3\n")


def _add(archive, name, data):
    entry = zipfile.ZipInfo(name)  # no time, so that the same weights give the same file
    with archive.open(entry, "w", force_zip64=True) as member:
        member.write(data)
