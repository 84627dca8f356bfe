"""What makes two calls the same run: its settings, shards and vocabulary, kept beside it."""

import hashlib
import json

from ..checkpoint.runs import PRETRAINING_SETTINGS as SETTINGS
from ..config import to_dict
from ..errors import InputError
from ..files import is_empty, read_json, write_json

# These may change between a run and its continuation.  How a batch is cut into parts, laid out and
# computed changes the numbers by rounding (and by other dropout), the size of evaluation's batches
# its masks, the rest nothing.
FREE = {
    "data",
    "long_data",
    "output",
    "hparams",
    "gradient_accumulation_steps",
    "do_train",
    "do_eval",
    "log_every",
    "eval_every",
    "eval_batch_size",
    "probe",
    "probe_every",
    "save_checkpoints_steps",
    "save_checkpoints_minutes",
    "keep_checkpoint_max",
    "recompute",
    "layout",
    "attention",
    "peak_tflops",
    "device",
    "visualdl",
    "dry_run",
}


def check_settings(output, options, datasets):
    """Refuse to continue a run with other settings or data; the first difference is named.

    Args:
        output: the folder of the run.
        datasets: the `ShardDataset`s of its stages.
    Raises:
        InputError: another run is there, or something else than a run.
    """
    if output.exists() and not output.is_dir():
        raise InputError(f"{output}: expected a folder for the run, this is a file")
    path = output / SETTINGS
    if not path.is_file():
        if output.is_dir():  # a process that was killed while it wrote the settings left a half
            for half in output.glob(f".{SETTINGS}.*.tmp"):
                half.unlink(missing_ok=True)
        if output.is_dir() and not is_empty(output):
            raise InputError(
                f"{output}: not empty and not a pretraining run; give another --output"
            )
        return
    before = read_json(path, keys=("options", "vocabulary", "shards"))
    if before["vocabulary"] != datasets[0].vocab_fingerprint:
        raise InputError(
            f"{options.data}: these shards are of another vocabulary than the run in {output}; "
            f"give the run's own shards, or another --output"
        )
    if before["shards"] != fingerprint(datasets):
        folders = " and ".join(str(dataset.folder) for dataset in datasets)
        raise InputError(
            f"{folders}: these are not the shards that the run in {output} began with; give "
            f"those, or another --output"
        )
    now = to_dict(options)
    for key, value in before["options"].items():
        if key not in FREE and key in now and now[key] != value:
            raise InputError(
                f"{output} holds a run with {key}={value!r}, now it is {now[key]!r}; give the same "
                f"value to continue it, or another --output"
            )


def fingerprint(datasets):
    """One hash of all shards' checksums."""
    sums = [shard["sha256"] for dataset in datasets for shard in dataset.meta["shards"]]
    return hashlib.sha256(json.dumps(sums, sort_keys=True).encode("ascii")).hexdigest()


# Where a process finds and puts things is its own affair.
_OWN = {"data", "long_data", "init_from", "output", "hparams", "device", "probe", "visualdl"}


def shared_settings(options):
    """The options, as text, that all processes of a job must have in common."""
    values = {key: value for key, value in to_dict(options).items() if key not in _OWN}
    return json.dumps(values, sort_keys=True)


def weights_digest(model):
    """A hash of all parameters."""
    digest = hashlib.blake2b()
    for parameter in model.parameters():
        digest.update(parameter.numpy().tobytes())
    return digest.hexdigest()


def save_settings(output, options, datasets):
    """Write the run's settings beside its output, with hashes of vocabulary and shards."""
    settings = {
        "options": to_dict(options),
        "vocabulary": datasets[0].vocab_fingerprint,
        "shards": fingerprint(datasets),
    }
    write_json(output / SETTINGS, settings)
