"""Our own checkpoint directory.

``config.json`` (sizes of both halves), ``vocab.txt``, ``discriminator.safetensors``,
``generator.safetensors`` (if there is one; tied embeddings lie in the discriminator's file only),
and ``task.json`` for a fine-tuned model, whose ``discriminator.safetensors`` holds the encoder
under ``electra.`` and the task's head.  Names are those of the layers in ``modeling``.
"""

import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as serialize

from ..errors import InputError
from ..files import atomic_directory, read_json, write_json
from ..modeling.config import ElectraConfig

CONFIG, VOCAB, TASK = "config.json", "vocab.txt", "task.json"
DISCRIMINATOR, GENERATOR = "discriminator.safetensors", "generator.safetensors"
_EMBEDDINGS = "electra.embeddings."


class Checkpoint(NamedTuple):
    """A model read from disk, whatever its format: our names, numpy arrays."""

    config: ElectraConfig
    vocab_file: Path
    discriminator: dict
    generator: dict | None
    task: dict | None
    source: str


def tensors_of(layer):
    """{name: array} of a layer's parameters."""
    return {name: tensor.numpy() for name, tensor in layer.state_dict().items()}


def generator_tensors(generator, config):
    """A generator's own arrays: without the embeddings when those are the discriminator's."""
    tensors = tensors_of(generator)
    if config.tied_embeddings:
        return {k: v for k, v in tensors.items() if not k.startswith(_EMBEDDINGS)}
    return tensors


def write_tensors(path, tensors):
    """Write {name: array} as safetensors (not atomic by itself)."""
    # Not safetensors' own save_file: it leaves files that only their owner can read, and hides
    # the reason when a disk is full.
    data = serialize({name: np.ascontiguousarray(array) for name, array in tensors.items()})
    with open(path, "wb") as handle:
        handle.write(data)


def read_tensors(path):
    """Read a safetensors file.  Raises `InputError` naming the file when it is damaged."""
    try:
        with safe_open(str(path), framework="np") as handle:
            return {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: not a readable safetensors file ({reason})") from None


def write_into(folder, config, vocab_file, discriminator, generator=None, task=None):
    """Write the files of a checkpoint into an existing folder; see `save`."""
    write_json(folder / CONFIG, config.to_dict())
    shutil.copyfile(vocab_file, folder / VOCAB)
    write_tensors(folder / DISCRIMINATOR, tensors_of(discriminator))
    if generator is not None:
        write_tensors(folder / GENERATOR, generator_tensors(generator, config))
    if task is not None:
        write_json(folder / TASK, task)


def save(directory, config, vocab_file, discriminator, generator=None, task=None):
    """Write a checkpoint directory, atomically.

    Args:
        discriminator: an `ElectraDiscriminator`, or a fine-tuning model with ``.electra``.
        generator: an `ElectraGenerator`, or None.
        task: a JSON-ready dict for ``task.json`` of a fine-tuned model.
    """
    with atomic_directory(directory) as folder:
        write_into(folder, config, vocab_file, discriminator, generator, task)


def load(directory):
    """Read a checkpoint directory.

    Returns:
        a `Checkpoint`.
    Raises:
        InputError: naming the file or key that is missing or damaged.
    """
    directory = Path(directory)
    for name in (CONFIG, VOCAB, DISCRIMINATOR):
        if not (directory / name).is_file():
            raise InputError(f"{directory}: {name} is missing; this is not a complete checkpoint")
    config = ElectraConfig.from_dict(read_json(directory / CONFIG), str(directory / CONFIG))
    generator = directory / GENERATOR
    return Checkpoint(
        config,
        directory / VOCAB,
        read_tensors(directory / DISCRIMINATOR),
        read_tensors(generator) if generator.is_file() else None,
        _read_task(directory / TASK),
        str(directory),
    )


def _read_task(path):
    """The content of ``task.json``, or None when there is none."""
    if not path.is_file():
        return None
    task = read_json(path)
    if not isinstance(task, dict):
        raise InputError(f"{path}: expected a JSON object that describes a task")
    return task


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
    for name, array in tensors.items():
        if name not in expected:
            if name.startswith(tuple(allow_unexpected)):
                continue
            raise InputError(f"{source}: tensor {name!r} is not part of this model")
        wanted = tuple(expected[name].shape)
        if wanted != tuple(array.shape):
            raise InputError(
                f"{source}: tensor {name!r} has shape {list(array.shape)}, "
                f"the model needs {list(wanted)}: this is a checkpoint of another size"
            )
        expected[name].set_value(array.astype(str(expected[name].dtype).rpartition(".")[2]))


def load_pretraining(model, checkpoint):
    """Copy both halves into an `ElectraForPreTraining`.

    A checkpoint without a generator leaves the model's fresh one; the shared embeddings come with
    the discriminator.
    """
    load_weights(model.discriminator, checkpoint.discriminator, checkpoint.source)
    if checkpoint.generator is not None:
        tied = (_EMBEDDINGS,) if model.config.tied_embeddings else ()
        load_weights(model.generator, checkpoint.generator, checkpoint.source, allow_missing=tied)
