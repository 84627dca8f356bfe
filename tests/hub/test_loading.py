import warnings

import numpy as np
import pytest
from tiny_checkpoint import TEXTS, make_checkpoint

from paddle_electra.checkpoint import native
from paddle_electra.errors import InputError
from paddle_electra.hub.loading import load_predictor
from paddle_electra.inference.predictor import Predictor


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    return {
        "pretrained": make_checkpoint(root / "pretrained", seed=1),
        "tuned": make_checkpoint(root / "tuned", ["bad", "good"]),
        "deep": make_checkpoint(root / "deep", ["bad", "good"], num_hidden_layers=3),
    }


def test_a_trained_head_brings_its_labels(folders):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        predictor = load_predictor(folders["tuned"], "seq-cls")
    assert predictor.labels == ["bad", "good"]


@pytest.mark.parametrize("label_map", [{0: "差", 1: "好"}, {"1": "好", "0": "差"}])
def test_a_label_map_replaces_the_labels(folders, label_map):
    predictor = load_predictor(folders["tuned"], "seq-cls", label_map=label_map)
    own = Predictor.load(folders["tuned"]).predict(TEXTS)
    assert set(own) == {"bad", "good"}
    assert predictor.predict(TEXTS) == [{"bad": "差", "good": "好"}[label] for label in own]


@pytest.mark.parametrize(
    ("label_map", "message"),
    [
        ({0: "a"}, "keys 0 to 1.*got 0$"),
        ({0: "a", 2: "b"}, "got 0, 2"),
        ({"a": 0, "b": 1}, "expected a dict such as"),
        (["a", "b"], "expected a dict such as"),
    ],
)
def test_a_label_map_must_fit_the_head(folders, label_map, message):
    with pytest.raises(InputError, match=f"label_map: .*{message}"):
        load_predictor(folders["tuned"], "seq-cls", label_map=label_map)


def test_num_classes_must_fit_a_trained_head(folders):
    with pytest.raises(InputError, match="num_classes: 5, but the trained head has 2"):
        load_predictor(folders["tuned"], "seq-cls", num_classes=5)


def test_two_classes_are_no_default_for_a_head_of_three(tmp_path):
    three = make_checkpoint(tmp_path / "three", ["a", "b", "c"])
    assert load_predictor(three, "seq-cls").labels == ["a", "b", "c"]
    with pytest.raises(InputError, match="num_classes: 2, but the trained head has 3"):
        load_predictor(three, "seq-cls", num_classes=2)


@pytest.mark.parametrize("path", ["", 5, ["a"]])
def test_what_is_no_path_is_refused(folders, path):
    with pytest.raises(InputError, match="load_checkpoint: expected a path"):
        load_predictor(folders["pretrained"], "seq-cls", path)


def test_without_a_head_a_random_one_is_made_with_a_warning(folders):
    with pytest.warns(UserWarning, match="no trained classification head.*random"):
        predictor = load_predictor(folders["pretrained"], "seq-cls", num_classes=3)
    assert predictor.labels == [0, 1, 2]
    with pytest.warns(UserWarning, match="no trained"):
        named = load_predictor(folders["pretrained"], "seq-cls", label_map={0: "a", 1: "b", 2: "c"})
    assert named.labels == ["a", "b", "c"]
    plain, _ = load_predictor(folders["pretrained"]).embed(TEXTS)
    np.testing.assert_allclose(predictor.embed(TEXTS)[0], plain, atol=1e-6)


@pytest.mark.parametrize("file", ["", native.DISCRIMINATOR])
def test_load_checkpoint_replaces_weights_and_head(folders, file):
    path = folders["tuned"] / file
    predictor = load_predictor(folders["pretrained"], "seq-cls", load_checkpoint=path)
    expected = Predictor.load(folders["tuned"]).predict(TEXTS, return_prob=True)
    answer = predictor.predict(TEXTS, return_prob=True)
    assert answer[0] == expected[0]
    np.testing.assert_allclose(answer[1], expected[1], atol=1e-6)


def test_load_checkpoint_refuses_what_does_not_fit(folders, tmp_path):
    def refused(path, message):
        with pytest.raises(InputError, match=message):
            load_predictor(folders["tuned"], "seq-cls", load_checkpoint=path)

    refused(tmp_path / "absent", "load_checkpoint: .*absent: no such file or folder")
    refused(tmp_path, "no model found")
    refused(folders["tuned"] / native.CONFIG, "no model found")
    refused(folders["pretrained"], "load_checkpoint: .*has no classification head")
    refused(folders["deep"], "num_hidden_layers is 3, this module's is 2")

    broken = make_checkpoint(tmp_path / "broken", ["bad", "good"])
    tensors = native.read_tensors(broken / native.DISCRIMINATOR)
    name = next(name for name in tensors if name.startswith("electra.layers.1."))
    kept = tensors.pop(name)
    native.write_tensors(broken / native.DISCRIMINATOR, tensors)
    refused(broken, f"tensor '{name}' is missing")
    native.write_tensors(broken / native.DISCRIMINATOR, {**tensors, name: kept[..., :1]})
    refused(broken, f"tensor '{name}' has shape")

    other = make_checkpoint(tmp_path / "other", ["bad", "good"])
    vocab = (other / native.VOCAB).read_text("utf-8").splitlines()
    (other / native.VOCAB).write_text("\n".join([*vocab[:-2], vocab[-1], vocab[-2], ""]), "utf-8")
    refused(other, "its vocab.txt is not this module's")
