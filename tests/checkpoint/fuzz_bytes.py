"""Ways of breaking bytes that know nothing of the format, and odd values for those that do."""

HUGE = (0, 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1)
# What a hostile file may put where a name belongs.
ODD_NAMES = (
    "",
    "\n",
    "a\nb",
    "\r\x1b[31mred",
    "\0",
    "..",
    "../../../etc/passwd",
    "/etc/passwd",
    "C:\\x",
    "x" * 300,
    "x" * 70_000,
    "电" * 5000,
    "\u2028",
    "\x85",
    "electra.encoder.layer." + "9" * 5000 + ".output.dense.bias",
    "electra/encoder/layer_" + "9" * 5000 + "/output/dense/bias",
    "electra.encoder.layers." + "9" * 5000 + ".linear1.bias",
    "electra.encoder.layer.\u0663.output.dense.bias",
    "generator_lm_head.weight",
    "__metadata__",
    "StructuredToParameterName@@",
    "UnpackBigParamInfor@@",
    "state_dict",
)


def mutate_bytes(data, rng, areas=()):
    """A change that knows nothing of the format; mostly outside the ``areas`` of raw numbers."""
    place = rng.randrange(len(data) + 1) if data else 0
    for _ in range(3 if rng.random() < 0.8 else 0):
        if any(begin <= place < end for begin, end in areas):
            place = rng.randrange(len(data) + 1)
    return rng.choice(_BYTES)(data, rng, min(place, max(len(data) - 1, 0)))


def _flip(data, rng, place):
    changed, count = bytearray(data or b"\0"), rng.choice((1, 1, 1, 2, 4))
    places = [place] + [rng.randrange(len(changed)) for _ in range(count - 1)]
    for each in places:
        changed[each] ^= 1 << rng.randrange(8)
    return bytes(changed), f"bits flipped in bytes {places}"


def _set(data, rng, place):
    value = rng.choice((0, 1, 0x7F, 0x80, 0xFF, 0x0A, 0x2E, rng.randrange(256)))
    return data[:place] + bytes([value]) + data[place + 1 :], f"byte {place} set to {value}"


def _truncate(data, rng, place):
    return data[:place], f"cut at {place}"


def _truncate_front(data, rng, place):
    return data[place:], f"the first {place} bytes taken away"


def _extend(data, rng, place):
    more = rng.choice((b"\0", rng.randbytes(8), data[:64])) * rng.choice((1, 8, 100))
    return data + more, f"{len(more)} bytes added"


def _size(rng):
    return rng.choice((1, 2, 4, 8, rng.randrange(1, 200)))


def _delete(data, rng, place):
    size = _size(rng)
    return data[:place] + data[place + size :], f"{size} bytes deleted at {place}"


def _insert(data, rng, place):
    more = rng.randbytes(_size(rng))
    return data[:place] + more + data[place:], f"{len(more)} bytes inserted at {place}"


def _duplicate(data, rng, place):
    size = _size(rng)
    piece = data[place : place + size]
    return data[:place] + piece + data[place:], f"{size} bytes at {place} twice"


def _zero(data, rng, place):
    size = _size(rng)
    return (
        data[:place] + bytes(len(data[place : place + size])) + data[place + size :],
        f"{size} bytes at {place} zeroed",
    )


def _copy(data, rng, place):
    size, source = _size(rng), rng.randrange(len(data) or 1)
    piece = data[source : source + size]
    return (
        data[:place] + piece + data[place + len(piece) :],
        f"{size} bytes of {source} written over those at {place}",
    )


def _number(data, rng, place):
    width, order = rng.choice((1, 2, 4, 8)), rng.choice(("little", "little", "big"))
    old = int.from_bytes(data[place : place + width], order)
    new = rng.choice((*HUGE, old - 1, old + 1, old * 2, old << 8, rng.getrandbits(64)))
    new %= 1 << 8 * width
    return (
        data[:place] + new.to_bytes(width, order) + data[place + width :],
        f"number of {width} bytes at {place}: {old} -> {new}",
    )


_BYTES = (
    _flip,
    _flip,
    _flip,
    _set,
    _truncate,
    _truncate_front,
    _extend,
    _delete,
    _insert,
    _duplicate,
    _zero,
    _copy,
    _number,
    _number,
)
