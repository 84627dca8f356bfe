"""Ways of breaking a file: bytes of any file, and the structure of each format.

Every function takes ``(data, rng)`` or more and returns ``(data, what was done)``.  What makes a
sound file of another model is not done here, see `fuzzing`.
"""

import json
import math
import struct

from bundle_writer import block, field, varint
from fuzz_bytes import HUGE, ODD_NAMES, mutate_bytes
from fuzz_pickles import mutate_pickles
from fuzz_samples import (
    safetensors_bytes,
    seal,
    seal_index,
    snappy,
    write_table,
)
from fuzz_zips import mutate_torch_zip, mutate_zip

from paddle_electra.checkpoint.sstable import read_table, read_varint


def mutate(sample, originals, rng):
    """Break one file of a sample.

    Args:
        originals: {target: its bytes}.
    Returns:
        (target, its new bytes, what was done).
    """
    target = rng.choice(sample.targets)
    data = originals[target]
    structured = _STRUCTURED.get(sample.family)
    if target.endswith(".index.json"):
        structured = mutate_weight_map
    elif target == "checkpoint":
        structured = mutate_state_file
    if structured is not None and rng.random() < 0.6:
        changed, what = structured(data, rng)
    else:
        changed, what = mutate_bytes(data, rng, sample.areas.get(target, ()))
        twice, also = mutate_bytes(changed, rng)
        # Where bytes also move, nobody could say which numbers may have changed.
        if rng.random() < 0.1 and len(data) == len(changed) == len(twice):
            changed, what = twice, f"{what}; {also}"
    return target, changed, what


# TensorFlow's index, with right checksums of its blocks


def mutate_index(data, rng):
    pairs = list(read_table(data))
    what = rng.choice(
        ("entry", "entry", "entry", "name", "drop", "header", "block", "block", "snappy", "handles")
    )
    number = rng.randrange(1, len(pairs))
    key, value = pairs[number]
    shown = key.decode()
    if what == "entry":
        value, what = mutate_entry(value, rng)
        pairs[number] = (key, value)
        what = f"entry {shown!r}: {what}"
    elif what == "name":
        new = rng.choice((*ODD_NAMES, _other_name(shown, rng))).encode()
        new = rng.choice((new, new, new, b"\xff" + key))
        if new not in dict(pairs):
            pairs[number] = (new, value)
            pairs[1:] = sorted(pairs[1:])
        what = f"entry {shown!r} called {new[:60]!r}"
    elif what == "drop":
        dropped = set(rng.sample(range(len(pairs)), rng.choice((1, 1, 2))))
        pairs = [pair for place, pair in enumerate(pairs) if place not in dropped]
        what = f"entries {sorted(dropped)} dropped"
    elif what == "header":
        pairs[0] = (b"", _header(rng))
        what = f"header {pairs[0][1]!r}"
    else:
        return _BLOCKS[what](pairs, rng)
    return write_table(pairs, rng.choice((1, 5, 16, 1000)), rng.choice((b"\0", b"\1"))), what


def _header(rng):
    shards = rng.choice((field(1, 0), field(1, 2), field(1, 2**63), field(1, b"x"), b"", b"\x0d"))
    order = rng.choice((b"", field(2, 1), field(2, b"")))
    return shards + order + rng.choice((b"", field(3, field(1, 1)), b"\xff\xff"))


def read_fields(data):
    """[(number, value)] of a sound protocol buffer; fixed numbers as bytes of length 4 or 8."""
    found, place = [], 0
    while place < len(data):
        tag, place = read_varint(data, place)
        if tag & 7 == 2:
            size, place = read_varint(data, place)
            found.append((tag, data[place : place + size]))
            place += size
        elif tag & 7 == 0:
            value, place = read_varint(data, place)
            found.append((tag, value))
        else:
            found.append((tag, data[place : place + 4]))
            place += 4
    return found


def write_fields(fields):
    out = b""
    for tag, value in fields:
        if isinstance(value, int):
            out += varint(tag & ~7) + varint(value)
        else:
            out += varint(tag) + (varint(len(value)) if tag & 7 == 2 else b"") + value
    return out


