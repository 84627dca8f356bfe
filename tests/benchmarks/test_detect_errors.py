"""What `detect` is scored with: the substitutions, and the scores against counting by hand."""

import random

import numpy as np
import pytest
from detect_errors import Characters, auc, best_f1, by_generator, choose_places, substitute
from tiny_checkpoint import make_checkpoint

from paddle_electra.inference.predictor import Predictor

TEXT = "今天的天气真好，他们去公园散步 abc，服务员很热情。" * 4


def test_scores_are_those_counted_by_hand():
    source = np.random.default_rng(1)
    chances, wrong = source.integers(0, 8, 60) / 8, source.random(60) < 0.3
    pairs = [
        (a > b) + (a == b) / 2 for a in chances[wrong].tolist() for b in chances[~wrong].tolist()
    ]
    assert auc(chances, wrong) == pytest.approx(np.mean(pairs))
    every = []
    for threshold in np.unique(chances):
        called = chances >= threshold
        every.append(200 * (called & wrong).sum() / (called.sum() + wrong.sum()))
    best, at = best_f1(chances, wrong)
    assert best == pytest.approx(max(every))
    assert at == np.unique(chances)[int(np.argmax(every))]


def test_characters_are_put_in_where_others_sound_alike(tmp_path, monkeypatch):
    monkeypatch.setattr("detect_errors.syllable", lambda character: ord(character) % 3)
    predictor = Predictor.load(make_checkpoint(tmp_path / "model", generator=True))
    characters = Characters([TEXT], predictor.tokenizer)
    source = random.Random(1)
    places = choose_places(TEXT, characters, predictor.tokenizer, 0.2, source)
    chinese = sum("\u4e00" <= character <= "\u9fff" for character in TEXT)
    assert len(places) == len(set(places)) == round(0.2 * chinese)
    for draw in (characters.by_sound, characters.at_random):
        found = substitute(TEXT, {place: draw(TEXT[place], source) for place in places})
        check(found, places)
    put_in = [substitute(TEXT, {p: characters.by_sound(TEXT[p], source)}) for p in places]
    assert all(
        ord(one.text[p]) % 3 == ord(TEXT[p]) % 3 for one, p in zip(put_in, places, strict=True)
    )
    noise = np.random.default_rng(1)
    for found in by_generator(predictor, [TEXT] * 2, [places] * 2, 20, noise):
        check(found, places)


def check(found, places):
    """Other characters at these places and nowhere else."""
    assert len(found.text) == len(TEXT)
    assert [
        n for n, pair in enumerate(zip(found.text, TEXT, strict=True)) if len(set(pair)) > 1
    ] == (places)
    assert found.originals == {place: TEXT[place] for place in places}
    assert all("\u4e00" <= found.text[place] <= "\u9fff" for place in places)
