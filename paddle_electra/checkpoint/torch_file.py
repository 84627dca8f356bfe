"""PyTorch's ``pytorch_model.bin`` without PyTorch and without running its pickle.

Two layouts: since PyTorch 1.6 a zip with ``data.pkl`` and one member per storage; before, pickles
one after another and then the storages.  Format: torch/serialization.py.
"""

import contextlib
import io
import math
import pickle
import struct
import zipfile
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import InputError
from . import pickles
from .limits import check_tensors, reason, shown
from .pickles import PickleError
from .tensors import LazyTensors, Spec, lazy, widen_bfloat16
from .zips import DAMAGE, open_zip

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_LARGEST_PICKLE = 16 << 20
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

    @property
    def items(self):
        """Number of items."""
        return math.prod(self.shape)


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
            check_tensors({name: tensor.shape for name, tensor in self._tensors.items()})
            # Tensors may share numbers, as tied embeddings do; a small file may not become large.
            total = sum(t.items * t.storage.width for t in self._tensors.values())
            if total > 2 * self.path.stat().st_size:
                raise PickleError(f"its tensors would have {total:,} bytes, more than the file")
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
    except (*DAMAGE, LookupError) as error:
        raise InputError(f"{path}: not a readable PyTorch checkpoint ({reason(error)})") from None


def _state_dict(value):
    if isinstance(value, dict) and isinstance(value.get("state_dict"), dict):
        value = value["state_dict"]
    if not isinstance(value, dict) or not value:
        raise PickleError("expected a state dict: names and tensors")
    for name, tensor in value.items():
        if not isinstance(name, str) or not isinstance(tensor, _Tensor):
            raise PickleError(f"entry {shown(name)} is not a tensor; expected a state dict")
    return value


def _check_tensor(name, tensor):
    """All numbers are what they must be, and no item lies outside the storage or counts twice."""
    storage, offset, shape, stride = tensor
    name = shown(name)
    numbers = (offset, *shape, *stride)
    if any(type(number) is not int or number < 0 for number in numbers):
        raise PickleError(f"tensor {name} has a size that is no number")
    if len(shape) != len(stride):
        raise PickleError(f"tensor {name} has {len(shape)} sizes and {len(stride)} strides")
    if 0 in shape:
        return
    last = offset + sum((size - 1) * step for size, step in zip(shape, stride, strict=True))
    if last >= storage.items or tensor.items > storage.items:
        raise PickleError(f"tensor {name} reaches past its storage")
    reach = 0  # of all axes with smaller steps
    for step, size in sorted(pair for pair in zip(stride, shape, strict=True) if pair[1] > 1):
        if step <= reach:
            raise PickleError(f"tensor {name} has rows that overlap")
        reach += (size - 1) * step


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
        raise PickleError("damaged: a storage of an unknown kind")
    if kind.name not in _STORAGES:
        raise PickleError(f"tensors of {shown(kind.name)} are not read here")
    if not isinstance(key, str) or type(items) is not int or items < 0:
        raise PickleError("damaged: a storage without key or size")
    if len(identifier) > 5 and identifier[5] is not None:
        raise PickleError("a storage that is part of another is not read here")
    return _Storage(key, *_STORAGES[kind.name], items)


class _Storages(dict):
    """{key: `_Storage`} of all that a pickle refers to, as ``persistent`` of `read_pickle`."""

    def __call__(self, identifier):
        storage = _storage(identifier)
        if self.setdefault(storage.key, storage) != storage:
            raise PickleError(f"storage {shown(storage.key)} is described in two ways")
        return storage


