import os
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import paddle
import pytest
from tiny_checkpoint import TEXTS, make_checkpoint

from paddle_electra import checkpoint as checkpoints
from paddle_electra.checkpoint import native
from paddle_electra.errors import InputError
from paddle_electra.inference import engine as engines
from paddle_electra.inference.engine import EagerEngine, StaticEngine
from paddle_electra.inference.graphs import find_or_make, shortest, write_graph
from paddle_electra.inference.networks import Networks, task_network
from paddle_electra.inference.predictor import Predictor
from paddle_electra.modeling.published import PublishedSequenceClassification

LENGTHS = (3, 7, 8, 61, 64)
LABELS = ["bad", "fair", "good"]


def make_task_checkpoint(directory, kind, labels, **settings):
    """A fine-tuned directory of any kind, with random weights."""
    plain = checkpoints.load(make_checkpoint(directory.with_name("plain")))
    task = {"task": "own", "kind": kind, "labels": labels, "max_seq_length": 48, **settings}
    paddle.seed(3)
    native.save(
        directory,
        plain.config,
        plain.vocab_file,
        task_network(plain.config, task, labels),
        task=task,
    )
    return directory


def batch(rows, length, vocabulary=30, seed=0):
    """Token ids, segments and a mask with rows of several lengths."""
    random = np.random.default_rng(seed)
    ids = random.integers(5, vocabulary, (rows, length))
    used = np.maximum(3, length - np.arange(rows) * 2)[:, None]
    mask = (np.arange(length) < used).astype(np.int64)
    types = (np.arange(length) >= length // 2).astype(np.int64) * mask
    return ids * mask, types, mask


def spans(outputs):
    """Of each row {(start, end): (score of the start, of the end)} of a beam, without what is
    blocked: eager mode cuts its scores off at -64, so that it has no order."""
    found = []
    for starts, start_scores, ends, end_scores, _ in zip(*outputs, strict=True):
        found.append(
            {
                (start, end): (score, end_score)
                for start, score, places, scores in zip(
                    starts.tolist(), start_scores, ends.tolist(), end_scores, strict=True
                )
                for end, end_score in zip(places, scores, strict=True)
                if min(score, end_score) > -50
            }
        )
    return found


def compare_beams(found, expected):
    np.testing.assert_allclose(found[-1], expected[-1], atol=1e-5)
    for one, other in zip(spans(found), spans(expected), strict=True):
        assert one.keys() == other.keys()
        for span, scores in one.items():
            np.testing.assert_allclose(scores, other[span], atol=1e-4)


def compare(folder, name, cases):
    networks = Networks(checkpoints.load(folder))
    static = StaticEngine(lambda: find_or_make(networks, name), shortest(networks, name))
    eager = EagerEngine(networks.layer(name))
    for rows, length in cases:
        arrays = batch(rows, length)
        found, expected = static.run(*arrays), eager.run(*arrays)
        assert len(found) == len(expected)
        if len(found) == 5:
            compare_beams(found, expected)
            continue
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["encoder", "generator", "discriminator"])
def test_static_gives_what_eager_gives(tmp_path, name):
    folder = make_checkpoint(tmp_path / "model", generator=True)
    compare(folder, name, [(rows, length) for length in LENGTHS for rows in (1, 3)])


@pytest.mark.parametrize("kind", ["seq-cls", "token-cls"])
def test_static_heads_give_what_eager_gives(tmp_path, kind):
    folder = make_task_checkpoint(tmp_path / "model", kind, LABELS)
    compare(folder, "task", [(rows, length) for length in LENGTHS for rows in (1, 3)])


def test_the_published_head_in_a_static_graph(tmp_path):
    plain = checkpoints.load(make_checkpoint(tmp_path / "model"))
    network = PublishedSequenceClassification(plain.config, 3)
    network.eval()
    arrays = batch(3, 20)
    expected = EagerEngine(network).run(*arrays)
    found = StaticEngine(lambda: write_graph(network, tmp_path / "graph")).run(*arrays)
    np.testing.assert_allclose(found[0], expected[0], atol=1e-5, rtol=1e-5)


