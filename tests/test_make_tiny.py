"""What tools/make_tiny.py does with texts and weights."""

import sys
from pathlib import Path

import numpy as np
import pytest
from tiny_checkpoint import TEXTS, make_checkpoint

from paddle_electra.checkpoint import load, native
from paddle_electra.inference.predictor import Predictor

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))

import make_tiny_weights as weights


def test_every_third_document_is_chosen_whole(tmp_path):
    source, target = tmp_path / "source.txt", tmp_path / "target.txt"
    source.write_text("\na\nb\n\n\nc\n \nd\ne\n\nf\n\ng\nh", "utf-8")
    weights.sample_documents(source, target, 3)
    assert target.read_text("utf-8") == "a\nb\n\n\nf\n\n"


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """(a pretrained checkpoint, the same for fine-tuning), folders."""
    root = tmp_path_factory.mktemp("weights")
    before = make_checkpoint(root / "before", generator=True)
    ready = weights.for_fine_tuning(load(before))
    (root / "after").mkdir()
    native.write_checkpoint(root / "after", ready)
    return before, root / "after"


def test_smaller_embeddings_change_neither_network(pair):
    before, after = (Predictor.load(folder, engine="eager") for folder in pair)
    for one, other in zip(before.detect(TEXTS), after.detect(TEXTS), strict=True):
        for now, then in zip(one["characters"], other["characters"], strict=True):
            assert now["probability"] == pytest.approx(then["probability"], abs=1e-6)
    masked = [text.replace("天", "[MASK]") for text in TEXTS if "天" in text]
    for one, other in zip(before.fill_mask(masked), after.fill_mask(masked), strict=True):
        for now, then in zip(one[0], other[0], strict=True):
            assert now["token"] == then["token"]
            assert now["probability"] == pytest.approx(then["probability"], abs=1e-6)


def test_all_three_tables_shrink_and_dropout_is_on(pair):
    before, after = map(load, pair)
    changed = [
        name
        for name in before.discriminator
        if not np.array_equal(before.discriminator[name], after.discriminator[name])
    ]
    assert sorted(name.split(".")[-2] for name in changed) == [
        "position_embeddings",
        "token_type_embeddings",
        "word_embeddings",
    ]
    for name in changed:
        assert np.array_equal(before.discriminator[name] / 4, after.discriminator[name])
    assert after.config.hidden_dropout_prob == after.config.attention_probs_dropout_prob == 0.1


def test_later_positions_repeat_the_first_ones_but_not_the_very_first(pair):
    before = load(pair[0])
    after = weights.repeat_positions(before, 16)
    name = "electra.embeddings.position_embeddings.weight"
    table, repeated = before.discriminator[name], after.discriminator[name]
    assert np.array_equal(repeated[:16], table[:16])
    for place in range(16, len(table)):
        assert np.array_equal(repeated[place], table[1 + (place - 16) % 15])
    for key in set(before.discriminator) - {name}:
        assert np.array_equal(after.discriminator[key], before.discriminator[key])


def test_the_average_lies_between_two_checkpoints_in_both_halves(pair, tmp_path):
    before = load(pair[0])
    after = load(make_checkpoint(tmp_path / "other", generator=True, seed=8))
    between = weights.average(before, after, 0.75)
    for half in ("discriminator", "generator"):
        one, other, mean = (getattr(each, half) for each in (before, after, between))
        assert set(mean) == set(other)
        for name in mean:
            assert np.allclose(mean[name], 0.25 * one[name] + 0.75 * other[name], atol=1e-7)
