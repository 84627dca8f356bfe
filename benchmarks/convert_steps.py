"""One step of `convert_checkpoints`, in a process of its own; prints what it took as JSON.

    python benchmarks/convert_steps.py convert SRC DST native

A step imports only what it needs: ``tensorflow`` runs in an environment that has TensorFlow and
nothing of ours.  Memory is the kernel's high-water mark of this process's resident memory
(``VmHWM``; ``ru_maxrss`` is the same number, but a child begins with its parent's), bytes are those
that went through read and write calls and those that the device moved (``/proc/self/io``).
"""

import json
import os
import resource
import sys
import time
import zipfile
import zlib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

VOCABULARY = 21128
SLOTS = ("adam_m", "adam_v")
_BLOCK = 8 << 20
_COUNTERS = {
    "rchar": "read",
    "wchar": "written",
    "read_bytes": "from_device",
    "write_bytes": "to_device",
}


def peak():
    """Largest resident memory of this process so far, in bytes."""
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) << 10
    raise SystemExit("this benchmark needs Linux: no VmHWM in /proc/self/status")


def counters():
    """Bytes that this process has read and written so far, by `_COUNTERS`."""
    lines = Path("/proc/self/io").read_text("ascii").splitlines()
    values = dict(line.split(": ") for line in lines)
    return {name: int(values[key]) for key, name in _COUNTERS.items()}


def processor_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


class Stopwatch:
    """What a block of code takes: wall-clock and processor seconds, bytes, memory."""

    def __enter__(self):
        self.imported, self.before = peak(), counters()
        self.processor, self.started = processor_seconds(), time.perf_counter()
        return self

    def __exit__(self, *error):
        seconds = time.perf_counter() - self.started
        self.result = {
            "seconds": seconds,
            "processor": processor_seconds() - self.processor,
            "imported": self.imported,
            "peak": peak(),
        }
        after = counters()
        self.result |= {name: after[name] - self.before[name] for name in after}


def make(folder, size):
    """A checkpoint of the original code with random weights and Adam's slots."""
    from paddle_electra.checkpoint.foreign import config_values
    from paddle_electra.checkpoint.tensorflow import write_bundle, write_state_file
    from paddle_electra.files import write_json
    from paddle_electra.modeling.config import ElectraConfig

    folder = Path(folder)
    folder.mkdir()
    config = ElectraConfig.from_size(size, VOCABULARY)
    tensors = _random_tensors(config)
    with Stopwatch() as watch:
        write_bundle(folder / f"electra_{size}", tensors)
    write_state_file(folder, f"electra_{size}")
    for half in ("discriminator", "generator"):
        write_json(folder / f"{half}.json", config_values(config, half))
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokens = special + [f"token{number}" for number in range(len(special), VOCABULARY)]
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n", "utf-8")
    weights = [tensors.specs[name].nbytes for name, _ in _weights(config)]
    counts = {"tensors": len(weights), "weights": sum(weights), "largest": max(weights)}
    return watch.result | counts | {"bytes": sum(spec.nbytes for spec in tensors.specs.values())}


def _random_tensors(config):
    """`LazyTensors` of a whole checkpoint, each array made when it is asked for.

    In the order of their names, as TensorFlow writes them: slots lie between the weights.
    """
    import numpy as np

    from paddle_electra.checkpoint.tensors import LazyTensors, Spec

    class Random(LazyTensors):
        def read(self, name):
            shape, dtype = self.specs[name]
            if dtype.kind == "i":
                return np.full(shape, 1_000_000, dtype)
            rng = np.random.default_rng(zlib.crc32(name.encode()))
            array = rng.standard_normal(shape, np.float32)
            array *= 0.02
            return np.abs(array) if name.endswith("adam_v") else array

    specs = {"global_step": Spec((), np.dtype("<i8"))}
    for name, shape in _weights(config):
        for ending in ("", *(f"/{slot}" for slot in SLOTS)):
            specs[name + ending] = Spec(shape, np.dtype("<f4"))
    return Random({name: specs[name] for name in sorted(specs)}, "random")


def _weights(config):
    """(name, shape) of every weight of both halves, by TensorFlow's names."""
    from paddle_electra.checkpoint import names

    for half, of in (("discriminator", config), ("generator", config.generator)):
        for row in names.model_rows(half, "tensorflow", of):
            if half == "generator" and row.native.startswith(names.EMBEDDINGS_PREFIX):
                continue  # shared
            shape = tuple(getattr(of, s) if isinstance(s, str) else s for s in row.sizes)
            yield from ((name, shape) for name in row.names)


def pack(folder, archive):
    """A deflated zip of a folder, as HFL ships its models."""
    folder = Path(folder)
    with Stopwatch() as watch, zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        for file in sorted(folder.iterdir()):
            out.write(file, f"{folder.name}/{file.name}")
    return watch.result | {"bytes": Path(archive).stat().st_size}


def convert(src, dst, to):
    """``paddle-electra convert SRC DST --to TO``, what it reads back and compares included."""
    from paddle_electra.checkpoint import conversion

    with Stopwatch() as watch:
        done = conversion.convert(src, dst, to)
    return watch.result | {"tensors": done.compared}


def ours(prefix, which):
    """Read the weights of a TensorFlow checkpoint, or all of it, with our reader."""
    from paddle_electra.checkpoint.tensorflow import TensorBundle

    with Stopwatch() as watch:
        bundle = TensorBundle(prefix)
        size, count = _read(bundle, bundle.__getitem__, which)
    return watch.result | {"bytes": size, "tensors": count}


def tensorflow(prefix, which):
    """The same with ``tf.train.load_checkpoint``."""
    import tensorflow as tf

    with Stopwatch() as watch:
        reader = tf.train.load_checkpoint(prefix)
        size, count = _read(sorted(reader.get_variable_to_shape_map()), reader.get_tensor, which)
    return watch.result | {"bytes": size, "tensors": count, "version": tf.__version__}


def _read(names, get, which):
    """(bytes, number) of the tensors read: every one, or those that are weights."""
    endings = tuple(f"/{slot}" for slot in SLOTS)
    if which == "weights":
        names = [name for name in names if name != "global_step" and not name.endswith(endings)]
    return sum(get(name).nbytes for name in names), len(names)


def write_file(path, size):
    """The disk alone: a file of ``size`` bytes that are no zeros, written in order and synced."""
    block, left = os.urandom(_BLOCK), int(size)
    with Stopwatch() as watch, open(path, "wb", buffering=0) as handle:
        while left > 0:
            left -= handle.write(block[: min(left, _BLOCK)])
        os.fsync(handle.fileno())
    return watch.result


def read_file(path):
    """The disk alone: a file read in order."""
    buffer = bytearray(_BLOCK)
    with Stopwatch() as watch, open(path, "rb", buffering=0) as handle:
        while handle.readinto(buffer):
            pass
    return watch.result


STEPS = {
    "make": make,
    "pack": pack,
    "convert": convert,
    "ours": ours,
    "tensorflow": tensorflow,
    "write-file": write_file,
    "read-file": read_file,
}

if __name__ == "__main__":
    print(json.dumps(STEPS[sys.argv[1]](*sys.argv[2:])))
