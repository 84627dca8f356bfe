"""``run_finetuning.py`` as HFL's README tells to call it: its folders, its file names, its lines.

``DATA_DIR/models/MODEL_NAME`` holds the pretrained model, ``DATA_DIR/finetuning_data/TASK`` (where
the original's code looks) or ``DATA_DIR/models/TASK`` (where its README says) the task's files.
The run lies in ``DATA_DIR/models/MODEL_NAME/finetuning_models/TASK_model``, as in the original,
several trials in ``TASK_trials``; answers and scores are put where the README says,
``DATA_DIR/results``, and where the code puts them, ``DATA_DIR/models/MODEL_NAME/results``.
"""

import dataclasses
from pathlib import Path
from typing import ClassVar

from ..config import from_dict, option
from ..errors import InputError
from ..files import atomic_write
from ..hparams import read_hparams
from .metrics import only_scores
from .options import FinetuneOptions
from .output import MODEL_FILES
from .tasks import SPLITS, get_task

_ENDS = ("model", "trials")  # of the folder of one run, and of several trials


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunFinetuningOptions:
    """The flags of the original's ``run_finetuning.py``."""

    KEEPS_HPARAMS: ClassVar = True  # they are options of fine-tuning

    data_dir: str = option(help="Folder with models/MODEL_NAME and the tasks' files.")
    model_name: str = option(help="Name of the model's folder in DATA_DIR/models.")
    hparams: str = option(
        "{}", "Hyperparameters as a JSON file or a JSON string; task_names must be among them."
    )


def run(options):
    """Fine-tune as ``paddle-electra finetune`` does; print and leave what the original would.

    Args:
        options: a `RunFinetuningOptions`.
    Returns:
        the results of `run.run`.
    Raises:
        InputError: a folder or file is not where the original has it; names what was looked for.
    """
    from .run import run as finetune

    settings = finetune_options(options)
    names = list(settings.task)
    if settings.do_train or len(names) == 1:
        results = finetune(settings)
    else:  # each task's model lies in a folder of its own
        results = {name: finetune(_scoring(settings, name)) for name in names}
    trials = results.get("trials", [results])
    lines = [line for trial in trials for line in score_lines(trial, names)]
    print("\n".join(lines))
    for folder in result_folders(options):
        _publish(folder, settings, names, lines, len(trials))
    return results


def finetune_options(options):
    """The `FinetuneOptions` for the original's flags."""
    source = f"--hparams {options.hparams}" if len(options.hparams) < 60 else "--hparams"
    hparams = read_hparams(options.hparams)
    hparams = {key.replace("-", "_"): value for key, value in hparams.items()}
    names = hparams.get("task_names", hparams.get("task"))
    if not names:
        raise InputError(f'{source}: which task? give "task_names", such as ["cmrc2018"]')
    for key in ("model", "data", "output", "hparams"):
        if key in hparams:
            raise InputError(f"{source}: {key!r} follows from --data-dir and --model-name here")
    names = [names] if isinstance(names, str) else names
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InputError(f"{source}: task_names: expected a list of names, got {names!r}")
    model, joined = _model_folder(options), ",".join(names)
    trained, trials = (model / "finetuning_models" / f"{joined}_{end}" for end in _ENDS)
    places = {"data": _data_folder(options, names), "model": model, "output": trained}
    values = {**hparams, **{key: str(place) for key, place in places.items()}}
    settings = from_dict(FinetuneOptions, values, source)
    if settings.do_train:
        output = trials if settings.num_trials > 1 else trained
        return dataclasses.replace(settings, output=str(output))
    found = [trained] if trained.is_dir() else []
    if (trial := _last_trial(trials)) is not None:
        found.insert(0 if settings.num_trials > 1 else len(found), trial)
    if not found:
        raise InputError(
            f"do_train is off, but there is no fine-tuned model in {trained}; run once with "
            f"do_train on"
        )
    output = trained.with_name(f"{joined}_scores")
    return dataclasses.replace(settings, model=str(found[0]), output=str(output), num_trials=1)


