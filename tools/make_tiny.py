"""Make chinese-electra-tiny, the model that comes with the package, from the corpora on.

    python tools/make_tiny.py --corpora CORPORA --work runs/tiny

One command from text to weights: a vocabulary; shards of 128 and of 512 tokens; pretraining in
three runs of two processes, each from the weights of the one before, with the settings
configs/pretraining/chinese-electra-tiny.json, -2.json and -3.json (hours): all texts, then with an
eighth of the statutes, then so with long examples; a head for reviews fine-tuned on the packaged
sample; then all in float16 with a model card in paddle_electra/assets/tiny.  What is there already
is not made again, so the same command continues after an interruption.

    python tools/make_tiny.py --corpora CORPORA --work FOLDER --first-steps 200

makes only the beginning of the pretraining again and compares its losses with the log that lies
beside the weights.
"""

import argparse
import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

from make_tiny_card import CARD, CORPORA, LOGS, card  # noqa: E402
from make_tiny_weights import (  # noqa: E402
    average,
    for_fine_tuning,
    repeat_positions,
    sample_documents,
)

from paddle_electra.checkpoint import load, native  # noqa: E402
from paddle_electra.checkpoint.conversion import cast  # noqa: E402
from paddle_electra.checkpoint.runs import PRETRAINING_SETTINGS, list_checkpoints  # noqa: E402
from paddle_electra.errors import InputError  # noqa: E402
from paddle_electra.files import atomic_directory, read_json  # noqa: E402
from paddle_electra.training.log import read_log  # noqa: E402

ASSETS = ROOT / "paddle_electra" / "assets"
# The statutes are four fifths of the text, and much alike: with all of them a network soon finds
# out what attention is good for, with an eighth of them it then learns more of everything else.
STATUTES, EVERY = "laws_zh.txt", 8
OTHERS = [name for name in CORPORA if name != STATUTES]
HEAD = (
    "--task custom --kind seq-cls --max-seq-length 128 --num-train-epochs 15 --learning-rate 5e-4 "
    "--keep best --seed 42"
)
RUN_LOG = "log.jsonl"
SHORT = 128  # tokens of the short examples
SHARE = 0.7  # of the way from the weights before the third run to those after it
TOLERANCE = 2e-3  # relative, of a mean loss: two math libraries round differently


def run(words, **environment):
    """Print and run a command; ends the script when it fails."""
    print(f"$ {shlex.join(words)}", flush=True)
    done = subprocess.run(words, cwd=ROOT, env={**os.environ, **environment})
    if done.returncode:
        raise SystemExit(done.returncode)


def electra(text, *paths):
    """Run a command of paddle-electra; the words ``{}`` in it stand for the paths."""
    left = iter(paths)
    words = [str(next(left)) if word == "{}" else word for word in shlex.split(text)]
    run([sys.executable, "-m", "paddle_electra", *words])


class Stage(NamedTuple):
    """A pretraining run: its settings, its shards, folder, weights to begin with."""

    config: str
    data: Path
    output: Path
    long_data: Path | None = None
    start: Path | None = None


def build(corpora, work):
    """Vocabulary and shards; returns the `Stage`s, the later ones without their start."""
    vocab = work / "vocab.txt"
    if not vocab.is_file():
        electra("vocab --input {} --output {} --vocab-size 8000 --min-frequency 5", corpora, vocab)
    few = work / f"{Path(STATUTES).stem}_{EVERY}.txt"
    if not few.is_file():
        sample_documents(corpora / STATUTES, few, EVERY)
    others = [corpora / name for name in OTHERS]
    inputs = {  # whose order decides that of the examples
        "shards128": [corpora],
        "shards512": sorted(others),
        "mixed128": [*others, few],
        "mixed512": [*others, few],
    }
    for name, files in inputs.items():
        words = f"data build --vocab {{}} --output {{}} --max-seq-length {name[-3:]} --input"
        electra(words + " {}" * len(files), vocab, work / name, *files)
    ends = ("", "-2", "-3")
    configs = [f"configs/pretraining/chinese-electra-tiny{end}.json" for end in ends]
    outputs = [work / f"pretrained{end}" for end in ends]
    short, long, mixed_short, mixed_long = (work / name for name in inputs)
    return [
        Stage(configs[0], short, outputs[0], long),
        Stage(configs[1], mixed_short, outputs[1]),
        Stage(configs[2], mixed_long, outputs[2]),
    ]


@contextlib.contextmanager
def pretraining(stage):
    """A `Stage`'s run, going on in two processes of one thread each, as a `Popen`."""
    entry = "import sys\nfrom paddle_electra.cli import main\nsys.exit(main(sys.argv[1:]))\n"
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "pretrain.py"
        script.write_text(entry, "utf-8")
        words = [sys.executable, "-m", "paddle.distributed.launch", "--nproc_per_node", "2"]
        words += ["--log_dir", f"{stage.output}-logs", str(script), "pretrain"]
        words += ["--hparams", stage.config, "--data", str(stage.data)]
        words += ["--output", str(stage.output)]
        words += ["--long-data", str(stage.long_data)] if stage.long_data else []
        words += ["--init-from", str(stage.start)] if stage.start else []
        print(f"$ {shlex.join(words)}", flush=True)
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        with subprocess.Popen(words, cwd=ROOT, env=environment) as process:
            yield process


