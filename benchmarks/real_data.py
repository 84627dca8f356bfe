"""Fine-tune one checkpoint on real data: ChnSentiCorp, XNLI, CMRC 2018, and DRCD without training.

    python benchmarks/real_data.py --model CHECKPOINT --data DATA --work FOLDER --output RESULT.md \
        [--tasks chnsenticorp xnli cmrc2018 drcd] [--trials 3] [--report-only] \
        [-- options of paddle-electra finetune]

``DATA/TASK`` holds a task's files.  XNLI's training set is large, so its dev file is cut in two
halves with a fixed seed, one to train on and one to score.  DRCD has the dev file only: the models
trained on CMRC 2018 are scored on it as they are.  Everything is resumed when the script is started
again; the report has what is finished.
"""

import argparse
import collections
import random
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from record import header  # noqa: E402

from paddle_electra.files import atomic_write, read_json  # noqa: E402
from paddle_electra.finetuning.metrics import only_scores  # noqa: E402
from paddle_electra.finetuning.tasks import TASKS  # noqa: E402

ORDER = ("chnsenticorp", "xnli", "cmrc2018", "drcd")
_SPLIT_SEED = 2018


def split_xnli(source, folder):
    """Cut dev.tsv in two halves, train.tsv and dev.tsv; a premise's pairs stay together.

    Of the multilingual file, which has the language in front, the Chinese rows are taken.
    """
    header_line, *rows = source.read_text("utf-8-sig").strip("\n").split("\n")
    premise = 0
    if header_line.split("\t")[0] == "language":
        premise = header_line.split("\t").index("sentence1")
        rows = [row for row in rows if row.split("\t")[0] == "zh"]
    groups = collections.defaultdict(list)
    for row in rows:
        groups[row.split("\t")[premise]].append(row)
    premises = sorted(groups)
    random.Random(_SPLIT_SEED).shuffle(premises)
    half = len(premises) // 2
    for name, part in (("train", premises[:half]), ("dev", premises[half:])):
        chosen = [row for text in part for row in groups[text]]
        with atomic_write(folder / f"{name}.tsv") as handle:
            handle.write("".join(f"{row}\n" for row in [header_line, *chosen]))
    return folder


def finetune(*words):
    command = [sys.executable, "-m", "paddle_electra", "finetune", *map(str, words)]
    subprocess.run(command, check=True)


def train(task, data, options):
    words = ["--task", task, "--model", options.model, "--data", data]
    words += ["--output", options.work / task, "--num-trials", options.trials]
    finetune(*words, *options.finetune)


def trial(work, task, number, trials):
    """The folder of a trial; `finetune` puts a single one straight into its output."""
    return work / task / f"trial_{number}" if trials > 1 else work / task


def score_drcd(options):
    for number in range(1, options.trials + 1):
        model = trial(options.work, "cmrc2018", number, options.trials)
        output = options.work / "drcd" / f"trial_{number}"
        words = ["--task", "drcd", "--no-do-train", "--model", model]
        finetune(*words, "--data", options.data / "drcd", "--output", output)


def run(options):
    for task in options.tasks:
        data = options.data / task
        if task == "xnli":
            data = split_xnli(data / "dev.tsv", options.work / "xnli-halves")
        if task == "drcd":
            score_drcd(options)
        else:
            train(task, data, options)


def finished(work, task):
    """Folders of a task's finished trials, by their number."""
    found = {}
    for path in work.glob(f"{task}/trial_*/results.json"):
        found[int(path.parent.name.rpartition("_")[2])] = path.parent
    if not found and (work / task / "results.json").is_file():
        found[1] = work / task
    return dict(sorted(found.items()))


def majority(work, data, task):
    """Share in percent of the commonest label of the dev file; None for reading."""
    if TASKS[task].kind == "qa":
        return None
    folder = work / "xnli-halves" if task == "xnli" else data / task
    examples = TASKS[task].read(TASKS[task].find(folder, "dev"), "dev")
    counts = collections.Counter(example.label for example in examples)
    return 100 * counts.most_common(1)[0][1] / len(examples)


def report(options):
    lines = [header("Fine-tuning on real data"), options.about or "", ""]
    lines += ["| task | split | score | majority | mean | std | every trial |", "|---" * 7 + "|"]
    settings = []
    for task in ORDER:
        folders = finished(options.work, task)
        trials = {number: read_json(path / "results.json") for number, path in folders.items()}
        if not trials:
            lines.append(f"| {task} | | not run | | | | |")
            continue
        for split in ("dev", "test"):
            for name in only_scores(next(iter(trials.values())).get(split, {})):
                values = [trial[split][name] for trial in trials.values()]
                spread = f"{statistics.stdev(values):.2f}" if len(values) > 1 else ""
                most = majority(options.work, options.data, task) if name == "accuracy" else None
                shown = ", ".join(f"{value:.2f}" for value in values)
                lines.append(
                    f"| {task} | {split} | {name} | {'' if most is None else f'{most:.1f}'} "
                    f"| {statistics.fmean(values):.2f} | {spread} | {shown} |"
                )
        saved = read_json(folders[min(folders)] / "settings.json")["options"]
        trained = any("train" in trial for trial in trials.values())
        kept = ("max_seq_length", *(("doc_stride",) if TASKS[task].kind == "qa" else ()))
        if trained:
            kept += ("num_train_epochs", "train_batch_size", "learning_rate", "layerwise_lr_decay")
        shown = ", ".join(f"{name} {saved[name]}" for name in kept)
        seeds = ", ".join(str(trial["seed"]) for trial in trials.values())
        seconds = [trial["train"]["seconds"] for trial in trials.values() if "train" in trial]
        took = f"; training took {', '.join(f'{s:.0f}' for s in seconds)} s" if seconds else ""
        took += "" if trained else "; scored only"
        settings.append(f"- {task}: {shown}; seeds {seeds}{took}")
    with atomic_write(options.output) as handle:
        handle.write("\n".join([*lines, "", *settings]) + "\n")
    print(options.output.read_text("utf-8"))


def main():
    words = sys.argv[1:]
    position = words.index("--") if "--" in words else len(words)
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--tasks", nargs="+", default=ORDER, choices=ORDER)
    parser.add_argument("--trials", type=int, default=3)
    parser.add_argument("--about", help="what the checkpoint and the data are, for the report")
    parser.add_argument("--report-only", action="store_true")
    options = parser.parse_args(words[:position])
    options.finetune = words[position + 1 :]
    if not options.report_only:
        if shutil.disk_usage(options.work.parent).free < 2 << 30:
            sys.exit(f"less than 2 GB free beside {options.work}")
        run(options)
    report(options)


if __name__ == "__main__":
    main()
