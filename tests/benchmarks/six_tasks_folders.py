"""Run folders and data for the tests of ``benchmarks/six_tasks.py``."""

import random
from pathlib import Path

from tiny_checkpoint import TEXTS

from paddle_electra.files import write_json
from paddle_electra.finetuning.tasks import TASKS

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def flat(task, seed, size="small", **scores):
    """The results of one run as `finetune` writes them; ``scores``: split -> figures."""
    names = ("em", "f1") if TASKS[task].kind == "qa" else ("accuracy",)
    scored = {
        split: {"examples": 7, "loss": 0.5, **dict(zip(names, values, strict=True))}
        for split, values in scores.items()
    }
    train = {"examples": 70, "steps": 9, "seconds": random.random(), "kept_step": 9}
    head = {"task": task, "model": "m", "init": "checkpoint", "size": size, "seed": seed}
    return {**head, "train": train, "epochs": [], **scored}


def write_trials(output, model, task, trials, **more):
    """Finished trials with the dev and test scores ``trials``: list of (dev, test)."""
    for number, (dev, test) in enumerate(trials, 1):
        folder = output / "runs" / model / task / f"trial_{number}"
        write_json(folder / "results.json", flat(task, number, dev=dev, test=test, **more))


def settings(models, tasks=("chnsenticorp",), **changes):
    known = {"missing": [], "trials": 3, "seed": 1, "finetune": []}
    paths = {name: f"/models/{name}" for name in models}
    return {"models": paths, "tasks": list(tasks), **known, **changes}


def write_data(folder, count=12):
    """Texts of which those with 好 are positive, but for some that no model can know."""
    folder.mkdir(parents=True)
    source = random.Random(1)
    others = "".join(TEXTS).replace("好", "")
    for split in ("train", "dev", "test"):
        rows = []
        for number in range(count):
            text = "".join(source.sample(others, 7))
            label = number % 2 if source.random() < 0.8 else source.randrange(2)
            rows.append(f"{label}\t{text}{'好' if number % 2 else ''}")
        (folder / f"{split}.tsv").write_text("\n".join(["label\ttext_a", *rows, ""]), "utf-8")
