"""THE table of parameter names: ours, and each format's.

A row holds our name and the original's names; ``{}`` is the number of the layer.  Several
original names in one row are joined along the last axis (the fused query, key and value).  Every
reader is derived from these rows; a new format is a column.  All kernels are [in, out] here and
in TensorFlow.
"""

from typing import NamedTuple


class Row(NamedTuple):
    native: str
    tensorflow: tuple[str, ...]


def _dense(native, tensorflow):
    return [
        Row(f"{native}.weight", (f"{tensorflow}/kernel",)),
        Row(f"{native}.bias", (f"{tensorflow}/bias",)),
    ]


def _norm(native, tensorflow):
    return [
        Row(f"{native}.weight", (f"{tensorflow}/gamma",)),
        Row(f"{native}.bias", (f"{tensorflow}/beta",)),
    ]


def _fused(native, tensorflow, kind, name):
    parts = tuple(f"{tensorflow}/{part}/{name}" for part in ("query", "key", "value"))
    return Row(f"{native}.{kind}", parts)


EMBEDDINGS = [
    *(
        Row(f"embeddings.{table}.weight", (f"electra/embeddings/{table}",))
        for table in ("word_embeddings", "position_embeddings", "token_type_embeddings")
    ),
    *_norm("embeddings.layer_norm", "electra/embeddings/LayerNorm"),
]


def encoder(scope):
    """Rows of one network's projection and layers; ``scope`` is "electra" or "generator"."""
    layer = f"{scope}/encoder/layer_{{}}"
    attention = f"{layer}/attention"
    return [
        *_dense("embeddings_project", f"{scope}/embeddings_project"),
        _fused("layers.{}.attention.qkv", f"{attention}/self", "weight", "kernel"),
        _fused("layers.{}.attention.qkv", f"{attention}/self", "bias", "bias"),
        *_dense("layers.{}.attention.dense", f"{attention}/output/dense"),
        *_norm("layers.{}.attention_norm", f"{attention}/output/LayerNorm"),
        *_dense("layers.{}.intermediate", f"{layer}/intermediate/dense"),
        *_dense("layers.{}.output", f"{layer}/output/dense"),
        *_norm("layers.{}.output_norm", f"{layer}/output/LayerNorm"),
    ]


def _under(prefix, rows):
    return [row._replace(native=f"{prefix}.{row.native}") for row in rows]


DISCRIMINATOR = [
    *_under("electra", [*EMBEDDINGS, *encoder("electra")]),
    *_dense("head.dense", "discriminator_predictions/dense"),
    *_dense("head.logit", "discriminator_predictions/dense_1"),
]

# The generator's embeddings are the discriminator's, so they have no rows here.
GENERATOR = [
    *_under("electra", encoder("generator")),
    *_dense("head.dense", "generator_predictions/dense"),
    *_norm("head.layer_norm", "generator_predictions/LayerNorm"),
    Row("head.bias", ("generator_predictions/output_bias",)),
]


def expand(rows, layers):
    """The rows with ``{}`` replaced by each of ``layers`` layer numbers."""
    for row in rows:
        if "{}" not in row.native:
            yield row
            continue
        for number in range(layers):
            names = tuple(name.replace("{}", str(number)) for name in row.tensorflow)
            yield Row(row.native.replace("{}", str(number)), names)
