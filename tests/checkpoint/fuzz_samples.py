"""Small sound checkpoints of every kind, for `fuzzing` to break.

One model with random weights is written by our own writers, and by small writers here for what
they do not write: PyTorch's legacy layout, Paddle's protocol 2, bfloat16, TensorFlow indexes of
several blocks and of blocks compressed with Snappy.
"""

import io
import itertools
import json
import pickle
import pickletools
import shutil
import struct
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from bundle_writer import block, masked, varint, write_bundle
from models import random_checkpoint

from paddle_electra.checkpoint import folders, names, native, original, pickles, torch_file
from paddle_electra.checkpoint.foreign import export_half
from paddle_electra.checkpoint.native import with_embeddings
from paddle_electra.checkpoint.sstable import read_table

HALVES = names.HALVES
LEGACY_MAGIC, LEGACY_PROTOCOL = 0x1950A86A20F9469CFC6C, 1001


class Sample(NamedTuple):
    """A sound checkpoint.

    Attributes:
        kind: its name in reports.
        family: which mutations of structure fit its files.
        folder: where it lies.
        opened: what `checkpoint.load` is given, below the folder; "" for the folder itself.
        targets: the files that are mutated, below the folder.
        areas: {target: [(begin, end)]}: raw numbers that no checksum covers.
        wanted: {half: {our name: array}}, the generator with its embeddings.
    """

    kind: str
    family: str
    folder: Path
    opened: str
    targets: tuple
    areas: dict
    wanted: dict


def make_samples(root):
    """{kind: `Sample`} of all kinds, written below ``root``."""
    root.mkdir(parents=True, exist_ok=True)
    tied = random_checkpoint(root)
    untied = random_checkpoint(root, tied_embeddings=False)
    found = [
        _tensorflow(root, "TF index", tied, 0, b"\0"),
        _tensorflow(root, "TF index, blocks", untied, 9, b"\0"),
        _tensorflow(root, "TF index, Snappy", tied, 30, b"\1"),
        _tensorflow_data(root, "TF data", tied, 1),
        _tensorflow_data(root, "TF data, shards", untied, 3),
        _native(root, "ours", tied),
        _huggingface(root, "safetensors", untied),
        _bfloat16_shards(root, "safetensors, shards", tied),
        _torch(root, "bin, zip", tied, torch_file.write, "torch zip"),
        _torch(root, "bin, legacy", untied, write_legacy, "pickle"),
        _paddle(root, "pdparams", tied, None),
        _paddle(root, "pdparams, protocol 2", untied, 2),
        _zip(root, "zip, deflated", tied, zipfile.ZIP_DEFLATED, original.write),
        _zip(root, "zip, stored", untied, zipfile.ZIP_STORED, _write_torch_pair),
    ]
    return {sample.kind: sample for sample in found}


def _wanted(model):
    whole = {half: dict(getattr(model, half)) for half in HALVES}
    if model.config.tied_embeddings:
        whole["generator"] = dict(with_embeddings(*reversed(whole.values())).items())
    return whole


def _place(root, kind):
    folder = root / kind.replace(", ", "-").replace(" ", "-")
    folder.mkdir()
    return folder


def _exported(model, column):
    return {half: dict(export_half(model, half, column, True).items()) for half in HALVES}


# TensorFlow


def _tensorflow(root, kind, model, per_block, compression):
    """Our writer's index; with ``per_block``, rewritten in blocks, and without the configs."""
    folder = _place(root, kind)
    original.write(folder, model)
    (index,) = folder.glob("*.index")
    if per_block:
        index.write_bytes(write_table(read_table(index.read_bytes()), per_block, compression))
        for config in folder.glob("*.json"):
            config.unlink()
    targets = (index.name, "checkpoint")
    return Sample(kind, "sstable", folder, "", targets, {}, _wanted(model))


def _tensorflow_data(root, kind, model, shards):
    """As training leaves it: optimizer slots and a step beside the weights."""
    folder = _place(root, kind)
    original.write(folder, model)
    (index,) = folder.glob("*.index")
    prefix = index.with_suffix("")
    for file in folder.glob(f"{prefix.name}.*"):
        file.unlink()
    tensors = {}
    for half in HALVES:
        tied = half == "generator" and model.config.tied_embeddings
        tensors |= export_half(model, half, "tensorflow", not tied)
    slots = {f"{name}/adam_m": array * 0 for name, array in list(tensors.items())[::4]}
    step = {"global_step": np.array(40, "int64")}
    write_bundle(prefix, {**tensors, **slots, **step}, shards)
    targets = tuple(sorted(path.name for path in folder.glob("*.data-*")))
    return Sample(kind, "bytes", folder, "", targets, {}, _wanted(model))


