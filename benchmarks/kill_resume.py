"""End pretraining in every way there is, start it again, and compare with an uninterrupted run.

    OMP_NUM_THREADS=1 python benchmarks/kill_resume.py --processes 1 2 --kills 25 --output RESULT.md

Dropout is on and gradients are accumulated.  What is done to the run is drawn by ``--seed`` from

    kill        SIGKILL to all processes, at a random moment
    settings    SIGKILL to all while the settings of the run are being written; the first
    load        SIGKILL or SIGTERM to the job while a checkpoint is being loaded
    term        SIGTERM to the job (the launcher, or the one process) at a random moment
    save        SIGKILL to all inside a save or a rotation, at a point of `kill_resume_entry.py`
    term-save   SIGTERM to the job at such a point
    full        the operating system's "disk full", simulated, at such a point
    disk        a disk that is really full, to a random byte, when the save comes
    eval        SIGKILL to all in an evaluation
    term-eval   SIGTERM to the job in an evaluation
    log         SIGKILL in the middle of a line of the log

and on several processes, where "all" is the launcher and its ranks, also

    rank        SIGKILL to one rank alone, at a random moment
    rank-save   SIGKILL to the rank that writes, inside a save, or to another one meanwhile
    launcher    SIGKILL to the launcher alone

After each, every checkpoint must load completely.  In the end the log must have, for every step and
evaluation, exactly the numbers of the uninterrupted run, and the checkpoints must be the same byte
for byte, but for times.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from kill_resume_entry import RENAMES, WRITES  # noqa: E402
from kill_resume_jobs import (  # noqa: E402
    Job,
    build_shards,
    differences,
    filled,
    hparams,
    last_step,
    small_disk,
    steps_logged,
    two_threads,
    unreadable,
)
from record import header  # noqa: E402

from paddle_electra.checkpoint.runs import checkpoint_folder  # noqa: E402
from paddle_electra.files import atomic_write  # noqa: E402

KINDS = ["kill", "save", "term", "full", "eval", "term-save", "disk", "log", "term-eval", "load"]
SEVERAL = ["rank", "rank-save", "launcher"]
DISK = 96  # megabytes
REFUSED, INTERRUPTED = 2, 130
SPREAD = 6  # steps, at most, until a kill at a random moment


class Killer:
    """Starts the run again and again, and ends it each time in another way.

    Args:
        arguments: of the command line.
        processes: of every job.
        data, root, output: folders of the shards, of what the jobs say, and of the run.
        disk: what file system the run is on, if it is a small one.
        size: bytes of a checkpoint.
    """

    def __init__(self, arguments, processes, data, root, output, disk, size):
        self.rng = random.Random(arguments.seed)
        self.arguments, self.processes, self.data, self.root = arguments, processes, data, root
        self.output, self.disk, self.size = output, disk, size
        self.rows, self.stops, self.wrong = [], [], []

    @property
    def _several(self):
        return self.processes > 1

    def schedule(self):
        """Kinds for ever: each once, in an order drawn anew every time."""
        kinds = [kind for kind in KINDS if kind != "disk" or self.disk]
        kinds += SEVERAL * self._several
        yield "settings"
        while True:
            yield from self.rng.sample(kinds, len(kinds))

    def start(self, point=None, action=None, nth=1, rank=0):
        """A `Job` that goes on with the run, with a fault or without."""
        values = hparams(self.data, self.output, self.arguments.steps)
        fault = point and {"point": point, "action": action, "nth": nth, "rank": rank}
        folder = self.root / f"job-{len(self.rows)}"
        return Job(values, self.processes, folder, fault)

    def one(self, kind):
        """One start and its end; adds a row and what is wrong."""
        self.kind, self.before = kind, last_step(self.output)
        self.point = "-"
        job, expected = getattr(self, f"_{kind.replace('-', '_')}")()
        job.wait_for_end()
        if self.kind.startswith("term"):
            self.stops.append(job.seconds)
        steps = steps_logged(self.output)
        after = last_step(self.output)
        self._check(job, expected, after)
        row = (len(self.rows) + 1, kind, self.point, steps, after, job.code, f"{job.seconds:.1f}")
        self.rows.append(row)
        print(*row, sep="\t", flush=True)

    def _check(self, job, expected, after):
        wrong = unreadable(self.output)
        if job.code not in expected:
            wrong.append(f"exit code {job.code}, expected one of {expected}")
        if after < self.before:
            wrong.append(f"the newest checkpoint was of step {self.before}, now of {after}")
        if "Traceback (most recent call last):\n  File" in job.said():
            wrong.append("a traceback")
        number = len(self.rows) + 1
        self.wrong += [f"{number} ({self.kind}, {self.point}): {text}" for text in wrong]
        if wrong:
            print(*wrong, job.said()[-3000:], sep="\n", flush=True)

    def _until_moment(self, job):
        """Wait until some steps are made, and part of another one."""
        # The lines of steps that will be made again are cut off first.
        job.wait_for(lambda: steps_logged(self.output) <= self.before)
        target = self.before + self.rng.randint(1, SPREAD)
        if not job.wait_for(lambda: steps_logged(self.output) >= target):
            raise SystemExit(f"{job.said()[-2000:]}\nit ended by itself; use more --steps")
        time.sleep(self.rng.uniform(0, 0.1))
        job.strike()

    def _until_fault(self, job):
        if not job.wait_for(job.marker.exists):
            raise SystemExit(f"{job.said()[-2000:]}\nit ended before {self.point}")
        job.strike()

    @property
    def _killed(self):
        return {-signal.SIGKILL}

    @property
    def _stopped(self):
        """What SIGTERM ends with; the launcher hands the signal's number on."""
        return {int(signal.SIGTERM)} if self._several else {INTERRUPTED}

    def _kill(self):
        job = self.start()
        self._until_moment(job)
        job.kill_all()
        return job, self._killed

    def _term(self):
        job = self.start()
        self._until_moment(job)
        job.process.terminate()
        return job, self._stopped

    def _settings(self):
        return self._at_point("settings", "hold", most=1)

    def _load(self):
        if not self.before:  # nothing to load
            return self._kill()
        action = self.rng.choice(["hold", "terminate"])
        self.point = f"loading, {'SIGKILL' if action == 'hold' else 'SIGTERM'}"
        job = self.start("loading", action)
        self._until_fault(job)
        if action == "hold":
            job.kill_all()
            return job, self._killed
        return job, self._stopped | {-signal.SIGTERM}

    def _at_point(self, point, action, most):
        self.point = point
        job = self.start(point, action, self.rng.randint(1, most))
        self._until_fault(job)
        job.kill_all()
        return job, self._killed

    def _save(self):
        # Written by half: one process kills itself; its launcher and other ranks go with it.
        self.point = self.rng.choice(WRITES + RENAMES)
        action = "kill" if self.point in WRITES + RENAMES[-1:] else "hold"
        if self.point in RENAMES[2:] and not self._rotates():
            self.point, action = "after the rename", "hold"
        job = self.start(self.point, action, self.rng.randint(1, 2))
        self._until_fault(job)
        job.kill_all()
        return job, self._killed

    def _rotates(self):
        """Are there as many checkpoints as are kept?"""
        return self.before >= 15

    def _term_save(self):
        self.point = self.rng.choice(WRITES + RENAMES[: 4 if self._rotates() else 2])
        job = self.start(self.point, "terminate", self.rng.randint(1, 2))
        self._until_fault(job)
        return job, self._stopped

    def _full(self):
        self.point = self.rng.choice([*WRITES, "before the rename", "log"])
        job = self.start(self.point, "full", self.rng.randint(1, 2))
        self._until_fault(job)
        return self._refused(job)

    def _disk(self):
        free = self.rng.randrange(int(0.95 * self.size))
        self.point = f"{free:,} bytes free"
        job = self.start()
        job.wait_for(lambda: steps_logged(self.output) <= self.before)
        job.wait_for(lambda: steps_logged(self.output) > self.before)
        with filled(self.output.parent, free):
            job.strike()
            job.wait_for_end()
        return self._refused(job)

    def _refused(self, job):
        job.wait_for_end()
        said = [line for line in job.said().splitlines() if "paddle-electra: error" in line]
        if not any("disk is full" in line for line in said):
            self.wrong.append(f"{len(self.rows) + 1} ({self.point}): no word of the full disk")
        return job, {REFUSED}

    def _eval(self):
        return self._at_point("evaluation", "hold", most=3)

    def _term_eval(self):
        self.point = "evaluation"
        job = self.start(self.point, "terminate", self.rng.randint(1, 2))
        self._until_fault(job)
        return job, self._stopped

    def _log(self):
        return self._at_point("log", "kill", most=4)

    def _rank(self):
        job = self.start()
        self._until_moment(job)
        rank = self.rng.randrange(self.processes)
        self.point = f"rank {rank}"
        os.kill(job.rank(rank), signal.SIGKILL)
        return self._rank_failed(job, rank)

    def _rank_save(self):
        """Rank 0 kills itself while it saves, or another one dies meanwhile."""
        where, rank = self.rng.choice(WRITES + RENAMES[:2]), self.rng.randrange(2)
        self.point = f"rank {rank}; rank 0: {where}"
        job = self.start(where, "hold" if rank else "kill", self.rng.randint(1, 2))
        self._until_fault(job)
        if rank:
            os.kill(job.rank(rank), signal.SIGKILL)
            time.sleep(self.rng.uniform(0, 2))
            job.marker.with_suffix(".go").touch()
        return self._rank_failed(job, rank)

    def _rank_failed(self, job, rank):
        job.wait_for_end()
        if job.named_logs() != [rank]:
            text = f"the launcher names the logs of ranks {job.named_logs()}"
            self.wrong.append(f"{len(self.rows) + 1} ({self.kind}, {self.point}): {text}")
        return job, {-signal.SIGKILL, 256 - signal.SIGKILL}

    def _launcher(self):
        job = self.start()
        self._until_moment(job)
        job.process.kill()
        return job, self._killed


