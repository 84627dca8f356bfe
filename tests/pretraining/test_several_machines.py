"""Two launchers that find each other at an address, as those of two machines do."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from launched import ENTRY, environment
from small_run import QUIET, SMALL

from paddle_electra.config import from_dict
from paddle_electra.pretraining import run as pretraining
from paddle_electra.pretraining.options import PretrainOptions
from paddle_electra.training.log import read_log
from paddle_electra.training.pulse import MISSES

pytestmark = pytest.mark.slow
INTERVAL = 0.25  # seconds between signs of life


class Machine:
    """A launcher with one process."""

    def __init__(self, rank, port, values, logs):
        self.logs = logs / f"machine-{rank}"
        launcher = ["-m", "paddle.distributed.launch", "--nnodes", "2", "--rank", str(rank)]
        launcher += ["--master", f"127.0.0.1:{port}", "--nproc_per_node", "1"]
        words = [*launcher, "--log_dir", str(self.logs), str(ENTRY), "pretrain"]
        self.process = subprocess.Popen(
            [sys.executable, *words, "--hparams", json.dumps(values)],
            env=environment(TEST_PULSE_INTERVAL=str(INTERVAL)),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def said(self):
        return "\n".join(path.read_text("utf-8") for path in sorted(self.logs.glob("workerlog.*")))

    def kill(self):
        """As when the machine loses its power, but that its connections are closed."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        ranks = children.read_text().split() if children.exists() else []
        for number in (self.process.pid, *map(int, ranks)):  # the launcher ends no rank then
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        self.process.wait()


@contextlib.contextmanager
def machines(values, logs):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    both = [Machine(rank, port, values, logs) for rank in range(2)]
    try:
        yield both
    finally:
        for machine in both:
            machine.kill()


def hparams(shards, output, **changes):
    return {**SMALL, **QUIET, "data": str(shards), "output": str(output), **changes}


def test_two_machines_train_as_one(shards, tmp_path):
    pretraining.run(from_dict(PretrainOptions, hparams(shards, tmp_path / "one")))
    with machines(hparams(shards, tmp_path / "two"), tmp_path) as both:
        codes = [machine.process.wait(200) for machine in both]
        assert codes == [0, 0], "\n".join(machine.said() for machine in both)[-4000:]
    one, two = (read_log(tmp_path / name / "log.jsonl") for name in ("one", "two"))
    assert [(e["kind"], e["step"]) for e in one] == [(e["kind"], e["step"]) for e in two]
    for key in ("loss", "mlm_loss", "discriminator_loss"):
        ours, theirs = ([e[key] for e in log if key in e] for log in (two, one))
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, err_msg=key)
        assert len(ours) >= SMALL["num_train_steps"]


def test_a_machine_that_is_gone_ends_the_job_of_the_other(shards, tmp_path):
    values = hparams(shards, tmp_path / "run", num_train_steps=100_000, num_warmup_steps=10)
    with machines(values, tmp_path) as (first, second):
        log, end = tmp_path / "run" / "log.jsonl", time.monotonic() + 120
        while not log.exists() or len(read_log(log)) < 5:
            assert time.monotonic() < end and first.process.poll() is None, first.said()[-4000:]
            time.sleep(0.2)
        second.kill()
        assert first.process.wait(MISSES * INTERVAL + 90) != 0
        said = first.said()
        assert "process 1 has given no sign of life" in said or "has ended" in said
