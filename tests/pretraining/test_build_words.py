"""Shards that say where words begin, from the segmenter to the preview."""

import numpy as np
import pytest
from corpora import all_examples, options, shard_files
from test_shards import append, make_examples

from paddle_electra import cli
from paddle_electra.errors import InputError
from paddle_electra.pretraining import build, shards
from paddle_electra.pretraining.preview import WORD_MARK
from paddle_electra.pretraining.shards import ShardDataset

SEGMENTERS = """
def triples(text):
    return [text[place : place + 3] for place in range(0, len(text), 3)]

def forgetful(text):
    return [text[:-1]]
"""


@pytest.fixture
def segmenters(tmp_path, monkeypatch):
    (tmp_path / "our_segmenters.py").write_text(SEGMENTERS)
    monkeypatch.syspath_prepend(str(tmp_path))


def test_bits_come_back_across_bytes_and_appends(tmp_path):
    rng = np.random.default_rng(0)
    examples = make_examples(101)
    bits = [rng.random(len(example.ids)) < 0.6 for example in examples]
    with shards.write_shard(tmp_path, "shard-00000", 2000, with_words=True) as writer:
        for start in (0, 1, 2, 50, 51):
            stop = {0: 1, 1: 2, 2: 50, 50: 51}.get(start, 101)
            chosen = examples[start:stop]
            arrays = [np.concatenate([example.ids for example in chosen])]
            arrays.append(np.array([len(example.ids) for example in chosen]))
            arrays.append(np.array([example.first_length for example in chosen]))
            writer.append(*arrays, np.concatenate(bits[start:stop]))
    record = writer.record()
    assert set(record["sha256"]) == {"tokens", "index", "words"}
    tokens = sum(len(example.ids) for example in examples)
    assert (tmp_path / "shard-00000.words").stat().st_size == -(-tokens // 8)
    dataset = as_dataset(tmp_path, record)
    for number in range(101):
        assert dataset[number][0].tolist() == examples[number].ids
        np.testing.assert_array_equal(dataset.word_starts(number), bits[number])
    np.testing.assert_array_equal(dataset.word_starts(-1), bits[-1])
    with pytest.raises(IndexError):
        dataset.word_starts(101)
    dataset.verify()

    words = tmp_path / "shard-00000.words"
    content = words.read_bytes()
    words.write_bytes(content[:-1] + bytes([content[-1] ^ 128]))
    with pytest.raises(InputError, match=r"shard-00000.words: .*SHA-256 differs"):
        dataset.verify()
    words.write_bytes(content[:-1])
    with pytest.raises(InputError, match=r"shard-00000.words: \d+ bytes, expected \d+"):
        as_dataset(tmp_path, record)


def as_dataset(folder, record):
    from paddle_electra.files import write_json

    meta = {"format": shards.FORMAT, "version": 1, "max_seq_length": 64, "vocab_size": 2000}
    write_json(folder / "dataset.json", {**meta, "vocab_fingerprint": "", "shards": [record]})
    return ShardDataset(folder)


def test_without_words_there_are_none(tmp_path):
    with shards.write_shard(tmp_path, "shard-00000", 2000) as writer:
        append(writer, make_examples(3))
    assert as_dataset(tmp_path, writer.record()).word_starts(1) is None


def test_every_token_has_the_word_of_its_text(tmp_path, corpus, vocab, segmenters, small_units):
    """Sentences are cut into threes: so are the segments, but where a sentence ends or is cut."""
    chosen = options(tmp_path, corpus, vocab, segmenter="our_segmenters:triples", processes=2)
    dataset = build.run(chosen)
    plain = build.run(options(tmp_path, corpus, vocab, output=tmp_path / "plain"))
    assert all_examples(dataset) == all_examples(plain)
    ends = set("。！？")
    vocabulary = vocab.read_text().split()
    for number, (ids, first_length) in enumerate(dataset):
        expected, since = [], 0
        for place, token in enumerate(vocabulary[i] for i in ids.tolist()):
            special = place in (0, first_length - 1, len(ids) - 1)
            expected.append(special or since % 3 == 0)
            since = 0 if special or token in ends else since + 1
        assert dataset.word_starts(number).tolist() == expected
    dataset.verify()
    assert dataset.meta["segmenter"] == "our_segmenters:triples"

    build.run(options(tmp_path, corpus, vocab, output=tmp_path / "one", segmenter=chosen.segmenter))
    assert shard_files(tmp_path / "one") == shard_files(tmp_path / "out")


def test_a_dataset_of_before_segmenters_is_the_same_build(tmp_path, corpus, vocab, capsys):
    from paddle_electra.files import read_json, write_json

    build.run(options(tmp_path, corpus, vocab))
    meta = read_json(tmp_path / "out" / "dataset.json")
    for key in ("segmenter", "segmenter_version", "part", "drop_duplicates"):
        del meta[key]
    del meta["blanks_separate_docs"], meta["units"], meta["statistics"]["duplicate_documents"]
    write_json(tmp_path / "out" / "dataset.json", meta)
    capsys.readouterr()
    assert build.run(options(tmp_path, corpus, vocab)).word_starts(0) is None
    assert "already built" in capsys.readouterr().out
    with pytest.raises(InputError, match=r"differ from this build \(segmenter\)"):
        build.run(options(tmp_path, corpus, vocab, segmenter="jieba"))


def test_mistakes_of_and_with_segmenters(tmp_path, corpus, vocab, segmenters):
    with pytest.raises(InputError, match="segmenter 'bert': expected none, jieba, or"):
        build.run(options(tmp_path, corpus, vocab, segmenter="bert"))
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match=r"the segmenter's words of .* are not the text cut up"):
        build.run(options(tmp_path, corpus, vocab, segmenter="our_segmenters:forgetful"))


def test_preview_shows_words(tmp_path, vocab, capsys):
    (tmp_path / "a.txt").write_text("天地玄黄，宇宙洪荒。\n" * 3, "utf-8")
    arguments = ["--input", tmp_path / "a.txt", "--vocab", vocab, "--output", tmp_path / "out"]
    arguments += ["--segmenter", "jieba", "--processes", "1"]
    assert cli.main(["data", "build", *map(str, arguments)]) == 0
    assert "whole words" in capsys.readouterr().out
    assert cli.main(["data", "preview", "--data", str(tmp_path / "out")]) == 0
    shown = capsys.readouterr().out
    assert "天地玄黄，宇宙洪荒。" in shown.replace(WORD_MARK, "")
    assert f"{WORD_MARK}，{WORD_MARK}" in shown and "天¦地¦玄¦黄" not in shown
    assert f"[CLS]{WORD_MARK}" not in shown and f"{WORD_MARK}[SEP]" not in shown
