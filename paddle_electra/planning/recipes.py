"""The recipes of pretraining by size, the same as in ``configs/pretraining``."""

from typing import NamedTuple


class Recipe(NamedTuple):
    """``batch`` examples an update, ``length`` tokens an example at most."""

    learning_rate: float
    batch: int
    steps: int
    warmup: int
    length: int


# HFL's for its four models (PARITY 29); the one of tiny is ours.
RECIPES = {
    "tiny": Recipe(1e-3, 16, 2_000, 200, 128),
    "small": Recipe(5e-4, 1024, 1_000_000, 10_000, 512),
    "small-ex": Recipe(5e-4, 384, 2_000_000, 10_000, 512),
    "base": Recipe(2e-4, 256, 1_000_000, 10_000, 512),
    "large": Recipe(2e-4, 96, 2_000_000, 10_000, 512),
}
