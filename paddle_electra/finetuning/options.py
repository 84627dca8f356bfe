"""Options of fine-tuning, and the recipes that fill in what is not given.

Hyperparameters bear Google's names.  One that is not given is taken from the task, else from the
recipe of the model's size, else from `COMMON` (PARITY 28: HFL's published recipe).
"""

import dataclasses

from ..config import option, seed_option
from ..errors import InputError
from ..modeling.config import SIZES
from .readers import ROWS
from .tasks import TASKS

COMMON = {
    "num_train_epochs": 3.0,
    "train_batch_size": 32,
    "max_seq_length": 128,
    "warmup_proportion": 0.1,
    "weight_decay_rate": 0.01,
}
# size -> what it has of its own
RECIPES = {
    "tiny": {"learning_rate": 3e-4, "layerwise_lr_decay": 0.8},
    "small": {"learning_rate": 3e-4, "layerwise_lr_decay": 0.8},
    "small-ex": {"learning_rate": 3e-4, "layerwise_lr_decay": 0.8},
    "base": {"learning_rate": 1e-4, "layerwise_lr_decay": 0.8},
    "large": {"learning_rate": 5e-5, "layerwise_lr_decay": 0.9},
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class FinetuneOptions:
    """``paddle-electra finetune``."""

    task: str = option(help=f"Name of the task, such as {', '.join(TASKS)}.")
    model: str = option(
        help="Pretrained model: a checkpoint folder, or a TensorFlow checkpoint of the original."
    )
    data: str = option(help="Folder with the task's files, such as train.tsv, dev.tsv, test.tsv.")
    output: str = option(help="Folder for the fine-tuned model, scores and predictions.")
    hparams: str | None = option(None, "Options as a JSON file or a JSON string.")
    init: str = option(
        "checkpoint",
        "Start from the weights of --model, or from random ones with its configuration and "
        "vocabulary.",
        choices=("checkpoint", "random"),
    )
    seed: int = seed_option(1, "Seed of the head, the order of examples, and dropout.")
    learning_rate: float | None = option(
        None, "Peak learning rate. None: by size, 3e-4 tiny and small, 1e-4 base, 5e-5 large."
    )
    num_train_epochs: float | None = option(None, "Passes over the examples. None: 3.")
    train_batch_size: int | None = option(None, "Examples in a training step. None: 32.")
    eval_batch_size: int = option(64, "Examples in a batch when scoring; does not change scores.")
    max_seq_length: int | None = option(
        None, "Longer texts are cut to this many tokens. None: 128, or what the model can take."
    )
    warmup_proportion: float | None = option(
        None, "Share of the steps in which the rate rises. None: 0.1."
    )
    weight_decay_rate: float | None = option(None, "Decoupled weight decay. None: 0.01.")
    layerwise_lr_decay: float | None = option(
        None,
        "Factor of the rate from one layer to the one below; the top layer already has its square, "
        "as in the original. None: by size, 0.8, large 0.9.",
    )
    max_query_length: int = option(64, "Reading: longer questions are cut to this many tokens.")
    doc_stride: int = option(128, "Reading: tokens from the start of one window to the next one's.")
    spans: str = option(
        "offsets",
        "Reading: labels and answers by characters, or as the original by the first occurrence of "
        "the answer's tokens, in words that white space separates.",
        choices=("offsets", "hfl"),
    )
    joint_prediction: bool = option(True, "Reading: the end of an answer depends on its start.")
    beam_size: int = option(20, "Reading: starts that are tried, and ends of each.")
    n_best_size: int = option(20, "Reading: answers that are kept for each question.")
    max_answer_length: int = option(30, "Reading: longest answer in tokens.")
    answerable_classifier: bool = option(True, "Reading: learn whether there is an answer, too.")
    answerable_weight: float = option(0.5, "Reading: weight of that in the loss.")
    do_train: bool = option(
        True, "Train. Off: score --model, which must be a model fine-tuned on the task."
    )
    do_eval: bool = option(True, "Score the dev split, after each epoch and at the end.")
    do_test: bool = option(True, "Score the test split at the end.")
    keep: str = option(
        "last",
        "Which weights become the result: those of the last step, or of the epoch that was best "
        "on dev.",
        choices=("last", "best"),
    )
    rows: str = option(
        "strict",
        "What to do with bad rows in task files: strict refuses, hfl leaves out rows with missing "
        "columns and accepts empty texts, as the original does.",
        choices=ROWS,
    )
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


def resolve(options, config, task, trained_length=None):
    """Fill in every hyperparameter that was not given, and check them.

    Args:
        options: a `FinetuneOptions`.
        config: `ElectraConfig` of the model.
        task: a `tasks.Task`.
        trained_length: of a fine-tuned model that is only scored: the default of max_seq_length.
    Returns:
        a `FinetuneOptions` without None among the hyperparameters.
    Raises:
        InputError: a value out of its range, or a length that the model has no positions for.
    """
    recipe = {**COMMON, **RECIPES[nearest_size(config)], **task.defaults}
    if not options.do_train and trained_length is not None:
        recipe["max_seq_length"] = trained_length
    recipe["max_seq_length"] = min(recipe["max_seq_length"], config.max_position_embeddings)
    missing = {name: value for name, value in recipe.items() if getattr(options, name) is None}
    options = dataclasses.replace(options, **missing)
    _check_ranges(options)
    if options.max_seq_length > config.max_position_embeddings:
        raise InputError(
            f"--max-seq-length {options.max_seq_length}: the model {options.model} has "
            f"{config.max_position_embeddings} positions; "
            f"give at most {config.max_position_embeddings}"
        )
    return options


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
        if not (value >= low and (high is None or value <= high)):
            limit = f"at least {low}" if high is None else f"from {low} to {high}"
            raise InputError(f"--{name.replace('_', '-')} {value}: expected {limit}")
    if options.init == "random" and not options.do_train:
        raise InputError("--init random needs training; drop --no-do-train")
    if options.keep == "best" and not options.do_eval:
        raise InputError("--keep best needs the scores of the dev split; drop --no-do-eval")
