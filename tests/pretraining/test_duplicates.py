"""Duplicate documents are dropped, the first stays, however the build is divided."""

import gzip
import json
import random

import pytest
from corpora import (
    all_examples,
    as_text,
    description,
    make_documents,
    options,
    shard_files,
)

from paddle_electra.errors import InputError
from paddle_electra.pretraining import build, duplicates, units
from paddle_electra.pretraining.data_options import MergeOptions
from paddle_electra.pretraining.duplicates import Kept
from paddle_electra.pretraining.merge import run as merge


@pytest.fixture
def corpus(tmp_path):
    """(folder of files of every kind with many duplicates, each document once in order)."""
    rng = random.Random(5)
    pool = make_documents(80, 7)
    files = [[rng.choice(pool) for _ in range(60)] for _ in range(4)]
    folder = tmp_path / "corpus"
    folder.mkdir()
    # Blank lines, spaces at line ends and the kind of file make no difference.
    (folder / "a.txt").write_bytes(as_text(files[0]).replace(b"\n\n", b" \n\n \n\n"))
    (folder / "b.txt.gz").write_bytes(gzip.compress(as_text(files[1]), mtime=0))
    rows = [json.dumps({"text": "\n".join(lines)}) for lines in files[2]]
    (folder / "c.jsonl").write_text("\n".join(rows))
    (folder / "d.txt").write_bytes(as_text(files[3]))
    unique = []
    for document in (document for documents in files for document in documents):
        if document not in unique:
            unique.append(document)
    return folder, unique


def assert_holds(dataset, documents, vocab):
    """The text of the shards is that of the documents, in this order.

    Lines may change places inside a document; none is cut, the documents are short.
    """
    tokens = vocab.read_text().split()
    text = "".join(tokens[i] for ids, _ in dataset for i in ids.tolist() if i > 4)
    for lines in documents:
        document, text = text[: sum(map(len, lines))], text[sum(map(len, lines)) :]
        assert sorted(document) == sorted("".join(lines))
    assert text == ""


def test_the_first_of_each_stays_whatever_the_processes_and_parts(
    tmp_path, corpus, vocab, small_units
):
    folder, unique = corpus
    whole = tmp_path / "whole"
    settings = {"drop_duplicates": True, "max_seq_length": 512}
    dataset = build.run(options(tmp_path, folder, vocab, output=whole, **settings))
    numbers = dataset.meta["statistics"]
    assert numbers["documents"] == len(unique)
    assert numbers["duplicate_documents"] == 240 - len(unique) > 100
    assert_holds(dataset, unique, vocab)
    assert len(dataset.meta["shards"]) > 3
    assert numbers["lines"] == sum(map(len, unique))
    assert numbers["bytes"] == sum(path.stat().st_size for path in folder.iterdir())
    assert {path.suffix for path in whole.iterdir()} == {".json", ".txt", ".tokens", ".index"}

    two = build.run(
        options(tmp_path, folder, vocab, output=tmp_path / "two", processes=2, **settings)
    )
    assert shard_files(two.folder) == shard_files(whole)
    assert description(two.folder) == description(whole)
    parts = []
    for part in ("1/2", "2/2"):
        output = tmp_path / part.replace("/", "of")
        build.run(options(tmp_path, folder, vocab, output=output, part=part, **settings))
        parts.append(str(output))
    merge(MergeOptions(input=tuple(parts), output=str(tmp_path / "merged")))
    assert shard_files(tmp_path / "merged") == shard_files(whole)
    assert description(tmp_path / "merged") == description(whole)


def test_it_is_said_and_off_by_default(tmp_path, corpus, vocab, capsys):
    folder, unique = corpus
    build.run(options(tmp_path, folder, vocab, output=tmp_path / "all"))
    assert "duplicates" not in capsys.readouterr().out
    build.run(options(tmp_path, folder, vocab, drop_duplicates=True))
    assert f"duplicates dropped  {240 - len(unique)} documents" in capsys.readouterr().out
    with pytest.raises(InputError, match=r"differ from this build \(drop_duplicates\)"):
        build.run(options(tmp_path, folder, vocab, output=tmp_path / "all", drop_duplicates=True))


def test_without_duplicates_nothing_changes(tmp_path, vocab, small_units):
    (tmp_path / "a.txt").write_bytes(as_text(make_documents(200)))
    for drop in (False, True):
        output = tmp_path / str(drop)
        build.run(options(tmp_path, tmp_path / "a.txt", vocab, output=output, drop_duplicates=drop))
    assert shard_files(tmp_path / "True") == shard_files(tmp_path / "False")


