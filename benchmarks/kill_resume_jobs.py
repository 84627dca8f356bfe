"""Runs and jobs for `kill_resume.py`, small disks, and what a run has left."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from paddle_electra.checkpoint import native
from paddle_electra.checkpoint.runs import list_checkpoints
from paddle_electra.training.log import read_log
from paddle_electra.training.state import read_training_state

ROOT = Path(__file__).resolve().parents[1]
CORPUS = ROOT / "paddle_electra" / "assets" / "sample" / "corpus"
ENTRY = Path(__file__).with_name("kill_resume_entry.py")
FAULT = "KILL_RESUME_FAULT"
CLOCK = {"tokens_per_second", "seconds_trained", "flops_utilisation"}


def hparams(data, output, steps, **changes):
    values = {
        "model_size": "tiny",
        "num_hidden_layers": 2,
        "hidden_size": 64,
        "embedding_size": 32,
        "num_attention_heads": 2,
        "generator_hidden_size": 32,
        "train_batch_size": 8,
        "gradient_accumulation_steps": 2,
        "num_train_steps": steps,
        "num_warmup_steps": 10,
        "log_every": 1,
        "eval_every": 10,
        "eval_examples": 64,
        "eval_batch_size": 8,
        "save_checkpoints_steps": 5,
        "visualdl": False,
        "device": "cpu",
        "data": str(data),
        "output": str(output),
    }
    return {**values, **changes}


def build_shards(root):
    """Shards of the packaged sample, with a vocabulary of its own."""
    vocab, shards = root / "vocab.txt", root / "shards"
    for words in (
        ["vocab", "--vocab-size", "2000", "--output", vocab],
        ["data", "build", "--vocab", vocab, "--max-seq-length", "64", "--output", shards],
    ):
        call = [sys.executable, "-m", "paddle_electra", *map(str, words), "--input", str(CORPUS)]
        subprocess.run(call, check=True, capture_output=True, cwd=ROOT)
    return shards


class Job:
    """One start of a run.

    Args:
        hparams: of the run.
        processes: 1, or more under Paddle's launcher.
        folder: a new one, for what the job says.
        fault: for `kill_resume_entry.Fault`, or None.
    """

    def __init__(self, hparams, processes, folder, fault=None, threads=1):
        folder.mkdir(parents=True)
        self.folder, self.processes = folder, processes
        self.marker = folder / "fault"
        words = [str(ENTRY), "pretrain", "--hparams", json.dumps(hparams)]
        if processes > 1:
            launcher = ["-m", "paddle.distributed.launch", "--nproc_per_node", str(processes)]
            words = [*launcher, "--log_dir", str(folder / "logs"), *words]
        clean = {k: v for k, v in os.environ.items() if not k.startswith("PADDLE_TRAINER")}
        environment = {**clean, "OMP_NUM_THREADS": str(threads)}
        if fault is not None:
            environment[FAULT] = json.dumps({**fault, "marker": str(self.marker)})
        with open(folder / "said", "w", encoding="utf-8") as said:
            self.process = subprocess.Popen(
                [sys.executable, *words], env=environment, stdout=said, stderr=said
            )
        self.known = {}  # number of a process -> its rank
        self.struck, self.seconds = time.monotonic(), None  # until all had ended

    def look(self):
        """Note the ranks of the job, which are sessions of their own under the launcher."""
        if self.processes == 1:
            self.known[self.process.pid] = 0
            return
        with contextlib.suppress(OSError):
            task = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
            for number in map(int, task.read_text().split()):
                environment = Path(f"/proc/{number}/environ").read_bytes()
                rank = re.search(rb"\0PADDLE_TRAINER_ID=(\d+)\0", environment)
                if rank:
                    self.known[number] = int(rank[1])

    def rank(self, wanted):
        """The number of the process of a rank."""
        return next(number for number, rank in self.known.items() if rank == wanted)

    def wait_for(self, what, seconds=240):
        """Wait until ``what()`` is true; false when the job ended before."""
        deadline = time.monotonic() + seconds
        while not what():
            if self.process.poll() is not None:
                return bool(what())
            if time.monotonic() > deadline:
                self.kill_all()
                raise SystemExit(f"{self.folder}: nothing happened for {seconds} s")
            time.sleep(0.005)
        self.look()
        return True

    def kill_all(self):
        """SIGKILL to the launcher and every rank."""
        self.look()
        self.strike()
        for number in (self.process.pid, *self.known):
            if number in self.known or self.process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)

    def wait_for_end(self, seconds=120):
        """Wait until every process of the job has ended."""
        began = time.monotonic()
        while self.process.poll() is None or any(map(_lives, self.known)):
            if self.process.poll() is None:
                self.look()
            if time.monotonic() - began > seconds:
                self.kill_all()
                raise SystemExit(f"{self.folder}: still running after {seconds} s")
            time.sleep(0.01)
        if self.seconds is None:
            self.seconds = time.monotonic() - self.struck

    def strike(self):
        """It is now that something is done to the job."""
        self.struck = time.monotonic()

    @property
    def code(self):
        return self.process.returncode

    def said(self):
        """Everything that the job and its ranks printed."""
        paths = [self.folder / "said", *sorted(self.folder.glob("logs/workerlog.*"))]
        return "\n".join(path.read_text("utf-8", "replace") for path in paths)

    def named_logs(self):
        """The logs of ranks that the launcher says have failed."""
        lines = (self.folder / "said").read_text("utf-8", "replace").splitlines()
        failed = [line for line in lines if line.startswith("Container rank")]
        return [int(rank) for line in failed for rank in re.findall(r"workerlog\.(\d+)", line)]


def _lives(number):
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@contextlib.contextmanager
def small_disk(root, megabytes):
    """A file system of that size at ROOT/disk: yields its folder and what it is, or None twice."""
    image, folder = root / "disk.img", root / "disk"
    folder.mkdir()
    ways = {
        "ext4 in a file": ["mount", "-o", "loop", str(image), str(folder)],
        "tmpfs": ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)],
    }
    with open(image, "wb") as handle:
        handle.truncate(megabytes << 20)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", str(image)], capture_output=True)
    for kind, words in ways.items():
        if subprocess.run(words, capture_output=True).returncode == 0:
            try:
                yield folder, kind
            finally:
                subprocess.run(["umount", "-l", str(folder)], check=True)
            return
    yield None, None


@contextlib.contextmanager
def filled(folder, free):
    """Fill the disk that ``folder`` is on but for ``free`` bytes."""
    filler = folder / "filler"
    with open(filler, "wb") as handle:
        disk = os.statvfs(folder)
        os.posix_fallocate(handle.fileno(), 0, max(1, disk.f_bavail * disk.f_frsize - free))
    try:
        yield
    finally:
        filler.unlink()


def last_step(output):
    """The step of the newest checkpoint, 0 for none."""
    saved = list_checkpoints(output)
    return saved[-1][0] if saved else 0


def steps_logged(output):
    """How many steps the log has now, whatever a kill did to its last line."""
    log = output / "log.jsonl"
    return log.read_text("utf-8").count('"kind": "train"') if log.exists() else 0


def entries(output):
    """The log without what depends on the clock."""
    return [
        {key: value for key, value in entry.items() if key not in CLOCK}
        for entry in read_log(output / "log.jsonl")
    ]


def unreadable(output):
    """What is wrong with the checkpoints that are listed: texts."""
    wrong = []
    for step, folder in list_checkpoints(output):
        try:
            loaded = native.load(folder)
            for half in (loaded.discriminator, loaded.generator):
                for name in half:
                    half[name]
            keys = ("sums", "totals", "pending", "scaler")
            if read_training_state(folder, keys)[1]["step"] != step:
                wrong.append(f"{folder.name}: of another step")
        except Exception as error:
            wrong.append(f"{folder.name}: {error!r}")
    return wrong


def content(path):
    """The bytes of a file of a checkpoint, but for the seconds in its state."""
    if path.name != "training.json":
        return path.read_bytes()
    state = json.loads(path.read_text("utf-8"))
    state["totals"].pop("seconds_trained")
    state["sums"].pop("seconds", None)
    state.pop("peak", None)
    return state


def differences(run, whole):
    """Names of what two finished runs do not share: log, samples, every file of checkpoints of the
    same step."""
    found = []
    if entries(run) != entries(whole):
        found.append("log.jsonl")
    if [name.name for name in run.rglob(".*")]:
        found.append("leftovers of killed processes")
    pairs = [(run / "samples", whole / "samples")]
    steps = dict(list_checkpoints(run))
    pairs += [(steps[n], folder) for n, folder in list_checkpoints(whole) if n in steps]
    for ours, theirs in pairs:
        names = [sorted(path.name for path in folder.iterdir()) for folder in (ours, theirs)]
        if names[0] != names[1]:
            found.append(f"the names in {ours.name}")
            continue
        changed = (name for name in names[0] if content(ours / name) != content(theirs / name))
        found += [f"{ours.name}/{name}" for name in changed]
    if max(steps, default=0) != last_step(whole):
        found.append("the last checkpoint")
    return found


def two_threads(data, root):
    """Is the same training the same to the last bit with two threads?  Markdown."""
    rows = []
    for threads in (1, 2):
        logs, weights = [], []
        for number in range(3):
            output = root / f"threads-{threads}-{number}"
            larger = {"hidden_size": 256, "num_attention_heads": 4, "train_batch_size": 32}
            values = hparams(data, output, 30, **larger, save_checkpoints_steps=30)
            job = Job(values, 1, root / f"threads-job-{threads}-{number}", threads=threads)
            job.wait_for_end(1800)
            logs.append(json.dumps(entries(output)))
            weights.append(next(output.glob("checkpoints/*/discriminator.safetensors")))
        different = len(set(logs)), len({path.read_bytes() for path in weights})
        rows.append(f"| {threads} | {different[0]} | {different[1]} |")
    return (
        "\n## Threads\n\nThree runs of 30 steps of the same settings with two layers of width 256, "
        "32 examples a step, in one process: how many different ones there are among them.\n\n"
        "| OMP_NUM_THREADS | different logs | different weights |\n|---|---|---|\n"
        + "\n".join(rows)
        + "\n"
    )
