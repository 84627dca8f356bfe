"""Dense layer, GELU, LayerNorm and dropout, with faster ways of computing them on a CPU.

In training on a CPU Paddle spends more time on these than on the matrix products: it sums the
gradient of a bias column by column, differentiates GELU and LayerNorm element by element in one
thread, and draws dropout from a generator of 64-bit numbers at 11 ns each.  The functions here
compute the same in passes that its CPU kernels are good at.  Everywhere else (GPU, mixed
precision, inference, static graphs) they are Paddle's own, which `reference` selects everywhere.
"""

import contextlib
import math

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import nn
from paddle.autograd import PyLayer

_enabled = True


@contextlib.contextmanager
def reference():
    """Within the block every function here is Paddle's own."""
    global _enabled
    before, _enabled = _enabled, False
    try:
        yield
    finally:
        _enabled = before


def on_cpu(x):
    """Is ``x`` a float32 tensor on a CPU, outside of `reference` and of static graphs?"""
    return (
        _enabled
        and paddle.in_dynamic_mode()
        and x.place.is_cpu_place()
        and x.dtype == paddle.float32
    )


def _in_training(*tensors):
    """Are all of them to be differentiated, and is that ours to do?  Not where one is frozen."""
    return (
        on_cpu(tensors[0])
        and paddle.is_grad_enabled()
        and not any(tensor.stop_gradient for tensor in tensors)
    )


def linear(x, weight, bias):
    """x weight + bias for x (..., inputs), weight (inputs, outputs), bias (outputs,)."""
    if _in_training(x, weight, bias):
        return _Linear.apply(x, weight, bias)
    return F.linear(x, weight, bias)


def gelu(x):
    """x Phi(x), with the exact normal distribution function (PARITY 1)."""
    if _in_training(x):
        return _Gelu.apply(x)
    # The same bits without gradients, as recomputation needs.
    return x * _normal_share(x) if on_cpu(x) else F.gelu(x)


def _normal_share(x):
    """Phi(x)."""
    return paddle.erf(x * math.sqrt(0.5)).scale_(0.5, 0.5)


def layer_norm(x, weight, bias, epsilon):
    """Normalise the last axis to mean 0 and variance 1, times weight, plus bias."""
    if _in_training(x, weight, bias):
        return _LayerNorm.apply(x, weight, bias, epsilon)
    return F.layer_norm(x, weight.shape, weight, bias, epsilon)


def dropout(x, probability, training=True):
    """Zero each element with ``probability`` and scale the others up; governed by `paddle.seed`.

    On a CPU the probability is rounded to a multiple of 2**-16.
    """
    if not training or not probability:
        return x
    return _Dropout.apply(x, probability) if on_cpu(x) else F.dropout(x, probability)


def _column_sums(x):
    """(rows, columns) -> (columns,): as a matrix product 80 times faster than `sum(0)`."""
    return paddle.matmul(paddle.ones([1, x.shape[0]]), x).flatten()


def _rows(x):
    return x.reshape([-1, x.shape[-1]])


class _Linear(PyLayer):
    @staticmethod
    def forward(ctx, x, weight, bias):
        ctx.save_for_backward(x, weight)
        return paddle.matmul(x, weight).add_(bias)

    @staticmethod
    def backward(ctx, gradient):
        x, weight = ctx.saved_tensor()
        flat = _rows(gradient)
        of_x = paddle.matmul(gradient, weight, transpose_y=True)
        return of_x, paddle.matmul(_rows(x), flat, transpose_x=True), _column_sums(flat)


class _Gelu(PyLayer):
    @staticmethod
    def forward(ctx, x):
        share = _normal_share(x)
        ctx.save_for_backward(x, share)
        return x * share

    @staticmethod
    def backward(ctx, gradient):
        x, share = ctx.saved_tensor()
        # d/dx x Phi(x) = Phi(x) + x phi(x)
        density = paddle.exp(paddle.square(x).scale_(-0.5)).scale_(1 / math.sqrt(2 * math.pi))
        return density.multiply_(x).add_(share).multiply_(gradient)


class _LayerNorm(PyLayer):
    @staticmethod
    def forward(ctx, x, weight, bias, epsilon):
        ctx.save_for_backward(x, weight)
        ctx.epsilon = epsilon
        return F.layer_norm(x, weight.shape, weight, bias, epsilon)

    @staticmethod
    def backward(ctx, gradient):
        x, weight = ctx.saved_tensor()
        g, width = _rows(gradient), weight.shape[0]
        mean_of = paddle.full([width, 1], 1 / width)
        centred = _rows(x)
        centred = centred - paddle.matmul(centred, mean_of)
        scale = paddle.rsqrt(paddle.matmul(paddle.square(centred), mean_of) + ctx.epsilon)
        normal = centred.multiply_(scale)  # what the weights multiply
        product = g * normal
        # dx = scale (w g - mean(w g) - normal mean(w g normal)), the means over the last axis
        weighted = weight.unsqueeze(1) / width
        of_x = (g * weight).subtract_(paddle.matmul(g, weighted))
        of_x = of_x.subtract_(normal * paddle.matmul(product, weighted)).multiply_(scale)
        return of_x.reshape(x.shape), _column_sums(product), _column_sums(g)


class _Dropout(PyLayer):
    @staticmethod
    def forward(ctx, x, probability):
        threshold = min(round(probability * 2**16), 2**16 - 1)
        ctx.scale = np.float32(2**16 / (2**16 - threshold))
        # Sixteen random bits an element; the seed is Paddle's, so that its state is the only one.
        source = np.random.SFC64(paddle.randint(0, 2**31 - 1, [1]).item())
        bits = source.random_raw(-(-x.size // 4)).view(np.uint16)[: x.size]
        ctx.kept = (bits >= threshold).reshape(x.shape)
        return x * _factors(ctx)

    @staticmethod
    def backward(ctx, gradient):
        return gradient * _factors(ctx)


def _factors(ctx):
    return paddle.to_tensor(ctx.kept * ctx.scale)


class Linear(nn.Linear):
    """A dense layer on `linear`."""

    def forward(self, x):
        return linear(x, self.weight, self.bias)


class LayerNorm(nn.LayerNorm):
    """LayerNorm of the last axis on `layer_norm`."""

    def forward(self, x):
        return layer_norm(x, self.weight, self.bias, self._epsilon)


class Dropout(nn.Dropout):
    """Dropout on `dropout`."""

    def forward(self, x):
        return dropout(x, self.p, self.training)
