"""Several trainings that differ in their seed, and what their scores come to.

The output folder then holds ``trial_1``, ``trial_2``, ..., each a complete run that resumes by
itself, and, written last, ``results.json`` with every trial's results and their summary.  The same
command continues wherever it was stopped, and with a larger ``num_trials`` adds trials.
"""

import dataclasses
import shutil
import statistics
from pathlib import Path

from ..files import write_json
from ..wording import plural
from . import output as outputs
from .metrics import only_scores
from .tasks import SPLITS


def run_trials(setup, sources, run_once):
    """Make all trials that are not finished.

    Args:
        setup: a `setup.Setup` whose options say ``num_trials`` and the first ``seed``.
        sources: what `setup.digests` gave.
        run_once: ``run_once(setup, sources) -> results`` of one trial.
    Returns:
        the dict that is written to ``results.json``.
    """
    options = setup.options
    identity = {**outputs.identify(setup, sources), outputs.TRIALS: True}
    finished = outputs.check(options.output, identity)
    if finished is not None and finished["num_trials"] >= options.num_trials:
        made = finished["num_trials"]
        print(f"{options.output}: {made} trials are already finished; nothing to do")
    else:
        outputs.write_settings(options, identity)
        finished = _make(setup, sources, run_once)
        write_json(Path(options.output) / outputs.RESULTS, finished)
    print_summary(finished, [job.task for job in setup.jobs])
    return finished


def _make(setup, sources, run_once):
    options, trials = setup.options, []
    for number in range(1, options.num_trials + 1):
        print(f"trial {number} of {options.num_trials}, seed {options.seed + number - 1}")
        own = dataclasses.replace(
            options,
            output=str(folder_of_trial(options.output, number)),
            seed=options.seed + number - 1,
            num_trials=1,
            write_test_outputs=options.write_test_outputs and number <= options.n_writes_test,
        )
        trials.append(run_once(setup._replace(options=own), sources))
        if not options.keep_all_models and number > 1:
            _remove_model(setup, folder_of_trial(options.output, number - 1))
    first = trials[0]
    return {
        **{name: first[name] for name in ("task", "model", "init", "size")},
        "num_trials": len(trials),
        "trials": trials,
        "summary": summarize(trials, [job.task.name for job in setup.jobs]),
    }


def folder_of_trial(output, number):
    """The folder of a trial, numbered from 1."""
    return Path(output) / f"trial_{number}"


def _remove_model(setup, folder):
    for job in setup.jobs:
        place = folder / job.task.name if setup.several else folder
        for name in outputs.MODEL_FILES:
            (place / name).unlink(missing_ok=True)
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)


def summarize(trials, tasks):
    """What the scores of several trials come to.

    Args:
        trials: list of results, see `run.run_once`.
        tasks: the tasks' names.
    Returns:
        {split: {score: {"maximum", "mean", "std" (of the sample, 0 for one trial), "values"}}};
        for several tasks {task: that}.
    """
    if len(tasks) > 1:
        return {name: _summary([trial[name] for trial in trials]) for name in tasks}
    return _summary(trials)


def _summary(trials):
    found = {}
    for split in SPLITS[1:]:
        if all(split in trial for trial in trials):
            names = only_scores(trials[0][split])
            found[split] = {
                name: _spread([trial[split][name] for trial in trials]) for name in names
            }
    return found


def _spread(values):
    return {
        "maximum": max(values),
        "mean": statistics.fmean(values),
        "std": statistics.stdev(values) if len(values) > 1 else 0.0,
        "values": values,
    }


def print_summary(results, tasks):
    """Print a table of the trials: maximum (mean) and standard deviation of each score; and which
    of them gave one answer to everything."""
    rows = [("", "", "maximum (mean)", "standard deviation")]
    for task in tasks:
        found = results["summary"][task.name] if len(tasks) > 1 else results["summary"]
        for split, scores in found.items():
            for name, spread in scores.items():
                if name != "loss":
                    shown = f"{spread['maximum']:.1f} ({spread['mean']:.1f})"
                    rows.append((f"{task.name} {split}", name, shown, f"{spread['std']:.2f}"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    print(f"{results['num_trials']} trials")
    for row in rows:
        print("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)))
    for task in tasks:
        for split in SPLITS[1:]:
            seeds = _collapsed(results["trials"], task.name if len(tasks) > 1 else None, split)
            if seeds:
                names = f"{plural(len(seeds), 'seed')} {', '.join(map(str, seeds))}"
                print(f"warning: {task.name} {split}: one answer to everything with {names}")


def _collapsed(trials, task, split):
    """The seeds of the trials that have a warning; ``task``: which one of several, or None."""
    return [
        trial["seed"]
        for trial in trials
        if "warning" in (trial[task] if task else trial).get(split, {})
    ]
