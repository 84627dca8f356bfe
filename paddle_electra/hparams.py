"""Hyperparameters in JSON, a file or the text itself, as people write them."""

import os
import re
from pathlib import Path

import json5

from .errors import InputError
from .files import read_errors

_PACKAGE = Path(__file__).parent


def read_hparams(text):
    """The object in a file or in the text itself; comments and trailing commas are accepted.

    ``configs/...`` is found wherever the command runs: those files come with the package.
    """
    if text.lstrip().startswith("{"):
        try:
            values = parse_json(text)
        except ValueError as error:
            raise InputError(
                f"--hparams {shorten(text)}: not JSON: {error}; on a command line put it in "
                f"single quotes: '{{\"seed\": 1}}'"
            ) from None
    elif (path := _find_config(text)) is None:
        raise InputError(
            f"--hparams {shorten(text)}: no such file; JSON text begins with {{, such as "
            f"'{{\"seed\": 1}}'"
        )
    else:
        values = _read_file(path)
    if not isinstance(values, dict):
        raise InputError(
            f"--hparams {shorten(text)}: expected a JSON object of hyperparameters, "
            f'such as {{"seed": 1}}'
        )
    return values


def _find_config(path):
    """A file as named, or one of the package's: inside of it, or beside it in a clone."""
    if os.path.exists(path):
        return path
    if Path(path).parts[:1] != ("configs",) or ".." in Path(path).parts:
        return None
    places = (base / path for base in (_PACKAGE, _PACKAGE.parent))
    return next((place for place in places if place.is_file()), None)


def _read_file(path):
    try:
        with read_errors(path, "JSON file"), open(path, encoding="utf-8-sig") as handle:
            return parse_json(handle.read())
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text (byte {error.start})") from None
    except ValueError as error:
        raise InputError(f"{path}: not JSON: {error}") from None


def parse_json(text):
    """JSON as people write it: with comments and trailing commas (JSON5).

    Raises:
        ValueError: says where and what.
    """
    try:
        return _with_whole_characters(json5.loads(text, allow_duplicate_keys=False))
    except UnicodeDecodeError:
        raise ValueError("half of a surrogate pair") from None
    except ValueError as error:
        found = re.match(r"<string>:(\d+) (.*) at column (\d+)", str(error), re.DOTALL)
        if found is None:
            raise
        line, problem, column = found.groups()
        raise ValueError(f"line {line}, column {column}: {problem}") from None


def _with_whole_characters(value):
    """The value with pairs of escaped surrogates as the characters that they are (RFC 8259, 7)."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16")
    if isinstance(value, list):
        return [_with_whole_characters(item) for item in value]
    if isinstance(value, dict):
        return {
            _with_whole_characters(key): _with_whole_characters(item) for key, item in value.items()
        }
    return value


def shorten(text):
    """A text for a message: its first 57 characters and dots when it has more than 60."""
    return text if len(text) <= 60 else text[:57] + "..."
