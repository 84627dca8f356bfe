"""Scaled dot-product attention: one function, several backends."""

import paddle
import paddle.nn.functional as F

BACKENDS = ("eager", "sdpa")


def attention(query, key, value, bias=None, dropout=0.0, training=False, backend="eager"):
    """softmax(q k^T / sqrt(head_dim) + bias) v.

    Args:
        query, key, value: (batch, heads, length, head_dim).
        bias: added to the scores, broadcastable to (batch, heads, length, length); None for none.
        dropout: probability of dropping an attention weight, in training only.
        backend: "eager" (two matrix products and a softmax; the reference) or "sdpa"
            (paddle's scaled_dot_product_attention, which takes flash kernels on a GPU).
    Returns:
        (batch, heads, length, head_dim).
    """
    if backend == "sdpa":
        # paddle's function wants (batch, length, heads, head_dim).
        output = F.scaled_dot_product_attention(
            query.transpose([0, 2, 1, 3]),
            key.transpose([0, 2, 1, 3]),
            value.transpose([0, 2, 1, 3]),
            attn_mask=bias,
            dropout_p=dropout if training else 0.0,
            training=training,
        )
        return output.transpose([0, 2, 1, 3])
    # Scaling the query rather than the scores is the same product on far fewer numbers.
    scores = paddle.matmul(query * query.shape[-1] ** -0.5, key, transpose_y=True)
    if bias is not None:
        scores = scores + bias  # (batch, heads, length, length)
    weights = F.dropout(F.softmax(scores, axis=-1), dropout, training=training)
    return paddle.matmul(weights, value)
