"""Options of ``paddle-electra report``; no paddle here, so that --help is quick."""

import dataclasses

from ..config import option


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReportOptions:
    """Options of ``paddle-electra report``."""

    runs: tuple[str, ...] = option(
        help="folders of pretraining or fine-tuning runs, finished or not; several are drawn over "
        "each other",
        positional=True,
    )
    output: str | None = option(
        None,
        "PNG file for the curves; none: report.png in the folder of the run, or for several runs "
        "here",
    )
    smooth: int = option(
        1,
        "draw training curves as means over so many lines of the log, the lines themselves faint "
        "behind them",
        least=1,
    )
    x: str = option(
        "steps",
        "horizontal axis; tokens need a log with tokens_seen in its training lines",
        ("steps", "tokens"),
    )
