"""Kill pretraining with SIGKILL at random moments and compare with an uninterrupted run.

    python benchmarks/kill_resume.py --kills 20 --data SHARDS --output RESULT.md

Dropout is on.  Every resumed run must log, for every step, exactly the numbers of the
uninterrupted run, and end with the same weights, byte for byte.
"""

import argparse
import filecmp
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from record import header  # noqa: E402

from paddle_electra.checkpoint.runs import list_checkpoints  # noqa: E402
from paddle_electra.training.log import read_log  # noqa: E402


def command(arguments, output):
    hparams = {
        "model_size": "tiny",
        "num_hidden_layers": 2,
        "hidden_size": 64,
        "embedding_size": 32,
        "num_attention_heads": 2,
        "generator_hidden_size": 32,
        "train_batch_size": 8,
        "num_train_steps": arguments.steps,
        "num_warmup_steps": 10,
        "log_every": 1,
        "eval_every": 25,
        "eval_examples": 64,
        "save_checkpoints_steps": 5,
        "visualdl": False,
        "data": arguments.data,
        "output": str(output),
    }
    return [sys.executable, "-m", "paddle_electra", "pretrain", "--hparams", json.dumps(hparams)]


def entries(output):
    """The log without what depends on the clock."""
    return [
        {key: value for key, value in entry.items() if key != "tokens_per_second"}
        for entry in read_log(output / "log.jsonl")
    ]


def steps_logged(output):
    log = output / "log.jsonl"
    return log.read_text("utf-8").count('"train"') if log.exists() else 0


def run_until_killed(arguments, output, rng):
    """Start the run, kill it a random time after its first new step.

    Returns:
        (step at the kill, None) or, when it finished before, (step, exit code).
    """
    saved = list_checkpoints(output)
    before = saved[-1][0] if saved else 0
    process = subprocess.Popen(
        command(arguments, output), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while process.poll() is None and steps_logged(output) > before:
        time.sleep(0.01)  # the lines of steps that will be made again are cut off first
    while process.poll() is None and steps_logged(output) <= before:
        time.sleep(0.01)
    try:
        process.wait(rng.uniform(0, arguments.longest))
        return steps_logged(output), process.returncode
    except subprocess.TimeoutExpired:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        return steps_logged(output), None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder of shards")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--steps", type=int, default=200, help="of the whole run")
    parser.add_argument("--longest", type=float, default=3.0, help="seconds before a kill")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", help="markdown file for the result")
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        whole, killed = Path(folder) / "whole", Path(folder) / "killed"
        subprocess.run(command(arguments, whole), check=True, capture_output=True)
        kills = []
        while len(kills) < arguments.kills:
            step, code = run_until_killed(arguments, killed, rng)
            if code is not None:
                raise SystemExit(f"it ended by itself (code {code}); use more --steps")
            saved = list_checkpoints(killed)
            kills.append((step, saved[-1][0] if saved else 0))
            print(
                f"kill {len(kills)}: {step} steps logged, resumes from {kills[-1][1]}", flush=True
            )
        subprocess.run(command(arguments, killed), check=True, capture_output=True)
        same_log = entries(killed) == entries(whole)
        files = [list_checkpoints(run)[-1][1] for run in (killed, whole)]
        names = ["discriminator.safetensors", "generator.safetensors", "optimizer.safetensors"]
        same = filecmp.cmpfiles(*files, names, shallow=False)[0]
    rows = "\n".join(f"| {n} | {s} | {c} |" for n, (s, c) in enumerate(kills, 1))
    text = (
        header("SIGKILL during pretraining, and resuming")
        + f"{arguments.steps} steps, dropout on, a checkpoint every 5 steps.\n\n"
        f"| kill | steps logged | resumed from step |\n|---|---|---|\n{rows}\n\n"
        f"- log equal to the uninterrupted run's, every number of every step: {same_log}\n"
        f"- files of the last checkpoint equal byte for byte: {', '.join(same) or 'none'}\n"
    )
    print(text)
    if arguments.output:
        Path(arguments.output).write_text(text, "utf-8")
    if not same_log or len(same) != len(names):
        raise SystemExit("the resumed run differs from the uninterrupted one")


if __name__ == "__main__":
    main()
