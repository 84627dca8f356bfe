"""Does longer pretraining help?  Fine-tune several checkpoints of a run, each with several seeds.

    python benchmarks/probe_checkpoints.py --checkpoints RUN/checkpoints/step-* \
        --data DATA --work FOLDER --output RESULT.md [--task chnsenticorp] [--seeds 3] \
        [--report-only] [-- options of paddle-electra finetune]

``DATA/TASK`` holds the task's files; XNLI is cut as in `real_data`.  The trainings of a checkpoint
lie in ``FOLDER/CHECKPOINT/TASK``.  Everything is resumed when the script is started again; the
report has what is finished.
"""

import argparse
import statistics
import sys
from pathlib import Path
from types import SimpleNamespace

from real_data import finished, majority, split_xnli, train
from record import header

from paddle_electra.files import atomic_write, read_json
from paddle_electra.finetuning.tasks import TASKS


def label(checkpoint):
    """A checkpoint's name in the table and its folder under ``--work``."""
    parts = checkpoint.resolve().parts
    return "-".join([parts[-3], parts[-1]]) if parts[-2] == "checkpoints" else parts[-1]


def fine_tune(checkpoint, options):
    """All seeds of one checkpoint, beginning with seed 1 as `finetune` does."""
    data = options.data / options.task
    if options.task == "xnli":
        data = split_xnli(data / "dev.tsv", options.work / "xnli-halves")
    place = SimpleNamespace(
        model=checkpoint,
        work=options.work / label(checkpoint),
        trials=options.seeds,
        finetune=options.finetune,
    )
    train(options.task, data, place)


def scores(checkpoint, options, metric):
    """{seed: score on dev in percent} of the finished trainings."""
    found = finished(options.work / label(checkpoint), options.task).values()
    results = [read_json(folder / "results.json", keys=("seed", "dev")) for folder in found]
    return {trial["seed"]: trial["dev"][metric] for trial in results}


def table(options):
    """The lines of the result: a row a checkpoint, with every seed's score."""
    metric = TASKS[options.task].metric
    lines = [
        f"Dev {metric} of {options.task} in percent; sd is the standard deviation over the seeds.",
        "",
        "| checkpoint | mean | sd | finished | every seed |",
        "|---" * 5 + "|",
    ]
    for checkpoint in options.checkpoints:
        values = scores(checkpoint, options, metric)
        if not values:
            lines.append(f"| {label(checkpoint)} | not run | | 0 of {options.seeds} | |")
            continue
        deviation = f"{statistics.stdev(values.values()):.2f}" if len(values) > 1 else ""
        shown = ", ".join(f"{seed}: {value:.2f}" for seed, value in values.items())
        lines.append(
            f"| {label(checkpoint)} | {statistics.fmean(values.values()):.2f} | {deviation} "
            f"| {len(values)} of {options.seeds} | {shown} |"
        )
    most = majority(options.work, options.data, options.task)
    if most is not None:
        lines += ["", f"The commonest label alone would score {most:.2f}."]
    return lines


def settings(options):
    """What the trainings had in common, from the settings of the first finished one."""
    for checkpoint in options.checkpoints:
        for folder in finished(options.work / label(checkpoint), options.task).values():
            saved = read_json(folder / "settings.json", keys=("options",))["options"]
            names = ("max_seq_length", "num_train_epochs", "train_batch_size", "learning_rate")
            return ["", "Settings: " + ", ".join(f"{name} {saved[name]}" for name in names) + "."]
    return []


def main():
    words = sys.argv[1:]
    position = words.index("--") if "--" in words else len(words)
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoints", nargs="+", type=Path, required=True)
    parser.add_argument("--task", default="chnsenticorp", choices=TASKS)
    parser.add_argument("--data", type=Path, required=True, help="folder of the tasks' folders")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--about", default="", help="what the checkpoints are, for the report")
    parser.add_argument("--report-only", action="store_true")
    options = parser.parse_args(words[:position])
    options.finetune = words[position + 1 :]
    names = [label(checkpoint) for checkpoint in options.checkpoints]
    if len(set(names)) < len(names):
        parser.error(f"two of the checkpoints have the same name: {', '.join(sorted(names))}")
    if not options.report_only:
        for checkpoint in options.checkpoints:
            fine_tune(checkpoint, options)
    lines = [*filter(None, [options.about]), "", *table(options), *settings(options)]
    with atomic_write(options.output) as handle:
        handle.write(header("Checkpoints of pretraining, fine-tuned") + "\n".join(lines) + "\n")
    print(options.output.read_text("utf-8"))


if __name__ == "__main__":
    main()
