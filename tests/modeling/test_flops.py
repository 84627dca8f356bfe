"""Counts of parameters and operations against the real networks."""

import numpy as np
import paddle
import pytest

from paddle_electra.modeling import flops
from paddle_electra.modeling.config import SIZES, ElectraConfig
from paddle_electra.modeling.electra import ElectraForPreTraining

TINY = ElectraConfig.from_size("tiny", 50)
PROJECTED = ElectraConfig.from_size("tiny", 37, embedding_size=24, num_hidden_layers=2)


def held(layer, prefix=""):
    """Parameters under ``prefix``; a shared one has one name only."""
    return sum(p.size for name, p in layer.named_parameters() if name.startswith(prefix))


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("size", SIZES)
def test_parameter_counts_are_those_of_the_networks(size, tied):
    config = ElectraConfig.from_size(size, 21128, tied_embeddings=tied)
    with paddle.LazyGuard():  # shapes without memory
        model = ElectraForPreTraining(config)
    counts = flops.parameter_counts(config)
    for half, parts in counts.items():
        network = getattr(model, half)
        own = {
            "layers": held(network, "electra.layers."),
            "projection": held(network, "electra.embeddings_project."),
            "pooler": held(network, "electra.pooler."),
            "head": held(network, "head."),
            "embeddings": held(network, "electra.embeddings."),
        }
        if tied and half == "generator":
            own["embeddings"] = 0
        assert parts == own
    assert flops.total_parameters(config) == held(model)


def test_a_pooler_is_counted():
    config = ElectraConfig.from_size("tiny", 50, pooler=True)
    assert flops.total_parameters(config) == held(ElectraForPreTraining(config))


class Products:
    """Counts the operations of every matrix product while it is entered."""

    def __init__(self, monkeypatch):
        self.operations = 0
        matmul, linear = paddle.matmul, paddle.nn.functional.linear

        def counted_matmul(x, y, transpose_x=False, transpose_y=False, name=None):
            result = matmul(x, y, transpose_x, transpose_y, name)
            self._add(result, x.shape[-2] if transpose_x else x.shape[-1])
            return result

        def counted_linear(x, weight, bias=None, name=None):
            result = linear(x, weight, bias, name)
            self._add(result, weight.shape[0])
            return result

        monkeypatch.setattr(paddle, "matmul", counted_matmul)
        monkeypatch.setattr(paddle.nn.functional, "linear", counted_linear)

    def _add(self, result, inner):
        self.operations += 2 * int(np.prod(result.shape)) * inner


def multiplied(config, examples, length, slots, monkeypatch):
    """What the real model multiplies in a forward pass over rows without padding."""
    with monkeypatch.context() as patch:
        products = Products(patch)
        model = ElectraForPreTraining(config)
        shape = [examples, length]
        ids = paddle.randint(1, config.vocab_size, shape)
        model(
            ids,
            ids,
            paddle.zeros(shape, "int64"),
            paddle.ones(shape, "int64"),
            paddle.arange(slots),
            uniforms=paddle.zeros([slots]),
        )
    # The head adds its bias as one more column of the product; the model has no such product.
    return products.operations - 2 * slots * config.vocab_size


@pytest.mark.parametrize("config", [TINY, PROJECTED], ids=["tiny", "projected"])
def test_operations_are_what_the_model_multiplies(config, monkeypatch):
    batches = [(1, 16, 2), (3, 40, 13), (2, 128, 31)]  # examples, length, slots
    lengths = [length for examples, length, _ in batches for _ in range(examples)]
    total = sum(multiplied(config, *batch, monkeypatch) for batch in batches)
    slots = sum(slots for *_, slots in batches)
    assert flops.training_flops(config, lengths, slots) == 3 * total
    forward = flops.discriminator_flops(config, lengths)
    assert forward + flops.generator_flops(config, lengths, slots) == total


def test_padding_costs_nothing_and_attention_is_quadratic_in_each_example():
    one = flops.discriminator_flops(TINY, [100])
    two = flops.discriminator_flops(TINY, [50, 50])
    # The same tokens, half the pairs: scores and weighted values, 2 x hidden operations each.
    pairs = 100**2 - 2 * 50**2
    assert one - two == TINY.num_hidden_layers * 4 * TINY.hidden_size * pairs


def test_numbers_beyond_32_bits():
    config = ElectraConfig.from_size("large", 21128)
    lengths = np.full(4096, 512, np.int32)
    assert flops.training_flops(config, lengths, 10) == sum(
        flops.training_flops(config, [512], slots) for slots in [10] + [0] * 4095
    )
