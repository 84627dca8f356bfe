"""A downstream probe: how well the discriminator of a checkpoint fine-tunes on a task.

A probe is ``paddle-electra finetune`` in a process of its own, so it cannot touch the random state
or the memory of the training, and the same checkpoint and spec give the same score.
"""

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from ..config import from_dict
from ..errors import InputError
from ..files import atomic_directory, read_json

_ROOT = Path(__file__).resolve().parents[2]
_RESULTS = "results.json"  # of a fine-tuning
# What a probe says itself, whatever the spec says.
_OWN = {
    "model": "it is the run's checkpoint",
    "output": "it is a folder of the run",
    "hparams": "write its keys into the probe",
    "num_trials": "a probe is one training; benchmarks/probe_checkpoints.py takes several seeds",
    "do_train": "a probe trains",
    "do_eval": "a probe scores the dev split",
}
_DEFAULTS = {"do_test": False}
# The surroundings of a rank of a distributed run, which the fine-tuning is not.
_LAUNCHED = ("PADDLE_", "POD_", "TRAINING_ROLE", "DISTRIBUTED_TRAINER_ENDPOINTS")
_OURS = "PADDLE_ELECTRA_"
_NICENESS = 5
_POLL = 0.5  # seconds


def check_probe(values, source="--probe"):
    """The options of a probe's fine-tuning; refuses what `finetune` would refuse to parse.

    Whether the task's files are sound shows when the first probe reads them.

    Args:
        values: {option of ``paddle-electra finetune``: value}: ``task``, ``data``, and what else is
            wanted, such as ``num_train_epochs`` (0.5 is half the examples), ``seed``.
        source: how messages call the place that the values come from.
    Returns:
        a dict for `run_probe`.
    Raises:
        InputError: an unknown key, a value of a wrong type, several tasks, no such folder, or a key
            that is the probe's own.
    """
    values = {key.replace("-", "_"): value for key, value in values.items()}
    for key, reason in _OWN.items():
        if key in values:
            raise InputError(f"{source}: {key} cannot be given: {reason}")
    options = from_dict(_finetune_options(), {**values, "model": "-", "output": "-"}, source)
    if len(options.task) != 1 or "," in options.task[0]:
        raise InputError(f"{source}: task {options.task}: expected the name of one task")
    if options.data is not None and not Path(options.data).is_dir():
        raise InputError(f"{source}: data {options.data}: no such folder")
    return {**_DEFAULTS, **values}


def _finetune_options():
    """The options of ``finetune``, as the command line knows them: probes go through it."""
    from ..cli import COMMANDS

    module, _, name = COMMANDS["finetune"].options.partition(":")
    package = __package__.rpartition(".")[0]
    return getattr(importlib.import_module(f".{module}", package), name)


def run_probe(checkpoint_folder, spec, output_folder, interrupted=()):
    """Fine-tune a checkpoint as ``spec`` says and return its scores on the dev split.

    ``output_folder`` gets what `finetune` writes but the model; what was there before is replaced.

    Args:
        checkpoint_folder: a model in any format.
        spec: a dict of `check_probe`.
        interrupted: becomes non-empty when the probe is to be broken off (`interrupts`).
    Returns:
        {"task", "examples", scores in percent by their names, "loss", "seconds"}.
    Raises:
        InputError: the fine-tuning failed; the message has its last line.
        KeyboardInterrupt: it was broken off; nothing of it is kept.
    """
    output = Path(output_folder)
    started = time.monotonic()
    with atomic_directory(output) as folder:
        values = {**spec, "model": str(checkpoint_folder), "output": str(folder)}
        _finetune(values, checkpoint_folder, interrupted)
        results = read_json(folder / _RESULTS, keys=("task",))
        if "dev" not in results:
            where = spec.get("data") or "the spec"
            raise InputError(f"probe: no dev file of {results['task']} in {where} to score")
        _remove_model(folder)
    seconds = round(time.monotonic() - started, 1)
    results["dev"].pop("warning", None)  # words are no points of a curve
    return {"task": results["task"], **results["dev"], "seconds": seconds}


def _finetune(values, checkpoint_folder, interrupted):
    hparams = json.dumps(values, ensure_ascii=False)
    command = [sys.executable, "-m", "paddle_electra", "finetune", "--hparams", hparams]
    with subprocess.Popen(
        command,
        env=probe_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
    ) as process:
        try:
            _lower_priority(process.pid)
            errors = _wait(process, interrupted)
        except BaseException:
            process.kill()
            raise
    if process.returncode == 0:
        return
    if interrupted or process.returncode in (130, -signal.SIGINT):
        raise KeyboardInterrupt
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    last = lines[-1] if lines else f"it ended with code {process.returncode} and said nothing"
    if process.returncode < 0:
        last = f"it was killed by signal {-process.returncode}"
    last = last.removeprefix("paddle-electra: error: ")
    raise InputError(f"probe of {checkpoint_folder}: the fine-tuning failed: {last}")


def _wait(process, interrupted):
    """What the process wrote to standard error, once it has ended."""
    while True:
        try:
            return process.communicate(timeout=_POLL)[1]
        except subprocess.TimeoutExpired:
            if interrupted:
                process.terminate()


def probe_environment():
    """This process's environment without what makes a process a rank of a distributed run."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(_OURS) or not name.startswith(_LAUNCHED)
    }
    # The child finds the package where this process found it, installed or not.
    paths = [str(_ROOT), *filter(None, [kept.get("PYTHONPATH")])]
    return {**kept, "PYTHONPATH": os.pathsep.join(paths)}


def _lower_priority(pid):
    if hasattr(os, "setpriority"):
        try:
            now = os.getpriority(os.PRIO_PROCESS, pid)
            os.setpriority(os.PRIO_PROCESS, pid, min(19, now + _NICENESS))
        except OSError:  # it has ended already, which is told elsewhere
            return


def _remove_model(folder):
    """The weights of a probe are as large as the run's own and of no further use."""
    from ..checkpoint import native

    for name in (native.DISCRIMINATOR, native.CONFIG, native.VOCAB, native.TASK):
        (folder / name).unlink(missing_ok=True)
