"""Which column of a table is the text, which the label.

A task of the registry knows the order of its columns and finds them by name where there is a
header.  For a task of one's own the user names columns or gives their numbers.
"""

import difflib
import re
from typing import NamedTuple

from ..errors import InputError
from ..wording import plural
from .tables import COMMAS, KEYS, TABS

# column -> what headers and JSON keys call it
ALIASES = {
    "text_a": (
        *("text_a", "text", "sentence", "sentence1", "premise", "question1", "query1"),
        *("review", "tokens", "words"),
    ),
    "text_b": ("text_b", "sentence2", "hypo", "hypothesis", "question2", "query2"),
    "label": ("label", "gold_label", "labels", "tags", "ner_tags"),
}
# kind -> which of these its messages leave out, since they are other kinds'
_OF_TAGS, _OF_PAIRS = ("tokens", "words", "tags", "ner_tags"), ("sentence1", "premise")
_UNSAID = {
    "seq-cls": (*_OF_TAGS, *_OF_PAIRS, "question1", "query1"),
    "pair-cls": (*_OF_TAGS, "review"),
    "token-cls": (*_OF_PAIRS, "question1", "query1", "review"),
}
# What words to tag are called before all others: their text may stand beside them.
_WORDS = ("tokens", "words")
_SHORT = 30  # characters
OPTIONS = {"text_a": "--text-column", "text_b": "--text-pair-column", "label": "--label-column"}


class Columns(NamedTuple):
    """Where the columns of a table are.

    ``where``: column -> position in a row, or key of a JSON object; without "label" when the file
    has none.  ``names``: column -> what messages call it.  ``width``: cells that every row must
    have, None for JSON.  ``header``: whether the first row is one.
    """

    where: dict
    names: dict
    width: int | None
    header: bool


def find_columns(table, task, needs_labels, rows="strict"):
    """The `Columns` of a table with at least one row.

    Args:
        task: a `tasks.Task`.
        needs_labels: False lets the file have no label column.
        rows: "strict" or "hfl".
    Raises:
        InputError: a column is missing; names file and row 1.
    """
    first = table.rows[0][1]
    if table.separator == KEYS:
        # Of all rows: a label that only the first one lacks must be missed, not overlooked.
        keys = dict.fromkeys(key for _, cells in table.rows for key in cells)
        return _by_name(table, task, list(keys), needs_labels)
    if task.chosen is not None:
        numbers = [column for column in task.columns if isinstance(task.chosen[column], int)]
        if len(numbers) == len(task.columns):
            return _by_number(table, task, len(first), needs_labels)
        return _by_name(table, task, [cell.strip() for cell in first], needs_labels)
    return _by_order(table, task, [cell.strip() for cell in first], needs_labels, rows)


def has_header(cells, task):
    """Do the cells of a row name all of the task's columns?

    One cell alone is a header only as "tokens" or "words": it may as well be a word.
    """
    if len(cells) == 1:
        return cells[0] in _WORDS
    return all(_match(column, cells, task) is not None for column in task.columns)


def _match(column, names, task):
    """The one of ``names`` that is ``column``: the chosen one, else one of the aliases."""
    chosen = (task.chosen or {}).get(column)
    if chosen is not None:
        return chosen if chosen in names else None
    found = [name for name in names if str(name).strip().lower() in ALIASES[column]]
    if task.kind == "token-cls":
        found.sort(key=lambda name: str(name).strip().lower() not in _WORDS)
    return found[0] if found else None


def _by_order(table, task, first, needs_labels, rows):
    """Columns of a task whose files have a known order, with or without a header."""
    path, columns = table.path, task.columns
    place = columns.index("label")
    is_data = len(first) > place and _is_label(first[place], task)
    found = [column for column in columns if _match(column, first, task) is not None]
    if found and not is_data:
        return _by_name(table, task, first, needs_labels)
    if is_data or len(first) < len(columns):
        unlabelled = not needs_labels and len(first) == len(columns) - 1
        if unlabelled and not _words_of_a_header(first):
            columns = [column for column in columns if column != "label"]
        where = {column: number for number, column in enumerate(columns)}
        return Columns(where, {c: c for c in columns}, len(columns), header=False)
    if rows == "hfl":  # the original takes the first row for a header, whatever it says
        where = {column: number for number, column in enumerate(columns)}
        return Columns(where, {c: c for c in columns}, len(first), header=True)
    known = f" out of {', '.join(task.labels)}" if task.labels else ""
    raise InputError(
        f"{path}: row 1: neither a header with the columns {', '.join(columns)} nor a row whose "
        f"column {place + 1} is a label{known}; {_as_custom(task)}"
    )


def _is_label(cell, task):
    """Is the cell one of the task's labels, or for token-cls several of them?"""
    if task.labels is None:
        return cell.lower() not in ALIASES["label"]
    parts = re.split("[\x02 ]", cell) if task.kind == "token-cls" else [cell]
    return all(task.label(part) in task.labels for part in parts)


