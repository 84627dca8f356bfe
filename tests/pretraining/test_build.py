"""`data build` and `data preview`: what the shards hold, stopping and resuming, and mistakes."""

import errno
import gzip
import itertools
import os
import random
import signal
import subprocess
import sys
import textwrap
import time

import pytest
from corpora import all_examples, as_text, description, make_documents, options, shard_files
from example_ids import examples_of

from paddle_electra import cli
from paddle_electra.errors import InputError
from paddle_electra.pretraining import build, division, shards, units
from paddle_electra.pretraining.examples import ExampleBuilder
from paddle_electra.pretraining.shards import ShardDataset
from paddle_electra.progress import progress_bar
from paddle_electra.text.sentences import split_sentences
from paddle_electra.text.tokenizer import ElectraTokenizer


@pytest.mark.parametrize("split", [True, False])
@pytest.mark.parametrize("rule", ["google", "hfl"])
def test_examples_are_those_of_the_builder(tmp_path, vocab, split, rule):
    documents = make_documents(40)
    file = tmp_path / "a.txt"
    file.write_bytes(as_text(documents))
    changes = {"split_sentences": split, "segments": rule, "seed": 9}
    dataset = build.run(options(tmp_path, file, vocab, **changes))

    tokenizer = ElectraTokenizer(vocab)
    builder = ExampleBuilder(32, random.Random("9:0"), rule)
    if split:
        documents = [
            [piece for line in lines for piece in split_sentences(line)] for lines in documents
        ]
    tokens = [tokenizer.encode_plain_batch(lines) for lines in documents]
    special = tokenizer.cls_id, tokenizer.sep_id
    assert all_examples(dataset) == examples_of(builder, tokens, *special)
    assert dataset.max_seq_length == 32
    assert dataset.vocab_size == tokenizer.vocab_size
    dataset.check_vocabulary(tokenizer.fingerprint)
    dataset.verify()


def test_processes_make_no_difference(tmp_path, corpus, vocab, small_units):
    for processes in (1, 2):
        output = tmp_path / str(processes)
        build.run(options(tmp_path, corpus, vocab, processes=processes, output=output))
    assert shard_files(tmp_path / "1") == shard_files(tmp_path / "2")
    assert description(tmp_path / "1") == description(tmp_path / "2")
    assert len(ShardDataset(tmp_path / "1").meta["shards"]) > 3
    assert not list((tmp_path / "2").glob("shard-*.json"))


def test_the_seed_decides(tmp_path, corpus, vocab):
    folders = {}
    for name, seed in [("a", 1), ("b", 1), ("c", 2)]:
        build.run(options(tmp_path, corpus, vocab, seed=seed, output=tmp_path / name))
        folders[name] = shard_files(tmp_path / name)
    assert folders["a"] == folders["b"] != folders["c"]


def test_statistics_are_those_of_the_text_and_the_shards(tmp_path, corpus, vocab):
    extra = "天地X。\n\n\n \n天？\n".encode()
    (corpus / "d.txt").write_bytes(extra)
    dataset = build.run(options(tmp_path, corpus, vocab))
    numbers = dataset.meta["statistics"]
    documents = [
        lines for n, seed in [(60, 1), (30, 2), (30, 3)] for lines in make_documents(n, seed)
    ]
    lines = [line for lines in documents for line in lines] + ["天地X。", "天？"]
    assert numbers["documents"] == len(documents) + 2
    assert numbers["lines"] == len(lines)
    assert numbers["sentences"] == sum(len(split_sentences(line)) for line in lines)
    assert numbers["characters"] == sum(map(len, lines)) == numbers["text_tokens"]
    assert numbers["bytes"] == sum(path.stat().st_size for path in corpus.iterdir())
    examples = all_examples(dataset)
    tokens = sum(len(ids) for ids, _ in examples)
    two = sum(first < len(ids) for ids, first in examples)
    kept = tokens - 2 * len(examples) - two
    assert numbers["examples"] == len(examples) == len(dataset)
    assert numbers["tokens"] == tokens
    assert numbers["padding_share"] == pytest.approx(1 - tokens / len(examples) / 32, abs=1e-5)
    assert numbers["two_segment_share"] == pytest.approx(two / len(examples), abs=1e-5)
    assert numbers["unknown_tokens"] == 1
    assert numbers["unknown_share"] == pytest.approx(1 / kept, abs=1e-5)
    assert numbers["cut_share"] == pytest.approx(1 - kept / sum(map(len, lines)), abs=1e-5)


