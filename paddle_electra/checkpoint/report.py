"""What the commands say about a checkpoint that they read: loaded, left, new."""

import collections
import re

from .names import HALVES
from .tensors import lazy

_SLOTS = re.compile(r"/(adam_m|adam_v)$")
_MOST_NAMES = 8

EPSILON_NOTE = (
    "PaddleNLP's layers are built with LayerNorm epsilon 1e-5 where the original has 1e-12; its "
    "model classes may set 1e-12 afterwards: --check says what the installed version computes with"
)


def summary(checkpoint, new=()):
    """Lines that say what was loaded, what was left, and what is new.

    Args:
        checkpoint: a `native.Checkpoint`.
        new: what the reader adds of its own, such as "a fresh generator".
    """
    lines = headline(checkpoint)
    lines.append(f"left    {describe_left(checkpoint.left)}")
    lines += [f"new     {text}" for text in new or ("nothing",)]
    return lines + [f"note    {text}" for text in checkpoint.notes]


def headline(checkpoint, halves=HALVES):
    """Lines that say what a checkpoint is, and the sizes of those of its halves."""
    lines = [f"read    {checkpoint.format} checkpoint {checkpoint.source}"]
    for half in halves:
        tensors = getattr(checkpoint, half)
        if tensors is not None:
            lines.append(f"loaded  {_describe(half, tensors, checkpoint.config)}")
    return lines


def _describe(half, tensors, config):
    specs = lazy(tensors).specs
    count = sum(spec.nbytes // spec.dtype.itemsize for spec in specs.values())
    of = config.generator if half == "generator" else config
    heads = [name for name in specs if not name.startswith("electra.")]
    what = f"encoder with{'' if config.pooler else 'out'} pooler" if not heads else half
    note = " and the shared embeddings" if half == "generator" and config.tied_embeddings else ""
    return (
        f"{what}: {len(specs)} tensors, {count:,} parameters{note}; {of.num_hidden_layers} layers "
        f"of {of.hidden_size}, heads {of.num_attention_heads}, embeddings {of.embedding_size}, "
        f"vocabulary {of.vocab_size}"
    )


def describe_left(names):
    """Tensors that are no part of a model, optimizer slots counted together."""
    slots = collections.Counter(match[1] for name in names if (match := _SLOTS.search(name)))
    rest = [name for name in names if not _SLOTS.search(name)]
    parts = [f"{count} optimizer slots {slot}" for slot, count in sorted(slots.items())]
    parts += rest[:_MOST_NAMES]
    if len(rest) > _MOST_NAMES:
        parts.append(f"and {len(rest) - _MOST_NAMES} more")
    return ", ".join(parts) if parts else "nothing"
