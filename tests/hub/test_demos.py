"""The demos of PaddleHub's documentation, and what the published modules' checkpoints answer."""

import numpy as np
import pytest
from tiny_checkpoint import TEXTS

from paddle_electra.text.tokenizer import ElectraTokenizer

pytest.importorskip("paddlehub", reason="needs the extra 'hub'")
pytestmark = pytest.mark.slow

TASKS = ("seq-cls", "token-cls", "text-matching")
GOLD = {
    "seq-cls": ["positive", "negative"] * 3,
    "token-cls": ["O", "O", "O", "B-LOC", "I-LOC"],
    "text-matching": ["yes", "no", "yes"],
}


def flat(rows):
    return np.concatenate([np.array(row).ravel() for row in rows])


@pytest.mark.parametrize("task", TASKS)
def test_a_demo_trains_saves_loads_and_predicts(found, task):
    demo = found["demos"][task]
    assert max(demo["scores"].values()) > 0.99
    labels, chances = demo["after"]
    answered = labels[0][1:6] if task == "token-cls" else labels
    assert answered == GOLD[task]
    assert np.abs(flat(chances) - flat(demo["before"])).max() > 0.1, "it answers as before training"
    for again in ("loaded", "from_folder"):
        assert demo[again][0] == labels
        np.testing.assert_allclose(flat(demo[again][1]), flat(chances), atol=1e-5)


def test_a_trainer_that_resumes_gives_the_module_its_weights(found):
    demo = found["demos"]["seq-cls"]
    np.testing.assert_allclose(demo["resumed"][1], demo["after"][1], atol=1e-6)


def test_a_static_graph_is_not_used_for_weights_that_were_trained_since(found):
    continued = found["demos"]["continued"]
    assert continued["engine"] == "static"
    before = found["demos"]["seq-cls"]["after"][1]
    np.testing.assert_allclose(continued["before"], before, atol=1e-5)
    assert np.abs(np.array(continued["after"]) - before).max() > 1e-3
    np.testing.assert_allclose(continued["after"], continued["forward"], atol=1e-5)


def test_labels_of_tokens_begin_with_that_of_cls_and_are_not_padded(found):
    labels, chances = found["demos"]["token-cls"]["after"]
    assert [len(row) for row in labels] == [5 + 2, 4 + 2, 6 + 2]
    assert [len(row) for row in chances] == [7, 6, 8]


@pytest.mark.parametrize("task", ["seq-cls", "pair-cls", "token-cls", "text-matching"])
def test_a_published_checkpoint_answers_what_the_published_module_answers(found, task):
    theirs, ours = (found["published"][task][whose] for whose in ("theirs", "ours"))
    assert len(ours[0]) == len(theirs[0])
    for row, (own, other) in enumerate(zip(ours[1], theirs[1], strict=True)):
        own, other = np.array(own), np.array(other)
        np.testing.assert_allclose(own, other[: len(own)] if own.ndim == 2 else other, atol=1e-5)
        labels = theirs[0][row]
        assert ours[0][row] == (labels[: len(own)] if own.ndim == 2 else labels)
    spread = flat(theirs[1])
    assert spread.std() > 0.05, "answers that are all alike show nothing"


def test_embeddings_of_a_published_checkpoint(found):
    """The published module gives the token vectors only, and for padding too."""
    theirs, ours = (found["published"]["None"][whose] for whose in ("theirs", "ours"))
    for (pooled, tokens), other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(tokens, other[: len(tokens)], atol=1e-5)
        np.testing.assert_allclose(pooled, other[0], atol=1e-5)


def test_a_published_head_is_trained_on(found):
    trained = found["published"]["seq-cls"]["trained"]
    assert {"model.classifier.dense.weight", "model.classifier.out_proj.weight"} <= set(trained)
    assert [name for name in trained if name.startswith("model.electra.layers.")]


def test_the_tokenizer_for_data_sets_cuts_as_ours_does(found, models):
    ours = ElectraTokenizer(models["bare"] / "vocab.txt")
    theirs = found["tokenizer"]
    single, pair = ours.encode(TEXTS[0], None, 12), ours.encode(TEXTS[0], TEXTS[1], 16)
    assert theirs["single"]["input_ids"] == single.ids
    assert theirs["pair"]["input_ids"] == pair.ids
    assert theirs["pair"]["token_type_ids"] == pair.token_type_ids
    assert theirs["pieces"] == ours.tokenize("ac [MASK]")
    pieces = ours.convert_ids_to_tokens(theirs["words"])
    assert pieces == ["[CLS]", "a", "[UNK]", "##c", "[SEP]"]


def test_a_module_carries_the_pretrained_heads(found):
    filled, detected = (found["pretrained"][key] for key in ("filled", "detected"))
    assert len(filled[0][0]) == 2
    assert found["pretrained"]["while_classifying"] == filled
    assert [entry["character"] for entry in detected[0]["characters"]] == list(TEXTS[0])


def test_questions_are_answered(found, expected):
    for answers in found["qa"]:
        assert [entry["text"] for entry in answers[0]["answers"]] == [
            entry["text"] for entry in expected["qa"][0]["answers"]
        ]


def test_a_module_carries_the_page(found):
    assert found["page"] == [200, 200, 404]


def test_paddlehub_exports_a_module(found):
    assert found["exported"] == ["electra-without-head.json", "electra-without-head.pdiparams"]


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        ("detect", "fine-tuning replaced the head that detects replaced tokens"),
        ("fill_mask", "this model has no generator"),
        ("label_map", "label_map: task='token-cls' needs the labels by number"),
        ("other_task", "has no head for text matching"),
        ("classes", "num_classes: text-matching has 2 classes, got 3"),
        ("one_text", "data[0]: expected two texts, got one"),
        ("export", "task='text-matching' is not exported by PaddleHub"),
        ("qa", "no trained reading head: task='qa' needs load_checkpoint="),
        ("reading", "task='qa': this module answers questions, but is not trained"),
        ("untrained", "task=None is not trained with hub.Trainer"),
    ],
)
def test_mistakes_are_named(found, mistake, words):
    assert found["more_errors"][mistake].startswith("InputError: ")
    assert words in found["more_errors"][mistake]


def test_a_folder_without_weights_says_what_to_do(found):
    installing, using = found["more_errors"]["unbuilt"]
    for said in (installing, using.removeprefix("RuntimeError: ")):
        first, build, install = said.splitlines()
        assert first.startswith("chinese-electra-base has no weights here")
        assert build.strip().startswith("paddle-electra module build --model ")
        assert install.strip() == "hub install dist/chinese_electra_base"
