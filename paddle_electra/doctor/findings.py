"""What a check found."""

from typing import NamedTuple

OK, WARNING, ERROR, SKIPPED = "ok", "warning", "error", "skipped"


class Finding(NamedTuple):
    """One line of the report.

    Attributes:
        level: `OK`, `WARNING` (it works, but), `ERROR` (it does not work) or `SKIPPED`.
        topic: one or two words.
        what: what was found, one line.
        cure: a command or an action; None where nothing is to be done.
    """

    level: str
    topic: str
    what: str
    cure: str | None = None


def one_line(text, most=200):
    """The first line with something in it, cut to ``most`` characters."""
    lines = [line.strip() for line in str(text).splitlines() if line.strip()]
    first = lines[0] if lines else ""
    return first if len(first) <= most else first[: most - 3] + "..."
