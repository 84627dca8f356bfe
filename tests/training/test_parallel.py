import os
import socket
import subprocess
import sys
import threading
import time

import paddle
import pytest
from paddle.distributed import fleet

from paddle_electra.training import pulse
from paddle_electra.training.parallel import join_world, place_on_machine, set_connections


@pytest.mark.skipif(sys.platform != "linux", reason="lists its files in /proc")
def test_connections_are_prompt_and_notice_a_machine_that_vanished():
    """Each of the store's many small pieces would wait for the one before it to be acknowledged."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as ours,
        server.accept()[0] as theirs,
    ):
        ends = (ours, theirs)
        options = [
            (socket.IPPROTO_TCP, socket.TCP_NODELAY),
            (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT),
            (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
        ]
        assert not any(end.getsockopt(*option) for end in ends for option in options)
        set_connections()
        assert all(end.getsockopt(*option) for end in ends for option in options)
        ours.sendall(b"still open")
        assert theirs.recv(10) == b"still open"


@pytest.mark.parametrize(
    ("variables", "place"),
    [
        ({}, (0, 1)),
        ({"TRAINERS_NUM": 16, "LOCAL_RANK": 3, "LOCAL_SIZE": 8}, (3, 8)),
        ({"TRAINERS_NUM": 1, "LOCAL_RANK": 0, "LOCAL_SIZE": 2}, (0, 1)),  # left by another job
    ],
)
def test_the_place_on_a_machine(monkeypatch, variables, place):
    for name in ("TRAINERS_NUM", "LOCAL_RANK", "LOCAL_SIZE"):
        monkeypatch.delenv(f"PADDLE_{name}", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(f"PADDLE_{name}", str(value))
    assert place_on_machine() == place


@pytest.mark.parametrize(("device", "backend"), [("cpu", "gloo"), ("gpu:0", None)])
def test_the_chosen_device_says_who_carries_the_gradients(monkeypatch, device, backend):
    class JoinedError(Exception):
        pass

    def init(**_):
        raise JoinedError(os.environ.get("PADDLE_DISTRI_BACKEND"))

    monkeypatch.setenv("PADDLE_TRAINERS_NUM", "2")
    monkeypatch.setenv("PADDLE_DISTRI_BACKEND", "")  # to be put back at the end
    monkeypatch.delenv("PADDLE_DISTRI_BACKEND")
    monkeypatch.setattr(paddle.device, "get_device", lambda: device)
    monkeypatch.setattr(fleet, "init", init)
    with pytest.raises(JoinedError) as joined:
        join_world.__wrapped__()
    assert joined.value.args == (backend,)


class Store:
    """Counters of a job of threads."""

    def __init__(self):
        self.counters, self.lock, self.broken = {}, threading.Lock(), False

    def add(self, key, number):
        with self.lock:
            if self.broken:
                raise RuntimeError("connection reset by peer")
            self.counters[key] = self.counters.get(key, 0) + number
            return self.counters[key]


@pytest.fixture
def job(monkeypatch):
    """(store, pulses of three ranks, {rank: what it ended with})."""
    monkeypatch.setattr(pulse, "INTERVAL", 0.02)
    store, ended = Store(), {}
    monkeypatch.setattr(pulse.Pulse, "_end", lambda self, said: ended.update({self.rank: said}))
    pulses = [pulse.Pulse(rank, 3, lambda: store, 0.0) for rank in range(3)]
    yield store, pulses, ended
    for one in pulses:
        one.stop()


def wait_for(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_processes_that_live_leave_one_another_alone(job):
    store, _, ended = job
    signs = [f"paddle-electra/pulse/{rank}" for rank in range(3)]
    wait_for(lambda: all(store.counters.get(key, 0) > 2 * pulse.MISSES for key in signs))
    assert ended == {}


def test_a_silent_process_ends_all_others(job):
    _, pulses, ended = job
    pulses[1].stop()  # as if it had died: it signs no more
    wait_for(lambda: len(ended) == 2)
    assert ended[0].startswith("process 1 has given no sign of life for ")
    assert ended[2] == "another process of this job has ended"


def test_a_lost_store_ends_all(job):
    store, _, ended = job
    store.broken = True
    wait_for(lambda: len(ended) == 3)
    assert ended[2] == "lost the connection to process 0: connection reset by peer"


ENDING = """
import sys, time
from paddle_electra.training import pulse
pulse.INTERVAL = 0.01
class Store:
    def add(self, key, number):
        return 0
one = pulse.Pulse(0, 2, Store, 0.2)
if sys.argv[1] == "stopped":
    time.sleep(pulse.MISSES * pulse.INTERVAL + 0.1)
    one.stop()
    time.sleep(0.5)
else:
    time.sleep(60)
"""


@pytest.mark.parametrize(("how", "code"), [("left", 2), ("stopped", 0)])
def test_the_process_ends_though_its_main_thread_hangs_unless_it_leaves(how, code):
    done = subprocess.run(
        [sys.executable, "-c", ENDING, how], capture_output=True, text=True, env={**os.environ}
    )
    assert done.returncode == code
    assert ("process 1 has given no sign of life" in done.stderr) == (how == "left")
