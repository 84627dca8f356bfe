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

_OWN_SIZES = ("embedding_size", "hidden_size", "num_hidden_layers", "num_attention_heads")


def read_start(options, dataset):
    """The checkpoint that ``options.init_from`` names, checked against the shards.

    Returns:
        a `native.Checkpoint`.
    Raises:
        InputError: see `checkpoint.load`; a generator alone; another vocabulary than the shards'.
    """
    start = checkpoints.load(options.init_from)
    start.need_discriminator()
    tokenizer = ElectraTokenizer(start.vocab_file, dataset.meta["do_lower_case"])
    if tokenizer.fingerprint != dataset.vocab_fingerprint:
        raise InputError(
            f"{options.data}: built with another vocabulary than that of --init-from "
            f"{options.init_from}; build shards with --vocab {start.vocab_file}"
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
    changes = {}
    for name in (*_OWN_SIZES, "generator_hidden_size"):
        given = getattr(options, name)
        if given is None or given == getattr(config, name):
            continue
        if name == "generator_hidden_size" and start.generator is None:
            changes = {
                name: given,
                "generator_intermediate_size": 4 * given,
                "generator_num_attention_heads": max(1, given // 64),
            }
            continue
        raise InputError(
            f"--{name.replace('_', '-')} {given}: that of {options.init_from} is "
            f"{getattr(config, name)}; leave it out"
        )
    return dataclasses.replace(
        config,
        hidden_dropout_prob=options.hidden_dropout_prob,
        attention_probs_dropout_prob=options.attention_probs_dropout_prob,
        do_lower_case=dataset.meta["do_lower_case"],
        pooler=False,
        **changes,
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
    if start.generator is None:
        of = model.config.generator
        new.append(f"a generator of {of.num_hidden_layers} layers of {of.hidden_size}, random")
    else:
        tied = (EMBEDDINGS_PREFIX,) if model.config.tied_embeddings else ()
        load_weights(model.generator, start.generator, start.source, allow_missing=tied)
    new.append("the optimizer, at step 0")
    return summary(start._replace(left=(*start.left, *left)), new)
