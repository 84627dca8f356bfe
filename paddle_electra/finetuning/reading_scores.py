"""The scorer of CMRC 2018 and DRCD: exact match and F1 over the longest common run of segments.

It counts as the official ``cmrc2018_drcd_evaluate.py`` does (PARITY 24).  Segments are Chinese
characters (U+4E00 to U+9FA5) and, between them, the words that nltk's tokenizer makes.
"""

import dataclasses
import json
import sys

from nltk.tokenize import word_tokenize

from ..config import option
from ..errors import InputError
from ..files import read_json
from .questions import read_questions

# The official list.  Its two-character ellipsis never matches a single character, so it is none.
PUNCTUATION = frozenset("-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』")


def segments(text, drop_punctuation=True):
    """The segments of a text, lower-cased; punctuation of the list is left out or a segment."""
    found, run = [], []
    for character in text.lower().strip():
        listed = character in PUNCTUATION
        if listed and drop_punctuation:
            continue  # it does not even end a run: "1998-2003" is one word
        if listed or "\u4e00" <= character <= "\u9fa5":
            found += _words(run)
            run = []
            found.append(character)
        else:
            run.append(character)
    return found + _words(run)


def _words(run):
    # preserve_line: without it nltk needs a model of sentences that has to be downloaded.
    return word_tokenize("".join(run), preserve_line=True) if run else []


def without_punctuation(text):
    """The text in lower case without the punctuation of the list."""
    return "".join(character for character in text.lower().strip() if character not in PUNCTUATION)


def longest_common_run(one, other):
    """The longest run of equal items that two sequences share, the first of equals in ``one``."""
    best, end = 0, 0
    before = [0] * (len(other) + 1)
    for place, item in enumerate(one):
        lengths = [0] * (len(other) + 1)
        for number, theirs in enumerate(other):
            if item == theirs:
                lengths[number + 1] = before[number] + 1
                if lengths[number + 1] > best:
                    best, end = lengths[number + 1], place + 1
        before = lengths
    return one[end - best : end]


def f1(answers, prediction):
    """The best F1 of a prediction with one of the answers, 0 to 1."""
    predicted, best = segments(prediction), 0.0
    for answer in answers:
        gold = segments(answer)
        common = len(longest_common_run(gold, predicted))
        if common:
            precision, recall = common / len(predicted), common / len(gold)
            best = max(best, 2 * precision * recall / (precision + recall))
    return best


def exact_match(answers, prediction):
    """1 when the prediction equals one of the answers but for punctuation and case, else 0."""
    plain = without_punctuation(prediction)
    return int(any(without_punctuation(answer) == plain for answer in answers))


def evaluate(answers, predictions):
    """Scores of a set of predictions.

    Args:
        answers: {question id: [answer, ...]}.
        predictions: {question id: text}; a question that is missing counts as wrong.
    Returns:
        {"em", "f1": percent over all questions, "total", "skipped": numbers}.
    """
    totals, skipped = [0.0, 0], 0
    for name, texts in answers.items():
        if name not in predictions:
            skipped += 1
            continue
        totals[0] += f1(texts, predictions[name])
        totals[1] += exact_match(texts, predictions[name])
    count = len(answers)
    return {
        "f1": 100.0 * totals[0] / count,
        "em": 100.0 * totals[1] / count,
        "total": count,
        "skipped": skipped,
    }


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluateOptions:
    """Options of ``paddle-electra evaluate``; the arguments of the official script."""

    dataset_file: str = option(help="questions and answers, SQuAD's layout", positional=True)
    prediction_file: str = option(help="JSON object of question ids and answers", positional=True)


def run(options):
    """The command: print the official script's line of JSON.

    Raises:
        InputError: a file that is not as it should be.
    """
    questions = read_questions(options.dataset_file, rows="hfl")
    predictions = read_json(options.prediction_file)
    if not isinstance(predictions, dict):
        raise InputError(
            f"{options.prediction_file}: expected an object of question ids and answers"
        )
    for name, text in predictions.items():
        if not isinstance(text, str):
            raise InputError(
                f"{options.prediction_file}: {name!r}: expected the text of an answer, got {text!r}"
            )
    gold = {question.id: [answer.text for answer in question.answers] for question in questions}
    for name in gold:
        if name not in predictions:
            print(f"Unanswered question: {name}", file=sys.stderr)
    scores = evaluate(gold, predictions)
    average = (scores["em"] + scores["f1"]) / 2
    line = {
        "AVERAGE": f"{average:.3f}",
        "F1": f"{scores['f1']:.3f}",
        "EM": f"{scores['em']:.3f}",
        "TOTAL": scores["total"],
        "SKIP": scores["skipped"],
        "FILE": options.prediction_file,
    }
    print(json.dumps(line, ensure_ascii=False))
