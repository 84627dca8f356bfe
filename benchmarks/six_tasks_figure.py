"""The figure of ``six_tasks.py``: bars of means beside the published ones, and what tasks show."""

import functools
import io
from pathlib import Path

from paddle_electra.errors import InputError
from paddle_electra.files import read_json
from paddle_electra.finetuning.tasks import TASKS
from paddle_electra.modeling.config import SIZES

PUBLISHED = Path(__file__).with_name("published.json")
TITLES = {
    "cmrc2018": "CMRC 2018",
    "drcd": "DRCD",
    "xnli": "XNLI",
    "lcqmc": "LCQMC",
    "bqcorpus": "BQ Corpus",
    "chnsenticorp": "ChnSentiCorp",
}
LABELS = {"em": "EM", "f1": "F1", "accuracy": "Accuracy"}


@functools.cache
def published():
    """The dict of ``published.json``: {"source", "parameters", "scores"}."""
    return read_json(PUBLISHED, keys=("source", "parameters", "scores"))


def _a_row(task):
    return next(iter(published()["scores"][task].values()))


def splits_of(task):
    """The splits of a task's published table."""
    return list(_a_row(task))


def metrics_of(task):
    """The metrics of a task's published table."""
    return list(_a_row(task)["dev"])


def counterpart(model, found, task):
    """The published model of that name, else the ELECTRA of that size; None for neither.

    Args:
        found: what `six_tasks_table.collect` gives.
    """
    by_name = {name.lower(): name for name in published()["scores"][task]}
    size, shape = found["size"], found["network"]
    # The size in the results is the nearest one, which may be far away.
    if shape and (shape["bert"] or (shape["layers"], shape["hidden"]) != SIZES[size][:2]):
        size = None
    return by_name.get(model.lower(), by_name.get(f"electra-{size}"))


def draw(table):
    """The scores of every task as bars of means with lines from minimum to maximum.

    A diamond is the published mean of the `counterpart`; a ring is its published maximum, where no
    mean is published.

    Args:
        table: the dict of ``six_tasks.json``.
    Returns:
        the bytes of a PNG.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise InputError("matplotlib is not installed; pip install matplotlib scipy") from None
    tasks = table["settings"]["tasks"]
    columns = min(3, len(tasks))
    lines = -(-len(tasks) // columns)
    # A Figure without pyplot is drawn by Agg, whatever the display.
    figure = Figure(figsize=(4.4 * columns, 3.4 * lines + 0.5))
    axes = figure.subplots(lines, columns, squeeze=False).flatten()
    for axis in axes[len(tasks) :]:
        axis.set_axis_off()
    for axis, task in zip(axes, tasks, strict=False):
        _draw_task(axis, table["scores"], task)
    named = {}
    for axis in axes:
        named.update(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
    figure.tight_layout(rect=(0, 0.5 / figure.get_figheight(), 1, 1))
    if named:
        figure.legend(named.values(), named.keys(), fontsize=8, loc="lower center", ncols=6)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    return buffer.getvalue()


def _draw_task(axis, scores, task):
    splits, metric = splits_of(task), TASKS[task].metric
    width = 0.8 / max(1, len(scores))
    heights = []
    for number, (model, tasks) in enumerate(scores.items()):
        if task not in tasks:
            continue
        found = tasks[task]
        other = published()["scores"][task].get(counterpart(model, found, task), {})
        for place, split in enumerate(splits):
            score = found["splits"].get(split, {}).get(metric)
            if score is not None:
                x = place + (number - (len(scores) - 1) / 2) * width
                heights += _draw_bar(axis, x, width, score, f"C{number}", model)
                heights += _draw_published(axis, x, other.get(split, {}).get(metric))
    axis.set_xticks(range(len(splits)), splits)
    axis.set_xlim(-0.5, len(splits) - 0.5)
    axis.set_ylabel(LABELS[metric])
    axis.set_title(TITLES[task])
    if heights:
        margin = max(1.0, 0.15 * (max(heights) - min(heights)))
        axis.set_ylim(max(0.0, min(heights) - 3 * margin), min(100.5, max(heights) + margin))
    else:
        axis.text(0.5, 0.5, "no finished trial", ha="center", transform=axis.transAxes)


def _draw_bar(axis, x, width, score, color, label):
    """A bar with its line; returns the heights that must be seen."""
    low, high = min(score["values"].values()), score["maximum"]
    reach = [[score["mean"] - low], [high - score["mean"]]]
    axis.bar(x, score["mean"], 0.9 * width, color=color, label=label)
    axis.errorbar(x, score["mean"], yerr=reach, color="black", capsize=3, linewidth=1)
    return [low, high]


def _draw_published(axis, x, score):
    if score is None:
        return []
    has_mean = score["mean"] is not None
    height = score["mean"] if has_mean else score["maximum"]
    label = "published mean" if has_mean else "published maximum"
    face = "white" if has_mean else "none"
    mark = "D" if has_mean else "o"
    axis.plot(x, height, mark, mfc=face, mec="black", label=label, zorder=3)
    return [height]
