"""Speed of fine-tuning and scoring: ours beside Hugging Face's transformers on PyTorch.

    python benchmarks/speed_finetuning.py --model CHECKPOINT --data CHNSENTICORP --output RESULT.md

Each framework has a process of its own, which keeps its model; they take turns (A B C A B C ...)
with the same weights, batches and number of threads, and the one that waits sleeps.  ``--model``
may be the name of a size: random weights with the vocabulary of ``--vocab``.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from importlib import metadata
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from record import header  # noqa: E402

from paddle_electra.errors import InputError  # noqa: E402

OURS, USUAL, SORTED = "ours", "PyTorch, as usual", "PyTorch, texts sorted as ours"
ARMS = (OURS, USUAL, SORTED)
WHAT = ("training", "evaluation")
PART = 8  # texts that ours computes at once in training
PAUSE = 0.5  # seconds; the threads of an OpenMP library spin on for a while


class Turn(NamedTuple):
    """What one framework did in one turn."""

    seconds: float  # wall-clock
    processor: float  # seconds of processor time
    tokens: int  # real ones, without padding

    @property
    def rate(self):
        return self.tokens / self.seconds


def timed(function, texts):
    """The `Turn` of a function that works on ``texts``."""
    processor, began = time.process_time(), time.perf_counter()
    function()
    seconds = time.perf_counter() - began
    tokens = sum(len(text.input_ids) for text in texts)
    return Turn(seconds, time.process_time() - processor, tokens)


class Ours:
    """The training loop and the scoring of `paddle_electra`.

    Args:
        model: checkpoint, or the name of a size; folder: where it may be made, and is converted.
    """

    def __init__(self, model, vocab, data, folder):
        from paddle_electra.runtime import prepare_environment

        prepare_environment()
        from paddle_electra import checkpoint as checkpoints
        from paddle_electra.config import from_dict
        from paddle_electra.finetuning.loop import Trainer
        from paddle_electra.finetuning.options import FinetuneOptions
        from paddle_electra.finetuning.run import build_model
        from paddle_electra.finetuning.setup import prepare

        source = model if Path(model).exists() else random_model(model, vocab, folder / "random")
        values = {"task": "chnsenticorp", "model": str(source), "data": data, "output": "none"}
        options = from_dict(FinetuneOptions, {**values, "do_test": False, "feature_cache": "off"})
        setup = prepare(options)
        self.kind, self.options, self.splits = setup.kind, setup.options, setup.jobs[0].splits
        model = build_model(setup)
        self.trainer = Trainer(setup.kind, model, setup.training_features, setup.options)
        checkpoints.convert(source, folder / "torch", to="huggingface", half="discriminator")

    def describe(self):
        """What the other process and the report need."""
        splits = {name: plain(split.features) for name, split in self.splits.items()}
        options = self.options
        return {
            "pad_id": self.kind.tokenizer.pad_id,
            "labels": len(self.kind.task.labels),
            "weights": sum(int(p.size) for p in self.trainer.model.parameters()),
            "dev": splits["dev"],
            "train_tokens": sum(len(ids) for ids, _, _ in splits["train"]),
            "train_texts": len(splits["train"]),
            "train_batch_size": options.train_batch_size,
            "eval_batch_size": options.eval_batch_size,
            "max_seq_length": options.max_seq_length,
        }

    def batches(self, first, steps):
        """The batches of some steps."""
        found = []
        for self.trainer.step in range(first, first + steps):
            found.append(plain(self.trainer.next_features()))
        return found

    def train(self, arm, batches, first):
        self.trainer.step = first
        texts = [SimpleNamespace(input_ids=ids) for batch in batches for ids, _, _ in batch]
        return timed(lambda: [self.trainer.train_step() for _ in batches], texts)

    def evaluate(self, arm, texts):
        from paddle_electra.finetuning.evaluation import predict_all

        features, size = self.splits["dev"].features[: len(texts)], self.options.eval_batch_size
        model = self.trainer.model
        return timed(lambda: predict_all(self.kind, model, features, size), features)


def plain(features):
    """Features as tuples, which a process without paddle understands."""
    return [(f.input_ids, f.token_type_ids, f.label) for f in features]


def random_model(size, vocab, folder):
    """A checkpoint of a named size with random weights."""
    import paddle

    from paddle_electra.checkpoint import native
    from paddle_electra.modeling.config import ElectraConfig
    from paddle_electra.modeling.electra import ElectraDiscriminator
    from paddle_electra.text.tokenizer import ElectraTokenizer

    if vocab is None:
        raise InputError(f"--model {size}: no such checkpoint; for a size give --vocab, too")
    config = ElectraConfig.from_size(size, ElectraTokenizer(vocab).vocab_size)
    paddle.seed(1)
    native.save(folder, config, vocab, ElectraDiscriminator(config))
    return folder


class Torch:
    """transformers on PyTorch.

    Args:
        folder: the model; about: what `Ours.describe` gave.
    """

    def __init__(self, folder, about, threads):
        import torch
        from torch_electra import UsualTrainer

        torch.set_num_threads(threads)
        self.trainer = UsualTrainer(folder, about["labels"], about["pad_id"])
        self.batch_size = about["eval_batch_size"]

    def train(self, arm, batches, first):
        batches = [rich(batch) for batch in batches]
        texts = [text for batch in batches for text in batch]
        part = PART if arm == SORTED else None
        return timed(lambda: [self.trainer.train_step(batch, part) for batch in batches], texts)

    def evaluate(self, arm, texts):
        texts = rich(texts)
        return timed(lambda: self.trainer.score(texts, self.batch_size, arm == SORTED), texts)


def rich(texts):
    """The inverse of `plain`."""
    names = ("input_ids", "token_type_ids", "label")
    return [SimpleNamespace(**dict(zip(names, text, strict=True))) for text in texts]


_WORKER = []  # the framework that this process keeps


def _start(kind, *arguments):
    _WORKER.append(kind(*arguments))


def _ask(method, *arguments):
    return getattr(_WORKER[0], method)(*arguments)


class Process:
    """A framework in a process of its own."""

    def __init__(self, kind, *arguments):
        self.pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
        self.pool.submit(_start, kind, *arguments).result()

    def __call__(self, method, *arguments):
        return self.pool.submit(_ask, method, *arguments).result()


def measure(arguments, folder, threads):
    """({(what, arm): turns}, what was measured); the warm-up is left out."""
    ours = Process(Ours, arguments.model, arguments.vocab, arguments.data, folder)
    about = ours("describe")
    torch = Process(Torch, folder / "torch", about, threads)
    steps, texts = arguments.steps, about["dev"][: arguments.steps * about["eval_batch_size"]]
    turns = {(what, arm): [] for what in WHAT for arm in ARMS}
    for repeat in range(-1, arguments.repeats):
        warm_up = repeat < 0
        first = max(repeat, 0) * steps
        batches = ours("batches", first, 2 if warm_up else steps)
        todo = {"training": ("train", batches, first), "evaluation": ("evaluate", texts[:128])}
        if not warm_up:
            todo["evaluation"] = ("evaluate", texts)
        for what, (method, *rest) in todo.items():
            for arm in ARMS:
                turn = (ours if arm == OURS else torch)(method, arm, *rest)
                time.sleep(PAUSE)
                if not warm_up:
                    turns[what, arm].append(turn)
                    print(f"{what}, {arm}: {turn.rate:.0f} tokens/s", flush=True)
    for process in (ours, torch):
        process.pool.shutdown()
    return turns, about | {"measured": len(texts)}


def table(what, turns, tokens):
    """Markdown of one kind of work; ``tokens``: real ones of an epoch, or of the dev split."""
    heading = f"| {what} | tokens/s (median) | s for all | cores busy | tokens/s, every turn |"
    lines = [heading, "|---" * 5 + "|"]
    rates = {arm: [turn.rate for turn in turns[what, arm]] for arm in ARMS}
    for arm, values in rates.items():
        middle = statistics.median(values)
        busy = statistics.median(turn.processor / turn.seconds for turn in turns[what, arm])
        every = ", ".join(f"{value:.0f}" for value in values)
        lines.append(f"| {arm} | {middle:.0f} | {tokens / middle:.1f} | {busy:.2f} | {every} |")
    for arm in (USUAL, SORTED):
        pairs = [a / b for a, b in zip(rates[OURS], rates[arm], strict=True)]
        ratio = statistics.median(rates[OURS]) / statistics.median(rates[arm])
        every = ", ".join(f"{value:.2f}" for value in pairs)
        lines.append(f"\nOurs / {arm}: {ratio:.2f} (medians); turn by turn {every}.")
    return "\n".join(lines)


def report(arguments, turns, about, threads):
    """The result file."""
    dev = sum(len(ids) for ids, _, _ in about["dev"])
    return (
        header("Speed of fine-tuning beside transformers on PyTorch")
        + f"PyTorch: torch {metadata.version('torch')}, transformers "
        f"{metadata.version('transformers')}. Both: {threads} threads, float32.\n\n"
        f"Model {arguments.model}, {about['weights']:,} weights with the head. ChnSentiCorp from "
        f"{arguments.data}, at most {about['max_seq_length']} tokens: an epoch has "
        f"{about['train_texts']:,} texts with {about['train_tokens']:,} tokens, dev "
        f"{len(about['dev']):,} with {dev:,}. Only real tokens are counted, no padding.\n\n"
        f"Batches of {about['train_batch_size']} in training, {about['eval_batch_size']} in "
        f"evaluation; padding and making tensors are timed, tokenizing and loading are not. "
        f"{arguments.repeats} turns each of {arguments.steps} steps and of scoring "
        f"{about['measured']:,} dev texts, the frameworks in turn; a short warm-up is left out. "
        f"'{USUAL}': ElectraForSequenceClassification with its own head, batches as they come, "
        f"padded to their longest text, mean loss, clipping, torch.optim.AdamW. '{SORTED}': the "
        f"same, but training batches in parts of {PART} by length, dev texts sorted by length. "
        f"Every turn of training has other batches, the same ones for all. 'Cores busy': processor "
        f"time / time.\n\n## Training\n\n"
        + table("training", turns, about["train_tokens"])
        + "\n\n## Evaluation\n\n"
        + table("evaluation", turns, dev)
        + "\n"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, help="checkpoint, or the name of a size")
    parser.add_argument("--vocab", help="vocabulary for the name of a size")
    parser.add_argument("--data", required=True, help="folder with train.tsv and dev.tsv")
    parser.add_argument("--output", required=True, help="markdown file for the result")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20, help="training steps in a turn")
    arguments = parser.parse_args()
    threads = int(os.environ.setdefault("OMP_NUM_THREADS", str(len(os.sched_getaffinity(0)))))
    with tempfile.TemporaryDirectory() as folder:
        turns, about = measure(arguments, Path(folder), threads)
    text = report(arguments, turns, about, threads)
    Path(arguments.output).write_text(text, "utf-8")
    print(text)


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        raise SystemExit(str(error)) from None
