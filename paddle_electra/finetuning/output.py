"""The output folder of a fine-tuning: whose it is, and what is put there."""

import dataclasses
import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from .. import config as settings
from ..checkpoint import native
from ..errors import InputError
from ..files import disk_errors, read_json, sha256, write_json
from ..training.state import list_checkpoints

SETTINGS, RESULTS = "settings.json", "results.json"
# Options that may change between two starts of the same run: they do not touch its numbers.
_FREE = ("model", "data", "output", "hparams", "eval_batch_size", "log_steps", "save_minutes")


def identify(setup):
    """What makes a run this run: the options that matter, and digests of its inputs."""
    options = dataclasses.asdict(setup.options)
    return {
        **{name: value for name, value in options.items() if name not in _FREE},
        "model_sha256": _digest(setup.checkpoint.discriminator),
        "tokenizer": setup.tokenizer.fingerprint,
        **{f"{name}_sha256": sha256(split.path) for name, split in setup.splits.items()},
    }


def _digest(tensors):
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].tobytes())
    return digest.hexdigest()


def check(output, identity):
    """Make sure that the folder is new or belongs to the same run.

    Returns:
        the results of a finished run, else None.
    Raises:
        InputError: the folder holds another run or other files.
    """
    folder = Path(output)
    if not folder.exists():
        return None
    if not folder.is_dir():
        raise InputError(f"--output {folder}: expected a folder, this is a file")
    if not (folder / SETTINGS).is_file():
        if any(folder.iterdir()):
            raise InputError(
                f"--output {folder}: the folder holds files that are not of a fine-tuning run; "
                f"name a new folder"
            )
        return None
    before = read_json(folder / SETTINGS, keys=("run",))["run"]
    for name in [*identity, *before]:
        if before.get(name) != identity.get(name):
            raise InputError(
                f"--output {folder}: holds a run with another {name} ({before.get(name)}, now "
                f"{identity.get(name)}); name a new folder, or delete this one to start again"
            )
    return read_json(folder / RESULTS) if (folder / RESULTS).is_file() else None


def write_settings(options, identity):
    """Write ``settings.json``: every option as resolved, and the identity of the run."""
    with disk_errors(options.output):
        Path(options.output).mkdir(parents=True, exist_ok=True)
    values = {"options": settings.to_dict(options), "run": identity}
    write_json(Path(options.output) / SETTINGS, values)


def write_model(setup, model):
    """Put the fine-tuned model into the output folder, each file atomically, weights last."""
    folder = Path(setup.options.output)
    checkpoint = setup.checkpoint
    with disk_errors(folder), tempfile.TemporaryDirectory(dir=folder, prefix=".model.") as name:
        made = Path(name)
        native.write_into(
            made, checkpoint.config, checkpoint.vocab_file, model, task=setup.kind.describe()
        )
        for file in sorted(made.iterdir(), key=lambda file: file.name == native.DISCRIMINATOR):
            with open(file, "rb") as handle:
                os.fsync(handle.fileno())
            os.replace(file, folder / file.name)


def remove_checkpoints(output, keep=()):
    """Delete the training checkpoints of all steps but those in ``keep``."""
    for step, folder in list_checkpoints(output):
        if step not in keep:
            shutil.rmtree(folder)
    root = Path(output) / "checkpoints"
    for leftover in root.glob(".step-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    if not keep and root.is_dir() and not any(root.iterdir()):
        root.rmdir()
