"""Files of texts as a stream of rows, with errors that name the file and the line.

Four formats: JSON lines; columns separated by tabs (no quoting) or by commas (Python's quoting);
and a text a line.  Columns are found by a header, by their order in a file of only them, or as the
user names them.
"""

import csv
import json
import math
import os
import shlex
import stat
import sys
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import InputError
from ..files import read_errors
from ..wording import plural

STANDARD = "-"
_ENDINGS = {".jsonl": "jsonl", ".json": "jsonl", ".tsv": "tsv", ".csv": "csv", ".txt": "text"}
_LONGEST_CELL = 1 << 30  # characters
_LONGEST_NAME = 40  # characters of what may be the name of a column
_SEPARATORS = {"tsv": "tabs", "csv": "commas"}
_BLOCK = 1 << 20


class Field(NamedTuple):
    """A text of a row.

    ``names``: what headers and JSON keys call it; ``chosen``: what the user says (a name, or a
    number from 1), with the ``flag``; ``needed``: every row must have it; ``words``: JSON may have
    a list of words; ``trained``: what the files that the model was trained on call it, or None.
    """

    names: tuple
    flag: str
    chosen: str | None
    needed: bool = True
    words: bool = False
    trained: str | None = None

    @property
    def number(self):
        """The chosen number, or None."""
        return int(self.chosen) if self.chosen and self.chosen.isdecimal() else None

    def find(self, keys):
        """The one of ``keys`` that is this field, or None."""
        if self.chosen is not None:
            return self.chosen if self.chosen in keys else None
        if self.trained in keys:
            return self.trained
        by_name = {str(key).strip().lower(): key for key in reversed(keys)}
        return next((by_name[name] for name in self.names if name in by_name), None)

    def __str__(self):
        return self.chosen or self.names[0]


class Row(NamedTuple):
    """``place``: file and line, for messages; ``name``: its id, or None; ``texts``: one for each
    field, None for one that is not needed and not there."""

    place: str
    name: Any
    texts: tuple


def check_inputs(paths):
    """Raise `InputError` for files that are not there, before anything slow is done."""
    for number, path in enumerate(paths):
        if path in paths[:number]:
            raise InputError(f"--input {path}: is given twice")
        if path == STANDARD:
            continue
        with read_errors(path):
            if stat.S_ISDIR(os.stat(path).st_mode):
                raise IsADirectoryError
        if not os.access(path, os.R_OK):
            raise InputError(f"{path}: cannot be read (permission denied)")


def count_lines(paths, given, default):
    """The number of lines of ``paths``, or None where it is not known in advance."""
    total = 0
    for path in paths:
        # A pipe can be read only once, and a row of a .csv file may have several lines.
        if path == STANDARD or format_of(path, given, default) == "csv":
            return None
        if not stat.S_ISREG(os.stat(path).st_mode):
            return None
        with open(path, "rb") as handle:
            last = b"\n"
            while block := handle.read(_BLOCK):
                total += block.count(b"\n")
                last = block
            total += not last.endswith(b"\n")
    return total


def format_of(path, given, default):
    """The format of a file: the one given, else that of its ending, else ``default``."""
    return given or _ENDINGS.get(Path(path).suffix.lower(), default)


def read_rows(paths, fields, given=None, default="text"):
    """The rows of all files, read as they are asked for.

    Args:
        paths: files, "-" for standard input.
        fields: list of `Field`, those that are needed first.
        given, default: see `format_of`.
    Yields:
        `Row`
    Raises:
        InputError: not readable, not UTF-8, a missing column, an empty text; names file and line.
    """
    for path in paths:
        shown = "standard input" if path == STANDARD else path
        kind = format_of(path, given, default)
        lines = _without_last_blanks(_lines(path, shown))
        if kind == "text":
            yield from _plain(shown, lines, fields)
        elif kind == "jsonl":
            yield from _objects(shown, lines, fields)
        else:
            cells = _tabs(lines) if kind == "tsv" else _commas(shown, lines)
            yield from _table(shown, cells, fields, _SEPARATORS[kind])


