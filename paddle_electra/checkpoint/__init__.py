"""Weights on disk, in every format that is read; `load` for all of them.

`convert` turns one into another; it is in ``conversion`` and loaded when it is first used, so
that a PaddleHub module, which carries the readers, does not carry it.
"""

import importlib
from pathlib import Path

from .names import HALVES

_LEFT_BY_RUNS = ("finetuning_models", "results")


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
    from . import archive, huggingface_cache, native, shipped, tensorflow

    if (folder := shipped.folder_of(path)) is not None:
        return native.load(folder)
    if huggingface_cache.looks_like_name(path) and tensorflow.find_prefix(path) is None:
        return _load_cached(huggingface_cache.resolve(str(path)), str(path))
    path = Path(path)
    if path.is_file() and path.suffix == ".zip":
        unpacked = archive.unpack(path)
        with unpacked.naming(archive.TO_CHANGE_FILES):
            checkpoint = _load_path(unpacked.folder, configs)
            if checkpoint is None:
                others = _to_name_instead(unpacked.folder, "it")
                raise InputError(f"{path}: no model in this archive; {_LOOKED_FOR}{others}")
        return unpacked.rename(checkpoint)
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
    """The end of a message: the models and TensorFlow's prefixes in a folder, if there are any."""
    found = {child.name for child in _folders_in(folder) if _holds_model(child)}
    found |= {file.stem for file in folder.glob("*.index")}
    names = ", ".join(sorted(found)[:12])
    return f"; there are models in {called}, name one: {names}" if found else ""


def _folders_in(folder):
    """The folders in a folder but those that HFL's command leaves beside the model."""
    found = [path for path in sorted(folder.glob("*")) if path.is_dir()]
    return [path for path in found if path.name[0] not in "._" and path.name not in _LEFT_BY_RUNS]


def _holds_model(folder):
    """Is there something in a folder, or in the folders of two halves in it, that is read?"""
    from . import folders, native

    files = (native.DISCRIMINATOR, native.GENERATOR, *folders.WEIGHT_FILES)
    halves = (f"*{half}/{name}" for half in HALVES for name in folders.WEIGHT_FILES)
    patterns = ("*.index", "checkpoints/step-*", *files, *halves)
    return any(True for pattern in patterns for _ in folder.glob(pattern))


def _only_model_in(path):
    """The one folder in a folder that has the model, as archives unpack; None for none or several.

    Only another archive, or what a computer hides, may lie beside it: other files say that the
    folder is something of its own.
    """
    beside = (file for file in path.iterdir() if file.is_file() and file.name[0] != ".")
    if any(file.suffix != ".zip" for file in beside):
        return None
    below = _folders_in(path)
    below = [folder for folder in below if _holds_model(folder)] or below
    return below[0] if len(below) == 1 else None


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
    below = _only_model_in(path)
    return None if below is None else _load_path(below, configs)
