"""TensorFlow checkpoints (the V2 "tensor bundle"), read and written without TensorFlow.

``NAME.index`` is an SSTable from tensor name to a small protocol buffer with data type, shape,
shard, offset, size and checksum; ``NAME.data-0000N-of-0000M`` holds raw little-endian bytes.
Format: tensorflow/core/protobuf/tensor_bundle.proto.
"""

import os
import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np
from crc32c import crc32c

from ..errors import InputError
from .limits import MOST_AXES, check_tensors, reason
from .sstable import mask, read_table, read_varint, varint, write_table
from .tensors import LazyTensors, Spec, lazy, widen_bfloat16

STATE_FILE = "checkpoint"
_LARGEST_INDEX = 8 << 20
_LONGEST_ENTRY = 4096
_MOST_SHARDS = 99_999
_BFLOAT16 = 14
_DTYPES = {
    1: "<f4",
    2: "<f8",
    3: "<i4",
    4: "<u1",
    5: "<i2",
    6: "<i1",
    9: "<i8",
    10: "?",
    19: "<f2",
    _BFLOAT16: "<f4",
}
_CODES = {np.dtype(dtype): code for code, dtype in _DTYPES.items() if code != _BFLOAT16}


class Entry(NamedTuple):
    code: int  # the data type's number
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    checksum: int  # masked crc32c
    sliced: bool  # stored in parts, which is not read here


def find_prefix(path):
    """The checkpoint prefix meant by ``path``: a folder, a prefix, or one of its files; or None."""
    path = Path(path)
    if path.is_dir():
        named = _named_by_state_file(path)
        found = sorted(path.glob("*.index"))
        if named is not None and os.path.isfile(f"{named}.index"):  # False for odd names, too
            return named
        if len(found) > 1:
            names = ", ".join(file.stem for file in found)
            raise InputError(f"{path}: several TensorFlow checkpoints ({names}); name one of them")
        return found[0].with_suffix("") if found else None
    if Path(f"{path}.index").is_file():
        return path
    if path.suffix == ".index" and path.is_file():
        return path.with_suffix("")
    if ".data-" in path.name:
        prefix = path.with_name(path.name.rpartition(".data-")[0])
        return prefix if Path(f"{prefix}.index").is_file() else None
    return None


def _named_by_state_file(folder):
    """The prefix that the text file ``checkpoint`` of a TensorFlow folder points to."""
    state = folder / STATE_FILE
    if not state.is_file():
        return None
    with open(state, "rb") as handle:
        text = handle.read(1 << 16).decode("utf-8", errors="replace")
    for line in text.splitlines():
        if line.startswith("model_checkpoint_path:"):
            return folder / Path(line.split(":", 1)[1].strip().strip('"')).name
    return None


