"""Scoring a model on a split."""

import sys

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
        list, for each feature its item of what ``kind.predict`` gave for its batch; the items
        may be of any kind and length.
    """
    model.eval()
    order = sorted(range(len(features)), key=lambda index: -len(features[index]))
    starts = range(0, len(order), batch_size)
    outputs = [None] * len(features)
    with paddle.no_grad():
        # Inside another bar: only a terminal can show both.
        hidden = description is None or not sys.stderr.isatty()
        with progress_bar(
            description, len(starts), unit="batch", leave=False, disable=hidden
        ) as bar:
            for start in starts:
                rows = order[start : start + batch_size]
                batch = kind.collate([features[row] for row in rows])
                for row, output in zip(rows, kind.predict(model, batch), strict=True):
                    outputs[row] = output
                bar.update()
    return outputs
