"""Task files to examples, with errors that name the file and the row.

``rows="strict"`` (the default) refuses every row that is not as it should be.  ``rows="hfl"`` does
what the original does: rows with missing columns are reported and left out, cells beyond the last
column are ignored, empty texts are kept.
"""

import dataclasses
import sys
from pathlib import Path

from ..errors import InputError
from ..files import read_errors

ROWS = ("strict", "hfl")


@dataclasses.dataclass(frozen=True, slots=True)
class Example:
    """One row of a classification file.

    ``row`` is its line number in the file, from 1, a header included.  ``text_b`` is None for a
    single text, ``label`` is None where the file has no labels.
    """

    row: int
    text_a: str
    text_b: str | None = None
    label: str | None = None


def read_lines(path):
    """The lines of a UTF-8 file, without BOM and carriage returns; a last empty line is dropped.

    Raises:
        InputError: missing, a folder, or not UTF-8 (names line and byte).
    """
    with read_errors(path):
        data = Path(path).read_bytes()
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path}: row {line}: not UTF-8 text (byte {error.start}); convert the file to UTF-8"
        ) from None
    lines = text.removeprefix("\ufeff").replace("\r", "").split("\n")
    return lines if lines[-1] else lines[:-1]


def read_tsv(path, columns, labels, rows="strict", needs_labels=True):
    """Read a tab-separated file of texts and labels.  There is no quoting.

    Args:
        path: the file.
        columns: names in the order of a file without a header, out of label, text_a, text_b.  A
            first row that names every text column is a header; it may have further columns.
        labels: the label set.
        rows: "strict" or "hfl", see the module.
        needs_labels: False lets a file with a header have no label column (labels are None).
    Returns:
        list of `Example`, in the order of the file, never empty.
    Raises:
        InputError: not readable, no rows, a missing column, a label outside the label set, an
            empty text; names file and row.
    """
    lines = read_lines(path)
    width, where = _find_columns(path, lines, columns, labels, needs_labels)
    has_header = width is not None
    width = width or len(columns)
    examples = []
    for number, line in enumerate(lines[has_header:], 1 + has_header):
        cells = line.split("\t")
        problem = _column_problem(cells, width, where, rows)
        if problem is None:
            examples.append(_example(path, number, cells, where, labels, rows))
        elif rows == "hfl":
            print(f"{path}: row {number}: {problem}; left out", file=sys.stderr)
        else:
            raise InputError(f"{path}: row {number}: {problem}")
    if not examples:
        raise InputError(f"{path}: no rows of data; expected the columns {', '.join(columns)}")
    return examples


def _find_columns(path, lines, columns, labels, needs_labels):
    """(number of columns of the header or None, {column name: position})."""
    first = [cell.strip() for cell in lines[0].split("\t")] if lines else []
    by_position = {name: position for position, name in enumerate(columns)}
    present = [name for name in columns if name in first]
    texts = [name for name in columns if name != "label"]
    if not present:
        if first and len(first) >= len(columns) and first[by_position["label"]] not in labels:
            raise InputError(
                f"{path}: row 1: neither a header with the columns {', '.join(columns)} nor a row "
                f"whose column {by_position['label'] + 1} is a label out of {', '.join(labels)}"
            )
        return None, by_position
    needed = list(columns) if needs_labels else texts
    missing = [name for name in needed if name not in first]
    if missing:
        raise InputError(f"{path}: row 1: the header has no column {', '.join(missing)}")
    return len(first), {name: first.index(name) for name in present}


def _column_problem(cells, width, where, rows):
    if rows == "hfl" and len(cells) > max(where.values()):
        return None
    if len(cells) == width:
        return None
    hint = " (a tab inside a text?)" if len(cells) > width else ""
    plural = "" if len(cells) == 1 else "s"
    return f"{len(cells)} column{plural}, expected {width} separated by tabs{hint}"


def _example(path, number, cells, where, labels, rows):
    texts = {name: cells[position] for name, position in where.items() if name != "label"}
    label = cells[where["label"]].strip() if "label" in where else None
    if label is not None and label not in labels:
        raise InputError(
            f"{path}: row {number}: label {label!r} is outside the label set {', '.join(labels)}"
        )
    for name, text in texts.items():
        if rows == "strict" and not text.strip():
            raise InputError(f"{path}: row {number}: {name} is empty; mend the row or leave it out")
    return Example(number, texts["text_a"], texts.get("text_b"), label)
