"""Writes TensorFlow V2 checkpoints, so that reading them is tested without TensorFlow."""

import struct

import numpy as np
from crc32c import crc32c

DTYPES = {"float32": 1, "float64": 2, "int32": 3, "int64": 9, "float16": 19}
RESTART_EVERY = 4


def masked(data):
    crc = crc32c(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def varint(number):
    out = b""
    while number >= 0x80:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def field(number, value):
    """A field of a protocol buffer: whole numbers as varints, bytes with their length."""
    if isinstance(value, bytes):
        return varint(number << 3 | 2) + varint(len(value)) + value
    return varint(number << 3) + varint(value)


def entry(array, dtype, shard, offset, data):
    shape = b"".join(field(2, field(1, size)) for size in array.shape)
    checksum = varint(6 << 3 | 5) + struct.pack("<I", masked(data))
    numbers = field(3, shard) + field(4, offset) + field(5, len(data))
    return field(1, dtype) + field(2, shape) + numbers + checksum


def block(pairs):
    """Sorted (key, value) pairs; a key leaves out what it shares with the one before."""
    out, restarts, before = b"", [], b""
    for number, (key, value) in enumerate(pairs):
        shared = 0
        if number % RESTART_EVERY == 0:
            restarts.append(len(out))
        else:
            while shared < min(len(key), len(before)) and key[shared] == before[shared]:
                shared += 1
        out += varint(shared) + varint(len(key) - shared) + varint(len(value))
        out += key[shared:] + value
        before = key
    restarts = restarts or [0]
    return out + struct.pack(f"<{len(restarts) + 1}I", *restarts, len(restarts))


def table(pairs):
    """The bytes of an SSTable with all ``pairs`` in one block."""
    out = b""

    def add(content, kind=b"\0"):
        nonlocal out
        handle = varint(len(out)) + varint(len(content))
        out += content + kind + struct.pack("<I", masked(content + kind))
        return handle

    data = add(block(pairs))
    meta = add(block([]))
    index = add(block([(pairs[-1][0] + b"\0", data)]))
    return out + (meta + index).ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57)


def write_bundle(prefix, tensors, shards=1, dtypes=None):
    """Write ``PREFIX.index`` and ``PREFIX.data-...``.

    Args:
        tensors: {name: array}.
        dtypes: {name: number} of TensorFlow data types other than the array's own.
    """
    pairs = [(b"", field(1, shards) + field(3, field(1, 1)))]
    data = [b""] * shards
    for number, name in enumerate(sorted(tensors)):
        array = np.asarray(tensors[name])
        shard, content = number % shards, array.tobytes()
        dtype = (dtypes or {}).get(name, DTYPES[array.dtype.name])
        pairs.append((name.encode(), entry(array, dtype, shard, len(data[shard]), content)))
        data[shard] += content
    prefix.parent.mkdir(parents=True, exist_ok=True)
    prefix.with_name(f"{prefix.name}.index").write_bytes(table(pairs))
    for shard, content in enumerate(data):
        name = f"{prefix.name}.data-{shard:05d}-of-{shards:05d}"
        prefix.with_name(name).write_bytes(content)
