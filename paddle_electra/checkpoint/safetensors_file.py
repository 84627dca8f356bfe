"""safetensors files: read tensor by tensor, written tensor by tensor."""

import json
import struct
import zlib
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from ..errors import InputError
from ..files import read_json
from .tensors import LazyTensors, Spec, join_shards, lazy, widen_bfloat16

INDEX_SUFFIX = ".index.json"
_DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "<i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "<u1",
    "BOOL": "?",
}
_CODES = {np.dtype(dtype): code for code, dtype in _DTYPES.items()}
_LARGEST_HEADER = 16 << 20
_CHECKSUM = "crc32 of "  # + the tensor's name: a key of the metadata of files we wrote


class SafetensorsFile(LazyTensors):
    """A safetensors file.

    bfloat16 tensors come as the float32 arrays of the same numbers.  Files that `write` made carry
    a checksum of every tensor, which is verified when the tensor is read.

    Raises:
        InputError: missing, damaged or of a data type not known here; names the file.
    """

    def __init__(self, path):
        self.path = Path(path)
        try:
            with safe_open(str(path), framework="np"):  # the library judges the whole header
                pass
            with open(path, "rb") as handle:
                (size,) = struct.unpack("<Q", handle.read(8))
                if size > _LARGEST_HEADER:
                    raise ValueError(f"its header claims {size} bytes")
                header = json.loads(handle.read(size))
            self.metadata = header.pop("__metadata__", None) or {}
            self._start = 8 + size
            self._entries = {name: (e["dtype"], *e["data_offsets"]) for name, e in header.items()}
            shapes = {name: tuple(entry["shape"]) for name, entry in header.items()}
        except (SafetensorError, OSError, ValueError, RecursionError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise InputError(f"{path}: not a readable safetensors file ({reason})") from None
        specs = {}
        for name, (code, begin, _) in sorted(self._entries.items(), key=lambda item: item[1][1]):
            if code != "BF16" and code not in _DTYPES:
                raise InputError(f"{path}: tensor {name!r} has the unknown data type {code}")
            specs[name] = Spec(shapes[name], np.dtype(_DTYPES.get(code, "<f4")))
            del begin
        super().__init__(specs, path)

    def read(self, name):
        code, begin, end = self._entries[name]
        with open(self.path, "rb") as handle:
            handle.seek(self._start + begin)
            data = bytearray(end - begin)
            if handle.readinto(data) != len(data):
                raise InputError(f"{self.path}: tensor {name!r} is cut short; fetch the file again")
        stated = self.metadata.get(_CHECKSUM + name)
        if stated is not None and stated != f"{zlib.crc32(data):08x}":
            raise InputError(
                f"{self.path}: tensor {name!r} has a wrong checksum; the file was changed or "
                f"damaged, fetch it again"
            )
        shape, dtype = self.specs[name]
        if code == "BF16":
            return widen_bfloat16(data, shape)
        return np.frombuffer(data, dtype).reshape(shape)


def read(path):
    """A safetensors file, or the shards that a ``.index.json`` names, as `LazyTensors`.

    Raises:
        InputError: a file is missing or damaged, or the index and the shards disagree.
    """
    path = Path(path)
    if not path.name.endswith(INDEX_SUFFIX):
        return SafetensorsFile(path)
    return read_sharded(path, SafetensorsFile)


def read_sharded(index, reader):
    """The shards named in the ``weight_map`` of an index, each opened by ``reader``."""
    where = read_json(index, keys=("weight_map",))["weight_map"]
    if not isinstance(where, dict) or not all(isinstance(file, str) for file in where.values()):
        raise InputError(f"{index}: weight_map: expected an object of tensor names and file names")
    shards = {}
    for file in sorted(set(where.values())):
        if Path(file).name != file:
            raise InputError(f"{index}: weight_map names {file!r}, which is not a file beside it")
        if not (index.parent / file).is_file():
            raise InputError(
                f"{index.parent / file}: this shard, named in {index.name}, is missing"
            )
        shards[file] = reader(index.parent / file)
    for name, file in where.items():
        if name not in shards[file]:
            raise InputError(f"{index}: tensor {name!r} is not in {file}")
    whole = join_shards(list(shards.values()), index)
    for name in whole:
        if name not in where:
            raise InputError(
                f"{index}: does not name tensor {name!r} of {whole.owner[name].source}"
            )
    return whole


def write(path, tensors, metadata=None, checksums=True):
    """Write {name: array} as one safetensors file, one array in memory at a time; not atomic.

    Args:
        metadata: {text: text} for the header.
        checksums: add a CRC-32 of every tensor to the metadata, for `SafetensorsFile`.
    """
    tensors = lazy(tensors)
    metadata = dict(metadata or {})
    header, offset = {}, 0
    for name, spec in tensors.specs.items():
        code = _CODES[spec.dtype.newbyteorder("<")]
        ends = [offset, offset + spec.nbytes]
        header[name] = {"dtype": code, "shape": list(spec.shape), "data_offsets": ends}
        offset = ends[1]
        if checksums:
            metadata[_CHECKSUM + name] = "0" * 8
    with open(path, "wb") as handle:
        start = _write_header(handle, header, metadata)
        for name, spec in tensors.specs.items():
            array = np.ascontiguousarray(tensors[name], spec.dtype.newbyteorder("<"))
            data = memoryview(array.reshape(-1)).cast("B")
            handle.write(data)
            if checksums:
                metadata[_CHECKSUM + name] = f"{zlib.crc32(data):08x}"
        if checksums:  # known only now; as long as what stood in their place
            handle.seek(0)
            if _write_header(handle, header, metadata) != start:
                raise AssertionError("the header changed its length")


def _write_header(handle, header, metadata):
    """Returns where the data begins."""
    whole = {"__metadata__": metadata, **header} if metadata else header
    text = json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    text += b" " * (-len(text) % 8)  # tensors lie aligned
    handle.write(struct.pack("<Q", len(text)) + text)
    return handle.tell()
