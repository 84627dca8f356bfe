"""Memory of one card at the moments of an update when it may be highest.

The generator's forward and backward pass come first, then the discriminator's: their activations
are never there together.  Between the moments memory changes steadily: a forward pass only adds, a
backward pass exchanges a layer's activations for its gradients, one layer after the other.
"""

from typing import NamedTuple

from ..modeling.flops import parameter_counts, total_parameters
from ..pretraining.masking import number_of_slots
from . import activations
from .activations import (
    EMBEDDINGS,
    LOGITS,
    PROJECTION,
    SOFTMAX,
    SUMS,
    TABLE,
    Numbers,
    size,
)

MOMENTS = (
    "generator samples",  # its forward pass ends
    "generator backward begins",  # at the logits
    "generator backward ends",  # at the first layer
    "discriminator backward begins",  # at the last layer
    "discriminator backward ends",
    "exchange",
    "update",
)
USABLE = 0.9  # of a card's memory: the rest is the driver's, the libraries', and fragments

BUCKET = 32 * 2**20  # numbers exchanged at once, as in `training/parallel.py`


class Setup(NamedTuple):
    """How one card computes: ``examples`` are those of one part, all ``length`` tokens long."""

    examples: int
    length: int
    parts: int = 1
    gpus: int = 1
    mode: str = "float32"  # a key of `activations.BYTES`
    attention: str = "eager"
    recompute: bool = False
    cpu: bool = False


def memory(config, setup):
    """{kind: bytes at each of `MOMENTS`} of a run that has made its first update.

    Every kind is listed, also one that takes nothing.
    """
    weights = total_parameters(config)
    numbers = _numbers(config.generator, setup)
    table, logits, softmax, sums = (
        size(rows, numbers, setup.mode) for rows in (TABLE, LOGITS, SOFTMAX, SUMS)
    )
    gradients = 4 * weights  # at O2 too, which has master gradients
    largest = 4 * config.vocab_size * config.embedding_size
    # A bucket lies there twice: joined, and cut up again after the exchange.
    exchanged = 2 * min(gradients, max(4 * BUCKET, largest)) if setup.gpus > 1 else 0
    # Parts before the last one leave all gradients.
    before = gradients if setup.parts > 1 else 0
    half = max(before, 4 * _generator_parameters(config))
    discriminator, generator = _activations(config, setup)
    layer, generator_layer = _sizes(activations.layer(setup.attention, setup.cpu), config, setup)
    work, generator_work = _sizes(activations.at_work(setup.cpu), config, setup)
    # When the backward pass is at the last layer, the head's activations are gone.
    head = size(activations.heads(setup.cpu)[0], _numbers(config, setup), setup.mode)
    last = discriminator - head + (layer if setup.recompute else 0)
    cast, generator_cast = _casts(config) if setup.mode == "O1" else (0, 0)
    return {
        "weights": [(2 if setup.mode == "O2" else 4) * weights] * 7,
        "float32 copy of the weights": [4 * weights if setup.mode == "O2" else 0] * 7,
        "16-bit copies of the weights": [generator_cast, generator_cast, 0, cast, 0, 0, 0],
        "Adam's moments": [8 * weights] * 7,
        "gradients": [before, before, half, half, gradients, gradients, gradients],
        "activations, generator": [generator, generator, generator_layer, 0, 0, 0, 0],
        "activations, discriminator": [0, 0, 0, last, layer, 0, 0],
        "gradients inside a layer": [0, 0, generator_work, work, work, 0, 0],
        "vocabulary table, its gradient": [table, 2 * table, 0, 0, 0, 0, 0],
        "logits": [logits, logits, logits, 0, 0, 0, 0],
        "softmax, then its gradient": [softmax, softmax, 0, 0, 0, 0, 0],
        "cumulative sums": [sums, 0, 0, 0, 0, 0, 0],
        "largest gradient once more": [0, 0, largest, 0, largest, 0, largest],
        "gradients under exchange": [0, 0, 0, 0, 0, exchanged, 0],
    }


def peak(config, setup):
    """Bytes at the highest moment."""
    return max(map(sum, zip(*memory(config, setup).values(), strict=True)))


def _numbers(half, setup):
    tokens = setup.examples * setup.length
    return Numbers(
        tokens=tokens,
        pairs=tokens * setup.length,
        slots=setup.examples * number_of_slots(setup.length, setup.length),
        hidden=half.hidden_size,
        inner=half.intermediate_size,
        heads=half.num_attention_heads,
        embedding=half.embedding_size,
        vocabulary=half.vocab_size,
    )


def _activations(config, setup):
    """Bytes kept of the discriminator and of the generator, without vocabulary-wide tensors."""
    rows = activations.layer(setup.attention, setup.cpu)
    if setup.recompute:
        rows = activations.RECOMPUTED_LAYER
    kept = []
    for half, head in zip((config, config.generator), activations.heads(setup.cpu), strict=True):
        numbers = _numbers(half, setup)
        projection = PROJECTION if half.embedding_size != half.hidden_size else ()
        kept.append(
            size(EMBEDDINGS + projection + head, numbers, setup.mode)
            + half.num_hidden_layers * size(rows, numbers, setup.mode)
        )
    return kept


def _sizes(rows, config, setup):
    """Bytes of rows for the discriminator and for the generator."""
    return [size(rows, _numbers(half, setup), setup.mode) for half in (config, config.generator)]


def _generator_parameters(config):
    """Parameters that have a gradient when the generator's backward pass ends."""
    counts = parameter_counts(config)
    shared = counts["discriminator"]["embeddings"] if config.tied_embeddings else 0
    return sum(counts["generator"].values()) + shared


def _casts(config):
    """Bytes of the matrices that amp O1 casts, and keeps cast for the backward pass: of the
    discriminator and of the generator, without its table."""
    found = []
    for half, head in (
        (config, config.hidden_size),
        (config.generator, config.embedding_size),
    ):
        hidden, inner = half.hidden_size, half.intermediate_size
        numbers = half.num_hidden_layers * (4 * hidden * hidden + 2 * hidden * inner)
        if half.embedding_size != hidden:
            numbers += half.embedding_size * hidden
        found.append(2 * (numbers + hidden * head))
    return found
