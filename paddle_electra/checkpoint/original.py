"""HFL's and Google's TensorFlow checkpoints as ours: sizes from the tensors, names by the table."""

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
    discriminator = _read(bundle, names.DISCRIMINATOR, config.num_hidden_layers)
    generator = None
    if "generator_predictions/output_bias" in bundle:
        generator = _read(bundle, names.GENERATOR, config.generator_num_hidden_layers)
    vocab = folder / "vocab.txt"
    if not vocab.is_file():
        raise InputError(f"{folder}: vocab.txt is missing; put the model's vocabulary there")
    return Checkpoint(config, vocab, discriminator, generator, None, str(prefix))


def _read(bundle, rows, layers):
    tensors = {}
    for row in names.expand(rows, layers):
        missing = [name for name in row.tensorflow if name not in bundle]
        if missing and "embeddings_project" in row.native:
            continue  # exists only where embedding and hidden size differ
        if missing:
            raise InputError(f"{bundle.index_file}: tensor {missing[0]!r} is missing")
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
        has_generator = "generator/encoder/layer_0/intermediate/dense/kernel" in shapes
        scope = "generator" if has_generator else "electra"
        other = _encoder_sizes(shapes, scope, folder / "generator.json")
    except KeyError as error:
        raise InputError(
            f"{bundle.index_file}: tensor {error.args[0]!r} is missing; "
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
    layers = 0
    while f"{scope}/encoder/layer_{layers}/intermediate/dense/kernel" in shapes:
        layers += 1
    hidden, inner = shapes[f"{scope}/encoder/layer_0/intermediate/dense/kernel"]
    if config_file.is_file():
        heads = read_json(config_file).get("num_attention_heads", max(1, hidden // 64))
    else:
        known = {size[1]: size[2] for size in SIZES.values()}
        heads = known.get(hidden, max(1, hidden // 64)) if scope == "electra" else hidden // 64 or 1
    return {
        "num_hidden_layers": layers,
        "hidden_size": hidden,
        "num_attention_heads": heads,
        "intermediate_size": inner,
    }


def _check(config_file, sizes):
    """A config beside the checkpoint must say what the tensors say."""
    if not config_file.is_file():
        return
    stated = read_json(config_file)
    for key in _CONFIG_KEYS:
        if key in stated and stated[key] != sizes[key]:
            raise InputError(
                f"{config_file}: {key} is {stated[key]}, but the tensors say {sizes[key]}"
            )
