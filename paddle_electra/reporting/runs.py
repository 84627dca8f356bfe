"""A training run as its folder tells it: settings, and every number of its log over the steps."""

import math
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..checkpoint.runs import PRETRAINING_SETTINGS, list_checkpoints
from ..errors import InputError
from ..files import read_json
from ..training.log import read_log

LOG = "log.jsonl"
FINETUNING_SETTINGS, FINETUNING_RESULTS = "settings.json", "results.json"
TRAINING, HELD_OUT = "training", "held out"
TOKENS, SECONDS = "tokens_seen", "seconds_trained"  # in training lines, both since step 0
_NOT_DRAWN = ("examples", "epoch", "seconds", TOKENS)  # nor with a task's name before them

_PLAIN = re.compile(r"[A-Za-z0-9.][\w ./+=,-]*", re.ASCII)


class Series(NamedTuple):
    """A number over the course of a run."""

    steps: np.ndarray  # (points,) int64
    values: np.ndarray  # (points,) float64; NaN for what is not finite


class Run(NamedTuple):
    """What `read_run` found in a folder."""

    folder: Path
    kind: str  # "pretraining", "fine-tuning", or "training" where no settings lie
    settings: dict  # {option: value}
    steps: int  # of the last line of the log, or of the newest checkpoint if that is later
    logged: int  # of the last line of the log
    planned: int | None  # steps of the whole run, where that is known
    series: dict  # {(name, TRAINING or HELD_OUT): Series}
    tokens: Series | None  # real tokens since step 0
    seconds: float | None  # of training, without evaluation


def read_run(folder):
    """Read the log and the settings of a run, finished or in progress.

    Args:
        folder: of a pretraining or a fine-tuning run.
    Returns:
        a `Run`.
    Raises:
        InputError: no run there, a log without a complete line, or a damaged file.
    """
    folder = Path(folder)
    log = folder / LOG
    if not log.is_file():
        raise InputError(f"{folder}: {_why_no_run(folder)}")
    entries = read_log(log, tolerant=True)
    if not entries:
        raise InputError(f"{log}: no complete line yet; wait until the run has logged its first")
    kind, settings, planned, seconds = _read_settings(folder)
    found = _collect(entries, log)
    times = found.pop((SECONDS, TRAINING), None)
    logged = entries[-1]["step"]
    saved = max((step for step, _ in list_checkpoints(folder)), default=0)
    return Run(
        folder,
        kind,
        settings,
        max(logged, saved),
        logged,
        planned,
        {
            key: series
            for key, series in found.items()
            if key[0].rpartition(" ")[2] not in _NOT_DRAWN
        },
        found.get((TOKENS, TRAINING)),
        float(times.values[-1]) if times is not None else seconds,
    )


def _why_no_run(folder):
    if not folder.exists():
        return "no such folder"
    if not folder.is_dir():
        return "expected the folder of a run, this is a file"
    inside = sorted(path.parent.name for path in folder.glob(f"*/{LOG}"))
    hint = f"; there are runs in it, name them: {', '.join(inside[:12])}" if inside else ""
    return f"not a training run, it has no {LOG}{hint}"


def _read_settings(folder):
    """(kind, settings, planned steps, seconds of training) from the files beside the log."""
    if (folder / PRETRAINING_SETTINGS).is_file():
        saved = read_json(folder / PRETRAINING_SETTINGS, keys=("options",))
        # The whole fingerprints are of no use to a reader.
        prints = {name: saved[name][:8] for name in ("vocabulary", "shards") if name in saved}
        options = saved["options"]
        return "pretraining", {**options, **prints}, options.get("num_train_steps"), None
    if (folder / FINETUNING_SETTINGS).is_file():
        options = read_json(folder / FINETUNING_SETTINGS, keys=("options",))["options"]
        results = {}
        if (folder / FINETUNING_RESULTS).is_file():
            results = read_json(folder / FINETUNING_RESULTS, keys=())
        trained = results.get("train", {})
        return "fine-tuning", options, trained.get("steps"), trained.get("seconds")
    return "training", {}, None, None


def _collect(entries, log):
    """{(name, part): Series} of all numbers of a log."""
    points = {}
    for entry in entries:
        if not isinstance(entry["step"], int) or not isinstance(entry.get("kind"), str):
            raise InputError(f"{log}: a line has no whole number 'step' or no text 'kind'")
        prefix, part = _place(entry)
        for name, value in entry.items():
            if name != "step" and isinstance(value, (int, float)) and not isinstance(value, bool):
                value = value if math.isfinite(value) else math.nan
                points.setdefault((prefix + name, part), []).append((entry["step"], value))
    return {
        key: Series(
            np.array([step for step, _ in pairs], np.int64),
            np.array([value for _, value in pairs], np.float64),
        )
        for key, pairs in points.items()
    }


def _place(entry):
    """(prefix of the names, part) of a line, by its kind.

    Fine-tuning on several tasks writes ``TASK_dev``; a probe names its task.
    """
    kind = entry["kind"]
    if kind == "train":
        return "", TRAINING
    if kind in ("eval", "dev"):
        return "", HELD_OUT
    if kind == "probe":
        return f"probe {entry.get('task', '')} ".replace("  ", " "), HELD_OUT
    return f"{kind.removesuffix('_dev')} ", HELD_OUT


def tokens_at(run, steps):
    """Real tokens that a run had seen after ``steps``; straight lines between lines of the log.

    Raises:
        InputError: its log does not say.
    """
    if run.tokens is None:
        raise InputError(
            f"{run.folder / LOG}: its training lines have no {TOKENS}, so the axis cannot be "
            f"tokens; take --x steps"
        )
    known = np.concatenate([[0], run.tokens.steps]), np.concatenate([[0.0], run.tokens.values])
    return np.interp(steps, *known)


def names_of(runs):
    """A short name for each run: its folder's, with as much of the path as tells them apart."""
    paths = [run.folder.resolve().parts for run in runs]
    for length in range(1, max(map(len, paths)) + 1):
        names = ["/".join(parts[-length:]) for parts in paths]
        if len(set(names)) == len(names):
            return names
    raise InputError(f"{runs[0].folder}: a run is named twice; name each once")


def labels_of(runs):
    """What the runs are called in the picture: their names, if every font has them.

    One with other letters, or with signs that stand for mathematics, is called by its number.
    """
    return [
        name if _PLAIN.fullmatch(name) else f"run {number}"
        for number, name in enumerate(names_of(runs), 1)
    ]
