"""``pretrain --init-from``: a run that begins with the weights of another model.

Weights only: the optimizer is new and the run begins at step 0.  Whatever the checkpoint lacks (a
generator, the discriminator's head) begins as random as in any other run.
"""

import dataclasses

from .. import checkpoint as checkpoints
from ..checkpoint.names import EMBEDDINGS_PREFIX
from ..checkpoint.native import load_weights, starting_with
from ..checkpoint.report import summary
from ..errors import InputError
from ..modeling.config import SIZES
from ..text.tokenizer import ElectraTokenizer
from .settings import generator_sizes, shared_sizes, shares_encoder

_OWN_SIZES = ("embedding_size", "hidden_size", "num_hidden_layers", "num_attention_heads")
_NOT_FROM_A_CHECKPOINT = ("model_hparam_overrides", "untied_generator_embeddings")


def read_start(options, dataset):
    """The checkpoint that ``options.init_from`` names, checked against the shards.

    Returns:
        a `native.Checkpoint`.
    Raises:
        InputError: see `checkpoint.load`; a generator alone; another vocabulary than the shards'.
    """
    start = checkpoints.load(options.init_from)
    start.need_discriminator()
    with start.naming():
        tokenizer = ElectraTokenizer(start.vocab_file, dataset.meta["do_lower_case"])
    if tokenizer.fingerprint != dataset.vocab_fingerprint:
        raise InputError(
            f"{options.data}: built with another vocabulary than that of --init-from "
            f"{options.init_from}; build shards with --vocab {start.vocab_option}"
        )
    return start


def start_config(start, options, dataset):
    """The `ElectraConfig` of a run from the checkpoint's: its sizes, the options' dropout.

    Raises:
        InputError: sizes given as options that are not the checkpoint's.
    """
    config = start.config
    if options.model_size is not None:
        layers, hidden, heads, embedding, _ = SIZES[options.model_size]
        ours = (config.embedding_size, config.hidden_size, config.num_hidden_layers)
        if ours != (embedding, hidden, layers) or config.num_attention_heads != heads:
            raise InputError(
                f"--model-size {options.model_size}: {options.init_from} has "
                f"{config.num_hidden_layers} layers of {config.hidden_size}; leave out the size, "
                f"it is the checkpoint's"
            )
    for name in _OWN_SIZES:
        given = getattr(options, name)
        if given is not None and given != getattr(config, name):
            _refuse(options, name, given, config)
    for name in _NOT_FROM_A_CHECKPOINT:
        if getattr(options, name):
            raise InputError(
                f"--{name.replace('_', '-')}: not with --init-from, whose sizes are those of "
                f"{options.init_from}; leave it out"
            )
    changes = _generator_changes(start, options)
    return dataclasses.replace(
        config,
        hidden_dropout_prob=options.hidden_dropout_prob,
        attention_probs_dropout_prob=options.attention_probs_dropout_prob,
        do_lower_case=dataset.meta["do_lower_case"],
        pooler=False,
        **changes,
    )


def _generator_changes(start, options):
    """What the options change in the sizes of the generator.

    One that shares the encoder has its sizes.  A new one may have any, the checkpoint's none but
    its own.
    """
    if shares_encoder(options):
        return shared_sizes(start.config)
    sizes = generator_sizes(options, start.config)
    for name, value in sizes.items():
        if start.generator is not None and value != getattr(start.config, name):
            _refuse(options, name, value, start.config)
    return sizes


def _refuse(options, name, given, config):
    raise InputError(
        f"--{name.replace('_', '-')} {given}: that of {options.init_from} is "
        f"{getattr(config, name)}; leave it out"
    )


def load_start(model, start):
    """Copy what the checkpoint has into an `ElectraForPreTraining`.

    Returns:
        lines that say what was loaded, what was left, and what is new.
    Raises:
        InputError: a missing or damaged tensor.
    """
    new, tensors = [], start.need_discriminator()
    left = [name for name in tensors if name.startswith("electra.pooler.")]
    if left:
        tensors = {name: tensors[name] for name in tensors if name not in left}
    if not any(name.startswith("head.") for name in tensors):
        if start.task is not None:  # the head of its task, which pretraining has no use for
            left += [name for name in tensors if not name.startswith("electra.")]
            tensors = starting_with(tensors, "electra.")
        new.append("the discriminator's head, random")
    load_weights(
        model.discriminator, tensors, start.source, allow_missing=("head.",) if new else ()
    )
    left += _load_generator(model, start, new)
    new.append("the optimizer, at step 0")
    return summary(start._replace(left=(*start.left, *left)), new)


def _load_generator(model, start, new):
    """Load the generator's weights as far as there is a place for them.

    Args:
        new: list to which a line on what begins with random weights is added.
    Returns:
        names of tensors that were left.
    """
    if model.generator is None:
        return [f"generator: {name}" for name in start.generator or ()]
    tensors, of = start.generator, model.config.generator
    if model.generator.electra is model.discriminator.electra:
        new.append("the generator's head, random")
        return [f"generator: {name}" for name in tensors or ()]
    if tensors is None:
        new.append(f"a generator of {of.num_hidden_layers} layers of {of.hidden_size}, random")
        return []
    tied = (EMBEDDINGS_PREFIX,) if model.config.tied_embeddings else ()
    load_weights(model.generator, tensors, start.source, allow_missing=tied)
    return []
