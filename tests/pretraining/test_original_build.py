"""The original's build_pretraining_dataset.py: its flags, files and lines."""

import gzip
import itertools
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from corpora import all_examples, as_text, make_documents, shard_files
from example_ids import examples_of

from paddle_electra import cli
from paddle_electra.errors import InputError
from paddle_electra.pretraining import division, original_build
from paddle_electra.pretraining.data_options import OriginalBuildOptions
from paddle_electra.pretraining.examples import ExampleBuilder
from paddle_electra.pretraining.shards import ShardDataset
from paddle_electra.text.tokenizer import ElectraTokenizer

TOOL = Path(__file__).resolve().parents[2] / "tools" / "build_pretraining_dataset.py"


@pytest.fixture
def texts(tmp_path):
    """A corpus as the original takes it: files of any name."""
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "wiki_00").write_bytes(as_text(make_documents(20, 1)))
    (folder / "news.raw").write_bytes(as_text(make_documents(20, 2)))
    (folder / "old.txt.gz").write_bytes(gzip.compress(as_text(make_documents(5, 3)), mtime=0))
    (folder / ".hidden").write_bytes(b"\xff\xfe")
    return folder


def run(tmp_path, texts, vocab, *flags, output="out"):
    required = ["--corpus-dir", texts, "--vocab-file", vocab, "--output-dir", tmp_path / output]
    arguments = ["build-pretraining-dataset", *map(str, required), *flags]
    assert cli.main(arguments) == 0
    return ShardDataset(tmp_path / output)


def expected_examples(vocab, documents, length, seed="42:0", lower=True):
    tokenizer = ElectraTokenizer(vocab, lower)
    builder = ExampleBuilder(length, random.Random(seed), "google")
    tokens = [tokenizer.encode_plain_batch(lines) for lines in documents]
    return examples_of(builder, tokens, tokenizer.cls_id, tokenizer.sep_id)


def test_all_files_are_read_by_name_and_lines_stay_whole(tmp_path, texts, vocab):
    dataset = run(tmp_path, texts, vocab, "--max-seq-length", "32")
    documents = [
        d for count, seed in ((20, 2), (5, 3), (20, 1)) for d in make_documents(count, seed)
    ]
    assert all_examples(dataset) == expected_examples(vocab, documents, 32)
    assert dataset.max_seq_length == 32
    numbers = dataset.meta["statistics"]
    assert numbers["lines"] == numbers["sentences"] == sum(map(len, documents))
    assert numbers["documents"] == 45


def test_the_default_length_and_processes_of_the_original(tmp_path, texts, vocab, monkeypatch):
    monkeypatch.setattr(division, "SMALLEST_UNIT", 5_000)
    assert run(tmp_path, texts, vocab).max_seq_length == 128
    run(tmp_path, texts, vocab, "--num-processes", "2", output="two")
    assert shard_files(tmp_path / "out") == shard_files(tmp_path / "two")


@pytest.mark.parametrize("value", ["false", "False", "0"])
def test_only_files_separate_documents(tmp_path, texts, vocab, monkeypatch, value):
    monkeypatch.setattr(division, "SMALLEST_UNIT", 5_000)  # a file stays whole all the same
    dataset = run(tmp_path, texts, vocab, "--blanks-separate-docs", value)
    assert dataset.meta["statistics"]["documents"] == 3
    files = [
        list(itertools.chain(*make_documents(n, seed))) for n, seed in ((20, 2), (5, 3), (20, 1))
    ]
    expected = []
    units = division.plan_units(division.describe_files(sorted(texts.glob("[a-z]*"))), False)
    for number, unit in enumerate(units):
        assert all(piece.start == 0 for piece in unit)
        chosen = [files[piece.file] for piece in unit]
        expected += expected_examples(vocab, chosen, 128, f"42:{number}")
    assert all_examples(dataset) == expected


def test_objects_separate_documents_whatever_blanks_do(tmp_path, texts, vocab):
    (texts / "x.jsonl").write_text('{"text": "天地\\n\\n玄黄"}\n{"text": "宇宙"}\n', "utf-8")
    dataset = run(tmp_path, texts, vocab, "--blanks-separate-docs", "false")
    assert dataset.meta["statistics"]["documents"] == 5


@pytest.mark.parametrize(
    ("flags", "lower"),
    [((), True), (("--do-lower-case",), True), (("--no-lower-case",), False)],
)
def test_lower_case(tmp_path, vocab, flags, lower):
    vocab.write_text(vocab.read_text() + "A\na\n", "utf-8")
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "x").write_text("A" + "天" * 9 + "\n", "utf-8")
    dataset = run(tmp_path, folder, vocab, *flags)
    ids, _ = dataset[0]
    assert ids[1] == ElectraTokenizer(vocab).vocab["a" if lower else "A"]
    assert dataset.meta["do_lower_case"] is lower
    dataset.check_vocabulary(ElectraTokenizer(vocab, lower).fingerprint)


def test_building_again_changes_nothing(tmp_path, texts, vocab, capsys):
    run(tmp_path, texts, vocab)
    before = shard_files(tmp_path / "out")
    run(tmp_path, texts, vocab)
    assert "already built" in capsys.readouterr().out
    assert shard_files(tmp_path / "out") == before


def test_mistakes_are_named(tmp_path, texts, vocab):
    def refused(message, **changes):
        values = {"corpus_dir": str(texts), "vocab_file": str(vocab)}
        values["output_dir"] = str(tmp_path / "out")
        with pytest.raises(InputError, match=message):
            original_build.run(OriginalBuildOptions(**{**values, **changes}))

    refused("--corpus-dir .*nowhere: no such folder", corpus_dir=str(tmp_path / "nowhere"))
    (tmp_path / "empty").mkdir()
    refused("empty: no file in this folder", corpus_dir=str(tmp_path / "empty"))
    refused("lies in --corpus-dir", output_dir=str(texts / "shards"))
    (texts / "more").mkdir()
    refused("more is a folder; paddle-electra data build", corpus_dir=str(texts))
    assert cli.main(["build-pretraining-dataset", "--corpus-dir", str(texts), "--no-lower"]) == 2


def test_the_tool_is_the_command(tmp_path, texts, vocab):
    flags = ["--corpus-dir", texts, "--vocab-file", vocab, "--output-dir", tmp_path / "tool"]
    done = subprocess.run(
        [sys.executable, TOOL, *map(str, flags), "--no-lower-case"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    run(tmp_path, texts, vocab, "--no-lower-case")
    assert shard_files(tmp_path / "tool") == shard_files(tmp_path / "out")


@pytest.mark.reference
@pytest.mark.parametrize("rule", ["google", "hfl"])
def test_the_recorded_corpus_gives_examples_of_the_recorded_kind(tmp_path, oracle, rule):
    """The random numbers are others; the examples must be as many and as full."""
    fork = {"google": "google", "hfl": "ymcui"}[rule]
    (recording,) = (oracle / "pretrain_data").glob(f"examples_{fork}_L128_*.npz")
    recorded = np.load(recording)
    vocab = sorted(oracle.glob("electra_*/vocab.txt"))[0]
    dataset = run(tmp_path, oracle / "pretrain_data" / "corpus", vocab, "--segments", rule)
    assert len(dataset) == pytest.approx(len(recorded["input_ids"]), rel=0.03)
    tokens = dataset.meta["statistics"]["tokens"]
    assert tokens == pytest.approx(recorded["input_mask"].sum(), rel=0.03)
    two = dataset.meta["statistics"]["two_segment_share"]
    assert two == pytest.approx(recorded["segment_ids"].any(1).mean(), abs=0.06)