def run_whole(steps, processes, data, root, output):
    """The uninterrupted run."""
    job = Job(hparams(data, output, steps), processes, root / "whole-job")
    job.wait_for_end(3600)
    if job.code:
        raise SystemExit(job.said()[-4000:])


def kill_and_compare(arguments, processes, data, root):
    """All kills of a run of some processes.  Returns markdown, and whether all is well."""
    began = time.monotonic()
    root.mkdir()
    with small_disk(root, DISK) as (disk, disk_kind):
        whole, killed = root / "whole", (disk or root) / "killed"
        run_whole(arguments.steps, processes, data, root, whole)
        newest = checkpoint_folder(whole, arguments.steps)
        size = sum(path.stat().st_size for path in newest.iterdir())
        killer = Killer(arguments, processes, data, root, killed, disk_kind, size)
        for kind in killer.schedule():
            if len(killer.rows) == arguments.kills:
                break
            if not arguments.kinds or kind in arguments.kinds:
                killer.one(kind)
        job = killer.start()
        job.wait_for_end(3600)
        found = differences(killed, whole) if job.code == 0 else [job.said()[-2000:]]
    return report(killer, found, time.monotonic() - began), not (killer.wrong or found)


def report(killer, found, seconds):
    """Markdown of what was done and how it came out."""
    rows = "\n".join("| " + " | ".join(map(str, row)) + " |" for row in killer.rows)
    stops = sorted(killer.stops) or [float("nan")]
    where = f"The run is on {killer.disk}.  " if killer.disk else "No small disk could be made.  "
    processes = "One process" if killer.processes == 1 else f"{killer.processes} processes"
    return (
        f"\n## {processes}\n\n{where}A checkpoint has {killer.size:,} bytes.\n\n"
        f"| | kind | where | steps logged | resumes from | exit code | seconds |\n"
        f"|---|---|---|---|---|---|---|\n{rows}\n\n"
        f"- seconds from SIGTERM to the end: median {stops[len(stops) // 2]:.1f}, "
        f"longest {stops[-1]:.1f}\n"
        f"- wrong after one of them (unreadable checkpoints, exit codes, messages): "
        f"{'; '.join(killer.wrong) or 'nothing'}\n"
        f"- different from the uninterrupted run at the end (log, samples, every file of the "
        f"checkpoints of the same steps): {', '.join(found) or 'nothing'}\n"
        f"- all of it took {seconds / 60:.0f} minutes\n"
    )


