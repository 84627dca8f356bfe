"""Python, the packages that the toolkit needs, and those that do not go together."""

import importlib.metadata
import re
from typing import NamedTuple

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from . import imports, known_conflicts
from .findings import ERROR, OK, SKIPPED, WARNING, Finding, one_line
from .known_conflicts import CONFLICTS, within

OURS = "paddle-electra"
PADDLES = ("paddlepaddle", "paddlepaddle-gpu")
_OTHERS = (*PADDLES, "paddlehub", "paddlenlp", "visualdl", "scipy", "gradio", "packaging", "pip")
# Whose requirements are looked at beside a PaddleHub: also what pip brings along with it.
_STACK = (*_OTHERS, "gradio-client", "paddle2onnx", "onnx", "tokenizers", "flask-babel")
_BROUGHT_BY = {"gradio-client": "gradio"}
_ALL_PINNED = "pip install -c constraints.txt -e '.[cpu,hub]' in the repository's folder"
_GPU_WHEEL = "for a GPU the paddlepaddle-gpu wheel that Paddle's installation guide names"


class Unmet(NamedTuple):
    """A requirement of an installed package, and the version there is: None where missing."""

    package: str
    version: str
    requirement: Requirement
    found: str | None


def find_requirements():
    """(list of `Requirement`, range of Python) of this package; empty where not installed."""
    try:
        about = importlib.metadata.metadata(OURS)
        lines = importlib.metadata.requires(OURS) or []
        return [Requirement(line) for line in lines], about["Requires-Python"] or ""
    except (importlib.metadata.PackageNotFoundError, InvalidRequirement):
        return [], ""


def find_versions(requirements):
    """{canonical name: version or None} of every package that has a say."""
    names = [*_OTHERS, *known_conflicts.packages(), *(each.name for each in requirements)]
    return {name: _version(name) for name in sorted(set(map(canonicalize_name, names)))}


