"""What the options of a run amount to: its sizes, its rate, and numbers within their ranges."""

import dataclasses

from ..errors import InputError
from ..modeling.config import ElectraConfig


def model_config(options, dataset):
    """The `ElectraConfig` of a run; sizes given as options replace the named size's."""
    chosen = {
        name: getattr(options, name)
        for name in ("embedding_size", "hidden_size", "num_hidden_layers", "num_attention_heads")
        if getattr(options, name) is not None
    }
    if "hidden_size" in chosen:
        chosen["intermediate_size"] = 4 * chosen["hidden_size"]
    if "num_hidden_layers" in chosen:
        chosen["generator_num_hidden_layers"] = chosen["num_hidden_layers"]
    if options.generator_hidden_size is not None:
        chosen["generator_hidden_size"] = options.generator_hidden_size
        chosen["generator_intermediate_size"] = 4 * options.generator_hidden_size
        chosen["generator_num_attention_heads"] = max(1, options.generator_hidden_size // 64)
    return ElectraConfig.from_size(
        options.model_size,
        dataset.vocab_size,
        hidden_dropout_prob=options.hidden_dropout_prob,
        attention_probs_dropout_prob=options.attention_probs_dropout_prob,
        do_lower_case=dataset.meta["do_lower_case"],
        **chosen,
    )


def settle_rate(options, config):
    """The options with a learning rate, so that the settings saved beside a run state it."""
    if options.learning_rate is not None:
        return options
    rate = 2e-4 if config.hidden_size >= 512 else 5e-4
    return dataclasses.replace(options, learning_rate=rate)


_AT_LEAST_ONE = (
    "num_train_steps",
    "train_batch_size",
    "gradient_accumulation_steps",
    "eval_batch_size",
    "log_every",
    "save_checkpoints_steps",
    "keep_checkpoint_max",
)
_NOT_NEGATIVE = (
    "gen_weight",
    "disc_weight",
    "save_checkpoints_minutes",
    "num_warmup_steps",
    "eval_examples",
    "eval_every",
    "weight_decay_rate",
)
_SHARES = ("mask_prob", "hidden_dropout_prob", "attention_probs_dropout_prob")


def check_ranges(options):
    """Raise `InputError` for a number out of its range, naming the option."""
    for names, fits, wanted in (
        (_AT_LEAST_ONE, lambda value: value >= 1, "at least 1"),
        (_NOT_NEGATIVE, lambda value: value >= 0, "0 or more"),
        (_SHARES, lambda value: 0 <= value < 1, "at least 0 and below 1"),
        (("learning_rate", "max_gradient_norm"), lambda value: value > 0, "above 0"),
    ):
        for name in names:
            value = getattr(options, name)
            if not fits(value):
                raise InputError(f"--{name.replace('_', '-')} {value}: expected {wanted}")
    if options.gradient_accumulation_steps > options.train_batch_size:
        raise InputError(
            f"--gradient-accumulation-steps {options.gradient_accumulation_steps}: more parts than "
            f"the --train-batch-size {options.train_batch_size} has examples"
        )
