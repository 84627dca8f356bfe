"""Tokens back to text that reads well."""

from .normalize import ALONE, tables

SPACED_AFTER = frozenset(",;:!?.)")


def join_tokens(tokens):
    """Join WordPiece tokens: pieces together, spaces only where a Latin word needs one.

    >>> join_tokens(["今", "天", "用", "pad", "##dle", "train", ",", "ok"])
    '今天用 paddle train, ok'
    """
    text = ""
    for token in tokens:
        if token.startswith("##") and len(token) > 2:
            text += token[2:]
        else:
            text += " " + token if _needs_space(text, token) else token
    return text


def _needs_space(text, token):
    if not text or not token or not _in_word(token[0]):
        return bool(text) and _is_special(token) and _in_word(text[-1])
    return _in_word(text[-1]) or (text[-1] in SPACED_AFTER and not token[0].isdigit())


def _is_special(token):
    return len(token) > 2 and token[0] == "[" and token[-1] == "]"


def _in_word(character):
    return tables(False).kinds[ord(character)] != ALONE
