"""The clients of the load benchmark: their mistakes are refused, and wrong answers are seen."""

import json
import os
import socket
import sys

import load_serving_clients as clients
import pytest
from tiny_checkpoint import make_checkpoint

from paddle_electra.inference.predictor import Predictor
from paddle_electra.serving.command import create_app
from paddle_electra.serving.operations import Operations
from paddle_electra.serving.service import Service

LABELS = ["bad", "good"]


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    model = make_checkpoint(tmp_path_factory.mktemp("load") / "model", LABELS)
    predictor = Predictor.load(model)
    return create_app(Service("m", "1", Operations(lambda: predictor))).test_client()


def ask(client, number, request):
    reply = client.post("/predict/m", data=request.body, content_type=request.kind)
    return clients.Answer(number, reply.status_code, reply.get_data(), 0.0, 1.0)


def test_every_mistake_is_refused_with_its_words(client):
    requests = clients.mistakes()
    answers = [ask(client, number, request) for number, request in enumerate(requests)]
    assert set(clients.judge(answers, requests, {})[0].values()) == {0}


def test_requests_are_the_same_for_the_same_seed():
    good = clients.good_requests("好坏天气", 20, 3)
    assert (
        good == clients.good_requests("好坏天气", 20, 3) != clients.good_requests("好坏天气", 20, 4)
    )
    assert {len(request.texts) for request in good} > {1}
    order = clients.mixed(good, clients.mistakes(), 4000, 0.05, 3)
    assert 120 < sum(index >= len(good) for index in order) < 280


def test_what_is_wrong_is_seen():
    requests = [
        clients.Request(b"", ["好"], with_prob=True),
        clients.Request(b"", ["好"]),
        clients.Request(b"", words="'data'"),
    ]
    alone = {0: (["good"], [[0.25, 0.75]]), 1: (["good"], [[0.25, 0.75]])}

    def judged(number, results, status="000", message="", code=200):
        content = {"status": status, "msg": message, "results": results}
        answer = clients.Answer(number, code, json.dumps(content).encode(), 0.0, 1.0)
        wrong, furthest = clients.judge([answer], requests, alone)
        return {what for what, count in wrong.items() if count}, furthest

    right = {"label": "good", "probabilities": [0.25, 0.75]}
    assert judged(0, [right]) == (set(), 0)
    assert judged(0, [{**right, "probabilities": [0.2501, 0.7499]}])[0] == {"number"}
    assert judged(0, [{**right, "label": "bad"}])[0] == {"label"}
    assert judged(1, ["good"])[0] == set()
    assert judged(1, ["bad"])[0] == {"label"}
    assert judged(1, "", "101", "busy", 503)[0] == {"not answered"}
    assert judged(1, "", "101", "", 500)[0] == {"500"}
    assert judged(2, "", "101", "'data' is")[0] == set()
    assert judged(2, "", "101", "'task' is")[0] == {"other message"}
    assert judged(2, ["good"], message="'data'")[0] == {"mistake answered"}
    lost = clients.Answer(1, None, "refused", 0.0, 1.0)
    bare = clients.Answer(1, 400, b"<html>", 0.0, 1.0)
    wrong, _ = clients.judge([lost, bare], requests, alone)
    assert (wrong["lost"], wrong["no form"]) == (1, 1)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_the_connections_that_a_process_has_accepted_are_found():
    with socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(server.getsockname()) as accepted, server.accept()[0]:
            with socket.create_connection(server.getsockname()) as waiting:
                found = clients.connections_of(os.getpid())
                assert accepted.getsockname()[1] in found
                assert waiting.getsockname()[1] not in found
