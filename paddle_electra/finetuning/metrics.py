"""Scores, in percent as the original and the published tables give them."""

import numpy as np


def accuracy(gold, predicted):
    """Share of equal entries.

    Args:
        gold, predicted: label ids, [n].
    Returns:
        0 to 100.
    """
    gold, predicted = np.asarray(gold), np.asarray(predicted)
    if gold.shape != predicted.shape or not gold.size:
        raise ValueError(f"accuracy of {predicted.shape} predictions for {gold.shape} labels")
    return float(100.0 * np.mean(gold == predicted))


METRICS = {"accuracy": accuracy}
_NO_SCORES = ("examples", "warning")


def only_scores(found):
    """The scores among the results of one split, which also say ``examples``, how many there were,
    and ``warning``, where a model gave one answer to all of them."""
    return {name: value for name, value in found.items() if name not in _NO_SCORES}
