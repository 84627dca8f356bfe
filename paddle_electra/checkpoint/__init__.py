"""Weights on disk, in every format that is read; `load` for all of them.

`convert` turns one into another; it is in ``conversion`` and loaded when it is first used, so
that a PaddleHub module, which carries the readers, does not carry it.
"""

import importlib
from pathlib import Path


def __getattr__(name):
    if name in ("convert", "summary"):
        return getattr(importlib.import_module(".conversion", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def load(path, configs=None):
    """Read a checkpoint, recognising its format.  Arrays are read when they are asked for.

    Args:
        path: one of

            - our own checkpoint directory; the folder of a pretraining run, whose newest
              checkpoint is taken;
            - a TensorFlow checkpoint of the original code, or BERT's: its folder, its prefix such
              as ``DIR/electra_small``, or one of its files;
            - a Hugging Face or PaddleNLP folder of one half, or of BERT's encoder, or a folder of
              two such folders called (...)discriminator and (...)generator;
            - a zip archive of one of these, in a folder of its own or not;
            - a name such as ``hfl/chinese-electra-small-discriminator`` in the local Hugging Face
              cache; without its ending, both halves;
            - the name of a model that comes with the package, ``chinese-electra-tiny`` or
              ``chinese-electra-tiny-sentiment``.
        configs: {"discriminator" or "generator": path}, configs of a TensorFlow checkpoint that do
            not lie beside it.
    Returns:
        a `native.Checkpoint` with our names.
    Raises:
        InputError: nothing there, nothing recognised (the message lists what was looked for), or
            damaged.
    """
    from ..errors import InputError
    from . import archive, hub_cache, native, shipped, tensorflow

    if (folder := shipped.folder_of(path)) is not None:
        return native.load(folder)
    if hub_cache.looks_like_name(path) and tensorflow.find_prefix(path) is None:
        return _load_cached(hub_cache.resolve(str(path)), str(path))
    path = Path(path)
    if path.is_file() and path.suffix == ".zip":
        inside, temporary = archive.unpack(path)
        checkpoint = _load_path(inside, configs)
        if checkpoint is None:
            raise InputError(f"{path}: no model in this archive; {_LOOKED_FOR}")
        return checkpoint._replace(keep=temporary, source=str(path))
    checkpoint = _load_path(path, configs)
    if checkpoint is not None:
        return checkpoint
    if not path.exists():
        absent = f"{path}: no such folder or checkpoint"
        if str(path) in shipped.SHIPPED:
            absent += "; the weights of that name come with paddle-electra, but not in this copy"
        raise InputError(absent + _to_name_instead(path.parent, path.parent))
    raise InputError(f"{path}: no model found; {_LOOKED_FOR}{_to_name_instead(path, 'it')}")


_LOOKED_FOR = (
    "looked for config.json with discriminator.safetensors (our format), for checkpoints/step-* "
    "(a run), for *.index (TensorFlow), and for model.safetensors, pytorch_model.bin or "
    "model_state.pdparams (Hugging Face, PaddleNLP)"
)


def _to_name_instead(folder, called):
    """The end of a message: our models and TensorFlow's prefixes in a folder, if there are any."""
    from . import native

    halves = (native.DISCRIMINATOR, native.GENERATOR)
    found = {file.parent.name for half in halves for file in folder.glob(f"*/{half}")}
    found |= {file.stem for file in folder.glob("*.index")}
    names = ", ".join(sorted(found)[:12])
    return f"; there are models in {called}, name one: {names}" if found else ""


def _load_cached(halves, name):
    from . import folders

    if len(halves) == 1:
        (folder,) = halves.values()
        return load(folder)
    return folders.load_pair(name, halves)


def _load_path(path, configs):
    """The checkpoint at a path, or None when nothing is recognised."""
    from ..errors import InputError
    from . import folders, native, original, tensorflow
    from .runs import PRETRAINING_SETTINGS, list_checkpoints

    if path.is_dir() and native.is_native(path):
        return native.load(path)
    if checkpoints := list_checkpoints(path):
        if not (path / PRETRAINING_SETTINGS).is_file():
            raise InputError(
                f"{path}: a fine-tuning that is not finished; finish it with the same command, or "
                f"name one of its checkpoints ({checkpoints[-1][1]})"
            )
        return native.load(checkpoints[-1][1])
    prefix = tensorflow.find_prefix(path)
    if prefix is not None:
        return original.load(prefix, configs)
    if path.is_file():
        if path.name in (native.DISCRIMINATOR, native.GENERATOR):
            return native.load(path.parent)
        known = path.name in folders.WEIGHT_FILES or path.suffix in folders.SUFFIXES
        return folders.load(path) if known else None
    if not path.is_dir():
        return None
    if pair := folders.find_pair(path):
        return folders.load_pair(path, pair)
    if weights := folders.find_weights(path):
        return folders.load(weights)
    below = [child for child in path.iterdir() if child.is_dir() and child.name[0] not in "._"]
    if len(below) == 1 and not any(child.is_file() for child in path.iterdir()):
        return _load_path(below[0], configs)  # an archive's folder in a folder
    return None
