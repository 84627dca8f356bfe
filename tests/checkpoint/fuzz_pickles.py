"""Ways of breaking the pickles of PyTorch and Paddle, and pickles that would run code.

A hostile pickle must leave no file behind that `marker` names: that file is made by whatever is
run out of it.
"""

import os
import pickle
import struct
import tempfile

from fuzz_bytes import HUGE, ODD_NAMES, mutate_bytes
from fuzz_samples import read_pickles

from paddle_electra.checkpoint import pickles

_CALLABLES = (
    ("os", "system"),
    ("posix", "system"),
    ("builtins", "eval"),
    ("builtins", "exec"),
    ("__builtin__", "eval"),
    ("builtins", "getattr"),
    ("builtins", "open"),
    ("subprocess", "Popen"),
    ("numpy", "load"),
    ("numpy", "zeros"),
    ("numpy", "ndarray"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy.testing._private.utils", "runstring"),
    ("torch", "load"),
    ("torch", "LongStorage"),
    ("torch", "HalfStorage"),
    ("torch.hub", "load"),
    ("torch._utils", "_rebuild_tensor"),
    ("torch._utils", "_rebuild_parameter"),
    ("torch._utils", "_rebuild_sparse_tensor"),
    ("collections", "OrderedDict"),
    ("_codecs", "encode"),
    ("codecs", "decode"),
    ("a\x1bb", "c d"),
)


def marker():
    """The file that code run from a pickle would make."""
    return os.path.join(tempfile.gettempdir(), "code-was-run")


def hostile(way):
    """A pickle, without its STOP, that makes the file `marker` when it is run ordinarily.

    Args:
        way: "reduce", "global", "build", "inst", "obj", "newobj", "newobj_ex" or "persistent".
    """
    order = f"open({marker()!r}, 'w').close()"
    text = pickle.BINUNICODE + struct.pack("<I", len(order)) + order.encode()
    run = pickles.name("builtins", "exec")
    if way == "reduce":
        return run + text + pickle.TUPLE1 + pickle.REDUCE
    if way == "global":
        names = b"\x8c\x08builtins" + b"\x8c\x04exec"
        return names + pickle.STACK_GLOBAL + text + pickle.TUPLE1 + pickle.REDUCE
    if way == "build":  # a class whose state setter is what runs
        state = b"}\x8c\x0c__setstate__" + run + b"s"
        made = pickles.name("types", "SimpleNamespace") + b")\x81"
        return made + state + pickle.BUILD + text + pickle.BUILD
    if way == "inst":
        return pickle.MARK + text + pickle.INST + b"builtins\nexec\n"
    if way == "obj":
        return pickle.MARK + run + text + pickle.OBJ
    if way == "newobj":
        return run + text + pickle.TUPLE1 + pickle.NEWOBJ
    if way == "newobj_ex":
        return run + text + pickle.TUPLE1 + pickle.EMPTY_DICT + pickle.NEWOBJ_EX
    return run + text + pickle.TUPLE1 + pickle.REDUCE + pickle.BINPERSID


WAYS = ("reduce", "global", "build", "inst", "obj", "newobj", "newobj_ex", "persistent")


def bombs():
    """{what: instructions} that want far more memory or time than they have bytes."""
    laughs = b"".join(b"h" + bytes([n]) + b"h" + bytes([n]) + b"\x86q" + bytes([n + 1])
                      for n in range(60))  # fmt: skip
    text = b"X" + struct.pack("<I", 20_000) + b"a" * 20_000 + b"q\x01"
    encode = b"c_codecs\nencode\nq\x02X\x06\0\0\0latin1q\x03"
    return {
        "a pair of pairs of pairs": b")q\0" + laughs,
        "many dicts": b"}" * 200_000,
        "many lists in a memo": b"".join(b"]\x94" for _ in range(50_000)),
        "deep tuples": b")" + b"\x85" * 50_000,
        "one text encoded many times": text + encode + b"h\x02h\x01h\x03\x86R" * 3000,
        "long text": b"\x8d" + struct.pack("<Q", 1 << 40),
        "long text that is there": b"X" + struct.pack("<I", 80_004) + b"a" * 80_000
        + "\U0001f600".encode(),
        "long bytes": b"\x8e" + struct.pack("<Q", 1 << 62),
        "negative text": b"T" + struct.pack("<i", -5),
        "long number": b"\x8b" + struct.pack("<i", 3000) + b"\x7f" * 3000,
        "very long number": b"\x8b" + struct.pack("<i", 2**31 - 1),
        "a line without an end": b"I" + b"9" * 100_000,
        "a number in many digits": b"L" + b"9" * 4000 + b"L\n",
        "a memo far away": b"}r\xff\xff\xff\xff" * 50,
        "a frame too long": b"\x95" + struct.pack("<Q", 2**64 - 1),
        "a bytearray": b"\x96" + struct.pack("<Q", 2**63),
        "marks": b"(" * 50_000 + b"t" * 50_000,
    }  # fmt: skip


BOMBS = bombs()


def mutate_pickles(data, rng):
    """One instruction of the pickles that ``data`` begins with; what follows them stays."""
    streams = read_pickles(data)
    rest = data[sum(len(raw) for stream in streams for _, _, raw in stream) :]
    number = max(range(len(streams)), key=lambda n: len(streams[n]))
    if rng.random() < 0.15:
        number = rng.randrange(len(streams))
    stream = streams[number]
    place = rng.randrange(len(stream))
    raw, what = _instruction(stream, place, rng)
    before = b"".join(raw for stream in streams[:number] for _, _, raw in stream)
    before += b"".join(raw for _, _, raw in stream[:place])
    after = b"".join(raw for _, _, raw in stream[place + 1 :])
    after += b"".join(raw for stream in streams[number + 1 :] for _, _, raw in stream)
    return before + raw + after + rest, f"pickle {number}, instruction {place}: {what}"


def _instruction(stream, place, rng):
    """What stands in place of one instruction."""
    name, argument, raw = stream[place]
    what = rng.choice(("drop", "twice", "value", "value", "value", "value", "run", "bomb", "bytes"))
    if what == "drop":
        return b"", f"{name} dropped"
    if what == "twice":
        return raw * 2, f"{name} twice"
    if what == "run":
        way = rng.choice(WAYS)
        return rng.choice((raw, b"")) + hostile(way), f"after {name}: code by {way}"
    if what == "bomb":
        what = rng.choice(list(BOMBS))
        return rng.choice((raw, b"")) + BOMBS[what], f"after {name}: {what}"
    if what == "bytes" and len(raw) < 200:
        raw, what = mutate_bytes(raw, rng)
        return raw, f"in {name}: {what}"
    if isinstance(argument, bool) or argument is None:
        raw = rng.choice((b"\x88", b"\x89", b"N", b")", b"]", b"}", b"K\1", b"(", b"0", b"2", b"."))
        return raw, f"{name} -> {raw!r}"
    if isinstance(argument, int):
        new = rng.choice((*HUGE, -1, argument + 1, argument - 1, argument * 2, 2**70, -(2**200)))
        return _number(name, new, rng), f"{name} {argument} -> {new}"
    if name == "GLOBAL":
        module, attribute = rng.choice(_CALLABLES)
        return pickles.name(module, attribute), f"{argument!r} -> {module!r} {attribute!r}"
    return _text(name, argument, raw, rng)


def _number(name, new, rng):
    """An instruction for a number; of another kind, or a memo's where it was one."""
    if name in ("BINPUT", "BINGET"):
        return raw_memo(name, new % 256)
    if name in ("PROTO", "FRAME"):
        return b"\x80" + bytes([new % 256])
    data = new.to_bytes(32, "little", signed=True)
    odd = (b"G" + struct.pack(">d", 2.5), b"K\3", b"\x88", b"N", b"X\1\0\0\0" + b"7", b")")
    return rng.choice((b"\x8a\x20" + data, b"\x8a\x20" + data, b"\x8a\x20" + data, *odd))


def raw_memo(name, number):
    return (b"q" if name == "BINPUT" else b"h") + bytes([number])


def _text(name, argument, raw, rng):
    """Another text in place of one, or a length that is not its own."""
    if isinstance(argument, bytes) or len(argument) > 300:
        size = rng.choice((*HUGE[:5], len(argument) + 1, len(argument) - 1))
        width = 8 if name.endswith("8") else 1 if name.startswith("SHORT") else 4
        size %= 1 << 8 * width
        return raw[:1] + size.to_bytes(width, "little") + raw[1 + width :], f"{name} of {size}"
    odd = (*ODD_NAMES, argument + "x", argument[:-1], argument.replace("0", "1"), "f8", "i4", "<")
    new = rng.choice((*odd, ">", "cuda:0", "\ud800", argument.replace("1", "2"), "1"))
    data = new.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(data)) + data, f"{argument!r} -> {new[:60]!r}"
