"""Speed of inference, text to labels: ours beside the published module and other frameworks.

    python benchmarks/speed_inference.py --data CHNSENTICORP --vocab VOCAB --output RESULT.md

Random weights of the true sizes, the same for all, given through our converter.  Every contestant
has a process of its own, which keeps its model; they take turns and the one that waits sleeps.  A
part: ``--sizes small --contestants ours torch --texts 100``.
"""

import argparse
import os
import platform
import random
import statistics
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from importlib import metadata
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from record import header  # noqa: E402
from speed_inference_contestants import (  # noqa: E402
    CONTESTANTS,
    EAGER,
    LABELS,
    Skipped,
    environment,
)

LENGTH = 128  # most tokens of a text
PAIRS = 5000
SLOW, SAMPLE = 20, 100  # texts/s below which a rival gets a sample of so many texts
PAUSE = 0.5  # seconds; the threads of an OpenMP library spin on for a while
SEED = 6
WORDS = 21128  # of the published models; a smaller vocabulary leaves some without a token
PACKAGES = ("torch", "transformers", "onnxruntime", "openvino", "paddle2onnx")


class Turn(NamedTuple):
    """What a contestant did in one turn."""

    texts: int
    seconds: float  # wall-clock
    processor: float  # seconds of processor time

    @property
    def rate(self):
        return self.texts / self.seconds


def read_reviews(folder):
    """The texts of ChnSentiCorp's test split."""
    lines = (Path(folder) / "test.tsv").read_text("utf-8").splitlines()[1:]
    return [line.split("\t", 1)[1] for line in lines]


def make_pairs(vocab, count):
    """Short pairs of made-up sentences of frequent characters, half of them nearly alike."""
    source = random.Random(SEED)
    tokens = Path(vocab).read_text("utf-8").split("\n")
    characters = [token for token in tokens if len(token) == 1 and "\u4e00" <= token <= "\u9fa5"]

    def sentence():
        return "".join(source.choices(characters, k=source.randint(6, 24)))

    pairs = []
    for _ in range(count):
        first = sentence()
        place = source.randrange(len(first))
        near = first[:place] + source.choice(characters) + first[place + 1 :]
        pairs.append((first, near if source.random() < 0.5 else sentence()))
    return pairs


def make_models(size, vocab, texts, folder):
    """Write one random model for everybody; in a process of its own, as it imports paddle.

    ``ours`` (our format), ``torch`` and ``paddlenlp`` (their layouts), ``onnx`` (every token in
    every layer), ``onnx-shortened`` (as we export it) and ``head.npz``.
    """
    from paddle_electra.runtime import prepare_environment

    prepare_environment()
    import paddle

    from paddle_electra import checkpoint as checkpoints
    from paddle_electra.checkpoint import native
    from paddle_electra.inference.export import export
    from paddle_electra.inference.predictor import Predictor
    from paddle_electra.modeling.config import ElectraConfig
    from paddle_electra.modeling.electra import (
        ElectraDiscriminator,
        ElectraForSequenceClassification,
    )
    from paddle_electra.text.tokenizer import ElectraTokenizer

    values = ElectraConfig.from_size(size, max(WORDS, ElectraTokenizer(vocab).vocab_size)).to_dict()
    # Weights twice as large as usual, so that the texts' answers differ as after training.
    config = ElectraConfig.from_dict({**values, "initializer_range": 0.04}, size)
    paddle.seed(SEED)
    network = ElectraForSequenceClassification(config, 2)
    task = {"task": "speed", "kind": "seq-cls", "labels": ["0", "1"], "max_seq_length": LENGTH}
    folder.mkdir()
    native.save(folder / "first", config, vocab, network, task=task)
    # A bias that makes both labels equally frequent: hardest for the agreement of labels.
    first = Predictor.load(folder / "first", engine="eager")
    chances = np.log(first.predict(texts[:64], return_prob=True)[1])
    middle = float(np.median(chances[:, 1] - chances[:, 0]))
    network.classifier.bias.set_value(network.classifier.bias + np.array([middle, 0], np.float32))
    native.save(folder / "ours", config, vocab, network, task=task)
    weight, bias = network.classifier.weight.numpy(), network.classifier.bias.numpy()
    np.savez(folder / "head.npz", weight=weight, bias=bias)
    pretrained = ElectraDiscriminator(config)  # other libraries have no place for our head
    pretrained.electra = network.electra
    native.save(folder / "plain", config, vocab, pretrained)
    for format in ("huggingface", "paddlenlp"):
        target = folder / ("torch" if format == "huggingface" else format)
        checkpoints.convert(folder / "plain", target, to=format, half="discriminator")
    export(folder / "ours", folder / "onnx-shortened", "task", "onnx")
    ElectraForSequenceClassification.reads_first_only = False
    export(folder / "ours", folder / "onnx", "task", "onnx")
    return int(sum(p.size for p in network.parameters()))


