"""A built module in an environment with PaddleHub, without paddle-electra and without a network.

Importing PaddleHub takes many seconds, so one process does everything but serving, another one
serves; the tests look at what they answered.
"""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from tiny_checkpoint import TEXTS, make_checkpoint

from paddle_electra.hub.packaging import build_module
from paddle_electra.inference.predictor import Predictor

pytest.importorskip("paddlehub", reason="needs the extra 'hub'")
pytestmark = pytest.mark.slow

NAME, BARE_NAME = "chinese-electra-tiny", "electra-without-head"
HERE = Path(__file__).parent

# Imported by every Python started with it on PYTHONPATH, children included.
SITECUSTOMIZE = """
import os, socket, sys

class NoPaddleElectra:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "paddle_electra":
            raise ModuleNotFoundError("paddle_electra is not installed here", name=name)

sys.meta_path.insert(0, NoPaddleElectra())

def check(host):
    if str(host) not in ("localhost", "127.0.0.1", "::1", "0.0.0.0", "None", ""):
        with open(os.environ["BLOCKED_LOG"], "a") as log:
            log.write(f"{host}\\n")
        raise OSError(101, "the network is blocked")

def guard(function, host_of):
    def guarded(*arguments, **named):
        check(host_of(*arguments))
        return function(*arguments, **named)
    return guarded

def peer(sock, address, *rest):
    return address[0] if isinstance(address, tuple) else "localhost"

for method in ("connect", "connect_ex"):
    setattr(socket.socket, method, guard(getattr(socket.socket, method), peer))
for function in ("getaddrinfo", "gethostbyname"):
    setattr(socket, function, guard(getattr(socket, function), lambda host, *rest: host))
"""


@pytest.fixture(scope="module")
def offline(tmp_path_factory):
    """(environment, working folder) of the processes."""
    root = tmp_path_factory.mktemp("offline")
    (root / "site").mkdir()
    (root / "site" / "sitecustomize.py").write_text(SITECUSTOMIZE, "utf-8")
    environment = {
        **os.environ,
        "PYTHONPATH": str(root / "site"),
        "HUB_HOME": str(root / "hub"),
        "BLOCKED_LOG": str(root / "blocked.log"),
        "PYTHONWARNINGS": "ignore",
        "OMP_NUM_THREADS": "1",
    }
    return environment, root


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    return {
        "tuned": make_checkpoint(root / "tuned", ["bad", "good"], seed=7),
        "other": make_checkpoint(root / "other", ["bad", "good"], seed=8),
        "bare": make_checkpoint(root / "bare", seed=3, generator=True),
    }


