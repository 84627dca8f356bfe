"""LevelDB tables (SSTables), the form of a TensorFlow checkpoint's index; reading and writing.

Format: google/leveldb, doc/table_format.md.
"""

import struct

from crc32c import crc32c

from .snappy import decompress

_FOOTER_SIZE = 48
_MAGIC = 0xDB4775248B80FB57
_RAW, _SNAPPY = 0, 1
_RESTART_EVERY = 16
_BLOCK_SIZE = 256 << 10  # as TensorFlow's own
_LARGEST_BLOCK = 4 << 20
# What all records together may come to: keys share their beginnings, and blocks are compressed.
_LARGEST_CONTENT = 4 << 20
_MOST_RECORDS = 20_000
_LONGEST_KEY = 1024


def mask(crc):
    """LevelDB's masking of a checksum that is stored beside its data."""
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def read_varint(data, position):
    """(number, next position)."""
    value = shift = 0
    while True:
        if position >= len(data):
            raise ValueError("it ends in the middle of a number")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
        if shift > 63:
            raise ValueError("a number is too long")


def varint(number):
    """A number as 7 bits a byte, the lowest first."""
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def read_table(data):
    """(key, value) of every record, in order.

    Raises:
        ValueError: damaged, or far more than a checkpoint's index.
    """
    if len(data) < _FOOTER_SIZE:
        raise ValueError("the file is too short")
    footer = data[-_FOOTER_SIZE:]
    if struct.unpack("<Q", footer[-8:])[0] != _MAGIC:
        raise ValueError("the magic number at its end is wrong")
    _, position = read_varint(footer, 0)
    _, position = read_varint(footer, position)
    offset, position = read_varint(footer, position)
    size, _ = read_varint(footer, position)
    before, count, total = None, 0, 0
    for _, handle in _read_block(data, offset, size):
        block_offset, position = read_varint(handle, 0)
        block_size, _ = read_varint(handle, position)
        for key, value in _read_block(data, block_offset, block_size):
            if before is not None and key <= before:
                raise ValueError("its records are out of order")
            before, count, total = key, count + 1, total + len(key) + len(value)
            if count > _MOST_RECORDS or total > _LARGEST_CONTENT:
                raise ValueError("it has more records than any checkpoint")
            yield key, value


def _read_block(data, offset, size):
    """(key, value) of every record of one block, at least one; keys share prefixes."""
    block, trailer = data[offset : offset + size], data[offset + size : offset + size + 5]
    if len(block) != size or len(trailer) != 5:
        raise ValueError("a block reaches past the end of the file")
    kind, checksum = struct.unpack("<BI", trailer)
    if mask(crc32c(block + trailer[:1])) != checksum:
        raise ValueError("a block has a wrong checksum")
    if kind == _SNAPPY:
        block = decompress(block, _LARGEST_BLOCK)
    elif kind != _RAW:
        raise ValueError(f"its blocks are compressed by an unknown method ({kind})")
    if len(block) < 4:
        raise ValueError("a block is too short")
    restarts = struct.unpack("<I", block[-4:])[0]
    end = len(block) - 4 - 4 * restarts
    if end <= 0:  # a block that is read again and again must at least be out of order
        raise ValueError("a block has no records")
    position, key = 0, b""
    while position < end:
        shared, position = read_varint(block, position)
        fresh, position = read_varint(block, position)
        length, position = read_varint(block, position)
        if shared > len(key) or position + fresh + length > end:
            raise ValueError("a record reaches past its block")
        if shared + fresh > _LONGEST_KEY:
            raise ValueError(f"a key has {shared + fresh} bytes")
        key = key[:shared] + block[position : position + fresh]
        position += fresh
        yield key, block[position : position + length]
        position += length


def write_table(pairs):
    """The bytes of a table, uncompressed.

    Args:
        pairs: (key, value) in bytes, sorted by key, at least one.
    """
    out = bytearray()

    def add(records):
        content = _block(records)
        handle = varint(len(out)) + varint(len(content))
        out.extend(content + b"\0" + struct.pack("<I", mask(crc32c(content + b"\0"))))
        return handle

    index, waiting, size = [], [], 0
    for key, value in pairs:
        waiting.append((key, value))
        size += len(key) + len(value)
        if size >= _BLOCK_SIZE:
            index.append((key, add(waiting)))
            waiting, size = [], 0
    if waiting:
        index.append((waiting[-1][0], add(waiting)))
    footer = add([]) + add(index)  # an empty block of metadata, and the index
    return bytes(out) + footer.ljust(_FOOTER_SIZE - 8, b"\0") + struct.pack("<Q", _MAGIC)


def _block(records):
    out, restarts, before = bytearray(), [], b""
    for number, (key, value) in enumerate(records):
        shared = 0
        if number % _RESTART_EVERY == 0:
            restarts.append(len(out))
        else:
            longest = min(len(key), len(before))
            while shared < longest and key[shared] == before[shared]:
                shared += 1
        out += varint(shared) + varint(len(key) - shared) + varint(len(value))
        out += key[shared:] + value
        before = key
    restarts = restarts or [0]
    return bytes(out) + struct.pack(f"<{len(restarts) + 1}I", *restarts, len(restarts))
