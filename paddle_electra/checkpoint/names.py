"""THE table of parameter names: ours, and each format's.

A row of the tables below is a module of the network, its name in every format, and the rule of
its shape: names of `ElectraConfig` fields.  ``{}`` is the number of the layer.  ``<a|b|c>`` names
several parts that we keep as one tensor, joined along the last axis (query, key and value).
Readers and writers of all formats are derived from these rows, in both directions; a new format
is a column.

A dense layer's kernel is [in, out] here, in TensorFlow and in Paddle; the formats in
`TRANSPOSED` keep [out, in].
"""

import re
from typing import NamedTuple

COLUMNS = ("native", "tensorflow", "huggingface", "paddlenlp")
TRANSPOSED = ("huggingface",)

VOCAB, EMBED, HIDDEN, INNER = "vocab_size", "embedding_size", "hidden_size", "intermediate_size"
POSITIONS, TYPES = "max_position_embeddings", "type_vocab_size"


class Module(NamedTuple):
    """A row of the tables: what it is, its shape, and its name in each of `COLUMNS`."""

    kind: str  # dense, norm, table or vector: see LEAVES
    sizes: tuple
    native: str
    tensorflow: str
    huggingface: str
    paddlenlp: str


# The parameters of each kind of module: ending in each of COLUMNS, and which sizes are its shape.
LEAVES = {
    "dense": (
        ((".weight", "/kernel", ".weight", ".weight"), slice(0, 2)),
        ((".bias", "/bias", ".bias", ".bias"), slice(1, 2)),
    ),
    "norm": (
        ((".weight", "/gamma", ".weight", ".weight"), slice(0, 1)),
        ((".bias", "/beta", ".bias", ".bias"), slice(0, 1)),
    ),
    "table": (((".weight", "", ".weight", ".weight"), slice(0, 2)),),
    "vector": ((("", "", "", ""), slice(0, 1)),),
}

# fmt: off
EMBEDDINGS = (
    Module("table", (VOCAB, EMBED), "embeddings.word_embeddings",
           "embeddings/word_embeddings", "embeddings.word_embeddings",
           "embeddings.word_embeddings"),
    Module("table", (POSITIONS, EMBED), "embeddings.position_embeddings",
           "embeddings/position_embeddings", "embeddings.position_embeddings",
           "embeddings.position_embeddings"),
    Module("table", (TYPES, EMBED), "embeddings.token_type_embeddings",
           "embeddings/token_type_embeddings", "embeddings.token_type_embeddings",
           "embeddings.token_type_embeddings"),
    Module("norm", (EMBED,), "embeddings.layer_norm",
           "embeddings/LayerNorm", "embeddings.LayerNorm", "embeddings.layer_norm"),
)
ENCODER = (
    Module("dense", (EMBED, HIDDEN), "embeddings_project",
           "embeddings_project", "embeddings_project", "embeddings_project"),
    Module("dense", (HIDDEN, HIDDEN), "layers.{}.attention.qkv",
           "encoder/layer_{}/attention/self/<query|key|value>",
           "encoder.layer.{}.attention.self.<query|key|value>",
           "encoder.layers.{}.self_attn.<q|k|v>_proj"),
    Module("dense", (HIDDEN, HIDDEN), "layers.{}.attention.dense",
           "encoder/layer_{}/attention/output/dense", "encoder.layer.{}.attention.output.dense",
           "encoder.layers.{}.self_attn.out_proj"),
    Module("norm", (HIDDEN,), "layers.{}.attention_norm",
           "encoder/layer_{}/attention/output/LayerNorm",
           "encoder.layer.{}.attention.output.LayerNorm", "encoder.layers.{}.norm1"),
    Module("dense", (HIDDEN, INNER), "layers.{}.intermediate",
           "encoder/layer_{}/intermediate/dense", "encoder.layer.{}.intermediate.dense",
           "encoder.layers.{}.linear1"),
    Module("dense", (INNER, HIDDEN), "layers.{}.output",
           "encoder/layer_{}/output/dense", "encoder.layer.{}.output.dense",
           "encoder.layers.{}.linear2"),
    Module("norm", (HIDDEN,), "layers.{}.output_norm",
           "encoder/layer_{}/output/LayerNorm", "encoder.layer.{}.output.LayerNorm",
           "encoder.layers.{}.norm2"),
)
POOLER = (  # BERT's; ELECTRA has none
    Module("dense", (HIDDEN, HIDDEN), "pooler", "pooler/dense", "pooler.dense", "pooler.dense"),
)
DISCRIMINATOR_HEAD = (
    Module("dense", (HIDDEN, HIDDEN), "head.dense", "discriminator_predictions/dense",
           "discriminator_predictions.dense", "discriminator_predictions.dense"),
    Module("dense", (HIDDEN, 1), "head.logit", "discriminator_predictions/dense_1",
           "discriminator_predictions.dense_prediction",
           "discriminator_predictions.dense_prediction"),
)
GENERATOR_HEAD = (
    Module("dense", (HIDDEN, EMBED), "head.dense", "generator_predictions/dense",
           "generator_predictions.dense", "generator_predictions.dense"),
    Module("norm", (EMBED,), "head.layer_norm", "generator_predictions/LayerNorm",
           "generator_predictions.LayerNorm", "generator_predictions.layer_norm"),
    Module("vector", (VOCAB,), "head.bias", "generator_predictions/output_bias",
           "generator_lm_head.bias", "generator_lm_head_bias"),
)
# fmt: on

