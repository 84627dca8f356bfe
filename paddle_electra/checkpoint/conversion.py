"""``paddle-electra convert``: any format into any, compared tensor by tensor."""

from pathlib import Path
from typing import NamedTuple

from ..errors import InputError
from ..files import atomic_directory, atomic_write
from ..progress import progress_bar
from . import folders, load, native, original, torch_file
from .foreign import export_half
from .names import COLUMNS, HALVES
from .report import EPSILON_NOTE, summary
from .tensors import Cast, LazyTensors, lazy, same_bits

_QUICK = 64 << 20  # bytes that need no progress bar
_WRITERS = {
    "native": native.write_checkpoint,
    "tensorflow": original.write,
    "huggingface": lambda folder, checkpoint: folders.write(folder, checkpoint, "huggingface"),
    "paddlenlp": lambda folder, checkpoint: folders.write(folder, checkpoint, "paddlenlp"),
}
_WHOLE = ("paddlenlp", "tensorflow")


class Conversion(NamedTuple):
    """What `convert` did.

    Attributes:
        checkpoint: the `native.Checkpoint` that was read.
        written: path of the result.
        compared: number of tensors that were read back and found the same to the bit.
        lines: the summary, for people.
    """

    checkpoint: native.Checkpoint
    written: Path
    compared: int
    lines: list


def convert(src, dst, to, half="both", check=False, dtype=None):
    """Write a model in another format, and compare what was written with what was read.

    Nothing is left behind at ``dst`` unless every tensor came back the same to the bit.

    Args:
        src: whatever `load` takes.
        dst: a folder that is not there yet, or an empty one.
        to: "native", "huggingface", "paddlenlp" or "tensorflow".
        half: "discriminator" or "generator" to convert one of two; "both" converts what is there.
        check: also compare the networks' outputs, see `forward_check`.
        dtype: "float16" or "float32" for the numbers that are written; None keeps the source's,
            but PaddleNLP and TensorFlow, whose models do not load halves, get float32.
    Returns:
        a `Conversion`.
    Raises:
        InputError: see `load`; a folder that is in the way; a half that is not there; a
            fine-tuned model, whose head other formats have no place for; numbers that ``dtype``
            cannot hold.
    """
    dst = Path(dst)
    if to not in COLUMNS:
        raise InputError(f"to: {to!r} is not one of {', '.join(COLUMNS)}")
    if dst.exists() and (not dst.is_dir() or any(dst.iterdir())):
        raise InputError(f"{dst}: exists already; name a new folder")
    checkpoint = choose_half(load(src), half)
    if checkpoint.task is not None and to != "native":
        raise InputError(
            f"{src}: fine-tuned; {to} has no place for the head of its task: convert the "
            f"pretrained model it was made from"
        )
    if dtype is None and to in _WHOLE and _has_halves(checkpoint):
        dtype = "float32"
    if dtype is not None:
        checkpoint = cast(checkpoint, dtype)
    size = 2 * sum(_bytes(getattr(checkpoint, name)) for name in HALVES)
    quick = size < _QUICK
    with progress_bar(f"to {to}", size, unit="B", leave=False, disable=quick) as bar:
        watched = _watch(checkpoint, bar)
        with atomic_directory(dst) as folder:
            _WRITERS[to](folder, watched)
            compared = compare(watched, load(folder), dst)
    lines = [*summary(checkpoint), f"wrote   {to} {dst}"]
    lines.append(f"check   {compared} tensors read back, every one the same to the bit")
    if dtype is not None:
        change = _change(checkpoint)
        lines.append(f"note    written as {dtype}; the largest change of a number is {change:.2g}")
    if "paddlenlp" in (to, checkpoint.format):
        lines.append(f"note    {EPSILON_NOTE}")
    if check:
        from .forward_check import check_networks

        lines += check_networks(checkpoint, load(dst))
    return Conversion(checkpoint, dst, compared, lines)


