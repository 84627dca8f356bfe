"""Our own checkpoint directory.

``config.json`` (sizes of both halves), ``vocab.txt``, ``discriminator.safetensors``,
``generator.safetensors`` (if there is one; tied embeddings lie in the discriminator's file only),
and ``task.json`` for a fine-tuned model, whose ``discriminator.safetensors`` holds the encoder
under ``electra.`` and the task's head.  A pretrained model may have fine-tuned ones in
``heads/KIND``.  Names are those of the layers in ``modeling``.
"""

import contextlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import InputError
from ..files import atomic_directory, read_json, write_json
from ..modeling.config import ElectraConfig
from . import safetensors_file
from .names import EMBEDDINGS_PREFIX
from .safetensors_file import SafetensorsFile
from .tensors import Joined, LazyTensors, Renamed, lazy

CONFIG, VOCAB, TASK = "config.json", "vocab.txt", "task.json"
HEADS = "heads"
HEAD_KINDS = ("seq-cls", "pair-cls", "token-cls", "qa")  # what folders in it may be called
DISCRIMINATOR, GENERATOR = "discriminator.safetensors", "generator.safetensors"


class Checkpoint(NamedTuple):
    """A model on disk, whatever its format: our names, arrays read when they are asked for.

    Attributes:
        discriminator: {name: array} of the discriminator, of a fine-tuned model, or of an encoder
            without a head; None for a generator alone.
        generator: {name: array} of the generator without the embeddings that it shares
            (``config.tied_embeddings``), or None.
        task: content of ``task.json`` of a fine-tuned model, or None.
        source: where it was read.
        format: "native", or the name of another format.
        left: names of the file's tensors that are no part of the model, such as optimizer slots.
        guessed: the halves, "discriminator", "generator" or "bert", whose number of heads neither
            a config nor a named size says.
        poolerless: whether it is a BERT whose pooler the file lacks.
        keep: the `archive.Unpacked` that the files are in, to live as long as they are read, or
            None.
    """

    config: ElectraConfig
    vocab_file: Path
    discriminator: Mapping | None
    generator: Mapping | None
    task: dict | None
    source: str
    format: str = "native"
    left: tuple[str, ...] = ()
    guessed: tuple[str, ...] = ()
    poolerless: bool = False
    keep: Any = None

    def need_discriminator(self):
        """The discriminator.  Raises `InputError` for a generator alone."""
        if self.discriminator is None:
            raise InputError(
                f"{self.source}: this is a generator alone; give the discriminator, which is the "
                f"half that is fine-tuned and served"
            )
        return self.discriminator

    @property
    def notes(self):
        """What a user should know of how it was read, a list of str."""
        poolerless = (
            "a BERT without its pooler: taken for an encoder as ELECTRA's, with ELECTRA's recipe, "
            "heads and layouts; for BERT's use files with it (transformers' BertModel or "
            "BertForPreTraining save it)"
        )
        return [self._guess(half) for half in self.guessed] + [poolerless] * self.poolerless

    def _guess(self, half):
        config = self.config.generator if half == "generator" else self.config
        return (
            f"no config says how many heads the {half} has, and tensors do not: taken to be "
            f"{config.num_attention_heads}, hidden size / 64; if that is wrong, its outputs are"
        )

    def naming(self):
        """Within, errors about a file of an archive name the archive: for the vocabulary, mostly.

        Those of the tensors do so by themselves.
        """
        return contextlib.nullcontext() if self.keep is None else self.keep.naming()

    @property
    def vocab_name(self):
        """What messages call the vocabulary: its path, of an archive ``ZIP: MEMBER``."""
        return str(self.vocab_file) if self.keep is None else self.keep.name(self.vocab_file)

    @property
    def vocab_option(self):
        """What to give as ``--vocab`` for this model's vocabulary."""
        if self.keep is None:
            return str(self.vocab_file)
        name = self.vocab_file.name
        return f"{name}, taken out by `{self.keep.extraction(self.vocab_file)}`"


def tensors_of(layer, masters=None):
    """{name: array} of a layer's parameters.

    Args:
        masters: {paddle's name of a parameter: float32 tensor} to take in place of parameters that
            are in half precision.
    """
    masters = masters or {}
    return {
        name: masters.get(tensor.name, tensor).numpy()
        for name, tensor in layer.state_dict().items()
    }


def generator_tensors(generator, config, masters=None):
    """A generator's own arrays: without the embeddings when those are the discriminator's."""
    tensors = tensors_of(generator, masters)
    if config.tied_embeddings:
        return {k: v for k, v in tensors.items() if not k.startswith(EMBEDDINGS_PREFIX)}
    return tensors


def write_tensors(path, tensors):
    """Write {name: array} as safetensors with checksums (not atomic by itself)."""
    safetensors_file.write(path, tensors)


def read_tensors(path):
    """{name: array} of a safetensors file.  Raises `InputError` naming it when it is damaged."""
    return dict(SafetensorsFile(path).items())


def write_files(folder, config, vocab_file, discriminator, generator=None, task=None):
    """Write the files of a checkpoint into an existing folder.

    Args:
        discriminator, generator: {name: array}, a `LazyTensors` for instance, or None.
    """
    write_json(folder / CONFIG, config.to_dict())
    shutil.copyfile(vocab_file, folder / VOCAB)
    if discriminator is not None:
        write_tensors(folder / DISCRIMINATOR, discriminator)
    if generator is not None:
        write_tensors(folder / GENERATOR, generator)
    if task is not None:
        write_json(folder / TASK, task)


