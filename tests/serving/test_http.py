import json
import socket
import threading
import time

import pytest
from served_models import make_service
from tiny_checkpoint import TEXTS

from paddle_electra.errors import InputError
from paddle_electra.serving.app import create_app
from paddle_electra.serving.http import reply
from paddle_electra.serving.server import Server
from paddle_electra.serving.service import LARGE_AT_ONCE

LIMIT = 2000


@pytest.fixture(scope="module")
def service(predictors):
    return make_service(predictors["seq-cls"], "electra", max_body_bytes=LIMIT)


@pytest.fixture(scope="module")
def client(service):
    return create_app(service).test_client()


def post(client, body, **named):
    if not isinstance(body, (bytes, str)):
        body = json.dumps(body)
    named = {"content_type": "application/json", "buffered": True, **named}
    return client.post("/predict/electra", data=body, **named)


def form(response):
    """The three parts of PaddleHub's form, and nothing else."""
    answer = response.get_json()
    assert response.mimetype == "application/json"
    assert sorted(answer) == ["msg", "results", "status"]
    return answer


def test_an_answer(client, predictors):
    response = post(client, {"data": [[text] for text in TEXTS]})
    labels = predictors["seq-cls"].predict(TEXTS)
    assert response.status_code == 200
    assert form(response) == {"status": "000", "msg": "", "results": labels}


def test_large_replies_count_until_they_are_sent(predictors):
    service = make_service(predictors[None], "electra", wait_seconds=0.1)
    client = create_app(service).test_client()
    body = {"data": TEXTS[:1], "task": None}  # the default: embeddings
    unread = [post(client, body, buffered=False) for _ in range(LARGE_AT_ONCE)]
    assert [response.status_code for response in unread] == [200] * LARGE_AT_ONCE
    assert post(client, body).status_code == 503
    unread[0].close()
    assert post(client, body).status_code == 200
    assert post(client, {**body, "data": []}).status_code == 200  # a mistake gives its room back
    assert post(client, body).status_code == 200
    for response in unread[1:]:
        response.close()


def test_a_client_that_is_lost_at_the_end_gives_its_room_back(predictors):
    service = make_service(predictors[None], "electra", wait_seconds=0.1)
    server = Server(create_app(service), "127.0.0.1", 0, read_seconds=0.2)
    thread = threading.Thread(target=server.run)
    thread.start()
    body = json.dumps({"data": TEXTS[:1], "task": None}).encode()
    head = "POST /predict/electra HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    try:
        for _ in range(LARGE_AT_ONCE + 1):
            with socket.create_connection(("127.0.0.1", server.port), 30) as connection:
                connection.sendall(request)
                time.sleep(0.001)
                connection.sendall(b"x")  # for which the server waits, and then gives up
                answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
            assert b" 200 OK" in answer.split(b"\r\n")[0]
    finally:
        server.stop()
        thread.join(30)


def test_a_large_reply_is_sent_in_pieces():
    sent = reply("长" * 100_000)
    pieces = list(sent.iter_encoded())
    assert max(map(len, pieces)) <= 1 << 16
    assert sum(map(len, pieces)) == sent.content_length > 300_000
    assert json.loads(b"".join(pieces))["results"] == "长" * 100_000


def test_a_model_that_cannot_be_read_is_no_mistake_of_the_client(predictors, monkeypatch):
    service = make_service(predictors["seq-cls"], "electra")

    def engine(name):
        raise InputError("/models/discriminator.safetensors: a tensor has a wrong checksum")

    monkeypatch.setattr(service.operations.predictor(), "engine", engine)
    response = post(create_app(service).test_client(), {"data": TEXTS[:1]})
    assert response.status_code == 500
    assert form(response)["msg"] == "a failure of the server, not of the request: ModelError"
    assert service.health()["requests"]["failed"] == 1


