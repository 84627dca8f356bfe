"""Pairs of a question and a passage for ``proof_tiny.py``: does the passage hold the answer?"""

import random
from typing import NamedTuple

import numpy as np

from paddle_electra.errors import InputError


def vectorizer(texts):
    """A TF-IDF of character 1-3-grams that has seen ``texts``; grams of one text are left out."""
    try:
        from sklearn.feature_extraction.text import TfidfVectorizer
    except ImportError:
        raise InputError("scikit-learn is not installed; pip install -e '.[bench]'") from None
    least = 2 if len(texts) > 1 else 1
    grams = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), sublinear_tf=True, min_df=least)
    return grams.fit(texts)


class Pair(NamedTuple):
    """A question beside a passage; ``label`` 1: it has the answer.  ``context``: where the passage
    is from; ``hard``: chosen for its likeness."""

    question: str
    passage: str
    label: int
    context: str
    hard: bool
    answers: tuple


def make_pairs(questions, count, max_seq_length, seed):
    """Pairs of questions and passages, half of them right.

    Every question and every passage is in one right and one wrong pair.  Passages are windows of
    one length that hold an answer at a random place, so right and wrong ones look alike; a wrong
    one is of another paragraph and does not have any of the question's answers in it.  A quarter
    of all pairs, half of the wrong ones, are wrong with the passage most like the question that is
    free.

    Args:
        questions: list of `Question`.
        count: how many pairs, an even number.
        max_seq_length: tokens that a pair may take; a character is at most one.
    Returns:
        list of `Pair` in a shuffled order.
    Raises:
        InputError: not so many questions that fit.
    """
    draw = random.Random(seed)
    longest = max_seq_length // 4 - 3
    chosen = _choose(questions, count // 2, longest, max_seq_length - 3 - longest, draw)
    likeness, allowed = _likeness(chosen), _allowed(chosen)
    half = len(chosen) // 2
    wrong = _likeliest(likeness, allowed, half)
    free = [number for number in range(len(chosen)) if number not in set(wrong)]
    wrong += _matched(allowed, range(half, len(chosen)), free, draw)
    pairs = []
    for number, ((question, passage), other) in enumerate(zip(chosen, wrong, strict=True)):
        answers = tuple(answer.text for answer in question.answers)
        right = Pair(question.question, passage, 1, question.context, False, answers)
        theirs, passage = chosen[other]
        pairs += [
            right,
            right._replace(passage=passage, label=0, context=theirs.context, hard=number < half),
        ]
    draw.shuffle(pairs)
    return pairs


def _choose(questions, count, longest, window, draw):
    """``count`` times (question, the window with its answer), no question twice."""
    chosen, seen = [], set()
    questions = list(questions)
    draw.shuffle(questions)
    for question in questions:
        text = question.question.strip()
        place = _answer(question)
        if text in seen or len(text) > longest or place is None or place[1] - place[0] > window:
            continue
        seen.add(text)
        least = max(0, place[1] - window)
        most = max(least, min(place[0], len(question.context) - window))
        start = draw.randint(least, most)
        chosen.append((question, question.context[start : start + window]))
        if len(chosen) == count:
            return chosen
    raise InputError(
        f"{2 * count} pairs: only {len(chosen)} of {len(questions)} questions fit; want fewer pairs"
    )


def _answer(question):
    """(start, end) of the first answer that is in the context."""
    for answer in question.answers:
        start = answer.start
        if start is None or not question.context.startswith(answer.text, start):
            start = question.context.find(answer.text)
        if answer.text and start >= 0:
            return start, start + len(answer.text)
    return None


def _likeness(chosen):
    """(n, n) cosine of each question (row) with each passage."""
    passages = [passage for _, passage in chosen]
    grams = vectorizer(passages)
    asked = grams.transform([question.question for question, _ in chosen])
    return (asked @ grams.transform(passages).T).toarray()


def _allowed(chosen):
    """(n, n) whether each passage (column) may stand beside each question as a wrong one."""
    places = [question.context for question, _ in chosen]
    table = np.array([[one != other for other in places] for one in places])
    for row, (question, _) in enumerate(chosen):
        texts = [answer.text for answer in question.answers if answer.text]
        for column, (_, passage) in enumerate(chosen):
            if any(text in passage for text in texts):
                table[row, column] = False
    return table


def _likeliest(likeness, allowed, count):
    """For the first ``count`` questions the most similar passage that is still free."""
    free, found = np.ones(len(likeness), bool), []
    for row in range(count):
        open_here = free & allowed[row]
        if not open_here.any():
            raise _too_few()
        found.append(int(np.where(open_here, likeness[row], -1).argmax()))
        free[found[-1]] = False
    return found


def _matched(allowed, rows, passages, draw):
    """The passages in a random order in which each is allowed beside its question."""
    draw.shuffle(passages)
    rows = list(rows)
    for place, row in enumerate(rows):
        if allowed[row, passages[place]]:
            continue
        for other in draw.sample(range(len(rows)), len(rows)):
            if allowed[row, passages[other]] and allowed[rows[other], passages[place]]:
                passages[place], passages[other] = passages[other], passages[place]
                break
        else:
            raise _too_few()
    return passages


def _too_few():
    return InputError("pairs: too few different paragraphs to take wrong passages from")