def _version(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
    except Exception as error:  # half an installation can raise anything
        return f"unreadable ({type(error).__name__})"


def find_unmet():
    """Every `Unmet` of the packages around PaddleHub; empty without it and PaddleNLP."""
    if not (_version("paddlehub") or _version("paddlenlp")):
        return []
    names = map(canonicalize_name, (*_STACK, *known_conflicts.packages()))
    return [
        Unmet(name, _version(name), each, found)
        for name in sorted(set(names))
        for each in _requires(name)
        for found in [_version(each.name)]
        if found is None or not within(found, each.specifier)
    ]


def _requires(name):
    """What an installed package requires here, without extras; nothing where it cannot be read."""
    try:
        wanted = [Requirement(line) for line in importlib.metadata.requires(name) or []]
        return [each for each in wanted if not each.marker or each.marker.evaluate({"extra": ""})]
    except Exception:  # not installed, or half
        return []


def check(versions, requirements, python, python_range, trials, unmet=()):
    """Findings about Python and packages.

    Args:
        versions: see `find_versions`.
        requirements, python_range: see `find_requirements`.
        python: version of Python.
        trials: {name: `imports.Trial`}; empty where none were made.
        unmet: see `find_unmet`.
    """
    violated = known_conflicts.conflicts(versions, python)
    names = {canonicalize_name(row.package) for row in violated}
    return [
        check_python(python, python_range),
        check_paddle(versions),
        *check_requirements(versions, requirements, names),
        *_check_conflicts(versions, violated, trials),
        *check_unmet(unmet, names),
        *check_imports(versions, trials),
    ]


def check_python(python, allowed):
    """`Finding` on the version of Python."""
    if within(python, allowed):
        return Finding(OK, "Python", f"{python}{f', in {allowed}' if allowed else ''}")
    cure = f"make an environment of a Python in {allowed}: make demo PYTHON=python3.11"
    return Finding(ERROR, "Python", f"{python}, expected {allowed}", cure)


def check_paddle(versions):
    """`Finding` on which paddle is installed."""
    there = [f"{name} {versions[name]}" for name in PADDLES if versions.get(name)]
    if not there:
        cure = f"pip install -c constraints.txt paddlepaddle; {_GPU_WHEEL}"
        return Finding(ERROR, "paddle", "paddle is not installed", cure)
    if len(there) == 2:
        cure = f"pip uninstall -y {' '.join(PADDLES)}, then install the one that you want"
        what = f"{' and '.join(there)} are both installed and overwrite each other's files"
        return Finding(ERROR, "paddle", what, cure)
    return Finding(OK, "paddle", there[0])


def check_requirements(versions, requirements, known=()):
    """Findings on the ranges of setup.py.

    Args:
        known: names that another check has already found wrong.
    """
    if not requirements:
        what = f"{OURS} is not installed as a package; its requirements are not known"
        return [Finding(SKIPPED, "packages", what, _ALL_PINNED)]
    findings, right = [], 0
    for each in requirements:
        version = versions.get(canonicalize_name(each.name))
        extra = re.search(r"extra == [\"'](\w+)", str(each.marker or ""))
        if not extra and each.marker and not each.marker.evaluate():
            continue  # of another Python or system
        if version is not None and within(version, each.specifier):
            right += not extra
        elif version is not None and canonicalize_name(each.name) not in known:
            level = WARNING if extra and each.name not in PADDLES else ERROR
            what = f"{each.name} {version}, expected {each.specifier}"
            cure = f"pip install '{each.name}{each.specifier}'"
            findings.append(Finding(level, "packages", what, cure))
        elif version is None and not extra:
            cure = f"pip install '{each.name}{each.specifier}'"
            findings.append(Finding(ERROR, "packages", f"{each.name} is missing", cure))
    if not findings:
        findings = [Finding(OK, "packages", f"the {right} that {OURS} needs are there")]
    return findings


def _check_conflicts(versions, violated, trials):
    if not violated:
        return [Finding(OK, "conflicts", "none of the known ones")]
    return [_describe(row, versions, trials) for row in violated]


def _describe(row, versions, trials):
    beside = Requirement(row.beside).name
    what = f"{row.package} {versions[canonicalize_name(row.package)]}"
    if beside != row.package:
        what += f" beside {beside} {versions[canonicalize_name(beside)]}"
    what += f": tested with {row.allowed}; with others {row.breaks}"
    trial = trials.get(row.importing)
    if trial is not None and trial.state == imports.IMPORTS:
        return Finding(WARNING, "conflict", f"{what}; not so here", row.cure)
    return Finding(ERROR if row.serious else WARNING, "conflict", what, row.cure)


def check_unmet(unmet, known=()):
    """A warning for each package with requirements that are not met.

    Args:
        known: names that another check has already found wrong; their cure is told there.
    """
    found = {}
    for each in unmet:
        wanted = canonicalize_name(each.requirement.name)
        if not {_BROUGHT_BY.get(each.package, each.package), wanted} & set(known):
            found.setdefault(f"{each.package} {each.version}", []).append(each)
    return [_describe_unmet(named, rows) for named, rows in found.items()]


def _describe_unmet(named, rows):
    wants = [
        f"{_plain(row.requirement)} ({f'here is {row.found}' if row.found else 'not installed'})"
        for row in rows
    ]
    cures = [_within_known(row.requirement) for row in rows]
    cure = _ALL_PINNED if None in cures else "pip install " + " ".join(f"'{c}'" for c in cures)
    return Finding(WARNING, "requires", one_line(f"{named} wants {', '.join(wants)}"), cure)


def _plain(requirement):
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    return f"{requirement.name}{extras}{requirement.specifier}"


def _within_known(requirement):
    """A requirement that keeps to the table of conflicts too; None where it goes against it."""
    name = canonicalize_name(requirement.name)
    allowed = [row.allowed for row in CONFLICTS if canonicalize_name(row.package) == name]
    least = [each for each in requirement.specifier if each.operator in (">=", ">", "==", "~=")]
    if not allowed:
        return _plain(requirement)
    if not all(within(each.version, allowed[0]) for each in least):
        return None
    return _plain(requirement) + ("," if len(requirement.specifier) else "") + allowed[0]


_NEEDED_FOR = {
    "paddle": "everything but vocabularies and shards",
    "scipy": "PaddleNLP and the scores of tagging",
    "visualdl": "VisualDL's curves; --no-visualdl does without",
    "paddlenlp": "PaddleHub modules",
    "paddlehub": "PaddleHub modules",
}
_USING_SCIPY = ("scipy", "paddlenlp", "paddlehub")


def check_imports(versions, trials):
    """Findings on the trial imports."""
    if not trials:
        return [Finding(SKIPPED, "imports", "not tried", "run it without --no-imports")]
    return [_check_import(name, trials[name], versions) for name in _NEEDED_FOR if name in trials]


def _check_import(name, trial, versions):
    topic = f"import {name}"
    if trial.state == imports.ABSENT:
        return Finding(SKIPPED, topic, f"not installed; needed for {_NEEDED_FOR[name]}")
    if trial.state == imports.IMPORTS:
        seconds = trial.about.get("seconds")
        return Finding(OK, topic, f"works{f', {seconds} s' if seconds else ''}")
    what = f"{trial.state}: {one_line(trial.message)}"
    cure = known_conflicts.cure_of_message(trial.message) or _other_cure(name, trial, versions)
    return Finding(ERROR, topic, what, cure)


def _other_cure(name, trial, versions):
    paddle = versions.get("paddlepaddle")
    if name in _USING_SCIPY and paddle and not within(paddle, ">=3.0"):
        return CONFLICTS[0].cure  # there is more than one way for it to end
    if trial.state == imports.HANGS:
        return "try once more with --import-timeout 600"
    if missing := re.search(r"No module named '(\w+)'", trial.message):
        return f"pip install {missing[1]} (or what has it); or {_ALL_PINNED}"
    return _ALL_PINNED
