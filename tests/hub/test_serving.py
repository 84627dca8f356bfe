"""Built modules behind ``hub serving start``, in both of its modes.

Each server is a process that cannot import paddle-electra and reaches nothing but loopback.
Beside two modules of ours each serves a plain one of PaddleHub's kind.
"""

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import numpy as np
import pytest
from chromium import Page
from offline_hub import BARE_NAME, NAME
from tiny_checkpoint import TEXTS

from paddle_electra.hub.packaging import build_module

pytest.importorskip("paddlehub", reason="needs the extra 'hub'")
pytestmark = pytest.mark.slow

OTHER = "plain-counter"
OTHER_MODULE = """
import threading, time
from paddlehub.module.module import moduleinfo, serving

@moduleinfo(name="plain-counter", version="0.1.0", type="nlp/other", author="", author_email="",
            summary="")
class Counter:
    inside = 0

    @serving
    def count(self, texts, wait=0):
        Counter.inside += 1
        time.sleep(wait)
        most, Counter.inside = Counter.inside, Counter.inside - 1
        if texts == "fail":
            raise ValueError("the plain module failed")
        return {"length": len(texts), "inside": most}
"""
START = "import sys; from paddlehub.commands.utils import execute; sys.exit(execute())"
MODES = ("one process", "several")


class HubServer:
    """``hub serving start`` on a free port of loopback."""

    def __init__(self, root, environment, mode):
        self.root, self.mode = root / mode.replace(" ", "-"), mode
        shutil.copytree(root / "modules", self.root / "hub" / "modules")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        limits = {"max_items": 50, "max_body_bytes": 1_000_000}
        config = {
            "modules_info": {
                NAME: {"init_args": {"serving": limits}, "predict_args": {"max_seq_len": 40}},
                BARE_NAME: {"init_args": {}, "predict_args": {}},
                OTHER: {"init_args": {}, "predict_args": {}},
            },
            "port": self.port,
            "use_multiprocess": mode == "several",
            "workers": 2,
        }
        (self.root / "config.json").write_text(json.dumps(config), "utf-8")
        environment = {
            **environment,
            "HUB_HOME": str(self.root / "hub"),
            "ELECTRA_SERVING_HOST": "127.0.0.1",
            "PADDLE_ELECTRA_ENGINE": "auto",
        }
        command = [sys.executable, "-c", START, "serving", "start", "--config", "config.json"]
        with open(self.root / "log", "wb") as log:
            self.process = subprocess.Popen(
                command,
                cwd=self.root,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait(self):
        deadline = time.monotonic() + 150
        while True:
            if self.process.poll() is not None or time.monotonic() > deadline:
                pytest.fail((self.root / "log").read_text("utf-8", "replace")[-4000:])
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            time.sleep(0.2)

    def get(self, path):
        return self._ask(f"http://127.0.0.1:{self.port}{path}")

    def post(self, body, name=NAME, kind="application/json"):
        data = body if isinstance(body, bytes) else json.dumps(body).encode("utf-8")
        url = f"http://127.0.0.1:{self.port}/predict/{name}"
        return self._ask(urllib.request.Request(url, data, {"Content-Type": kind}))

    def _ask(self, request):
        """(HTTP's code, the JSON or, if it is none, bytes), whatever proxies are set."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=60) as reply:
                code, content = reply.status, reply.read()
        except urllib.error.HTTPError as error:
            code, content = error.code, error.read()
        try:
            return code, json.loads(content)
        except ValueError:
            return code, content

    def results(self, body, name=NAME):
        code, answer = self.post(body, name)
        assert (code, answer["status"], answer["msg"]) == (200, "000", "")
        return answer["results"]

    def kill(self):
        """End it and its workers."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture(scope="module")
def servers(offline, models, tmp_path_factory):
    """{mode: `HubServer`}, started side by side."""
    root = tmp_path_factory.mktemp("serving")
    modules = root / "modules"
    for name, model in ((NAME, models["tuned"]), (BARE_NAME, models["bare"])):
        folder, _ = build_module(model, name, root / "dist")
        shutil.copytree(folder, modules / name.replace("-", "_"))
    (modules / "plain_counter").mkdir()
    (modules / "plain_counter" / "module.py").write_text(OTHER_MODULE, "utf-8")
    (modules / "plain_counter" / "__init__.py").write_text("", "utf-8")
    started = {mode: HubServer(root, offline[0], mode) for mode in MODES}
    try:
        for server in started.values():
            server.wait()
        yield started
    finally:
        for server in started.values():
            server.kill()


@pytest.fixture
def served(servers):
    return servers["one process"]


def test_serving_answers_like_the_predictor(served, expected):
    data = [[text] for text in TEXTS]
    labels, chances = expected["tuned"]
    assert served.results({"data": data}) == labels
    found = served.results({"data": TEXTS, "task": "seq-cls", "return_prob": True})
    assert [one["label"] for one in found] == labels
    np.testing.assert_allclose([one["probabilities"] for one in found], chances, atol=1e-6)
    pooled, tokens = expected["embedding"]
    for row, (first, rest) in enumerate(served.results({"data": data, "task": "embedding"})):
        np.testing.assert_allclose(first, pooled[row], atol=1e-5)
        np.testing.assert_allclose(rest, tokens[row], atol=1e-5)


def test_the_pretrained_heads_are_served(served):
    (found,) = served.results({"data": ["好[MASK]"], "task": "fill-mask", "top_k": 2}, BARE_NAME)
    assert [len(guesses) for guesses in found] == [2]
    (found,) = served.results({"data": [[TEXTS[1]]], "task": "detect", "threshold": 0}, BARE_NAME)
    assert [one["character"] for one in found["characters"]] == list(TEXTS[1])
    (found,) = served.results({"data": ["好"]}, BARE_NAME)
    assert np.shape(found[1]) == (3, 32), "without a head the default is embeddings"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "no 'data'"),
        ({"data": []}, "'data' is an empty list"),
        ({"data": "好"}, "'data': expected a list of texts, got one text"),
        ({"data": [["好"], ["a", "b", "c"]]}, "'data'[1]: expected one or two texts, got 3"),
        ({"data": [["  "]]}, "'data'[0]: the text is empty"),
        (
            {"data": ["好" * 300_000]},
            "'data'[0]: a text of 300000 characters is more than the 10000",
        ),
        ({"data": ["好"] * 51}, "'data': a list of 51 items is more than the 50"),
        ({"data": ["好"], "task": "nonsense"}, "'task': 'nonsense' does not exist here"),
        (
            {"data": ["好"], "task": "token-cls"},
            "'task': 'token-cls' does not exist here; there are",
        ),
        ({"data": ["好"], "batch_size": "8"}, "'batch_size': expected a whole number"),
        ({"data": ["好"], "max_seq_len": 512}, "'max_seq_len': 512 is more than this model's 64"),
        ({"data": ["好"], "use_gpu": "no"}, "'use_gpu': expected true or false"),
        ({"data": ["好"], "texts": ["好"]}, "unknown field 'texts'"),
    ],
)
def test_a_mistake_in_a_field_has_a_message(served, body, words):
    code, answer = served.post(json.dumps(body, ensure_ascii=False).encode())
    assert (code, answer["status"], answer["results"]) == (200, "101", "")
    assert words in answer["msg"]


