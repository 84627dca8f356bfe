"""Files of tagged words to examples, with errors that name the file and the row.

Two layouts:

- **CoNLL**: a word and its label a line, separated by tabs or else by blanks, with other columns
  perhaps between them; a blank line ends a sentence, ``-DOCSTART-`` lines are passed over.
- **Table**: a sentence a row, in ``.csv``, ``.jsonl`` and ``.json`` always, in ``.tsv`` when the
  first row is a header or has a ``\\x02`` in it.  The words of a cell are separated by ``\\x02``
  or by blanks, or every character is a word: whichever gives as many words as there are labels.
  In JSON both may be lists.
"""

import dataclasses
import re
import sys
from pathlib import Path

from ..errors import InputError
from ..wording import plural
from .columns import ALIASES, OPTIONS, cell_problem, find_columns, has_header
from .readers import checked_label
from .tables import is_table, read_lines, read_table

OUTSIDE = "O"
SEPARATOR = "\x02"
FORMS = "O, B-X and I-X, and in BIOES also E-X and S-X, with X the type of the entity"
_TAG = re.compile("O|[BIES]-[^ \x02]+")
_CHINESE = re.compile("[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_DOCUMENT = "-DOCSTART-"
_LONGEST_WORD = 8  # characters; longer ones are rare in Chinese


@dataclasses.dataclass(frozen=True, slots=True)
class TaggedExample:
    """A sentence.

    ``row`` is the line number of its first word, from 1.  ``labels`` has one entry a word, or is
    None where the file has no labels.
    """

    row: int
    words: tuple
    labels: tuple | None


class _BadRowError(Exception):
    """What is wrong with a sentence, and in which row."""

    def __init__(self, row, problem):
        super().__init__(problem)
        self.row = row


def is_tag(label):
    """Has the label one of the `FORMS`?"""
    return _TAG.fullmatch(label) is not None


def tag_order(label):
    """Sort key of labels: O, then by type of entity, B before I before E before S."""
    prefix, _, entity = label.partition("-")
    return (entity, "OBIES".index(prefix))


def read_tags(path, task, split, rows="strict"):
    """Read a file of words and labels; the reader of token-cls.

    An I-X that continues nothing is accepted, as CoNLL's scorer does.

    Args:
        path: the file; see the module for its layouts.
        task: a `tasks.Task`.  Its chosen columns may be numbers in CoNLL's layout too; by default
            there the first one is the word and the last one the label.  With ``labels`` None any
            label of the `FORMS` is taken.
        split: of the "test" split labels may be missing (then they are None): no such column, or
            not one in it.
        rows: "strict" refuses a bad row; "hfl" reports a sentence with a missing column, a word
            or label too many or too few, or without words, and leaves it out.
    Returns:
        list of `TaggedExample`, in the order of the file, never empty.
    Raises:
        InputError: not readable, no rows, a missing column or label, more or fewer labels than
            words, a label of another form or outside the label set, a first line that may be a
            word or a header; names file and row.
    """
    table = _is_table(path, task)
    if split == "test" and not table:
        _refuse_name_alone(path)
    read = _read_table if table else _read_conll
    sentences, build = read(path, task, split, rows)
    examples = []
    for sentence in sentences:
        try:
            examples.append(build(*sentence))
        except _BadRowError as bad:
            message = f"{path}: row {bad.row}: {bad}"
            if rows != "hfl":
                raise InputError(message) from None
            print(f"{message}; the sentence is left out", file=sys.stderr)
    if not examples:
        raise _no_rows(path)
    return examples


def _no_rows(path):
    return InputError(
        f"{path}: no rows of data; expected a word and its label a line with a blank line between "
        f"sentences, or a table with a column of words and one of labels"
    )


def _is_table(path, task):
    if is_table(path):
        return True
    if Path(path).suffix.lower() != ".tsv":
        return False
    lines = read_lines(path)
    first = lines[0] if lines else ""
    named = any(isinstance(column, str) for column in (task.chosen or {}).values())
    return named or SEPARATOR in first or has_header(first.split("\t"), task)


def _refuse_name_alone(path):
    """In a ``.tsv`` of one column a first line such as "text" may be a header or a word."""
    lines = read_lines(path) if Path(path).suffix.lower() == ".tsv" else []
    name = lines[0].strip() if lines else ""
    if name.lower() in ALIASES["text_a"] and not any("\t" in line for line in lines):
        raise InputError(
            f"{path}: row 1: {name!r} alone may be a header or a word; for a sentence a row call "
            f"the column tokens (or give --text-column {name} for all files), for a word a line "
            f"name the file .txt"
        )


def _label_checker(path, task):
    """check(row number, label) -> the task's name of the label; each label is looked at once."""
    known = {}

    def check(number, label):
        if label not in known:
            if label and not is_tag(task.label(label)):
                raise InputError(
                    f"{path}: row {number}: {label!r:.40} is not a label of tagging; expected "
                    f"{FORMS}"
                )
            known[label] = checked_label(f"{path}: row {number}", label, task)
        return known[label]

    return check


# CoNLL ------------------------------------------------------------------------------------------


def _read_conll(path, task, split, rows):
    """(sentences, function that makes an example of one)."""
    del rows
    word_at, label_at = _chosen_places(path, task)
    check = _label_checker(path, task)
    sentences = list(_sentences(read_lines(path)))

    def cell(cells, place):
        if place is None:  # the last one is the label, but not if it is the word
            return cells[-1] if len(cells) > 1 else None
        return cells[place] if place < len(cells) else None

    labelled = split != "test" or any(
        (cell(_cells(line), label_at) or "").strip() for _, lines in sentences for line in lines
    )

    if not labelled:
        _refuse_sentences(path, sentences)

    def build(first, lines):
        words, labels = [], []
        for number, line in enumerate(lines, first):
            cells = _cells(line)
            word, label = cell(cells, word_at), cell(cells, label_at)
            if word is None or (labelled and label is None):
                raise _BadRowError(number, _too_few(cells, labelled))
            if not word:
                raise _BadRowError(number, "the word is empty; mend the row or leave it out")
            words.append(word)
            if labelled:
                if not label.strip():
                    raise _BadRowError(number, f"the word {word!r:.40} has no label")
                labels.append(check(number, label))
        return TaggedExample(first, tuple(words), tuple(labels) if labelled else None)

    return sentences, build


def _refuse_sentences(path, sentences):
    """A file without labels whose lines are sentences would be taken for one of long words."""
    lines = [
        (number, line) for first, lines in sentences for number, line in enumerate(lines, first)
    ]
    long = [
        (number, line)
        for number, line in lines
        if len(line) > _LONGEST_WORD and len(_cells(line)) == 1 and _CHINESE.search(line)
    ]
    if 2 * len(long) > len(lines):
        number, line = long[0]
        raise InputError(
            f"{path}: row {number}: {line!r:.40} is taken for a word, as are most lines; for a "
            f"sentence a row name the file .tsv and give it a first row that says tokens"
        )


def _too_few(cells, labelled):
    expected = "a word and its label" if labelled else "a word"
    return (
        f"{len(cells)} {plural(len(cells), 'column')} ({cells[0]!r:.40}), "
        f"expected {expected} with a tab or a blank between columns"
    )


def _chosen_places(path, task):
    """Position of the word, and of the label or None for the last column."""
    chosen = task.chosen or {}
    for column, value in chosen.items():
        if isinstance(value, str):
            raise InputError(
                f"{OPTIONS[column]} {value}: {path} has no header (one word a line); give the "
                f"column's number from 1"
            )
    word, label = chosen.get("text_a"), chosen.get("label")
    if word is not None and word == label:
        raise InputError(f"{OPTIONS['text_a']} and {OPTIONS['label']} name the same column")
    return (word or 1) - 1, None if label is None else label - 1


def _cells(line):
    # Only tabs and blanks separate: an ideographic space may be a word.
    return line.split("\t") if "\t" in line else [cell for cell in line.split(" ") if cell]


def _sentences(lines):
    """(number of the first line, lines) of each sentence."""
    first, sentence = 1, []
    for number, line in enumerate(lines, 1):
        ends = not line.strip(" \t") or (
            line.startswith(_DOCUMENT) and _cells(line)[0] == _DOCUMENT
        )
        if not ends:
            sentence.append(line)
            continue
        if sentence:
            yield first, sentence
        first, sentence = number + 1, []
    if sentence:
        yield first, sentence


# Tables -----------------------------------------------------------------------------------------


def _read_table(path, task, split, rows):
    """(sentences, function that makes an example of one)."""
    table = read_table(path)
    if not table.rows:
        raise _no_rows(path)
    columns = find_columns(table, task, split != "test", rows)
    data = table.rows[columns.header :]
    key = columns.where.get("label")
    labelled = split != "test" or (key is not None and _has_labels(data, key))
    if not labelled:
        where = {"text_a": columns.where["text_a"]}
        columns = columns._replace(where=where)
    check = _label_checker(path, task)
    characters = not labelled and _by_character(path, data, columns.where["text_a"])

    def build(number, cells):
        problem = cell_problem(cells, columns, table, rows)
        if problem is not None:
            hint = " (a blank line between sentences is for files without a header)"
            raise _BadRowError(number, problem + (hint if cells == [""] else ""))
        labels = None
        if labelled:
            found = _labels(number, columns.names["label"], cells[columns.where["label"]])
            labels = tuple(check(number, label) for label in found)
        value, name = cells[columns.where["text_a"]], columns.names["text_a"]
        words = _words(number, name, value, labels, characters)
        return TaggedExample(number, tuple(words), labels)

    return data, build


def _has_labels(data, key):
    """Whether a row says something in the column."""
    for _, cells in data:
        value = cells.get(key) if isinstance(cells, dict) else "".join(cells[key : key + 1])
        if value.strip() if isinstance(value, str) else value:
            return True
    return False


def _labels(number, name, value):
    value = _split(value) if isinstance(value, str) else value
    if not value:
        raise _BadRowError(number, f"{name} is empty; every word needs a label")
    _check_list(number, name, value, "B-PER")
    return [label.strip() for label in value]


def _check_list(number, name, value, example):
    is_list = isinstance(value, list)
    for item in value if is_list else [value]:
        if not is_list or not isinstance(item, str):
            raise _BadRowError(
                number,
                f"{name}: expected a text or a list of texts such as {example!r}, got {item!r:.40}",
            )


def _words(number, name, value, labels, characters):
    """The words of a cell, as many as there are labels."""
    if isinstance(value, str):
        words = _split(value)
        plain = SEPARATOR not in value
        if plain and (characters if labels is None else len(words) != len(labels) == len(value)):
            words = list(value)
    else:
        _check_list(number, name, value, "word")
        words = value
    if not words or (isinstance(value, str) and not value.strip()):
        raise _BadRowError(number, f"{name} is empty; mend the row or leave it out")
    if labels is not None and len(words) != len(labels):
        raise _BadRowError(number, _counts(value, words, labels))
    if "" in words:
        raise _BadRowError(number, f"{name}: word {words.index('') + 1} is empty")
    return words


def _split(text):
    """What ``\\x02``, or else blanks separate."""
    if SEPARATOR in text:
        return text.split(SEPARATOR)
    return [part for part in text.split(" ") if part]


def _counts(value, words, labels):
    characters = ""
    if isinstance(value, str) and SEPARATOR not in value:
        characters = f" ({len(value)} characters)"
    return (
        f"{len(words)} {plural(len(words), 'word')}{characters} but {len(labels)} "
        f"{plural(len(labels), 'label')}; every word needs one"
    )


def _by_character(path, data, key):
    """Of a file without labels: is every character a word?  Says so.

    It is when most of its texts have Chinese characters and nothing that separates words.
    """
    cells = (
        row.get(key) if isinstance(row, dict) else "".join(row[key : key + 1]) for _, row in data
    )
    texts = [text for text in cells if isinstance(text, str) and SEPARATOR not in text]
    joined = sum(" " not in text.strip() and bool(_CHINESE.search(text)) for text in texts)
    if 2 * joined <= len(texts):
        return False
    print(f"{path}: no labels, and most texts without blanks: every character is taken for a word")
    return True