@pytest.mark.skipif(not engines.has_bfloat16(), reason="this processor has no bfloat16")
def test_bfloat16_answers_nearly_alike(tuned, monkeypatch):
    texts = [*TEXTS, ("好", "太失望了。"), "好" * 60]
    expected = Predictor.load(tuned, engine="static").predict(texts, return_prob=True)[1]
    monkeypatch.setenv("PADDLE_ELECTRA_ENGINE", "auto")
    monkeypatch.setenv("PADDLE_ELECTRA_PRECISION", "bfloat16")
    half = Predictor.load(tuned)
    found = half.predict(texts, return_prob=True)[1]
    assert half.engine("task").precision == "bfloat16"
    assert 0 < abs(found - expected).max() < 0.05
    assert half.eager().engine("task").precision == "float32"


def test_graphs_free_tensors_in_lots_and_leave_the_flag(tuned, monkeypatch):
    flag = "FLAGS_eager_delete_tensor_gb"
    before = paddle.get_flags([flag])
    seen = []
    run = StaticEngine._answer

    def watched(*arguments):
        seen.append(paddle.get_flags([flag])[flag])
        return run(*arguments)

    monkeypatch.setattr(StaticEngine, "_answer", watched)
    predictors = [Predictor.load(tuned, engine="static") for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda predictor: predictor.predict(TEXTS), predictors))
    assert seen[:3].count(0.0625) == len(seen) == 3
    assert paddle.get_flags([flag]) == before


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"beam_size": 4},
        {"beam_size": 20, "answerable_uses_start_logits": False},
        {"joint_prediction": False},
        {"beam_size": 100, "answerable_classifier": False},
    ],
)
def test_the_static_beam_of_reading_is_that_of_eager(tmp_path, settings):
    folder = make_task_checkpoint(tmp_path / "model", "qa", None, **settings)
    compare(folder, "task", [(rows, length) for length in LENGTHS for rows in (1, 3)])


@pytest.mark.slow
def test_the_longest_inputs_of_a_real_size(tmp_path):
    folder = make_checkpoint(
        tmp_path / "model",
        LABELS,
        max_position_embeddings=512,
        hidden_size=256,
        num_hidden_layers=4,
        num_attention_heads=4,
        initializer_range=0.05,
    )
    compare(folder, "task", [(1, 512), (2, 509), (5, 128), (33, 17)])
    compare(folder, "encoder", [(2, 509), (33, 17)])


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    return make_checkpoint(tmp_path_factory.mktemp("tuned") / "model", LABELS)


def test_predictor_answers_alike_with_both(tuned):
    texts = [*TEXTS, ("好", "太失望了。"), "好" * 60]
    static, eager = (Predictor.load(tuned, engine=name) for name in ("static", "eager"))
    assert (static.engine("task").name, eager.engine("task").name) == ("static", "eager")
    labels, chances = static.predict(texts, return_prob=True)
    expected_labels, expected = eager.predict(texts, return_prob=True)
    assert labels == expected_labels
    np.testing.assert_allclose(chances, expected, atol=1e-6)
    assert static.eager().engine("task").name == "eager"
    assert static.eager().labels is static.labels


def test_threads_share_an_engine(tuned):
    predictor = Predictor.load(tuned, engine="static")
    cases = [batch(1 + number % 3, 5 + number, seed=number) for number in range(8)]
    expected = [predictor.engine("task").run(*case)[0] for case in cases]
    wrong = []

    def work(number):
        for _ in range(20):
            found = predictor.engine("task").run(*cases[number])[0]
            if not np.allclose(found, expected[number], atol=1e-6):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(cases))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