def choose_half(checkpoint, half):
    """The checkpoint with one of its halves only; a generator takes the embeddings with it."""
    if half == "both":
        return checkpoint
    other = HALVES[1 - HALVES.index(half)]
    if getattr(checkpoint, half) is None:
        raise InputError(f"{checkpoint.source}: has no {half}, only a {other}")
    if half == "generator" and checkpoint.config.tied_embeddings and checkpoint.discriminator:
        tensors = native.with_embeddings(checkpoint.generator, checkpoint.discriminator)
        config = checkpoint.config.untied()
        return checkpoint._replace(config=config, generator=tensors, discriminator=None)
    if half == "discriminator":
        return checkpoint._replace(config=checkpoint.config.tied(), generator=None)
    return checkpoint._replace(**{other: None})


def cast(checkpoint, dtype):
    """The checkpoint with its numbers as "float16" or "float32", rounded when they are read."""
    return _map_halves(checkpoint, lambda tensors: Cast(lazy(tensors), dtype))


def compare(before, after, where):
    """Make sure that two checkpoints hold the same tensors, to the bit.

    Returns:
        the number of tensors.
    Raises:
        InputError: one that differs, naming it: the disk did not keep what was written.
    """
    count = 0
    for half in HALVES:
        one, other = getattr(before, half) or {}, getattr(after, half) or {}
        if set(one) != set(other):
            name = sorted(set(one) ^ set(other))[0]
            raise InputError(f"{where}: tensor {name!r} of the {half} did not come back")
        for name in one:
            if not same_bits(one[name], other[name]):
                raise InputError(f"{where}: tensor {name!r} of the {half} came back changed")
            count += 1
    return count


class _Watched(LazyTensors):
    """Tensors that move a progress bar when they are read."""

    def __init__(self, tensors, bar):
        self.tensors, self.bar = lazy(tensors), bar
        super().__init__(self.tensors.specs, self.tensors.source)

    def read(self, name):
        array = self.tensors.read(name)
        self.bar.update(array.nbytes)
        return array


def _watch(checkpoint, bar):
    return _map_halves(checkpoint, lambda tensors: _Watched(tensors, bar))


def _map_halves(checkpoint, function):
    """The checkpoint with ``function`` of the tensors of each half that is there."""
    halves = {half: getattr(checkpoint, half) for half in HALVES}
    return checkpoint._replace(**{half: function(t) for half, t in halves.items() if t is not None})


def _has_halves(checkpoint):
    halves = [lazy(getattr(checkpoint, half) or {}) for half in HALVES]
    return any(spec.dtype == "float16" for tensors in halves for spec in tensors.specs.values())


def _change(checkpoint):
    halves = (getattr(checkpoint, half) for half in HALVES)
    return max(tensors.largest_change for tensors in halves if tensors is not None)


def _bytes(tensors):
    return sum(spec.nbytes for spec in lazy(tensors or {}).specs.values())


def run(options):
    """The command ``paddle-electra convert``."""
    done = convert(options.src, options.dst, options.to, options.half, options.check, options.dtype)
    print("\n".join(done.lines))


def run_torch_script(options):
    """`tools/convert_checkpoint.py` with the flags of Hugging Face's script."""
    half = options.discriminator_or_generator
    config = Path(options.config_file)
    if not config.is_file():
        raise InputError(f"--config-file {config}: no such file")
    checkpoint = load(options.tf_checkpoint_path, {half: config})
    if checkpoint.format != "tensorflow":
        raise InputError(
            f"--tf-checkpoint-path {options.tf_checkpoint_path}: this is a {checkpoint.format} "
            f"checkpoint; use `paddle-electra convert`"
        )
    if getattr(checkpoint, half) is None:
        raise InputError(f"{options.tf_checkpoint_path}: has no {half}")
    tensors = export_half(checkpoint, half, "huggingface", embeddings=True)
    with atomic_write(options.pytorch_dump_path, "wb") as handle:
        torch_file.write(handle, tensors)
    written = torch_file.TorchFile(options.pytorch_dump_path)
    for name in tensors:
        if not same_bits(tensors[name], written[name]):
            raise InputError(f"{options.pytorch_dump_path}: tensor {name!r} came back changed")
    print("\n".join(summary(choose_half(checkpoint, half))))
    print(f"wrote   PyTorch state dict {options.pytorch_dump_path}")
    print(f"check   {len(tensors)} tensors read back, every one the same to the bit")
    print(
        "next    a folder that Hugging Face loads also needs config.json and vocab.txt: "
        "`paddle-electra convert SRC DST --to huggingface` writes all of it"
    )
