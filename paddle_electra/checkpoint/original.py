"""Checkpoints in the layout of the original TensorFlow code, as Google and HFL release them.

``NAME.index``, ``NAME.data-...``, ``checkpoint``, ``vocab.txt``, and ``discriminator.json`` and
``generator.json`` or not; BERT's have ``bert_config.json``.
"""

import shutil
from pathlib import Path

from ..errors import InputError
from ..files import read_json, write_json
from . import mapping
from .foreign import assemble, config_values, export_half, family, read_half
from .native import VOCAB
from .sizes import named_size
from .tensorflow import TensorBundle, write_bundle, write_state_file
from .tensors import Joined, LazyTensors

COLUMN = "tensorflow"
_WORDS = "{}/embeddings/word_embeddings"
_CONFIGS = {
    "discriminator": "discriminator.json",
    "generator": "generator.json",
    "bert": "bert_config.json",
}


def load(prefix, configs=None):
    """Read both halves of a checkpoint of the original code, or BERT's encoder.

    Optimizer slots and ``global_step`` are left aside.  The sizes come from the tensors; the
    numbers of heads from the configs beside the checkpoint, or else from the table of named
    sizes, or hidden / 64.

    Args:
        prefix: path without ``.index``.
        configs: {"discriminator" or "generator": path of a config elsewhere}.
    Returns:
        a `Checkpoint`; its ``generator`` is None when the file holds none.
    Raises:
        InputError: a missing tensor, or a configuration that disagrees with the tensors.
    """
    bundle = TensorBundle(prefix)
    folder = Path(prefix).parent
    configs = {kind: folder / name for kind, name in _CONFIGS.items()} | (configs or {})
    kind = "discriminator"
    if _WORDS.format("bert") in bundle and _WORDS.format("electra") not in bundle:
        kind = "bert"
    main = _half(bundle, kind, configs[kind])
    generator, tied = None, True
    if kind != "bert" and mapping.has_half(bundle.specs, "generator", COLUMN):
        tied = _WORDS.format("generator") not in bundle
        file = _WithSharedEmbeddings(bundle) if tied else bundle
        generator = _half(file, "generator", configs["generator"])._replace(file=bundle)
    # The original looks for DATA_DIR/vocab.txt too, beside DATA_DIR/models/NAME; in NAME the files
    # may lie in the folder that was in the zip.
    above = folder.absolute().parents
    more = [place.parent for place in above[:2] if place.name == "models"]
    return assemble(COLUMN, main, generator, [folder, *more], prefix, tied)


def _half(file, kind, config):
    stated = read_json(config) if config.is_file() else None
    return read_half(file, kind, COLUMN, stated, config)


class _WithSharedEmbeddings(LazyTensors):
    """The file with the shared embeddings under the generator's names too, for its sizes."""

    def __init__(self, bundle):
        scope = "electra/embeddings/"
        shared = {
            name.replace("electra", "generator", 1): spec
            for name, spec in bundle.specs.items()
            if name.startswith(scope)
        }
        super().__init__({**shared, **bundle.specs}, bundle.source)


def write(folder, checkpoint):
    """Write a `Checkpoint` into an existing folder, named after its size: ``electra_small.index``.

    The original code and TensorFlow load it; there are no optimizer slots.
    """
    config = checkpoint.config
    if checkpoint.discriminator is None:
        raise InputError(
            f"{checkpoint.source}: only a generator; a TensorFlow checkpoint holds a "
            f"discriminator, whose embeddings the generator uses: convert both halves together"
        )
    kinds = [kind for kind in ("discriminator", "generator") if getattr(checkpoint, kind)]
    size = named_size(config)
    name = "bert_model.ckpt" if config.pooler else f"electra_{size}" if size else "electra"
    name = name.replace("-", "_")
    parts = [
        export_half(checkpoint, kind, COLUMN, embeddings=not config.tied_embeddings)
        for kind in kinds
    ]
    write_bundle(folder / name, Joined(parts))
    write_state_file(folder, name)
    shutil.copyfile(checkpoint.vocab_file, folder / VOCAB)
    for kind in kinds:
        kind = family(config) if kind == "discriminator" else kind
        write_json(folder / _CONFIGS[kind], config_values(config, kind))
