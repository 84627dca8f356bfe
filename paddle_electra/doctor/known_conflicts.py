"""THE table of versions that do not go together, and of the messages by which they are known.

PaddleHub 2.4 and PaddleNLP 2.8 do not limit what they import, and what pip picks on its own breaks
them.  The ranges are those that were tested, in which the versions of ``constraints.txt`` lie (a
test compares the two): some version outside breaks, not every one.
"""

import re
from typing import NamedTuple

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version


class Conflict(NamedTuple):
    """One row.

    Attributes:
        package: name of the distribution.
        allowed: the versions that go together with `beside`.
        beside: a requirement; the row holds where it is installed, in these versions.
        breaks: what does not work outside of the range.
        importing: the package whose import fails then, or None where it fails later; an import
            that succeeded makes the error a warning.
        python: the versions of Python that the row is about.
        serious: False for what only some can miss: a warning.
    """

    package: str
    allowed: str
    beside: str
    breaks: str
    importing: str | None = None
    python: str = ""
    serious: bool = True

    @property
    def cure(self):
        """The command that puts it right, with the rows that hold only then."""
        rows = [self, *(row for row in CONFLICTS if row.beside == self.package + self.allowed)]
        return "pip install " + " ".join(f"'{row.package}{row.allowed}'" for row in rows)


_NLP, _HUB, _GRADIO = "paddlenlp<3", "paddlehub<3", "gradio<5.2"
_PAGE = "Gradio's pages of PaddleHub's other modules do not start"
CONFLICTS = (
    Conflict(
        "paddlepaddle",
        ">=3.0",
        "scipy",
        "importing scipy after paddle fails (PaddleNLP and the scores of tagging do)",
        "scipy",
        ">=3.11",
    ),
    Conflict(
        "paddlepaddle",
        ">=3.0",
        "paddlepaddle",
        "--attention sdpa fails on a CPU",
        serious=False,
    ),
    Conflict("protobuf", ">=3.20.2,<4", _HUB, "`import paddlehub` fails", "paddlehub"),
    Conflict("huggingface_hub", "<0.26", _NLP, "`import paddlenlp` fails", "paddlenlp"),
    Conflict("aistudio-sdk", "<0.3", _NLP, "`import paddlenlp` fails", "paddlenlp"),
    Conflict("numpy", "<2", _NLP, "`import paddlenlp` fails", "paddlenlp"),
    Conflict("pyarrow", "<20", _NLP, "`import paddlenlp` fails", "paddlenlp"),
    Conflict("datasets", "<3", _NLP, "`import paddlenlp` fails", "paddlenlp"),
    Conflict("pandas", "<3", _NLP, "`import paddlenlp` fails", "paddlenlp"),
    Conflict("setuptools", "<81", _HUB, "packages that want its pkg_resources fail", serious=False),
    Conflict("opencv-python", "<4.12", _HUB, "it wants numpy 2", "paddlehub"),
    Conflict("matplotlib", "<3.10", _HUB, "it is built against numpy 2", "paddlehub"),
    Conflict("flask", "<3", _HUB, "`hub serving` does not start"),
    Conflict("werkzeug", "<3", _HUB, "`hub serving` does not start"),
    Conflict(
        "gradio",
        "<5.2",
        _HUB,
        "it wants a newer huggingface_hub than PaddleNLP goes with",
        serious=False,
    ),
    Conflict("fastapi", "<0.116", _GRADIO, _PAGE, serious=False),
    Conflict("starlette", "<0.42", _GRADIO, _PAGE, serious=False),
    Conflict("pydantic", "<2.11", _GRADIO, _PAGE, serious=False),
)


class Message(NamedTuple):
    """A message of a failing import (a regular expression) and the package that it is about."""

    pattern: str
    package: str


MESSAGES = (
    Message(r"zlib\.error.* while decompressing data", "paddlepaddle"),
    Message(r"Descriptors cannot (not )?be created directly", "protobuf"),
    Message(r"repo_type_and_id_from_hf_id", "huggingface_hub"),
    Message(r"cannot import name '\w+' from 'huggingface_hub", "huggingface_hub"),
    Message(r"from 'aistudio_sdk", "aistudio-sdk"),
    Message(r"No module named 'pkg_resources'", "setuptools"),
    Message(r"'pyarrow' has no attribute", "pyarrow"),
    Message(r"numpy\.core\.multiarray failed to import|_ARRAY_API not found", "numpy"),
    Message(r"compiled using NumPy 1|numpy\.dtype size changed|NumPy 2\.0 release", "numpy"),
)


def packages():
    """The names in the table, once each, in its order."""
    return list(dict.fromkeys(row.package for row in CONFLICTS))


def conflicts(versions, python):
    """The rows that a set of packages violates.

    Args:
        versions: {canonical name: version}; what is not installed is absent or None.
        python: version of Python.
    """
    return [row for row in CONFLICTS if _is_met(row, versions, python)]


def _is_met(row, versions, python):
    beside = Requirement(row.beside)
    return (
        within(python, row.python)
        and versions.get(canonicalize_name(beside.name)) is not None
        and within(versions[canonicalize_name(beside.name)], beside.specifier)
        and versions.get(canonicalize_name(row.package)) is not None
        and not within(versions[canonicalize_name(row.package)], row.allowed)
    )


def within(version, allowed):
    """Does a version lie in a range?  One that is no version at all does not."""
    try:
        return SpecifierSet(str(allowed)).contains(Version(version), prereleases=True)
    except InvalidVersion:
        return False


def cure_of_message(text):
    """The cure of a failed import by its message, or None for one that is not known."""
    for message in MESSAGES:
        if re.search(message.pattern, text):
            return next(row.cure for row in CONFLICTS if row.package == message.package)
    return None
