"""Does pretraining help?  Fine-tune one run's checkpoint and random weights, side by side.

    python benchmarks/pretrained_or_random.py --run RUN --data CHNSENTICORP --work FOLDER \
        --output RESULT.md

Makes every fine-tuning run that is not finished in ``FOLDER/{pretrained,random}-SEED`` (same
recipe, same seeds), builds the PaddleHub module of the first pretrained one, installs it, and
compares its predictions on the dev texts with the fine-tuned model's.  Writes the table, and the
curves of the pretraining run as RESULT.png.
"""

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from record import header  # noqa: E402

from paddle_electra.files import read_json  # noqa: E402
from paddle_electra.training.log import read_log  # noqa: E402

NAME = "chinese-electra-tiny"
_INSTALL = "import sys; from paddlehub.commands.utils import execute; sys.exit(execute())"
_PREDICT = """
import json, sys
import paddlehub as hub
texts = json.load(open(sys.argv[1], encoding="utf-8"))
module = hub.Module(name=sys.argv[2], task="seq-cls")
answers, shares = module.predict([[text] for text in texts], batch_size=32, return_prob=True)
json.dump([answers, [list(map(float, share)) for share in shares]], open(sys.argv[3], "w"))
"""


def finetune(arguments, arm, seed):
    """Make or finish one run; its results."""
    output = Path(arguments.work) / f"{arm}-{seed}"
    if not (output / "results.json").is_file():
        command = [sys.executable, "-m", "paddle_electra", "finetune", "--task", "chnsenticorp"]
        command += ["--model", arguments.run, "--data", arguments.data, "--output", str(output)]
        command += [
            "--seed",
            str(seed),
            "--init",
            "checkpoint" if arm == "pretrained" else "random",
        ]
        subprocess.run([*command, *arguments.finetune], check=True)
    return read_json(output / "results.json")


def module_agrees(arguments, model):
    """(texts, equal labels, largest difference of a probability) of module and model on dev."""
    work = Path(arguments.work).resolve()
    build = [sys.executable, "-m", "paddle_electra", "module", "build", "--model", str(model)]
    subprocess.run([*build, "--name", NAME, "--output", str(work / "modules")], check=True)
    environment = {
        **os.environ,
        "HUB_HOME": str(work / "hub"),
        "PIP_NO_INDEX": "1",
        "PYTHONWARNINGS": "ignore",
    }
    folder = work / "modules" / NAME.replace("-", "_")
    install = [sys.executable, "-c", _INSTALL, "install", str(folder)]
    subprocess.run(install, env=environment, check=True, cwd=work, capture_output=True)
    with open(model / "predictions_dev.tsv", encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle, delimiter="\t", quoting=csv.QUOTE_NONE))
    texts, answers = work / "texts.json", work / "answers.json"
    texts.write_text(json.dumps([row["text_a"] for row in rows], ensure_ascii=False), "utf-8")
    predict = [sys.executable, "-c", _PREDICT, str(texts), NAME, str(answers)]
    subprocess.run(predict, env=environment, check=True, cwd=work, capture_output=True)
    labels, shares = json.loads(answers.read_text("utf-8"))
    equal = sum(label == row["predicted"] for label, row in zip(labels, rows, strict=True))
    columns = [key for key in rows[0] if key.startswith("probability")]
    largest = max(
        abs(share - float(row[column]))
        for row, found in zip(rows, shares, strict=True)
        for column, share in zip(columns, found, strict=True)
    )
    return len(rows), equal, largest


def draw_curves(run, picture):
    """Losses and held-out metrics of a pretraining run, as a PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    entries = read_log(Path(run) / "log.jsonl")
    train = [entry for entry in entries if entry["kind"] == "train"]
    held_out = [entry for entry in entries if entry["kind"] == "eval"]
    panels = [("mlm_loss",), ("discriminator_loss",), ("mlm_accuracy",)]
    panels += [("rtd_auc", "rtd_precision", "rtd_recall")]
    figure, axes = pyplot.subplots(1, len(panels), figsize=(4 * len(panels), 3.2))
    for axis, names in zip(axes, panels, strict=True):
        for name in names:
            for part, label in ((train, "training"), (held_out, "held out")):
                points = [(entry["step"], entry[name]) for entry in part if name in entry]
                if points:
                    axis.plot(*zip(*points, strict=True), label=f"{name}, {label}")
        axis.set_xlabel("step")
        axis.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(picture, dpi=100)


def curve_table(run, rows=10):
    """The held-out metrics of a run as markdown, at most ``rows`` lines and the last."""
    held_out = [e for e in read_log(Path(run) / "log.jsonl") if e["kind"] == "eval"]
    names = [name for name in held_out[0] if name not in ("step", "kind")]
    lines = [f"| step | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    every = max(1, len(held_out) // rows)
    for entry in [*held_out[every - 1 : -1 : every], held_out[-1]]:
        lines.append(f"| {entry['step']} | {' | '.join(f'{entry[n]:.4f}' for n in names)} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", required=True, help="folder of a pretraining run")
    parser.add_argument("--data", required=True, help="folder with train.tsv, dev.tsv, test.tsv")
    parser.add_argument("--work", required=True, help="folder for the fine-tuning runs")
    parser.add_argument("--output", required=True, help="markdown file for the result")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--note", default="", help="a paragraph to add, such as the wall time")
    parser.add_argument("--finetune", nargs=argparse.REMAINDER, default=[], help="more options")
    arguments = parser.parse_args()
    results = {
        arm: [finetune(arguments, arm, seed) for seed in arguments.seeds]
        for arm in ("pretrained", "random")
    }
    count, equal, largest = module_agrees(
        arguments, Path(arguments.work) / f"pretrained-{arguments.seeds[0]}"
    )
    output = Path(arguments.output)
    draw_curves(arguments.run, output.with_suffix(".png"))
    output.write_text(report(arguments, results, count, equal, largest), "utf-8")
    print(output.read_text("utf-8"))


def report(arguments, results, count, equal, largest):
    settings = json.dumps(read_json(Path(arguments.run) / "pretraining.json"), ensure_ascii=False)
    lines = ["| start | seed | dev accuracy | test accuracy |", "|---|---|---|---|"]
    means = []
    for arm, runs in results.items():
        scores = {split: [] for split in ("dev", "test")}
        for seed, found in zip(arguments.seeds, runs, strict=True):
            for split, values in scores.items():
                values.append(found[split]["accuracy"])
            lines.append(f"| {arm} | {seed} | {scores['dev'][-1]:.2f} | {scores['test'][-1]:.2f} |")
        cells = [f"{max(values):.2f} ({statistics.mean(values):.2f})" for values in scores.values()]
        means.append(f"| {arm} | max (mean) | {' | '.join(cells)} |")
    picture = Path(arguments.output).with_suffix(".png").name
    return (
        header("Pretraining on real text, then ChnSentiCorp against random initialisation")
        + f"{arguments.note}\n\n## Pretraining\n\nSettings: `{settings}`\n\n"
        f"Held-out metrics:\n\n{curve_table(arguments.run)}\n\n![curves]({picture})\n\n"
        f"## ChnSentiCorp\n\nSame recipe and seeds for both (settings.json of each run).\n\n"
        + "\n".join(lines + means)
        + f"\n\n## Module\n\nBuilt from pretrained seed {arguments.seeds[0]}, installed, asked for "
        f"all {count} dev texts: {equal} labels equal to the fine-tuned model's, largest "
        f"difference of a probability {largest:.2g}.\n"
    )


if __name__ == "__main__":
    main()
