import contextlib

import numpy as np
import paddle
import pytest
from tiny_checkpoint import TEXTS, make_checkpoint

from paddle_electra.checkpoint import native
from paddle_electra.errors import InputError
from paddle_electra.inference.predictor import Predictor, use_device

LABELS = ["negative", "neutral", "positive"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_checkpoint(tmp_path_factory.mktemp("tuned") / "model", LABELS)


@pytest.fixture(scope="module")
def predictor(folder):
    return Predictor.load(folder)


def one_by_one(predictor, texts):
    """The network called with each text alone, without padding."""
    logits, states = [], []
    for text in texts:
        encoding = predictor.tokenizer.encode(*([text] if isinstance(text, str) else text))
        ids = paddle.to_tensor([encoding.ids])
        types = paddle.to_tensor([encoding.token_type_ids])
        with paddle.no_grad():
            logits.append(predictor.networks.layer("task")(ids, types).numpy()[0])
            states.append(predictor.networks.layer("task").electra(ids, types).numpy()[0])
    return np.array(logits), states


@pytest.mark.parametrize("batch_size", [1, 2, 100])
def test_answers_come_in_the_order_of_the_texts_whatever_the_batches(predictor, batch_size):
    texts = [*TEXTS, ("好", "太失望了。")]
    logits, states = one_by_one(predictor, texts)
    labels, probabilities = predictor.predict(texts, batch_size, return_prob=True)
    expected = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    np.testing.assert_allclose(probabilities, expected, atol=1e-6)
    assert labels == [LABELS[best] for best in logits.argmax(-1)]
    pooled, tokens = predictor.embed(texts, batch_size)
    for row, state in enumerate(states):
        assert tokens[row].shape == state.shape
        np.testing.assert_allclose(tokens[row], state, atol=1e-5)
        np.testing.assert_array_equal(pooled[row], tokens[row][0])


def test_the_random_weights_tell_the_texts_apart(predictor):
    _, probabilities = predictor.predict(TEXTS, return_prob=True)
    assert np.abs(probabilities - probabilities[0]).max(-1)[1:].min() > 1e-3


def test_every_form_of_a_text_gives_the_same_answer(predictor):
    plain = predictor.predict(TEXTS, return_prob=True)[1]
    nested = predictor.predict([[text] for text in TEXTS], return_prob=True)[1]
    np.testing.assert_array_equal(plain, nested)


def test_no_texts_give_no_answers(predictor):
    assert predictor.predict([]) == []
    pooled, tokens = predictor.embed([])
    assert pooled.shape == (0, 32)
    assert tokens == []


def test_long_texts_are_cut(predictor):
    _, tokens = predictor.embed([TEXTS[0] * 20], max_seq_len=10)
    assert tokens[0].shape == (10, 32)
    _, tokens = predictor.embed([TEXTS[0] * 20])
    assert len(tokens[0]) == 48, "by default the length that the head was trained with"


def test_a_pretrained_checkpoint_embeds_and_does_not_classify(tmp_path):
    folder = make_checkpoint(tmp_path / "pretrained", generator=True)
    predictor = Predictor.load(folder)
    pooled, _ = predictor.embed(TEXTS)
    assert pooled.shape == (5, 32)
    assert predictor.max_seq_length == 64, "the default of 128 is more than its positions"
    with pytest.raises(InputError, match=r"no classification head.*finetune"):
        predictor.predict(TEXTS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"texts": "好"}, "got one text"),
        ({"texts": None}, "got NoneType"),
        ({"texts": ["好", 3]}, r"data\[1\]: expected a text"),
        ({"texts": [["好", "b", "c"]]}, r"data\[0\]: expected one or two texts, got 3"),
        ({"texts": [[]]}, r"data\[0\]: expected one or two texts, got 0"),
        ({"texts": [["好", None]]}, r"data\[0\]\[1\]: expected a text"),
        ({"texts": ["好"], "batch_size": 0}, "batch_size: .*at least 1"),
        ({"texts": ["好"], "batch_size": "8"}, "batch_size: expected a whole number"),
        ({"texts": ["好"], "max_seq_len": 1024}, "max_seq_len: 1024 is more than this model's 64"),
        ({"texts": ["好"], "max_seq_len": 2}, "max_seq_len: .*at least 3"),
    ],
)
def test_wrong_arguments_are_named(predictor, arguments, message):
    for method in (predictor.predict, predictor.embed):
        with pytest.raises(InputError, match=message):
            method(**arguments)


def test_a_checkpoint_with_missing_weights_does_not_load(folder, tmp_path):
    broken = make_checkpoint(tmp_path / "broken", LABELS)
    tensors = native.read_tensors(broken / native.DISCRIMINATOR)
    del tensors["classifier.bias"]
    native.write_tensors(broken / native.DISCRIMINATOR, tensors)
    with pytest.raises(InputError, match=r"broken: tensor 'classifier.bias' is missing"):
        Predictor.load(broken)


def test_labels_must_match_the_head(tmp_path):
    folder = make_checkpoint(tmp_path / "model", LABELS)
    task = (folder / native.TASK).read_text("utf-8").replace('"neutral",', "")
    (folder / native.TASK).write_text(task, "utf-8")
    with pytest.raises(InputError, match="one label per class"):
        Predictor.load(folder)


def test_a_vocabulary_larger_than_the_embeddings_is_refused(tmp_path):
    folder = make_checkpoint(tmp_path / "model", LABELS)
    with open(folder / native.VOCAB, "a", encoding="utf-8") as handle:
        handle.write("extra\n")
    with pytest.raises(InputError, match=r"vocab.txt: \d+ tokens, but the model"):
        Predictor.load(folder)


@pytest.mark.parametrize(
    ("asked", "now", "fits"),
    [
        ("gpu", "gpu:0", True),
        ("gpu:0", "gpu:0", True),
        ("gpu:1", "gpu:0", False),
        ("cpu", "cpu", True),
        ("cpu", "gpu:0", False),
        (None, "gpu:3", True),
    ],
)
def test_eager_mode_and_the_device_that_is_asked_for(folder, monkeypatch, asked, now, fits):
    predictor = Predictor.load(folder, engine="eager")
    monkeypatch.setattr(paddle.device, "get_device", lambda: now)
    monkeypatch.setattr(predictor, "_device", asked)
    with contextlib.nullcontext() if fits else pytest.raises(InputError, match="eager mode"):
        predictor._check_eager_device()


def test_a_gpu_has_to_be_seen(monkeypatch):
    chosen = []
    monkeypatch.setattr(paddle, "set_device", chosen.append)
    monkeypatch.setattr(paddle.device, "is_compiled_with_cuda", lambda: True)
    monkeypatch.setattr(paddle.device.cuda, "device_count", lambda: 0)
    with pytest.raises(InputError, match="this Paddle sees no GPU"):
        use_device("gpu")
    monkeypatch.setattr(paddle.device.cuda, "device_count", lambda: 1)
    for device in ("gpu:0", "cpu", None):
        use_device(device)
    assert chosen == ["gpu:0", "cpu"]
