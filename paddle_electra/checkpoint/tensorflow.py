"""Reading TensorFlow checkpoints (the V2 "tensor bundle") without TensorFlow.

``NAME.index`` is an SSTable (LevelDB's format) from tensor name to a small protocol buffer with
dtype, shape, shard, offset, size and checksum; ``NAME.data-0000N-of-0000M`` holds raw
little-endian bytes.
"""

import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np
from crc32c import crc32c

from ..errors import InputError

_FOOTER_SIZE = 48
_MAGIC = 0xDB4775248B80FB57
_DTYPES = {1: "<f4", 2: "<f8", 3: "<i4", 4: "<u1", 5: "<i2", 6: "<i1", 9: "<i8", 10: "?", 19: "<f2"}


class Entry(NamedTuple):
    dtype: np.dtype
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    checksum: int  # masked crc32c


def find_prefix(path):
    """The checkpoint prefix meant by ``path``: a folder, a prefix, or one of its files; or None."""
    path = Path(path)
    if path.is_dir():
        named = _named_by_state_file(path)
        found = sorted(path.glob("*.index"))
        if named is not None and Path(f"{named}.index").is_file():
            return named
        if len(found) > 1:
            names = ", ".join(file.stem for file in found)
            raise InputError(f"{path}: several TensorFlow checkpoints ({names}); name one of them")
        return found[0].with_suffix("") if found else None
    if Path(f"{path}.index").is_file():
        return path
    if path.suffix == ".index" and path.is_file():
        return path.with_suffix("")
    return None


def _named_by_state_file(folder):
    """The prefix that the text file ``checkpoint`` of a TensorFlow folder points to."""
    state = folder / "checkpoint"
    if not state.is_file():
        return None
    for line in state.read_text("utf-8", errors="replace").splitlines():
        if line.startswith("model_checkpoint_path:"):
            return folder / Path(line.split(":", 1)[1].strip().strip('"')).name
    return None


class TensorBundle:
    """Random access to the tensors of a TensorFlow checkpoint.

    Args:
        prefix: path without ``.index`` / ``.data-...``.
    Raises:
        InputError: a missing, truncated or damaged file, or one of a kind not read here.
    """

    def __init__(self, prefix):
        self.prefix = Path(prefix)
        self.index_file = Path(f"{prefix}.index")
        try:
            data = self.index_file.read_bytes()
        except OSError as error:
            raise InputError(f"{self.index_file}: cannot be read ({error.strerror})") from None
        try:
            pairs = dict(_read_table(data))
            header = _read_message(pairs.pop(b""))
            self.shards = header.get(1, [1])[0]
            self.entries = {
                name.decode("utf-8"): _read_entry(value) for name, value in pairs.items()
            }
        except (KeyError, IndexError, ValueError, struct.error) as error:
            raise InputError(
                f"{self.index_file}: not a readable TensorFlow checkpoint index ({error})"
            ) from None

    def __contains__(self, name):
        return name in self.entries

    def names(self):
        """All tensor names, sorted."""
        return sorted(self.entries)

    def read(self, name):
        """One tensor as an array; its checksum is verified."""
        entry = self.entries[name]
        file = Path(f"{self.prefix}.data-{entry.shard:05d}-of-{self.shards:05d}")
        try:
            with open(file, "rb") as handle:
                handle.seek(entry.offset)
                data = handle.read(entry.size)
        except OSError as error:
            raise InputError(f"{file}: cannot be read ({error.strerror})") from None
        count = int(np.prod(entry.shape, dtype=np.int64))
        if len(data) != entry.size or entry.size != count * entry.dtype.itemsize:
            raise InputError(f"{file}: tensor {name!r} is cut short; fetch the file again")
        if _mask(crc32c(data)) != entry.checksum:
            raise InputError(f"{file}: tensor {name!r} has a wrong checksum; fetch the file again")
        return np.frombuffer(data, entry.dtype).reshape(entry.shape)


def _mask(crc):
    """LevelDB's masking of a checksum that is stored beside its data."""
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def _read_varint(data, position):
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
        if shift > 63:
            raise ValueError("a number is too long")


def _read_table(data):
    """(key, value) of every record of an SSTable."""
    if len(data) < _FOOTER_SIZE:
        raise ValueError("the file is too short")
    footer = data[-_FOOTER_SIZE:]
    if struct.unpack("<Q", footer[-8:])[0] != _MAGIC:
        raise ValueError("the magic number at its end is wrong")
    _, position = _read_varint(footer, 0)
    _, position = _read_varint(footer, position)
    offset, position = _read_varint(footer, position)
    size, _ = _read_varint(footer, position)
    for _, handle in _read_block(data, offset, size):
        block_offset, position = _read_varint(handle, 0)
        block_size, _ = _read_varint(handle, position)
        yield from _read_block(data, block_offset, block_size)


def _read_block(data, offset, size):
    """(key, value) of every record of one block; keys share prefixes with the one before."""
    block, trailer = data[offset : offset + size], data[offset + size : offset + size + 5]
    if len(block) != size or len(trailer) != 5:
        raise ValueError("a block reaches past the end of the file")
    kind, checksum = struct.unpack("<BI", trailer)
    if _mask(crc32c(block + trailer[:1])) != checksum:
        raise ValueError("a block has a wrong checksum")
    if kind != 0:
        raise ValueError("its blocks are compressed, which is not read here")
    restarts = struct.unpack("<I", block[-4:])[0]
    end = size - 4 - 4 * restarts
    position, key = 0, b""
    while position < end:
        shared, position = _read_varint(block, position)
        fresh, position = _read_varint(block, position)
        length, position = _read_varint(block, position)
        key = key[:shared] + block[position : position + fresh]
        position += fresh
        yield key, block[position : position + length]
        position += length


def _read_message(data):
    """A protocol buffer as {field number: [values]}; nested messages stay bytes."""
    fields, position = {}, 0
    while position < len(data):
        tag, position = _read_varint(data, position)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, position = _read_varint(data, position)
        elif wire == 2:
            length, position = _read_varint(data, position)
            value, position = data[position : position + length], position + length
        elif wire == 5:
            value, position = struct.unpack_from("<I", data, position)[0], position + 4
        elif wire == 1:
            value, position = struct.unpack_from("<Q", data, position)[0], position + 8
        else:
            raise ValueError(f"wire type {wire} is unknown")
        fields.setdefault(number, []).append(value)
    return fields


def _read_entry(data):
    """A BundleEntryProto: dtype 1, shape 2, shard 3, offset 4, size 5, crc32c 6."""
    fields = _read_message(data)
    code = fields.get(1, [0])[0]
    if code not in _DTYPES:
        raise ValueError(f"a tensor has the unknown data type {code}")
    shape = _read_message(fields.get(2, [b""])[0])
    dimensions = [_read_message(dimension).get(1, [0])[0] for dimension in shape.get(2, [])]
    return Entry(
        np.dtype(_DTYPES[code]),
        tuple(dimensions),
        fields.get(3, [0])[0],
        fields.get(4, [0])[0],
        fields.get(5, [0])[0],
        fields.get(6, [0])[0],
    )
