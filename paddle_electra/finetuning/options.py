"""Options of fine-tuning, and the recipes that fill in what is not given.

Hyperparameters bear Google's names.  One that is not given is taken from the task, else from the
recipe of the model's size, else from `COMMON` (PARITY 28: HFL's published recipe).
"""

import dataclasses
import math
from typing import ClassVar

from ..config import option, seed_option
from ..errors import InputError
from ..modeling.config import SIZES
from . import original_keys
from .custom_options import CustomOptions
from .readers import ROWS
from .tasks import TASKS

COMMON = {
    "num_train_epochs": 3.0,
    "train_batch_size": 32,
    "max_seq_length": 128,
    "warmup_proportion": 0.1,
    "weight_decay_rate": 0.01,
    "loss_reduction": "sum",
    "joint_prediction": True,
    "answerable_classifier": True,
    "answerable_uses_start_logits": True,
    "max_query_length": 64,
    "doc_stride": 128,
    "spans": "offsets",
    "beam_size": 20,
    "n_best_size": 20,
    "max_answer_length": 30,
}
BERT = "bert"
# size, or BERT's family -> what it has of its own
RECIPES = {
    "tiny": {"learning_rate": 3e-4, "layerwise_lr_decay": 0.8},
    "small": {"learning_rate": 3e-4, "layerwise_lr_decay": 0.8},
    "small-ex": {"learning_rate": 3e-4, "layerwise_lr_decay": 0.8},
    "base": {"learning_rate": 1e-4, "layerwise_lr_decay": 0.8},
    "large": {"learning_rate": 5e-5, "layerwise_lr_decay": 0.9},
    # BERT's own code: the mean loss, one rate for all layers, independent ends of an answer.
    BERT: {
        "learning_rate": 3e-5,
        "layerwise_lr_decay": 1.0,
        "loss_reduction": "mean",
        "joint_prediction": False,
        "answerable_classifier": False,
    },
}
# What the reading head is made of.
HEAD_OPTIONS = ("joint_prediction", "answerable_classifier", "answerable_uses_start_logits")
# Options that only reading comprehension looks at.
OF_READING = (
    *("max_query_length", "doc_stride", "spans", *HEAD_OPTIONS),
    *("beam_size", "n_best_size", "max_answer_length", "answerable_weight"),
)
# What a fine-tuned model's task.json knows better than a recipe.
OF_MODEL = ("max_seq_length", *OF_READING)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FinetuneOptions(CustomOptions):
    """``paddle-electra finetune``."""

    ALIASES: ClassVar = original_keys.ALIASES
    NO_EFFECT: ClassVar = original_keys.NO_EFFECT
    REFUSED: ClassVar = original_keys.REFUSED

    task: tuple[str, ...] = option(
        help=f"Name of the task: {', '.join(TASKS)}, or custom for one of your own. Several are "
        f"learned at once, each with a head of its own."
    )
    model: str = option(
        help="Pretrained model of any supported format, or the name chinese-electra-tiny."
    )
    data: str | None = option(
        None,
        "Folder with the task's files, such as train.tsv, dev.tsv, test.tsv; for several tasks the "
        "folder of their folders.",
    )
    output: str = option(help="Folder for the fine-tuned model, scores and predictions.")
    hparams: str | None = option(
        None, "Options as a JSON file or a JSON string; comments and trailing commas are accepted."
    )
    init: str = option(
        "checkpoint",
        "Start from the weights of --model, or from random ones with its configuration and "
        "vocabulary.",
        choices=("checkpoint", "random"),
    )
    seed: int = seed_option(1, "Seed of the head, the order of examples, and dropout.")
    num_trials: int = option(
        1,
        "Runs with the seeds --seed, --seed + 1 and so on, each in a folder trial_1, trial_2, ... "
        "of its own; the scores are given as maximum (mean).",
        least=1,
    )
    keep_all_models: bool = option(True, "Keep the model of every trial, not only the last one's.")
    learning_rate: float | None = option(
        None,
        "Peak learning rate. None: by size, 3e-4 tiny, small and small-ex, 1e-4 base, 5e-5 large; "
        "BERT's family 3e-5, on chnsenticorp or lcqmc 2e-5.",
    )
    num_train_epochs: float | None = option(
        None, "Passes over the examples. None: 3; reading alone 2."
    )
    train_batch_size: int | None = option(None, "Examples in a training step. None: 32.")
    eval_batch_size: int = option(64, "Examples in a batch when scoring; does not change scores.")
    max_seq_length: int | None = option(
        None,
        "Longer texts are cut to this many tokens. None: 128, reading 512, or what the model can "
        "take.",
    )
    warmup_proportion: float | None = option(
        None, "Share of the steps in which the rate rises. None: 0.1."
    )
    weight_decay_rate: float | None = option(None, "Decoupled weight decay. None: 0.01.")
    layerwise_lr_decay: float | None = option(
        None,
        "Factor of the rate from one layer to the one below; the top layer already has its square, "
        "as in the original. 1 or 0: one rate for all. None: by size, 0.8, large 0.9; BERT's "
        "family 1.",
    )
    loss_reduction: str | None = option(
        None,
        "Loss of a batch; the gradient's norm is then cut to 1. None: sum as ELECTRA's code, mean "
        "as BERT's for models of its family.",
        choices=("sum", "mean"),
    )
    max_query_length: int | None = option(
        None, "Reading: longer questions are cut to this many tokens. None: 64, or half a window."
    )
    doc_stride: int | None = option(
        None, "Reading: tokens from the start of one window to the next one's. None: 128."
    )
    spans: str | None = option(
        None,
        "Reading: labels and answers by characters, or as the original by the first occurrence of "
        "the answer's tokens, in words that white space separates. None: offsets.",
        choices=("offsets", "hfl"),
    )
    joint_prediction: bool | None = option(
        None, "Reading: the end of an answer depends on its start. None: on, off for BERT."
    )
    beam_size: int | None = option(
        None, "Reading: starts that are tried, and ends of each. None: 20."
    )
    n_best_size: int | None = option(
        None, "Reading: answers that are kept for each question. None: 20."
    )
    max_answer_length: int | None = option(None, "Reading: longest answer in tokens. None: 30.")
    answerable_classifier: bool | None = option(
        None, "Reading: learn whether there is an answer, too. None: on, off for BERT."
    )
    answerable_uses_start_logits: bool | None = option(
        None, "Reading: that classifier sees where the answer may start. None: on."
    )
    answerable_weight: float = option(0.5, "Reading: weight of that in the loss.")
    do_train: bool = option(
        True,
        "Train. Off (--no-do-train): score --model, which must be a model fine-tuned on the task; "
        "of lengths and for reading None then stands for what it was fine-tuned with.",
    )
    do_eval: bool = option(True, "Score the dev split, after each epoch and at the end.")
    do_test: bool = option(True, "Score the test split at the end.")
    write_test_outputs: bool = option(
        True, "Write the predictions of the test and challenge splits; scores are always printed."
    )
    n_writes_test: int = option(
        5, "Write those predictions in the first trials only, so many of them.", least=0
    )
    keep: str = option(
        "last",
        "Which weights become the result: those of the last step, or of the epoch that was best "
        "on dev.",
        choices=("last", "best"),
    )
    early_stopping: int = option(
        0, "Stop after so many epochs without a better score on dev; 0: never.", least=0
    )
    rows: str = option(
        "strict",
        "What to do with bad rows in task files: strict refuses, hfl leaves out rows with missing "
        "columns and accepts empty texts, as the original does.",
        choices=ROWS,
    )
    model_size: str | None = option(
        None, "Named size that the checkpoint must have; it is seen from the weights.", tuple(SIZES)
    )
    vocab_size: int | None = option(None, "Entries that its vocabulary must have.")
    embedding_size: int | None = option(None, "Width that its embeddings must have.")
    model_hparam_overrides: dict | None = option(  # noqa: RUF009
        None,
        "Sizes that the checkpoint must have, and hidden_dropout_prob and "
        "attention_probs_dropout_prob to fine-tune with.",
    )
    do_lower_case: bool | None = option(
        None, "Lower-case and strip accents. None: as the checkpoint says."
    )
    feature_cache: str | None = option(
        None,
        "Folder that keeps features for the next run; off for none. None: paddle-electra/features "
        "in the user's cache folder, or PADDLE_ELECTRA_CACHE.",
    )
    log_examples: bool = option(False, "Print the tokens of the first training examples.")
    log_steps: int = option(10, "Steps between two records in log.jsonl.")
    save_minutes: float = option(5.0, "Longest time between two saves of the state to resume from.")


