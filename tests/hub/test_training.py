"""The part of a module that is trained, without PaddleHub around it."""

import numpy as np
import paddle
import pytest
from tiny_checkpoint import TEXTS, make_checkpoint

from paddle_electra.errors import InputError
from paddle_electra.hub.loading import load_predictor
from paddle_electra.hub.training import TrainableModule

TAGS = {0: "B-X", 1: "I-X", 2: "O"}


@pytest.fixture(scope="module")
def assets(tmp_path_factory):
    return make_checkpoint(tmp_path_factory.mktemp("model") / "pretrained")


def make(assets, task, label_map=None):
    paddle.seed(1)  # of the new head, whatever ran before
    with pytest.warns(UserWarning, match="random"):
        predictor = load_predictor(assets, task, None, label_map)
    module = TrainableModule()
    module.task, module.suffix, module.label_map = task, False, label_map
    module.model, module.pad_id = predictor.networks.layer("task"), predictor.tokenizer.pad_id
    module.eval()
    return module, predictor


def batch(predictor, texts, length=16):
    ids = np.zeros((len(texts), length), np.int64)
    for row, encoding in zip(ids, predictor.encode(texts, length), strict=True):
        row[: len(encoding.ids)] = encoding.ids
    return paddle.to_tensor(ids), paddle.zeros(ids.shape, "int64")


def test_padding_is_masked_and_positions_begin_at_zero(assets):
    module, predictor = make(assets, "seq-cls")
    ids, types = batch(predictor, TEXTS)
    chances = module(ids, types)
    expected = predictor.predict(TEXTS, max_seq_len=16, return_prob=True)[1]
    np.testing.assert_allclose(chances, expected, atol=1e-6)
    places = paddle.arange(16).unsqueeze(0).expand([len(TEXTS), -1])
    mask = (ids != predictor.tokenizer.pad_id).astype("int64")
    np.testing.assert_allclose(module(ids, types, places, mask), expected, atol=1e-6)
    for others in ((places + 1, mask), (places, paddle.ones_like(mask))):
        assert float((module(ids, types, *others) - chances).abs().max()) > 1e-4


@pytest.mark.slow  # importing PaddleNLP
def test_positions_without_a_label_do_not_count(assets):
    pytest.importorskip("paddlenlp", reason="scores chunks")
    module, predictor = make(assets, "token-cls", TAGS)
    ids, types = batch(predictor, TEXTS[:2])
    labels = np.full(ids.shape, -100)
    labels[0, :4], labels[1, :2] = [0, 1, 2, 2], [2, 0]
    length = paddle.to_tensor([16, 16])  # as PaddleNLP's tokenizer counts it
    chances, loss, metrics = module(ids, types, seq_lengths=length, labels=paddle.to_tensor(labels))
    rows, places = np.nonzero(labels >= 0)
    # Averaged over all positions, as the published modules do.
    expected = -np.log(chances.numpy()[rows, places, labels[rows, places]]).sum() / labels.size
    np.testing.assert_allclose(float(loss), expected, rtol=1e-5)
    answers = paddle.to_tensor(np.where(labels < 0, -100, chances.numpy().argmax(-1)))
    module.training_step((ids, types, length, answers), 0)
    step = module.validation_step((ids, types, length, answers), 0)
    assert bool((answers == 0).any()), "choose another seed: there must be chunks"
    assert step["metrics"]["f1_score"] == 1.0, "all as predicted"
    wrong = paddle.to_tensor(np.where(labels < 0, -100, (answers.numpy() + 1) % 3))
    module.validation_step((ids, types, length, wrong), 1)
    module.eval()  # another evaluation, as `hub.Trainer` begins it
    again = module.validation_step((ids, types, length, answers), 0)
    assert again["metrics"]["f1_score"] == 1.0, "the evaluation before does not count"
    assert 0 <= metrics["f1_score"] <= 1


def test_the_metric_of_a_training_step_is_of_its_batch_alone(assets):
    module, predictor = make(assets, "pair-cls")
    ids, types = batch(predictor, TEXTS)
    best = module(ids, types).argmax(-1)
    right = module.training_step((ids, types, best), 0)["metrics"]["acc"]
    wrong = module.training_step((ids, types, 1 - best), 1)["metrics"]["acc"]
    assert (right, wrong) == (1.0, 0.0)


def test_a_batch_of_another_task_is_refused(assets):
    module, _ = make(assets, "text-matching")
    with pytest.raises(InputError, match=r"task='text-matching' has query_input_ids.*has 3 parts"):
        module.training_step((None, None, None), 0)


@pytest.mark.parametrize("change", ["train", "set_state_dict", "training_step"])
def test_what_may_change_the_weights_is_noticed(assets, change):
    module, predictor = make(assets, "seq-cls")
    assert not module.changed
    if change == "train":
        module.train()
    elif change == "set_state_dict":
        module.set_dict(module.state_dict())
    else:
        module.training_step((*batch(predictor, TEXTS[:1]), paddle.to_tensor([1])), 0)
    assert module.changed
