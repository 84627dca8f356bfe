"""safetensors files: read tensor by tensor, written tensor by tensor."""

import json
import os
import struct
import zlib
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from ..errors import InputError
from .limits import LONGEST_NAME, check_tensors, reason, shown
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
# A description takes some 150 bytes a tensor; parsed, what stands between two commas can take 250.
_LARGEST_JSON = 2 << 20
_MOST_COMMAS = 1 << 16
# Keys of the metadata of files we wrote.
_CHECKSUM = "crc32 of "  # + the tensor's name
_HEADER_CHECKSUM = "crc32: names, shapes, types, offsets"


class SafetensorsFile(LazyTensors):
    """A safetensors file.

    bfloat16 tensors come as the float32 arrays of the same numbers.  Files that `write` made carry
    checksums: of the description of all tensors, and of every tensor, verified when it is read.

    Raises:
        InputError: missing, damaged or of a data type not known here; names the file.
    """

    def __init__(self, path):
        self.path = Path(path)
        try:
            with open(path, "rb") as handle:
                size = int.from_bytes(handle.read(8), "little")
                if size > _LARGEST_JSON:
                    raise ValueError(f"its header claims {size:,} bytes")
                header = _parse(handle.read(size))
            with safe_open(str(path), framework="np"):  # the library judges the whole header
                pass
            if not all(isinstance(entry, dict) for entry in header.values()):
                raise ValueError("its header is no object of objects")
            self.metadata = header.pop("__metadata__", {})
            self._start = 8 + size
            self._entries = {name: (e["dtype"], *e["data_offsets"]) for name, e in header.items()}
            shapes = {name: tuple(entry["shape"]) for name, entry in header.items()}
            check_tensors(shapes)
            _verify(header, self.metadata)
        except (SafetensorError, OSError, ValueError) as error:
            raise InputError(f"{path}: not a readable safetensors file ({reason(error)})") from None
        specs = {}
        for name, (code, _, _) in sorted(self._entries.items(), key=lambda item: item[1][1]):
            if code != "BF16" and code not in _DTYPES:
                raise InputError(f"{path}: tensor {name!r} has the unknown data type {code}")
            specs[name] = Spec(shapes[name], np.dtype(_DTYPES.get(code, "<f4")))
        super().__init__(specs, path)

    @property
    def checksums(self):
        """{name: checksum} of every tensor, or None for a file that carries none."""
        sums = {name: self.metadata.get(_CHECKSUM + name) for name in self}
        return None if None in sums.values() else sums

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


def _parse(data):
    """A JSON object from bytes: no key twice, nothing nested without end, and not too much.

    Raises:
        ValueError: it is not.
    """
    if len(data) > _LARGEST_JSON or data.count(b",") > _MOST_COMMAS:
        raise ValueError("it describes more than any model has")
    try:
        value = json.loads(data.decode("utf-8-sig"), object_pairs_hook=_object)
    except RecursionError:
        raise ValueError("its description is nested too deep") from None
    if not isinstance(value, dict):
        raise ValueError("expected a JSON object")
    return value


def _object(pairs):
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a name stands twice in its description")
    return values


def _verify(header, metadata):
    """Raise `ValueError` unless the checksums in the metadata are those of this header, or none."""
    named = {key.removeprefix(_CHECKSUM) for key in metadata if key.startswith(_CHECKSUM)}
    whole = metadata.get(_HEADER_CHECKSUM)
    if (named or whole is not None) and named != header.keys():
        raise ValueError("its tensors are not those that it has checksums of")
    if whole is not None and whole != _checksum_of(header):
        raise ValueError("the checksum of its header is wrong; fetch the file again")


def _checksum_of(header):
    text = json.dumps(
        [[name, e["dtype"], e["shape"], e["data_offsets"]] for name, e in sorted(header.items())]
    )
    return f"{zlib.crc32(text.encode()):08x}"


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
    try:
        with open(index, "rb") as handle:
            where = _parse(handle.read(_LARGEST_JSON + 1)).get("weight_map")
        if not isinstance(where, dict) or not where:
            raise ValueError("weight_map: expected an object of tensor names and file names")
        if not all(isinstance(file, str) for file in where.values()):
            raise ValueError("weight_map: expected names of files")
        check_tensors(dict.fromkeys(where, ()))
    except (OSError, ValueError) as error:
        raise InputError(f"{index}: not a readable index of shards ({reason(error)})") from None
    shards = {}
    for file in sorted(set(where.values())):
        if Path(file).name != file or not file.isprintable() or len(file) > LONGEST_NAME:
            raise InputError(
                f"{index}: weight_map names {shown(file)}, which is not a file beside it"
            )
        if not os.path.isfile(index.parent / file):  # False for odd names, too
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
        checksums: add a CRC-32 of every tensor and of their description to the metadata, for
            `SafetensorsFile`.
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
    if checksums:
        metadata[_HEADER_CHECKSUM] = _checksum_of(header)
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