def nearest_size(config):
    """The named size whose recipe suits a model: its own, else that of its hidden size.

    Args:
        config: an `ElectraConfig`.
    """
    shape = (config.num_hidden_layers, config.hidden_size)
    for size, (layers, hidden, *_) in SIZES.items():
        if shape == (layers, hidden):
            return size
    if config.hidden_size < 512:
        return "small"
    return "base" if config.hidden_size < 1024 else "large"


def recipe_of(config, tasks, trained=None):
    """The hyperparameters for a model and its tasks, where nothing else is said.

    Args:
        config: an `ElectraConfig`.
        tasks: list of `tasks.Task`.  What several tasks do not agree on is taken from `COMMON`,
            but the longest of their lengths.
        trained: ``task.json`` of a fine-tuned model that is only scored.
    """
    family = BERT if config.pooler else nearest_size(config)
    own = [{**task.defaults, **task.recipes.get(family, {})} for task in tasks]
    agreed = {
        name: value
        for name, value in own[0].items()
        if all(name in other and other[name] == value for other in own)
    }
    recipe = {**COMMON, **RECIPES[family], **agreed}
    lengths = [other.get("max_seq_length", COMMON["max_seq_length"]) for other in own]
    recipe["max_seq_length"] = max(lengths)
    recipe |= {name: (trained or {})[name] for name in OF_MODEL if name in (trained or {})}
    recipe["max_seq_length"] = min(recipe["max_seq_length"], config.max_position_embeddings)
    return recipe


