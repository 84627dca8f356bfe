"""Progress bars: rate and time left, quiet where nobody looks."""

import sys

from tqdm import tqdm


def progress_bar(title, total, done=0, unit="step", **named):
    """A tqdm bar over ``total`` units of which ``done`` are made.

    On a terminal it moves all the time; into a file it writes a line every half minute.

    Args:
        named: further arguments of tqdm, such as ``leave``.
    """
    seen = sys.stderr.isatty()
    return tqdm(
        total=total,
        initial=done,
        desc=title,
        unit=unit,
        unit_scale=unit == "B",
        smoothing=0.05,
        dynamic_ncols=seen,
        mininterval=0.1 if seen else 30,
        maxinterval=10 if seen else 60,
        **named,
    )
