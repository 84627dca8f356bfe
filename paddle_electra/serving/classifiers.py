"""What serving answers for tasks that `Predictor.predict` has none for."""

from ..inference.inputs import SPLIT
from ..inference.matching import match, tag_tokens


def _tokens(predictor, texts, max_seq_len):
    """Without [CLS] and [SEP], as the published modules serve it."""
    labels, chances = tag_tokens(predictor, texts, SPLIT, max_seq_len=max_seq_len)
    return [row[1:-1] for row in labels], [row[1:-1] for row in chances]


def _pairs(predictor, texts, max_seq_len):
    return match(predictor, texts, max_seq_len=max_seq_len)


CLASSIFIERS = {"token-cls": _tokens, "text-matching": _pairs}