def test_what_is_no_request_has_paddlehubs_form_too(served):
    code, answer = served.get(f"/predict/{NAME}")
    assert (code, answer["status"]) == (405, "101")
    code, answer = served.post({"data": ["好"]}, kind="text/plain")
    assert (code, answer["status"]) == (415, "112")
    for body, expected_code in ((b"{not json", 400), (b"[1]", 400), (b'"x"', 400)):
        code, answer = served.post(body)
        assert (code, answer["status"], answer["results"]) == (expected_code, "101", "")
    code, answer = served.post({"data": ["好"] * 500_000})
    assert (code, answer["status"]) == (413, "101")
    assert "1000000 bytes" in answer["msg"]


@pytest.mark.parametrize("mode", MODES)
def test_many_at_once_get_their_own_answers(servers, expected, mode):
    served, (labels, chances) = servers[mode], expected["tuned"]
    before = served.get(f"/health/{NAME}")[1]["results"]["requests"]["answered"]
    start, wrong = threading.Barrier(12), []

    def client(number):
        start.wait(30)
        for turn in range(15):
            row = (number + turn) % len(TEXTS)
            if turn % 5 == 0:
                good = served.post({"data": [""]})[1]["msg"].startswith("'data'[0]: the text is")
            else:
                (found,) = served.results({"data": [[TEXTS[row]]], "return_prob": True})
                close = np.allclose(found["probabilities"], chances[row], atol=1e-5)
                good = found["label"] == labels[row] and close
            if not good:
                wrong.append((number, turn))

    threads = [threading.Thread(target=client, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert wrong == []
    health = served.get(f"/health/{NAME}")[1]["results"]
    assert health["requests"]["failed"] == 0
    if mode == "one process":
        assert health["requests"]["answered"] == before + 12 * 12
        assert health["batches"] < health["requests"]["answered"], "nothing shared a batch"


@pytest.mark.parametrize("mode", MODES)
def test_the_page_comes_from_whatever_process_is_asked(servers, mode):
    for _ in range(4):
        code, html = servers[mode].get(f"/gradio/{NAME}")
        assert (code, b"../../predict/" in html) == (200, True)
        assert servers[mode].get(f"/gradio/{NAME}/page.css")[0] == 200
    code, answer = servers[mode].get(f"/gradio/{NAME}/nothing.js")
    assert (code, answer["status"]) == (404, "111")


def test_other_requests_to_the_page_start_no_process_of_paddlehubs(servers):
    served = servers["one process"]
    before = children(served.process.pid)
    url = f"http://127.0.0.1:{served.port}/gradio/{NAME}"
    for method, code in (("HEAD", 200), ("POST", 405), ("PUT", 405)):
        request = urllib.request.Request(url, b"" if code == 405 else None, method=method)
        assert served._ask(request)[0] == code
    assert served.get("/gradio/unknown/app")[0] == 404
    assert children(served.process.pid) == before


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as handle:
        return handle.read().split()


def test_unknown_addresses_have_paddlehubs_form(served):
    for path in ("/nope", f"/predict/{NAME}/"):
        code, answer = served.get(path)
        assert (code, answer["status"]) == (404, "101")
        assert answer["msg"].startswith(f"{path}: Not Found; there are /predict/NAME")


@pytest.mark.parametrize("mode", MODES)
def test_the_page_answers_in_a_browser(servers, browser, expected, mode):
    page = Page(browser, f"http://127.0.0.1:{servers[mode].port}/gradio/{NAME}")
    page.type(TEXTS[3])
    page.run()
    label, (first, second) = (answers[3] for answers in expected["tuned"])
    best, other = (row.text for row in page.all("#result tbody tr"))
    assert best.startswith(f"{label} {100 * max(first, second):.1f} %")
    assert other.endswith(f"{100 * min(first, second):.1f} %")
    assert page.errors() == []


def test_health(served):
    code, answer = served.get("/health")
    assert (code, answer["status"]) == (200, "000")
    assert sorted(answer["results"]) == sorted([NAME, BARE_NAME, OTHER])
    assert answer["results"][OTHER] == {"name": OTHER, "version": "0.1.0"}
    found = answer["results"][NAME]
    assert (found["name"], found["kind"], found["version"]) == (NAME, "seq-cls", "1.0.0")
    assert found["labels"] == ["bad", "good"]
    assert answer["results"][BARE_NAME]["labels"] is None
    assert found["limits"]["max_items"] == 50
    assert found["engine"] in ("static", "eager")
    assert answer["results"][BARE_NAME]["tasks"] == ["embedding", "fill-mask", "detect"]
    assert served.get("/health/nothing")[1]["status"] == "111"


@pytest.mark.parametrize("mode", MODES)
def test_it_listens_where_it_was_told_only(servers, mode):
    """All of 127/8 is this machine, but the server listens on one address of it."""
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.2", servers[mode].port), timeout=5)


def test_modules_beside_ours_are_answered_as_ever(served):
    assert served.results({"texts": "x" * 3_000_000}, OTHER)["length"] == 3_000_000
    code, answer = served.post({"texts": "fail"}, OTHER)
    assert (code, answer) == (
        200,
        {"status": "101", "msg": "the plain module failed", "results": ""},
    )
    assert served.post({"data": []}, "no-such-module")[1]["status"] == "111"
    inside = []
    threads = [
        threading.Thread(
            target=lambda: inside.append(
                served.results({"texts": "x", "wait": 0.1}, OTHER)["inside"]
            )
        )
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert inside == [1, 1, 1], "its method was called by several threads at once"


def test_a_killed_worker_takes_its_own_requests_only(servers):
    served = servers["several"]
    stop, outcomes, lost = threading.Event(), [], []

    def client():
        while not stop.is_set():
            try:
                outcomes.append(served.post({"data": [[TEXTS[0]]]})[1]["status"])
            except (OSError, http.client.HTTPException) as error:  # the second: half an answer
                lost.append(error)

    threads = [threading.Thread(target=client) for _ in range(4)]
    for thread in threads:
        thread.start()
    victim = served.get(f"/health/{NAME}")[1]["results"]["process"]
    while len(outcomes) < 20:
        time.sleep(0.01)
    os.kill(victim, signal.SIGKILL)
    before = len(outcomes)
    deadline = time.monotonic() + 60
    while len(outcomes) < before + 40 and time.monotonic() < deadline:
        time.sleep(0.01)
    stop.set()
    for thread in threads:
        thread.join(60)
    assert len(outcomes) >= before + 40, "it does not answer any more"
    assert set(outcomes) == {"000"}
    assert len(lost) <= len(threads), "more than those that the worker had were lost"


def test_it_ends_when_it_is_told(servers):
    """The last test of this file: afterwards there is no server of one process any more."""
    process = servers["one process"].process
    process.terminate()
    # PaddleHub's command returns 1 however it ends; without our server the signal kills it.
    assert process.wait(60) == 1