def mutate_entry(data, rng):
    """One field of a tensor's description: type 1, shape 2, shard 3, offset 4, size 5, crc 6."""
    fields = read_fields(data)
    number = rng.randrange(len(fields))
    tag, value = fields[number]
    what = rng.choice(("drop", "twice", "change", "change", "change", "change", "bytes", "slices"))
    if what == "drop":
        del fields[number]
    elif what == "twice":
        other = (tag, value + 1) if isinstance(value, int) else (tag, value)
        fields.insert(rng.choice((number, number + 1)), other)
    elif what == "bytes":
        fields[number] = (tag & ~7 | 2, b"text")
    elif what == "slices":
        fields.append((7 << 3 | 2, b""))
    elif isinstance(value, int):
        new = rng.choice((*HUGE, 3, 14, 19, value * 2, value - 1 if value else 7, value + 1))
        fields[number] = (tag, new)
        what = f"{value} -> {new}"
    elif tag >> 3 == 2:
        sizes = [dict(read_fields(size))[8] for _, size in read_fields(value)]
        sizes = _other_shape(sizes, rng)
        sizes = [size % (1 << 64) for size in sizes if type(size) is int]
        fields[number] = (tag, b"".join(field(2, field(1, size)) for size in sizes))
        what = f"shape {sizes[:5]}"
    else:
        fields[number] = (tag, rng.randbytes(4))
    return write_fields(fields), f"field {tag >> 3}, {what}"