def write_table(pairs, per_block=16, compression=b"\0"):
    """The bytes of an SSTable with ``per_block`` records in a block."""
    pairs = list(pairs)
    groups = [pairs[at : at + per_block] for at in range(0, len(pairs), per_block)]
    contents = [block(group) for group in groups]
    if compression == b"\1":
        contents = [snappy(content) for content in contents]
    return seal(contents, [group[-1][0] for group in groups], compression)


def seal(contents, keys, compression=b"\0"):
    """The bytes of an SSTable of these blocks, with right checksums; ``keys``: the last of each."""
    out, handles = bytearray(), []
    for content in contents:
        handles.append(_add_block(out, content, compression))
    return bytes(out) + seal_index(bytes(out), list(zip(keys, handles, strict=True)))[len(out) :]


def seal_index(blocks, records):
    """The blocks of an SSTable with an index of these (key, handle) records, and the footer."""
    out = bytearray(blocks)
    footer = _add_block(out, block([])) + _add_block(out, block(records))
    return bytes(out) + footer.ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57)


def _add_block(out, content, compression=b"\0"):
    handle = varint(len(out)) + varint(len(content))
    out += content + compression + struct.pack("<I", masked(content + compression))
    return handle


def snappy(data):
    """``data`` as a Snappy block: literals, and copies of what came before."""
    out, seen, start, place = bytearray(varint(len(data))), {}, 0, 0
    while place < len(data):
        before = seen.get(data[place : place + 4])
        seen[data[place : place + 4]] = place
        if before is None or place - before > 65535 or place + 4 > len(data):
            place += 1
            continue
        size = 4
        while size < 64 and data[place + size : place + size + 1] == data[before + size :][:1]:
            size += 1
            if place + size >= len(data):
                break
        size = min(size, len(data) - place)
        out += _literal(data[start:place])
        out += bytes([(size - 1) << 2 | 2]) + struct.pack("<H", place - before)
        place += size
        start = place
    return bytes(out + _literal(data[start:]))


def _literal(data):
    out = b""
    for at in range(0, len(data), 60):
        piece = data[at : at + 60]
        out += bytes([(len(piece) - 1) << 2]) + piece
    return out


# safetensors


def _native(root, kind, model):
    folder = _place(root, kind)
    native.write_checkpoint(folder, model)
    targets = (native.DISCRIMINATOR, native.GENERATOR)
    return Sample(kind, "safetensors", folder, "", targets, {}, _wanted(model))


def _huggingface(root, kind, model):
    folder = _place(root, kind)
    folders.write(folder, model, "huggingface")
    targets = tuple(f"{half}/{folders.SAFETENSORS}" for half in HALVES)
    areas = {target: [_area(folder / target)] for target in targets}
    return Sample(kind, "safetensors", folder, "", targets, areas, _wanted(model))


def _area(path):
    data = path.read_bytes()
    return 8 + struct.unpack("<Q", data[:8])[0], len(data)


def _bfloat16_shards(root, kind, model):
    """A pair; the discriminator in two shards with an index, all numbers in bfloat16."""
    folder = _place(root, kind)
    folders.write(folder, model, "huggingface")
    halves = _exported(model, "huggingface")
    areas, targets = {}, [f"discriminator/{folders.SAFETENSORS}.index.json"]
    for half, tensors in halves.items():
        (folder / half / folders.SAFETENSORS).unlink()
        listed = sorted(tensors)
        shards = [listed] if half == "generator" else [listed[:20], listed[20:]]
        where = {}
        for number, part in enumerate(shards, 1):
            file = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
            if half == "generator":
                file = folders.SAFETENSORS
            write_safetensors(folder / half / file, {name: tensors[name] for name in part})
            where |= dict.fromkeys(part, file)
            targets.append(f"{half}/{file}")
            areas[targets[-1]] = [_area(folder / half / file)]
        if half == "discriminator":
            index = {"metadata": {"total_size": 1}, "weight_map": where}
            (folder / targets[0]).write_text(json.dumps(index, indent=1), "utf-8")
    wanted = {
        half: {name: _bfloat16(array) for name, array in tensors.items()}
        for half, tensors in _wanted(model).items()
    }
    return Sample(kind, "safetensors", folder, "", tuple(targets), areas, wanted)


def _bfloat16(array):
    return (array.view("<u4") & 0xFFFF0000).view("<f4")


def write_safetensors(path, tensors):
    """float32 arrays as a safetensors file of bfloat16 numbers, without checksums."""
    header, data = {}, b""
    for name, array in tensors.items():
        halves = (np.ascontiguousarray(array).view("<u4") >> 16).astype("<u2").tobytes()
        ends = [len(data), len(data) + len(halves)]
        header[name] = {"dtype": "BF16", "shape": list(array.shape), "data_offsets": ends}
        data += halves
    path.write_bytes(safetensors_bytes(json.dumps(header).encode(), data))


def safetensors_bytes(header, data):
    return struct.pack("<Q", len(header)) + header + data


# PyTorch and Paddle


