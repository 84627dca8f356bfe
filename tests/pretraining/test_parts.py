"""Builds in parts on several machines, and putting the parts together."""

import json
import os

import pytest
from corpora import description, options, shard_files

from paddle_electra import cli
from paddle_electra.errors import InputError
from paddle_electra.pretraining import build, division, merge, shards
from paddle_electra.pretraining import run as pretraining
from paddle_electra.pretraining.data_options import MergeOptions
from paddle_electra.pretraining.options import PretrainOptions


@pytest.fixture
def parts(tmp_path, corpus, vocab, small_units):
    """Folders of the three parts of a build, made by `data build --part`."""
    folders = []
    for number in (1, 2, 3):
        folder = tmp_path / f"part{number}"
        build.run(options(tmp_path, corpus, vocab, output=folder, part=f"{number}/3"))
        folders.append(folder)
    return folders


def run_merge(folders, output):
    return merge.run(MergeOptions(input=tuple(map(str, folders)), output=str(output)))


def test_parts_put_together_are_the_build(tmp_path, corpus, vocab, parts):
    whole = build.run(options(tmp_path, corpus, vocab, output=tmp_path / "whole"))
    assert len(whole.meta["shards"]) > 4
    for number, folder in enumerate(parts):
        files = shard_files(folder)
        own = {name for name in files if name != "vocab.txt"}
        names = [record["name"] for record in whole.meta["shards"]][number::3]
        assert own == {f"{name}.{kind}" for name in names for kind in ("tokens", "index")}
        assert all(files[name] == shard_files(whole.folder)[name] for name in own)
        dataset = shards.ShardDataset(folder)
        dataset.verify()
        assert dataset.meta["part"] == f"{number + 1}/3"
        assert 0 < len(dataset) < len(whole)
    merged = run_merge([parts[1], parts[2], parts[0]], tmp_path / "merged")
    merged.verify()
    assert shard_files(tmp_path / "merged") == shard_files(tmp_path / "whole")
    assert description(tmp_path / "merged") == description(tmp_path / "whole")
    # The merged folder is as good as built: the same build finds it done.
    build.run(options(tmp_path, corpus, vocab, output=tmp_path / "merged"))


def test_merging_again_changes_nothing(tmp_path, parts, capsys):
    run_merge(parts, tmp_path / "merged")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "merged").iterdir()}
    capsys.readouterr()
    arguments = ["--input", *parts[::-1], "--output", tmp_path / "merged"]
    assert cli.main(["data", "merge", *map(str, arguments)]) == 0
    assert "already merged" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "merged").iterdir()} == before


def test_where_links_do_not_work_files_are_copied(tmp_path, parts, monkeypatch):
    def no_links(*_):
        raise OSError("no links here")

    run_merge(parts, tmp_path / "linked")
    assert (tmp_path / "linked" / "shard-00000.tokens").stat().st_nlink == 2
    monkeypatch.setattr(os, "link", no_links)
    run_merge(parts, tmp_path / "copied")
    assert (tmp_path / "copied" / "shard-00000.tokens").stat().st_nlink == 1
    assert shard_files(tmp_path / "copied") == shard_files(tmp_path / "linked")


def test_a_part_alone_is_not_trained_on(tmp_path, parts):
    with pytest.raises(InputError, match=r"part1: part 1/3 of a data set; .* merge"):
        pretraining.run(PretrainOptions(data=str(parts[0]), output=str(tmp_path / "run")))
    assert not (tmp_path / "run").exists()


def test_a_stopped_merge_leaves_nothing(tmp_path, parts, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(merge, "write_json", stop)
        with pytest.raises(KeyboardInterrupt):
            run_merge(parts, tmp_path / "merged")
    assert not list(tmp_path.glob("*merged*"))


def test_parts_that_do_not_fit_are_named(tmp_path, corpus, vocab, parts):
    def refused(message, folders):
        with pytest.raises(InputError, match=message) as caught:
            run_merge(folders, tmp_path / "merged")
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "merged").exists()

    refused("part1: one of 3 parts, and 2/3 is not there", [parts[0], parts[2]])
    refused("part1: part 1/3, and so is .*part1; name each part once", [*parts, parts[0]])
    refused("nowhere: no such folder", [*parts, tmp_path / "nowhere"])

    def other(name, **changes):
        build.run(options(tmp_path, corpus, vocab, output=tmp_path / name, **changes))
        return tmp_path / name

    seeded = other("seeded", part="2/3", seed=5)
    refused("seeded: not of the same build as .*part1: the seed differs", [parts[0], seeded])
    halves = other("half", part="2/2")
    refused("half: not of the same build as .*part1: the number of parts", [parts[0], halves])
    with (corpus / "a.txt").open("ab") as file:
        file.write("天。\n".encode())
    refused("longer: .*the input files differs", [parts[0], other("longer", part="2/3")])

    with (parts[1] / "shard-00001.tokens").open("r+b") as file:
        file.write(b"\xff")
    refused(r"shard-00001.tokens: .*SHA-256 differs", parts)


def test_times_of_the_input_files_may_differ(tmp_path, corpus, vocab, parts):
    os.utime(corpus / "a.txt", ns=(1, 1))
    build.run(options(tmp_path, corpus, vocab, output=tmp_path / "copy", part="2/3"))
    run_merge([parts[0], tmp_path / "copy", parts[2]], tmp_path / "merged").verify()


def test_output_folders_with_something_in_them_are_left_alone(tmp_path, parts):
    run_merge(parts, tmp_path / "merged")
    meta = json.loads((tmp_path / "merged" / "dataset.json").read_text())
    (tmp_path / "merged" / "dataset.json").write_text(json.dumps({**meta, "seed": 1}))
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "a.txt").write_text("天")
    for name, message in [
        ("merged", "another dataset is here"),
        ("thesis", "not empty, and not made by data merge"),
        ("words.txt", "expected a folder"),
    ]:
        with pytest.raises(InputError, match=f"{name}: {message}"):
            run_merge(parts, tmp_path / name)
    assert [path.name for path in (tmp_path / "thesis").iterdir()] == ["a.txt"]


def test_more_parts_than_shards(tmp_path, corpus, vocab, monkeypatch):
    monkeypatch.setattr(division, "SMALLEST_UNIT", 1 << 20)
    folders = []
    for number in (1, 2):
        folders.append(tmp_path / str(number))
        build.run(options(tmp_path, corpus, vocab, output=folders[-1], part=f"{number}/2"))
    assert len(shards.ShardDataset(folders[1])) == 0
    whole = build.run(options(tmp_path, corpus, vocab))
    run_merge(folders, tmp_path / "merged")
    assert description(tmp_path / "merged") == description(whole.folder)


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "1/0", "-1/2", "a/b", "1/2/3"])
def test_parts_are_numbered_from_one(tmp_path, corpus, vocab, text):
    with pytest.raises(InputError, match=f"--part {text}: expected i/n"):
        build.run(options(tmp_path, corpus, vocab, part=text))


def test_what_is_no_part_is_refused(tmp_path, corpus, vocab, parts):
    meta = json.loads((parts[0] / "dataset.json").read_text())
    del meta["units"]
    (parts[0] / "dataset.json").write_text(json.dumps(meta))
    with pytest.raises(InputError, match="part1: expected a folder that `data build --part` made"):
        run_merge(parts, tmp_path / "merged")
