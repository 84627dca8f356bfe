"""``pretrain_data.tfrecord*`` files of the original, read and written without TensorFlow.

A file is a row of records, each: its length (8 bytes, little-endian), the masked CRC-32C of these,
the data, the masked CRC-32C of the data (4 bytes each).  The data is a ``tf.train.Example``, a
protocol buffer: a map from names to lists of numbers.  The original's examples have three, each of
max_seq_length numbers: ``input_ids``, ``input_mask`` and ``segment_ids``.
"""

import os
import struct
from typing import NamedTuple

import numpy as np
from crc32c import crc32c

from ..checkpoint.sstable import mask, read_varint, varint
from ..errors import InputError
from ..files import atomic_write, read_errors

NAMES = ("input_ids", "input_mask", "segment_ids")

_LENGTH = struct.Struct("<Q")
_CHECKSUM = struct.Struct("<I")
_HEADER_SIZE = _LENGTH.size + _CHECKSUM.size
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # kinds of fields
_INT64_LIST = 3  # in tf.train.Feature
_UINT64 = 0xFFFFFFFFFFFFFFFF


class Record(NamedTuple):
    """One example as the original stores it, padded with zeros."""

    input_ids: np.ndarray  # int64 [max_seq_length], like the others
    input_mask: np.ndarray
    segment_ids: np.ndarray


def read_records(path):
    """Yield each `Record` of a file.

    Raises:
        InputError: a missing file, a record cut off or damaged (with its number, from 1 on), or
            one that is no example of the original.
    """
    for number, data in enumerate(_read_data(path), start=1):
        try:
            yield _parse_example(data)
        except ValueError as error:
            raise InputError(
                f"{path}: record {number}: {error}; expected a record of the original's "
                f"build_pretraining_dataset.py, with {', '.join(NAMES)}"
            ) from None


def _read_data(path):
    with read_errors(path), open(path, "rb") as handle:
        left = os.fstat(handle.fileno()).st_size
        number = 0
        while left:
            number += 1
            header = handle.read(_HEADER_SIZE)
            left -= len(header)
            if len(header) < _HEADER_SIZE:
                raise _cut_off(path, number)
            length = _LENGTH.unpack_from(header)[0]
            if _CHECKSUM.unpack_from(header, _LENGTH.size)[0] != checksum(header[: _LENGTH.size]):
                raise _damaged(path, number, "damaged (the checksum of its length differs)")
            if length + _CHECKSUM.size > left:
                raise _cut_off(path, number)
            data = handle.read(length)
            stored = handle.read(_CHECKSUM.size)
            left -= len(data) + len(stored)
            if _CHECKSUM.unpack(stored)[0] != checksum(data):
                raise _damaged(path, number, "damaged (its checksum differs)")
            yield data


def _cut_off(path, number):
    return _damaged(path, number, "the file ends inside it")


def _damaged(path, number, problem):
    return InputError(f"{path}: record {number}: {problem}; copy the file again, or make it again")


def checksum(data):
    """The masked CRC-32C that the format stores."""
    return mask(crc32c(data))


def _parse_example(data):
    """Example {1: Features {1: entries {1: name, 2: Feature {3: Int64List {1: numbers}}}}}."""
    found = {}
    for _, features in _fields(data, 1, _BYTES):
        for _, entry in _fields(features, 1, _BYTES):
            name = b"".join(value for _, value in _fields(entry, 1, _BYTES)).decode()
            if name in NAMES:
                found[name] = _feature_numbers(b"".join(v for _, v in _fields(entry, 2, _BYTES)))
    for name in NAMES:
        if not len(found.get(name, ())):
            raise ValueError(f"no {name}")
    if len({len(numbers) for numbers in found.values()}) > 1:
        sizes = ", ".join(f"{name} {len(found[name])}" for name in NAMES)
        raise ValueError(f"lists of unequal length ({sizes})")
    return Record(**found)


def _feature_numbers(feature):
    """int64 array of the numbers of a feature, packed or not."""
    parts = []
    for _, numbers in _fields(feature, _INT64_LIST, _BYTES):
        for kind, value in _fields(numbers, 1):
            if kind not in (_BYTES, _VARINT):
                raise ValueError("not a tf.train.Example")
            single = kind == _VARINT
            parts.append(np.array([value & _UINT64], np.uint64) if single else _unpack(value))
    return np.concatenate([np.zeros(0, np.uint64), *parts]).view(np.int64)


def _unpack(data):
    """uint64 array of the varints that fill ``data``: 7 bits a byte, the lowest first."""
    octets = np.frombuffer(data, np.uint8)
    last = octets < 0x80
    if last.all():
        return octets.astype(np.uint64)
    if not last[-1]:
        raise ValueError("a list ends in the middle of a number")
    ends = np.flatnonzero(last)
    starts = np.concatenate([[0], ends[:-1] + 1])
    places = np.arange(len(octets)) - np.repeat(starts, ends - starts + 1)
    if places.max() > 9:
        raise ValueError("a number is too long")
    bits = (octets & 0x7F).astype(np.uint64) << (places * 7).astype(np.uint64)
    return np.bitwise_or.reduceat(bits, starts)


def _fields(data, wanted, only=None):
    """Yield (kind, value) of the fields numbered ``wanted``; all must be of the kind ``only``."""
    position, size = 0, len(data)
    while position < size:
        tag, position = read_varint(data, position)
        kind = tag & 7
        if kind == _VARINT:
            value, position = read_varint(data, position)
        elif kind == _BYTES:
            length, position = read_varint(data, position)
            value = data[position : position + length]
            position += length
        elif kind in (_FIXED32, _FIXED64):
            width = 4 if kind == _FIXED32 else 8
            value = data[position : position + width]
            position += width
        else:
            raise ValueError("not a tf.train.Example")
        if position > size:
            raise ValueError("not a tf.train.Example: a field reaches past its end")
        if tag >> 3 == wanted:
            if only not in (None, kind):
                raise ValueError("not a tf.train.Example")
            yield kind, value


def write_records(path, records):
    """Write `Record` (or any triples of lists of numbers) as the original does.

    The map's entries come in the order of `NAMES`; TensorFlow's order is not fixed.
    """
    with atomic_write(path, "wb") as handle:
        for record in records:
            data = serialize(record)
            length = _LENGTH.pack(len(data))
            handle.write(length + _CHECKSUM.pack(checksum(length)))
            handle.write(data + _CHECKSUM.pack(checksum(data)))


def serialize(record):
    """The bytes of a ``tf.train.Example`` with packed lists."""
    entries = []
    for name, numbers in zip(NAMES, record, strict=True):
        packed = b"".join(varint(int(number) & _UINT64) for number in numbers)
        feature = _bytes_field(_INT64_LIST, _bytes_field(1, packed))
        entries.append(_bytes_field(1, _bytes_field(1, name.encode()) + _bytes_field(2, feature)))
    return _bytes_field(1, b"".join(entries))


def _bytes_field(number, value):
    return varint(number << 3 | _BYTES) + varint(len(value)) + value
