"""Weights on disk, in every format that is read."""

from pathlib import Path


def load(path):
    """Read a checkpoint, recognising its format.

    Args:
        path: our own checkpoint directory; the folder of a pretraining run, whose newest
            checkpoint is taken; or a TensorFlow checkpoint of the original code (its folder, its
            prefix such as ``DIR/electra_small``, or its ``.index`` file).
    Returns:
        a `native.Checkpoint` with our names.
    Raises:
        InputError: nothing there, or nothing recognised; the message lists what was looked for.
    """
    from ..errors import InputError
    from . import native
    from .runs import PRETRAINING_SETTINGS, list_checkpoints

    path = Path(path)
    if (path / native.CONFIG).is_file() and (path / native.DISCRIMINATOR).is_file():
        return native.load(path)
    if checkpoints := list_checkpoints(path):
        if not (path / PRETRAINING_SETTINGS).is_file():
            raise InputError(
                f"{path}: a fine-tuning that is not finished; finish it with the same command, or "
                f"name one of its checkpoints ({checkpoints[-1][1]})"
            )
        return native.load(checkpoints[-1][1])
    # Only here, so that a module, whose weights are in our format, works without crc32c.
    from . import original, tensorflow

    prefix = tensorflow.find_prefix(path)
    if prefix is not None:
        return original.load(prefix)
    if not path.exists():
        raise InputError(f"{path}: no such folder or checkpoint")
    raise InputError(
        f"{path}: no model found; looked for {native.CONFIG} with {native.DISCRIMINATOR} "
        f"(our format), for checkpoints/step-* (a run) and for *.index (TensorFlow)"
    )
