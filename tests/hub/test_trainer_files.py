"""``model.pdparams`` of hub.Trainer, written here as PaddleHub's modules would."""

import pickle

import numpy as np
import paddle
import pytest
from tiny_checkpoint import TEXTS, make_checkpoint

from paddle_electra.checkpoint import native, pdparams
from paddle_electra.checkpoint.foreign import export_half
from paddle_electra.errors import InputError
from paddle_electra.hub.loading import load_predictor
from paddle_electra.inference.matching import match, tag_tokens
from paddle_electra.inference.predictor import Predictor, softmax

WIDTH = 32


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    return {
        "pretrained": make_checkpoint(root / "pretrained", seed=1),
        "tuned": make_checkpoint(root / "tuned", ["bad", "good"], seed=7),
        "deep": make_checkpoint(root / "deep", seed=2, num_hidden_layers=3),
    }


@pytest.fixture(scope="module")
def published(folders):
    """{name in a published module's state dict: array} of the tuned encoder, under ``model.``."""
    checkpoint = native.load(folders["tuned"])
    encoder = {n: a for n, a in checkpoint.discriminator.items() if n.startswith("electra.")}
    checkpoint = checkpoint._replace(discriminator=encoder)
    exported = export_half(checkpoint, "discriminator", "paddlenlp", False)
    return {f"model.{name}": array for name, array in exported.items()}


def without_class(tensors):
    """As the modules without a class of PaddleNLP around the encoder have them."""
    return {name.replace("model.electra.", "model."): array for name, array in tensors.items()}


def random(*shape):
    return np.random.default_rng(sum(shape)).normal(0, 1, shape).astype(np.float32)


def save(folder, tensors):
    path = folder / "model.pdparams"
    pdparams.write(path, tensors)
    return path


@pytest.mark.parametrize("task", ["seq-cls", "pair-cls"])
def test_the_published_classification_head(folders, published, tmp_path, task):
    head = {
        "model.classifier.dense.weight": random(WIDTH, WIDTH),
        "model.classifier.dense.bias": random(WIDTH),
        "model.classifier.out_proj.weight": random(WIDTH, 3),
        "model.classifier.out_proj.bias": random(3),
    }
    path = save(tmp_path, {**published, **head})
    predictor = load_predictor(folders["pretrained"], task, path, {0: "a", 1: "b", "2": "c"})
    labels, chances = predictor.predict(TEXTS, return_prob=True)
    pooled = paddle.to_tensor(Predictor.load(folders["tuned"]).embed(TEXTS)[0])
    dense, bias, out, last = map(paddle.to_tensor, head.values())
    expected = paddle.nn.functional.gelu(pooled @ dense + bias) @ out + last
    np.testing.assert_allclose(chances, softmax(expected.numpy()), atol=1e-5)
    assert labels == ["abc"[best] for best in chances.argmax(-1)]


def test_the_published_head_for_tokens(folders, published, tmp_path):
    weight, bias = random(WIDTH, 4), random(4)
    head = {"model.classifier.weight": weight, "model.classifier.bias": bias}
    path = save(tmp_path, {**published, **head})
    predictor = load_predictor(folders["pretrained"], "token-cls", path)
    labels, chances = tag_tokens(predictor, TEXTS, "\002", batch_size=2)
    for states, row, chance in zip(
        Predictor.load(folders["tuned"]).embed(TEXTS)[1], labels, chances, strict=True
    ):
        np.testing.assert_allclose(chance, softmax(states @ weight + bias), atol=1e-5)
        assert row == np.argmax(chance, -1).tolist()


def test_tokens_keep_their_places(folders, published, tmp_path):
    head = {"model.classifier.weight": random(WIDTH, 4), "model.classifier.bias": random(4)}
    predictor = load_predictor(
        folders["pretrained"], "token-cls", save(tmp_path, {**published, **head})
    )
    # Two pieces, none, and one: three answers between those of [CLS] and [SEP].
    (labels,), _ = tag_tokens(predictor, [["ac\002 \002好"]], "\002")
    assert len(labels) == 3 + 2
    (cut,), _ = tag_tokens(predictor, ["\002".join("今天天气真好")], "\002", max_seq_len=5)
    assert len(cut) == 3 + 2
    with pytest.raises(InputError, match=r"data\[0\]: expected one text, got two"):
        tag_tokens(predictor, [["好", "好"]], "\002")


