"""Fine-tune models on the six published tasks, several trials each, and tabulate the scores.

    python benchmarks/six_tasks.py --models small=PATH base=PATH --tasks all --trials 10 \\
        --data DATA --output OUT [--gpus 0,1 | none] [-- options of paddle-electra finetune]

``DATA/TASK`` or ``DATA/finetuning_data/TASK`` holds a task's files.  Each model and task is one
``paddle-electra finetune`` in ``OUT/runs/MODEL/TASK``, with its messages in ``TASK.log`` beside
it, and each GPU works on one at a time.  After each of them ``six_tasks.json``, ``.md`` and
``.png`` in OUT are written, with every model that has been run into OUT.  After any stop the same
command continues to the same tables; ``--table-only`` rewrites them from what is there, also while
the runs go on.  Needs a POSIX system.
"""

import argparse
import contextlib
import fcntl
import os
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from record import exit_code  # noqa: E402
from six_tasks_figure import published  # noqa: E402
from six_tasks_jobs import Job, Runner, visible_gpus  # noqa: E402
from six_tasks_table import JSON, make_tables  # noqa: E402

from paddle_electra.checkpoint import huggingface_cache, shipped  # noqa: E402
from paddle_electra.config import from_arguments  # noqa: E402
from paddle_electra.errors import InputError  # noqa: E402
from paddle_electra.files import disk_errors, read_json  # noqa: E402
from paddle_electra.finetuning.options import FinetuneOptions  # noqa: E402
from paddle_electra.finetuning.tasks import get_task  # noqa: E402

_ICRC = "the ICRC of Harbin Institute of Technology in Shenzhen, by application"
SOURCES = {
    "cmrc2018": "https://github.com/ymcui/cmrc2018",
    "drcd": "https://github.com/DRCKnowledgeTeam/DRCD",
    "xnli": "https://github.com/facebookresearch/XNLI (training set: see "
    "https://github.com/google-research/bert/blob/master/multilingual.md)",
    "lcqmc": _ICRC,
    "bqcorpus": _ICRC,
    "chnsenticorp": "https://github.com/pengming617/bert_classification",
}


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        raise InputError(f"{message}; --help lists the options")


def parse(words):
    """The command line as a namespace; what follows ``--`` is its ``finetune``."""
    position = words.index("--") if "--" in words else len(words)
    parser = _Parser(
        prog="six_tasks.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add(
        "--models",
        nargs="+",
        help="NAME=PATH or PATH of models of any format, or the name chinese-electra-tiny in "
        "place of PATH; without NAME= the file name",
    )
    add("--tasks", nargs="+", help="all (the default) or names of tasks")
    add("--trials", type=int, help="runs of each model and task, with consecutive seeds; 10")
    add("--seed", type=int, help="the first seed; 1")
    add("--data", help="folder with a folder for each task")
    add("--output", required=True, help="folder for the runs and the tables")
    add("--gpus", help="such as 0,1, or none for the CPU; default: those that paddle finds")
    add("--table-only", action="store_true", help="rewrite the tables, run nothing")
    arguments = parser.parse_args(words[:position])
    arguments.finetune = words[position + 1 :]
    return arguments


def name_models(words):
    """{name: path} of the words of --models."""
    models = {}
    for word in words:
        name, equals, path = word.partition("=")
        if not equals or Path(word).exists():
            name, path = Path(word).resolve().name, word
        if not path:
            raise InputError(f"--models {word}: no path after the name; use NAME=PATH")
        if not name or name.startswith(".") or "/" in name:
            raise InputError(f"--models {word}: {name!r} is not a name of a folder; use NAME=PATH")
        if name in models:
            raise InputError(f"--models {word}: two models are called {name}; use NAME=PATH")
        if not _may_be_loaded(path):
            raise InputError(f"--models {word}: {path}: no such checkpoint")
        models[name] = path
    return models


def _may_be_loaded(path):
    """Is there what `checkpoint.load` would look at?  Raises `InputError` for an uncached name."""
    if Path(path).exists() or shipped.folder_of(path) is not None:
        return True
    if huggingface_cache.looks_like_name(path):
        return bool(huggingface_cache.resolve(path))
    # A TensorFlow checkpoint is named by the part that its files' names share.
    return bool(list(Path(path).parent.glob(f"{Path(path).name}.*")))


def name_tasks(words):
    """The wanted tasks in the order of the published tables."""
    known = list(published()["scores"])
    wanted = known if words is None or words == ["all"] else [get_task(word).name for word in words]
    for name in wanted:
        if name not in known:
            raise InputError(f"--tasks {name}: not one of the published six: {', '.join(known)}")
    return [name for name in known if name in wanted]


def find_data(data, tasks):
    """({task: folder}, {task: what is missing and where to get it}).

    Raises:
        InputError: no folder ``data``.
    """
    if not Path(data).is_dir():
        raise InputError(f"--data {data}: no such folder")
    found, missing = {}, {}
    for name in tasks:
        task = get_task(name)
        folders = [Path(data) / name, Path(data) / "finetuning_data" / name]
        complete = [f for f in folders if task.find(f, "train") and task.find(f, "dev")]
        if complete:
            found[name] = complete[0]
            continue
        folder = next((folder for folder in folders if folder.is_dir()), folders[0])
        lacking = [split for split in ("train", "dev") if not task.find(folder, split)]
        files = " and ".join(task.files[split][0] for split in lacking)
        missing[name] = f"{name}: no {files} in {folder}; the data set is from {SOURCES[name]}"
    return found, missing


