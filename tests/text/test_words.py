"""Whole words: which tokens begin one, by whatever segmenter."""

import itertools
import sys
import types

import numpy as np
import pytest

from paddle_electra.errors import InputError
from paddle_electra.text import segmenters as segmenter_module
from paddle_electra.text.segmenters import load_segmenter, segmenter_version
from paddle_electra.text.tokenizer import ElectraTokenizer


@pytest.fixture
def segmenters(monkeypatch):
    """A module of segmenters that can be named."""
    module = types.ModuleType("my_segmenters")
    module.pairs = lambda text: [text[n : n + 2] for n in range(0, len(text), 2)]
    module.characters = list
    module.whole = lambda text: [text]
    module.lossy = lambda text: text.split()
    module.numbers = lambda text: [1, 2]
    module.nothing = lambda text: None
    module.constant = "北京"
    monkeypatch.setitem(sys.modules, "my_segmenters", module)
    return module


def words_of(tokenizer, text, segment):
    """The tokens of a text as a list of words, each a list of tokens."""
    ids, bounds, starts = tokenizer.encode_words([text], segment)
    assert bounds.tolist() == [0, len(ids)] and len(starts) == len(ids)
    tokens = tokenizer.convert_ids_to_tokens(ids.tolist())
    words = []
    for token, start in zip(tokens, starts.tolist(), strict=True):
        if start:
            words.append([])
        words[-1].append(token)
    return ["".join(word) for word in words]


@pytest.fixture
def tokenizer(vocab_file):
    return ElectraTokenizer(vocab_file)


def test_characters_of_a_word_and_pieces_go_together(tokenizer):
    cut = {"北京": 2, "大学": 2}

    def segment(text):
        words, place = [], 0
        while place < len(text):
            size = next((n for word, n in cut.items() if text.startswith(word, place)), 1)
            words.append(text[place : place + size])
            place += size
        return words

    text = "我在北京 大学。unaffable ABC!"
    assert words_of(tokenizer, text, segment) == [
        *("我", "在", "北京", "大学", "。", "un##aff##able", "a##b##c", "!")
    ]


def test_a_word_of_the_segmenter_may_hold_spaces_punctuation_and_dropped_marks(tokenizer):
    assert words_of(tokenizer, "天 气!", lambda text: [text]) == ["天气!"]
    # e + combining acute: the mark goes, its word stays where it was.
    assert words_of(tokenizer, "e\u0301天\u200b气", lambda t: ["e\u0301", "天\u200b气"]) == [
        "e",
        "天气",
    ]
    # A Hangul syllable falls into two letters, of one word.
    assert len(words_of(tokenizer, "한天", list)) == 2


def test_texts_do_not_join(tokenizer, segmenters):
    texts = ["天气", "", "很", "好", "北京abc"]
    ids, bounds, starts = tokenizer.encode_words(texts, segmenters.whole)
    flat, flat_bounds = tokenizer.encode_flat(texts)
    np.testing.assert_array_equal(ids, flat)
    np.testing.assert_array_equal(bounds, flat_bounds)
    firsts = sorted({int(b) for b, e in itertools.pairwise(bounds) if e > b})
    assert np.flatnonzero(starts).tolist() == firsts


def test_many_texts_are_as_each_by_itself(tokenizer, segmenters, monkeypatch):
    rng = np.random.default_rng(0)
    alphabet = list("天气很好 un ffable,。!ABcé\u0301한𠮷x")
    texts = ["".join(rng.choice(alphabet, n)) for n in rng.integers(0, 30, 300)]
    monkeypatch.setattr("paddle_electra.text.tokenizer.CHARACTERS_AT_ONCE", 200)
    ids, bounds, starts = tokenizer.encode_words(texts, segmenters.pairs)
    for text, (start, end) in zip(texts, itertools.pairwise(bounds.tolist()), strict=True):
        alone = tokenizer.encode_words([text], segmenters.pairs)
        np.testing.assert_array_equal(ids[start:end], alone[0])
        np.testing.assert_array_equal(starts[start:end], alone[2])
    empty = tokenizer.encode_words([], segmenters.pairs)
    assert [part.tolist() for part in empty] == [[], [0], []]


def test_segmenters_by_name(segmenters):
    assert load_segmenter("none") is None
    assert load_segmenter("my_segmenters:pairs") is segmenters.pairs
    for name, message in [
        ("nltk", "expected none, jieba, or package.module:function"),
        ("no_such_module:f", "module 'no_such_module' cannot be imported"),
        ("my_segmenters:f", "no function 'f' in my_segmenters"),
        ("my_segmenters:constant", "no function 'constant'"),
        (":f", "cannot be imported"),
    ]:
        with pytest.raises(InputError, match=message):
            load_segmenter(name)


@pytest.mark.parametrize("name", ["lossy", "numbers", "nothing"])
def test_a_segmenter_must_keep_to_the_text(tokenizer, segmenters, name):
    with pytest.raises(InputError, match=r"words of '天 气' are not the text cut up") as caught:
        tokenizer.encode_words(["天 气"], getattr(segmenters, name))
    assert "\n" not in str(caught.value)


def test_jieba(tokenizer):
    segment = load_segmenter("jieba")
    text = "我在北京大学学习，天气很好。 un affable"
    assert "".join(segment(text)) == text
    assert "北京大学" in segment(text)
    assert "北京大学" in words_of(tokenizer, text, segment)
    assert segmenter_version("jieba") and segmenter_version("none") is None


def test_jieba_missing(monkeypatch):
    segmenter_module._jieba.cache_clear()
    monkeypatch.setitem(sys.modules, "jieba", None)
    with pytest.raises(InputError, match=r"jieba is not installed; .*\[words\]"):
        load_segmenter("jieba")
