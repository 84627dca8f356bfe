"""Weights on disk, in every format that is read."""

from pathlib import Path


def load(path):
    """Read a checkpoint, recognising its format.

    Args:
        path: our own checkpoint directory, or a TensorFlow checkpoint of the original code (its
            folder, its prefix such as ``DIR/electra_small``, or its ``.index`` file).
    Returns:
        a `native.Checkpoint` with our names.
    Raises:
        InputError: nothing there, or nothing recognised; the message lists what was looked for.
    """
    from ..errors import InputError
    from . import native

    path = Path(path)
    if (path / native.CONFIG).is_file() and (path / native.DISCRIMINATOR).is_file():
        return native.load(path)
    # Only here, so that a module, whose weights are in our format, works without crc32c.
    from . import original, tensorflow

    prefix = tensorflow.find_prefix(path)
    if prefix is not None:
        return original.load(prefix)
    if not path.exists():
        raise InputError(f"{path}: no such folder or checkpoint")
    raise InputError(
        f"{path}: no model found; looked for {native.CONFIG} with {native.DISCRIMINATOR} "
        f"(our format) and for *.index (TensorFlow)"
    )
