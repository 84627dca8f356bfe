import itertools
import json

import numpy as np
import pytest
from fine_tuned import TAGS, make_tagger, predictions
from tiny_checkpoint import TEXTS, make_checkpoint

from paddle_electra.errors import InputError
from paddle_electra.inference.predictor import Predictor
from paddle_electra.inference.tagging import entities, join_words


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_tagger(tmp_path_factory.mktemp("tagger") / "model")


@pytest.fixture(scope="module")
def predictor(folder):
    return Predictor.load(folder)


def test_the_labels_are_those_that_finetune_predicts(folder, predictor, tmp_path):
    """Also of words of several pieces and of none; of a text that is too long, finetune cuts off
    the end, here the words are labelled where they have the most context."""
    sentences = [list(text) for text in TEXTS] + [["abc", "今天", "\u200b", "好", "bc", "天气"]]
    rows = (json.dumps({"tokens": words}) + "\n" for words in sentences)
    (tmp_path / "test.jsonl").write_text("".join(rows), "utf-8")
    files = {"test": str(tmp_path / "test.jsonl")}
    output = predictions(folder, tmp_path / "out", kind="token-cls", **files)
    written = (output / "predictions_test.tsv").read_text("utf-8")
    wanted = [
        [line.split("\t")[2] for line in block.split("\n")]
        for block in written.rstrip("\n").split("\n\n")
    ]
    assert len(set(itertools.chain(*wanted))) > 2, "random weights that tell something apart"
    found = predictor.tag([*TEXTS, sentences[-1]])
    for words, labels, one in zip(sentences, wanted, found, strict=True):
        assert one["words"] == words
        kept = len(words) if len(words) <= 22 else 14
        assert one["labels"][:kept] == labels[:kept]
        assert len(one["labels"]) == len(words)
    (end,) = predictor.tag([TEXTS[3][-22:]])
    assert found[3]["labels"][14:] == end["labels"][8:]
    for one, other in zip(found, predictor.tag(sentences, batch_size=1), strict=True):
        assert one["labels"] == other["labels"]


def test_pieces_and_probabilities(predictor):
    (found,) = predictor.tag([["abc", "好"]])
    assert found["pieces"] == [*predictor.tokenizer.tokenize("abc"), "好"]
    assert len(found["piece_labels"]) == len(found["pieces"])
    assert [found["piece_labels"][0], found["piece_labels"][-1]] == found["labels"]
    assert all(1 / len(TAGS) <= chance <= 1 for chance in found["probabilities"])


def test_entities_have_their_places(predictor):
    (found,) = predictor.tag(["今 天好\n，太 失"])
    assert found["words"] == list("今天好，太失")
    assert predictor.tag(["", " "]) == 2 * [{name: [] for name in found}]
    for one in found["entities"]:
        assert "今 天好\n，太 失"[one["start"] : one["end"]] == one["text"]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ("O B-X I-X O", [("X", 1, 3)]),
        ("I-X I-X B-X", [("X", 0, 2), ("X", 2, 3)]),
        ("B-X I-Y O", [("X", 0, 1), ("Y", 1, 2)]),
        ("S-X S-X B-X E-X I-X", [("X", 0, 1), ("X", 1, 2), ("X", 2, 4), ("X", 4, 5)]),
        ("B-PER-A I-PER-A", [("PER-A", 0, 2)]),
        ("name name O place", [("name", 0, 2), ("place", 3, 4)]),
        ("O O", []),
    ],
)
def test_entities(labels, expected):
    assert entities(labels.split()) == expected


@pytest.mark.slow  # it brings scikit-learn
def test_entities_are_those_of_seqeval():
    from seqeval.metrics.sequence_labeling import get_entities

    kinds = [f"{prefix}-{kind}" for prefix in "BIES" for kind in "XY"] + ["O", "O"]
    source = np.random.default_rng(1)
    for _ in range(200):
        labels = source.choice(kinds, 8).tolist()
        expected = [(kind, first, last + 1) for kind, first, last in get_entities(labels)]
        assert entities(labels) == expected, labels


def test_words_are_joined_as_they_are_read():
    assert join_words(["in", "New", "York", "天", "气", "2", "度"]) == "in New York天气2度"


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ("今天", "expected a list of texts or of lists of words, got str"),
        (["今天", 3], r"texts\[1\]: expected a text or a list of words, got 3"),
        ([["今", ""]], r"texts\[0\]: word 2: expected a text, got ''"),
    ],
)
def test_mistakes_are_named(predictor, texts, message):
    with pytest.raises(InputError, match=message):
        predictor.tag(texts)


def test_another_model_says_so(tmp_path):
    predictor = Predictor.load(make_checkpoint(tmp_path / "model"))
    with pytest.raises(InputError, match="no head for tagging; fine-tune it"):
        predictor.tag(["今天"])
