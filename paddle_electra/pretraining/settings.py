"""What the options of a run amount to: its sizes, its rate, and numbers within their ranges."""

import dataclasses

from ..errors import InputError
from ..modeling.config import ElectraConfig
from ..modeling.electra import ElectraForPreTraining


def model_config(options, dataset):
    """The `ElectraConfig` of a run; sizes given as options replace the named size's.

    Raises:
        InputError: sizes that do not go together.
    """
    chosen = {
        name: getattr(options, name)
        for name in ("embedding_size", "hidden_size", "num_hidden_layers", "num_attention_heads")
        if getattr(options, name) is not None
    }
    if "hidden_size" in chosen:
        chosen["intermediate_size"] = 4 * chosen["hidden_size"]
    config = ElectraConfig.from_size(
        options.model_size,
        dataset.vocab_size,
        hidden_dropout_prob=options.hidden_dropout_prob,
        attention_probs_dropout_prob=options.attention_probs_dropout_prob,
        do_lower_case=dataset.meta["do_lower_case"],
        tied_embeddings=not options.untied_generator_embeddings,
        **chosen,
    )
    overrides = dict(options.model_hparam_overrides or {})
    if overrides.get("vocab_size", dataset.vocab_size) != dataset.vocab_size:
        raise InputError(
            f"model_hparam_overrides: vocab_size {overrides['vocab_size']}: the shards have a "
            f"vocabulary of {dataset.vocab_size}; leave it out"
        )
    if overrides.pop("hidden_act", "gelu") != "gelu":
        raise InputError("model_hparam_overrides: hidden_act: only gelu is there")
    # The generator's sizes follow from the discriminator's, unless they are overridden themselves.
    config = _overridden(config, overrides)
    follow = {"generator_num_hidden_layers": config.num_hidden_layers}
    follow |= generator_sizes(options, config)
    return _overridden(dataclasses.replace(config, **follow), overrides)


def _overridden(config, overrides):
    values = {**config.to_dict(), **overrides}
    return ElectraConfig.from_dict(values, "--model-hparam-overrides")


def generator_sizes(options, config):
    """The sizes of the generator that follow from options and the discriminator's (original:
    `get_generator_config`); none where they say nothing."""
    if shares_encoder(options):
        return shared_sizes(config)
    sizes = {}
    if options.generator_layers != 1.0:
        sizes["generator_num_hidden_layers"] = max(
            1, round(options.generator_layers * config.num_hidden_layers)
        )
    if options.generator_hidden_size is not None:
        sizes |= generator_width(options.generator_hidden_size, config.hidden_size)
    return sizes


def shares_encoder(options):
    """Are generator and discriminator one encoder?  Plain MLM trains the discriminator's."""
    return not options.untied_generator or not options.electra_objective


def shared_sizes(config):
    """The sizes of a generator that is the discriminator's encoder with a head of its own."""
    return {
        "generator_hidden_size": config.hidden_size,
        "generator_num_hidden_layers": config.num_hidden_layers,
        "generator_num_attention_heads": config.num_attention_heads,
        "generator_intermediate_size": config.intermediate_size,
    }


def generator_width(given, discriminator_width):
    """Sizes of a generator of ``given`` units, or of that share of the discriminator's if <= 1."""
    units = round(given * discriminator_width) if given <= 1 else int(given)
    return {
        "generator_hidden_size": units,
        "generator_intermediate_size": 4 * units,
        "generator_num_attention_heads": max(1, units // 64),
    }


def build_model(config, options):
    """The `ElectraForPreTraining` that the options describe, with random weights."""
    kind = "uniform" if options.uniform_generator else "own"
    return ElectraForPreTraining(
        config,
        options.gen_weight,
        options.disc_weight,
        objective="electra" if options.electra_objective else "mlm",
        generator=kind if options.untied_generator else "shared",
        temperature=options.temperature,
        disallow_correct=options.disallow_correct,
    )


def settle_rate(options, config):
    """The options with a learning rate, so that the settings saved beside a run state it."""
    if options.learning_rate is not None:
        return options
    rate = 2e-4 if config.hidden_size >= 512 else 5e-4
    if options.init_from is not None:
        rate /= 4  # trained weights are unlearned at the rate of random ones
    return dataclasses.replace(options, learning_rate=rate)


def check_statements(options, dataset):
    """Raise `InputError` if the options say of the shards what they are not."""
    for name, found in (
        ("vocab_size", dataset.vocab_size),
        ("max_seq_length", dataset.max_seq_length),
        ("do_lower_case", dataset.meta["do_lower_case"]),
    ):
        said = getattr(options, name)
        if said is not None and said != found:
            raise InputError(
                f"--{name.replace('_', '-')} {said}: the shards in {dataset.folder} have "
                f"{name} {found}; leave it out, or build other shards"
            )
    check_words(options, dataset)


def check_words(options, dataset):
    """Raise `InputError` if whole words are to be masked and the shards do not know them."""
    if options.mask_whole_words and dataset.meta.get("segmenter", "none") == "none":
        raise InputError(
            f"--mask-whole-words: the shards in {dataset.folder} do not know words; build them "
            f"with --segmenter jieba"
        )


def check_combination(options):
    """Raise `InputError` for options that contradict each other."""
    if options.uniform_generator and shares_encoder(options):
        raise InputError(
            "--uniform-generator: there is no generator then, which --no-untied-generator and "
            "--no-electra-objective are about; give one of them"
        )
    if shares_encoder(options) and options.untied_generator_embeddings:
        raise InputError(
            "--untied-generator-embeddings: one encoder for both has one set of embeddings; leave "
            "it out, or keep --untied-generator and --electra-objective on"
        )
    if options.mask_whole_words and options.masking != "unique":
        raise InputError(f"--mask-whole-words: not with --masking {options.masking}")
    if options.long_data is not None and not options.long_data_from < options.num_train_steps:
        raise InputError(
            f"--long-data-from {options.long_data_from}: expected fewer than the "
            f"{options.num_train_steps} --num-train-steps"
        )
    for name in ("long_data_from", "long_train_batch_size"):
        if options.long_data is None and getattr(options, name) is not None:
            raise InputError(f"--{name.replace('_', '-')}: nothing without --long-data")


_AT_LEAST_ONE = (
    "num_train_steps",
    "train_batch_size",
    "gradient_accumulation_steps",
    "eval_batch_size",
    "log_every",
    "save_checkpoints_steps",
    "probe_every",
)
_NOT_NEGATIVE = (
    "keep_checkpoint_max",
    "gen_weight",
    "disc_weight",
    "save_checkpoints_minutes",
    "num_warmup_steps",
    "eval_examples",
    "eval_every",
    "weight_decay_rate",
    "lr_decay_power",
)
_SHARES = ("mask_prob", "hidden_dropout_prob", "attention_probs_dropout_prob")


def check_ranges(options):
    """Raise `InputError` for a number out of its range, naming the option."""
    for names, fits, wanted in (
        (_AT_LEAST_ONE, lambda value: value >= 1, "at least 1"),
        (_NOT_NEGATIVE, lambda value: value >= 0, "0 or more"),
        (_SHARES, lambda value: 0 <= value < 1, "at least 0 and below 1"),
        (
            ("learning_rate", "max_gradient_norm", "temperature", "generator_layers"),
            lambda value: value > 0,
            "above 0",
        ),
    ):
        for name in names:
            value = getattr(options, name)
            if value is not None and not fits(value):
                raise InputError(f"--{name.replace('_', '-')} {value}: expected {wanted}")
    check_combination(options)