def test_the_published_text_matching(folders, published, tmp_path):
    weight, bias = random(3 * WIDTH, 2), random(2)
    head = {"classifier.weight": weight, "classifier.bias": bias}
    path = save(tmp_path, {**without_class(published), **head})
    predictor = load_predictor(folders["pretrained"], "text-matching", tmp_path)
    assert path.parent == tmp_path
    pairs = [TEXTS[:2], TEXTS[2:4], [TEXTS[4], TEXTS[0]]]
    labels, chances = match(predictor, pairs, batch_size=2)
    states = Predictor.load(folders["tuned"])
    for pair, chance, label in zip(pairs, chances, labels, strict=True):
        query, title = (array.mean(0) for array in states.embed(pair)[1])
        seen = np.concatenate([query, title, abs(query - title)])
        np.testing.assert_allclose(chance, softmax(seen @ weight + bias), atol=1e-5)
        assert label == chance.argmax()
    with pytest.raises(InputError, match=r"data\[1\]: expected two texts, got one"):
        match(predictor, [TEXTS[:2], TEXTS[0]])


def test_a_published_encoder_alone(folders, published, tmp_path):
    expected = Predictor.load(folders["tuned"]).embed(TEXTS)[0]
    for tensors in (published, without_class(published)):
        predictor = load_predictor(folders["pretrained"], None, save(tmp_path, tensors))
        assert predictor.labels is None
        np.testing.assert_allclose(predictor.embed(TEXTS)[0], expected, atol=1e-5)


def test_what_ours_saved(folders, tmp_path):
    tensors = native.read_tensors(folders["tuned"] / native.DISCRIMINATOR)
    path = save(tmp_path, {f"model.{name}": array for name, array in tensors.items()})
    predictor = load_predictor(folders["pretrained"], "seq-cls", path)
    expected = Predictor.load(folders["tuned"]).predict(TEXTS, return_prob=True)[1]
    np.testing.assert_allclose(predictor.predict(TEXTS, return_prob=True)[1], expected, atol=1e-6)
    assert load_predictor(folders["pretrained"], "token-cls", path).kind == "token-cls"


def test_what_ours_saved_after_training_a_published_head_on(folders, published, tmp_path):
    shapes = {"dense": (WIDTH, WIDTH), "out_proj": (WIDTH, 2)}
    head = {f"model.classifier.{n}.weight": random(*shape) for n, shape in shapes.items()}
    head |= {f"model.classifier.{n}.bias": random(shape[1]) for n, shape in shapes.items()}
    first = load_predictor(folders["pretrained"], "seq-cls", save(tmp_path, {**published, **head}))
    tensors = native.tensors_of(first.networks.layer("task"))
    path = save(tmp_path, {f"model.{name}": array for name, array in tensors.items()})
    again = load_predictor(folders["pretrained"], "seq-cls", path)
    both = [one.predict(TEXTS, return_prob=True)[1] for one in (first, again)]
    np.testing.assert_allclose(*both, atol=1e-6)


def test_what_does_not_fit_is_refused(folders, published, tmp_path):
    def refused(tensors, message, task="seq-cls", assets="pretrained"):
        with pytest.raises(InputError, match=message) as error:
            load_predictor(folders[assets], task, save(tmp_path, tensors))
        assert str(tmp_path / "model.pdparams") in str(error.value)

    head = {"model.classifier.weight": random(WIDTH, 2), "model.classifier.bias": random(2)}
    whole = {**published, **head}
    refused(whole, "has no classification head, but a head for tokens")
    refused(whole, "has no head for text matching", "text-matching")
    refused(published, "has no head for tokens; ", "token-cls")
    refused(whole, r"tensor 'electra\.encoder\.layers\.2.*is missing", "token-cls", "deep")
    missing = {name: array for name, array in whole.items() if "layers.1.norm2.bias" not in name}
    refused(missing, r"layers\.1\.norm2\.bias' is missing", "token-cls")
    refused({**whole, "model.extra": random(2)}, "'model.extra' is not part", "token-cls")
    deeper = {**whole, "model.electra.encoder.layers.2.norm1.bias": random(WIDTH)}
    refused(deeper, r"layers\.2\.norm1\.bias' has no place", "token-cls")
    wider = {**whole, "model.electra.embeddings.layer_norm.bias": random(17)}
    refused(wider, r"layer_norm\.bias' has shape \[17\], expected \[16\]", "token-cls")
    refused({**whole, "model.classifier.bias": random(3)}, "has shape", "token-cls")
    refused({"model.other.weight": random(2)}, "no tensor 'model.electra...' in it")


class Evil:
    def __reduce__(self):
        return open, ("executed", "w")


def test_nothing_in_the_file_is_executed(folders, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "model.pdparams"
    path.write_bytes(pickle.dumps({"model.electra.x": Evil()}, protocol=2))
    with pytest.raises(InputError, match="nothing of it was run"):
        load_predictor(folders["pretrained"], "seq-cls", path)
    assert not (tmp_path / "executed").exists()
