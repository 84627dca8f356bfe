"""Kill a ten-trial benchmark at random moments, start it again, and compare the tables.

    python benchmarks/kill_six_tasks.py --work FOLDER --output RESULT.md [--kills 8] [--trials 10]

Two models of two small layers with random weights learn two small tasks that the script writes.
One run of `six_tasks.py` is left alone, a second one is killed (SIGKILL to the whole process
group) ``--kills`` times.  Compared: ``six_tasks.json`` byte for byte, ``six_tasks.md`` without its
head, and every trial's ``results.json`` but for the seconds it took.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from paddle_electra.runtime import prepare_environment  # noqa: E402

prepare_environment()

import paddle  # noqa: E402
from record import header  # noqa: E402

from paddle_electra.checkpoint import native  # noqa: E402
from paddle_electra.modeling.config import ElectraConfig  # noqa: E402
from paddle_electra.modeling.electra import ElectraDiscriminator  # noqa: E402

CHARACTERS = "的一是不了人我在有他这中大来上国个到说们为子和你地出道也时年"
TASKS = ("chnsenticorp", "lcqmc")


def write_data(folder):
    """Both tasks: what has 好 is positive."""
    source = random.Random(5)
    for task in TASKS:
        (folder / task).mkdir(parents=True, exist_ok=True)
        for split, count in (("train", 320), ("dev", 100), ("test", 100)):
            lines = []
            for number in range(count):
                texts = ["".join(source.choices(CHARACTERS, k=8)) for _ in range(2)]
                label = number % 2
                texts[1] = texts[1][:3] + "好" * label + texts[1][3:]
                row = (label, texts[1]) if task == "chnsenticorp" else (*texts, label)
                lines.append("\t".join(map(str, row)) + "\n")
            (folder / task / f"{split}.tsv").write_text("".join(lines), "utf-8")


def write_model(folder, seed):
    vocab = folder.with_suffix(".vocab.txt")
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "好", *CHARACTERS]
    vocab.write_text("".join(f"{token}\n" for token in tokens), "utf-8")
    sizes = {"num_hidden_layers": 2, "hidden_size": 32, "num_attention_heads": 2}
    config = ElectraConfig.from_size(
        "tiny", len(tokens), intermediate_size=64, embedding_size=16, **sizes
    )
    paddle.seed(seed)
    native.save(folder, config, vocab, ElectraDiscriminator(config))


def command(work, output, trials):
    models = [f"{name}={work / name}" for name in ("one", "two")]
    words = [sys.executable, str(ROOT / "benchmarks" / "six_tasks.py"), "--models", *models]
    words += ["--tasks", *TASKS, "--data", str(work / "data"), "--output", str(output)]
    # A rate at which the trials differ: at the recipe's all would be right, or none.
    own = ["--learning-rate", "2e-3", "--max-seq-length", "32", "--num-train-epochs", "2"]
    return [*words, "--trials", str(trials), "--gpus", "none", "--", *own]


def run_killed(words, kills, longest, source):
    """Start ``words`` until they end by themselves; the moments (seconds) of the kills."""
    moments = []
    while True:
        process = subprocess.Popen(words, start_new_session=True, stdout=subprocess.DEVNULL)
        moment = source.uniform(0.1, longest) if len(moments) < kills else None
        try:
            if process.wait(moment) != 0:
                sys.exit("six_tasks.py failed")
            return moments
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            moments.append(moment)


def results(output):
    """{path: results of a trial, without the time it took}."""
    found = {}
    for path in sorted(output.glob("runs/*/*/trial_*/results.json")):
        content = json.loads(path.read_text("utf-8"))
        content["train"].pop("seconds")
        found[str(path.relative_to(output))] = content
    return found


def table(output):
    """The markdown from the first heading of a task on."""
    text = (output / "six_tasks.md").read_text("utf-8")
    return text[text.index("\n## ") :]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--kills", type=int, default=8)
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    work = options.work.resolve()
    if work.exists():  # finished runs would not be killed
        parser.error(f"--work {options.work} exists; name a folder that does not")
    work.mkdir(parents=True)
    write_data(work / "data")
    for seed, name in enumerate(("one", "two")):
        write_model(work / name, seed)
    began = time.monotonic()
    subprocess.run(command(work, work / "whole", options.trials), check=True)
    seconds = time.monotonic() - began
    words = command(work, work / "killed", options.trials)
    source = random.Random(options.seed)
    moments = run_killed(words, options.kills, 2 * seconds / max(options.kills, 1), source)
    one, other = (results(work / name) for name in ("whole", "killed"))
    equal = {
        "six_tasks.json, byte for byte": (work / "whole" / "six_tasks.json").read_bytes()
        == (work / "killed" / "six_tasks.json").read_bytes(),
        "tables": table(work / "whole") == table(work / "killed"),
        f"results of {len(one)} trials": one == other and len(one) == 4 * options.trials,
    }
    lines = [
        header("A ten-trial benchmark, killed and started again"),
        f"The whole run: 2 models, 2 tasks, {options.trials} trials each, {seconds:.0f} s.  "
        f"The other one was killed {len(moments)} times, after "
        f"{', '.join(f'{moment:.1f}' for moment in moments)} s.\n",
        "| compared | equal |\n|---|---|",
        *(f"| {name} | {'yes' if same else 'NO'} |" for name, same in equal.items()),
        "\nThe tables of both:",
        table(work / "killed"),
    ]
    options.output.write_text("\n".join(lines) + "\n", "utf-8")
    print("\n".join(f"{name}: {'equal' if same else 'DIFFERENT'}" for name, same in equal.items()))
    return 0 if all(equal.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
