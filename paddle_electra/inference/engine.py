"""What runs a network on one batch."""

import paddle


class EagerEngine:
    """Paddle's eager mode: the reference that faster engines are compared with.

    Args:
        layer: a network of `networks`, in evaluation mode.
    """

    name = "eager"

    def __init__(self, layer):
        self.layer = layer

    def run(self, input_ids, token_type_ids, attention_mask):
        """The network's outputs for (rows, length) int64 arrays: a tuple of NumPy arrays."""
        arrays = (input_ids, token_type_ids, attention_mask)
        with paddle.no_grad():
            outputs = self.layer(*map(paddle.to_tensor, arrays))
        if isinstance(outputs, paddle.Tensor):
            outputs = (outputs,)
        return tuple(_array(output) for output in outputs)


def _array(tensor):
    is_half = tensor.dtype in (paddle.float16, paddle.bfloat16)
    return (tensor.astype("float32") if is_half else tensor).numpy()
