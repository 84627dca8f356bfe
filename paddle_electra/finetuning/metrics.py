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
