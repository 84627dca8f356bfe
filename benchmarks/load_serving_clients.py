"""Requests for `load_serving.py`, clients that send them, and what came back."""

import contextlib
import http.client
import itertools
import json
import os
import random
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

CLOSE = 1e-5  # how far a probability may be from the one of the request alone
TIMEOUT = 300  # seconds


class Request(NamedTuple):
    """``texts`` None: a mistake, which is answered by a message with ``words`` in it."""

    body: bytes
    texts: list | None = None
    words: str = ""
    kind: str = "application/json"
    with_prob: bool = False


class Answer(NamedTuple):
    """``code`` and ``content`` of HTTP, or None and the exception of a lost connection; ``port`` of
    the client's end, None where there was no connection."""

    request: int
    code: int | None
    content: Any
    began: float
    ended: float
    port: int | None = None


def good_requests(characters, count, seed):
    """Distinct requests of one to eight texts, of 4 to 300 characters; half want probabilities."""
    chance = random.Random(seed)

    def text():
        length = min(300, max(4, int(chance.lognormvariate(3.4, 0.8))))
        return "".join(chance.choices(characters, k=length))

    made = []
    for _ in range(count):
        texts = [text() for _ in range(chance.choice((1, 1, 1, 1, 1, 2, 4, 8)))]
        with_prob = chance.random() < 0.5
        body = {"data": [[one] for one in texts]}
        if with_prob:
            body["return_prob"] = True
        made.append(Request(_json(body), texts, with_prob=with_prob))
    return made


def mild_mistakes():
    """Requests that every server refuses quickly."""
    text = ["好"]
    return [
        Request(_json({}), words="no 'data'"),
        Request(_json({"data": []}), words="'data' is an empty list"),
        Request(_json({"data": "好"}), words="'data': expected a list of texts"),
        Request(_json({"data": 7}), words="'data': expected a list of texts"),
        Request(_json({"data": [["a", "b", "c"]]}), words="'data'[0]: expected one or two texts"),
        Request(_json({"data": [text, [3]]}), words="'data'[1][0]: expected a text"),
        Request(_json({"data": [text], "max_seq_len": "x"}), words="'max_seq_len': expected"),
        Request(_json({"data": [text], "use_gp": True}), words="did you mean 'use_gpu'"),
        Request(b"{not json", words="the body is not JSON"),
        Request(_json([text]), words="the body is a JSON list"),
        Request(_json({"data": [text]}), words="send application/json", kind="text/plain"),
    ]


def mistakes():
    """All kinds of mistakes, those that would cost an unguarded server dearly too."""
    text = ["好"]
    return [
        *mild_mistakes(),
        Request(_json({"data": [""]}), words="'data'[0]: the text is empty"),
        Request(_json({"data": [text], "task": "token-cls"}), words="'task': 'token-cls' does not"),
        Request(_json({"data": [text], "max_seq_len": 10**6}), words="'max_seq_len': 1000000 is"),
        Request(_json({"data": ["好" * 300_000]}), words="'data'[0]: a text of 300000 characters"),
        Request(_json({"data": ["a"] * 400_000}), words="'data': a list of 400000 items"),
        Request(_json({"data": ["好"] * 1_000_000}), words="bytes that this server allows"),
        Request(_json({"data": [text], "top_k": 3}), words="'top_k': the task 'seq-cls' has no"),
    ]


def mixed(good, bad, count, share, seed):
    """``count`` indices into ``good + bad``, a ``share`` of them into ``bad``."""
    chance = random.Random(seed)
    return [
        len(good) + chance.randrange(len(bad))
        if chance.random() < share
        else chance.randrange(len(good))
        for _ in range(count)
    ]


def send_all(port, module, requests, order, clients, at=None):
    """Send requests from ``clients`` threads, each the next when its last is answered.

    Args:
        order: indices into ``requests``.
        at: {number of answers: function to call when so many are there}.
    Returns:
        (list of `Answer`, seconds).
    """
    answers, lock, numbers = [], threading.Lock(), itertools.count()

    def client():
        while (place := next(numbers)) < len(order):
            found = _send(port, module, requests[order[place]], order[place])
            with lock:
                answers.append(found)
                call = (at or {}).get(len(answers))
            if call:
                call()

    threads = [threading.Thread(target=client) for _ in range(clients)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers, time.perf_counter() - began


def _send(port, module, request, index):
    began, own = time.perf_counter(), None
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
        connection.connect()
        own = connection.sock.getsockname()[1]
        path = f"/predict/{module}"
        connection.request("POST", path, request.body, {"Content-Type": request.kind})
        reply = connection.getresponse()
        code, content = reply.status, reply.read()
        connection.close()
    except (OSError, http.client.HTTPException) as error:
        code, content = None, repr(error)
    return Answer(index, code, content, began, time.perf_counter(), own)


def connections_of(process):
    """The clients' ports of the TCP connections that a process has accepted (Linux)."""
    files = []
    for path in Path(f"/proc/{process}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            files.append(os.readlink(path))
    sockets = {name[len("socket:[") : -1] for name in files if name.startswith("socket:")}
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {int(row[2].rpartition(":")[2], 16) for row in rows if row[9] in sockets}


def judge(answers, requests, alone):
    """What is wrong with answers.

    Args:
        alone: {index: (labels, probabilities)} of the good requests, each answered alone.
    Returns:
        (counts of what went wrong, largest difference of a probability).
    """
    wrong = {"lost": 0, "500": 0, "no form": 0, "not answered": 0, "label": 0, "number": 0}
    wrong |= {"mistake answered": 0, "other message": 0}
    furthest = 0.0
    for answer in answers:
        request = requests[answer.request]
        form = _form(answer)
        if answer.code is None:
            wrong["lost"] += 1
        elif answer.code == 500:
            wrong["500"] += 1
        elif form is None:
            wrong["no form"] += 1
        elif request.texts is None:
            wrong["mistake answered"] += form["status"] == "000"
            wrong["other message"] += request.words not in form["msg"]
        elif form["status"] != "000":
            wrong["not answered"] += 1
        else:
            labels, distance = _compare(form["results"], request, *alone[answer.request])
            furthest = max(furthest, distance)
            wrong["label"] += not labels
            wrong["number"] += distance > CLOSE
    return wrong, furthest


def _form(answer):
    try:
        form = json.loads(answer.content)
    except (TypeError, ValueError):
        return None
    return form if isinstance(form, dict) and set(form) == {"status", "msg", "results"} else None


def _compare(results, request, labels, chances):
    """(same labels?, largest difference of a probability)."""
    if not request.with_prob:
        return results == labels, 0.0
    found = [one["label"] for one in results]
    pairs = zip((one["probabilities"] for one in results), chances, strict=True)
    distance = max(abs(a - b) for one, other in pairs for a, b in zip(one, other, strict=True))
    return found == labels, distance


def _json(value):
    return json.dumps(value, ensure_ascii=False).encode("utf-8")
