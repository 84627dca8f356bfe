"""How large the networks are and how much they multiply.  No paddle here.

Counted are the matrix products of the model on real tokens, a multiplication and an addition
being two operations.  Not counted: padding, looking up embeddings, everything elementwise, and
what recomputation does again.  So dividing by time and by the processor's peak gives the model
FLOP utilisation (MFU, Chowdhery et al. 2022).
"""

import numpy as np

BACKWARD = 2  # products of the backward pass to one of the forward pass: two gradients each


def parameter_counts(config):
    """Exact numbers of parameters by half and part.

    Shared embeddings are counted with the discriminator, in whose file they lie, and then the
    generator has 0 of them.

    Args:
        config: an `ElectraConfig`.
    Returns:
        {"discriminator": {part: count}, "generator": {part: count}} with the parts
        "embeddings", "projection", "layers", "pooler" and "head".
    """
    embeddings = _embedding_parameters(config)
    discriminator = {"embeddings": embeddings, **_encoder_parameters(config)}
    discriminator["head"] = _dense(config.hidden_size, config.hidden_size) + _dense(
        config.hidden_size, 1
    )
    half = config.generator
    generator = {"embeddings": 0 if config.tied_embeddings else embeddings}
    generator |= _encoder_parameters(half)
    generator["head"] = (
        _dense(half.hidden_size, half.embedding_size)
        + _norm(half.embedding_size)
        + half.vocab_size  # the output bias
    )
    return {"discriminator": discriminator, "generator": generator}


def total_parameters(config):
    """Parameters of both networks, shared ones counted once."""
    return sum(sum(parts.values()) for parts in parameter_counts(config).values())


def discriminator_flops(config, lengths):
    """Operations of the discriminator's forward pass.

    Args:
        config: an `ElectraConfig`.
        lengths: (examples,) real tokens of each example.
    """
    tokens, pairs = _tokens_and_pairs(lengths)
    head = 2 * config.hidden_size * (config.hidden_size + 1)
    return _encoder_flops(config, tokens, pairs) + head * tokens


def generator_flops(config, lengths, slots):
    """Operations of the generator's forward pass, with its head at ``slots`` positions in all."""
    tokens, pairs = _tokens_and_pairs(lengths)
    half = config.generator
    head = 2 * half.embedding_size * (half.hidden_size + half.vocab_size)
    return _encoder_flops(half, tokens, pairs) + head * int(slots)


def training_flops(config, lengths, slots):
    """Operations of one pretraining step: forward and backward pass of both networks.

    Args:
        config: an `ElectraConfig`.
        lengths: (examples,) real tokens of each example of the step's whole batch.
        slots: masked slots of the whole batch.
    """
    forward = discriminator_flops(config, lengths) + generator_flops(config, lengths, slots)
    return (1 + BACKWARD) * forward


def _tokens_and_pairs(lengths):
    """Sum of the lengths and of their squares: attention compares all pairs of an example."""
    lengths = np.asarray(lengths, np.int64)
    return int(lengths.sum()), int((lengths * lengths).sum())


def _encoder_flops(config, tokens, pairs):
    hidden, inner = config.hidden_size, config.intermediate_size
    dense = 4 * hidden * hidden + 2 * hidden * inner  # query, key, value, output; feed-forward
    attention = 2 * hidden  # scores and weighted values, over all heads
    projection = config.embedding_size * hidden if _is_projected(config) else 0
    layers = config.num_hidden_layers * (dense * tokens + attention * pairs)
    return 2 * (layers + projection * tokens)


def _embedding_parameters(config):
    rows = config.vocab_size + config.max_position_embeddings + config.type_vocab_size
    return rows * config.embedding_size + _norm(config.embedding_size)


def _encoder_parameters(config):
    hidden, inner = config.hidden_size, config.intermediate_size
    layer = (
        4 * _dense(hidden, hidden)
        + _dense(hidden, inner)
        + _dense(inner, hidden)
        + 2 * _norm(hidden)
    )
    return {
        "projection": _dense(config.embedding_size, hidden) if _is_projected(config) else 0,
        "layers": config.num_hidden_layers * layer,
        "pooler": _dense(hidden, hidden) if config.pooler else 0,
    }


def _is_projected(config):
    return config.embedding_size != config.hidden_size


def _dense(inputs, outputs):
    return inputs * outputs + outputs


def _norm(width):
    return 2 * width
