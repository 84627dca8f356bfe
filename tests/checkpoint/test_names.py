"""The table of names, and the sizes that follow from shapes alone."""

import dataclasses
import re

import numpy as np
import pytest
from models import CONFIG, random_tensors, shapes

from paddle_electra.checkpoint import mapping, names, sizes
from paddle_electra.checkpoint.tensors import InMemory, Spec
from paddle_electra.errors import InputError
from paddle_electra.modeling.config import SIZES, ElectraConfig

FORMATS = names.COLUMNS[1:]
KINDS = ("discriminator", "generator", "bert")
RELEASED = ("small", "small-ex", "base", "large")


def of_half(config, half):
    return config.generator if half == "generator" else config


def foreign_specs(half, column, config):
    """{name in a format: Spec} of a half, from our names' shapes."""
    specs, ours = {}, shapes(half, config)
    for row in names.model_rows(half, column, of_half(config, half)):
        shape = ours[row.native]
        shape = (*shape[:-1], shape[-1] // len(row.names))
        for name in row.names:
            specs[name] = Spec(tuple(reversed(shape)) if row.transposed else shape, np.dtype("f4"))
    return specs


@pytest.mark.parametrize("column", FORMATS)
@pytest.mark.parametrize("half", KINDS)
def test_names_are_unique_and_all_layers_are_there(half, column):
    of = of_half(CONFIG, half)
    rows = names.model_rows(half, column, of)
    ours = [row.native for row in rows]
    theirs = [name for row in rows for name in row.names]
    assert len(ours) == len(set(ours))
    assert len(theirs) == len(set(theirs))
    assert not any(re.search(r"[{}<>|]", name) for name in (*ours, *theirs))
    layers = {int(match[1]) for name in ours if (match := re.search(r"layers\.(\d+)\.", name))}
    assert layers == set(range(of.num_hidden_layers))


@pytest.mark.parametrize("column", FORMATS)
@pytest.mark.parametrize("half", KINDS)
def test_out_and_in_again_is_the_identity(half, column):
    of = of_half(CONFIG, half)
    tensors = random_tensors(half, CONFIG, 5)
    rows = names.model_rows(half, column, of)
    out = mapping.Exported(InMemory(tensors), rows)
    assert out.specs == foreign_specs(half, column, CONFIG)
    back = mapping.Imported(InMemory(dict(out.items())), rows, of)
    assert back.specs.keys() == tensors.keys()
    for name, array in tensors.items():
        np.testing.assert_array_equal(back[name], array, err_msg=name)


@pytest.mark.parametrize(
    ("half", "column", "name", "ours", "pick"),
    [
        (
            "discriminator",
            "huggingface",
            "electra.encoder.layer.1.attention.self.key.weight",
            "electra.layers.1.attention.qkv.weight",
            lambda array, width: array[:, width : 2 * width].T,
        ),
        (
            "discriminator",
            "paddlenlp",
            "electra.encoder.layers.0.self_attn.v_proj.bias",
            "electra.layers.0.attention.qkv.bias",
            lambda array, width: array[2 * width :],
        ),
        (
            "generator",
            "huggingface",
            "generator_predictions.dense.weight",
            "head.dense.weight",
            lambda array, _: array.T,
        ),
        (
            "generator",
            "tensorflow",
            "generator/encoder/layer_2/output/dense/kernel",
            "electra.layers.2.output.weight",
            lambda array, _: array,
        ),
        (
            "bert",
            "tensorflow",
            "bert/pooler/dense/kernel",
            "electra.pooler.weight",
            lambda array, _: array,
        ),
    ],
)
def test_which_numbers_go_where(half, column, name, ours, pick):
    of = of_half(CONFIG, half)
    tensors = random_tensors(half, CONFIG, 5)
    out = mapping.Exported(InMemory(tensors), names.model_rows(half, column, of))
    np.testing.assert_array_equal(out[name], pick(tensors[ours], of.hidden_size))


@pytest.mark.parametrize("column", FORMATS)
@pytest.mark.parametrize("size", RELEASED)
@pytest.mark.parametrize("half", names.HALVES)
def test_sizes_of_the_released_models_from_shapes_alone(size, half, column):
    layers, hidden, heads, embedding, narrow = SIZES[size]
    config = ElectraConfig.from_size(size, 21128)
    found = sizes.infer(foreign_specs(half, column, config), half, column, "file")
    width = narrow if half == "generator" else hidden
    assert found == {
        "vocab_size": 21128,
        "embedding_size": embedding,
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_hidden_layers": layers,
        "max_position_embeddings": 512,
        "type_vocab_size": 2,
    }
    wanted = max(1, narrow // 64) if half == "generator" else heads
    assert sizes.number_of_heads(width, half == "generator", {}, "file") == wanted
    # Either half alone leads to the sizes of both.
    found["num_attention_heads"] = wanted
    pair = (None, found) if half == "generator" else (found, None)
    assert sizes.combine(*pair, {}) == config
    projected = any("embeddings_project" in n for n in foreign_specs(half, column, config))
    assert projected == (width != embedding)


@pytest.mark.parametrize("column", FORMATS)
def test_tensors_that_disagree_are_named(column):
    specs = foreign_specs("discriminator", column, CONFIG)
    word, position = (f"electra.embeddings.{n}_embeddings.weight" for n in ("word", "position"))
    if column == "tensorflow":
        word, position = (f"electra/embeddings/{n}_embeddings" for n in ("word", "position"))
    specs[position] = Spec((16, 9), np.dtype("f4"))
    message = f"tensor {position!r} has shape [16, 9]: embedding_size would be 9, {word!r} says 8"
    with pytest.raises(InputError, match=re.escape(message)):
        sizes.infer(specs, "discriminator", column, "file")


def test_a_layer_left_out_is_named():
    specs = foreign_specs("discriminator", "huggingface", CONFIG)
    specs = {name: spec for name, spec in specs.items() if ".layer.0." not in name}
    with pytest.raises(InputError, match="layer 0 is missing, but there is a layer 1"):
        sizes.infer(specs, "discriminator", "huggingface", "file")


def test_halves_of_two_models_do_not_go_together():
    parts = []
    for half, width in (("discriminator", 8), ("generator", 16)):
        config = dataclasses.replace(CONFIG, embedding_size=width)
        found = sizes.infer(foreign_specs(half, "huggingface", config), half, "huggingface", "file")
        parts.append({**found, "num_attention_heads": 1})
    with pytest.raises(InputError, match="embedding_size is 8 in the discriminator and 16 in the"):
        sizes.combine(*parts, {})
