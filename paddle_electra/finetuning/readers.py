"""Task files to examples, with errors that name the file and the row.

``rows="strict"`` (the default) refuses every row that is not as it should be.  ``rows="hfl"`` does
what the original does: rows with missing columns are reported and left out, cells beyond the last
column are ignored, empty texts are kept, and the labels of a test split whose file is called
"test" are not read (`Task.has_dummy_labels`).  One thing is not done: the original drops the first
row of every file as a header, also where it is data.
"""

import dataclasses
import json
import sys

from ..errors import InputError
from .columns import Columns, cell_problem, find_columns, short
from .tables import KEYS, read_table

ROWS = ("strict", "hfl")
# The multilingual file of XNLI's dev and test splits (PARITY 27).
_XNLI_LANGUAGE = "zh"
_XNLI_COLUMNS = {"text_a": 6, "text_b": 7, "label": 1}


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


def read_texts(path, task, split, rows="strict"):
    """Read a file of texts and labels; the reader of seq-cls and pair-cls.

    Args:
        path: the file; see `tables` for its formats.
        task: a `tasks.Task`; `columns` says how its columns are found.  With ``labels`` None any
            label is taken.
        split: of the "test" split labels may be missing (then they are None): no such column, or
            not one in it.
        rows: "strict" or "hfl", see the module.
    Returns:
        list of `Example`, in the order of the file, never empty.
    Raises:
        InputError: not readable, no rows, a missing column, a label outside the label set, an
            empty text; names file and row.
    """
    table = _with_rows(read_table(path), task)
    columns = find_columns(table, task, split != "test", rows)
    return _examples(table, columns, task, split, rows)


def read_xnli(path, task, split, rows="strict"):
    """Read a file of XNLI: three columns, or the multilingual file (`read_texts` otherwise).

    The multilingual file has at least 8 columns, with or without a header: the language in the
    first, the label in the second, the texts in the 7th and 8th; rows of other languages than zh
    are passed over.
    """
    table = _with_rows(read_table(path), task)
    first = table.rows[0][1]
    if table.separator == KEYS or len(first) <= max(_XNLI_COLUMNS.values()):
        return _examples(table, find_columns(table, task, split != "test", rows), task, split, rows)
    header = first[0].strip() == "language"
    kept = [row for row in table.rows[header:] if row[1][0].strip() == _XNLI_LANGUAGE]
    if not kept:
        raise InputError(
            f"{path}: {len(first)} columns, so the multilingual file, but no row of it is of "
            f"language {_XNLI_LANGUAGE} (first column)"
        )
    names = {column: column for column in _XNLI_COLUMNS}
    columns = Columns(dict(_XNLI_COLUMNS), names, len(first), header=False)
    return _examples(table._replace(rows=kept), columns, task, split, rows)


def _with_rows(table, task):
    if not table.rows:
        raise _no_rows(table, task)
    return table


def _no_rows(table, task):
    return InputError(
        f"{table.path}: no rows of data; expected the columns {', '.join(task.columns)}"
    )


def _examples(table, columns, task, split, rows):
    data = table.rows[columns.header :]
    dummy = (task.labels or ("",))[0] if task.has_dummy_labels(table.path, split, rows) else None
    key = columns.where.get("label")
    if dummy is not None or (split == "test" and key is not None and _all_empty(data, key)):
        where = {column: place for column, place in columns.where.items() if column != "label"}
        columns = columns._replace(where=where)
    examples = []
    for number, cells in data:
        problem = cell_problem(cells, columns, table, rows)
        if problem is None:
            examples.append(_example(table, number, cells, columns, task, rows, dummy))
        elif rows == "hfl":
            print(f"{table.path}: row {number}: {problem}; left out", file=sys.stderr)
        else:
            raise InputError(f"{table.path}: row {number}: {problem}")
    if not examples:
        raise _no_rows(table, task)
    return examples


def _all_empty(data, key):
    """Whether a column is there but says nothing: a test file without labels."""
    for _, cells in data:
        inside = key in cells if isinstance(cells, dict) else key < len(cells)
        value = cells[key] if inside else None
        if value is not None and (not isinstance(value, str) or value.strip()):
            return False
    return True


def _example(table, number, cells, columns, task, rows, label):
    path = f"{table.path}: row {number}"
    texts = {}
    for column, place in columns.where.items():
        value, name = cells[place], columns.names[column]
        if column == "label":
            label = _label_text(path, name, value)
            label = checked_label(path, label, task, _swapped(cells, columns, task))
            continue
        if not isinstance(value, str):
            raise InputError(f"{path}: {name}: expected a text, got {value!r:.40}")
        if rows == "strict" and not value.strip():
            raise InputError(f"{path}: {name} is empty; mend the row or leave it out")
        texts[column] = value
    return Example(number, texts["text_a"], texts.get("text_b"), label)


def _swapped(cells, columns, task):
    """A hint for a row whose text is a label, if its label is none."""
    for column, place in columns.where.items():
        text = cells[place]
        if column != "label" and isinstance(text, str) and task.label(text) in (task.labels or ()):
            name = columns.names[column]
            return f"; its {name} is {short(text.strip())!r}: are the columns in the wrong order?"
    return ""


def _label_text(path, name, value):
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, int):  # of JSON: 0, 1, true, false
        return json.dumps(value)
    raise InputError(f"{path}: {name}: expected a label, got {value!r:.40}")


def checked_label(path, label, task, hint=""):
    """The task's name of a label; ``path`` names file and row in messages, ``hint`` ends them."""
    label = task.label(label)
    if not label:
        raise InputError(f"{path}: the label is empty; mend the row or leave it out")
    if task.labels is not None and label not in task.labels:
        origin = f" ({task.labels_of})" if task.labels_of else ""
        shown = ", ".join(map(short, task.labels[:20])) + (", ..." if len(task.labels) > 20 else "")
        raise InputError(
            f"{path}: label {short(label)!r} is outside the label set {shown}{origin}{hint}"
        )
    return label
