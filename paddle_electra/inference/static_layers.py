"""What a static graph computes otherwise than its network, for the same answers sooner."""

import numpy as np
from paddle import nn

from ..modeling.encoder import SelfAttention
from ..modeling.kernels import Linear


def prepare(layer):
    """Put faster layers into a network of `networks`, for inference in a static graph.

    It keeps its outputs (up to float32's rounding) and is of no use for anything else afterwards.
    The reasons are oneDNN's; on a GPU it was not measured.
    """
    for part in layer.sublayers():
        if isinstance(part, SelfAttention):
            part.backend = "axes"
            part.qkv = SeparateProducts(part.qkv)
    if getattr(layer, "reads_first_only", False):
        layers = layer.electra.layers
        layers[-1] = FirstToken(layers[-1])


class SeparateProducts(nn.Layer):
    """Query, key and value from three dense layers rather than cut from the result of one.

    oneDNN copies each of the three parts, and in bfloat16 converts it to float32 and back.

    Args:
        joint: the one layer, (hidden, 3 * hidden).
    """

    def __init__(self, joint):
        super().__init__()
        parts = [np.split(part.numpy(), 3, axis=-1) for part in (joint.weight, joint.bias)]
        self.parts = nn.LayerList(_dense(weight, bias) for weight, bias in zip(*parts, strict=True))

    def forward(self, hidden):
        """A tuple of three (batch, length, hidden)."""
        return tuple(part(hidden) for part in self.parts)


class FirstToken(nn.Layer):
    """A layer of the encoder for the first token alone, which still sees all others.

    As the last layer it spares a classifier, which reads [CLS] only, nearly all of its work.

    Args:
        layer: an `EncoderLayer` after `prepare` has changed its attention.
    """

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, hidden, layout):
        """(batch, 1, hidden) from (batch, length, hidden)."""
        layer, attention = self.layer, self.layer.attention
        query, key, value = attention.qkv.parts
        first = hidden[:, :1]
        mixed = (query(first), key(hidden), value(hidden))
        context = layout.attend(mixed, attention.heads, 0.0, attention.backend)
        return layer.feed_forward(first, attention.dense(context))


def _dense(weight, bias):
    dense = Linear(*weight.shape)
    dense.weight.set_value(weight)
    dense.bias.set_value(bias)
    return dense
