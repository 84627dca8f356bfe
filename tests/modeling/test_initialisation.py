"""Fresh weights: cut normals, Glorot where the original has it, zeros and ones (PARITY 5)."""

import numpy as np
import paddle

from paddle_electra.modeling.config import ElectraConfig
from paddle_electra.modeling.electra import ElectraForPreTraining, ElectraForSequenceClassification

CONFIG = ElectraConfig.from_size("small", 3000, num_hidden_layers=2)


def weights(layer):
    return {name: tensor.numpy() for name, tensor in layer.named_parameters()}


def glorot_bound(array):
    return np.sqrt(6 / sum(array.shape))


def test_pretraining_model_starts_as_the_original_does():
    paddle.seed(0)
    glorot = ("electra.embeddings_project.weight", "discriminator.head.logit.weight")
    for name, array in weights(ElectraForPreTraining(CONFIG)).items():
        if name.endswith("bias"):
            assert not array.any(), name
        elif "norm" in name:
            assert (array == 1).all(), name
        elif name.endswith(glorot):
            assert 0.9 * glorot_bound(array) < np.abs(array).max() <= glorot_bound(array), name
        else:
            # A normal cut at two standard deviations has 0.88 of its standard deviation.
            assert np.abs(array).max() <= 2 * 0.02 + 1e-7, name
            np.testing.assert_allclose(array.std(), 0.88 * 0.02, rtol=0.1, err_msg=name)


def test_task_head_is_glorot():
    head = weights(ElectraForSequenceClassification(CONFIG, 5))["classifier.weight"]
    assert 0.9 * glorot_bound(head) < np.abs(head).max() <= glorot_bound(head)


def test_embeddings_are_shared_by_both_halves():
    model = ElectraForPreTraining(CONFIG)
    assert model.generator.electra.embeddings is model.discriminator.electra.embeddings
    untied = ElectraForPreTraining(ElectraConfig.from_size("tiny", 50, tied_embeddings=False))
    assert untied.generator.electra.embeddings is not untied.discriminator.electra.embeddings
