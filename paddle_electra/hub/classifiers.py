"""What serving answers for tasks that `Predictor.predict` has none for; no paddlehub here."""

from .arguments import MATCHING
from .matching import match, tag_tokens

SPLIT = "\002"  # between the tokens of a text for token-cls


def _tokens(predictor, texts, max_seq_len):
    """Without [CLS] and [SEP], as the published modules serve it."""
    labels, chances = tag_tokens(predictor, texts, SPLIT, max_seq_len=max_seq_len)
    return [row[1:-1] for row in labels], [row[1:-1] for row in chances]


def _pairs(predictor, texts, max_seq_len):
    return match(predictor, texts, max_seq_len=max_seq_len)


CLASSIFIERS = {"token-cls": _tokens, MATCHING: _pairs}
