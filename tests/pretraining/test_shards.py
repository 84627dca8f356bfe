"""Shards: what is written comes back, and damage is found and named."""

import errno
import json
import os
import pickle
import random
from typing import NamedTuple

import numpy as np
import pytest

from paddle_electra.errors import InputError
from paddle_electra.pretraining import shards


class Example(NamedTuple):
    ids: list
    first_length: int


def make_examples(count, vocab_size=2000, seed=0):
    rng = random.Random(seed)
    examples = []
    for _ in range(count):
        ids = [rng.randrange(vocab_size) for _ in range(rng.randrange(3, 60))]
        examples.append(Example(ids, rng.randrange(2, len(ids) + 1)))
    return examples


def append(writer, examples):
    tokens = np.array([token for example in examples for token in example.ids], np.int64)
    lengths = np.array([len(example.ids) for example in examples], np.int64)
    writer.append(tokens, lengths, np.array([e.first_length for e in examples], np.int64))


def make_dataset(folder, parts, vocab_size=2000):
    records = []
    for number, examples in enumerate(parts):
        with shards.write_shard(folder, shards.shard_name(number), vocab_size) as writer:
            append(writer, examples[:30])
            append(writer, examples[30:])
        records.append(writer.record())
    meta = {
        "format": shards.FORMAT,
        "version": shards.VERSION,
        "max_seq_length": 64,
        "vocab_size": vocab_size,
        "vocab_fingerprint": "abc",
        "shards": records,
    }
    (folder / "dataset.json").write_text(json.dumps(meta))
    return shards.ShardDataset(folder)


@pytest.mark.parametrize("vocab_size", [2000, 65536, 65537, 250_000])
def test_examples_come_back(tmp_path, vocab_size):
    parts = [make_examples(n, vocab_size, seed=n) for n in (70, 1, 0, 35)]
    parts[1].append(Example([vocab_size - 1, 0, 5], 3))
    dataset = make_dataset(tmp_path, parts, vocab_size)
    expected = [example for examples in parts for example in examples]
    assert len(dataset) == len(expected) == 107
    for (ids, first_length), example in zip(dataset, expected, strict=True):
        assert ids.dtype == np.int64
        assert ids.tolist() == example.ids
        assert first_length == example.first_length
    assert dataset[-1][0].tolist() == expected[-1].ids
    for outside in (107, -108):
        with pytest.raises(IndexError):
            dataset[outside]
    dataset.verify()


def test_ids_are_the_callers_own(tmp_path):
    dataset = make_dataset(tmp_path, [make_examples(3)])
    ids, _ = dataset[0]
    before = ids.tolist()
    ids[:] = 0
    assert dataset[0][0].tolist() == before


def test_pickling_leaves_the_maps_behind(tmp_path):
    dataset = make_dataset(tmp_path, [make_examples(2000)])
    dataset[0]
    data = pickle.dumps(dataset)
    assert len(data) < 5000
    assert pickle.loads(data)[1999][0].tolist() == dataset[1999][0].tolist()


def test_opening_maps_nothing_yet(tmp_path, monkeypatch):
    make_dataset(tmp_path, [make_examples(5), make_examples(5)])
    mapped = []
    memmap = np.memmap
    monkeypatch.setattr(
        np, "memmap", lambda path, *a, **k: mapped.append(path) or memmap(path, *a, **k)
    )
    dataset = shards.ShardDataset(tmp_path)
    assert mapped == []
    dataset[7], dataset[8]
    assert [path.name for path in mapped] == ["shard-00001.tokens", "shard-00001.index"]


def test_parts_of_the_shards_are_compared(tmp_path):
    dataset = make_dataset(tmp_path, [make_examples(5) for _ in range(5)])
    path = tmp_path / "shard-00003.tokens"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    dataset.verify(0, 2)
    with pytest.raises(InputError, match=r"shard-00003\.tokens"):
        dataset.verify(1, 2)


def test_a_failed_shard_leaves_no_file(tmp_path):
    with pytest.raises(RuntimeError):
        with shards.write_shard(tmp_path, "shard-00000", 100) as writer:
            append(writer, [Example([1, 2, 3], 3)])
            raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_disk_full_is_one_line_and_leaves_no_file(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shards._HashedFile, "write", full)
    with pytest.raises(InputError, match=r"shard-00000\..*: the disk is full"):
        with shards.write_shard(tmp_path, "shard-00000", 100) as writer:
            append(writer, [Example([1, 2, 3], 3)])
    assert list(tmp_path.iterdir()) == []


def test_damage_is_found_and_named(tmp_path):
    make_dataset(tmp_path, [make_examples(5), make_examples(5)])
    tokens, index = tmp_path / "shard-00001.tokens", tmp_path / "shard-00001.index"
    content = tokens.read_bytes()

    tokens.write_bytes(content[:-2])
    with pytest.raises(InputError, match=r"shard-00001.tokens: \d+ bytes, expected \d+"):
        shards.ShardDataset(tmp_path)

    tokens.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    dataset = shards.ShardDataset(tmp_path)
    with pytest.raises(InputError, match=r"shard-00001.tokens: .*SHA-256 differs"):
        dataset.verify()

    index.unlink()
    with pytest.raises(InputError, match=r"shard-00001.index: the shard has disappeared"):
        dataset[7]
    tokens.write_bytes(content)
    with pytest.raises(InputError, match=r"shard-00001.index: this shard is missing"):
        shards.ShardDataset(tmp_path)


def test_folders_that_are_no_dataset(tmp_path):
    with pytest.raises(InputError, match="nowhere: no such folder"):
        shards.ShardDataset(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"no dataset.json: expected a folder of shards"):
        shards.ShardDataset(tmp_path)
    (tmp_path / "build.json").write_text("{}")
    with pytest.raises(InputError, match="the build is not finished"):
        shards.ShardDataset(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "squad"}, "not the description of pretraining shards"),
        ({"version": 99}, "format version 99"),
        ({"shards": None}, "'shards' is missing"),
    ],
)
def test_other_descriptions_are_refused(tmp_path, change, message):
    meta = make_dataset(tmp_path, [make_examples(2)]).meta | change
    meta = {key: value for key, value in meta.items() if value is not None}
    (tmp_path / "dataset.json").write_text(json.dumps(meta))
    with pytest.raises(InputError, match=f"dataset.json: .*{message}"):
        shards.ShardDataset(tmp_path)


def test_shards_of_another_vocabulary_are_refused(tmp_path):
    dataset = make_dataset(tmp_path, [make_examples(2)])
    dataset.check_vocabulary("abc")
    with pytest.raises(InputError, match="another vocabulary"):
        dataset.check_vocabulary("abd")
