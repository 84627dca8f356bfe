"""Findings as text and as JSON."""

import json

from .findings import ERROR, OK, SKIPPED, WARNING

_LEVELS = (OK, WARNING, ERROR, SKIPPED)


def as_text(findings):
    """A line a finding, a second one with the cure of what is not right, and a summing up."""
    width = max(len(finding.topic) for finding in findings)
    lines = []
    for finding in findings:
        lines.append(f"{finding.level:<8} {finding.topic:<{width}}  {finding.what}")
        if finding.cure:
            lines.append(f"{'':8} {'':{width}}  cure: {finding.cure}")
    return "\n".join([*lines, summary(findings)])


def summary(findings):
    """The last line."""
    counts = {level: sum(each.level == level for each in findings) for level in _LEVELS}
    words = ", ".join(f"{count} {level}" for level, count in counts.items() if count)
    if counts[ERROR]:
        return f"not fit as it is ({words}); begin with the first error"
    return f"fit ({words})"


def as_json(findings, **about):
    """The same as JSON, with ``about`` in front."""
    found = [finding._asdict() for finding in findings]
    report = {**about, "summary": summary(findings), "findings": found}
    return json.dumps(report, ensure_ascii=False, indent=2)