def test_without_a_progress_bar_the_rate_is_told_all_the_same(
    tmp_path, corpus, vocab, monkeypatch, capsys
):
    """TQDM_DISABLE of the environment makes bars that count nothing."""
    silent = lambda *words, **named: progress_bar(*words, **{**named, "disable": True})  # noqa: E731
    monkeypatch.setattr(build, "progress_bar", silent)
    dataset = build.run(options(tmp_path, corpus, vocab))
    assert dataset.meta["statistics"]["megabytes_per_second"] > 0
    assert "; 0.0 MB in" not in capsys.readouterr().out


def test_the_files_read_and_passed_over_are_counted(tmp_path, corpus, vocab, capsys):
    (corpus / "5.md").write_text("天地", "utf-8")
    chosen = options(tmp_path, corpus, vocab)
    for first_line in ("1 shard;", "already built"):
        build.run(chosen)
        printed = capsys.readouterr().out
        assert printed.startswith(f"{tmp_path / 'out'}: {first_line}")
        assert "files          3 (1 of another ending passed over: .md)\n" in printed
    assert cli.main(["data", "preview", "--data", str(tmp_path / "out")]) == 0
    assert "files          3\n" in capsys.readouterr().out


def test_all_files_of_another_encoding_are_named_before_the_build(tmp_path, corpus, vocab):
    for name in ("d.txt", "e.txt"):
        (corpus / name).write_bytes("天地".encode("gb18030"))
    with pytest.raises(InputError, match=r"2 of 5 files are not UTF-8 text: .*d\.txt, .*e\.txt"):
        build.run(options(tmp_path, corpus, vocab))
    assert not (tmp_path / "out").exists()


def stop_at_unit(monkeypatch, stop, error):
    """Make building a unit fail; returns the list of the units that are built."""
    original, built = units.UnitBuilder.build, []

    def stopping(self, number, unit, report):
        if number == stop:
            raise error
        built.append(number)
        return original(self, number, unit, report)

    monkeypatch.setattr(units.UnitBuilder, "build", stopping)
    return built


def test_a_stopped_build_goes_on(tmp_path, corpus, vocab, small_units, monkeypatch):
    whole = build.run(options(tmp_path, corpus, vocab, output=tmp_path / "whole"))
    count = len(whole.meta["shards"])
    chosen = options(tmp_path, corpus, vocab)
    with monkeypatch.context() as patch:
        stop_at_unit(patch, 3, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            build.run(chosen)
    with pytest.raises(InputError, match="the build is not finished"):
        ShardDataset(chosen.output)

    # A finished shard that was damaged since is built again, the others are kept.
    (tmp_path / "out" / "shard-00001.tokens").write_bytes(b"rubbish")
    (tmp_path / "out" / ".shard-00003.tokens.1.tmp").write_bytes(b"half")
    with monkeypatch.context() as patch:
        built = stop_at_unit(patch, None, None)
        build.run(chosen)
    assert built == [1, *range(3, count)]
    assert shard_files(tmp_path / "out") == shard_files(tmp_path / "whole")
    assert description(tmp_path / "out") == description(tmp_path / "whole")


def test_a_finished_build_says_so_and_changes_nothing(tmp_path, corpus, vocab, capsys):
    chosen = options(tmp_path, corpus, vocab)
    build.run(chosen)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    capsys.readouterr()
    corpus.rename(tmp_path / "moved")
    build.run(options(tmp_path, tmp_path / "moved", vocab))
    assert "already built" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()} == before


@pytest.mark.parametrize("finished", [True, False])
def test_another_build_in_the_folder(tmp_path, corpus, vocab, small_units, monkeypatch, finished):
    with monkeypatch.context() as patch:
        stop_at_unit(patch, None if finished else 2, InputError("stop"))
        try:
            build.run(options(tmp_path, corpus, vocab))
        except InputError:
            assert not finished
    with pytest.raises(InputError, match=r"differ from this build \(max_seq_length\).*--overwrite"):
        build.run(options(tmp_path, corpus, vocab, max_seq_length=64))
    os.utime(corpus / "a.txt", ns=(1, 1))
    with pytest.raises(InputError, match=r"differ from this build \(input files\)"):
        build.run(options(tmp_path, corpus, vocab))
    (tmp_path / "more.txt").write_text(vocab.read_text("utf-8") + "新\n", "utf-8")
    with pytest.raises(InputError, match=r"differ from this build \(vocabulary, input files\)"):
        build.run(options(tmp_path, corpus, tmp_path / "more.txt"))
    with (corpus / "a.txt").open("ab") as file:
        file.truncate(20_000)
    dataset = build.run(options(tmp_path, corpus, vocab, max_seq_length=64, overwrite=True))
    assert dataset.max_seq_length == 64
    assert {path.stem for path in (tmp_path / "out").glob("shard-*")} == {
        shard["name"] for shard in dataset.meta["shards"]
    }


