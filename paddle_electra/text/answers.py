"""From a model's outputs on windows to the answers of questions (original: `SpanBasedQAScorer`).

PARITY 22-23.  With ``spans="offsets"`` an answer is cut out of the context by characters; with
``spans="hfl"`` it is found again in the white-space word, as the original does.
"""

import collections
from typing import NamedTuple

import numpy as np

from .normalize import ALONE, WORD, code_points, settle

EMPTY = "empty"  # the original's answer when there is no candidate


class Outputs(NamedTuple):
    """A model's outputs on one window.

    Either of the joint head: ``starts`` [k] positions and ``start_scores`` [k], ``ends`` [k, k] and
    ``end_scores`` [k, k] log-probabilities; or of independent heads: ``starts`` and ``ends`` are
    None and the scores are logits [length] each.
    """

    starts: np.ndarray | None
    start_scores: np.ndarray
    ends: np.ndarray | None
    end_scores: np.ndarray
    answerable: float = 0.0


class Candidate(NamedTuple):
    """A possible answer."""

    text: str
    start_logit: float
    end_logit: float
    probability: float


class _Span(NamedTuple):
    window: object
    start: int
    end: int
    start_logit: np.float32
    end_logit: np.float32


def best_answers(question, windows, outputs, n_best=20, max_length=30, lower_case=True):
    """The best answers to one question, at most ``n_best`` different ones, the best first.

    Args:
        question: a `questions.Question`.
        windows: its `windows.Window`s; outputs: the `Outputs` of each.
        max_length: longest answer in tokens.
        lower_case: of the tokenizer, for spans="hfl".
    Returns:
        list of `Candidate`, never empty.
    """
    found = best_spans(question, windows, outputs, n_best, max_length, lower_case)
    return [candidate for candidate, _ in found] or [Candidate(EMPTY, 0.0, 0.0, 1.0)]


def best_spans(question, windows, outputs, n_best=20, max_length=30, lower_case=True):
    """`best_answers` with their places in the context, empty when there are none.

    Returns:
        list of (`Candidate`, (start, end) in characters of the context); the place is None with
        spans="hfl", which searches the text of the answer and not its place.
    """
    spans = []
    for window, output in zip(windows, outputs, strict=True):
        spans += _spans(window, output, n_best, max_length)
    # Added in float32 and sorted stably, as the original: ties keep their order.
    spans.sort(key=lambda span: span.start_logit + span.end_logit, reverse=True)
    found = {}
    for span in spans:
        if len(found) >= n_best:
            break
        text = _text(question, span, lower_case)
        found.setdefault(text, span)
    scores = [float(span.start_logit + span.end_logit) for span in found.values()]
    return [
        (Candidate(text, float(span.start_logit), float(span.end_logit), chance), _place(span))
        for (text, span), chance in zip(found.items(), _softmax(scores), strict=True)
    ]


def _spans(window, output, n_best, max_length):
    """The allowed spans of one window, in the original's order."""
    if output.starts is None:
        starts, ends = (
            _best(scores, n_best) for scores in (output.start_scores, output.end_scores)
        )
        pairs = [
            (start, end, output.start_scores[start], output.end_scores[end])
            for start in starts
            for end in ends
        ]
    else:
        pairs = [
            (int(start), int(end), output.start_scores[i], output.end_scores[i, j])
            for i, start in enumerate(output.starts)
            for j, end in enumerate(output.ends[i])
        ]
    first, last = window.offset, window.offset + window.length
    for start, end, start_logit, end_logit in pairs:
        if not (first <= start < last and start <= end < last):
            continue
        if end - start + 1 > max_length or not window.max_context[start - first]:
            continue
        yield _Span(window, start, end, start_logit, end_logit)


def _best(scores, count):
    """Positions of the highest scores; of equals the first comes first."""
    return np.argsort(-np.asarray(scores), kind="stable")[:count].tolist()


def _softmax(scores):
    exponents = np.exp(np.array(scores) - max(scores, default=0))
    return (exponents / exponents.sum()).tolist()


def _place(span):
    """(start, end) in characters of the context, or None where it goes by words."""
    window, document = span.window, span.window.document
    shift = window.first - window.offset
    if document.words is not None:
        return None
    return int(document.starts[span.start + shift]), int(document.ends[span.end + shift])


def _text(question, span, lower_case):
    if (place := _place(span)) is not None:
        return question.context[slice(*place)]
    window, document = span.window, span.window.document
    shift = window.first - window.offset
    start, end = span.start + shift, span.end + shift
    tokens = " ".join(document.tokens[start : end + 1]).replace(" ##", "").replace("##", "")
    words = document.words[document.word_of[start] : document.word_of[end] + 1]
    return project(" ".join(tokens.split()), " ".join(words), lower_case)


def project(predicted, original, lower_case=True):
    """Find normalised text in the text it came from (original: `get_final_text`).

    Args:
        predicted: tokens joined by spaces, without ``##``.
        original: the white-space words that they came from.
    Returns:
        the part of ``original``; all of it where the original gives up.
    """
    spaced = " ".join(basic_tokens(original, lower_case))
    place = spaced.find(predicted)
    if place < 0:
        return original
    plain_original, original_places = _without_spaces(original)
    plain_spaced, spaced_places = _without_spaces(spaced)
    if len(plain_original) != len(plain_spaced):
        return original
    number_at = {place: number for number, place in enumerate(spaced_places)}
    bounds = []
    for place_in_spaced in (place, place + len(predicted) - 1):
        number = number_at.get(place_in_spaced)
        if number is None:
            return original
        bounds.append(original_places[number])
    return original[bounds[0] : bounds[1] + 1]


def _without_spaces(text):
    """(text without blanks, the place of each of its characters)."""
    places = [place for place, character in enumerate(text) if character != " "]
    return "".join(text[place] for place in places), places


def basic_tokens(text, lower_case):
    """The original's BasicTokenizer: words, Chinese characters and punctuation apart."""
    settled = settle(code_points(text), lower_case)
    found, word = [], []
    codes = settled.codes.tobytes().decode("utf-32-le", "surrogatepass")
    for character, kind in zip(codes, settled.kinds.tolist(), strict=True):
        if kind == WORD:
            word.append(character)
            continue
        if word:
            found.append("".join(word))
            word = []
        if kind == ALONE:
            found.append(character)
    return [*found, "".join(word)] if word else found


def group_by_question(windows):
    """{number of the question: [numbers of its windows]}."""
    groups = collections.defaultdict(list)
    for number, window in enumerate(windows):
        groups[window.question].append(number)
    return groups