def test_long_documents_blocks_and_runs(tmp_path, vocab, monkeypatch):
    """Documents that reach over blocks, and several runs of digests in a unit."""
    monkeypatch.setattr("paddle_electra.text.corpus.BLOCK_BYTES", 200)
    monkeypatch.setattr(duplicates, "RUN", 7)
    rng = random.Random(1)
    pool = make_documents(20, 3)
    chosen = [rng.choice(pool) for _ in range(50)]
    (tmp_path / "a.txt").write_bytes(as_text(chosen))
    dataset = build.run(
        options(tmp_path, tmp_path / "a.txt", vocab, drop_duplicates=True, max_seq_length=512)
    )
    unique = [d for place, d in enumerate(chosen) if d not in chosen[:place]]
    assert_holds(dataset, unique, vocab)
    assert dataset.meta["statistics"]["documents"] == len(unique)


def test_only_whole_equal_documents_are_duplicates(tmp_path, vocab):
    documents = [
        ["天地", "玄黄"],
        ["天地玄黄"],
        ["天地"],
        ["玄黄"],
        ["天地", "玄黄"],
        ["玄黄", "天地"],
    ]
    (tmp_path / "a.txt").write_bytes(as_text(documents))
    dataset = build.run(options(tmp_path, tmp_path / "a.txt", vocab, drop_duplicates=True))
    assert dataset.meta["statistics"]["documents"] == 5
    assert dataset.meta["statistics"]["duplicate_documents"] == 1


def test_files_are_documents_where_blanks_are_not(tmp_path, vocab):
    folder = tmp_path / "texts"
    folder.mkdir()
    for name, text in [("a", "天地\n\n玄黄\n"), ("b", "天地\n玄黄"), ("c", "天地\n\n玄\n")]:
        (folder / f"{name}.txt").write_text(text, "utf-8")
    settings = {"drop_duplicates": True, "blanks_separate_docs": False}
    dataset = build.run(options(tmp_path, folder, vocab, **settings))
    assert dataset.meta["statistics"]["documents"] == 2
    assert dataset.meta["statistics"]["duplicate_documents"] == 1


@pytest.mark.parametrize("during", ["digests", "comparison", "shards"])
def test_a_stopped_build_goes_on(tmp_path, corpus, vocab, small_units, monkeypatch, during):
    folder, _ = corpus
    whole = build.run(
        options(tmp_path, folder, vocab, output=tmp_path / "whole", drop_duplicates=True)
    )

    def stop(*arguments):
        if during == "comparison" or arguments[1] == 2:
            raise KeyboardInterrupt
        return original(*arguments)

    target, name = {
        "digests": (duplicates.DigestBuilder, "build"),
        "comparison": (duplicates, "_compare_bucket"),
        "shards": (units.UnitBuilder, "build"),
    }[during]
    original = getattr(target, name)
    chosen = options(tmp_path, folder, vocab, drop_duplicates=True)
    with monkeypatch.context() as patch:
        patch.setattr(target, name, stop)
        with pytest.raises(KeyboardInterrupt):
            build.run(chosen)

    digested = []
    digest = duplicates.DigestBuilder.build
    monkeypatch.setattr(
        duplicates.DigestBuilder,
        "build",
        lambda self, number, *rest: digested.append(number) or digest(self, number, *rest),
    )
    build.run(chosen)
    count = len(whole.meta["shards"])
    assert digested == (list(range(2, count)) if during == "digests" else [])
    assert shard_files(tmp_path / "out") == shard_files(tmp_path / "whole")
    assert description(tmp_path / "out") == description(tmp_path / "whole")


def test_overwriting_forgets_the_duplicates_found(
    tmp_path, corpus, vocab, small_units, monkeypatch
):
    folder, _ = corpus
    chosen = options(tmp_path, folder, vocab, drop_duplicates=True)
    with monkeypatch.context() as patch:
        patch.setattr(units.UnitBuilder, "build", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            build.run(chosen)
    (folder / "a.txt").unlink()
    dataset = build.run(options(tmp_path, folder, vocab, drop_duplicates=True, overwrite=True))
    fresh = build.run(
        options(tmp_path, folder, vocab, drop_duplicates=True, output=tmp_path / "fresh")
    )
    assert all_examples(dataset) == all_examples(fresh)


def test_numbers_of_documents_across_blocks():
    kept = Kept(bytes([0, 1, 0, 1]))
    blocks = [["", "a", "b", "", "", "c"], ["d", "", "e", ""], ["f", "g"], ["h"], [""], ["i"]]
    lines = [kept.keep(block) for block in blocks]
    assert [[line for line in block if line] for block in lines] == [
        ["a", "b"],
        ["e"],
        [],
        [],
        [],
        ["i"],
    ]
    assert kept.dropped == 2