def test_foreign_folders_are_left_alone(tmp_path, corpus, vocab):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("天地玄黄")
    for overwrite in (False, True):
        with pytest.raises(InputError, match="out: not empty, and not made by data build"):
            build.run(options(tmp_path, corpus, vocab, overwrite=overwrite))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.txt"]


def test_mistakes_are_named(tmp_path, corpus, vocab):
    def refused(message, **changes):
        with pytest.raises(InputError, match=message) as caught:
            build.run(options(tmp_path, corpus, vocab, **changes))
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "out" / "dataset.json").exists()

    refused("--max-seq-length: expected at least 8", max_seq_length=7)
    refused("--processes: expected", processes=-1)
    refused("nowhere: no such file or folder", input=[tmp_path / "nowhere"])
    refused("lies in the input", output=corpus / "out")
    refused("the vocabulary is among the input", input=[tmp_path], output=tmp_path.parent / "x")
    unmasked = tmp_path / "unmasked.txt"
    unmasked.write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n天\n")
    refused(r"unmasked.txt: .*\[MASK\]", vocab=unmasked)
    (tmp_path / "file").write_text("")
    refused("file: expected a folder", output=tmp_path / "file")


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "not a byte of text"), (b"\n \n\r\n", "no text, only blank lines")],
)
def test_an_empty_corpus(tmp_path, vocab, content, message):
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(InputError, match=f"a.txt: the corpus is empty: {message}"):
        build.run(options(tmp_path, tmp_path / "a.txt", vocab))
    assert not list(tmp_path.glob("out/*"))


def test_a_bad_file_is_named_from_another_process(tmp_path, corpus, vocab, small_units, capsys):
    (corpus / "e.txt").write_bytes("天\n".encode() * 3 + b"\xff\xfe")
    arguments = ["--input", corpus, "--vocab", vocab, "--output", tmp_path / "o", "--processes=2"]
    assert cli.main(["data", "build", *map(str, arguments)]) == 2
    message = capsys.readouterr().err.strip().splitlines()[-1]
    assert message.startswith("paddle-electra: error:")
    assert "e.txt: not UTF-8 text at byte 12" in message


@pytest.mark.parametrize(
    ("change", "message"),
    [(lambda path: path.unlink(), "no such file"), (lambda path: path.write_text("天"), "changed")],
)
def test_input_that_changes_during_the_build(tmp_path, corpus, vocab, monkeypatch, change, message):
    original = division.plan_units

    def plan_then_change(files, *arguments):
        planned = original(files, *arguments)
        change(corpus / "a.txt")
        return planned

    monkeypatch.setattr(build, "plan_units", plan_then_change)
    with pytest.raises(InputError, match=f"a.txt: .*{message}"):
        build.run(options(tmp_path, corpus, vocab))
    assert not list((tmp_path / "out").glob("*.tokens"))


def test_disk_full_and_then_again(tmp_path, corpus, vocab, small_units, monkeypatch):
    def full(self):
        if self._name == "shard-00002":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        original(self)

    original = shards.ShardWriter.flush
    with monkeypatch.context() as patch:
        patch.setattr(shards.ShardWriter, "flush", full)
        with pytest.raises(InputError, match=r"shard-00002.*: the disk is full"):
            build.run(options(tmp_path, corpus, vocab))
    left = {path.name for path in (tmp_path / "out").iterdir()}
    pairs = {f"shard-0000{n}.{kind}" for n in (0, 1) for kind in ("tokens", "index", "json")}
    assert left == pairs | {"build.json", "vocab.txt"}
    build.run(options(tmp_path, corpus, vocab)).verify()


SCRIPT = """
import errno, os, signal, sys, time
from paddle_electra import cli
from paddle_electra.pretraining import division, shards
division.SMALLEST_UNIT = 10_000
original = shards.ShardWriter.flush
def flush(self):
    if self._name == "shard-00002":
        {action}
    original(self)
shards.ShardWriter.flush = flush
if __name__ == "__main__":
    sys.exit(cli.main(sys.argv[1:]))
"""


