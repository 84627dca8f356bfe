"""Scoring a model on a split."""

import numpy as np
import paddle

from ..progress import progress_bar


def predict_all(kind, model, features, batch_size, description=None):
    """The outputs for all features, in their order.

    Features are sorted by length before they are cut into batches, so that little is padding.

    Args:
        kind: what the task is, see `classification.SequenceClassification`.
        model: left in evaluation mode.
        features: list of features.
        batch_size: features in a pass.
        description: text of the progress bar; None for no bar.
    Returns:
        array (features, ...) of what ``kind.predict`` gives.
    """
    model.eval()
    order = sorted(range(len(features)), key=lambda index: -len(features[index]))
    starts = range(0, len(order), batch_size)
    outputs = []
    with paddle.no_grad():
        hidden = description is None
        with progress_bar(
            description, len(starts), unit="batch", leave=False, disable=hidden
        ) as bar:
            for start in starts:
                rows = order[start : start + batch_size]
                outputs.append(kind.predict(model, kind.collate([features[row] for row in rows])))
                bar.update()
    joined = np.concatenate(outputs)
    restored = np.empty_like(joined)
    restored[order] = joined
    return restored