def _lines(path, shown):
    """(number from 1, line) without BOM, carriage returns and line ends."""
    with read_errors(path):
        handle = sys.stdin.buffer if path == STANDARD else open(path, "rb")  # noqa: SIM115
        try:
            for number, data in enumerate(handle, 1):
                try:
                    line = data.decode("utf-8-sig" if number == 1 else "utf-8")
                except UnicodeDecodeError as error:
                    raise InputError(
                        f"{shown}: line {number}: not UTF-8 text (byte {error.start} of the line); "
                        f"convert the file to UTF-8"
                    ) from None
                yield number, line.rstrip("\r\n")
        finally:
            if path != STANDARD:
                handle.close()


def _without_last_blanks(lines):
    """Empty lines at the end are no rows; an error there would throw away all answers."""
    blank = []
    for number, line in lines:
        if line.strip():
            yield from blank
            blank = []
            yield number, line
        else:
            blank.append((number, line))


def _plain(shown, lines, fields):
    for field in fields:
        if field.chosen is not None:
            raise InputError(
                f"{field.flag} {field.chosen}: {shown} is read as a text a line, which has no "
                f"columns; say what it is with --input-format tsv, csv or jsonl"
            )
    if len([field for field in fields if field.needed]) > 1:
        names = " and ".join(str(field) for field in fields)
        raise InputError(
            f"{shown}: a text a line, but {names} are needed; give .jsonl, .tsv or .csv, or name "
            f"the format with --input-format"
        )
    for number, line in lines:
        place = f"{shown}: line {number}"
        yield Row(place, None, (_text(place, fields[0], line), *(None for _ in fields[1:])))


def _objects(shown, lines, fields):
    for field in fields:
        if field.number is not None:
            raise InputError(f"{field.flag} {field.chosen}: {shown} is JSON; give a key")
    for number, line in lines:
        place = f"{shown}: line {number}"
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            reason = getattr(error, "msg", "nested too deeply or a number of too many digits")
            raise InputError(f"{place}: not JSON ({reason}); expected one object a line") from None
        if not isinstance(value, dict):
            raise InputError(f"{place}: expected a JSON object with {_wanted(fields)}")
        texts = tuple(_of_object(place, field, value) for field in fields)
        yield Row(place, _identity(place, value.get("id")), texts)


def _identity(place, value):
    """The value of "id", which is handed through."""
    is_number = isinstance(value, (int, float)) and math.isfinite(value)
    if value is not None and not isinstance(value, str) and not is_number:
        raise InputError(f"{place}: id: expected a text or a number, got {value!r:.40}")
    if isinstance(value, str):
        _check_unicode(place, "id", value)
    return value


def _of_object(place, field, value):
    key = field.find(list(value))
    if key is not None:
        return _text(place, field, value[key])
    if field.needed or field.chosen:
        raise InputError(f"{place}: no key {_names(field)}; {field.flag} names another one")
    return None


def _text(place, field, value):
    """The value of a field, checked."""
    if field.words and isinstance(value, list):
        for number, word in enumerate(value, 1):
            if not isinstance(word, str) or not word:
                raise InputError(
                    f"{place}: {field}: word {number}: expected a text, got {word!r:.40}"
                )
            _check_unicode(place, field, word)
        if value:
            return value
    elif not isinstance(value, str):
        expected = "a text or a list of words" if field.words else "a text"
        raise InputError(f"{place}: {field}: expected {expected}, got {value!r:.40}")
    elif value.strip():
        _check_unicode(place, field, value)
        return value
    raise InputError(f"{place}: {field} is empty; give a text, or remove the line")


def _check_unicode(place, field, text):
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InputError(
            f"{place}: {field}: half a surrogate pair (\\ud800 to \\udfff) is no character; mend it"
        ) from None