@pytest.fixture
def start_script(tmp_path, corpus, vocab):
    """Start `data build` with two processes, in each of which writing shard 2 does ``action``."""

    def start(action):
        script = tmp_path / "script.py"
        script.write_text(textwrap.dedent(SCRIPT).format(action=action))
        arguments = ["data", "build", "--input", corpus, "--vocab", vocab, "--processes", "2"]
        arguments += ["--output", tmp_path / "out", "--max-seq-length", "32"]
        return subprocess.Popen(
            [sys.executable, script, *arguments],
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            # A background job of a shell ignores Ctrl-C, and so would its children.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    return start


@pytest.mark.parametrize(
    ("action", "message"),
    [
        ("raise OSError(errno.ENOSPC, 'No space left on device')", "the disk is full"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "a worker process died"),
    ],
)
def test_failures_in_a_worker(tmp_path, corpus, vocab, small_units, start_script, action, message):
    process = start_script(action)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    last = errors.strip().splitlines()[-1]
    assert last.startswith("paddle-electra: error:") and message in last
    assert "Traceback" not in errors
    assert not (tmp_path / "out" / "shard-00002.json").exists()

    kept = {path.stem for path in (tmp_path / "out").glob("shard-*.json")}
    assert kept
    build.run(options(tmp_path, corpus, vocab)).verify()
    build.run(options(tmp_path, corpus, vocab, output=tmp_path / "whole"))
    assert shard_files(tmp_path / "out") == shard_files(tmp_path / "whole")


def wait_for(path, process):
    deadline = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)


def test_workers_end_with_a_killed_parent(tmp_path, start_script):
    reached = tmp_path / "reached"
    process = start_script(f"open({str(reached)!r}, 'w').close(); time.sleep(60)")
    wait_for(reached, process)
    process.kill()
    process.communicate(timeout=20)  # returns when the last worker has let go of the pipe


def test_interrupted_with_workers(tmp_path, corpus, vocab, small_units, start_script):
    reached = tmp_path / "reached"
    process = start_script(f"open({str(reached)!r}, 'w').close(); time.sleep(2)")
    wait_for(reached, process)
    os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "the same command goes on from here" in errors
    assert "Traceback" not in errors
    assert not (tmp_path / "out" / "dataset.json").exists()
    build.run(options(tmp_path, corpus, vocab)).verify()


def test_units_follow_the_documents(tmp_path, monkeypatch):
    monkeypatch.setattr(division, "SMALLEST_UNIT", 5_000)
    documents = make_documents(300)
    (tmp_path / "a.txt").write_bytes(as_text(documents))
    paths = [tmp_path / "a.txt"]
    for number in range(40):
        paths.append(tmp_path / f"small{number}.txt")
        paths[-1].write_bytes(as_text(make_documents(3, number)))
    (tmp_path / "packed.gz").write_bytes(gzip.compress(as_text(documents)))
    paths.append(tmp_path / "packed.gz")
    files = division.describe_files(paths)
    planned = division.plan_units(files)
    pieces = [piece for unit in planned for piece in unit]
    assert [piece.file for piece in pieces] == sorted(piece.file for piece in pieces)
    assert {piece.file for piece in pieces} == set(range(len(files)))
    large = [piece for piece in pieces if piece.file == 0]
    assert large[0].start == 0 and large[-1].end == files[0].size
    assert all(a.end == b.start for a, b in itertools.pairwise(large))
    content = paths[0].read_bytes()
    assert all(content[: piece.start].endswith(b"\n\n") for piece in large[1:])
    assert pieces[-1] == division.Piece(len(files) - 1, 0, None)
    sizes = [sum(p.end - p.start for p in unit) for unit in planned if unit[-1].end is not None]
    assert max(sizes) < 3 * 5_000
    assert min(sizes[:-1]) > 2_000
    assert division.plan_units(files) == planned


def test_preview_shows_both_segments_and_the_statistics(tmp_path, corpus, vocab, capsys):
    build.run(options(tmp_path, corpus, vocab))
    capsys.readouterr()
    arguments = ["data", "preview", "--data", str(tmp_path / "out"), "--number", "20"]
    assert cli.main(arguments) == 0
    shown = capsys.readouterr().out
    assert shown.count("[CLS]") == 20
    assert shown.count("[SEP]") > 20
    assert "two segments" in shown
    assert cli.main([*arguments, "--seed", "1"]) == 0
    assert capsys.readouterr().out != shown

    (tmp_path / "out" / "vocab.txt").write_text((tmp_path / "words.txt").read_text() + "新\n")
    assert cli.main(arguments) == 2
    assert "another vocabulary" in capsys.readouterr().err
