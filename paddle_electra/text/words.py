"""Which characters of a text belong to the same word."""

import itertools

import numpy as np

from ..errors import InputError


def word_numbers(texts, segment):
    """For each character of ``"\\n".join(texts)`` the number of its word, [n] int64, not falling.

    Args:
        texts: list of str; a word never reaches into another text.
        segment: a segmenter (see `segmenters`).
    Raises:
        InputError: what the segmenter gives for a text is not the text cut into words.
    """
    lengths = []
    for text in texts:
        words = segment(text) if text else []
        _check_words(words, text)
        lengths += map(len, words)
        lengths.append(1)  # the line feed
    lengths = np.array(lengths[:-1], np.int64)
    return np.repeat(np.arange(len(lengths)), lengths)


def _check_words(words, text):
    try:
        if "".join(words) == text:
            return
    except TypeError:
        pass
    given = words if not isinstance(words, (list, tuple)) else list(itertools.islice(words, 8))
    raise InputError(
        f"the segmenter's words of {text[:40]!r} are not the text cut up: {str(given)[:80]}; "
        f"expected a list of words that joined are the text, spaces too"
    )
