import http.client
import json
import multiprocessing
import os
import signal
import socket
import threading
import time

import pytest
from flask import Flask, request

from paddle_electra.errors import InputError
from paddle_electra.serving.server import Server

PATIENCE = 30


class Running:
    """A `Server` in a thread; ``held`` requests wait for ``go``."""

    def __init__(self, **named):
        self.go, self.entered = threading.Event(), threading.Semaphore(0)
        app = Flask(__name__)

        @app.post("/echo")
        def echo():
            return request.get_data()

        @app.get("/held")
        def held():
            self.entered.release()
            assert self.go.wait(PATIENCE)
            return "done"

        self.server = Server(app, "127.0.0.1", 0, **named)
        self.thread = threading.Thread(target=self.server.run)
        self.thread.start()

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=PATIENCE)

    def ask(self, method, path, body=None):
        connection = self.connect()
        connection.request(method, path, body)
        return connection.getresponse().read()

    def end(self):
        self.go.set()
        self.server.stop()
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive()


@pytest.fixture
def running(request):
    started = Running(**getattr(request, "param", {}))
    yield started
    started.end()


def hold(running, count):
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(running.ask("GET", "/held")))
        for _ in range(count)
    ]
    for thread in threads:
        thread.start()
    return threads, found


def join(threads):
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_a_large_body_and_several_at_once(running):
    threads, found = hold(running, 3)
    for _ in range(3):
        assert running.entered.acquire(timeout=PATIENCE)
    body = os.urandom(1 << 20)
    assert running.ask("POST", "/echo", body) == body
    running.go.set()
    join(threads)
    assert found == [b"done"] * 3


@pytest.mark.parametrize("running", [{"threads": 2}], indirect=True)
def test_threads_have_a_bound_and_the_rest_waits(running):
    threads, found = hold(running, 5)
    for _ in range(2):
        assert running.entered.acquire(timeout=PATIENCE)
    assert not running.entered.acquire(timeout=0.3), "a third request is read"
    running.go.set()
    join(threads)
    assert found == [b"done"] * 5


def test_the_end_does_not_break_off_answers(running):
    threads, found = hold(running, 2)
    for _ in range(2):
        assert running.entered.acquire(timeout=PATIENCE)
    running.server.stop()
    running.go.set()
    running.thread.join(PATIENCE)
    join(threads)
    assert found == [b"done"] * 2
    with pytest.raises(OSError):
        running.ask("GET", "/held")


@pytest.mark.parametrize("running", [{"threads": 1, "read_seconds": 0.2}], indirect=True)
def test_a_client_that_says_nothing_is_given_up(running):
    with socket.create_connection(("127.0.0.1", running.server.port), PATIENCE) as silent:
        silent.sendall(b"POST /echo HTTP/1.1\r\nContent-Length: 9\r\n")
        assert running.ask("POST", "/echo", b"later") == b"later"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it(number):
    before = signal.getsignal(number)
    server = Server(Flask(__name__), "127.0.0.1", 0)
    timer = threading.Timer(0.1, os.kill, (os.getpid(), number))
    timer.start()
    server.run_until_told()
    timer.join()
    assert signal.getsignal(number) == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_does_not_take_signals_for_the_servers():
    server, codes = Server(Flask(__name__), "127.0.0.1", 0), []
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()

    def child():
        there.send("begun")  # before it, Python forgets signals
        time.sleep(PATIENCE)

    def fork():
        process = context.Process(target=child)
        process.start()
        assert here.poll(PATIENCE)
        process.terminate()
        process.join()
        codes.append(process.exitcode)
        os.kill(os.getpid(), signal.SIGTERM)

    timer = threading.Timer(0.1, fork)
    timer.start()
    server.run_until_told()
    timer.join()
    assert codes == [-signal.SIGTERM]


def test_an_address_that_cannot_be_had_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"127.0.0.1, port {port}: cannot listen there: in u"):
            Server(Flask(__name__), "127.0.0.1", port)
    with pytest.raises(InputError, match="cannot listen there"):
        Server(Flask(__name__), "192.0.2.1", 0)
    with pytest.raises(InputError, match="port 70000: expected 0 to 65535"):
        Server(Flask(__name__), "127.0.0.1", 70000)
    with pytest.raises(InputError, match="host: empty"):
        Server(Flask(__name__), "", 0)


def test_json_of_two_clients_does_not_mix(running):
    wrong = []

    def client(number):
        for turn in range(50):
            body = json.dumps([number, turn] * 50).encode()
            if running.ask("POST", "/echo", body) != body:
                wrong.append((number, turn))

    threads = [threading.Thread(target=client, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    join(threads)
    assert wrong == []
