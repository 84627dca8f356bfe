"""The summary of one run or several, as lines of text."""

import numpy as np

from .runs import HELD_OUT, TRAINING, labels_of, names_of

_WHERE = ("output", "hparams", "dry_run")  # settings that say nothing about a run
_NEITHER = ("replaced_share",)  # neither more nor less of it is better
# Where the recorded runs left the plateau that a run begins with (docs/PRETRAINING.md).
PLATEAU_TOKENS, PLATEAU_AUC = 10e6, 0.57


def summarize(runs):
    """Lines on each of ``runs`` (`Run`), and on what differs between their settings."""
    lines = []
    for name, label, run in zip(names_of(runs), labels_of(runs), runs, strict=True):
        called = name if name == label else f"{name} ({label} in the picture)"
        lines += [f"{called}: {_progress(run)}", *_held_out(run), *_plateau(run), ""]
    if len(runs) > 1:
        lines += [*_differences(runs), ""]
    return lines[:-1]


def _progress(run):
    parts = [f"{run.kind}, step {run.steps:,}"]
    if run.planned:
        parts[0] += f" of {run.planned:,} ({100 * run.steps / run.planned:.0f} %)"
    if run.logged < run.steps:
        parts.append(f"the log up to {run.logged:,}")
    if run.tokens is not None:
        parts.append(f"{run.tokens.values[-1] / 1e6:,.1f} million tokens")
    speed = run.series.get(("tokens_per_second", TRAINING))
    if speed is not None:
        parts.append(f"median {np.nanmedian(speed.values):,.0f} tokens/s")
    parts.append(
        "time not in the log" if run.seconds is None else f"trained for {_duration(run.seconds)}"
    )
    return ", ".join(parts)


def _duration(seconds):
    minutes, hours = seconds / 60, seconds / 3600
    if hours >= 48:
        return f"{hours / 24:.1f} days"
    if hours >= 2:
        return f"{hours:.1f} h"
    return f"{minutes:.1f} min" if minutes >= 2 else f"{seconds:.0f} s"


def _held_out(run):
    """The last and the best of each held-out figure."""
    rows = [("held out", "last", "at step", "best", "at step")]
    for (name, part), series in run.series.items():
        if part != HELD_OUT:
            continue
        row = [name, f"{series.values[-1]:.4f}", f"{series.steps[-1]:,}"]
        known = np.flatnonzero(np.isfinite(series.values))
        if len(known) and name not in _NEITHER:
            lower = name.endswith("loss")
            values = series.values[known]
            best = known[values.argmin() if lower else values.argmax()]
            row += [f"{series.values[best]:.4f}", f"{series.steps[best]:,}"]
        rows.append((*row, *[""] * (5 - len(row))))
    if len(rows) == 1:
        return ["  nothing held out in the log yet"]
    return [f"  {line}" for line in _aligned(rows, numbers=True)]


def _plateau(run):
    """A line on a run that has seen too little text to detect anything, lest 0.5 look like a
    failure."""
    auc = run.series.get(("rtd_auc", HELD_OUT))
    if auc is None or run.tokens is None:
        return []
    tokens = run.tokens.values[-1]
    if tokens >= PLATEAU_TOKENS or not auc.values[-1] < PLATEAU_AUC:
        return []
    return [
        f"  still on the plateau that a run from random weights begins with: "
        f"{tokens / 1e6:,.1f} million tokens seen; tiny left it at about "
        f"{PLATEAU_TOKENS / 1e6:.0f} million (docs/PRETRAINING.md)"
    ]


def _differences(runs):
    """The settings in which the runs differ, one a line."""
    known = list(dict.fromkeys(name for run in runs for name in run.settings))
    rows = []
    for name in known:
        values = [_shown(run.settings.get(name, "-")) for run in runs]
        if name not in _WHERE and len(set(values)) > 1:
            rows.append((name, *values))
    if not rows:
        return ["settings: the same"]
    return _aligned([("settings that differ", *names_of(runs)), *rows], numbers=False)


def _shown(value):
    if isinstance(value, list):
        return " ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)


def _aligned(rows, numbers):
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    side = ">" if numbers else "<"
    lines = []
    for row in rows:
        cells = [f"{row[0]:<{widths[0]}}"]
        cells += [f"{cell:{side}{width}}" for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join(cells).rstrip())
    return lines