def pretrain(stage):
    """Make or finish a run; Ctrl-C saves and stops it.  Returns its last checkpoint's folder."""
    with pretraining(stage) as process:
        try:
            code = process.wait()
        except KeyboardInterrupt:
            code = process.wait()
    if code:
        raise SystemExit(code)
    return list_checkpoints(stage.output)[-1][1]


def write_once(folder, make):
    """Write the `Checkpoint` that ``make`` gives into a folder, unless it is there."""
    if not folder.is_dir():
        with atomic_directory(folder) as temporary:
            native.write_checkpoint(temporary, make())


def train_head(model, output):
    """Fine-tune the head for reviews."""
    if not (output / "results.json").is_file():
        sample = ASSETS / "sample" / "sentiment"
        paths = model, output, sample / "train.tsv", sample / "dev.tsv"
        electra("finetune --model {} --output {} --train {} --dev {} " + HEAD, *paths)


def publish(stages, weights, head, corpora, output, reviews):
    """Write weights in float16, the runs' logs and the card, all or nothing."""
    runs = []
    with atomic_directory(output) as folder:
        pretrained, trained = (cast(load(path), "float16") for path in (weights, head))
        native.write_checkpoint(folder, pretrained, [trained])
        for stage, name in zip(stages, LOGS, strict=True):
            settings = read_json(stage.output / PRETRAINING_SETTINGS)["options"]
            shutil.copyfile(stage.output / RUN_LOG, folder / name)
            runs.append((settings, read_log(folder / name)))
        text = card(folder, runs, corpora, read_json(head / "results.json"), reviews)
        (folder / CARD).write_text(text, "utf-8")
    print(f"wrote {output}")


def _trained(log):
    """{step: entry} of the training lines of a log."""
    return {entry["step"]: entry for entry in log if entry["kind"] == "train"}


def compare_first_steps(stage, steps):
    """Make a run's first steps again; compare their losses with those of the published log."""
    published = _trained(read_log(ASSETS / "tiny" / LOGS[0]))
    made, log = {}, stage.output / RUN_LOG
    with pretraining(stage) as process:
        while process.poll() is None and max(made, default=0) < steps:
            time.sleep(2)
            if log.is_file():
                made = _trained(read_log(log, tolerant=True))
        process.send_signal(signal.SIGTERM)
    worst = 0.0
    for step in sorted(step for step in made if step <= steps):
        for name in ("loss", "mlm_loss", "discriminator_loss"):
            ours, theirs = made[step][name], published[step][name]
            worst = max(worst, abs(ours - theirs) / abs(theirs))
            print(f"step {step} {name}: {ours:.6g} now, {theirs:.6g} published")
    if max(made, default=0) < steps or worst > TOLERANCE:
        raise SystemExit(f"not the same: reached step {max(made, default=0)}, {worst:.2g} apart")
    print(f"the same to {worst:.2g}, relative, in every line of the first {steps} steps")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--corpora", type=Path, required=True, help="folder of the texts")
    parser.add_argument("--work", type=Path, required=True, help="folder for everything made")
    parser.add_argument("--output", type=Path, default=ASSETS / "tiny")
    parser.add_argument("--chnsenticorp", type=Path, help="score the head on these files, too")
    parser.add_argument("--first-steps", type=int, help="only compare this many steps")
    arguments = parser.parse_args()
    try:
        make(arguments)
    except InputError as error:
        print(f"make_tiny.py: error: {error}", file=sys.stderr)
        raise SystemExit(2) from None


def make(arguments):
    """Everything that is asked for and not there yet."""
    work = arguments.work.absolute()
    work.mkdir(parents=True, exist_ok=True)
    missing = [name for name in CORPORA if not (arguments.corpora / name).is_file()]
    if missing:
        raise InputError(f"--corpora {arguments.corpora}: {', '.join(missing)} not there")
    first, second, third = build(arguments.corpora.absolute(), work)
    if arguments.first_steps:
        compare_first_steps(first._replace(output=work / "first-steps"), arguments.first_steps)
        return
    last = pretrain(second._replace(start=pretrain(first)))
    start, weights, head = work / "start-3", work / "weights", work / "head"
    write_once(start, lambda: repeat_positions(load(last), SHORT))
    last = pretrain(third._replace(start=start))
    write_once(weights, lambda: for_fine_tuning(average(load(start), load(last), SHARE)))
    train_head(weights, head)
    stages = first, second, third
    publish(stages, weights, head, arguments.corpora, arguments.output, arguments.chnsenticorp)


if __name__ == "__main__":
    main()
