"""Who takes part in `speed_pretraining`, and their processes."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from record import user_environment
from speed_pretraining_worker import die_with_parent

from paddle_electra.runtime import fast_products

WORKER = Path(__file__).with_name("speed_pretraining_worker.py")
PATIENCE = 900  # seconds for a start or an answer

MKL = fast_products(Path("/proc/cpuinfo").read_text("utf-8", "replace"))
SAME = {"MKL_DEBUG_CPU_TYPE": MKL} if MKL else {}  # and OMP_NUM_THREADS
# What `paddle_electra.runtime` tells glibc from inside the process, as environment variables.
KEPT = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1),
}


class Contestant(NamedTuple):
    """One line of the table."""

    name: str
    kind: str  # of `speed_pretraining_worker.KINDS`
    settings: dict = {}  # noqa: RUF012  those of `Settings` that are its own
    processes: int = 1
    threads: int = 2  # of each process; 0: the framework's default
    environment: dict | None = SAME  # None: nothing is set


PADDLENLP = Contestant("PaddleNLP", "PaddleNLP")
TORCH = Contestant("PyTorch", "PyTorch")

ON_CPU = (
    Contestant("ours, padded", "ours"),
    Contestant("ours, packed", "ours", {"layout": "packed"}),
    Contestant("ours, unpadded", "ours", {"layout": "unpadded"}),
    Contestant("ours, padded, two processes", "ours", {}, 2, 1),
    Contestant("ours, packed, two processes", "ours", {"layout": "packed"}, 2, 1),
    Contestant("ours, unpadded, two processes", "ours", {"layout": "unpadded"}, 2, 1),
    Contestant("ours, padded, Paddle's kernels", "ours", {"kernels": False}),
    PADDLENLP,
    TORCH,
)
APART_ON_CPU = (
    PADDLENLP._replace(name="PaddleNLP, default environment", threads=0, environment=None),
    TORCH._replace(name="PyTorch, default environment", threads=0, environment=None),
    PADDLENLP._replace(name="PaddleNLP, freed memory kept", environment=SAME | KEPT),
    TORCH._replace(name="PyTorch, freed memory kept", environment=SAME | KEPT),
    PADDLENLP._replace(name="PaddleNLP, large generator", settings={"large_generator": True}),
)


def _on_gpu(name, kind, precision, **settings):
    return Contestant(name, kind, {"device": "gpu", "precision": precision, **settings})


ON_GPU = (
    _on_gpu("ours, bf16, unpadded", "ours", "bf16", layout="unpadded"),
    _on_gpu("ours, bf16, padded", "ours", "bf16"),
    _on_gpu("ours, fp16, unpadded", "ours", "fp16", layout="unpadded"),
    _on_gpu("ours, float32, padded", "ours", "float32"),
    _on_gpu("PaddleNLP", "PaddleNLP", "bf16"),
    _on_gpu("PyTorch", "PyTorch", "bf16"),
)
APART_ON_GPU = (
    _on_gpu("PaddleNLP, fp16", "PaddleNLP", "fp16"),
    _on_gpu("PyTorch, fp16", "PyTorch", "fp16"),
    _on_gpu("PaddleNLP, float32", "PaddleNLP", "float32"),
    _on_gpu("PyTorch, float32", "PyTorch", "float32"),
)


class Failed(Exception):
    """A contestant's process ended or did not answer; the text has the end of its log."""


class Running:
    """A contestant's processes, warmed up.  They are stopped (SIGSTOP) until they are asked, so
    that no thread of any library takes time from the others.

    Args:
        contestant: `Contestant`.
        common: the `Settings` that all have, as a dict.
        folder: for sockets and logs.
    Attributes:
        about: what `speed_pretraining_worker.warm_up` says, or {"skipped": why}.
    Raises:
        Failed: it did not start.
    """

    def __init__(self, contestant, common, folder):
        self.contestant = contestant
        self.folder = folder / "".join(c if c.isalnum() else "-" for c in contestant.name)
        self.folder.mkdir()
        self._streams, self._pids = {}, []  # rank: its lines
        address = str(self.folder / "socket")
        settings = json.dumps({**common, **contestant.settings, "threads": contestant.threads})
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(address)
            listener.listen(contestant.processes)
            listener.settimeout(1.0)
            self._process = self._start(address, settings)
            try:
                self._accept(listener)
                self.about = self._answers()[0]
                if "skipped" not in self.about:
                    self._signal(signal.SIGSTOP)
            except BaseException:
                self._process.kill()
                raise

    def _start(self, address, settings):
        threads = self.contestant.threads
        environment = user_environment("PADDLE_")
        environment |= self.contestant.environment or {}
        if threads:
            environment["OMP_NUM_THREADS"] = str(threads)
        command = [sys.executable]
        if self.contestant.processes > 1:
            command += ["-m", "paddle.distributed.launch", "--log_dir", str(self.folder)]
            command += ["--nproc_per_node", str(self.contestant.processes)]
        with open(self.folder / "log", "w") as log:
            return subprocess.Popen(
                [*command, str(WORKER), address, self.contestant.kind, settings],
                env=environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=die_with_parent,
            )

    def _accept(self, listener):
        deadline = time.monotonic() + PATIENCE
        while len(self._streams) < self.contestant.processes:
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise self._failure() from None
                continue
            connection.settimeout(PATIENCE)
            stream = connection.makefile("rw", encoding="utf-8")
            connection.close()  # the stream keeps it open
            hello = json.loads(stream.readline())
            self._streams[hello["rank"]] = stream
            self._pids.append(hello["pid"])
        if self._process.pid not in self._pids:  # the launcher
            self._pids.append(self._process.pid)

    def _signal(self, number):
        for pid in self._pids:
            os.kill(pid, number)

    def _answers(self):
        """[what rank 0 says, what rank 1 says, ...]"""
        found = []
        for rank in sorted(self._streams):
            try:
                line = self._streams[rank].readline()
            except (TimeoutError, OSError):
                line = ""
            if not line:
                raise self._failure()
            found.append(json.loads(line))
        return found

    def _failure(self):
        logs = [*sorted(self.folder.glob("workerlog.*")), self.folder / "log"]
        said = "\n".join(log.read_text("utf-8", "replace")[-3000:] for log in logs)
        return Failed(f"{self.contestant.name} ended or did not answer:\n{said}")

    def ask(self, what, **arguments):
        """[answer of each rank] to a request of `speed_pretraining_worker.serve`."""
        self._signal(signal.SIGCONT)
        for stream in self._streams.values():
            stream.write(json.dumps({"do": what, **arguments}) + "\n")
            stream.flush()
        answers = self._answers()
        self._signal(signal.SIGSTOP)
        return answers

    def close(self):
        """End it: nothing more can be read from the sockets."""
        if self._process.poll() is None:
            self._signal(signal.SIGCONT)
        for stream in self._streams.values():
            stream.close()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
