"""Training checkpoints: atomic, rotated, complete enough that a resumed run equals an unbroken one.

A checkpoint is a folder ``checkpoints/step-00001000`` that holds a model in our own format (so
that every command takes it), ``optimizer.safetensors`` and ``training.json``.  There is no random
state to save: masks, samples, order and dropout are all keyed by (seed, step).
"""

import contextlib
import os
from pathlib import Path

from ..checkpoint import native
from ..checkpoint.runs import checkpoint_folder, list_checkpoints
from ..errors import InputError
from ..files import (
    atomic_directory,
    clean_up,
    only_writer,
    read_json,
    remove_directory,
    write_json,
)

OPTIMIZER, TRAINING = "optimizer.safetensors", "training.json"


def only_job(output, writes=True):
    """The context in which no other job trains in the folder of a run: the processes of one may
    outlive their killed launcher.  Rank 0 sees to it for all, before it looks at the checkpoints.

    Args:
        writes: is this job going to train?
    Raises:
        InputError: another one does, and does not end.
    """
    output, rank = Path(output), os.environ.get("PADDLE_TRAINER_ID", "0")
    is_file = output.exists() and not output.is_dir()  # which is refused elsewhere
    if not writes or rank != "0" or is_file:
        return contextlib.nullcontext()
    return only_writer(output)


def save_checkpoint(
    output, step, config, vocab_file, model, generator, optimizer, state, task=None
):
    """Write one checkpoint, atomically.

    Args:
        model: the discriminator or fine-tuning model.
        generator: the generator or None.
        state: JSON-ready dict, at least what is needed to continue besides weights and moments.
    """
    with atomic_directory(checkpoint_folder(output, step)) as folder:
        masters = optimizer.masters()
        native.write_into(folder, config, vocab_file, model, generator, task, masters)
        native.write_tensors(folder / OPTIMIZER, optimizer.moments())
        write_json(folder / TRAINING, {"step": step, **state})


def rotate(output, keep):
    """Delete all but the newest ``keep`` checkpoints, and what killed saves left; 0 keeps all."""
    checkpoints = list_checkpoints(output)
    for _, folder in checkpoints[: max(0, len(checkpoints) - keep) if keep else 0]:
        remove_directory(folder)
    clean_up(Path(output) / "checkpoints")


def read_training_state(folder, keys):
    """(optimizer arrays, state dict) of a checkpoint folder.

    Args:
        keys: names that the state must have.
    Raises:
        InputError: a file is missing or damaged, naming it.
    """
    folder = Path(folder)
    for name in (OPTIMIZER, TRAINING):
        if not (folder / name).is_file():
            raise InputError(f"{folder}: {name} is missing; a run cannot be resumed from here")
    saved = read_json(folder / TRAINING, keys=("step",))
    for key in keys:
        if key not in saved:
            raise InputError(
                f"{folder / TRAINING}: {key!r} is missing: made by an earlier version, or changed; "
                f"a run cannot be resumed from here. Give it as --init-from of another --output"
            )
    return native.read_tensors(folder / OPTIMIZER), saved