@pytest.fixture(scope="module")
def found(offline, models):
    environment, root = offline
    folder, archive = build_module(models["tuned"], NAME, root / "dist")
    bare_folder, _ = build_module(models["bare"], BARE_NAME, root / "dist")
    inputs = {
        "name": NAME,
        "texts": TEXTS,
        "folder": str(folder),
        "archive": str(archive),
        "other": str(models["other"]),
        "bare": str(models["bare"]),
        "bare_folder": str(bare_folder),
    }
    (root / "inputs.json").write_text(json.dumps(inputs), "utf-8")
    script = [sys.executable, str(HERE / "offline_hub.py"), "inputs.json", "found.json"]
    done = subprocess.run(
        script, cwd=root, env=environment, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads((root / "found.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def expected(models):
    """What the Predictor answers in this process, from the checkpoints."""
    answers = {}
    for name in ("tuned", "other"):
        labels, probabilities = Predictor.load(models[name]).predict(TEXTS, return_prob=True)
        assert set(labels) == {"bad", "good"}, "choose another seed: these tests need both"
        answers[name] = labels, probabilities
    answers["embedding"] = Predictor.load(models["tuned"]).embed(TEXTS)
    return answers


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
    blocked = (offline[1] / "blocked.log").read_text()
    assert "paddlepaddle.org.cn" in blocked, "PaddleHub reports each load; that was blocked"


def test_install_and_uninstall(found):
    assert found["installed_folder"] == found["installed_archive"] == 0
    assert found["uninstalled"] == [0, False]


def test_classification_equals_the_predictor(found, expected):
    assert found["labels"] == expected["tuned"][0]
    assert found["from_directory"] == expected["tuned"][0]
    assert_same(found["probabilities"], expected["tuned"])
    assert_same(found["from_archive"], expected["tuned"])
    assert_same(found["loaded"], expected["other"])
    assert found["mapped"] == [{"bad": "差", "good": "好"}[x] for x in expected["tuned"][0]]


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
        ("task", "task: 'token-cls' does not exist here; there are 'seq-cls'"),
        ("argument", "unknown argument 'label_mapp'; did you mean 'label_map'"),
        ("checkpoint", "load_checkpoint: /nowhere/model: no such file or folder"),
        ("no_head", "has no classification head"),
        ("data", "data[0]: expected one or two texts, got 3"),
        ("package", f"{NAME}: the Python package 'tokenizers' is missing: pip install -r /"),
        ("tampered", "discriminator.safetensors: not the file that was built"),
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


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def post(url, body):
    """(HTTP status, answer) of a JSON request on loopback, whatever proxies are set."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode("utf-8")
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=30) as reply:
            return reply.status, json.loads(reply.read())
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@pytest.fixture(scope="module")
def served(found, offline):
    """The address of ``hub serving start``; ``found`` has installed the module."""
    environment, root = offline
    port = free_port()
    code = "import sys; from paddlehub.commands.utils import execute; sys.exit(execute())"
    start = [sys.executable, "-c", code, "serving", "start", "-m", NAME, "-p", str(port)]
    with open(root / "serving.log", "wb") as log:
        server = subprocess.Popen(start, cwd=root, env=environment, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 120
        while True:
            if server.poll() is not None or time.monotonic() > deadline:
                pytest.fail((root / "serving.log").read_text("utf-8", "replace")[-4000:])
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/predict/{NAME}"
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def test_serving_answers_like_the_predictor(served, expected):
    data = [[text] for text in TEXTS]
    status, answer = post(served, {"data": data})
    assert (status, answer["status"], answer["msg"]) == (200, "000", "")
    assert answer["results"] == expected["tuned"][0]

    _, answer = post(served, {"data": TEXTS, "task": "seq-cls", "return_prob": True})
    labels = [result["label"] for result in answer["results"]]
    assert_same((labels, [r["probabilities"] for r in answer["results"]]), expected["tuned"])

    _, answer = post(served, {"data": data, "task": "embedding"})
    assert_same_embedding(answer["results"], expected["embedding"])


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "no 'data'"),
        ({"data": []}, "'data' is an empty list"),
        ({"data": "好"}, "'data': expected a list of texts, got one text"),
        ({"data": {"a": 1}}, "'data': expected a list of texts, got dict"),
        ({"data": [["好"], ["a", "b", "c"]]}, "'data'[1]: expected one or two texts, got 3"),
        ({"data": [["好"], [3]]}, "'data'[1][0]: expected a text"),
        ({"data": [["  "]]}, "'data'[0]: the text is empty"),
        ({"data": ["好"], "task": "token-cls"}, "'task': 'token-cls' does not exist here"),
        ({"data": ["好"], "batch_size": "8"}, "batch_size: expected a whole number"),
        ({"data": ["好"], "max_seq_len": 512}, "max_seq_len: 512 is more than this model's 64"),
        ({"data": ["好"], "use_gpu": "no"}, "'use_gpu': expected true or false"),
        ({"data": ["好"], "texts": ["好"]}, "unknown argument 'texts'"),
    ],
)
def test_serving_answers_a_mistake_with_a_message(served, body, words):
    status, answer = post(served, body)
    assert (status, answer["status"]) == (200, "101")
    assert words in answer["msg"]


def test_serving_survives_what_is_not_json(served, expected):
    status, _ = post(served, b"{not json")
    assert status == 400
    assert post(served, {"data": [[TEXTS[0]]]})[1]["results"] == expected["tuned"][0][:1]