# Where the encoder of a half lies in each of COLUMNS.  BERT has no generator.
SCOPES = {
    "discriminator": ("electra.", "electra/", "electra.", "electra."),
    "generator": ("electra.", "generator/", "electra.", "electra."),
    "bert": ("electra.", "bert/", "bert.", "bert."),
}
HEADS = {"discriminator": DISCRIMINATOR_HEAD, "generator": GENERATOR_HEAD, "bert": ()}
HALVES = ("discriminator", "generator")
ENCODER_PREFIX = "electra."
EMBEDDINGS_PREFIX = "electra.embeddings."


class Row(NamedTuple):
    """A parameter of ours and what it is called in one format."""

    native: str
    names: tuple[str, ...]  # the format's names; several are joined along the last axis
    sizes: tuple  # shape of each part in our orientation: config fields, or numbers
    transposed: bool  # the format keeps the other orientation


def rows(half, column):
    """The `Row`s of a half in one format, layers still as ``{}``.

    Args:
        half: "discriminator", "generator", or "bert", whose encoder stands in for a discriminator.
        column: one of `COLUMNS`.
    """
    scope = dict(zip(COLUMNS, SCOPES[half], strict=True))
    pooler = POOLER if half == "bert" else ()
    found = []
    for module in (*EMBEDDINGS, *ENCODER, *pooler):
        found += _leaves(module, column, scope["native"], scope[column])
    for module in HEADS[half]:
        found += _leaves(module, column, "", "")
    return found


def _leaves(module, column, native_scope, scope):
    place = COLUMNS.index(column)
    for endings, shape in LEAVES[module.kind]:
        sizes = module.sizes[shape]
        names = _parts(scope + getattr(module, column) + endings[place])
        transposed = column in TRANSPOSED and module.kind == "dense" and len(sizes) == 2
        yield Row(native_scope + module.native + endings[0], names, sizes, transposed)


def _parts(name):
    """``a<b|c>d`` -> ("abd", "acd")."""
    choice = re.search(r"<(.*)>", name)
    if choice is None:
        return (name,)
    return tuple(
        name[: choice.start()] + part + name[choice.end() :] for part in choice[1].split("|")
    )


def model_rows(half, column, config):
    """The rows of a half of a model of certain sizes, layer by layer.

    Args:
        config: an `ElectraConfig`; of a generator its ``config.generator``.
    """
    found = []
    for row in rows(half, column):
        if "embeddings_project" in row.native and config.embedding_size == config.hidden_size:
            continue
        if "{}" not in row.native:
            found.append(row)
            continue
        for layer in range(config.num_hidden_layers):
            number = str(layer)
            names = tuple(name.replace("{}", number) for name in row.names)
            found.append(row._replace(native=row.native.replace("{}", number), names=names))
    # Layer by layer, not parameter by parameter: the order in which files have them.
    return sorted(found, key=_layer)


def _layer(row):
    number = re.search(r"\.layers\.(\d+)\.", row.native)
    if number:
        return int(number[1])
    return -1 if "embeddings" in row.native else 1 << 30