class _Zipped:
    """A zip: ``NAME/data.pkl``, ``NAME/data/KEY``; members are not compressed."""

    def __init__(self, path):
        self.path = path
        self.places = {}  # key: (offset, size, CRC-32)

    def load(self):
        with open_zip(self.path) as archive, open(self.path, "rb") as handle:
            members = {member.filename: member for member in archive.infolist()}
            if len(members) != len(archive.infolist()):
                raise PickleError("a member of the zip stands there twice")
            root = _root(members)
            order = root + "byteorder"
            if order in members and archive.read(order) != b"little":
                raise PickleError("its numbers are big-endian")
            for name, member in members.items():
                if name.startswith(f"{root}data/") and not member.is_dir():
                    archive.open(member).close()  # the name in its own header is right, too
                    key = name.removeprefix(f"{root}data/")
                    self.places[key] = (_begin(handle, member), member.file_size, member.CRC)
            data = archive.read(f"{root}data.pkl")
        storages = _Storages()
        value = pickles.read_pickle(io.BytesIO(data), len(data), _call, _build, storages)
        for key, storage in storages.items():
            if key not in self.places:
                raise PickleError(f"storage {shown(key)} is missing")
            if self.places[key][1] != storage.items * storage.width:
                size = self.places[key][1]
                raise PickleError(f"storage {shown(key)} has {size:,} bytes, not as described")
        if unused := self.places.keys() - storages.keys():
            raise PickleError(f"storage {shown(min(unused))} belongs to no tensor")
        return value

    def read(self, storage):
        offset, size, checksum = self.places[storage.key]
        data = _read(self.path, offset, size)
        if zlib.crc32(data) != checksum:
            raise PickleError(f"storage {storage.key} has a wrong checksum; fetch the file again")
        return data


def _root(members):
    """The folder in the zip that everything lies in, with its slash."""
    for name, member in members.items():
        plain = member.compress_type == zipfile.ZIP_STORED and not member.flag_bits & 1
        if not plain or member.file_size != member.compress_size:
            raise PickleError(f"member {shown(name)} of the zip is compressed or encrypted")
    pickled = [name for name in members if name.endswith("/data.pkl") and name.count("/") == 1]
    if len(pickled) != 1:
        raise PickleError("the zip has no data.pkl; was it saved by torch.save?")
    if members[pickled[0]].file_size > _LARGEST_PICKLE:
        raise PickleError(f"its data.pkl has {members[pickled[0]].file_size:,} bytes")
    return pickled[0].removesuffix("data.pkl")


def _begin(handle, member):
    """Where a member's bytes begin: its header ends with its name and an extra field."""
    handle.seek(member.header_offset + 26)
    return member.header_offset + 30 + sum(struct.unpack("<2H", handle.read(4)))


def _read(path, offset, size):
    with open(path, "rb") as handle:
        if handle.seek(0, 2) < offset + size:
            raise PickleError("it is cut short")
        handle.seek(offset)
        data = bytearray(size)
        if handle.readinto(data) != size:
            raise PickleError("it is cut short")
    return data


class _Legacy:
    """Pickles (magic number, protocol, machine, state dict, keys), then the storages."""

    def __init__(self, path):
        self.path = path
        self.places = {}  # key: offset

    def load(self):
        storages = _Storages()
        with open(self.path, "rb") as handle:
            end = handle.seek(0, 2)
            handle.seek(0)
            if self._plain(handle, end) != _MAGIC or self._plain(handle, end) != _PROTOCOL:
                raise PickleError("the magic number at its beginning is wrong")
            machine = self._plain(handle, end)
            if isinstance(machine, dict) and machine.get("little_endian") is False:
                raise PickleError("its numbers are big-endian")
            value = pickles.read_pickle(handle, end, _call, _build, storages)
            keys = self._plain(handle, end)
            named = isinstance(keys, list) and all(isinstance(key, str) for key in keys)
            if not named or sorted(keys) != sorted(storages):
                raise PickleError("its list of storages is not that of its tensors")
            for key in keys:
                storage = storages[key]
                items = int.from_bytes(handle.read(8), "little")
                if items != storage.items:
                    raise PickleError(f"storage {shown(key)} has {items:,} items, not as described")
                self.places[key] = handle.tell()
                if handle.seek(items * storage.width, 1) > end:
                    raise PickleError(f"storage {shown(key)} is cut short")
        return value

    @staticmethod
    def _plain(handle, end):
        return pickles.read_pickle(handle, end, lambda function, _: pickles.refuse(function))

    def read(self, storage):
        return _read(self.path, self.places[storage.key], storage.items * storage.width)


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
