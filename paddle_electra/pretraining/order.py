"""The order of examples: a shuffle of any size that needs no memory and can start anywhere."""

import numpy as np

_ROUNDS = 6


def _mix(values, key):
    """A 64-bit hash (the finaliser of SplitMix64) of values + key."""
    with np.errstate(over="ignore"):
        values = values + np.uint64(key)
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def permute(positions, size, seed, epoch):
    """Where a keyed shuffle of range(size) sends ``positions``.

    A Feistel network over the next power of four, walked until it lands inside the range; a
    bijection for each (seed, epoch).

    Args:
        positions: array of integers in [0, size).
    Returns:
        int64 array of the same shape.
    """
    half = max(1, (int(size - 1).bit_length() + 1) // 2)
    low = np.uint64((1 << half) - 1)
    start = int(_mix(np.uint64(seed % 2**64), 0x9E3779B97F4A7C15))
    keys = [int(_mix(np.uint64(start ^ epoch), number + 1)) for number in range(_ROUNDS)]
    values = np.asarray(positions, np.uint64).copy()
    pending = np.ones(values.shape, bool)
    while pending.any():
        left, right = values[pending] >> np.uint64(half), values[pending] & low
        for key in keys:
            left, right = right, left ^ (_mix(right, key) & low)
        values[pending] = (left << np.uint64(half)) | right
        pending = values >= size
    return values.astype(np.int64)


class ExampleOrder:
    """Which example stands at which place of which step, forever.

    The held-out examples are drawn by ``seed`` alone and never trained on.

    Args:
        total: examples in the data set.
        held_out: how many of them to keep for evaluation.
        batch_size: examples a step.
    """

    def __init__(self, total, held_out, batch_size, seed):
        self.held_out = np.sort(permute(np.arange(held_out), total, seed, -1 % 2**32))
        self.size = total - held_out
        self.batch_size = batch_size
        self.seed = seed
        # j-th training example = j + number of held-out ones before it.
        self._gaps = self.held_out - np.arange(held_out)

    def batch(self, step):
        """(batch_size,) example numbers of a step; epochs follow each other without a gap."""
        places = np.arange(step * self.batch_size, (step + 1) * self.batch_size)
        epochs, inside = np.divmod(places, self.size)
        chosen = np.empty(len(places), np.int64)
        for epoch in np.unique(epochs):
            here = epochs == epoch
            chosen[here] = permute(inside[here], self.size, self.seed, int(epoch))
        return chosen + np.searchsorted(self._gaps, chosen, side="right")
