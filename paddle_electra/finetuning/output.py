"""The output folder of a fine-tuning: whose it is, and what is put there."""

import dataclasses
import json
import os
import shutil
from pathlib import Path

from .. import config as settings
from ..checkpoint import native
from ..errors import InputError
from ..files import clean_up, disk_errors, is_empty, read_json, remove_directory, write_json
from ..training.state import list_checkpoints
from .options import COMMON, OF_READING, FinetuneOptions

SETTINGS, RESULTS = "settings.json", "results.json"
TRIALS = "several_trials"  # in the identity of a folder of trials
MODEL_FILES = (native.DISCRIMINATOR, native.CONFIG, native.VOCAB, native.TASK)
# Options that may change between two starts of the same run: they do not touch its numbers.
_FREE = (
    *("model", "data", "train", "dev", "test", "output", "hparams", "feature_cache"),
    *("eval_batch_size", "log_steps", "log_examples", "save_minutes"),
    *("num_trials", "keep_all_models", "write_test_outputs", "n_writes_test"),
)


def identify(setup, digests):
    """What makes a run this run: the options that matter, and digests of its inputs."""
    options = dataclasses.asdict(setup.options)
    reads = any(job.task.kind == "qa" for job in setup.jobs)
    left = _FREE if reads else (*_FREE, *OF_READING)
    identity = {
        **{name: value for name, value in options.items() if name not in left},
        "labels": {job.task.name: job.task.labels for job in setup.jobs},
        "tokenizer": setup.tokenizer.fingerprint,
        **digests,
    }
    return json.loads(json.dumps(identity))  # as it is read back


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
        if not is_empty(folder):
            raise InputError(
                f"--output {folder}: the folder holds files that are not of a fine-tuning run; "
                f"name a new folder"
            )
        return None
    before = read_json(folder / SETTINGS, keys=("run",))["run"]
    _refuse_other_layout(folder, before, identity)
    before |= {name: identity[name] for name in _new_options(before, identity)}
    for name in [*identity, *(name for name in before if name not in OF_READING)]:
        if before.get(name) != identity.get(name):
            raise InputError(
                f"--output {folder}: holds a run {_difference(name, before, identity)}; name a new "
                f"folder, or delete this one to start again"
            )
    return read_json(folder / RESULTS) if (folder / RESULTS).is_file() else None


def _difference(name, before, identity):
    """What is different, in words: of files and weights only digests are known."""
    what, digest, _ = name.partition("_sha256")
    if name == "tokenizer":
        return "with another vocabulary"
    if not digest:
        shown = name if name not in {field.name for field in _fields()} else name.replace("_", "-")
        return f"with another {shown} ({before.get(name)}, now {identity.get(name)})"
    if what == "model":
        return "from another --model, or its weights have changed"
    if name not in before or name not in identity:
        return f"{'with' if name in before else 'without'} a {what} file"
    return f"on another {what} file, or the file has changed since"


def _fields():
    return dataclasses.fields(FinetuneOptions)


def _refuse_other_layout(folder, before, identity):
    """A folder is that of one run or that of several trials."""
    several = before.get(TRIALS), identity.get(TRIALS)
    if bool(several[0]) != bool(several[1]):
        found, wanted = ("several trials", "one run") if several[0] else ("a single run", "trials")
        raise InputError(
            f"--output {folder}: holds {found}; name a new folder for {wanted}, or delete this one "
            f"to start again"
        )


def _new_options(before, identity):
    """Options that a run of an earlier version does not know and that are at their defaults."""
    known = {field.name: field.default for field in _fields()}
    return [
        name
        for name, default in known.items()
        if name in identity
        and name not in before
        and identity[name] in (json.loads(json.dumps(default)), COMMON.get(name))
    ]


def write_settings(options, identity):
    """Write ``settings.json``: every option as resolved, and the identity of the run."""
    with disk_errors(options.output):
        Path(options.output).mkdir(parents=True, exist_ok=True)
    values = {"options": settings.to_dict(options), "run": identity}
    write_json(Path(options.output) / SETTINGS, values)


def wrote_test(output):
    """Whether the run in a folder was told to write predictions of test files."""
    return read_json(Path(output) / SETTINGS, keys=("options",))["options"].get(
        "write_test_outputs", True
    )


def folder_of(setup, job):
    """Where a task's model and predictions go."""
    output = Path(setup.options.output)
    return output / job.task.name if setup.several else output


def write_model(setup, model):
    """Put the fine-tuned model of each task into its folder, every file atomically."""
    for number, job in enumerate(setup.jobs):
        _write_model(setup, job, setup.part(model, number), folder_of(setup, job))


def _write_model(setup, job, model, folder):
    checkpoint = setup.checkpoint
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        clean_up(folder)
        made = folder / f".model.{os.getpid()}.tmp"
        made.mkdir()
        try:
            native.write_into(
                made, checkpoint.config, checkpoint.vocab_file, model, task=job.kind.describe()
            )
            # The weights last: a model is there when they are.
            for file in sorted(made.iterdir(), key=lambda file: file.name == native.DISCRIMINATOR):
                with open(file, "rb") as handle:
                    os.fsync(handle.fileno())
                os.replace(file, folder / file.name)
        finally:
            shutil.rmtree(made, ignore_errors=True)


def remove_checkpoints(output, keep=()):
    """Delete the training checkpoints of all steps but those in ``keep``."""
    for step, folder in list_checkpoints(output):
        if step not in keep:
            remove_directory(folder)
    root = Path(output) / "checkpoints"
    clean_up(root)
    if not keep and root.is_dir() and not any(root.iterdir()):
        root.rmdir()
