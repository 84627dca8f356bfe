"""``model.pdparams`` that ``hub.Trainer`` saved, of our modules or of PaddleHub's published ones.

Both are the ``state_dict`` of the module.  A published one holds PaddleNLP's names and its heads.
Neither says anything of sizes or labels, so that the sizes are the module's own.  The file is a
pickle and is read without running it.
"""

import dataclasses
from typing import NamedTuple

from ..checkpoint import names
from ..checkpoint.mapping import Imported
from ..checkpoint.names import ENCODER_PREFIX
from ..checkpoint.pdparams import PdparamsFile
from ..checkpoint.tensors import Joined, Renamed
from ..errors import InputError

MODULE_PREFIX = "model."  # the module's attribute that holds the network
PUBLISHED, OURS = "published", "ours"
# What PaddleNLP's ELECTRA computes with whatever the LayerNorms' own default is.
PUBLISHED_EPSILON = 1e-12
HEAD = "classifier."


class _Layout(NamedTuple):
    origin: str
    mark: str  # how a name begins that tells this layout from the others
    encoder: str
    head: str


_LAYOUTS = (
    _Layout(PUBLISHED, "model.electra.encoder.", "model.electra.", "model.classifier."),
    _Layout(PUBLISHED, "model.encoder.", "model.", "classifier."),
    _Layout(OURS, "model.electra.layers.", "model.electra.", "model.classifier."),
)


def is_trainer_file(path):
    """Is this file a ``.pdparams`` of a whole module, not of a bare network?"""
    return path.suffix == ".pdparams" and any(
        name.startswith(MODULE_PREFIX) for name in PdparamsFile(path)
    )


def read(path, own):
    """The weights in ``path`` as a `Checkpoint`.

    Args:
        own: the module's own `Checkpoint`, whose sizes and vocabulary the file must fit.
    Returns:
        a `Checkpoint`.  Its ``task`` is None without a head, else ``kind`` ("seq-cls" for our
        modules' token-cls too, which looks the same), ``head`` (`PUBLISHED` or `OURS`) and
        ``num_classes``.
    Raises:
        InputError: damaged, of another size, or no such file.
    """
    file = PdparamsFile(path)
    layout = next((x for x in _LAYOUTS if any(name.startswith(x.mark) for name in file)), None)
    if layout is None:
        raise InputError(
            f"{path}: no tensor 'model.electra...' in it; load_checkpoint takes what hub.Trainer "
            f"saved from a module of this kind, or a folder of `paddle-electra finetune`"
        )
    origin, _, encoder, head = layout
    config = own.config
    if origin == PUBLISHED:
        config = dataclasses.replace(config, layer_norm_eps=PUBLISHED_EPSILON)
        tensors = _published_encoder(file, encoder, config)
    else:
        tensors = Renamed(file, _below(file, encoder, ENCODER_PREFIX))
    heads = _below(file, head, HEAD)
    _refuse_rest(file, (encoder, head))
    task = _task(file, origin, heads, head, config) if heads else None
    return own._replace(
        config=config,
        discriminator=Joined([tensors, Renamed(file, heads)]),
        generator=None,
        task=task,
        source=str(path),
        format="paddlehub",
        guessed=(),
    )


def _published_encoder(file, prefix, config):
    theirs = Renamed(file, _below(file, prefix, ENCODER_PREFIX))
    rows = names.model_rows("discriminator", "paddlenlp", config)
    rows = [row for row in rows if row.native.startswith(ENCODER_PREFIX)]
    known = {name for row in rows for name in row.names}
    for name in theirs:
        if name not in known:
            raise InputError(
                f"{file.source}: tensor {theirs.names[name]!r} has no place in this module: it is "
                f"of another size"
            )
    return Imported(theirs, rows, config)


def _below(file, prefix, ours):
    """{name with ``ours`` in the place of ``prefix``: name} of the tensors that have it."""
    return {ours + name[len(prefix) :]: name for name in file if name.startswith(prefix)}


def _refuse_rest(file, prefixes):
    for name in file:
        if not name.startswith(prefixes):
            raise InputError(f"{file.source}: tensor {name!r} is not part of such a module")


def _task(file, origin, heads, prefix, config):
    """What the head is for, by the names and shapes of its tensors."""
    if f"{HEAD}out_proj.weight" in heads:
        # Ours has this head too, where one was loaded and trained on.
        kind, origin, last = "seq-cls", PUBLISHED, heads[f"{HEAD}out_proj.weight"]
    elif f"{HEAD}weight" in heads:
        last = heads[f"{HEAD}weight"]
        matching = file.specs[last].shape[:1] == (3 * config.hidden_size,)
        kind = "text-matching" if matching else "token-cls"
        if origin == OURS and not matching:
            kind = "seq-cls"
    else:
        raise InputError(f"{file.source}: tensor '{prefix}weight' is missing")
    shape = file.specs[last].shape
    if len(shape) != 2:
        raise InputError(f"{file.source}: tensor {last!r} has shape {list(shape)}, expected two")
    return {"kind": kind, "head": origin, "num_classes": shape[1]}
