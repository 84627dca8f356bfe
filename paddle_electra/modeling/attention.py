"""Scaled dot-product attention: one function, several backends."""

import paddle
import paddle.nn.functional as F

BACKENDS = ("eager", "sdpa")


def attention(mixed, heads, bias=None, dropout=0.0, training=False, backend="eager"):
    """softmax(q k^T / sqrt(head_dim) + bias) v for every head.

    Args:
        mixed: (batch, length, 3 * hidden): all heads' queries, then keys, then values.
        heads: number of heads; head_dim = hidden / heads.
        bias: (batch, length), added to the scores of each key; None for none.
        dropout: probability of dropping an attention weight, in training only.
        backend: "eager" (two matrix products and a softmax; the reference) or "sdpa"
            (paddle's scaled_dot_product_attention, which takes flash kernels on a GPU).
    Returns:
        (batch, length, hidden).
    """
    function = {"eager": _eager, "sdpa": _sdpa}[backend]
    return function(mixed, heads, bias, dropout if training else 0.0)


def _eager(mixed, heads, bias, dropout):
    batch, length, width = mixed.shape
    # The heads are laid along the batch by cutting and joining: paddle's CPU kernel for a
    # transposition of four or five axes takes longer than both matrix products.
    parts = mixed.split(3 * heads, axis=-1)  # each (batch, length, head_dim)
    query, key, value = (
        paddle.concat(parts[start : start + heads], axis=0) for start in range(0, 3 * heads, heads)
    )  # (heads * batch, length, head_dim)
    # Scaling the query rather than the scores is the same product on far fewer numbers.
    scores = paddle.matmul(query * (width // 3 // heads) ** -0.5, key, transpose_y=True)
    if bias is not None:
        # Spread out first: adding a broadcast tensor is slow on a CPU.
        spread = bias.unsqueeze([0, 2]).expand([heads, batch, length, length])
        scores = scores + spread.reshape([heads * batch, length, length])
    weights = F.dropout(F.softmax(scores, axis=-1), dropout)
    context = paddle.matmul(weights, value)  # (heads * batch, length, head_dim)
    return paddle.concat(context.split(heads, axis=0), axis=-1)


def _sdpa(mixed, heads, bias, dropout):
    batch, length, width = mixed.shape
    query, key, value = mixed.reshape([batch, length, 3, heads, width // 3 // heads]).unbind(2)
    if bias is not None:
        bias = bias.unsqueeze([1, 2])  # (batch, 1, 1, length)
    context = F.scaled_dot_product_attention(query, key, value, attn_mask=bias, dropout_p=dropout)
    return context.reshape([batch, length, width // 3])
