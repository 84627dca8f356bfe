"""The curves of runs as a grid of small figures."""

import io

import numpy as np

from ..errors import InputError
from ..wording import extra
from .runs import HELD_OUT, TRAINING, labels_of, tokens_at

# Name in the log -> title; in this order, what else the log holds after them.
TITLES = {
    "loss": "loss",
    "mlm_loss": "generator loss (MLM)",
    "discriminator_loss": "discriminator loss (RTD)",
    "mlm_accuracy": "MLM accuracy",
    "rtd_auc": "RTD AUC",
    "rtd_accuracy": "RTD accuracy",
    "rtd_precision": "RTD precision",
    "rtd_recall": "RTD recall",
    "replaced_share": "share of tokens replaced",
    "learning_rate": "learning rate",
    "gradient_norm": "gradient norm",
    "tokens_per_second": "real tokens a second",
    "flops_utilisation": "share of the peak FLOP/s",
    "padding_share": "share of padding",
    "loss_scale": "loss scale",
}
LOGARITHMIC = ("gradient_norm", "loss_scale")
SET = ("learning_rate", "loss_scale")  # not measured, so there is nothing to smooth
_COLUMNS, _WIDTH, _HEIGHT = 3, 4.6, 3.0  # a panel in inches
_MANY = 60  # points that are not marked one by one


def require_matplotlib():
    """Raise `InputError`, naming the extra, where matplotlib is missing."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise InputError(f"report needs matplotlib: {extra('report')}") from None


def draw(runs, smooth=1, x="steps"):
    """All numbers of the logs as a PNG, a panel each, a colour a run.

    Returns:
        its bytes.
    Raises:
        InputError: see `make_figure`, which has the arguments.
    """
    buffer = io.BytesIO()
    make_figure(runs, smooth, x).savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()


def make_figure(runs, smooth=1, x="steps"):
    """The matplotlib figure of `draw`.

    Args:
        runs: list of `runs.Run`.
        smooth: lines of the log that a training curve is the mean over.
        x: "steps" or "tokens".
    Raises:
        InputError: ``x`` is tokens and a log does not have them.
    """
    from matplotlib.figure import Figure

    panels = order_of_panels(runs)
    columns = min(_COLUMNS, len(panels))
    lines = -(-len(panels) // columns)
    # A Figure without pyplot is drawn by Agg, whatever the display.
    figure = Figure(figsize=(max(6.0, _WIDTH * columns), _HEIGHT * lines + 0.7))
    axes = figure.subplots(lines, columns, squeeze=False).flatten()
    for axis in axes[len(panels) :]:
        axis.set_axis_off()
    right = max(run.steps if x == "steps" else tokens_at(run, run.steps) for run in runs)
    for axis, name in zip(axes, panels, strict=False):
        _draw_panel(axis, name, runs, smooth, x)
        axis.set_xlim(-0.03 * max(1, right), 1.03 * max(1, right))
    _legend(figure, runs)
    return figure


def order_of_panels(runs):
    """The names of all numbers in the logs: those of `TITLES` first, then as they come."""
    found = dict.fromkeys(name for run in runs for name, _ in run.series)
    return [*(name for name in TITLES if name in found), *(n for n in found if n not in TITLES)]


def moving_mean(values, width):
    """Means over up to ``width`` values around each one; NaN counts for nothing.

    Args:
        values: (n,) floats.
    """
    known = np.isfinite(values)
    window = np.ones(width)
    start = (width - 1) // 2

    def around(numbers):
        return np.convolve(numbers, window)[start : start + len(numbers)]

    with np.errstate(invalid="ignore"):
        return around(np.where(known, values, 0.0)) / around(known.astype(float))


def _color(number, runs, part):
    """A colour a run; where there is one run only, a colour a part."""
    if len(runs) == 1:
        return "C0" if part == TRAINING else "C3"
    if len(runs) <= 10:
        return f"C{number}"
    from matplotlib import colormaps

    return colormaps["turbo"](number / (len(runs) - 1))


def _draw_panel(axis, name, runs, smooth, x):
    for number, run in enumerate(runs):
        for part in (TRAINING, HELD_OUT):
            if (name, part) in run.series:
                series = run.series[name, part]
                places = series.steps if x == "steps" else tokens_at(run, series.steps)
                color = _color(number, runs, part)
                width = 1 if name in SET else smooth
                _draw_line(axis, places, series.values, color, part, width)
    axis.set_title(TITLES.get(name, name.replace("_", " ")), fontsize=10)
    axis.grid(alpha=0.25, linewidth=0.6)
    axis.tick_params(labelsize=8)
    axis.set_xlabel(x, fontsize=8, labelpad=1)
    _set_scales(axis, name)


def _draw_line(axis, places, values, color, part, smooth):
    few = len(values) <= _MANY
    if part == HELD_OUT:
        mark = "o" if few else None
        axis.plot(places, values, "--", color=color, linewidth=1.3, marker=mark, markersize=3)
        return
    mark = "." if len(values) == 1 else None
    if smooth > 1:
        axis.plot(places, values, color=color, linewidth=0.7, alpha=0.25)
        values = moving_mean(values, smooth)
    axis.plot(places, values, color=color, linewidth=1.1, marker=mark)


def _set_scales(axis, name):
    from matplotlib.ticker import EngFormatter, FuncFormatter, LogLocator, MaxNLocator, NullLocator

    axis.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axis.xaxis.set_major_formatter(EngFormatter(sep=""))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    # Without a positive number there is no logarithmic axis.
    positive = [line for line in axis.lines if np.nanmax(line.get_ydata(), initial=0) > 0]
    if name in LOGARITHMIC and positive:
        axis.set_yscale("log")
        low, high = axis.get_ylim()
        narrow = high / low < 100
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if narrow else (1,)))
        axis.yaxis.set_minor_locator(NullLocator())
        axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _legend(figure, runs):
    """One legend below all panels, and the room for it."""
    from matplotlib.lines import Line2D

    names = labels_of(runs)
    parts = {part for run in runs for _, part in run.series}
    styles = {TRAINING: {"linestyle": "-"}, HELD_OUT: {"linestyle": "--", "marker": "o"}}
    entries = {}
    if len(runs) > 1:
        for number, name in enumerate(names):
            entries[name] = Line2D([], [], color=_color(number, runs, TRAINING), linewidth=3)
    for part in (TRAINING, HELD_OUT):
        if part in parts:
            color = "0.3" if len(runs) > 1 else _color(0, runs, part)
            entries[part] = Line2D([], [], color=color, markersize=3, **styles[part])
    longest = max(map(len, entries))
    columns = max(1, min(len(entries), int(figure.get_figwidth() * 11 / (longest + 6))))
    rows = -(-len(entries) // columns)
    height = figure.get_figheight() + 0.2 * rows
    figure.set_figheight(height)
    top = 1.0
    if len(runs) == 1:
        top = 1 - 0.35 / height
        figure.text(0.5, 1 - 0.1 / height, names[0], fontsize=11, ha="center", va="top")
    figure.tight_layout(rect=(0, (0.15 + 0.2 * rows) / height, 1, top), w_pad=1.5, h_pad=1.2)
    legend = figure.legend(entries.values(), entries, loc="lower center", ncols=columns, fontsize=9)
    legend.get_frame().set_linewidth(0)