def _other_shape(sizes, rng):
    """A shape that is not this one."""
    sizes = list(sizes)
    place = rng.randrange(len(sizes)) if sizes else 0
    choice = rng.randrange(7)
    if choice == 0 and len(sizes) == 2 and sizes[0] != sizes[1]:
        return sizes[::-1]
    if choice == 1:
        return [*sizes, 1]
    if choice == 2:
        return [1, *sizes]
    if choice == 3:
        return [1] * 3000 + sizes
    if choice == 4 and len(sizes) == 2 and sizes[0] % 2 == 0:
        return [sizes[0] // 2, sizes[1] * 2]
    if choice == 5:
        count = 1
        for size in sizes:
            count *= size
        return [count] if len(sizes) != 1 else [count // 2, 2]
    if not sizes:
        return [1]
    new = rng.choice((*HUGE, -1, sizes[place] + 1, sizes[place] - 1, 2**40))
    sizes[place] = new if new != sizes[place] else new + 1
    return sizes


def _other_name(name, rng):
    place = rng.randrange(len(name)) if name else 0
    return rng.choice(
        (
            name[:place] + rng.choice("0129abXyz_./") + name[place + 1 :],
            name[:place] + name[place + 1 :],
            name + ".",
            name.replace("0", "1"),
            name.replace("1", "2"),
            name.replace("electra", "bert"),
            name.replace("electra", "generator", 1),
            name.upper(),
        )
    )


def _mutated_block(pairs, rng):
    """A damaged block with a right checksum."""
    groups = [pairs[at : at + 16] for at in range(0, len(pairs), 16)]
    contents = [block(group) for group in groups]
    number = rng.randrange(len(contents))
    contents[number], what = mutate_bytes(contents[number], rng)
    if rng.random() < 0.2:  # the number of restarts
        number = rng.choice((0, 1, 2**31, 2**32 - 1, 10))
        contents[0] = contents[0][:-4] + struct.pack("<I", number)
    return seal(contents, [group[-1][0] for group in groups]), f"in block {number}: {what}"


def _mutated_snappy(pairs, rng):
    contents = [snappy(block(pairs))]
    contents[0], what = mutate_bytes(contents[0], rng)
    if rng.random() < 0.2:  # the length it claims
        claimed = varint(rng.choice((0, 1, 2**24, 2**28, 2**32 - 1, 2**40)))
        contents[0] = claimed + contents[0][2:]
    return seal(contents, [pairs[-1][0]], b"\1"), f"in the compressed block: {what}"


def _mutated_handles(pairs, rng):
    """An index that points to blocks that overlap, repeat, are itself, or are not there."""
    whole = seal([block(pairs[:20]), block(pairs[20:])], [pairs[19][0], pairs[-1][0]])
    blocks = whole[: len(block(pairs[:20])) + len(block(pairs[20:])) + 10]
    right = [varint(0) + varint(len(block(pairs[:20])))]
    right.append(varint(len(block(pairs[:20])) + 5) + varint(len(block(pairs[20:]))))
    odd = rng.choice(
        (
            [right[0]] * 500,
            right[::-1],
            right[:1],
            [*right, right[1]],
            [*right, varint(2**63) + varint(1)],
            [*right, varint(0) + varint(2**60)],
            [*right, b""],
            [b"\xff" * 12],
            [*right, varint(len(blocks)) + varint(8)] * 200,
        )
    )
    records = [(b"%05d" % number, handle) for number, handle in enumerate(odd)]
    return seal_index(blocks, records), f"{len(odd)} handles: {odd[:3]}"


_BLOCKS = {"block": _mutated_block, "snappy": _mutated_snappy, "handles": _mutated_handles}


def mutate_state_file(data, rng):
    name = rng.choice((*ODD_NAMES, "nowhere", "electra.index", "a\ud800"))
    name = name.encode("utf-8", "surrogatepass")
    return b'model_checkpoint_path: "%s"\n' % name, f"state file names {name[:60]!r}"


# safetensors


def mutate_safetensors(data, rng):
    (size,) = struct.unpack("<Q", data[:8])
    header, numbers = json.loads(data[8 : 8 + size]), data[8 + size :]
    change = rng.choice(
        (_st_entry, _st_entry, _st_entry, _st_name, _st_two, _st_text, _st_length, _st_metadata)
    )
    return change(header, numbers, rng)


def _dump(header):
    return json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode(
        "utf-8", "surrogatepass"
    )


def _pick(header, rng):
    return rng.choice([name for name in header if name != "__metadata__"])


def _st_entry(header, numbers, rng):
    name = _pick(header, rng)
    entry = header[name]
    what = rng.choice(("dtype", "shape", "shape", "data_offsets", "data_offsets", "form", "drop"))
    if what == "dtype":
        kinds = ("F32", "I32", "U32", "F64", "F16", "I64", "U8", "F4", "F8_E4M3", "C64", "x\ny", 1)
        entry["dtype"] = rng.choice([kind for kind in kinds if kind != entry["dtype"]])
        what = f"type {entry['dtype']!r}"
        if header[name]["dtype"] == "F16" and "BF16" in str(header):
            entry["dtype"] = "I16"  # see the module's docstring
    elif what == "shape":
        entry["shape"] = _other_shape(entry["shape"], rng)
        what = f"shape {entry['shape'][:5]}"
    elif what == "data_offsets":
        begin, end = entry["data_offsets"]
        step = rng.choice((1, 2, 4, 48, 2**31, 2**62))
        changes = ([begin + step, end + step], [begin - step, end - step], [begin, end + step])
        changes += ([begin + step, end], [end, begin], [begin], [begin, end, end], [0, end - begin])
        entry["data_offsets"] = rng.choice(changes)
        what = f"offsets {[begin, end]} -> {entry['data_offsets']}"
    elif what == "drop":
        del header[name]
        what = "dropped"
    else:
        odd = (list(entry.values()), None, [], {}, "x", 3, {**entry, "more": 1}, {"dtype": "F32"})
        header[name] = rng.choice(odd)
        what = f"written as {str(header[name])[:60]}"
    return safetensors_bytes(_dump(header), numbers), f"{name}: {what}"


def _st_name(header, numbers, rng):
    name = _pick(header, rng)
    new = rng.choice((*ODD_NAMES, _other_name(name, rng), "a\ud800"))
    if new not in header:
        header = {new if key == name else key: value for key, value in header.items()}
    return safetensors_bytes(_dump(header), numbers), f"{name} called {new[:60]!r}"


def _st_two(header, numbers, rng):
    """Two tensors of different sizes exchange where they lie, or one takes the other's place."""
    one, other = header[_pick(header, rng)], header[_pick(header, rng)]
    if math.prod(one["shape"]) != math.prod(other["shape"]):
        if rng.random() < 0.5:
            one["data_offsets"], other["data_offsets"] = other["data_offsets"], one["data_offsets"]
        else:
            one["data_offsets"] = other["data_offsets"]
    return safetensors_bytes(_dump(header), numbers), "offsets of two tensors"


def _st_text(header, numbers, rng):
    text = _dump(header)
    what = rng.choice(("deep", "huge", "twice", "number", "bytes", "utf-16", "spaces", "float"))
    name = _pick(header, rng)
    mine = _dump({name: header[name]})[1:-1]
    if what == "deep":
        text = text[:-1] + b',"x":' + b"[" * 20_000 + b"]" * 20_000 + b"}"
    elif what == "huge":
        text = text.replace(b'"shape":[', b'"shape":[' + b"9" * 6000 + b",", 1)
    elif what == "twice":
        changed = mine.replace(b'"shape":[', b'"shape":[2,', 1)
        text = text.replace(mine, rng.choice((mine + b"," + changed, changed + b"," + mine)))
    elif what == "number":
        text = text.replace(b"0,", rng.choice((b"-0,", b"1e0,", b"true,", b"NaN,", b"01,")), 1)
    elif what == "bytes":
        text, what = mutate_bytes(text, rng)
    elif what == "utf-16":
        text = text.decode().encode("utf-16")
    elif what == "float":
        text = text.replace(b"]", b".0]", 1)
    else:
        odd = (text + b" " * 5000, b" " * 5 + text, text + b"\0", b"\xef\xbb\xbf" + text)
        text = rng.choice(odd)
    return safetensors_bytes(text, numbers), f"header: {what}"


def _st_length(header, numbers, rng):
    text = _dump(header)
    claimed = rng.choice((0, 1, len(text) - 1, len(text) + 1, len(text) * 2, 2**63, 2**64 - 1))
    claimed = rng.choice((claimed, 99_999_999, 1 << 24))
    return struct.pack("<Q", claimed) + text + numbers, f"header claims {claimed} bytes"


def _st_metadata(header, numbers, rng):
    kept = dict(header.get("__metadata__") or {"format": "pt"})
    key = rng.choice(list(kept))
    odd = ({}, None, [], "x", {key: 1}, {**kept, key: "00000000"}, {**kept, "more": "x\n" * 9})
    odd += ({k: v for k, v in kept.items() if k != key}, {**kept, "crc32 of nothing": "12345678"})
    header = {**header, "__metadata__": rng.choice(odd)}
    return safetensors_bytes(_dump(header), numbers), f"metadata, {key!r}"


def mutate_weight_map(data, rng):
    """The index of shards."""
    index = json.loads(data)
    where = index["weight_map"]
    name = rng.choice(list(where))
    files = sorted(set(where.values()))
    odd = (*ODD_NAMES, "a\ud800", *files, "config.json", 3, None, [])
    what = rng.choice(("file", "file", "name", "drop", "form", "text"))
    if what == "file":
        where[name] = rng.choice(odd)
        what = f"{name} in {str(where[name])[:60]!r}"
    elif what == "name":
        new = rng.choice((*ODD_NAMES, _other_name(name, rng)))
        where[new] = where.pop(name)
        what = f"{name} called {new[:60]!r}"
    elif what == "drop":
        del where[name]
    elif what == "form":
        index["weight_map"] = rng.choice((None, [], {}, "x", {name: where[name]}, list(where)))
    else:
        text = json.dumps(index)
        digits = text.replace(":", ": " + "9" * 6000 + ",", 1)
        return rng.choice(
            (text[:-1], "[" * 50_000, digits, "\ufeff" + text)
        ).encode(), "index: text"
    return json.dumps(index).encode(), f"index: {what}"


_STRUCTURED = {
    "sstable": mutate_index,
    "safetensors": mutate_safetensors,
    "pickle": mutate_pickles,
    "torch zip": mutate_torch_zip,
    "zip": mutate_zip,
}
