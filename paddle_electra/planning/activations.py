"""What eager autograd keeps of a forward pass for the backward pass: the tables, row by row.

Each row is one tensor that an operator of `modeling/encoder.py`, `attention.py`, `heads.py` or
`electra.py` keeps.  To follow a change of these files, change the row.
"""

from typing import NamedTuple

# Bytes of a number by what made it.  Mixed precision multiplies matrices in 16 bits; LayerNorm,
# softmax and losses are on its black list, at O1 paddle's and at O2 `training/precision.py`'s, and
# take and give float32.
_PRODUCT = "product"
_FLOAT = "float32"
_MASK = "uint8"
_ID = "int64"
_MIXED = {_PRODUCT: 2, _FLOAT: 4, _MASK: 1, _ID: 8}
BYTES = {"float32": {**_MIXED, _PRODUCT: 4}, "O1": _MIXED, "O2": _MIXED}


class Numbers(NamedTuple):
    """What the rows are computed from, for one network and one part of a batch."""

    tokens: int  # padding included
    pairs: int  # sum of the squares of the rows' lengths
    slots: int
    hidden: int
    inner: int
    heads: int
    embedding: int
    vocabulary: int


class Row(NamedTuple):
    tensor: str
    numbers: callable  # Numbers -> how many
    kind: str


EMBEDDINGS = (
    Row("input ids, token types", lambda n: 2 * n.tokens, _ID),
    Row("sum of the three embeddings, into LayerNorm", lambda n: n.embedding * n.tokens, _FLOAT),
    Row("mean and variance", lambda n: 2 * n.tokens, _FLOAT),
    Row("dropout mask", lambda n: n.embedding * n.tokens, _MASK),
    Row("after dropout", lambda n: n.embedding * n.tokens, _PRODUCT),
)
PROJECTION = (Row("after the projection", lambda n: n.hidden * n.tokens, _PRODUCT),)

SCORES = {
    "eager": (
        Row("softmax", lambda n: n.heads * n.pairs, _FLOAT),
        Row("its dropout mask", lambda n: n.heads * n.pairs, _MASK),
        Row("weights after dropout", lambda n: n.heads * n.pairs, _PRODUCT),
    ),
    # Flash and memory-efficient kernels keep one logarithm a row of scores.
    "sdpa": (Row("logarithms of the sums of exponentials", lambda n: n.heads * n.tokens, _FLOAT),),
}
LAYER = (
    Row("queries, keys and values", lambda n: 3 * n.hidden * n.tokens, _PRODUCT),
    Row("context, into the dense layer", lambda n: n.hidden * n.tokens, _PRODUCT),
    Row("dropout mask", lambda n: n.hidden * n.tokens, _MASK),
    Row("residual sum, into LayerNorm", lambda n: n.hidden * n.tokens, _FLOAT),
    Row("mean and variance", lambda n: 2 * n.tokens, _FLOAT),
    Row("into the feed-forward part", lambda n: n.hidden * n.tokens, _PRODUCT),
    Row("before GELU", lambda n: n.inner * n.tokens, _PRODUCT),
    Row("after GELU", lambda n: n.inner * n.tokens, _PRODUCT),
    Row("dropout mask", lambda n: n.hidden * n.tokens, _MASK),
    Row("residual sum, into LayerNorm", lambda n: n.hidden * n.tokens, _FLOAT),
    Row("mean and variance", lambda n: 2 * n.tokens, _FLOAT),
    Row("output, into the next layer", lambda n: n.hidden * n.tokens, _PRODUCT),
)
# There besides while the backward pass is at a layer's feed-forward part, its highest moment: at
# attention, gradients of scores take less than that part has left.
AT_WORK = (Row("gradient before GELU", lambda n: n.inner * n.tokens, _PRODUCT),)
RECOMPUTED_LAYER = (Row("output, into the next layer", lambda n: n.hidden * n.tokens, _FLOAT),)

RTD_HEAD = (
    Row("before GELU", lambda n: n.hidden * n.tokens, _PRODUCT),
    Row("after GELU", lambda n: n.hidden * n.tokens, _PRODUCT),
    Row("logits, labels, weights, losses", lambda n: 6 * n.tokens, _FLOAT),
)
MLM_HEAD = (
    Row("states at the slots", lambda n: n.hidden * n.slots, _PRODUCT),
    Row("before GELU", lambda n: n.embedding * n.slots, _PRODUCT),
    Row("after GELU, into LayerNorm", lambda n: n.embedding * n.slots, _FLOAT),
    Row("with a column of ones", lambda n: (n.embedding + 1) * n.slots, _PRODUCT),
)
# In float32 on a CPU GELU is `modeling/kernels.py`'s, which keeps one tensor more, and has
# one more at work.
CPU_AT_WORK = (Row("derivative of GELU", lambda n: n.inner * n.tokens, _FLOAT),)
CPU_LAYER = (Row("distribution function of GELU", lambda n: n.inner * n.tokens, _FLOAT),)
CPU_RTD_HEAD = (Row("distribution function of GELU", lambda n: n.hidden * n.tokens, _FLOAT),)
CPU_MLM_HEAD = (Row("distribution function of GELU", lambda n: n.embedding * n.slots, _FLOAT),)
TABLE = (
    Row(
        "word embeddings with the bias as a column",
        lambda n: (n.embedding + 1) * n.vocabulary,
        _PRODUCT,
    ),
)
LOGITS = (Row("logits", lambda n: n.vocabulary * n.slots, _PRODUCT),)
SOFTMAX = (
    Row("softmax, later the gradient of the logits", lambda n: n.vocabulary * n.slots, _FLOAT),
)
# While `sampling.sample_ids` draws; one more of this size with disallow_correct or a temperature.
SUMS = (Row("cumulative sums of the softmax", lambda n: n.vocabulary * n.slots, _FLOAT),)


def size(rows, numbers, mode):
    """Bytes of the tensors in ``rows``; ``mode`` is a key of `BYTES`."""
    return sum(row.numbers(numbers) * BYTES[mode][row.kind] for row in rows)


def layer(attention, cpu):
    """The rows of one layer."""
    return LAYER + SCORES[attention] + (CPU_LAYER if cpu else ())


def at_work(cpu):
    """The rows of gradients inside a layer."""
    return AT_WORK + (CPU_AT_WORK if cpu else ())


def heads(cpu):
    """The rows of the discriminator's head and of the generator's, up to the logits."""
    if cpu:
        return RTD_HEAD + CPU_RTD_HEAD, MLM_HEAD + CPU_MLM_HEAD
    return RTD_HEAD, MLM_HEAD