def _by_name(table, task, names, needs_labels):
    """Columns by the names in a header or by the keys of the first JSON object."""
    is_json = table.separator == KEYS
    what = "the first object has no key" if is_json else "the header has no column"
    where, shown, missing = {}, {}, []
    for column in task.columns:
        chosen = (task.chosen or {}).get(column)
        if isinstance(chosen, int):
            if is_json:
                raise InputError(
                    f"{OPTIONS[column]} {chosen}: {table.path} is JSON, whose columns have no "
                    f"numbers; give a key"
                )
            where[column], shown[column] = _position(table, task, column, len(names)), column
            continue
        name = _match(column, names, task)
        if name is not None:
            if names.count(name) > 1:
                raise InputError(f"{table.path}: row 1: two columns are called {name!r}")
            where[column] = name if is_json else names.index(name)
            shown[column] = column if task.chosen is None else name
        elif column == "label" and not needs_labels:
            sought = chosen or " or ".join(_usual_names(column, task))
            print(f"{table.path}: no column {sought}, so predictions and no score")
        else:
            missing.append(column)
    if missing:
        found = _few(names) + _other_separator(table, table.rows[0][1])
        said = _missing(task, missing, [str(name) for name in names], found)
        raise InputError(f"{table.path}: row 1: {what} {said}")
    _refuse_same(task, where)
    return Columns(where, shown, None if is_json else len(names), header=not is_json)


def _missing(task, missing, names, found):
    """Which columns are missing, what there is instead, and what to do; ``found`` shows ``names``.

    All of them at once: who has one column of another name mostly has two.
    """
    if task.chosen is None:
        return f"{', '.join(missing)}; there are: {found}; {_as_custom(task)}"
    parts, near, advice = [], [], ""
    for column in missing:
        chosen = task.chosen[column]
        if chosen is None:
            parts.append(f"called {', '.join(_usual_names(column, task))} ({OPTIONS[column]})")
            advice = "; give their names with these options, or numbers from 1 without a header"
        else:
            parts.append(f"{chosen!r} ({OPTIONS[column]})")
            near += difflib.get_close_matches(chosen, names, n=1)
    hint = f"did you mean {' and '.join(map(repr, near))}? " if near else ""
    return f"{' and none '.join(parts)}; {hint}there are: {found}{advice}"


def _usual_names(column, task):
    unsaid = _UNSAID.get(task.kind, ())
    return [name for name in ALIASES[column] if name not in unsaid]


def _as_custom(task):
    """What to do with a file of a task of the registry whose columns have names of their own."""
    options = " ".join(f"{OPTIONS[column]} ..." for column in task.columns)
    return f"other names: --task custom --kind {task.kind} {options}"


def _by_number(table, task, width, needs_labels):
    """Columns by number: the file has no header."""
    first = table.rows[0][1]
    if _words_of_a_header(first):
        raise InputError(
            f"{table.path}: row 1: this is a header ({_few(first)}); give the columns by these "
            f"names instead of numbers"
        )
    where = {}
    for column in task.columns:
        if column == "label" and not needs_labels and task.chosen[column] > width:
            continue
        where[column] = _position(table, task, column, width)
    _refuse_same(task, where)
    names = {column: f"column {place + 1}" for column, place in where.items()}
    return Columns(where, names, width, header=False)


def _position(table, task, column, width):
    number = task.chosen[column]
    if number > width:
        raise InputError(
            f"{table.path}: row 1: {OPTIONS[column]} {number}, but there "
            f"{'is' if width == 1 else 'are'} {width} {plural(width, 'column')} separated by "
            f"{table.separator}{_other_separator(table, table.rows[0][1])}"
        )
    return number - 1


def _refuse_same(task, where):
    for column in where:
        for other in where:
            if column < other and where[column] == where[other]:
                raise InputError(f"{OPTIONS[column]} and {OPTIONS[other]} name the same column")


def _words_of_a_header(cells):
    """Is one of the cells a name of a column?"""
    known = {name for names in ALIASES.values() for name in names}
    return any(cell.strip().lower() in known for cell in cells)


def short(text):
    """A value of a file for a message: whole texts are no help there."""
    return text if len(text) <= _SHORT else f"{text[:_SHORT]}..."


def _few(names):
    shown = ", ".join(str(name).strip()[:20] for name in names[:8])
    return f"{shown}, ..." if len(names) > 8 else shown


def cell_problem(cells, columns, table, rows):
    """What is wrong with the number of cells of a row, or None.

    With ``rows="hfl"`` only the columns that are read must be there, as in the original.
    """
    if table.separator == KEYS:
        missing = [key for key in columns.where.values() if key not in cells]
        return f"no key {missing[0]!r}" if missing else None
    if rows == "hfl" and len(cells) > max(columns.where.values()):
        return None
    if len(cells) == columns.width:
        return None
    hint = _other_separator(table, cells)
    if len(cells) > columns.width:
        hint = {
            TABS: " (a tab inside a text?)",
            COMMAS: " (a comma inside a text that is not in double quotes?)",
        }.get(table.separator, "")
    found = f"{len(cells)} {plural(len(cells), 'column')}"
    return f"{found}, expected {columns.width} separated by {table.separator}{hint}"


def _other_separator(table, cells):
    """A hint when one cell has what separates columns in files of another ending."""
    if table.separator == TABS and len(cells) == 1 and "," in cells[0]:
        return " (commas separate columns in files named .csv)"
    if table.separator == COMMAS and any("\t" in cell for cell in cells):
        return " (tabs separate columns in files named .tsv)"
    return ""