def _last_trial(folder):
    """The folder of the last trial that left a model, or None."""
    trials = [path for path in folder.glob("trial_*") if any(path.rglob(MODEL_FILES[0]))]
    return max(trials, key=lambda path: int(path.name.rpartition("_")[2]), default=None)


def _scoring(settings, name):
    """The options that score one of several tasks."""
    folders = {key: str(Path(getattr(settings, key)) / name) for key in ("model", "data", "output")}
    return dataclasses.replace(settings, task=(name,), **folders)


def _model_folder(options):
    models = Path(options.data_dir) / "models"
    folder = models / options.model_name
    if folder.is_dir():
        return folder
    if not models.is_dir():
        raise InputError(
            f"--data-dir {options.data_dir}: no folder models in it; unzip the pretrained model "
            f"into {folder}"
        )
    found = ", ".join(sorted(child.name for child in models.iterdir() if child.is_dir()))
    raise InputError(
        f"--model-name {options.model_name}: no folder {folder}; unzip the pretrained model there "
        f"(folders in {models}: {found or 'none'})"
    )


def _data_folder(options, names):
    """The folder of the task's files, or for several tasks the one of their folders."""
    tasks = [get_task(name) for name in names]
    places = [Path(options.data_dir) / place for place in ("finetuning_data", "models")]
    for place in places:
        if all(_has_files(task, place / task.name) for task in tasks):
            return place if len(tasks) > 1 else place / names[0]
    looked = " nor ".join(str(place / names[0]) for place in places)
    files = ", ".join(tasks[0].files["train"])
    more = "" if len(tasks) == 1 else f" (and the same for {', '.join(names[1:])})"
    raise InputError(f"no files of {names[0]}{more}: neither {looked} has {files}")


def _has_files(task, folder):
    return any(task.find(folder, split) is not None for split in SPLITS)


def result_folders(options):
    """Where answers and scores go: README's place, and the code's."""
    data = Path(options.data_dir)
    return data / "results", data / "models" / options.model_name / "results"


def score_lines(results, names):
    """``xnli: accuracy: 72.50 - loss: 0.67`` of each task, dev first; other splits are named."""
    lines = []
    for name in names:
        found = results[name] if len(names) > 1 else results
        for split in SPLITS[1:]:
            scores = only_scores(found.get(split, {}))
            if scores:
                title = name if split == "dev" else f"{name} {split}"
                parts = " - ".join(f"{key}: {value:.2f}" for key, value in scores.items())
                lines.append(f"{title}: {parts}")
    return lines


def _publish(folder, settings, names, lines, trials):
    """The lines as ``TASK_results.txt``, and answers in ``TASK_qa``: of each split those of the
    last trial that wrote them."""
    joined = ",".join(names)
    with atomic_write(folder / f"{joined}_results.txt") as handle:
        handle.write("".join(f"{line}\n" for line in lines))
    run = Path(settings.output)
    runs = [run / f"trial_{number}" for number in range(1, trials + 1)] if trials > 1 else [run]
    for name in names:
        places = [place / name if len(names) > 1 else place for place in runs]
        answers = {path.name: path for place in places for path in place.glob("*_preds.json")}
        for path in answers.values():
            target = folder / f"{joined}_qa" / _name_of_answers(path, settings, name, names)
            with atomic_write(target) as handle:
                handle.write(path.read_text("utf-8"))
            print(f"answers: {target}")


def _name_of_answers(path, settings, name, names):
    """HFL calls the test split after its file, eval."""
    data = Path(settings.data) / name if len(names) > 1 else Path(settings.data)
    test = get_task(name).find(data, "test")
    if test is not None and path.name == f"{name}_test_preds.json":
        return f"{name}_{test.stem}_preds.json"
    return path.name
