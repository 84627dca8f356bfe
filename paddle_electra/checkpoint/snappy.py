"""Decompression of a raw Snappy block, as LevelDB's tables may hold them.

Format: google/snappy, format_description.txt.
"""


def decompress(data, limit):
    """The content of a block.

    Args:
        data: bytes of the block: its length as a varint, then literals and copies.
        limit: the longest content accepted, in bytes.
    Raises:
        ValueError: damaged, or longer than ``limit``.
    """
    length, position = _length(data)
    if length > limit:
        raise ValueError(f"a compressed block claims {length} bytes")
    out = bytearray()
    while position < len(data):
        tag = data[position]
        position += 1
        if tag & 3 == 0:
            size, position = _literal_size(data, position, tag >> 2)
            piece = data[position : position + size]
            if len(piece) != size:
                raise ValueError("a compressed block is cut short")
            position += size
            out += piece
        else:
            size, offset, position = _copy(data, position, tag)
            if not 0 < offset <= len(out):
                raise ValueError("a compressed block refers to what is not there")
            # A copy may reach into what it writes: the last ``offset`` bytes over and over.
            source = out[-offset:] if offset <= size else out[-offset : len(out) - offset + size]
            out += (source * (size // len(source) + 1))[:size]
        if len(out) > length:
            raise ValueError("a compressed block is longer than it says")
    if len(out) != length:
        raise ValueError("a compressed block is shorter than it says")
    return bytes(out)


def _length(data):
    value = 0
    for place in range(5):
        if place >= len(data):
            break
        value |= (data[place] & 0x7F) << (7 * place)
        if data[place] < 0x80:
            return value, place + 1
    raise ValueError("a compressed block does not say how long it is")


def _literal_size(data, position, code):
    if code < 60:
        return code + 1, position
    width = code - 59
    return _number(data, position, width) + 1, position + width


def _copy(data, position, tag):
    """(size, offset, next position) of a copy."""
    if tag & 3 == 1:
        return (tag >> 2 & 7) + 4, (tag >> 5) << 8 | _number(data, position, 1), position + 1
    width = 2 if tag & 3 == 2 else 4
    return (tag >> 2) + 1, _number(data, position, width), position + width


def _number(data, position, width):
    piece = data[position : position + width]
    if len(piece) != width:
        raise ValueError("a compressed block is cut short")
    return int.from_bytes(piece, "little")
