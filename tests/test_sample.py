"""The packaged sample: enough of it, balanced, and no two texts alike."""

from itertools import combinations
from pathlib import Path

import paddle_electra

SAMPLE = Path(paddle_electra.__file__).parent / "assets" / "sample"


def rows(split):
    lines = (SAMPLE / "reviews" / f"{split}.tsv").read_text("utf-8").splitlines()
    assert lines[0] == "label\ttext_a"
    return [tuple(line.split("\t")) for line in lines[1:]]


def grams(text):
    return {text[start : start + 4] for start in range(len(text) - 3)}


def test_reviews_are_many_and_balanced():
    everything = [row for split in ("train", "dev", "test") for row in rows(split)]
    labels = [label for label, _ in everything]
    assert len(everything) >= 400
    assert set(labels) == {"0", "1"}
    assert abs(labels.count("0") - labels.count("1")) <= 2
    assert all(8 <= len(text) <= 120 for _, text in everything)


def test_no_two_reviews_share_half_of_their_4_grams():
    texts = [text for split in ("train", "dev", "test") for _, text in rows(split)]
    sets = [grams(text) for text in texts]
    for (first, a), (second, b) in combinations(zip(texts, sets, strict=True), 2):
        assert len(a & b) <= min(len(a), len(b)) / 2, (first, second)


def test_corpus_has_documents_and_no_repeated_paragraph():
    documents, paragraphs = 0, []
    for file in sorted((SAMPLE / "corpus").glob("*.txt")):
        text = file.read_text("utf-8")
        documents += len([part for part in text.split("\n\n") if part.strip()])
        paragraphs += [line for line in text.splitlines() if line.strip()]
    assert documents >= 70
    assert len(set(paragraphs)) == len(paragraphs)
    assert sum(map(len, paragraphs)) > 25_000
