"""The original's optimizer: Adam without bias correction, decoupled weight decay, clipping.

PARITY 14-18; Google's `optimization.py` (`AdamWeightDecayOptimizer`).
"""

import re

import numpy as np
import paddle

from ..errors import InputError

_MOMENTS = ("moment1", "moment2")


class ElectraAdam(paddle.optimizer.AdamW):
    """Paddle's fused AdamW kernel made to leave out the bias correction.

    The kernel corrects by (1 - beta^t), which it keeps as running powers beta^t; powers that start
    at zero stay zero, and the correction is then exactly one.
    """

    def __init__(self, named_parameters, weight_decay, factors, beta1, beta2, epsilon):
        self._names = {parameter.name: name for name, parameter in named_parameters}
        # AdamW's own lr_ratio does the same but refuses to run on a CPU.
        for name, parameter in named_parameters:
            parameter.optimize_attr["learning_rate"] = factors[name]
        super().__init__(
            learning_rate=0.0,
            beta1=beta1,
            beta2=beta2,
            epsilon=epsilon,
            parameters=[parameter for _, parameter in named_parameters],
            weight_decay=weight_decay,
            apply_decay_param_fun=lambda parameter: decays(self._names[parameter]),
        )

    def _add_accumulator(self, name, *args, **kwargs):
        if name in (self._beta1_pow_acc_str, self._beta2_pow_acc_str):
            kwargs["fill_value"] = 0.0
        return super()._add_accumulator(name, *args, **kwargs)

    def keep_full_precision(self, precision, model):
        """Convert the model for `Precision`, with its weights of now as the float32 masters."""
        if not precision.has_master_weights:
            return
        weights = {parameter.name: parameter.numpy() for parameter in self._parameter_list}
        precision.convert(model, self)
        self._create()
        for name, master in self.masters().items():
            master.set_value(weights[name])

    def masters(self):
        """{paddle's name of a parameter: float32 tensor} of those in half precision."""
        return dict(self._master_weights)

    def _moments(self):
        """Yield (key for saving, tensor) of every moment."""
        # Paddle files the moments of a parameter with a master weight under the master's name.
        names = dict(self._names)
        for parameter, master in self._master_weights.items():
            names[master.name] = self._names[parameter]
        for moment in _MOMENTS:
            for parameter, tensor in self._accumulators[moment].items():
                yield f"{moment}/{names[parameter]}", tensor

    def moments(self):
        """{"moment1/NAME": array, "moment2/NAME": array} of every parameter, for saving."""
        self._create()
        return {key: tensor.numpy() for key, tensor in self._moments()}

    def load_moments(self, arrays, source):
        """Set the moments from `moments`' arrays.  Raises `InputError` when one is missing."""
        self._create()
        for key, tensor in self._moments():
            if key not in arrays or tuple(arrays[key].shape) != tuple(tensor.shape):
                raise InputError(f"{source}: optimizer state {key!r} is missing or of another size")
            tensor.set_value(arrays[key])

    def _create(self):
        """Make the moments now, as paddle itself does at the first step."""
        block = paddle.static.default_main_program().global_block()
        self._create_accumulators(block, self._parameter_list)


def decays(name):
    """Does weight decay apply?  Not to LayerNorms and biases, output_bias included."""
    return not (name.endswith("bias") or "norm" in name)


def layerwise_factors(names, num_layers, decay):
    """{name: factor on the learning rate} of fine-tuning's layer-wise decay.

    factor = decay ** (num_layers + 2 - depth) with depth 0 for the embeddings and their
    projection, i + 1 for layer i, num_layers + 2 for the head.  So the top layer gets decay ** 2,
    not decay ** 1: an off-by-one of the original that its author confirmed and that published
    scores contain (PARITY 16).
    """
    factors = {}
    for name in names:
        layer = re.search(r"(?:^|\.)layers\.(\d+)\.", name)
        if "embeddings" in name:
            depth = 0
        elif layer:
            depth = int(layer.group(1)) + 1
        else:
            depth = num_layers + 2
        factors[name] = decay ** (num_layers + 2 - depth)
    return factors


def build_optimizer(
    layer,
    weight_decay=0.01,
    layerwise_lr_decay=1.0,
    num_layers=0,
    beta1=0.9,
    beta2=0.999,
    epsilon=1e-6,
):
    """An `ElectraAdam` over the distinct parameters of ``layer``; its rate is set every step.

    Args:
        layerwise_lr_decay: 1 for none (pretraining), else see `layerwise_factors`.
        num_layers: layers of the encoder, for the layer-wise decay.
    """
    named = distinct_parameters(layer)
    factors = layerwise_factors([name for name, _ in named], num_layers, layerwise_lr_decay)
    return ElectraAdam(named, weight_decay, factors, beta1, beta2, epsilon)


def distinct_parameters(layer):
    """[(name, parameter)] without the second names of shared parameters."""
    seen, named = set(), []
    for name, parameter in layer.named_parameters():
        if parameter.name not in seen:
            seen.add(parameter.name)
            named.append((name, parameter))
    return named


@paddle.no_grad()
def clip_gradients(parameters, max_norm=1.0, loss_scale=1.0):
    """Scale all gradients so that their global norm is at most ``max_norm``.

    The norm is the dense one (PARITY 18).

    Args:
        loss_scale: what the loss was multiplied by; the gradients are divided by it.
    Returns:
        the norm before clipping, a float; not finite when a gradient is not.
    """
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    squares = paddle.stack([paddle.square(g.astype("float32")).sum() for g in gradients])
    norm = float(np.sqrt(squares.numpy().astype(np.float64).sum()))
    scale_gradients(gradients, max_norm * loss_scale, norm)
    if loss_scale != 1.0:
        for gradient in gradients:
            gradient.scale_(1.0 / loss_scale)
    return norm / loss_scale


def scale_gradients(gradients, max_norm, norm):
    """Multiply by max_norm / norm where the norm is above ``max_norm``."""
    if norm > max_norm:
        for gradient in gradients:
            gradient.scale_(max_norm / norm)