def introduction(arguments):
    """What the tables mean."""
    kinds = __doc__[__doc__.index("    settings ") : __doc__.index("After each")]
    return (
        header("Pretraining, ended in every way and resumed")
        + f"{arguments.steps} steps of a model of two layers of width 64, dropout on, two parts a "
        f"step and process, a checkpoint every 5 steps of which 3 are kept, an evaluation every "
        f"10, on {arguments.data or 'the packaged sample'}.\n\n```\n{kinds.rstrip()}\n```\n\n"
        f"The last column is the time from the signal, or the fault, to the end of all processes.  "
        f"Exit codes: negative is the signal that killed the process or launcher; 130 stopped on "
        f"SIGTERM after saving; 2 refused with one line; Paddle's launcher ends with 15 on SIGTERM "
        f"and with 247 (256 - 9) when a rank was killed.  A save never replaces a checkpoint, so "
        f"there is no moment between two renames.\n"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, nargs="+", default=[1])
    parser.add_argument("--data", help="folder of shards; else they are made of the sample")
    parser.add_argument("--kills", type=int, default=25, help="for each number of processes")
    parser.add_argument("--steps", type=int, default=150, help="of the whole run")
    parser.add_argument("--kinds", nargs="*", help="only these")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", action="store_true", help="also compare one and two threads")
    parser.add_argument("--output", help="markdown file for the result")
    arguments = parser.parse_args()
    text, well = introduction(arguments), True
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        data = arguments.data or build_shards(root)
        for processes in arguments.processes:
            part, good = kill_and_compare(arguments, processes, data, root / str(processes))
            text, well = text + part, well and good
        if arguments.threads:
            text += two_threads(data, root)
    print(text)
    if arguments.output:
        with atomic_write(arguments.output) as handle:
            handle.write(text)
    if not well:
        raise SystemExit("not all is as it should be")


if __name__ == "__main__":
    main()
