"""Features of different lengths to arrays of one length."""

import numpy as np

PAD_TO_MULTIPLE = 8


def padded_length(features, most):
    """Length of a batch: that of its longest feature, up to a multiple of 8, at most ``most``.

    Masked keys get -10000 before the softmax, a weight of exactly 0 in float32, so the length of
    the padding changes no result.
    """
    longest = max(map(len, features))
    return min(-(-longest // PAD_TO_MULTIPLE) * PAD_TO_MULTIPLE, most)


def pad(features, pad_id, most):
    """The arrays that every network takes.

    Args:
        features: objects with ``input_ids`` and ``token_type_ids``, [n] each.
        pad_id: id of [PAD].
        most: see `padded_length`.
    Returns:
        dict of int64 arrays (batch, length): input_ids, token_type_ids, attention_mask.
    """
    ids = np.full((len(features), padded_length(features, most)), pad_id, np.int64)
    types, mask = np.zeros_like(ids), np.zeros_like(ids)
    for row, feature in enumerate(features):
        ids[row, : len(feature)] = feature.input_ids
        types[row, : len(feature)] = feature.token_type_ids
        mask[row, : len(feature)] = 1
    return {"input_ids": ids, "token_type_ids": types, "attention_mask": mask}
