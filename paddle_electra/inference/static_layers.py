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


class SeparateProducts(nn.Layer):
    """Query, key and value from three dense layers rather than cut from the result of one.

    oneDNN copies each of the three parts, and in bfloat16 converts it to float32 and back.

    Args:
        joint: an `encoder.QueryKeyValue`.
    """

    def __init__(self, joint):
        super().__init__()
        parts = [np.split(part.numpy(), 3, axis=-1) for part in (joint.weight, joint.bias)]
        dense = [_dense(weight, bias) for weight, bias in zip(*parts, strict=True)]
        self.query, self.key, self.value = dense

    def forward(self, hidden):
        """A tuple of three (batch, length, hidden)."""
        return self.query(hidden), self.key(hidden), self.value(hidden)

    def of_first(self, hidden):
        """The same with queries of the first tokens alone, (batch, 1, hidden)."""
        return self.query(hidden[:, :1]), self.key(hidden), self.value(hidden)


def _dense(weight, bias):
    dense = Linear(*weight.shape)
    dense.weight.set_value(weight)
    dense.bias.set_value(bias)
    return dense