class TensorBundle(LazyTensors):
    """The tensors of a TensorFlow checkpoint; reading one verifies its checksum.

    Tensors of data types without an array of numbers (strings and the like) are listed in
    ``entries`` but are not among the tensors.

    Args:
        prefix: path without ``.index`` / ``.data-...``.
    Raises:
        InputError: a missing, truncated or damaged index.
    """

    def __init__(self, prefix):
        self.prefix = Path(prefix)
        self.index_file = Path(f"{prefix}.index")
        try:
            with open(self.index_file, "rb") as handle:
                data = handle.read(_LARGEST_INDEX + 1)
        except OSError as error:
            raise InputError(f"{self.index_file}: cannot be read ({error.strerror})") from None
        try:
            if len(data) > _LARGEST_INDEX:
                raise ValueError(f"more than {_LARGEST_INDEX >> 20} MB")
            pairs = dict(read_table(data))
            self.shards = _read_header(pairs.pop(b"", b""))
            self.entries = {
                name.decode("utf-8"): _read_entry(value) for name, value in pairs.items()
            }
            check_tensors({name: entry.shape for name, entry in self.entries.items()})
            _check_places(self.entries)
        except (ValueError, struct.error) as error:
            raise InputError(
                f"{self.index_file}: not a readable TensorFlow checkpoint index ({reason(error)})"
            ) from None
        known = [item for item in self.entries.items() if item[1].code in _DTYPES]
        known.sort(key=lambda item: (item[1].shard, item[1].offset))
        specs = {name: Spec(entry.shape, np.dtype(_DTYPES[entry.code])) for name, entry in known}
        super().__init__(specs, self.index_file)

    def read(self, name):
        entry = self.entries[name]
        file = Path(f"{self.prefix}.data-{entry.shard:05d}-of-{self.shards:05d}")
        if entry.sliced:
            raise InputError(f"{file}: tensor {name!r} is stored in slices, which is not read here")
        spec = self.specs[name]
        bits16 = entry.code == _BFLOAT16
        if entry.size != (spec.nbytes // 2 if bits16 else spec.nbytes):
            raise InputError(
                f"{self.index_file}: tensor {name!r} of shape {list(entry.shape)} cannot have "
                f"{entry.size} bytes"
            )
        data = self._read_bytes(file, name, entry)
        if mask(crc32c(data)) != entry.checksum:
            raise InputError(f"{file}: tensor {name!r} has a wrong checksum; fetch the file again")
        if bits16:
            return widen_bfloat16(data, entry.shape)
        return np.frombuffer(data, spec.dtype).reshape(entry.shape)

    @staticmethod
    def _read_bytes(file, name, entry):
        try:
            with open(file, "rb") as handle:
                if handle.seek(0, 2) < entry.offset + entry.size:
                    raise InputError(f"{file}: tensor {name!r} is cut short; fetch the file again")
                handle.seek(entry.offset)
                data = bytearray(entry.size)
                handle.readinto(data)
        except OSError as error:
            raise InputError(f"{file}: cannot be read ({error.strerror})") from None
        return data


def write_bundle(prefix, tensors):
    """Write ``PREFIX.index`` and one data file, one array in memory at a time; not atomic.

    Args:
        tensors: {name: array}.
    """
    tensors = lazy(tensors)
    prefix = Path(prefix)
    entries, offset = {}, 0
    with open(f"{prefix}.data-00000-of-00001", "wb") as handle:
        for name, spec in tensors.specs.items():
            dtype = spec.dtype.newbyteorder("<")
            array = np.ascontiguousarray(tensors[name], dtype)
            data = memoryview(array.reshape(-1)).cast("B")
            handle.write(data)
            checksum = mask(crc32c(data))
            entries[name] = _entry(_CODES[dtype], spec.shape, offset, len(data), checksum)
            offset += len(data)
    header = _field(1, 1) + _field(3, _field(1, 1))  # one shard, version 1
    pairs = sorted((name.encode("utf-8"), entry) for name, entry in entries.items())
    Path(f"{prefix}.index").write_bytes(write_table([(b"", header), *pairs]))


def write_state_file(folder, name):
    """The text file from which TensorFlow finds the newest checkpoint of a folder."""
    lines = [
        f'{key}: "{name}"\n' for key in ("model_checkpoint_path", "all_model_checkpoint_paths")
    ]
    (Path(folder) / STATE_FILE).write_text("".join(lines), "utf-8")


def _field(number, value):
    """A field of a protocol buffer: numbers as varints, bytes with their length."""
    if isinstance(value, bytes):
        return varint(number << 3 | 2) + varint(len(value)) + value
    return varint(number << 3) + varint(value)


def _entry(code, shape, offset, size, checksum):
    """A BundleEntryProto; as in TensorFlow's own files, fields of value 0 are left out."""
    dimensions = b"".join(_field(2, _field(1, number)) for number in shape)
    place = _field(4, offset) if offset else b""
    crc = varint(6 << 3 | 5) + struct.pack("<I", checksum)
    return _field(1, code) + _field(2, dimensions) + place + _field(5, size) + crc


def _read_message(data):
    """A protocol buffer as {field number: [values]}; nested messages stay bytes."""
    fields, position = {}, 0
    while position < len(data):
        tag, position = read_varint(data, position)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, position = read_varint(data, position)
        elif wire == 2:
            length, position = read_varint(data, position)
            value, position = data[position : position + length], position + length
            if len(value) != length:
                raise ValueError("a field reaches past its message")
        elif wire == 5:
            value, position = struct.unpack_from("<I", data, position)[0], position + 4
        elif wire == 1:
            value, position = struct.unpack_from("<Q", data, position)[0], position + 8
        else:
            raise ValueError(f"wire type {wire} is unknown")
        fields.setdefault(number, []).append(value)
    return fields


def _only(fields, number, kind=int):
    """The value of a field that is there at most once; of a missing one 0, or no bytes."""
    values = fields.get(number, [kind()])
    if len(values) != 1 or not isinstance(values[0], kind):
        raise ValueError(f"field {number} of a description is not what it should be")
    return values[0]


def _read_header(data):
    """A BundleHeaderProto: number of shards 1, byte order 2.  Returns the number of shards."""
    fields = _read_message(data)
    shards = _only(fields, 1)
    if not 1 <= shards <= _MOST_SHARDS:
        raise ValueError("its header is missing or damaged")
    if _only(fields, 2) != 0:
        raise ValueError("its numbers are big-endian")
    return shards


def _read_entry(data):
    """A BundleEntryProto: dtype 1, shape 2, shard 3, offset 4, size 5, crc32c 6, slices 7."""
    if len(data) > _LONGEST_ENTRY:
        raise ValueError(f"the description of a tensor has {len(data):,} bytes")
    fields = _read_message(data)
    sizes = _read_message(_only(fields, 2, bytes)).get(2, [])
    if len(sizes) > MOST_AXES or not all(isinstance(size, bytes) for size in sizes):
        raise ValueError("a shape is not what it should be")
    shape = tuple(_only(_read_message(size), 1) for size in sizes)
    numbers = [_only(fields, number) for number in (1, 3, 4, 5, 6)]
    code, shard, offset, size, checksum = numbers
    return Entry(code, shape, shard, offset, size, checksum, 7 in fields)


def _check_places(entries):
    """Raise `ValueError` when two tensors share bytes."""
    last, end = None, 0
    for entry in sorted(entries.values(), key=lambda entry: (entry.shard, entry.offset)):
        if entry.shard != last:
            last, end = entry.shard, 0
        if entry.offset < end and entry.size:
            raise ValueError("two tensors lie in the same place")
        end = max(end, entry.offset + entry.size)
