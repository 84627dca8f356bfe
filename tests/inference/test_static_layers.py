import numpy as np
import paddle
import pytest
from test_engine import LABELS, batch, make_task_checkpoint
from tiny_checkpoint import make_checkpoint

from paddle_electra import checkpoint as checkpoints
from paddle_electra.inference.networks import Networks
from paddle_electra.inference.static_layers import prepare
from paddle_electra.modeling.kernels import Linear
from paddle_electra.modeling.published import PublishedSequenceClassification


def rows_of_products(layer, arrays):
    """(the network's output, how many rows went through dense layers for the last layer)."""
    widths = []
    last = layer.electra.layers[-1]
    hooks = [
        part.register_forward_post_hook(lambda _, inputs, __: widths.append(inputs[0].shape[1]))
        for part in last.sublayers()
        if isinstance(part, Linear)
    ]
    with paddle.no_grad():
        output = layer(*map(paddle.to_tensor, arrays))
    for hook in hooks:
        hook.remove()
    return output.numpy(), widths


def network(folder, kind):
    made = make_task_checkpoint(folder / kind, kind, LABELS)
    return Networks(checkpoints.load(made)).layer("task")


def published(folder, _):
    plain = checkpoints.load(make_checkpoint(folder / "plain"))
    paddle.seed(2)
    layer = PublishedSequenceClassification(plain.config, 3)
    layer.eval()
    return layer


@pytest.mark.parametrize(
    ("make", "kind"), [(network, "seq-cls"), (network, "pair-cls"), (published, "")]
)
def test_the_last_layer_of_a_classifier_computes_the_first_token(tmp_path, make, kind):
    layer, arrays = make(tmp_path, kind), batch(3, 20)
    layer.reads_first_only = False
    expected, every = rows_of_products(layer, arrays)
    layer.reads_first_only = True
    found, first = rows_of_products(layer, arrays)
    prepare(layer)
    static, separate = rows_of_products(layer, arrays)
    assert every == [20] * 4  # query, key and value; context; two of the feed-forward
    assert first == [1] * 3  # query, key and value are not counted: their weight is cut
    assert separate == [1, 20, 20, 1, 1, 1]
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=1e-5)
    np.testing.assert_allclose(static, expected, atol=1e-5, rtol=1e-5)


def test_a_head_that_reads_all_tokens_gets_all(tmp_path):
    layer, arrays = network(tmp_path, "token-cls"), batch(3, 20)
    expected, _ = rows_of_products(layer, arrays)
    prepare(layer)
    found, after = rows_of_products(layer, arrays)
    assert after == [20] * 6
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=1e-5)
