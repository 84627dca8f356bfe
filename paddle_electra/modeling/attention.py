"""Scaled dot-product attention: one function, several backends."""

import functools

import paddle
import paddle.nn.functional as F

from .kernels import dropout as drop


def attention(mixed, heads, bias=None, dropout=0.0, backend="eager"):
    """softmax(q k^T / sqrt(head_dim) + bias) v for every head.

    Args:
        mixed: (batch, length, 3 * hidden): all heads' queries, then keys, then values.  For "axes"
            a tuple of the three instead; the queries may be of fewer tokens.
        heads: number of heads; head_dim = hidden / heads.
        bias: (batch, length), added to the scores of each key, or (batch, length, length), added
            to the scores of each query and key; None for none.
        dropout: probability of dropping an attention weight.
        backend: "eager" (two matrix products and a softmax; the reference), "sdpa" (paddle's
            scaled_dot_product_attention, which takes flash kernels on a GPU) or "axes" (the heads
            are an axis, as graph compilers expect it; for static graphs).
    Returns:
        (batch, tokens of the queries, hidden).
    """
    return _FUNCTIONS[backend](mixed, heads, bias, dropout)


def _eager(mixed, heads, bias, dropout):
    bias = _like(mixed, bias)
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
        bias = bias.unsqueeze(1) if bias.ndim == 2 else bias
        spread = bias.unsqueeze(0).expand([heads, batch, length, length])
        scores = scores + spread.reshape([heads * batch, length, length])
    weights = drop(F.softmax(scores, axis=-1), dropout).astype(value.dtype)
    context = paddle.matmul(weights, value)  # (heads * batch, length, head_dim)
    return paddle.concat(context.split(heads, axis=0), axis=-1)


def _axes(parts, heads, bias, dropout):
    width = parts[0].shape[-1]
    size = width // heads
    # Zeros keep batch and length, which a static graph does not know.
    query, key, value = (
        part.reshape([0, 0, heads, size]).transpose([0, 2, 1, 3]) for part in parts
    )  # (batch, heads, length, head_dim)
    scores = paddle.matmul(query * size**-0.5, key, transpose_y=True)
    if bias is not None:
        bias = _like(scores, bias)
        scores = scores + bias.unsqueeze([1, 2] if bias.ndim == 2 else 1)
    weights = drop(F.softmax(scores, axis=-1), dropout).astype(value.dtype)
    return paddle.matmul(weights, value).transpose([0, 2, 1, 3]).reshape([0, 0, width])


def _sdpa(mixed, heads, bias, dropout):
    if mixed.place.is_gpu_place() and not takes_flash(mixed):
        # Paddle would choose a kernel that refuses masks of this form, or in 2.6 float32 at all.
        return _eager(mixed, heads, bias, dropout)
    bias = _like(mixed, bias)
    batch, length, width = mixed.shape
    query, key, value = mixed.reshape([batch, length, 3, heads, width // 3 // heads]).unbind(2)
    if bias is not None:
        # For every query: the kernels of a GPU do not spread it themselves.
        bias = bias.unsqueeze([1, 2] if bias.ndim == 2 else 1).expand([batch, 1, length, length])
    context = F.scaled_dot_product_attention(query, key, value, attn_mask=bias, dropout_p=dropout)
    return context.reshape([batch, length, width // 3])


def _like(tensor, bias):
    return None if bias is None else bias.astype(tensor.dtype)


_FUNCTIONS = {"eager": _eager, "sdpa": _sdpa, "axes": _axes}


def takes_flash(mixed):
    """Does paddle have a flash kernel for this tensor?  For float16 and bfloat16, on GPUs from
    compute capability 8.0 (A100) on."""
    half = mixed.dtype in (paddle.float16, paddle.bfloat16)
    return half and mixed.place.is_gpu_place() and _capability() >= (8, 0)


@functools.cache
def _capability():
    return tuple(paddle.device.cuda.get_device_capability())


def flash_attention(mixed, heads, ends, longest, dropout=0.0):
    """Attention inside each of several examples that lie one after the other.

    Args:
        mixed: (tokens, 3 * hidden) float16 or bfloat16 on a GPU.
        ends: (examples + 1,) int32: 0, and where each example ends.
        longest: tokens of the longest example.
    Returns:
        (tokens, hidden).
    """
    from paddle.nn.functional.flash_attention import flash_attn_unpadded

    tokens, width = mixed.shape
    size = width // 3 // heads
    query, key, value = mixed.reshape([tokens, 3, heads, size]).unbind(1)
    context, _ = flash_attn_unpadded(
        query, key, value, ends, ends, longest, longest, size**-0.5, dropout
    )
    return context.reshape([tokens, width // 3])
