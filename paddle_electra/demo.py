"""``paddle-electra demo``: the whole pipeline on the packaged sample, from text to HTTP answers.

Every stage is the command that a user would type, printed before it runs.
"""

import contextlib
import dataclasses
import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from .config import option
from .errors import InputError
from .files import write_json

SAMPLE = Path(__file__).parent / "assets" / "sample"
NAME = "chinese-electra-tiny"
LABELS = {"0": "negative", "1": "positive"}
TEXTS = ["房间干净，老板热情，下次还来。", "等了一个小时，菜还是凉的，太失望了。"]
MARKER = "demo.json"
# Sizes for a demonstration of a few minutes on two cores; nothing else is special about them.
VOCABULARY = "--vocab-size 3000 --min-frequency 1"
LENGTH = "--max-seq-length 64"
PRETRAINING = {
    "model_size": "tiny",
    "num_hidden_layers": 2,
    "hidden_size": 64,
    "embedding_size": 64,
    "num_attention_heads": 2,
    "generator_hidden_size": 64,
    "learning_rate": 2e-3,
    "train_batch_size": 32,
    "num_train_steps": 300,
    "num_warmup_steps": 30,
    "eval_every": 100,
    "log_every": 25,
}
FINETUNING = "--num-train-epochs 10 --learning-rate 1e-3"


@dataclasses.dataclass(frozen=True, kw_only=True)
class DemoOptions:
    """Options of ``paddle-electra demo``."""

    output: str = option("demo_output", "folder for everything the demo makes; made afresh")


def run(options):
    """Run every stage.

    Raises:
        InputError: the output folder holds something else, or a stage fails.
    """
    started = time.monotonic()
    root = _fresh_folder(Path(options.output))
    paths = {
        name: _quote(root / name)
        for name in ("vocab.txt", "shards", "pretrained", "finetuned", "modules", "hub")
    }
    corpus, reviews = SAMPLE / "corpus", SAMPLE / "reviews"
    _stage(
        "1/7 vocabulary: learned from the sample corpus",
        f"vocab --input {_quote(corpus)} --output {paths['vocab.txt']} {VOCABULARY}",
        paths["vocab.txt"],
    )
    _stage(
        "2/7 shards: sentences to token ids",
        f"data build --input {_quote(corpus)} --vocab {paths['vocab.txt']} "
        f"--output {paths['shards']} {LENGTH}",
        paths["shards"],
    )
    write_json(root / "pretraining.json", PRETRAINING)
    _stage(
        "3/7 pretraining: generator and discriminator from random weights",
        f"pretrain --hparams {_quote(root / 'pretraining.json')} --data {paths['shards']} "
        f"--output {paths['pretrained']}",
        paths["pretrained"],
    )
    _report_losses(root / "pretrained")
    _stage(
        "4/7 fine-tuning: positive or negative reviews",
        f"finetune --task chnsenticorp --model {paths['pretrained']} --data {_quote(reviews)} "
        f"--output {paths['finetuned']} {LENGTH} {FINETUNING}",
        paths["finetuned"],
    )
    _stage(
        "5/7 PaddleHub module",
        f"module build --model {paths['finetuned']} --name {NAME} --output {paths['modules']}",
        paths["modules"],
    )
    if _have_paddlehub():
        _use_module(root / "modules" / NAME.replace("-", "_"), root / "hub")
    else:
        print("\n=== 6/7 and 7/7 need PaddleHub: pip install 'paddle-electra[hub]' ===")
    _print_end(root, time.monotonic() - started)


def _fresh_folder(root):
    """An empty folder; what an earlier demo left there goes, anything else is refused."""
    if root.exists() and not root.is_dir():
        raise InputError(f"{root}: expected a folder for the demo's output, this is a file")
    if root.is_dir() and any(root.iterdir()):
        if not (root / MARKER).is_file():
            raise InputError(f"{root}: not empty and not made by the demo; give another --output")
        shutil.rmtree(root)
    write_json(root / MARKER, {"made_by": "paddle-electra demo"})
    return root


def _quote(path):
    return shlex.quote(str(path))


def _stage(title, command, made):
    """Print and run one command of paddle-electra in this process."""
    from .cli import main

    print(f"\n=== {title} ===\n$ paddle-electra {command}", flush=True)
    started = time.monotonic()
    if main(shlex.split(command)) != 0:
        raise InputError(f"the demo stopped at stage {title.split()[0]}; see the message above")
    print(f"--- made {made} in {time.monotonic() - started:.0f} s", flush=True)


def _report_losses(run_folder):
    from .training.log import read_log

    lines = [entry for entry in read_log(run_folder / "log.jsonl") if entry["kind"] == "train"]
    first, last = lines[0], lines[-1]
    for name in ("loss", "mlm_loss", "discriminator_loss"):
        print(f"    {name}: {first[name]:.3f} at first, {last[name]:.3f} at the end")