FORKING = """
import os, sys, threading, time
from paddle_electra.runtime import prepare_environment
prepare_environment()
from paddle_electra.inference.predictor import Predictor
predictor = Predictor.load(sys.argv[1], engine="static", threads=2)
expected = predictor.predict(["好", "太失望了。"], return_prob=True)[1]
engine = predictor.engine("task")
held = threading.Thread(target=lambda: engine._lock.acquire())  # as if a batch ran meanwhile
held.start()
held.join()
children = []
for _ in range(2):
    child = os.fork()
    if not child:
        found = predictor.predict(["好", "太失望了。"], return_prob=True)[1]
        os._exit(0 if abs(found - expected).max() < 1e-6 else 1)
    children.append(child)
print([os.waitpid(child, 0)[1] for child in children])
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_process_answers_too(tuned):
    command = [sys.executable, "-c", FORKING, str(tuned)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.stdout.strip() == "[0, 0]", done.stderr


def test_training_between_answers_does_not_leave_dropout_on(tuned):
    predictor = Predictor.load(tuned)
    before = predictor.predict(TEXTS, return_prob=True)[1]
    predictor.networks.layer("task").train()
    np.testing.assert_array_equal(predictor.predict(TEXTS, return_prob=True)[1], before)


def test_a_graph_that_was_deleted_meanwhile_is_made_again(tmp_path):
    folder = make_checkpoint(tmp_path / "model", ["bad", "good"])
    predictor = Predictor.load(folder, engine="static")
    shutil.rmtree(folder / ".graphs")
    expected = Predictor.load(folder).predict(TEXTS, return_prob=True)[1]
    found = predictor.predict(TEXTS, return_prob=True)[1]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_auto_is_eager_for_weights_in_memory(tuned, monkeypatch):
    monkeypatch.delenv("PADDLE_ELECTRA_ENGINE")
    predictor = Predictor.load(tuned)
    assert predictor.engine("task").name == "static"
    networks = Networks(checkpoints.load(tuned))
    layer = networks.layer("task")
    networks.put("task", layer)
    layer.classifier.bias.set_value(layer.classifier.bias + 5 * np.arange(3, dtype=np.float32))
    changed = Predictor(networks, predictor.tokenizer)
    assert changed.engine("task").name == changed.engine("encoder").name == "eager"
    assert changed.predict(TEXTS) == ["good"] * len(TEXTS)
    with pytest.raises(InputError, match=r"engine: 'static' needs weights that lie in files"):
        Predictor(networks, predictor.tokenizer, engine="static").predict(TEXTS)


def test_the_environment_says_what_auto_is(tuned, monkeypatch):
    assert Predictor.load(tuned).engine("task").name == "eager"
    monkeypatch.setenv("PADDLE_ELECTRA_ENGINE", "fast")
    with pytest.raises(InputError, match=r"PADDLE_ELECTRA_ENGINE: expected one of auto.*'fast'"):
        Predictor.load(tuned)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"engine": "onnx"}, "engine: expected one of auto, static, eager, got 'onnx'"),
        ({"precision": "int8"}, "precision: expected one of auto, float32, bfloat16, got 'int8'"),
        ({"precision": "bfloat16", "engine": "eager"}, "precision: 'bfloat16' needs the static"),
        ({"threads": 0}, "threads: expected a whole number of at least 1, got 0"),
        ({"device": "tpu"}, "device: expected 'cpu', 'gpu' or 'gpu:1', got 'tpu'"),
        ({"device": "cpu:1"}, "device: expected"),
        ({"device": "gpu:x"}, "device: expected"),
    ],
)
def test_wrong_choices_are_named(tuned, arguments, message):
    with pytest.raises(InputError, match=message):
        Predictor.load(tuned, **arguments)


def test_bfloat16_is_refused_where_it_would_be_imitated(tuned, monkeypatch):
    monkeypatch.setattr(engines, "has_bfloat16", lambda: False)
    with pytest.raises(InputError, match=r"precision: 'bfloat16' needs a processor with"):
        Predictor.load(tuned, engine="static", precision="bfloat16")


def test_a_network_that_is_not_there_is_an_error_of_both(tuned):
    for name in ("static", "eager"):
        with pytest.raises(InputError, match="no generator"):
            Predictor.load(tuned, engine=name).engine("generator")
