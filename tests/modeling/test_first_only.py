"""A classifier's last layer, which computes [CLS] alone, learns what the whole layer would."""

import numpy as np
import paddle
import paddle.nn.functional as F
import pytest

from paddle_electra.modeling.config import ElectraConfig
from paddle_electra.modeling.electra import ElectraForSequenceClassification
from paddle_electra.modeling.published import PublishedSequenceClassification

LENGTHS = (24, 9, 1, 17)


def batch():
    generator = np.random.default_rng(4)
    ids = generator.integers(5, 300, (len(LENGTHS), max(LENGTHS)))
    mask = (np.arange(max(LENGTHS)) < np.array(LENGTHS)[:, None]).astype(np.int64)
    types = (np.arange(max(LENGTHS)) > 5) * mask
    return [paddle.to_tensor(array) for array in (ids, types, mask)]


def loss_and_gradients(model, first_only):
    model.reads_first_only = first_only
    logits = model(*batch())
    loss = F.cross_entropy(logits, paddle.to_tensor([0, 1, 2, 0]), reduction="sum")
    loss.backward()
    gradients = {name: tensor.grad.numpy() for name, tensor in model.named_parameters()}
    model.clear_gradients()
    return float(loss), gradients


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("pooler", [False, True])
@pytest.mark.parametrize(
    "network", [ElectraForSequenceClassification, PublishedSequenceClassification]
)
def test_loss_and_gradients_are_those_of_the_whole_layer(network, pooler, recompute):
    off = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    sizes = {"num_hidden_layers": 2, "initializer_range": 0.1}  # 0.02 leaves attention even
    config = ElectraConfig.from_size("small", 300, pooler=pooler, **sizes, **off)
    paddle.seed(3)
    model = network(config, 3)
    for layer in model.sublayers():
        if isinstance(layer, paddle.nn.Dropout):
            layer.p = 0.0
    model.electra.use_recompute(recompute)
    loss, gradients = loss_and_gradients(model, first_only=True)
    whole_loss, whole = loss_and_gradients(model, first_only=False)
    assert loss == pytest.approx(whole_loss, rel=1e-6)
    for name, expected in whole.items():
        scale = np.abs(expected).max()
        np.testing.assert_allclose(gradients[name], expected, atol=2e-5 * scale, err_msg=name)


def test_all_layers_ends_with_the_first_token_alone():
    config = ElectraConfig.from_size("small", 300, num_hidden_layers=2)
    model = ElectraForSequenceClassification(config, 3).electra
    model.eval()
    with paddle.no_grad():
        whole = model(*batch(), all_layers=True)
        first = model(*batch(), all_layers=True, first_only=True)
    assert [state.shape[1] for state in first] == [24, 24, 1]
    np.testing.assert_allclose(first[-1].numpy(), whole[-1][:, :1].numpy(), atol=1e-5)