def _have_paddlehub():
    import importlib.util

    return importlib.util.find_spec("paddlehub") is not None


# PaddleHub's own console script, called so that it is the one of this Python.
_HUB = "import sys; from paddlehub.commands.utils import execute; sys.exit(execute())"
_PREDICT = """
import json, sys
import paddlehub as hub
name, texts, labels = json.loads(sys.argv[1])
module = hub.Module(name=name, task="seq-cls", label_map=labels)
answers, shares = module.predict([[text] for text in texts], return_prob=True)
for text, answer, share in zip(texts, answers, shares):
    print(f"    {text}  ->  {answer} ({max(share):.2f})")
pooled, tokens = module.get_embedding([texts[:1]])[0]
print(f"    get_embedding: {len(pooled)} numbers a text, {len(tokens)} token vectors")
"""


def _use_module(folder, home):
    """Install the module, ask it in Python, serve it and ask over HTTP; all without a network."""
    home.mkdir()
    # PIP_NO_INDEX: `hub install` asks pip for the requirements, which are installed already.
    environment = {
        **os.environ,
        "HUB_HOME": str(home.resolve()),
        "PIP_NO_INDEX": "1",
        "PYTHONWARNINGS": "ignore",
    }
    print(f"\n=== 6/7 hub.Module ===\n$ HUB_HOME={home} hub install {folder}", flush=True)
    _run_python(_HUB, ["install", str(folder)], environment, show=False)
    print(f'>>> hub.Module(name="{NAME}", task="seq-cls", label_map={LABELS})', flush=True)
    _run_python(_PREDICT, [json.dumps([NAME, TEXTS, LABELS])], environment, show=True)

    port = _free_port()
    print(f"\n=== 7/7 serving ===\n$ hub serving start -m {NAME} -p {port}", flush=True)
    log_file = home / "serving.log"
    with open(log_file, "wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-c", _HUB, "serving", "start", "-m", NAME, "-p", str(port)],
            env=environment,
            stdout=log,
            stderr=log,
        )
    try:
        answer = _ask(server, f"http://127.0.0.1:{port}/predict/{NAME}", log_file)
    finally:
        server.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(15)
        if server.poll() is None:
            server.kill()
    print(f"    answer: {json.dumps(answer, ensure_ascii=False)}")


def _run_python(code, arguments, environment, show):
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    if done.returncode != 0:
        sys.stderr.write(done.stderr[-4000:])
        raise InputError("PaddleHub failed; see its messages above")
    if show:
        print("\n".join(line for line in done.stdout.splitlines() if line.startswith("    ")))


def _ask(server, address, log_file, seconds=120):
    """POST the texts once the server listens; the parsed answer."""
    body = json.dumps({"data": [[text] for text in TEXTS]}).encode("utf-8")
    shown = json.dumps({"data": [[TEXTS[0]], ["..."]]}, ensure_ascii=False)
    print(f"$ curl -H 'Content-Type: application/json' -d '{shown}' {address}", flush=True)
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with opener.open(request, timeout=60) as response:
                return _checked(json.load(response))
        except (ConnectionError, urllib.error.URLError) as error:
            if isinstance(error, urllib.error.HTTPError):
                raise InputError(f"the server answered {error.code}; see {log_file}") from None
            time.sleep(0.3)
    raise InputError(f"the server did not start; see {log_file}")


def _checked(answer):
    """PaddleHub answers 200 also when a request failed; the body says so."""
    if answer.get("status") != "000" or len(answer.get("results", ())) != len(TEXTS):
        raise InputError(f"the server's answer is not one label a text: {answer}")
    return answer


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _print_end(root, seconds):
    print(
        f"""
=== done in {seconds:.0f} s; everything is in {root} ===
A model this small, trained this briefly, shows that the pipeline runs, not what ELECTRA can do.
The same on your own text (one paragraph a line, a blank line between documents):

  paddle-electra vocab      --input MY_TEXTS --output my/vocab.txt
  paddle-electra data build --input MY_TEXTS --vocab my/vocab.txt --output my/shards
  paddle-electra pretrain   --model-size tiny --num-train-steps 10000 --train-batch-size 32 \\
                            --data my/shards --output my/pretrained
  paddle-electra finetune   --task chnsenticorp --model my/pretrained --data MY_REVIEWS \\
                            --output my/finetuned
  paddle-electra module build --model my/finetuned --name my-electra --output my/modules
  hub install my/modules/my_electra && hub serving start -m my-electra

paddle-electra COMMAND --help lists every option.""",
        flush=True,
    )