def _write_torch_pair(folder, model):
    folders.write(folder, model, "huggingface")
    for half, tensors in _exported(model, "huggingface").items():
        (folder / half / folders.SAFETENSORS).unlink()
        torch_file.write(folder / half / folders.TORCH, tensors)


def _torch(root, kind, model, writer, family):
    folder = _place(root, kind)
    _write_torch_pair(folder, model)
    targets = tuple(f"{half}/{folders.TORCH}" for half in HALVES)
    areas = {}
    for target, tensors in zip(targets, _exported(model, "huggingface").values(), strict=True):
        areas[target] = writer(folder / target, tensors) or []
    return Sample(kind, family, folder, "", targets, areas, _wanted(model))


def write_legacy(path, tensors):
    """Write float32 arrays as ``torch.save`` did before 1.6; returns where the numbers lie.

    Three pickles of what wrote it, the state dict, the storages' names, and then, storage by
    storage, the number of items and the items.
    """
    system = {"protocol_version": LEGACY_PROTOCOL, "little_endian": True}
    system["type_sizes"] = {"short": 2, "int": 4, "long": 4}
    out = bytearray()
    for value in (LEGACY_MAGIC, LEGACY_PROTOCOL, system):
        out += pickle.dumps(value, protocol=2)
    out += pickles.proto(2) + pickles.EMPTY_DICT + pickles.MARK
    keys = [str(94000000000000 + 64 * number) for number in range(len(tensors))]
    for key, (name, array) in zip(keys, tensors.items(), strict=True):
        strides = tuple(step // 4 for step in np.ascontiguousarray(array).strides)
        out += pickles.value(name) + pickles.name("torch._utils", "_rebuild_tensor_v2")
        out += pickle.MARK + pickle.MARK + pickles.value("storage")
        out += pickles.name("torch", "FloatStorage") + pickles.value(key) + pickles.value("cpu")
        out += pickles.value(array.size) + pickle.NONE + pickle.TUPLE + pickles.PERSISTENT
        out += pickles.value(0) + pickles.value(array.shape) + pickles.value(strides)
        out += pickles.value(False) + pickles.name("collections", "OrderedDict")
        out += pickle.EMPTY_TUPLE + pickles.REDUCE + pickle.TUPLE + pickles.REDUCE
    out += pickles.SET_ITEMS + pickles.STOP + pickle.dumps(sorted(keys), protocol=2)
    areas = []
    for array in tensors.values():
        out += struct.pack("<q", array.size)
        areas.append((len(out), len(out) + array.nbytes))
        out += np.ascontiguousarray(array).tobytes()
    path.write_bytes(out)
    return areas


def _paddle(root, kind, model, protocol):
    folder = _place(root, kind)
    folders.write(folder, model, "paddlenlp")
    targets, areas = [], {}
    for half, tensors in _exported(model, "paddlenlp").items():
        target = f"{half}/{folders.PDPARAMS}"
        if protocol is not None:  # by Python itself, as paddle.save does it
            arrays = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
            (folder / target).write_bytes(pickle.dumps(arrays, protocol=protocol))
        targets.append(target)
        areas[target] = _numbers((folder / target).read_bytes())
    return Sample(kind, "pickle", folder, "", tuple(targets), areas, _wanted(model))


def _numbers(data):
    """Where the numbers of arrays lie in a pickle: in byte strings, or in text to be encoded."""
    found, last, memo = [], None, {}
    operations = list(pickletools.genops(data))
    for (code, argument, place), after in itertools.pairwise(operations):
        if code.name == "BINBYTES8":
            found.append((place + 9, after[2]))
        elif code.name == "BINUNICODE" and last == "_codecs encode":
            found.append((place + 1, after[2]))  # the length of the UTF-8 is part of them
        if code.name == "BINPUT":
            memo[argument] = last
        elif code.name == "BINGET":
            last = memo[argument]
        else:
            last = argument if code.name == "GLOBAL" else None
    return found


def read_pickles(data):
    """[[(instruction, argument, bytes)]] of the pickles that ``data`` begins with."""
    handle, found = io.BytesIO(data), []
    while data[handle.tell() : handle.tell() + 2] == b"\x80\x02" or not found:
        operations = list(pickletools.genops(handle))
        places = [place for _, _, place in operations] + [handle.tell()]
        ends = itertools.pairwise(places)
        found.append(
            [(o[0].name, o[1], data[a:b]) for o, (a, b) in zip(operations, ends, strict=True)]
        )
    return found


# Zip archives


def _zip(root, kind, model, method, writer):
    folder, content = _place(root, kind), _place(root, f"{kind}, content")
    writer(content, model)
    with zipfile.ZipFile(folder / "model.zip", "w", method) as archive:
        for file in sorted(content.rglob("*")):
            archive.write(file, str(file.relative_to(content)))
    shutil.rmtree(content)
    return Sample(kind, "zip", folder, "model.zip", ("model.zip",), {}, _wanted(model))
