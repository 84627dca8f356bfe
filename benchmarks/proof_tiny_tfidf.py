"""The baseline of ``proof_tiny.py``: TF-IDF of characters, without any network.

    python benchmarks/proof_tiny_tfidf.py --task chnsenticorp --data FOLDER --seed 1 --output OUT

Texts and pairs: a logistic regression on TF-IDF of character 1-3-grams.  Of a pair it sees where
the two agree, where they differ, and their cosine.  Questions on a text: no training, the answer is
the clause most like the question.  Writes OUT/results.json as `paddle-electra finetune` does.
"""

import argparse
import re
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from proof_tiny_pairs import vectorizer  # noqa: E402

from paddle_electra.errors import InputError  # noqa: E402
from paddle_electra.files import write_json  # noqa: E402
from paddle_electra.finetuning import reading_scores  # noqa: E402
from paddle_electra.finetuning.tasks import TASKS  # noqa: E402

STRENGTHS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)  # of C, to choose from
_CLAUSE = re.compile("[^。！？；，,!?;\n]+")


def read(task, data):
    """{split: examples} of a folder's files."""
    found = {split: TASKS[task].find(data, split) for split in ("train", "dev", "test")}
    return {split: TASKS[task].read(path, split) for split, path in found.items() if path}


def classify(parts, seed):
    """Train on ``train`` and score the rest.

    Args:
        parts: {split: examples with text_a, text_b (or None) and label}.
        seed: of the held-out tenth of ``train`` that C is chosen on, by accuracy and then by loss.
    Returns:
        the dict of ``results.json`` without the task.
    """
    began = time.monotonic()
    train = parts["train"]
    texts = [text for e in train for text in (e.text_a, e.text_b) if text]
    grams = vectorizer(texts)
    inputs = {split: _features(grams, examples) for split, examples in parts.items()}
    labels = {split: np.array([e.label for e in part]) for split, part in parts.items()}
    order = np.random.default_rng(seed).permutation(len(train))
    tenth = max(1, len(train) // 10)
    chosen_by, rest = order[:tenth], order[tenth:]
    scores = {}
    for strength in STRENGTHS:
        model = _fit(inputs["train"][rest], labels["train"][rest], strength)
        scores[strength] = _quality(model, inputs["train"][chosen_by], labels["train"][chosen_by])
    best = max(scores, key=scores.get)
    model = _fit(inputs["train"], labels["train"], best)
    seconds = round(time.monotonic() - began, 1)
    return {
        "seed": seed,
        "strength": best,
        "train": {"examples": len(train), "features": inputs["train"].shape[1], "seconds": seconds},
        **{
            split: {
                "examples": len(parts[split]),
                "accuracy": 100.0 * float(model.score(inputs[split], labels[split])),
            }
            for split in parts
            if split != "train"
        },
    }


def _fit(inputs, labels, strength):
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=strength, max_iter=1000).fit(inputs, labels)


def _quality(model, inputs, labels):
    """(accuracy, mean log-probability of the labels), to compare strengths by."""
    shares = model.predict_proba(inputs)
    places = np.searchsorted(model.classes_, labels)
    right = np.take_along_axis(shares, places[:, None], 1)
    return float((model.classes_[shares.argmax(1)] == labels).mean()), float(np.log(right).mean())


def _features(grams, examples):
    """A sparse row an example."""
    from scipy import sparse

    first = grams.transform([example.text_a for example in examples])
    if examples[0].text_b is None:
        return first
    second = grams.transform([example.text_b for example in examples])
    shared = first.multiply(second)
    return sparse.csr_matrix(sparse.hstack([shared, abs(first - second), shared.sum(axis=1)]))


def answer(questions, grams):
    """{question id: the clause of its text that is most like it, the first of equals}."""
    answers, known = {}, {}
    for question in questions:
        if question.context not in known:
            clauses = [clause.strip() for clause in _CLAUSE.findall(question.context)]
            clauses = [clause for clause in clauses if clause] or [question.context]
            known[question.context] = clauses, grams.transform(clauses)
        clauses, rows = known[question.context]
        likeness = (rows @ grams.transform([question.question]).T).toarray()[:, 0]
        answers[question.id] = clauses[int(likeness.argmax())]
    return answers


def read_answers(parts):
    """`answer` the questions of dev; the dict of ``results.json`` without the task."""
    began = time.monotonic()
    grams = vectorizer(sorted({question.context for question in parts["train"]}))
    questions = parts["dev"]
    gold = {question.id: [a.text for a in question.answers] for question in questions}
    scores = reading_scores.evaluate(gold, answer(questions, grams))
    seconds = round(time.monotonic() - began, 1)
    return {
        "seed": None,
        "train": {"examples": 0, "seconds": seconds},
        "dev": {"examples": len(questions), "em": scores["em"], "f1": scores["f1"]},
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", choices=TASKS, required=True, help="whose layout the files have")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    try:
        parts = read(options.task, options.data)
        is_reading = TASKS[options.task].kind == "qa"
        found = read_answers(parts) if is_reading else classify(parts, options.seed)
        write_json(options.output / "results.json", {"task": options.task, **found})
    except InputError as error:
        sys.exit(f"proof_tiny_tfidf: error: {error}")


if __name__ == "__main__":
    main()
