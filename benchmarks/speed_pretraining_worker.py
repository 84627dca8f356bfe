"""One process of a contestant of `speed_pretraining`; started by it.

    python speed_pretraining_worker.py SOCKET KIND SETTINGS

It joins the socket, warms up, and then answers requests, one JSON object a line.
"""

import contextlib
import ctypes
import json
import os
import resource
import signal
import socket
import sys
import time
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from speed_pretraining_data import Settings, Skipped  # noqa: E402

# Modules are loaded by name: each framework is imported in its own contestants' processes only.
KINDS = {
    "ours": ("speed_pretraining_ours", "Ours"),
    "PaddleNLP": ("speed_pretraining_paddlenlp", "PaddleNLP"),
    "PyTorch": ("speed_pretraining_torch", "PyTorch"),
}
WARM_UP = 2  # steps; the first is the one whose losses are compared


def die_with_parent():
    """Have the kernel end this process with its parent: a stopped one would wait for ever."""
    set_parent_death_signal = 1  # number of Linux's prctl.h
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)


def load(kind, settings):
    """The contestant, made."""
    if kind == "ours":
        from paddle_electra.runtime import prepare_environment

        prepare_environment()
    module, name = KINDS[kind]
    return getattr(import_module(module), name)(settings)


def warm_up(contestant):
    """Its first steps; what the report says of it."""
    first = contestant.step(0)
    if hasattr(contestant, "choose_attention"):
        contestant.choose_attention()
    for number in range(1, WARM_UP):
        contestant.step(number)
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w") as handle:
        handle.write("5")  # from here on counts the peak of this process's memory
    return {"mlm": first["mlm"], "rtd": first["rtd"], "note": contestant.note}


def turn(contestant, first, steps):
    """Updates, timed."""
    processor, began = time.process_time(), time.perf_counter()
    done = [contestant.step(number) for number in range(first, first + steps)]
    seconds = time.perf_counter() - began
    return {
        "seconds": seconds,
        "processor": time.process_time() - processor,
        "tokens": sum(values["tokens"] for values in done),
        "flops": sum(values["flops"] for values in done),
        "peak": contestant.peak() or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


def serve(contestant, lines, answer):
    """Answer every request until the socket is closed."""
    for line in lines:
        request = json.loads(line)
        what = request.pop("do")
        if what == "turn":
            answer(**turn(contestant, **request))
        else:
            answer(found=getattr(contestant, what)(**request))


def main():
    die_with_parent()
    address, kind, settings = sys.argv[1:]
    rank = int(os.environ.get("PADDLE_TRAINER_ID", "0"))
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address)
        stream = connection.makefile("rw", encoding="utf-8")

        def answer(**values):
            stream.write(json.dumps(values) + "\n")
            stream.flush()

        answer(rank=rank, pid=os.getpid())
        try:
            contestant = load(kind, Settings(**json.loads(settings)))
        except Skipped as reason:
            answer(skipped=str(reason))
            return
        answer(**warm_up(contestant))
        serve(contestant, stream, answer)


if __name__ == "__main__":
    main()
