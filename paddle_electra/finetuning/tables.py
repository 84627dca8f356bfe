"""Rows of text files: tabs, commas, ``_!_``, or one JSON object a line.

The ending of the name decides: ``.csv`` is commas with Python's quoting, ``.jsonl`` and ``.json``
are JSON lines, everything else is tabs without quoting, as the original reads its files.  A file
whose first row has ``_!_`` and no tab is separated by that.
"""

import csv
import json
import re
from pathlib import Path
from typing import NamedTuple

from ..errors import InputError
from ..files import parse_json, read_errors

TABS, COMMAS, MARKS, KEYS = "tabs", "commas", "_!_", "keys"
csv.field_size_limit(2**31 - 1)  # Python's own limit, 131,072, is less than a long text


class Table(NamedTuple):
    """A file's rows.

    ``rows``: list of (line number from 1, cells); cells are a list of str, or for ``KEYS`` a dict
    of whatever JSON has.  ``separator``: one of the four names above.
    """

    path: Path
    separator: str
    rows: list


def read_lines(path):
    """The lines of a UTF-8 file, without BOM and carriage returns; a last empty line is dropped.

    Raises:
        InputError: missing, a folder, or not UTF-8 (names line and byte).
    """
    return _without_returns(_raw_lines(path))


def _without_returns(lines):
    return [line.replace("\r", "") for line in lines]


def _raw_lines(path):
    """`read_lines` with the carriage returns that are there."""
    with read_errors(path):
        data = Path(path).read_bytes()
    if data.startswith(b"PK\x03\x04"):
        raise InputError(f"{path}: an Excel or zip file; save the table as CSV in UTF-8")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path}: row {line}: not UTF-8 text (byte {error.start}); convert the file to UTF-8"
        ) from None
    lines = text.removeprefix("\ufeff").split("\n")
    return lines if lines[-1] else lines[:-1]


def is_table(path):
    """Does the ending say that a row holds a whole example?"""
    return Path(path).suffix.lower() in (".csv", ".jsonl", ".json")


def read_table(path):
    """Read a file as a `Table`.

    Raises:
        InputError: see `read_lines`; a row that is not CSV or JSON (names the row).
    """
    raw = _raw_lines(path)
    lines, ending = _without_returns(raw), Path(path).suffix.lower()
    if ending in (".jsonl", ".json"):
        return Table(path, KEYS, [_object(path, *row) for row in enumerate(lines, 1)])
    first = lines[0] if lines else ""
    if "_!_" in first and "\t" not in first:
        return Table(path, MARKS, [(n, line.split("_!_")) for n, line in enumerate(lines, 1)])
    if ending == ".csv":
        # With its carriage returns: in a quoted text they count, where answers have places in it.
        return Table(path, COMMAS, _csv_rows(path, raw))
    return Table(path, TABS, [(n, line.split("\t")) for n, line in enumerate(lines, 1)])


def one_line(text):
    """A text as a cell of a TSV file: texts of CSV and JSON may hold tabs and line breaks."""
    return re.sub("[\t\r\n]", " ", text)


def _csv_rows(path, lines):
    """A row is named by its first line: a quoted text may go over several."""
    rows, number = [], 1
    # Strict: without it a quote that nobody closes swallows the rest of the file silently.
    reader = csv.reader((f"{line}\n" for line in lines), strict=True)
    try:
        for cells in reader:
            rows.append((number, cells or [""]))
            number = reader.line_num + 1
    except csv.Error as error:
        raise InputError(
            f"{path}: row {number}: not CSV ({error}); a text with a comma or a quote stands in "
            f"double quotes, and a quote in it is doubled"
        ) from None
    return rows


def _object(path, number, line):
    place = f"{path}: row {number}"
    try:
        value = parse_json(line, place)
    except json.JSONDecodeError as error:
        raise InputError(f"{place}: not JSON ({error.msg}); expected one object a line") from None
    if not isinstance(value, dict):
        found = "an array" if isinstance(value, list) else "no object"
        raise InputError(
            f"{place}: {found}; expected a JSON object with a text and a label, one a line"
        )
    return number, value
