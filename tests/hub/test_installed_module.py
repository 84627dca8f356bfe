"""A built module in an environment with PaddleHub, without paddle-electra and without a network.

The fixtures are in ``conftest.py``.
"""

import numpy as np
import pytest
from offline_hub import NAME
from tiny_checkpoint import TEXTS

pytest.importorskip("paddlehub", reason="needs the extra 'hub'")
pytestmark = pytest.mark.slow


def assert_same(answer, expected):
    labels, probabilities = answer
    assert labels == expected[0]
    np.testing.assert_allclose(probabilities, expected[1], atol=1e-6)


def assert_same_embedding(answer, expected):
    pooled, tokens = expected
    assert len(answer) == len(tokens)
    for row, (first, rest) in enumerate(answer):
        np.testing.assert_allclose(first, pooled[row], atol=1e-5)
        np.testing.assert_allclose(rest, tokens[row], atol=1e-5)


def test_it_ran_without_a_network_and_without_paddle_electra(found, offline):
    assert found["errors"]["import"].startswith("ModuleNotFoundError")
    assert found["modules"] == []
    asked = (offline[1] / "blocked.log").read_text().split()
    assert set(asked) == {"paddlepaddle.org.cn"}, "PaddleHub reports each load; ours asks nobody"


def test_install_and_uninstall(found):
    assert found["installed_folder"] == found["installed_archive"] == 0
    assert found["uninstalled"] == [0, False]


def test_classification_equals_the_predictor(found, expected):
    assert found["labels"] == expected["tuned"][0]
    assert found["from_directory"] == expected["tuned"][0]
    assert found["version_of_a_copy"] == "9.9.9"
    assert_same(found["probabilities"], expected["tuned"])
    assert_same(found["from_archive"], expected["tuned"])
    assert found["label_map"] == [[0, "bad"], [1, "good"]]  # in the order of the probabilities
    assert_same(found["loaded"], expected["other"])
    assert found["mapped"] == [{"bad": "差", "good": "好"}[x] for x in expected["tuned"][0]]


def test_weights_trained_or_set_by_hand_answer(found):
    answers = found["own_training"]
    for predicted, computed in answers:
        np.testing.assert_allclose(predicted, computed, atol=1e-5)
    before, trained, other, set_again = (predicted for predicted, _ in answers)
    assert np.abs(np.subtract(before, trained)).max() > 0.01
    np.testing.assert_allclose(other, before, atol=1e-6)
    np.testing.assert_allclose(set_again, trained, atol=1e-5)


def test_embeddings_equal_the_predictors(found, expected):
    assert_same_embedding(found["embedding"], expected["embedding"])
    assert_same_embedding(found["predict_without_task"], expected["embedding"])
    assert found["tokens"] == list(TEXTS[0])


def test_a_module_without_a_head_warns_and_answers_numbers(found):
    assert [text for text in found["warnings"] if "no trained classification head" in text]
    assert set(found["random_labels"]) <= {0, 1, 2}


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        ("task", "task: 'nonsense' does not exist here; there are 'seq-cls'"),
        ("argument", "unknown argument 'label_mapp'; did you mean 'label_map'"),
        ("checkpoint", "load_checkpoint: /nowhere/model: no such file or folder"),
        ("no_head", "has no classification head"),
        ("data", "data[0]: expected one or two texts, got 3"),
        ("package", f"{NAME}: the Python package 'tokenizers' is missing: pip install -r /"),
        ("tampered", "discriminator.safetensors: not the file that was built"),
        ("other_code", "of another module of that folder name, of "),
    ],
)
def test_mistakes_are_named(found, mistake, words):
    assert found["errors"][mistake].startswith("InputError: ")
    assert words in found["errors"][mistake]


def test_a_gpu_that_is_not_there_is_named(found):
    import paddle

    if paddle.device.is_compiled_with_cuda():
        pytest.skip("this Paddle has GPU support")
    assert "use_gpu: this Paddle was built without GPU support" in found["errors"]["gpu"]