def settle(arguments, before):
    """The settings of the tables: what is asked for, joined with what was run into OUT before.

    Args:
        before: the settings in OUT's ``six_tasks.json``, or None.
    Raises:
        InputError: the earlier runs had other settings.
    """
    if arguments.table_only and before and arguments.models is None:
        return before
    if arguments.models is None:
        raise InputError("--models is missing: NAME=PATH of each checkpoint")
    trials = 10 if arguments.trials is None else arguments.trials
    if trials < 1:
        raise InputError(f"--trials {trials}: expected at least 1")
    settings = {
        "models": name_models(arguments.models),
        "tasks": name_tasks(arguments.tasks),
        "missing": [],
        "trials": trials,
        "seed": 1 if arguments.seed is None else arguments.seed,
        "finetune": arguments.finetune,
    }
    return _join(settings, before, arguments.output) if before else settings


def _join(settings, before, output):
    for key in ("seed", "finetune"):
        if settings[key] != before[key]:
            raise InputError(
                f"--output {output}: holds runs with another {key} ({before[key]}, now "
                f"{settings[key]}); name a new folder"
            )
    if 1 in (settings["trials"], before["trials"]) and settings["trials"] != before["trials"]:
        raise InputError(
            f"--output {output}: holds runs of {before['trials']} trial(s), a single one lies "
            f"elsewhere than several; name a new folder"
        )
    for name, path in settings["models"].items():
        earlier = before["models"].get(name, path)
        if os.path.abspath(earlier) != os.path.abspath(path):
            raise InputError(f"--output {output}: there the model {name} is {earlier}, not {path}")
    return {
        **settings,
        "models": {**before["models"], **settings["models"]},
        "tasks": name_tasks(before["tasks"] + settings["tasks"]),
        "missing": [task for task in before["missing"] if task not in settings["tasks"]],
    }


@contextlib.contextmanager
def only_one(output):
    """Hold the lock of OUT; yields its descriptor, which the children inherit.

    So a new start waits for the children of a killed one, which are being killed, too.
    """
    with disk_errors(output):
        Path(output).mkdir(parents=True, exist_ok=True)
        handle = open(Path(output) / ".lock", "a")  # noqa: SIM115
    with handle:
        for _ in range(100):
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            time.sleep(0.1)
        else:
            raise InputError(f"--output {output}: another six_tasks.py is at work there")
        yield handle.fileno()


def check_options(words, settings):
    """Refuse options for ``finetune`` that it does not know or that this script sets itself."""
    own = {"task": "-", "model": "-", "data": "-", "output": "-", **settings}
    given = [f"{_option(name)}={value}" for name, value in own.items()]
    options = from_arguments(FinetuneOptions, [*given, *words], "paddle-electra finetune")
    alone = from_arguments(FinetuneOptions, given, "paddle-electra finetune")
    for name in own:
        if getattr(options, name) != getattr(alone, name):
            raise InputError(f"{_option(name)} after --: six_tasks.py sets it; drop it")


def work(arguments):
    """Do what the command line says; returns the exit code."""
    file = Path(arguments.output) / JSON
    before = read_json(file, keys=("settings",))["settings"] if file.is_file() else None
    settings = settle(arguments, before)
    if arguments.table_only:
        make_tables(arguments.output, settings)
        print(f"tables: {arguments.output}")
        return 0
    if arguments.data is None:
        raise InputError("--data is missing: the folder that holds a folder for each task")
    found, missing = find_data(arguments.data, name_tasks(arguments.tasks))
    if not found:
        raise InputError(f"nothing to run: {'; '.join(missing.values())}")
    settings["missing"] = name_tasks([*settings["missing"], *missing])
    own = {"num_trials": settings["trials"], "seed": settings["seed"]}
    check_options(arguments.finetune, own)
    given = [word for name, value in own.items() for word in (_option(name), str(value))]
    gpus = visible_gpus(arguments.gpus)
    _tell("missing", missing.values())
    failures = _run(arguments, settings, found, gpus, [*given, *arguments.finetune])
    _tell("missing", missing.values())
    _tell("failed", failures)
    print(f"tables: {arguments.output}")
    return 1 if failures else 0


def _run(arguments, settings, found, gpus, options):
    """Run every wanted model on the tasks that were found; the lines of the failures."""
    runs = Path(arguments.output) / "runs"
    jobs = [
        Job(model, path, task, folder, runs / model / task)
        for model, path in name_models(arguments.models).items()
        for task, folder in found.items()
    ]

    def tables():
        make_tables(arguments.output, settings)

    with only_one(arguments.output) as lock:
        tables()
        return Runner(jobs, gpus, options, settings["trials"], lock, tables).run()


def _option(name):
    return f"--{name.replace('_', '-')}"


def _tell(what, lines):
    for line in lines:
        print(f"six_tasks: {what}: {line}", file=sys.stderr, flush=True)


def main(words=None):
    """The exit code: 0, 1 for failed jobs, 2 for what a user can mend, 130 when interrupted."""
    words = list(sys.argv[1:] if words is None else words)
    return exit_code("six_tasks", lambda: work(parse(words)))


if __name__ == "__main__":
    raise SystemExit(main())
