"""Segmenters, which cut text into words to mask whole words by, of the user's choice.

A segmenter is a function from a text to the list of its words, spaces and punctuation among them:
joined they are the text again.
"""

import functools
import importlib
import warnings

from ..errors import InputError
from ..wording import extra

NONE, JIEBA = "none", "jieba"


def load_segmenter(name):
    """The function behind a name, or None for "none".

    Args:
        name: "none", "jieba", or "package.module:function".
    Raises:
        InputError: jieba is not installed, no such module or function.
    """
    if name == NONE:
        return None
    if name == JIEBA:
        return _jieba()
    module_name, colon, function_name = name.partition(":")
    if not colon:
        raise InputError(
            f"segmenter {name!r}: expected {NONE}, {JIEBA}, or package.module:function"
        )
    try:
        function = getattr(importlib.import_module(module_name), function_name, None)
    except (ImportError, ValueError) as error:
        raise InputError(
            f"segmenter {name!r}: module {module_name!r} cannot be imported ({error}); "
            f"is its folder on PYTHONPATH?"
        ) from None
    if not callable(function):
        raise InputError(f"segmenter {name!r}: no function {function_name!r} in {module_name}")
    return function


def segmenter_version(name):
    """The version of the library behind a name; None where nothing is known of it."""
    if name != JIEBA:
        return None
    from importlib import metadata

    try:
        return metadata.version(JIEBA)
    except metadata.PackageNotFoundError:
        return None


@functools.lru_cache(maxsize=1)
def _jieba():
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its own imports
            import jieba
    except ImportError:
        raise InputError(
            f"segmenter 'jieba': jieba is not installed; install it with: {extra('words')}"
        ) from None
    tokenizer = jieba.Tokenizer()
    # By itself it would read its dictionary from a cache in the common temporary folder, of
    # whatever version and from whomever.
    tokenizer.FREQ, tokenizer.total = tokenizer.gen_pfdict(tokenizer.get_dict_file())
    tokenizer.initialized = True
    return tokenizer.lcut