def _tabs(lines):
    for number, line in lines:
        yield number, line.split("\t")


def _commas(shown, lines):
    """A row is named by its first line: a quoted text may go over several."""
    csv.field_size_limit(_LONGEST_CELL)
    reader = csv.reader((f"{line}\n" for _, line in lines), strict=True)
    number = 1
    try:
        for cells in reader:
            yield number, cells or [""]
            number = reader.line_num + 1
    except csv.Error as error:
        raise InputError(
            f"{shown}: line {number}: not CSV ({error}); a text with a comma or a quote stands in "
            f"double quotes, and a quote in it is doubled"
        ) from None


def _table(shown, rows, fields, separator):
    where = width = name_at = None
    for number, cells in rows:
        place = f"{shown}: line {number}"
        if where is None:
            where, header = _columns(place, cells, fields, separator)
            width = len(cells)
            if header:
                names = [cell.strip().lower() for cell in cells]
                name_at = names.index("id") if "id" in names else None
                continue
        if len(cells) != width:
            hint = " (a tab inside a text?)" if separator == "tabs" and len(cells) > width else ""
            raise InputError(
                f"{place}: {_columns_of(cells)}, expected {width} separated by {separator}{hint}"
            )
        texts = (
            None if column is None else _text(place, field, cells[column])
            for field, column in zip(fields, where, strict=True)
        )
        yield Row(place, None if name_at is None else cells[name_at], tuple(texts))


def _columns(place, cells, fields, separator):
    """(position of each field or None, is this row a header?)."""
    names = [cell.strip() for cell in cells]
    numbers = [field.number for field in fields]
    if any(number is not None for number in numbers):
        return [_position(place, field, cells, separator) for field in fields], False
    found = [field.find(names) for field in fields]
    if any(name is not None for name in found) or any(field.chosen for field in fields):
        for field, name in zip(fields, found, strict=True):
            if name is None and (field.needed or field.chosen):
                raise InputError(
                    f"{place}: the header has no column {_names(field)}; there are: "
                    f"{', '.join(names)[:100]}; {field.flag} names another one"
                )
        return [None if name is None else names.index(name) for name in found], True
    needed = sum(field.needed for field in fields)
    if len(cells) == needed:
        _say_no_header(place, names, fields)
        return [place if place < len(cells) else None for place in range(len(fields))], False
    flags = " and ".join(field.flag for field in fields[:needed])
    raise InputError(
        f"{place}: {_columns_of(cells)} separated by {separator} and no header with "
        f"{_wanted(fields)}; say with {flags} which to take (a name, or a number from 1)"
    )


def _say_no_header(place, names, fields):
    """A header with names that nobody knows looks like texts: say how to name them."""
    if any(len(name) > _LONGEST_NAME for name in names):
        return
    shown = ", ".join(map(repr, names))
    # Quoted for the shell where it is not just letters, which in Chinese need no quotes either.
    flags = " ".join(
        f"{field.flag} {name if name.isalnum() else shlex.quote(name)}"
        for field, name in zip(fields, names, strict=False)
    )
    read = "was read as a text" if len(names) == 1 else "were read as texts"
    print(f"note: {place} {shown} {read}; {flags} if it is a header", file=sys.stderr)


def _position(place, field, cells, separator):
    if field.number is None and field.needed:
        raise InputError(f"{field.flag}: give a number too, as the other columns are numbers")
    if field.number is None:
        return None
    if not 1 <= field.number <= len(cells):
        raise InputError(
            f"{place}: {field.flag} {field.number}, but here are {_columns_of(cells)} separated by "
            f"{separator}"
        )
    return field.number - 1


def _columns_of(cells):
    return f"{len(cells)} {plural(len(cells), 'column')}"


def _names(field):
    if field.chosen:
        return repr(field.chosen)
    return f"called {', '.join([*filter(None, [field.trained]), *field.names])}"


def _wanted(fields):
    return " and ".join(repr(str(field)) for field in fields if field.needed)
