"""Tokens back to text that reads well."""

from .normalize import ALONE, tables

ENDING = frozenset(",;:!?.)%")  # a word after one of these gets a space
INSIDE_NUMBERS = frozenset(",:.")  # but a digit after one of these does not: 12.5, 10:30


def join_tokens(tokens):
    """Join WordPiece tokens: pieces together, spaces only where a Latin word needs one.

    >>> join_tokens(["今", "天", "用", "pad", "##dle", "train", ",", "ok"])
    '今天用paddle train, ok'
    """
    text = ""
    for token in tokens:
        if token.startswith("##") and len(token) > 2:
            text += token[2:]
        else:
            text += " " + token if _needs_space(text[-1:], token) else token
    return text


def _needs_space(last, token):
    if not last or not token:
        return False
    if len(token) > 2 and token[0] == "[" and token[-1] == "]":  # [MASK], [UNK], ...
        return _is_word(last)
    if not _is_word(token[0]):
        return False
    return _is_word(last) or (
        last in ENDING and not (last in INSIDE_NUMBERS and token[0].isdigit())
    )


def _is_word(character):
    return tables(False).kinds[ord(character)] != ALONE
