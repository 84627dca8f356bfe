"""Do we fine-tune as PyTorch does?  ChnSentiCorp with ours and with `torch_electra`.

    python benchmarks/beside_pytorch.py --model CHECKPOINT --data CHNSENTICORP --work FOLDER \
        --output RESULT.md

First without dropout, on the same batches: the losses of both, step by step.  Then with dropout,
whole trainings with every seed: accuracies, and whether their means differ.  The same command
continues where it stopped: ours inside a training, the other after the last one that is finished.
"""

import argparse
import dataclasses
import math
import os
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
if __name__ == "__main__":  # paddle's own default is one thread, PyTorch's all cores
    os.environ.setdefault("OMP_NUM_THREADS", str(len(os.sched_getaffinity(0))))

from paddle_electra.runtime import prepare_environment  # noqa: E402

prepare_environment()

import torch  # noqa: E402
from record import header  # noqa: E402
from torch_electra import Classifier, TorchTrainer  # noqa: E402

from paddle_electra import checkpoint as checkpoints  # noqa: E402
from paddle_electra.config import from_dict  # noqa: E402
from paddle_electra.errors import InputError  # noqa: E402
from paddle_electra.files import read_json, write_json  # noqa: E402
from paddle_electra.finetuning.loop import Trainer  # noqa: E402
from paddle_electra.finetuning.options import FinetuneOptions  # noqa: E402
from paddle_electra.finetuning.output import RESULTS, identify  # noqa: E402
from paddle_electra.finetuning.run import build_model  # noqa: E402
from paddle_electra.finetuning.setup import digests, prepare  # noqa: E402
from paddle_electra.progress import progress_bar  # noqa: E402

TASK = "chnsenticorp"
ARMS = ("ours", "PyTorch")
SPLITS = ("dev", "test")
EVERY = 10  # steps between two rows of the table of losses
CHANCE = 10  # points by which both must beat the majority class


def read_setup(options):
    """`setup.prepare`, and no split without labels."""
    setup = prepare(options)
    splits = setup.jobs[0].splits
    for split in SPLITS:
        features = splits[split].features if split in splits else []
        if not features or any(feature.label < 0 for feature in features):
            raise InputError(f"{options.data}: the {split} split is missing or has no labels")
    return setup


def make_pair(setup, dropout):
    """(our `Trainer`, a `TorchTrainer`) with the same weights, the head's too."""
    config = setup.checkpoint.config
    if config.pooler:
        raise InputError(f"{setup.options.model}: BERT's encoder; expected an ELECTRA")
    if not dropout:
        off = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
        config = dataclasses.replace(config, **off)
    model = build_model(setup._replace(checkpoint=setup.checkpoint._replace(config=config)))
    if not dropout:
        model.dropout.p = 0.0
    trainer = Trainer(setup.kind, model, setup.training_features, setup.options)
    weight, bias = model.classifier.weight.numpy().T.copy(), model.classifier.bias.numpy()
    with tempfile.TemporaryDirectory() as folder:
        converted = Path(folder) / "huggingface"
        checkpoints.convert(setup.options.model, converted, to="huggingface", half="discriminator")
        network = Classifier(converted, weight, bias, dropout)
    total, pad_id = trainer.total_steps, setup.tokenizer.pad_id
    return trainer, TorchTrainer(network, setup.options, total, pad_id)


def compare_losses(trainer, reference, steps):
    """[(our mean loss, the reference's)] of the next ``steps`` steps on the same batches."""
    losses = []
    with progress_bar("without dropout", steps) as bar:
        for step in range(1, steps + 1):
            features = trainer.next_features()
            losses.append((trainer.train_step()[0], reference.train_step(features)))
            if step % EVERY == 0:
                bar.write(f"step {step}: largest relative difference {largest(losses):.2e}")
            bar.update()
    return losses


def difference(ours, theirs):
    """Relative to the reference."""
    return abs(ours - theirs) / abs(theirs)


def largest(losses):
    return max(difference(*pair) for pair in losses)


def finished(path, identity):
    """What `keep` wrote at ``path``, or None.  Raises `InputError` when it is of another run."""
    if not path.is_file():
        return None
    found = read_json(path, keys=("run", "result"))
    if found["run"] != identity:
        raise InputError(f"{path}: of a run with other settings; name a new --work folder")
    return found["result"]


