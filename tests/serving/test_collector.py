import multiprocessing
import os
import threading

import pytest

from paddle_electra.serving.collector import Busy, Collector

PATIENCE = 30  # seconds after which a test that hangs fails


class Gate:
    """A ``run`` that waits to be let through, and keeps what it was called with."""

    def __init__(self):
        self.calls, self.open, self.entered = [], threading.Semaphore(0), threading.Semaphore(0)

    def __call__(self, key, items):
        self.calls.append((key, list(items)))
        self.entered.release()
        assert self.open.acquire(timeout=PATIENCE)
        if "bad" in items:
            raise ValueError("bad item")
        return [f"{key}:{item}" for item in items]


class Asking(threading.Thread):
    """A request in a thread of its own."""

    def __init__(self, collector, key, items):
        super().__init__(daemon=True)
        self.collector, self.key, self.items = collector, key, items
        self.answers = self.error = None
        self.start()

    def run(self):
        try:
            self.answers = self.collector.ask(self.key, self.items)
        except Exception as error:
            self.error = error

    def end(self):
        self.join(PATIENCE)
        assert not self.is_alive()
        return self.answers if self.error is None else self.error


def until(condition):
    """Wait for another thread."""
    waiting = threading.Event()
    for _ in range(PATIENCE * 200):
        if condition():
            return
        waiting.wait(0.005)
    pytest.fail("another thread did not get there")


def ask_while_busy(collector, gate, requests):
    """Start one request, then ``requests`` one by one while it is at work; all as `Asking`."""
    first = Asking(collector, "first", ["0"])
    assert gate.entered.acquire(timeout=PATIENCE)
    asking = [first]
    for number, (key, items) in enumerate(requests, 1):
        asking.append(Asking(collector, key, items))
        until(lambda number=number: len(collector) == number)
    return asking


def test_what_gathers_is_answered_together_and_does_not_mix():
    gate = Gate()
    collector = Collector(gate)
    requests = [("a", ["1", "2"]), ("b", ["3"]), ("a", ["4"]), ("a", [])]
    asking = ask_while_busy(collector, gate, requests)
    gate.open.release(3)
    assert [one.end() for one in asking] == [["first:0"], ["a:1", "a:2"], ["b:3"], ["a:4"], []]
    assert gate.calls == [("first", ["0"]), ("a", ["1", "2", "4"]), ("b", ["3"])]
    assert collector.batches == 3


def test_an_error_reaches_its_own_request_only():
    gate = Gate()
    collector = Collector(gate)
    asking = ask_while_busy(collector, gate, [("a", ["1"]), ("a", ["bad"]), ("a", ["2"])])
    gate.open.release(5)
    first, one, bad, two = (asked.end() for asked in asking)
    assert (first, one, two) == (["first:0"], ["a:1"], ["a:2"])
    assert isinstance(bad, ValueError)


def test_a_wrong_number_of_answers_is_an_error_for_all():
    collector = Collector(lambda key, items: ["one too many", *items])
    with pytest.raises(RuntimeError, match="2 answers"):
        collector.ask("a", ["1"])


def test_a_batch_has_a_size_and_large_requests_their_own():
    gate = Gate()
    collector = Collector(gate, batch_items=3)
    requests = [("a", ["1", "2"]), ("a", ["3", "4"]), ("a", ["5"]), ("a", ["6"] * 9)]
    asking = ask_while_busy(collector, gate, requests)
    gate.open.release(9)
    for one in asking:
        assert len(one.end()) == len(one.items)
    assert [items for _, items in gate.calls[1:]] == [["1", "2", "5"], ["3", "4"], ["6"] * 9]


def test_a_full_queue_is_said_at_once():
    gate = Gate()
    collector = Collector(gate, queue=2)
    asking = ask_while_busy(collector, gate, [("a", ["1"]), ("a", ["2"])])
    with pytest.raises(Busy, match="busy: 2 requests are waiting already; try again"):
        collector.ask("a", ["3"])
    gate.open.release(9)
    assert [one.end() for one in asking] == [["first:0"], ["a:1"], ["a:2"]]


def test_waiting_has_an_end_and_leaves_no_trace():
    gate = Gate()
    collector = Collector(gate, wait=0.05)
    first = Asking(collector, "first", ["0"])
    assert gate.entered.acquire(timeout=PATIENCE)
    with pytest.raises(Busy, match=r"no turn within 0\.05 seconds"):
        collector.ask("a", ["1"])
    gate.open.release(9)
    assert first.end() == ["first:0"], "what is at work is not given up"
    assert collector.ask("a", ["2"]) == ["a:2"]
    assert [items for _, items in gate.calls] == [["0"], ["2"]]


def test_companions_are_waited_for_after_a_batch_of_several():
    """With a window that no test would sit out: a lone request must not, three must share."""
    gate = Gate()
    collector = Collector(gate, window=PATIENCE * 10)
    gate.open.release(99)
    assert collector.ask("a", ["alone"]) == ["a:alone"]
    assert collector.ask("a", ["alone again"]) == ["a:alone again"]

    gate = Gate()
    collector = Collector(gate, window=PATIENCE * 10)
    asking = ask_while_busy(collector, gate, [("a", ["1"]), ("a", ["2"]), ("a", ["3"])])
    gate.open.release(99)
    assert [one.end() for one in asking] == [["first:0"], ["a:1"], ["a:2"], ["a:3"]]
    again = [Asking(collector, "a", [str(number)]) for number in range(3)]
    assert [one.end() for one in again] == [["a:0"], ["a:1"], ["a:2"]]
    assert sorted(gate.calls[-1][1]) == ["0", "1", "2"]


def test_closing_answers_what_waits():
    gate = Gate()
    collector = Collector(gate)
    asking = ask_while_busy(collector, gate, [("a", ["1"])])
    closing = threading.Thread(target=collector.close)
    closing.start()
    gate.open.release(9)
    closing.join(PATIENCE)
    assert [one.end() for one in asking] == [["first:0"], ["a:1"]]
    with pytest.raises(Busy, match="being stopped"):
        collector.ask("a", ["2"])


def test_many_threads_get_their_own_answers():
    collector = Collector(lambda key, items: [(key, item) for item in items], queue=64)
    start, wrong = threading.Barrier(16), []

    def client(number):
        start.wait(PATIENCE)
        for turn in range(200):
            key, items = (number + turn) % 3, [(number, turn, i) for i in range(turn % 4)]
            if collector.ask(key, items) != [(key, item) for item in items]:
                wrong.append((number, turn))

    threads = [threading.Thread(target=client, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    assert wrong == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_answers_for_itself():
    gate = Gate()
    collector = Collector(gate)
    asking = ask_while_busy(collector, gate, [("a", ["1"])])

    def child(pipe):
        gate.open.release(9)
        pipe.send((len(collector), collector.ask("b", ["2"])))

    here, there = multiprocessing.get_context("fork").Pipe()
    process = multiprocessing.get_context("fork").Process(target=child, args=(there,))
    process.start()
    assert here.poll(PATIENCE)
    assert here.recv() == (0, ["b:2"])
    process.join(PATIENCE)
    gate.open.release(9)
    assert [one.end() for one in asking] == [["first:0"], ["a:1"]]