def write_into(folder, config, vocab_file, discriminator, generator=None, task=None, masters=None):
    """Write the files of a checkpoint into an existing folder; see `save` and `tensors_of`."""
    half = None if generator is None else generator_tensors(generator, config, masters)
    write_files(folder, config, vocab_file, tensors_of(discriminator, masters), half, task)


def save(directory, config, vocab_file, discriminator, generator=None, task=None):
    """Write a checkpoint directory, atomically.

    Args:
        discriminator: an `ElectraDiscriminator`, or a fine-tuning model with ``.electra``.
        generator: an `ElectraGenerator`, or None.
        task: a JSON-ready dict for ``task.json`` of a fine-tuned model.
    """
    with atomic_directory(directory) as folder:
        write_into(folder, config, vocab_file, discriminator, generator, task)


def write_checkpoint(folder, checkpoint, heads=()):
    """Write the files of a `Checkpoint` of any format into an existing folder.

    Args:
        heads: `Checkpoint`s of trained heads, to lie beside it; see `heads_beside`.
    """
    for head in heads:
        target = folder / HEADS / head.task["kind"]
        target.mkdir(parents=True)
        write_checkpoint(target, head)
    write_files(
        folder,
        checkpoint.config,
        checkpoint.vocab_file,
        checkpoint.discriminator,
        checkpoint.generator,
        checkpoint.task,
    )


def is_native(directory):
    """Does a folder hold one of ours, or what is left of one?"""
    return any((Path(directory) / half).is_file() for half in (DISCRIMINATOR, GENERATOR))


def load(directory):
    """Read a checkpoint directory.

    Returns:
        a `Checkpoint`; its arrays are read when they are asked for.
    Raises:
        InputError: naming the file or key that is missing or damaged.
    """
    directory = Path(directory)
    for name in (CONFIG, VOCAB):
        if not (directory / name).is_file():
            raise InputError(f"{directory}: {name} is missing; this is not a complete checkpoint")
    config = ElectraConfig.from_dict(read_json(directory / CONFIG), str(directory / CONFIG))
    halves = [_half(directory / name) for name in (DISCRIMINATOR, GENERATOR)]
    if halves[0] is None and (halves[1] is None or config.tied_embeddings):
        raise InputError(
            f"{directory}: {DISCRIMINATOR} is missing; this is not a complete checkpoint"
        )
    task = _read_task(directory / TASK)
    return Checkpoint(config, directory / VOCAB, *halves, task, str(directory))


def heads_beside(checkpoint):
    """{kind: folder} of the trained heads that lie in the folder of a pretrained model; folders of
    other names are somebody's own."""
    if checkpoint.format != "native" or checkpoint.task is not None:
        return {}
    folder = Path(checkpoint.vocab_file).parent
    found = {path.name: path for path in sorted(folder.glob(f"{HEADS}/*/"))}
    return {name: path for name, path in found.items() if name in HEAD_KINDS}


def _half(path):
    return SafetensorsFile(path) if path.is_file() else None


def _read_task(path):
    """The content of ``task.json``, or None when there is none."""
    if not path.is_file():
        return None
    task = read_json(path)
    if not isinstance(task, dict):
        raise InputError(f"{path}: expected a JSON object that describes a task")
    return task


def starting_with(tensors, prefix, strip=False):
    """The tensors whose names begin with ``prefix``, without it if ``strip``."""
    chosen = {name[len(prefix) * strip :]: name for name in tensors if name.startswith(prefix)}
    if isinstance(tensors, LazyTensors):
        return Renamed(tensors, chosen)
    return {new: tensors[old] for new, old in chosen.items()}


def with_embeddings(generator, discriminator):
    """A generator's tensors and, first, the embeddings that it shares with the discriminator."""
    return Joined([starting_with(lazy(discriminator), EMBEDDINGS_PREFIX), lazy(generator)])


def load_weights(layer, tensors, source, allow_missing=(), allow_unexpected=()):
    """Copy arrays into a layer's parameters.

    Args:
        tensors: {name: array} by the layer's own names.
        source: where they come from, for messages.
        allow_missing, allow_unexpected: prefixes of names that need not be there, or may.
    Raises:
        InputError: a missing, unexpected or differently shaped tensor, naming it.
    """
    expected = layer.state_dict()
    for name in expected:
        if name not in tensors and not name.startswith(tuple(allow_missing)):
            raise InputError(f"{source}: tensor {name!r} is missing")
    for name in tensors:
        if name not in expected:
            if name.startswith(tuple(allow_unexpected)):
                continue
            raise InputError(f"{source}: tensor {name!r} is not part of this model")
        array = tensors[name]
        wanted = tuple(expected[name].shape)
        if wanted != tuple(array.shape):
            raise InputError(
                f"{source}: tensor {name!r} has shape {list(array.shape)}, "
                f"the model needs {list(wanted)}: this is a checkpoint of another size"
            )
        if array.dtype.kind != "f":
            raise InputError(
                f"{source}: tensor {name!r} is of type {array.dtype}, expected floating point"
            )
        expected[name].set_value(array.astype(str(expected[name].dtype).rpartition(".")[2]))


def load_pretraining(model, checkpoint):
    """Copy both halves into an `ElectraForPreTraining`.

    A checkpoint without a generator leaves the model's fresh one; the shared embeddings come with
    the discriminator.
    """
    load_weights(model.discriminator, checkpoint.need_discriminator(), checkpoint.source)
    if checkpoint.generator is not None:
        tied = (EMBEDDINGS_PREFIX,) if model.config.tied_embeddings else ()
        load_weights(model.generator, checkpoint.generator, checkpoint.source, allow_missing=tied)