def keep(path, identity, result):
    """Write a finished part's result, atomically."""
    write_json(path, {"run": identity, "result": result})
    return result


def losses_without_dropout(setup, work, steps):
    """`compare_losses` of two fresh models, once."""
    identity = {**identify(setup, digests(setup)), "steps": steps}
    path = work / "losses.json"
    found = finished(path, identity)
    if found is None:
        trainer, reference = make_pair(setup, dropout=False)
        if steps > trainer.total_steps:
            raise InputError(f"--steps {steps}: the training has {trainer.total_steps}")
        found = keep(path, identity, compare_losses(trainer, reference, steps))
    return found


def finetune_ours(options, output):
    """Make or finish one training by the command; {split: accuracy}."""
    command = [sys.executable, "-m", "paddle_electra", "finetune", "--task", TASK]
    command += ["--output", str(output)]
    for name in ("model", "data", "seed", "num_train_epochs", "feature_cache"):
        command += [f"--{name.replace('_', '-')}", str(getattr(options, name))]
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    subprocess.run(command, check=True, env=environment)
    results = read_json(output / RESULTS)
    return {split: results[split]["accuracy"] for split in SPLITS}


def finetune_torch(setup, path):
    """One training of the reference, in our order of examples; {split: accuracy}."""
    identity = identify(setup, digests(setup))
    found = finished(path, identity)
    if found is not None:
        return found
    seed = setup.options.seed
    order, reference = make_pair(setup, dropout=True)
    torch.manual_seed(seed)
    with progress_bar(f"PyTorch, seed {seed}", order.total_steps) as bar:
        for step in range(order.total_steps):
            order.step = step
            loss = reference.train_step(order.next_features())
            if not math.isfinite(loss):
                raise InputError(f"PyTorch, seed {seed}, step {step + 1}: the loss is {loss}")
            bar.set_postfix(loss=f"{loss:.4f}", refresh=False)
            bar.update()
    splits = setup.jobs[0].splits
    scores = {split: reference.accuracy(splits[split].features) for split in SPLITS}
    print(f"PyTorch, seed {seed}: {scores}", flush=True)
    return keep(path, identity, scores)


def majority(features):
    """Accuracy of always saying the most frequent label."""
    counts = Counter(feature.label for feature in features)
    return 100.0 * max(counts.values()) / len(features)


def standard_error(one, other):
    """Of the difference of two means; None when there is one value of each."""
    if len(one) < 2:
        return None
    return math.sqrt(sum(statistics.variance(values) / len(values) for values in (one, other)))


def verdict(split, scores, chance):
    """A paragraph on a split.

    Args:
        scores: {arm: accuracies, by seed}; chance: the majority class' accuracy.
    """
    ours, theirs = (scores[arm] for arm in ARMS)
    apart = statistics.mean(ours) - statistics.mean(theirs)
    error = standard_error(ours, theirs)
    if error is None:
        within = "one seed has no standard error"
    else:
        answer = "yes" if abs(apart) <= 2 * error else "NO"
        within = f"standard error {error:.2f}; at most two standard errors apart: {answer}"
    beaten = min(map(statistics.mean, (ours, theirs))) >= chance + CHANCE
    return (
        f"{split}: means {statistics.mean(ours):.2f} and {statistics.mean(theirs):.2f}, difference "
        f"{apart:+.2f}, {within}. Majority class {chance:.2f}; both means at least {CHANCE} points "
        f"above it: {'yes' if beaten else 'NO'}.\n"
    )


def losses_text(losses, seed):
    """The section on the steps without dropout."""
    lines = ["| step | ours | PyTorch | relative difference | largest so far |", "|---" * 5 + "|"]
    for step in sorted({1, *range(EVERY, len(losses) + 1, EVERY), len(losses)}):
        ours, theirs = losses[step - 1]
        apart, most = difference(ours, theirs), largest(losses[:step])
        lines.append(f"| {step} | {ours:.6f} | {theirs:.6f} | {apart:.1e} | {most:.1e} |")
    every = ", ".join(f"{ours:.6f} {theirs:.6f}" for ours, theirs in losses)
    most = largest(losses)
    return (
        f"## {len(losses)} steps without dropout\n\nSame weights (head too), same batches, seed "
        f"{seed}; mean loss of the batch. Largest relative difference {most:.2e}, below 1e-3: "
        f"{'yes' if most < 1e-3 else 'NO'}.\n\n"
        + "\n".join(lines)
        + f"\n\nEvery step, ours and PyTorch's: {every}\n\n"
    )


