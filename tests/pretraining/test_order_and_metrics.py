"""The keyed shuffle, held-out examples, prefetching, and the metrics."""

import numpy as np
import pytest

from paddle_electra.pretraining.batches import prefetch
from paddle_electra.pretraining.metrics import auc
from paddle_electra.pretraining.order import ExampleOrder, permute


@pytest.mark.parametrize("size", [1, 2, 7, 64, 1000, 4097])
def test_permutation_is_a_bijection(size):
    assert sorted(permute(np.arange(size), size, 5, 0)) == list(range(size))


def test_permutation_depends_on_seed_and_epoch_and_looks_shuffled():
    base = permute(np.arange(1000), 1000, 5, 0)
    assert (base != permute(np.arange(1000), 1000, 6, 0)).mean() > 0.9
    assert (base != permute(np.arange(1000), 1000, 5, 1)).mean() > 0.9
    assert abs(np.corrcoef(np.arange(1000), base)[0, 1]) < 0.1


def test_every_epoch_visits_each_training_example_once_and_no_held_out_one():
    order = ExampleOrder(total=103, held_out=13, batch_size=8, seed=3)
    seen = np.concatenate([order.batch(step) for step in range(45)])  # 360 = 4 epochs of 90
    assert len(set(order.held_out)) == 13
    assert not set(seen) & set(order.held_out)
    for epoch in range(4):
        part = seen[epoch * 90 : (epoch + 1) * 90]
        assert sorted(part) == sorted(set(range(103)) - set(order.held_out))


def test_a_batch_does_not_depend_on_the_ones_before():
    order = ExampleOrder(50, 5, 7, 1)
    late = order.batch(20)
    np.testing.assert_array_equal(ExampleOrder(50, 5, 7, 1).batch(20), late)


def test_prefetch_keeps_order_and_passes_errors_on():
    assert list(prefetch(lambda step: step * 2, range(10))) == [2 * n for n in range(10)]

    def fails(step):
        if step == 3:
            raise ValueError("broken")
        return step

    got = []
    with pytest.raises(ValueError, match="broken"):
        for item in prefetch(fails, range(10)):
            got.append(item)
    assert got == [0, 1, 2]


def test_auc_counts_pairs():
    scores = np.array([0.1, 0.4, 0.35, 0.8, 0.4])
    labels = np.array([0, 0, 1, 1, 1])
    pairs = [
        1.0 if p > n else 0.5 if p == n else 0.0
        for p in scores[labels == 1]
        for n in scores[labels == 0]
    ]
    assert auc(scores, labels) == pytest.approx(np.mean(pairs))
    assert auc(scores, np.zeros(5)) == 0.5