_WORKER = []  # the contestant that this process keeps


def _start(name, folder, threads):
    try:
        _WORKER.append(CONTESTANTS[name](folder, LENGTH, threads))
    except Skipped as reason:
        return None, str(reason)
    return _WORKER[0].note, None


def _answer(texts):
    processor, began = time.process_time(), time.perf_counter()
    found = _WORKER[0].answer(texts)
    seconds = time.perf_counter() - began
    return found, Turn(len(texts), seconds, time.process_time() - processor)


class Process:
    """A contestant in a process of its own.

    Attributes: ``note``; ``skipped``, why it does not take part, or None.
    """

    def __init__(self, name, folder, threads):
        self.name, before = name, dict(os.environ)
        os.environ.clear()
        os.environ.update(environment(name, threads))
        try:
            self.pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
            begun = self.pool.submit(_start, name, folder, threads)
        finally:
            os.environ.clear()
            os.environ.update(before)
        self.note, self.skipped = begun.result()

    def answer(self, texts):
        """(probabilities, `Turn`)"""
        found = self.pool.submit(_answer, texts).result()
        time.sleep(PAUSE)
        return found

    def close(self):
        self.pool.shutdown()


class Measured(NamedTuple):
    """A line of the table."""

    name: str
    note: str
    turns: list
    difference: float  # largest, of the difference of both logits, to ours in eager mode
    agreement: float  # share of the texts with the same label as there


def measure(processes, texts, expected, rounds):
    """[`Measured`] of every process on one set of texts."""
    chosen, answers = {}, {}
    for process in processes:
        process.answer(texts[:SAMPLE])  # warm-up: kernels are made
        _, turn = process.answer(texts[:SLOW])
        rows = range(len(texts))
        is_rival = not process.name.startswith("ours")
        if is_rival and turn.rate < SLOW and len(texts) > SAMPLE:
            rows = sorted(random.Random(SEED).sample(rows, SAMPLE))
        chosen[process.name] = list(rows)
    turns = {process.name: [] for process in processes}
    for _ in range(rounds):
        for process in processes:
            rows = chosen[process.name]
            answers[process.name], turn = process.answer([texts[row] for row in rows])
            turns[process.name].append(turn)
            print(f"{process.name}: {turn.rate:.1f} texts/s", flush=True)
    measured = []
    for process in processes:
        ours, theirs = log_odds(expected[chosen[process.name]]), log_odds(answers[process.name])
        difference = float(np.abs(ours - theirs).max())
        agreement = float(((ours > 0) == (theirs > 0)).mean())
        found = (process.name, process.note, turns[process.name], difference, agreement)
        measured.append(Measured(*found))
    return measured


def log_odds(probabilities):
    """The second logit minus the first, from the probabilities."""
    logs = np.log(np.asarray(probabilities, np.float64))
    return logs[:, 1] - logs[:, 0]


