"""HFL's and Google's TensorFlow checkpoints as ours: sizes from the tensors, names by the table."""

import re
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..files import read_json
from ..modeling.config import SIZES, ElectraConfig
from . import names
from .native import Checkpoint
from .tensorflow import TensorBundle

_CONFIG_KEYS = (
    "vocab_size",
    "embedding_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "max_position_embeddings",
    "type_vocab_size",
)


def load(prefix):
    """Read both halves of a checkpoint of the original code.

    Optimizer slots and ``global_step`` are left aside.  The sizes come from the tensors; the
    numbers of heads from ``discriminator.json`` and ``generator.json`` beside the checkpoint, or
    else from the size table, or hidden / 64.

    Returns:
        a `Checkpoint`; its ``generator`` is None when the file holds none.
    Raises:
        InputError: a missing tensor, or a configuration that disagrees with the tensors.
    """
    bundle = TensorBundle(prefix)
    folder = Path(prefix).parent
    config = infer_config(bundle, folder)
    discriminator = _read(bundle, names.DISCRIMINATOR, config)
    generator = _read(bundle, names.GENERATOR, config.generator) if _has_generator(bundle) else None
    vocab = folder / "vocab.txt"
    if not vocab.is_file():
        raise InputError(f"{folder}: vocab.txt is missing; put the model's vocabulary there")
    return Checkpoint(config, vocab, discriminator, generator, None, str(prefix))


def _has_generator(bundle):
    return any(name.startswith(("generator/", "generator_predictions/")) for name in bundle.entries)


def _read(bundle, rows, config):
    """The tensors of one network, whose sizes ``config`` has, by our names."""
    tensors = {}
    for row in names.expand(rows, config.num_hidden_layers):
        if "embeddings_project" in row.native and config.embedding_size == config.hidden_size:
            continue
        for name in row.tensorflow:
            if name not in bundle:
                raise InputError(f"{bundle.index_file}: tensor {name!r} is missing")
        parts = [bundle.read(name) for name in row.tensorflow]
        tensors[row.native] = np.concatenate(parts, axis=-1) if len(parts) > 1 else parts[0]
    return tensors


def infer_config(bundle, folder):
    """An `ElectraConfig` from the shapes, checked against the configs in ``folder``."""
    shapes = {name: entry.shape for name, entry in bundle.entries.items()}
    try:
        vocabulary, embedding = shapes["electra/embeddings/word_embeddings"]
        positions = shapes["electra/embeddings/position_embeddings"][0]
        types = shapes["electra/embeddings/token_type_embeddings"][0]
        main = _encoder_sizes(shapes, "electra", folder / "discriminator.json")
        has_generator = _has_generator(bundle)
        scope = "generator" if has_generator else "electra"
        other = _encoder_sizes(shapes, scope, folder / "generator.json")
    except KeyError as error:
        raise InputError(
            f"{bundle.index_file}: tensor {error.args[0]!r} is missing; "
            f"this is not an ELECTRA pretraining checkpoint"
        ) from None
    except (ValueError, IndexError):
        raise InputError(
            f"{bundle.index_file}: an embedding table or a kernel is not a matrix; "
            f"this is not an ELECTRA pretraining checkpoint"
        ) from None
    shared = {
        "vocab_size": vocabulary,
        "embedding_size": embedding,
        "max_position_embeddings": positions,
        "type_vocab_size": types,
    }
    _check(folder / "discriminator.json", {**shared, **main})
    if has_generator:
        _check(folder / "generator.json", {**shared, **other})
    return ElectraConfig(**shared, **main, **{f"generator_{k}": v for k, v in other.items()})


def _encoder_sizes(shapes, scope, config_file):
    # Counted by their highest number, so that a hole among them is found and not cut off.
    numbers = [re.match(rf"{scope}/encoder/layer_(\d+)/", name) for name in shapes]
    layers = max((int(number.group(1)) + 1 for number in numbers if number), default=0)
    hidden, inner = shapes[f"{scope}/encoder/layer_0/intermediate/dense/kernel"]
    if config_file.is_file():
        heads = _read_sizes(config_file).get("num_attention_heads", max(1, hidden // 64))
    else:
        known = {size[1]: size[2] for size in SIZES.values()}
        heads = known.get(hidden, max(1, hidden // 64)) if scope == "electra" else hidden // 64 or 1
    if hidden % heads:
        raise InputError(
            f"{config_file}: needs a num_attention_heads that divides the hidden size {hidden} "
            f"of the tensors; {heads} does not"
        )
    return {
        "num_hidden_layers": layers,
        "hidden_size": hidden,
        "num_attention_heads": heads,
        "intermediate_size": inner,
    }


def _read_sizes(config_file):
    """A ``discriminator.json`` or ``generator.json``, whose sizes must be whole numbers."""
    sizes = read_json(config_file)
    if not isinstance(sizes, dict):
        raise InputError(f"{config_file}: expected a JSON object with the sizes of a model")
    for key in _CONFIG_KEYS:
        if key in sizes and (type(sizes[key]) is not int or sizes[key] < 1):
            raise InputError(f"{config_file}: {key}: expected a whole number, got {sizes[key]!r}")
    return sizes


def _check(config_file, sizes):
    """A config beside the checkpoint must say what the tensors say."""
    if not config_file.is_file():
        return
    stated = _read_sizes(config_file)
    for key in _CONFIG_KEYS:
        if key in stated and stated[key] != sizes[key]:
            raise InputError(
                f"{config_file}: {key} is {stated[key]}, but the tensors say {sizes[key]}"
            )
