"""Make chinese-electra-tiny, the model that comes with the package, from the corpora on.

    python tools/make_tiny.py --corpora CORPORA --work runs/tiny

One command from text to weights: a vocabulary, shards of 128 and of 512 tokens, pretraining on two
processes (configs/pretraining/chinese-electra-tiny.json; hours), a head for reviews fine-tuned on
the packaged sample, then both in float16 with a model card in paddle_electra/assets/tiny.  What is
there already is not made again, so the same command continues after an interruption.

    python tools/make_tiny.py --corpora CORPORA --work FOLDER --first-steps 200

makes only the beginning of the pretraining again and compares its losses with the log that lies
beside the weights.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

from make_tiny_card import CARD, CORPORA, LOG, card  # noqa: E402

from paddle_electra.checkpoint import load, native  # noqa: E402
from paddle_electra.checkpoint.conversion import cast  # noqa: E402
from paddle_electra.checkpoint.runs import PRETRAINING_SETTINGS, list_checkpoints  # noqa: E402
from paddle_electra.errors import InputError  # noqa: E402
from paddle_electra.files import atomic_directory, read_json  # noqa: E402
from paddle_electra.training.log import read_log  # noqa: E402

ASSETS = ROOT / "paddle_electra" / "assets"
CONFIG = "configs/pretraining/chinese-electra-tiny.json"
# The second stage leaves the statutes out, which are four fifths of the text.
LONG = (
    "cmrc2018_wiki_contexts_simp.txt",
    "drcd_wiki_contexts_trad.txt",
    "oiwiki_zh.txt",
    "pingcap_docs_cn.txt",
)
# So small a model learns more from pretraining without dropout; fine-tuning wants it.
DROPOUT = {"hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1}
HEAD = (
    "--task custom --kind seq-cls --max-seq-length 128 --num-train-epochs 8 --learning-rate 1e-3 "
    "--keep best --seed 42 "
    f"--model-hparam-overrides {shlex.quote(json.dumps(DROPOUT))}"
)
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


def build(corpora, work):
    """Vocabulary and shards of both stages."""
    vocab, short, long = work / "vocab.txt", work / "shards128", work / "shards512"
    if not vocab.is_file():
        electra("vocab --input {} --output {} --vocab-size 8000 --min-frequency 5", corpora, vocab)
    build = "data build --vocab {} --output {} --max-seq-length"
    electra(f"{build} 128 --input {{}}", vocab, short, corpora)
    inputs = [corpora / name for name in LONG]
    electra(f"{build} 512 --input" + " {}" * len(inputs), vocab, long, *inputs)
    return short, long


@contextlib.contextmanager
def pretraining(short, long, output):
    """The pretraining, running in two processes of one thread each, as a `Popen`."""
    entry = "import sys\nfrom paddle_electra.cli import main\nsys.exit(main(sys.argv[1:]))\n"
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "pretrain.py"
        script.write_text(entry, "utf-8")
        words = [sys.executable, "-m", "paddle.distributed.launch", "--nproc_per_node", "2"]
        words += ["--log_dir", f"{output}-logs", str(script), "pretrain", "--hparams", CONFIG]
        words += ["--data", str(short), "--long-data", str(long), "--output", str(output)]
        print(f"$ {shlex.join(words)}", flush=True)
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        with subprocess.Popen(words, cwd=ROOT, env=environment) as process:
            yield process


def pretrain(short, long, output):
    """Make or finish the pretraining; Ctrl-C saves and stops it."""
    with pretraining(short, long, output) as process:
        try:
            code = process.wait()
        except KeyboardInterrupt:
            code = process.wait()
    if code:
        raise SystemExit(code)


def train_head(model, output):
    """Fine-tune the head for reviews."""
    if not (output / "results.json").is_file():
        sample = ASSETS / "sample" / "sentiment"
        paths = model, output, sample / "train.tsv", sample / "dev.tsv"
        electra("finetune --model {} --output {} --train {} --dev {} " + HEAD, *paths)


def _read(path):
    """A checkpoint whose configuration has the dropout of fine-tuning."""
    found = load(path)
    return found._replace(config=dataclasses.replace(found.config, **DROPOUT))


def publish(run_folder, checkpoint, head, corpora, output, reviews):
    """Write weights in float16, the log and the card, all or nothing."""
    step, settings = checkpoint[0], read_json(run_folder / PRETRAINING_SETTINGS)["options"]
    log = [entry for entry in read_log(run_folder / LOG) if entry["step"] <= step]
    with atomic_directory(output) as folder:
        pretrained, trained = (cast(_read(path), "float16") for path in (checkpoint[1], head))
        native.write_checkpoint(folder, pretrained, [trained])
        lines = (json.dumps(entry, ensure_ascii=False) for entry in log)
        (folder / LOG).write_text("".join(f"{line}\n" for line in lines), "utf-8")
        text = card(folder, step, settings, log, corpora, read_json(head / "results.json"), reviews)
        (folder / CARD).write_text(text, "utf-8")
    print(f"wrote {output}")


def compare_first_steps(short, long, work, steps):
    """Make the first steps again; compare their losses with those of the published log."""
    published = {e["step"]: e for e in read_log(ASSETS / "tiny" / LOG) if e["kind"] == "train"}
    output = work / "first-steps"
    made = {}
    with pretraining(short, long, output) as process:
        while process.poll() is None and max(made, default=0) < steps:
            time.sleep(2)
            if (output / LOG).is_file():
                log = read_log(output / LOG, tolerant=True)
                made = {entry["step"]: entry for entry in log if entry["kind"] == "train"}
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
    parser.add_argument("--run", type=Path, help="a pretraining run that is there already")
    parser.add_argument("--unfinished", action="store_true", help="publish what --run has so far")
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
    shards = build(arguments.corpora.absolute(), work)
    if arguments.first_steps:
        compare_first_steps(*shards, work, arguments.first_steps)
        return
    run_folder = (arguments.run or work / "pretrained").absolute()
    if not arguments.unfinished:
        pretrain(*shards, run_folder)
    checkpoint = list_checkpoints(run_folder)[-1]
    head = work / f"head-{checkpoint[0]}"
    train_head(checkpoint[1], head)
    publish(
        run_folder, checkpoint, head, arguments.corpora, arguments.output, arguments.chnsenticorp
    )


if __name__ == "__main__":
    main()
