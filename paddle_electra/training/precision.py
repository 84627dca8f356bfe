"""Mixed precision: which numbers a run computes in, and the scaling of float16's losses.

On a GPU matrix products run in bfloat16 or float16; LayerNorm, softmax and losses stay in float32.
Level O1 keeps the weights in float32 and converts them where they are used; O2 keeps them in half
precision, with float32 master weights in the optimizer and float32 gradients.  Written against
Paddle's documentation and not run: on a CPU Paddle 3.3 has no such kernels for matmul, addition,
GELU and softmax, and its ``auto_cast`` leaves everything in float32.
"""

import contextlib

import paddle

from ..errors import InputError

DTYPES = {"float32": "float32", "bf16": "bfloat16", "fp16": "float16"}
LEVELS = ("O1", "O2")
# Level O2 has a short list of its own; names differ between versions.
_IN_FLOAT32 = (
    "layer_norm",
    "softmax",
    "softmax_with_cross_entropy",
    "cross_entropy_with_softmax",
    "sigmoid_cross_entropy_with_logits",
    "cumsum",
)


class Precision:
    """What `paddle.amp` needs to know.

    Args:
        name: "float32", "bf16" or "fp16".
        level: "O1" or "O2"; of no account for float32.
    Raises:
        InputError: half precision on a device for which paddle has no kernels.
    """

    def __init__(self, name="float32", level="O1"):
        self.dtype, self.level = DTYPES[name], level
        self.is_mixed = name != "float32"
        device = paddle.device.get_device()
        if self.is_mixed and not device.startswith("gpu"):
            raise InputError(
                f"--precision {name}: paddle {paddle.__version__} has no {self.dtype} kernels for "
                f"training on {device}; use --precision float32, or a GPU"
            )
        if name == "bf16" and not paddle.amp.is_bfloat16_supported():
            raise InputError(
                "--precision bf16: this GPU cannot compute in bfloat16; use --precision fp16"
            )

    @property
    def has_master_weights(self):
        """Does the optimizer hold float32 copies of the weights?"""
        return self.is_mixed and self.level == "O2"

    def autocast(self):
        """The context in which losses are computed."""
        if not self.is_mixed:
            return contextlib.nullcontext()
        return paddle.amp.auto_cast(
            level=self.level, dtype=self.dtype, custom_black_list=_IN_FLOAT32
        )

    def convert(self, model, optimizer):
        """For O2: the model's weights in half precision, float32 gradients and master weights."""
        if self.has_master_weights:
            paddle.amp.decorate(
                model, optimizer, level="O2", dtype=self.dtype, master_weight=True, master_grad=True
            )


class LossScaler:
    """Dynamic scaling that keeps float16 gradients from vanishing (Micikevicius et al. 2018).

    The loss is multiplied by ``scale``.  A step with gradients that are not finite is left out and
    halves the scale, ``patience`` good steps in a row double it.

    Args:
        scale: at the beginning; 1 and ``enabled`` false for no scaling.
    """

    def __init__(self, enabled=False, scale=2.0**15, patience=2000):
        self.enabled = enabled
        self.scale = scale if enabled else 1.0
        self.patience = patience
        self.good = 0  # steps since the last change

    def update(self, finite):
        """Note whether the step's gradients were finite.

        Returns:
            whether training can go on; not when even without scaling they are not finite.
        """
        if finite:
            self.good += self.enabled
            if self.good >= self.patience:
                self.scale, self.good = self.scale * 2, 0
            return True
        if self.scale <= 1.0:
            return False
        self.scale, self.good = self.scale / 2, 0
        return True

    def state(self):
        """A JSON-ready dict for `load`."""
        return {"scale": self.scale, "good": self.good}

    def load(self, state):
        """Go on from a `state`; a scaler that is off stays at scale 1."""
        if self.enabled:
            self.scale, self.good = float(state["scale"]), int(state["good"])
