"""Has the small pretrained model learned something?  Five tasks, three arms, several seeds each.

    python benchmarks/proof_tiny.py --model MODEL --data DATA --work FOLDER --output RESULT.md \\
        [--run RUN [--shards SHARDS]] [--trials 5] [--tasks ...] [--arms pretrained random tfidf] \\
        [--processes 2] [--cmrc-train N] [--set TASK.NAME=VALUE ...]

Fine-tunes the model's weights and random ones of the same size, and trains a TF-IDF baseline, on
the tasks of ``proof_tiny_tasks.py``; each job is in a folder of its own in ``FOLDER/runs``, its
messages beside it.  ``DATA`` holds the folders chnsenticorp, cmrc2018 and xnli.  With --run the
held-out MLM and RTD metrics of that pretraining run are recorded, with --shards they are measured
with the model's own weights and with random ones.  RESULT.md is written anew after each job.  After
any stop the same command continues; more trials, tasks and arms may be added.  Needs a POSIX
system, and scikit-learn.
"""

import argparse
import contextlib
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from proof_tiny_data import sources  # noqa: E402
from proof_tiny_jobs import Place, Queue, plan  # noqa: E402
from proof_tiny_table import write_table  # noqa: E402
from proof_tiny_tasks import ARMS, DEFAULTS, PROOFS, RECIPES, settle  # noqa: E402
from record import command_line, exit_code  # noqa: E402
from six_tasks import only_one  # noqa: E402

from paddle_electra.checkpoint.shipped import folder_of as shipped_folder  # noqa: E402
from paddle_electra.errors import InputError  # noqa: E402
from paddle_electra.files import read_json, sha256, write_json  # noqa: E402

SETTINGS = "proof_tiny.json"


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        raise InputError(f"{message}; --help lists the options")


def parse(words):
    """The command line as a namespace."""
    table = ", ".join(f"{t}.{n}={v:g}" for t, row in DEFAULTS.items() for n, v in row.items())
    parser = _Parser(
        prog="proof_tiny.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--model", required=True, help="the pretrained model: a folder, or a shipped name")
    add("--data", type=Path, required=True, help="folder of the tasks' folders")
    add("--work", type=Path, required=True, help="folder for the jobs")
    add("--output", type=Path, required=True, help="markdown file for the result")
    add("--run", help="the model's pretraining run, for metrics on held-out text")
    add("--shards", help="the run's shards, to measure those metrics with the model's weights")
    add("--trials", type=int, default=5, help="seeds 1, 2, ... of each task and arm; 5")
    add("--tasks", nargs="+", default=list(PROOFS), choices=PROOFS)
    add("--arms", nargs="+", default=list(ARMS), choices=ARMS)
    add("--processes", type=int, default=2, help="jobs at a time, of one thread each; 2")
    add("--cmrc-train", type=int, help="a sample of so many questions to train CMRC 2018 on; all")
    add("--set", nargs="+", action="extend", default=[], help=f"TASK.NAME=VALUE instead of {table}")
    add("--about", default="", help="a paragraph on the model, for the result")
    add("--report-only", action="store_true", help="write RESULT.md of what is there, run nothing")
    arguments = parser.parse_args(words)
    for name in ("trials", "processes"):
        if getattr(arguments, name) < 1:
            raise InputError(f"--{name} {getattr(arguments, name)}: expected at least 1")
    if arguments.shards and not arguments.run:
        raise InputError("--shards: needs --run, whose settings say what was held out")
    return arguments


def model_files(model):
    """The files of a checkpoint: those in its folder, or those that its prefix begins."""
    path = Path(model)
    files = path.iterdir() if path.is_dir() else path.parent.glob(f"{path.name}*")
    found = sorted(file for file in files if file.is_file())
    if not found:
        raise InputError(f"--model {model}: no such checkpoint")
    return found


def identify(arguments, model, table):
    """What makes the jobs in --work these jobs: weights, recipes, each task's data and settings."""
    found = {
        "model": {file.name: sha256(file) for file in model_files(model)},
        "recipes": {name: list(words) for name, words in RECIPES.items()},
    }
    files = sources(arguments.data)
    for name in arguments.tasks:
        for file in files[name]:
            if not file.is_file():
                raise InputError(f"--data {arguments.data}: no {file.parent.name}/{file.name}")
        digests = {file.name: sha256(file) for file in files[name]}
        found[name] = {"settings": table[name], "files": digests}
    return found


def join(before, now, work):
    """The identity of the work folder with the tasks that are asked for.

    Raises:
        InputError: it holds jobs of another model, or of a task with other data or settings.
    """
    for name, value in now.items():
        if before.get(name, value) != value:
            what = f"{name} with other settings or data" if name in PROOFS else f"another {name}"
            raise InputError(f"--work {work}: holds jobs of {what}; name a new folder")
    return {**before, **now}


@contextlib.contextmanager
def _locked(work):
    """`six_tasks.only_one` of the work folder."""
    with contextlib.ExitStack() as stack:
        try:
            lock = stack.enter_context(only_one(work))
        except InputError as error:
            told = str(error).replace("six_tasks.py", "proof_tiny.py").replace("--output", "--work")
            raise InputError(told) from None
        yield lock


def work(arguments, words):
    """Do what the command line says; returns the exit code."""
    table = settle(arguments.set, arguments.cmrc_train)
    model = str(shipped_folder(arguments.model) or arguments.model)
    place = Place(model, arguments.data, arguments.work, table, arguments.run, arguments.shards)
    tasks = [name for name in PROOFS if name in arguments.tasks]
    arms = [name for name in ARMS if name in arguments.arms]
    jobs = plan(place, tasks, arms, arguments.trials)
    command = command_line(words)
    failures = []

    def report():
        about = "\n\n".join(filter(None, [arguments.about, _model_line(model)]))
        more = {"about": about, "failures": failures}
        write_table(arguments.output, place, tasks, arguments.trials, jobs, command, **more)

    file = arguments.work / SETTINGS
    before = read_json(file, keys=("model",)) if file.is_file() else {}
    identity = join(before, identify(arguments, model, table), arguments.work)
    if arguments.report_only:
        report()
        print(f"result: {arguments.output}")
        return 0
    with _locked(arguments.work) as lock:
        write_json(file, identity)
        waiting = [job for job in jobs if not job.is_done()]
        print(f"{len(jobs) - len(waiting)} of {len(jobs)} jobs are done already", flush=True)
        queue = Queue(waiting, arguments.processes, lock, report)
        failures = queue.failures  # which grow, and are told in every report
        report()
        queue.run()
        report()
    for line in failures:
        print(f"proof_tiny: failed: {line}", file=sys.stderr)
    print(f"result: {arguments.output}")
    return 1 if failures else 0


def _model_line(model):
    weights = max(model_files(model), key=lambda file: file.stat().st_size)
    return f"Weights: `{weights.name}`, SHA-256 `{sha256(weights)}`."


def main(words=None):
    """The exit code: 0, 1 for failed jobs, 2 for what a user can mend, 130 when interrupted."""
    os.environ["OMP_NUM_THREADS"] = "1"  # of every job
    words = list(sys.argv[1:] if words is None else words)
    return exit_code("proof_tiny", lambda: work(parse(words), words))


if __name__ == "__main__":
    raise SystemExit(main())
