"""A corpus of every kind of file, its vocabulary, units small enough for several shards; shards."""

import gzip
import json

import pytest
import small_run
from corpora import CHARACTERS, as_text, make_documents

from paddle_electra.pretraining import division


@pytest.fixture
def vocab(tmp_path):
    path = tmp_path / "words.txt"
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"。！？，", *CHARACTERS]
    path.write_text("\n".join(tokens) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def corpus(tmp_path):
    """A folder of every kind of file, with 120 documents."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    (folder / "a.txt").write_bytes(as_text(make_documents(60, 1)))
    (folder / "b.txt.gz").write_bytes(gzip.compress(as_text(make_documents(30, 2)), mtime=0))
    rows = [json.dumps({"text": "\n".join(lines)}) for lines in make_documents(30, 3)]
    (folder / "c.jsonl").write_text("\n".join(rows))
    return folder


@pytest.fixture
def small_units(monkeypatch):
    monkeypatch.setattr(division, "SMALLEST_UNIT", 10_000)


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """A small data set, which no test may change."""
    folder = tmp_path_factory.mktemp("data")
    return small_run.build_shards(folder, "shards", small_run.CHARACTERS)
