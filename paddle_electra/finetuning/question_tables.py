"""Questions as rows of a table or lines of JSON, one question each; see `tables` for the formats.

Columns, or keys: the question, its context, and unless it is a test file its answer; perhaps an id
and where the answer begins.  JSON lines may hold several answers: a list of texts, a list of
``{"text", "answer_start"}``, or ``{"text": [...], "answer_start": [...]}``.
"""

import dataclasses
import re
from pathlib import Path

from ..errors import InputError
from ..wording import plural
from .questions import Answer, Question, checked_questions, read_questions
from .tables import KEYS, read_table

NAMES = {
    "question": ("question", "query", "query_text"),
    "context": ("context", "passage", "paragraph", "context_text"),
    "answer": ("answer", "answers", "answer_text"),
    "answer_start": ("answer_start",),
    "id": ("id", "qid", "query_id"),
}
_NEEDED = ("question", "context")
_TABLES = (".tsv", ".csv", ".jsonl")
_FAKE = re.compile(r"FAKE_ANSWER_\d+")


def read_question_table(path, rows="strict", needs_answers=True):
    """Read a .tsv, .csv or .jsonl file of questions; see `questions.read_questions`.

    A question without an id is called by the number of its row.

    Raises:
        InputError: no rows, a column that is missing, a row that is not as it should be, an id
            that occurs twice; names the file and the row.
    """
    table = read_table(path)
    is_json = table.separator == KEYS
    if is_json:
        header = dict.fromkeys(key for _, cells in table.rows for key in cells)
        data = table.rows
    else:
        header = [cell.strip() for _, cells in table.rows[:1] for cell in cells]
        data = table.rows[1:]
    if not table.rows:
        raise InputError(f"{path}: no questions in it")
    where = _find(path, list(header), needs_answers, is_json)
    found = _questions(table, data, where, None if is_json else len(header))
    return checked_questions(path, found, rows, needs_answers)


def _questions(table, data, where, width):
    """(row, `Question`) of each row; ``width``: its cells, None for JSON."""
    for number, cells in data:
        place = f"row {number}"
        if width is not None and len(cells) != width:
            raise InputError(
                f"{table.path}: {place}: {len(cells)} {plural(len(cells), 'column')}, expected "
                f"{width} separated by {table.separator}"
            )
        found = {
            name: cells.get(key) if width is None else cells[key] for name, key in where.items()
        }
        yield place, _question(f"{table.path}: {place}", number, found)


def read_task_questions(path, task, split, rows):
    """The reader of a task of kind qa; a training or dev file must have answers.

    In other files what CLUE put there for hidden answers, FAKE_ANSWER_1 and so on, is none.
    Files named .tsv, .csv or .jsonl are tables, all others SQuAD's layout or CMRC's own.
    """
    del task
    read = read_question_table if Path(path).suffix.lower() in _TABLES else read_questions
    if split in ("train", "dev"):
        return read(path, rows, needs_answers=True)
    return [
        dataclasses.replace(question, answers=())
        if all(_FAKE.fullmatch(answer.text) for answer in question.answers)
        else question
        for question in read(path, rows, needs_answers=False)
    ]


def _find(path, header, needs_answers, is_json):
    """{name: its key, or its position}."""
    where = {}
    for name, aliases in NAMES.items():
        known = [key for key in header if key.strip().lower() in aliases]
        if known:
            where[name] = known[0] if is_json else header.index(known[0])
    needed = (*_NEEDED, "answer") if needs_answers else _NEEDED
    missing = [name for name in needed if name not in where]
    if missing:
        what = "key" if is_json else "column, in the first row,"
        names = "; ".join(f"{name} ({', '.join(NAMES[name])})" for name in missing)
        raise InputError(
            f"{path}: no {what} for: {names}; questions in SQuAD's layout are in a file named .json"
        )
    return where


def _question(place, number, found):
    for name in _NEEDED:
        if not isinstance(found[name], str):
            raise InputError(f"{place}: {name}: expected a text, got {found[name]!r:.40}")
    name = found.get("id")
    if name in (None, ""):
        name = number
    if isinstance(name, bool) or not isinstance(name, (str, int)):
        raise InputError(f"{place}: id: expected a text or a whole number, got {name!r:.40}")
    answers = _answers(place, found.get("answer"), _start(place, found.get("answer_start")))
    return Question(str(name).strip(), found["question"], found["context"], answers)


def _start(place, value):
    """The place of the answer, or None; -1 counts as not known, as in CMRC's files."""
    if value in (None, ""):
        return None
    try:
        if isinstance(value, (bool, float)):
            raise ValueError
        return int(value)
    except (TypeError, ValueError):
        raise InputError(
            f"{place}: answer_start: expected a whole number, got {value!r:.40}"
        ) from None


def _answers(place, value, start):
    if value is None or (isinstance(value, str) and not value.strip()):
        return ()
    if isinstance(value, str):
        return (Answer(value, start),)
    if isinstance(value, dict) and isinstance(value.get("text"), list):
        texts = value["text"]
        starts = value.get("answer_start") or [None] * len(texts)
        if not isinstance(starts, list) or len(starts) != len(texts):
            raise InputError(f"{place}: answer: as many answer_start as text expected")
        value = [{"text": t, "answer_start": s} for t, s in zip(texts, starts, strict=True)]
    if not isinstance(value, list):
        raise InputError(f"{place}: answer: expected a text or a list, got {value!r:.40}")
    return tuple(_answer(place, item) for item in value)


def _answer(place, item):
    if isinstance(item, str):
        return Answer(item, None)
    if isinstance(item, dict) and isinstance(item.get("text"), str):
        return Answer(item["text"], _start(place, item.get("answer_start")))
    raise InputError(f"{place}: answer: expected a text or an object with one, got {item!r:.40}")