def table(measured):
    """Markdown of one set of texts."""
    rates = {line.name: statistics.median(t.rate for t in line.turns) for line in measured}
    best = max((rates[name] for name in rates if name.startswith("ours")), default=None)
    lines = [
        "| | texts/s (median) | ours float32 / it | our fastest / it | cores busy | texts a turn "
        "| largest difference | same label | texts/s, every turn |",
        "|---" * 9 + "|",
    ]
    for line in measured:
        rate, turns = rates[line.name], line.turns
        ratios = [f"{mine / rate:.2f}" if mine else "" for mine in (rates.get("ours"), best)]
        busy = statistics.median(turn.processor / turn.seconds for turn in turns)
        every = ", ".join(f"{turn.rate:.1f}" for turn in turns)
        cells = (LABELS[line.name], f"{rate:.1f}", *ratios, f"{busy:.2f}", turns[0].texts)
        cells += (f"{line.difference:.1e}", f"{line.agreement:.2%}", every)
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def run_size(size, arguments, data, folder):
    """Markdown of one size."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        made = (size, arguments.vocab, next(iter(data.values())), folder)
        weights = pool.submit(make_models, *made).result()
    processes = []
    eager = None
    try:
        for name in dict.fromkeys([*arguments.contestants, EAGER]):  # eager is the reference
            processes.append(Process(name, folder, arguments.threads))
            print(f"{size}: {name}: {processes[-1].skipped or 'ready'}", flush=True)
        eager = next(process for process in processes if process.name == EAGER)
        running = [p for p in processes if not p.skipped and p.name in arguments.contestants]
        parts = [f"## {size}, {weights:,} weights"]
        parts += [f"- {LABELS[p.name]}: {p.skipped or p.note}" for p in processes]
        for title, texts in data.items():
            expected, _ = eager.answer(texts)
            measured = measure(running, texts, expected, arguments.rounds)
            parts.append(f"\n### {size}, {title}\n\n{table(measured)}")
        return "\n".join(parts)
    finally:
        for process in processes:
            process.close()


def report(arguments, data, parts):
    """The result file."""
    others = []
    for package in PACKAGES:
        try:
            others.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            others.append(f"{package} not installed")
    numbers = ", ".join(f"{len(texts):,} {title}" for title, texts in data.items())
    return (
        header("Speed of inference, text to labels")
        + f"Also: {', '.join(others)}; Linux {platform.release()}. {arguments.threads} threads "
        f"each, on a CPU; the published module's path in its default environment.\n\n"
        f"{numbers}; at most {LENGTH} tokens; ChnSentiCorp from {arguments.data}, the pairs are "
        f"made up (seed {SEED}). Random weights of the true sizes, the same for all, with a head "
        f"of one dense layer for two labels, which are equally frequent. Timed is everything from "
        f"the texts to the probabilities, tokenisation included, loading not. 'Our graph' is what "
        f"`paddle-electra export` writes, whose last layer computes [CLS] only; the other runtimes "
        f"have one with every token in every layer beside it. {arguments.rounds} "
        f"turns each, in turn, after a warm-up of {SAMPLE} texts. Rivals below {SLOW} texts/s "
        f"get a sample of {SAMPLE} texts (seed {SEED}).\n\n"
        f"'Largest difference': of the second logit minus the first, to ours in eager mode. "
        f"'Cores "
        f"busy': processor time / time.\n\n" + "\n\n".join(parts) + "\n"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder of ChnSentiCorp, with test.tsv")
    parser.add_argument("--vocab", required=True, help="vocabulary of the models")
    parser.add_argument("--output", required=True, help="markdown file for the result")
    parser.add_argument("--sizes", nargs="+", default=["small", "base"])
    names = list(CONTESTANTS)
    parser.add_argument("--contestants", nargs="+", default=names, choices=names)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--texts", type=int, help="no more texts, or pairs, than so many")
    arguments = parser.parse_args()
    reviews, pairs = read_reviews(arguments.data), make_pairs(arguments.vocab, PAIRS)
    count = arguments.texts
    data = {"reviews (ChnSentiCorp, test)": reviews[:count], "short pairs": pairs[:count]}
    parts = []
    for size in arguments.sizes:
        with tempfile.TemporaryDirectory() as folder:
            parts.append(run_size(size, arguments, data, Path(folder) / size))
    text = report(arguments, data, parts)
    Path(arguments.output).write_text(text, "utf-8")
    print(text)


if __name__ == "__main__":
    main()
