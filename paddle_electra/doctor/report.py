"""Findings as text and as JSON."""

import json
import re
import shlex
from typing import NamedTuple

from .findings import ERROR, OK, SKIPPED, WARNING
from .known_conflicts import within

_LEVELS = (OK, WARNING, ERROR, SKIPPED)
_PIP = re.compile(r"pip install( '[^']+')+")
# Named too, so that pip looks at all that they require; it forgets what is installed otherwise.
_ROOTS = ("paddlehub", "paddlenlp")


class Together(NamedTuple):
    """Commands that each cure all that pip can: anywhere, and in a clone of the repository."""

    command: str
    in_a_clone: str


def cure_together(findings, versions):
    """The `Together` of the cures that are a ``pip install``; None for less than two of them.

    pip minds only what one command names: a cure brings back what another one took away.

    Args:
        versions: {canonical name: version or None}.
    """
    cures = [each.cure for each in findings if _is_pip(each)]
    if len(set(cures)) < 2:
        return None
    wanted = [requirement for cure in cures for requirement in shlex.split(cure)[2:]]
    wanted += [
        f"{name}=={versions[name]}" for name in _ROOTS if within(versions.get(name) or "", "")
    ]
    command = "pip install " + " ".join(f"'{each}'" for each in dict.fromkeys(wanted))
    paddle = "gpu" if versions.get("paddlepaddle-gpu") else "cpu"
    return Together(command, f'pip install -c constraints.txt -e ".[{paddle},hub]"')


def _is_pip(finding):
    return finding.cure is not None and _PIP.fullmatch(finding.cure) is not None


def as_text(findings, together=None):
    """A line a finding, a second one with the cure of what is not right, and a summing up.

    Args:
        together: see `cure_together`.
    """
    width = max(len(finding.topic) for finding in findings)
    lines = []
    for finding in findings:
        lines.append(f"{finding.level:<8} {finding.topic:<{width}}  {finding.what}")
        if finding.cure:
            lines.append(f"{'':8} {'':{width}}  cure: {finding.cure}")
    if together:
        lines += [
            "cure them together (in turn they undo each other: pip minds only what it is given):",
            f"    {together.command}",
            "in a clone of the repository better still:",
            f"    {together.in_a_clone}",
        ]
    return "\n".join([*lines, summary(findings, together)])


def summary(findings, together=None):
    """The last line."""
    counts = {level: sum(each.level == level for each in findings) for level in _LEVELS}
    words = ", ".join(f"{count} {level}" for level, count in counts.items() if count)
    if counts[ERROR]:
        first = next(each for each in findings if each.level == ERROR)
        begin = "begin with the first error"
        if together:
            begin = "cure them together, with one command"
            if not _is_pip(first):
                begin = "begin with the first error, then cure the others together"
        return f"not fit as it is ({words}); {begin}"
    return f"fit ({words})"


def as_json(findings, together=None, **about):
    """The same as JSON, with ``about`` in front."""
    found = [finding._asdict() for finding in findings]
    report = {
        **about,
        "summary": summary(findings, together),
        "cure_together": together and together._asdict(),
        "findings": found,
    }
    return json.dumps(report, ensure_ascii=False, indent=2)
