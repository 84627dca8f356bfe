"""The queue of ``six_tasks.py``: one ``paddle-electra finetune`` at a time on each GPU."""

import contextlib
import ctypes
import dataclasses
import datetime
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from six_tasks_table import finished_trials

from paddle_electra.errors import InputError
from paddle_electra.files import disk_errors

ROOT = Path(__file__).resolve().parents[1]
_COUNT = (
    "import paddle; "
    "print(paddle.device.cuda.device_count() if paddle.is_compiled_with_cuda() else 0)"
)
# Longest time for a stopped child to save itself.
GRACE_SECONDS = 60
_PR_SET_PDEATHSIG = 1  # of Linux's prctl.h
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None  # a new child should not load it


def visible_gpus(wanted):
    """The GPUs to work on, as CUDA_VISIBLE_DEVICES names them; [""] is the processor.

    Args:
        wanted: "0,1", "none", or None for those that paddle finds.
    Raises:
        InputError: paddle does not find a wanted GPU.
    """
    if wanted == "none":
        return [""]
    given = os.environ.get("CUDA_VISIBLE_DEVICES") if wanted is None else wanted
    names = [name.strip() for name in (given or "").split(",") if name.strip()]
    if wanted is not None and (not names or len(set(names)) < len(names)):
        raise InputError(f"--gpus {wanted}: expected different numbers such as 0,1, or none")
    environment = {**os.environ, **({} if given is None else {"CUDA_VISIBLE_DEVICES": given})}
    done = subprocess.run(
        [sys.executable, "-c", _COUNT], env=environment, capture_output=True, text=True
    )
    count = int(done.stdout.split()[-1]) if done.returncode == 0 else 0
    if wanted is None:
        return (names or [str(number) for number in range(count)])[:count] or [""]
    if count < len(names):
        raise InputError(f"--gpus {wanted}: paddle finds {count} of them; or give none")
    return names


@dataclasses.dataclass(frozen=True)
class Job:
    """One model on one task.

    Attributes:
        model, path: its name and where it is.
        task: name of the task.
        data: folder of the task's files.
        output: ``OUT/runs/MODEL/TASK``.
    """

    model: str
    path: str
    task: str
    data: Path
    output: Path

    @property
    def log(self):
        """The file of the child's messages."""
        return self.output.with_name(f"{self.task}.log")

    def command(self, options):
        """The words of the command line; ``options`` follow those of the job."""
        words = [sys.executable, "-m", "paddle_electra", "finetune", "--task", self.task]
        words += ["--model", self.path, "--data", str(self.data), "--output", str(self.output)]
        return [*words, *options]


def last_error(text):
    """The last line of a child's messages that speaks of an error, else the last one."""
    lines = [line.strip() for line in re.split(r"[\r\n]+", text) if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    return (errors or lines or ["no message"])[-1]


def _die_with(parent):
    """In a new child on Linux: be killed when the parent dies, however it dies."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


@dataclasses.dataclass
class _Child:
    job: Job
    process: subprocess.Popen
    log_start: int  # bytes of the log that are from earlier starts


class Runner:
    """Runs jobs, one at a time on each GPU.

    Args:
        jobs: list of `Job`.
        gpus: what `visible_gpus` gives.
        options: words for every command.
        trials: runs of each job.
        lock: descriptor that the children inherit.
        after: called after each job that ended, and at a stop.
    """

    def __init__(self, jobs, gpus, options, trials, lock, after):
        self.jobs, self.gpus, self.options = jobs, gpus, options
        self.trials, self.lock, self.after = trials, lock, after
        self.waiting, self.children, self.ended = list(jobs), {}, 0
        self.failures = []  # one line for each
        self.signals = 0
        self.began = time.monotonic()
        self.done_before = self._done(jobs)

    def run(self):
        """Run everything that is waiting; the lines of the failures.

        Raises:
            KeyboardInterrupt: SIGINT or SIGTERM came; the children have ended.
        """
        with self._signals_counted():
            try:
                while (self.waiting or self.children) and not self.signals:
                    self._start()
                    time.sleep(0.2)
                    self._collect()
            finally:
                self._stop()
            if self.signals:
                self.after()
                raise KeyboardInterrupt
        return self.failures

    @contextlib.contextmanager
    def _signals_counted(self):
        def count(number, frame):
            del number, frame
            self.signals += 1

        before = {
            number: signal.signal(number, count) for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _start(self):
        for gpu in self.gpus:
            if gpu in self.children or not self.waiting:
                continue
            job = self.waiting.pop(0)
            self.children[gpu] = self._launch(job, gpu)
            self._say(f"start {job.model} {job.task} on {f'GPU {gpu}' if gpu else 'the processor'}")

    def _launch(self, job, gpu):
        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {"CUDA_VISIBLE_DEVICES": gpu, "PYTHONPATH": os.pathsep.join(paths)}
        parent = os.getpid()
        with disk_errors(job.log):
            job.log.parent.mkdir(parents=True, exist_ok=True)
            with open(job.log, "ab") as log:
                process = subprocess.Popen(
                    job.command(self.options),
                    env={**os.environ, **environment},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=(self.lock,),
                    start_new_session=True,  # Ctrl-C reaches it once, through `_stop`
                    preexec_fn=lambda: _die_with(parent),
                )
                return _Child(job, process, log.tell())

    def _collect(self):
        for gpu, child in list(self.children.items()):
            if child.process.poll() is None:
                continue
            del self.children[gpu]
            self.ended += 1
            job, code = child.job, child.process.returncode
            if code == 0:
                self._say(f"done {job.model} {job.task}")
            else:
                with open(job.log, "rb") as log:
                    log.seek(child.log_start)
                    why = last_error(log.read().decode("utf-8", "replace"))
                why = why if code > 0 else f"killed by signal {-code}; {why}"
                self.failures.append(f"{job.model} {job.task}: {why} ({job.log})")
                self._say(f"FAILED {self.failures[-1]}")
            self.after()

    def _stop(self):
        """End the children: an interrupt, so that they tidy up, and after a while SIGKILL."""
        for child in self.children.values():
            self._send(child, signal.SIGINT)
        signals, last = self.signals, time.monotonic() + GRACE_SECONDS
        for child in self.children.values():
            while child.process.poll() is None and time.monotonic() < last:
                if self.signals > signals:  # once more: at once
                    break
                time.sleep(0.05)
            self._send(child, signal.SIGKILL)
            child.process.wait()
        self.children = {}

    def _send(self, child, number):
        if child.process.poll() is None:
            os.killpg(child.process.pid, number)

    def _done(self, jobs):
        return sum(min(self.trials, len(finished_trials(job.output))) for job in jobs)

    def _say(self, what):
        """One line of progress with the time that the trials so far let expect."""
        elapsed = time.monotonic() - self.began
        done = self._done(self.jobs)
        text = f"[{self.ended}/{len(self.jobs)}] {what}; {_clock(elapsed)} elapsed"
        if done > self.done_before and self.ended < len(self.jobs):
            pending = [*self.waiting, *(child.job for child in self.children.values())]
            left = self.trials * len(pending) - self._done(pending)
            text += f", about {_clock(elapsed * left / (done - self.done_before))} left"
        print(text, flush=True)


def _clock(seconds):
    return str(datetime.timedelta(seconds=round(seconds)))
