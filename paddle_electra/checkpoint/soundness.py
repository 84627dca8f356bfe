"""Is a checkpoint sound?  Every tensor is read; shapes, numbers and vocabulary are checked."""

import numpy as np

from ..errors import InputError
from ..text.tokenizer import ElectraTokenizer
from . import names
from .foreign import family
from .report import summary


def examine(checkpoint):
    """Read a checkpoint whole and check that it can be used.

    Args:
        checkpoint: a `native.Checkpoint`.
    Returns:
        lines that describe it.
    Raises:
        InputError: a tensor that is damaged (where the format has checksums), missing, of a wrong
            shape or not finite; a vocabulary that does not fit.
    """
    config, count = checkpoint.config, 0
    halves = (
        (family(config), config, checkpoint.discriminator),
        ("generator", config.generator, checkpoint.generator),
    )
    for half, of, tensors in halves:
        if tensors is None:
            continue
        shapes = _expected(half, of, checkpoint)
        for name, array in tensors.items():
            _check_tensor(name, array, shapes, checkpoint)
            count += 1
        headless = checkpoint.task is not None or not any(n.startswith("head.") for n in tensors)
        for name in shapes:
            if name not in tensors and not (headless and name.startswith("head.")):
                raise InputError(f"{checkpoint.source}: tensor {name!r} is missing")
    with checkpoint.naming():
        tokenizer = ElectraTokenizer(checkpoint.vocab_file, do_lower_case=config.do_lower_case)
    if tokenizer.vocab_size > config.vocab_size:
        raise InputError(
            f"{checkpoint.vocab_name}: {tokenizer.vocab_size} tokens, but the model has "
            f"embeddings for {config.vocab_size}; it is another model's vocabulary"
        )
    lines = [line for line in summary(checkpoint) if not line.startswith("new ")]
    if checkpoint.task is not None:
        task = checkpoint.task
        kind, labels = task.get("kind"), task.get("labels")
        lines.append(f"task    {task.get('task')} ({kind}), labels {labels}")
    lines.append(f"sound   {count} tensors, all finite; {tokenizer.vocab_size} tokens in vocab.txt")
    return lines


def _expected(half, config, checkpoint):
    """{our name: shape} of a half, without what it shares with the other."""
    tied = half == "generator" and checkpoint.config.tied_embeddings
    shapes = {}
    for row in names.model_rows(half, "tensorflow", config):
        if tied and row.native.startswith(names.EMBEDDINGS_PREFIX):
            continue
        sizes = [getattr(config, size) if isinstance(size, str) else size for size in row.sizes]
        shapes[row.native] = (*sizes[:-1], sizes[-1] * len(row.names))
    return shapes


def _check_tensor(name, array, shapes, checkpoint):
    source, is_head = checkpoint.source, not name.startswith(names.ENCODER_PREFIX)
    if name not in shapes:
        if checkpoint.task is None or not is_head:
            raise InputError(f"{source}: tensor {name!r} is not part of this model")
    elif tuple(array.shape) != shapes[name]:
        raise InputError(
            f"{source}: tensor {name!r} has shape {list(array.shape)}, config.json says "
            f"{list(shapes[name])}"
        )
    if array.dtype.kind != "f":
        raise InputError(f"{source}: tensor {name!r} is of type {array.dtype}, not floating point")
    if not np.isfinite(array).all():
        raise InputError(
            f"{source}: tensor {name!r} has numbers that are not finite; the training diverged or "
            f"the file is damaged"
        )
