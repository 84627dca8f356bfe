"""The fenced blocks of a document, and how the test runs them.

A comment before a block, invisible on the page, says what the test does instead of its lines:
``<!-- test: skip, REASON -->`` nothing, ``<!-- test: COMMAND -->`` that.  A block of ``text`` after
one is its output: its lines have to come in that order, ``...`` stands for anything, decimal
numbers may differ a little.
"""

import re
from typing import NamedTuple

_BLOCK = re.compile(r"(?:<!-- test: (.*?) -->\n+)?^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_NUMBER = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")


class Block(NamedTuple):
    """A block that is to be run, and the lines that its output has to have."""

    kind: str
    text: str
    instead: str | None
    expected: list[str]

    @property
    def skipped(self):
        return self.instead is not None and self.instead.startswith("skip")


def read_blocks(path):
    """The `Block`s of a file; an unmarked block (no language) is a shell's."""
    blocks = []
    for instead, kind, text in _BLOCK.findall(path.read_text("utf-8")):
        if kind == "text":
            blocks[-1].expected.extend(text.splitlines())
        elif kind in ("", "bash", "shell", "python"):
            blocks.append(
                Block("python" if kind == "python" else "shell", text, instead or None, [])
            )
    return blocks


def missing_line(expected, output, tolerance):
    """The first expected line that does not come, in its turn; None when all do."""
    lines = iter(output.splitlines())
    for wanted in expected:
        if wanted.strip() != "..." and not any(_fits(wanted, line, tolerance) for line in lines):
            return wanted
    return None


def _fits(wanted, line, tolerance):
    """Is this the line, numbers being close?"""
    parts = (re.escape(_NUMBER.sub("\0", part)) for part in wanted.rstrip().split("..."))
    pattern = ".*".join(parts).replace(re.escape("\0"), f"({_NUMBER.pattern})")
    found = re.fullmatch(pattern, line.rstrip())
    if found is None:
        return False
    theirs = _NUMBER.findall(wanted)
    return all(
        abs(float(one) - float(other)) <= tolerance
        for one, other in zip(theirs, found.groups(), strict=True)
    )
