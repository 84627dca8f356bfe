"""Models that come with the package, by name."""

import pytest
from tiny_checkpoint import make_checkpoint

from paddle_electra import checkpoint
from paddle_electra.checkpoint import native, shipped
from paddle_electra.errors import InputError


@pytest.fixture
def assets(tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, "ASSETS", tmp_path / "assets")
    monkeypatch.chdir(tmp_path)
    make_checkpoint(tmp_path / "assets" / "tiny", generator=True)
    head = tmp_path / "assets" / "tiny" / native.HEADS / "seq-cls"
    make_checkpoint(head, ["negative", "positive"])
    return tmp_path / "assets"


def test_a_name_is_enough(assets):
    loaded = checkpoint.load("chinese-electra-tiny")
    assert loaded.source == str(assets / "tiny")
    assert loaded.generator is not None
    assert checkpoint.load("chinese-electra-tiny-sentiment").task["labels"][1] == "positive"


def test_a_folder_of_that_name_comes_first(assets, tmp_path):
    make_checkpoint(tmp_path / "chinese-electra-tiny")
    assert checkpoint.load("chinese-electra-tiny").source == "chinese-electra-tiny"


def test_without_the_weights_the_name_is_that_of_no_model(assets, monkeypatch, tmp_path):
    monkeypatch.setattr(shipped, "ASSETS", tmp_path / "module_without")
    with pytest.raises(InputError, match=r"no such folder or checkpoint; .* not in this copy"):
        checkpoint.load("chinese-electra-tiny")


def test_what_is_shipped_stays_as_it_came(assets, tmp_path):
    assert shipped.is_shipped(assets / "tiny")
    assert not shipped.is_shipped(tmp_path)
