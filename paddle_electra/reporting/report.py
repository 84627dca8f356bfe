"""``paddle-electra report``: the curves of runs as a PNG, and a summary."""

from pathlib import Path

from ..errors import InputError
from ..files import atomic_write
from .curves import draw, require_matplotlib
from .runs import names_of, read_run
from .summary import summarize

PICTURE = "report.png"


def run(options):
    """Draw and summarize runs, as `ReportOptions` say.

    Returns:
        the path of the picture.
    Raises:
        InputError: a folder that is no run, a run named twice, tokens that the log does not have,
            no matplotlib, or an output that cannot be written.
    """
    output = _output(options)
    require_matplotlib()
    runs = [read_run(folder) for folder in options.runs]
    names_of(runs)  # refuses a run that is named twice
    picture = draw(runs, options.smooth, options.x)
    with atomic_write(output, "wb") as handle:
        handle.write(picture)
    print("\n".join([*summarize(runs), "", f"curves: {output}"]))
    return output


def _output(options):
    if options.output is None:
        return Path(options.runs[0], PICTURE) if len(options.runs) == 1 else Path(PICTURE)
    output = Path(options.output)
    if output.suffix.lower() != ".png" or output.is_dir():
        raise InputError(f"--output {output}: expected the name of a file that ends in .png")
    return output
