"""Reading-comprehension files to questions: SQuAD's layout, and CMRC 2018's own.

SQuAD: ``{"data": [{"paragraphs": [{"context", "qas": [{"id", "question", "answers"}]}]}]}`` with
answers ``{"text", "answer_start"}``.  CMRC's own: a list of ``{"context_id", "context_text",
"qas": [{"query_id", "query_text", "answers": [text, ...]}]}``.
"""

import dataclasses

from ..errors import InputError
from ..files import read_json


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """An answer as the file has it; ``start`` is its place in the context, or None."""

    text: str
    start: int | None


@dataclasses.dataclass(frozen=True, slots=True)
class Question:
    """A question on a context.  ``answers`` is empty where the file has none."""

    id: str
    question: str
    context: str
    answers: tuple
    is_impossible: bool = False


def read_questions(path, rows="strict", needs_answers=True):
    """Read a file of questions.

    Args:
        rows: "strict" refuses a question without text, "hfl" takes everything.
        needs_answers: every question must have at least one answer (a training or dev file).
    Returns:
        list of `Question`, in the order of the file, never empty.
    Raises:
        InputError: not JSON, another layout, a missing key, an id that occurs twice; names the
            file, the paragraph and the question.
    """
    found = (
        (where, _question(f"{path}: {where}, question {number}", context, item))
        for where, context, qas in _paragraphs(path, read_json(path))
        for number, item in enumerate(qas, 1)
    )
    return checked_questions(path, found, rows, needs_answers)


def checked_questions(path, found, rows, needs_answers):
    """The list of questions of a file, each checked as it comes; see `read_questions`.

    Args:
        found: iterable of (where it stands, `Question`).
    """
    questions, seen = [], set()
    for where, question in found:
        if question.id in seen:
            raise InputError(f"{path}: {where}: the id {question.id!r} occurs twice")
        seen.add(question.id)
        _check(path, where, question, rows, needs_answers)
        questions.append(question)
    if not questions:
        raise InputError(f"{path}: no questions in it")
    return questions


def _paragraphs(path, content):
    """(where it stands, context, list of questions) of every paragraph."""
    if isinstance(content, list):  # CMRC's own layout
        for number, item in enumerate(content):
            where = f"paragraph {number + 1}"
            yield where, *_paragraph(path, where, item, "context_text")
        return
    data = content.get("data") if isinstance(content, dict) else None
    if not isinstance(data, list):
        raise InputError(
            f"{path}: neither SQuAD's layout (an object with a list 'data') nor CMRC's own (a list "
            f"of paragraphs); name a file with a question a row or a line .tsv, .csv or .jsonl"
        )
    for article, entry in enumerate(data):
        paragraphs = entry.get("paragraphs") if isinstance(entry, dict) else None
        if not isinstance(paragraphs, list):
            raise InputError(f"{path}: article {article + 1}: no list 'paragraphs'")
        for number, item in enumerate(paragraphs):
            where = f"article {article + 1}, paragraph {number + 1}"
            yield where, *_paragraph(path, where, item, "context")


def _paragraph(path, where, item, key):
    context = item.get(key) if isinstance(item, dict) else None
    qas = item.get("qas") if isinstance(item, dict) else None
    if not isinstance(context, str) or not isinstance(qas, list):
        raise InputError(f"{path}: {where}: expected a text {key!r} and a list 'qas'")
    return context, qas


def _question(where, context, item):
    if not isinstance(item, dict):
        raise InputError(f"{where}: expected an object")
    text = item.get("question", item.get("query_text"))
    name = item.get("id", item.get("query_id"))
    if not isinstance(text, str) or not isinstance(name, (str, int)) or isinstance(name, bool):
        raise InputError(f"{where}: expected 'question' and 'id' (or 'query_text' and 'query_id')")
    answers = item.get("answers", [])
    if not isinstance(answers, list):
        raise InputError(f"{where}: 'answers' is not a list")
    impossible = item.get("is_impossible", False) is True
    return Question(
        str(name).strip(), text, context, tuple(_answer(where, a) for a in answers), impossible
    )


def _answer(where, item):
    if isinstance(item, str):
        return Answer(item, None)
    text = item.get("text") if isinstance(item, dict) else None
    start = item.get("answer_start") if isinstance(item, dict) else None
    if not isinstance(text, str):
        raise InputError(f"{where}: an answer without 'text'")
    if start is not None and (isinstance(start, bool) or not isinstance(start, int)):
        raise InputError(f"{where}: answer_start: expected a whole number, got {start!r}")
    return Answer(text, start)


def _check(path, where, question, rows, needs_answers):
    if needs_answers and not question.answers and not question.is_impossible:
        raise InputError(f"{path}: {where}: question {question.id!r} has no answer")
    if rows == "strict" and not question.question.strip():
        raise InputError(f"{path}: {where}: question {question.id!r} is empty; mend or remove it")
    if rows == "strict" and not question.context.strip():
        raise InputError(f"{path}: {where}: the context is empty; mend or remove it")