def test_a_mistake_in_a_field_has_paddlehubs_code(client):
    response = post(client, {"data": []})
    assert response.status_code == 200
    assert form(response)["status"] == "101"
    assert "'data' is an empty list" in form(response)["msg"]


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (b"", 400, "the body is not JSON"),
        (b"{not json", 400, "the body is not JSON"),
        (b'{"data": ["\xff"]}', 400, "the body is not JSON"),
        (b'{"a": ' + b"9" * 1500 + b"9" * 400 + b"}", 200, "unknown field 'a'"),
        (b"[" * 1900, 400, "the body is "),
        ([["好"]], 400, 'the body is a JSON list; send an object, such as {"data": [["text"]]}'),
        ('"text"', 400, "the body is a JSON str"),
        ("null", 400, "the body is a JSON NoneType"),
        ({"data": ["好" * 700]}, 413, "more than the 2000 bytes that this server allows"),
        (b"x" * 1_000_000, 413, "more than the 2000 bytes that this server allows"),
    ],
)
def test_what_is_no_request(client, body, code, words):
    response = post(client, body)
    assert response.status_code == code
    assert form(response)["status"] == "101"
    assert words in form(response)["msg"]
    assert len(form(response)["msg"]) < 300


def test_a_body_of_unknown_length_is_limited(client):
    for size, code in ((LIMIT - 20, 200), (LIMIT * 200, 413)):
        body = json.dumps({"data": ["x" * size]}).encode()

        class Stream:
            def __init__(self, body):
                self.left = body

            def read(self, count=-1):
                part, self.left = self.left[:count], self.left[count:]
                return part

        response = client.open(
            "/predict/electra",
            method="POST",
            content_type="application/json",
            environ_overrides={
                "wsgi.input": Stream(body),
                "wsgi.input_terminated": True,
                "CONTENT_LENGTH": "",
            },
        )
        assert (response.status_code, sorted(form(response))[0]) == (code, "msg")


def test_wrong_content_type_method_and_place(client):
    response = post(client, {"data": ["好"]}, content_type="text/plain")
    assert (response.status_code, form(response)["status"]) == (415, "112")
    assert "text/plain; send application/json" in form(response)["msg"]
    response = client.get("/predict/electra")
    assert (response.status_code, form(response)["status"]) == (405, "101")
    assert response.headers["Allow"] == "POST"
    response = client.post("/predict/other", json={"data": ["好"]})
    assert form(response)["status"] == "111"
    assert "Module other is not available; there is electra" in form(response)["msg"]
    response = client.get("/nowhere")
    assert response.status_code == 404
    assert "there are /predict/electra and /health" in form(response)["msg"]
    assert post(client, {"data": ["好"]}, content_type="application/json; charset=utf-8").json[
        "results"
    ]


def test_health(client, service):
    assert form(client.get("/health"))["results"]["electra"]["name"] == "electra"
    assert form(client.get("/health/electra"))["results"]["limits"] == service.health()["limits"]
    response = client.get("/health/other")
    assert (response.status_code, form(response)["status"]) == (404, "111")


def test_a_failure_of_ours_has_a_message_and_says_nothing_of_the_inside(predictors, monkeypatch):
    service = make_service(predictors["seq-cls"], "electra")
    monkeypatch.setattr(service.collector, "run", lambda *_: 1 / 0)
    response = post(create_app(service).test_client(), {"data": ["好"]})
    assert response.status_code == 500
    message = form(response)["msg"]
    assert message == "a failure of the server, not of the request: ZeroDivisionError"
    assert service.health()["requests"]["failed"] == 1


def test_a_full_queue_may_be_asked_again(predictors):
    service = make_service(predictors["seq-cls"], "electra")
    service.close()
    response = post(create_app(service).test_client(), {"data": ["好"]})
    assert (response.status_code, response.headers["Retry-After"]) == (503, "1")
    assert form(response)["msg"].startswith("busy: ")


def test_defaults_of_the_server_give_way_to_the_request(predictors):
    from flask import Flask, request

    from paddle_electra.serving import http

    service, app = make_service(predictors["seq-cls"], "electra"), Flask(__name__)
    app.post("/predict/electra")(lambda: http.predict(request, service, {"return_prob": True}))
    assert "label" in post(app.test_client(), {"data": ["好"]}).json["results"][0]
    answer = post(app.test_client(), {"data": ["好"], "return_prob": False}).json
    assert answer["results"][0] in ("bad", "good")


def test_the_page_is_beside_the_answers(predictors):
    client = create_app(make_service(predictors[None], "electra"), page=True).test_client()
    html = client.get("/").get_data(as_text=True)
    assert '"tasks": ["detect", "fill-mask"]' in html
    assert '"predict_url": "predict/electra"' in html
    assert client.get("/page.js").status_code == 200
    assert create_app(make_service(predictors[None])).test_client().get("/").status_code == 404