def resolve(options, config, tasks, trained=None):
    """Fill in every hyperparameter that was not given, and check them.

    Args:
        options: a `FinetuneOptions`.
        config, tasks, trained: see `recipe_of`.
    Returns:
        a `FinetuneOptions` without None among the hyperparameters.
    Raises:
        InputError: a value out of its range, or a length that the model has no positions for.
    """
    recipe = recipe_of(config, tasks, None if options.do_train else trained)
    missing = {name: value for name, value in recipe.items() if getattr(options, name) is None}
    options = dataclasses.replace(options, **missing)
    if "max_query_length" in missing:  # the text needs at least as much room as the question
        room = max(1, options.max_seq_length // 2)
        query = min(options.max_query_length, room)
        options = dataclasses.replace(options, max_query_length=query)
    _check_ranges(options)
    _check_room(options, tasks)
    if options.layerwise_lr_decay == 0:  # off, as in the original
        options = dataclasses.replace(options, layerwise_lr_decay=1.0)
    if options.max_seq_length > config.max_position_embeddings:
        raise InputError(
            f"--max-seq-length {options.max_seq_length}: the model {options.model} has "
            f"{config.max_position_embeddings} positions; "
            f"give at most {config.max_position_embeddings}"
        )
    return options


def _check_room(options, tasks):
    """A window holds [CLS], the question, [SEP], at least one token of the text, and [SEP]."""
    most = options.max_seq_length - 4
    if any(task.kind == "qa" for task in tasks) and options.max_query_length > most:
        raise InputError(
            f"--max-query-length {options.max_query_length} leaves no room for the text in windows "
            f"of --max-seq-length {options.max_seq_length}; give "
            + (f"at most {most}" if most > 0 else "a larger --max-seq-length")
        )


def _check_ranges(options):
    ranges = {
        "learning_rate": (0, 1),
        "num_train_epochs": (0, None),
        "train_batch_size": (1, None),
        "eval_batch_size": (1, None),
        "max_seq_length": (3, None),
        "max_query_length": (1, None),
        "doc_stride": (1, None),
        "beam_size": (1, None),
        "n_best_size": (1, None),
        "max_answer_length": (1, None),
        "answerable_weight": (0, None),
        "warmup_proportion": (0, 1),
        "weight_decay_rate": (0, 1),
        "layerwise_lr_decay": (0, 1),
        "log_steps": (1, None),
        "save_minutes": (0, None),
    }
    for name, (low, high) in ranges.items():
        value = getattr(options, name)
        if not (math.isfinite(value) and value >= low and (high is None or value <= high)):
            limit = f"at least {low}" if high is None else f"from {low} to {high}"
            raise InputError(f"--{name.replace('_', '-')} {value}: expected {limit}")
    if options.init == "random" and not options.do_train:
        raise InputError("--init random needs training; drop --no-do-train")
    if options.num_trials > 1 and not options.do_train:
        raise InputError("--num-trials needs training; drop --no-do-train, or score one model")
    for name, given in (
        ("--keep best", options.keep == "best"),
        ("--early-stopping", options.early_stopping),
    ):
        if given and not options.do_eval:
            raise InputError(f"{name} needs the scores of the dev split; drop --no-do-eval")
