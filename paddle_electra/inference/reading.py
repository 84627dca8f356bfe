"""Answers to questions about a text, for models fine-tuned on reading comprehension."""

import itertools
import math
from typing import NamedTuple

from ..errors import InputError
from ..text.answers import Outputs, best_spans, group_by_question
from ..text.windows import Featurizer
from .inputs import check_number
from .long_texts import Sequence

SHORTEST_WINDOW = 5  # [CLS], a token of the question, [SEP], one of the text, [SEP]


class Asked(NamedTuple):
    """A question as `windows.Featurizer` and `answers.best_spans` want it."""

    question: str
    context: str
    is_impossible: bool = False


def answer(predictor, questions, n_best=5, batch_size=None, max_seq_len=None):
    """See `Predictor.answer`."""
    if predictor.kind != "qa":
        raise InputError(
            "this model has no head for reading comprehension; fine-tune it with `paddle-electra "
            "finetune` on cmrc2018, drcd or a custom task of --kind qa, or load such a model"
        )
    check_number(n_best, "n_best")
    questions = as_questions(questions)
    task, length = predictor.networks.task, predictor.check_length(max_seq_len)
    featurizer = _featurizer(predictor.tokenizer, task, length, max_seq_len is not None)
    windows, _ = featurizer.windows(questions, training=False)
    outputs = _run(predictor, windows, task.get("joint_prediction", True), batch_size)
    groups = group_by_question(windows)
    return [
        _answer(predictor, question, [(windows[i], outputs[i]) for i in groups[number]], n_best)
        for number, question in enumerate(questions)
    ]


def as_questions(questions, name="questions"):
    """A list of `Asked` of a list of (question, context) or {"question", "context"}.

    Raises:
        InputError: naming the item that is neither, or whose texts are empty.
    """
    if not isinstance(questions, (list, tuple)):
        raise InputError(
            f"{name}: expected a list of (question, context), got {type(questions).__name__}"
        )
    return [_as_question(item, f"{name}[{number}]") for number, item in enumerate(questions)]


def _as_question(item, name):
    if isinstance(item, dict):
        item = tuple(item.get(key) for key in ("question", "context"))
    if not isinstance(item, (list, tuple)) or len(item) != 2:
        raise InputError(f"{name}: expected a question and its context, got {item!r:.40}")
    for what, text in zip(("question", "context"), item, strict=True):
        if not isinstance(text, str):
            raise InputError(f"{name}: {what}: expected a text, got {text!r:.40}")
        if not text.strip():
            raise InputError(f"{name}: {what}: the text is empty; give one with a word in it")
    return Asked(*item)


def _featurizer(tokenizer, task, length, shortened):
    """Windows as in training, with ``length`` tokens."""
    check_number(length, "max_seq_len", least=SHORTEST_WINDOW)
    query, stride = task.get("max_query_length", 64), task.get("doc_stride", 128)
    if shortened:  # the question takes half of a window at most, and half of the text overlaps
        query = min(query, (length - 3) // 2)
        stride = min(stride, max(1, (length - 3 - query) // 2))
    query = min(query, length - 4)
    return Featurizer(tokenizer, length, query, stride, task.get("spans", "offsets"))


def _run(predictor, windows, joint, batch_size):
    """`answers.Outputs` of each window."""
    found = [None] * len(windows)
    sequences = [_sequence(predictor.tokenizer, window) for window in windows]
    for batch, arrays in predictor.outputs("task", sequences, batch_size):
        for row, values in zip(batch.rows, zip(*arrays, strict=True), strict=True):
            if joint:
                found[row] = Outputs(*values)
            else:
                start, end, answerable = values
                found[row] = Outputs(None, start, None, end, answerable)
    return found


def _sequence(tokenizer, window):
    shown = window.document.ids[window.first : window.first + window.length]
    query = window.query_ids.tolist()
    ids = [tokenizer.cls_id, *query, tokenizer.sep_id, *shown.tolist(), tokenizer.sep_id]
    return Sequence(ids, [0] * window.offset + [1] * (len(ids) - window.offset))


def _answer(predictor, question, pairs, n_best):
    task = predictor.networks.task
    windows, outputs = [window for window, _ in pairs], [output for _, output in pairs]
    found = best_spans(
        question,
        windows,
        outputs,
        max(n_best, task.get("n_best_size", 20)),  # probabilities are those among so many
        task.get("max_answer_length", 30),
        predictor.tokenizer.do_lower_case,
    )
    answers = [
        {
            "text": candidate.text,
            "probability": candidate.probability,
            "start": None if place is None else place[0],
            "end": None if place is None else place[1],
        }
        for candidate, place in itertools.islice(found, n_best)
    ]
    no_answer = None
    if task.get("answerable_classifier", True) and outputs:
        # As in the original the window that most likely has an answer speaks for all.
        no_answer = 0.5 * (1 + math.tanh(0.5 * min(float(o.answerable) for o in outputs)))
    return {"answers": answers, "no_answer": no_answer}
