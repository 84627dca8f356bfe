"""Forward passes and losses against the recordings of the original code."""

import numpy as np
import paddle
import pytest
from forward_recording import check_heads, check_layers, integers

from paddle_electra import checkpoint
from paddle_electra.checkpoint import native
from paddle_electra.modeling.electra import ElectraForPreTraining

pytestmark = pytest.mark.reference
MODELS = ("electra_small", "electra_base")


@pytest.fixture(scope="module", params=MODELS)
def recorded(request, oracle):
    folder = oracle / request.param
    loaded = checkpoint.load(folder)
    model = ElectraForPreTraining(loaded.config)
    native.load_pretraining(model, loaded)
    model.eval()
    return model, np.load(folder / "forward.npz")


def test_losses_and_heads_equal_the_original(recorded):
    check_heads(*recorded)


@pytest.mark.parametrize("backend", ["eager", "sdpa"])
def test_every_hidden_layer_equals_the_original(recorded, backend):
    check_layers(*recorded, backend)


def test_generator_positions_by_row_and_flat_give_the_same(recorded):
    model, arrays = recorded
    ids = integers(arrays["A.masked_input_ids"])
    positions = integers(arrays["A.masked_lm_positions"])
    by_row = model.generator(ids, masked_positions=positions)
    flat = positions + paddle.arange(ids.shape[0]).unsqueeze(1) * ids.shape[1]
    flattened = model.generator(ids, masked_positions=flat.flatten())
    everywhere = model.generator(ids)
    np.testing.assert_array_equal(by_row.reshape(flattened.shape).numpy(), flattened.numpy())
    row, slot = 1, 2
    np.testing.assert_allclose(
        everywhere[row, int(positions[row, slot])].numpy(), by_row[row, slot].numpy(), atol=1e-5
    )