def scores_text(seeds, scores, chances):
    """The section on whole trainings.  ``scores``: {arm: {split: accuracies, by seed}}."""
    lines = ["| | seed | dev accuracy | test accuracy |", "|---" * 4 + "|"]
    for arm, found in scores.items():
        rows = zip(seeds, found["dev"], found["test"], strict=True)
        lines += [f"| {arm} | {seed} | {dev:.2f} | {test:.2f} |" for seed, dev, test in rows]
        dev, test = (statistics.mean(found[split]) for split in SPLITS)
        lines.append(f"| {arm} | mean | {dev:.2f} | {test:.2f} |")
    paragraphs = [
        verdict(split, {arm: scores[arm][split] for arm in ARMS}, chances[split])
        for split in SPLITS
    ]
    return (
        "## Whole trainings with dropout\n\nA seed gives both the same head and the same order of "
        "examples; dropout is each framework's own. The standard error is of the difference of "
        "two means, from both variances.\n\n" + "\n".join(lines) + "\n\n" + "\n".join(paragraphs)
    )


def introduction(setup, seeds):
    """What was run on what, with which settings."""
    splits = setup.jobs[0].splits
    counts = ", ".join(f"{name} {len(split.examples):,}" for name, split in splits.items())
    named = (
        *("learning_rate", "layerwise_lr_decay", "num_train_epochs", "train_batch_size"),
        *("max_seq_length", "warmup_proportion", "weight_decay_rate"),
    )
    settings = ", ".join(f"{name} {getattr(setup.options, name)}" for name in named)
    return (
        header("Fine-tuning beside PyTorch")
        + f"PyTorch: torch {metadata.version('torch')}, transformers "
        f"{metadata.version('transformers')}, {torch.get_num_threads()} threads; its ElectraModel "
        f"with the original's head, loss, clipping, optimizer and rates "
        f"(`benchmarks/torch_electra.py`).\n\nChnSentiCorp from {setup.options.data}: {counts} "
        f"texts. Seeds {', '.join(map(str, seeds))}; {settings}.\n\n"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, help="pretrained model, any that finetune takes")
    parser.add_argument("--data", required=True, help="folder with train.tsv, dev.tsv, test.tsv")
    parser.add_argument("--work", required=True, type=Path, help="folder for the trainings")
    parser.add_argument("--output", required=True, type=Path, help="markdown file for the result")
    parser.add_argument("--steps", type=int, default=100, help="steps without dropout")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--epochs", type=float, default=3, help="passes of a whole training")
    arguments = parser.parse_args()
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    values = {"task": TASK, "model": arguments.model, "data": arguments.data}
    values |= {"num_train_epochs": arguments.epochs, "output": str(arguments.work)}
    values |= {"seed": arguments.seeds[0], "feature_cache": "off"}
    first = read_setup(from_dict(FinetuneOptions, values))
    losses = losses_without_dropout(first, arguments.work, arguments.steps)
    scores = {arm: {split: [] for split in SPLITS} for arm in ARMS}
    for seed in arguments.seeds:
        setup = first._replace(options=dataclasses.replace(first.options, seed=seed))
        ours = finetune_ours(setup.options, arguments.work / f"ours-{seed}")
        theirs = finetune_torch(setup, arguments.work / f"torch-{seed}.json")
        for arm, found in zip(ARMS, (ours, theirs), strict=True):
            for split in SPLITS:
                scores[arm][split].append(found[split])
    chances = {split: majority(first.jobs[0].splits[split].features) for split in SPLITS}
    text = introduction(first, arguments.seeds) + losses_text(losses, arguments.seeds[0])
    text += scores_text(arguments.seeds, scores, chances)
    arguments.output.write_text(text, "utf-8")
    print(text)


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        raise SystemExit(str(error)) from None
