"""``paddle-electra finetune``: a pretrained model and a task's files to a fine-tuned model.

The output folder holds the model in our own format with ``task.json``, ``settings.json`` (every
option as resolved), ``log.jsonl`` and ``visualdl``, ``predictions_SPLIT.tsv`` and, written last,
``results.json``.  While training goes on ``checkpoints`` holds what is needed to resume; the same
command continues there, and the resumed run equals an unbroken one.
"""

import sys
from pathlib import Path
from typing import Any, NamedTuple

import paddle

from .. import checkpoint as checkpoints
from ..checkpoint.names import ENCODER_PREFIX
from ..checkpoint.native import load_weights, starting_with
from ..errors import InputError
from ..files import write_json
from ..text.tokenizer import ElectraTokenizer
from . import output as outputs
from .evaluation import predict_all
from .loop import count_steps
from .options import nearest_size, resolve
from .session import Session
from .tasks import SPLITS, get_task


class Split(NamedTuple):
    """A split's file, its examples and their features."""

    path: Path
    examples: list
    features: list


class Setup(NamedTuple):
    """Everything a run needs, read and checked."""

    options: Any
    checkpoint: Any
    tokenizer: ElectraTokenizer
    kind: Any
    splits: dict


def run(options):
    """Fine-tune and score; the function behind the command.

    Args:
        options: a `FinetuneOptions`.
    Returns:
        the dict that is written to ``results.json``.
    Raises:
        InputError: the model, a task file, an option or the output folder is not as it should be.
    """
    task = get_task(options.task)
    setup = prepare(options, task)
    identity = outputs.identify(setup)
    finished = outputs.check(options.output, identity)
    if finished is not None:
        print(f"{options.output}: this run is already finished; nothing to do")
        _print_results(finished, task)
        return finished
    model = build_model(setup)
    outputs.write_settings(setup.options, identity)
    training = Session(setup, model).train() if options.do_train else {}
    results = {
        "task": task.name,
        "model": options.model,
        "init": options.init,
        "size": nearest_size(setup.checkpoint.config),
        "seed": options.seed,
        **training,
        **_score(setup, model),
    }
    if options.do_train:
        outputs.write_model(setup, model)
    write_json(Path(options.output) / outputs.RESULTS, results)
    outputs.remove_checkpoints(options.output)
    _print_results(results, task)
    print(f"{'model, scores' if options.do_train else 'scores'} and predictions: {options.output}")
    return results


def prepare(options, task):
    """Read the model and the task's files; returns a `Setup`."""
    checkpoint = checkpoints.load(options.model)
    checkpoint.need_discriminator()
    for note in checkpoint.notes:
        print(f"note: {options.model}: {note}", file=sys.stderr)
    config = checkpoint.config
    trained_length = (checkpoint.task or {}).get("max_seq_length")
    options = resolve(options, config, task, trained_length)
    tokenizer = ElectraTokenizer(checkpoint.vocab_file, do_lower_case=config.do_lower_case)
    if tokenizer.vocab_size > config.vocab_size:
        raise InputError(
            f"{checkpoint.vocab_file}: {tokenizer.vocab_size} tokens, but the model has embeddings "
            f"for {config.vocab_size}; use the vocabulary it was pretrained with"
        )
    if not options.do_train:
        _check_finetuned(options, checkpoint, task)
    kind = task.kind_class()(task, tokenizer, options.max_seq_length, options)
    splits = _read_splits(options, task, kind)
    if options.do_train:
        count_steps(len(splits["train"].features), options)  # refused before anything is written
    return Setup(options, checkpoint, tokenizer, kind, splits)


def _check_finetuned(options, checkpoint, task):
    if checkpoint.task is None:
        raise InputError(
            f"--no-do-train: {options.model} has no task.json, so it is not fine-tuned; "
            f"name a model that `paddle-electra finetune` made"
        )
    kind, labels = checkpoint.task.get("kind"), checkpoint.task.get("labels") or []
    if kind != task.kind:
        raise InputError(f"{options.model}: fine-tuned on a task of kind {kind}, not {task.kind}")
    if labels != list(task.labels):
        raise InputError(
            f"{options.model}: fine-tuned on the labels {labels}, {task.name} has "
            f"{list(task.labels)}"
        )


def _read_splits(options, task, kind):
    """{split: Split} of the wanted splits that exist; the absent ones are announced."""
    if not Path(options.data).is_dir():
        found = "expected a folder, this is a file" if Path(options.data).exists() else None
        raise InputError(f"--data {options.data}: {found or 'no such folder'}")
    wanted = {"train": options.do_train, "dev": options.do_eval}
    splits = {}
    for split in SPLITS:
        if not wanted.get(split, options.do_test) or split not in task.files:
            continue
        path = task.find(options.data, split)
        if path is not None:
            examples = task.read(path, split, options.rows)
            splits[split] = Split(path, examples, kind.prepare(examples, split))
            print(f"{split}: {len(examples)} examples from {path}")
            continue
        looked = " or ".join(task.files[split])
        if split == "train" or (split == "dev" and options.keep == "best"):
            why = "" if split == "train" else ", which --keep best needs"
            raise InputError(f"{options.data}: no {looked}: the {split} split is missing{why}")
        print(f"{split}: no {looked} in {options.data}; skipped")
    if not splits:
        raise InputError(f"{options.data}: neither a dev nor a test split to score")
    return splits


def build_model(setup):
    """The task's model with the weights that the options ask for.

    From a pretrained checkpoint the encoder is taken and the head is new; without training the
    head is the checkpoint's too.  A missing weight is an error.
    """
    options, checkpoint = setup.options, setup.checkpoint
    paddle.seed(options.seed)
    model = setup.kind.build_model(checkpoint.config)
    if not options.do_train:
        load_weights(model, checkpoint.discriminator, checkpoint.source)
    elif options.init == "checkpoint":
        encoder = starting_with(checkpoint.discriminator, ENCODER_PREFIX)
        heads = [name for name in model.state_dict() if not name.startswith("electra.")]
        load_weights(model, encoder, checkpoint.source, allow_missing=heads)
    return model


def _score(setup, model):
    """{split: scores} of every split but the training one; writes their predictions."""
    scores = {}
    for split, (_, examples, features) in setup.splits.items():
        if split == "train":
            continue
        size = setup.options.eval_batch_size
        predicted = predict_all(setup.kind, model, features, size, f"scoring {split}")
        measured = setup.kind.score(examples, features, predicted)
        scores[split] = {"examples": len(examples), **measured}
        warning = setup.kind.collapse(predicted)
        if warning:
            print(f"warning: {split}: {warning}", file=sys.stderr)
        folder = Path(setup.options.output)
        setup.kind.write_predictions(folder, split, examples, features, predicted)
    return scores


def _print_results(results, task):
    for split in SPLITS[1:]:
        scores = results.get(split)
        if scores is None:
            continue
        parts = [
            f"{name} {value:.{4 if name == 'loss' else 2}f}"
            for name, value in scores.items()
            if name != "examples"
        ]
        shown = ", ".join(parts) if task.metric in scores else "no labels, so no score"
        print(f"{split}: {shown} ({scores['examples']} examples)")
