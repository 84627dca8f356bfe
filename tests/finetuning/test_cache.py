"""The cache of features: the same features come back, and nothing wrong with it ends a run."""

import dataclasses
import errno
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from finetuning_data import CHARACTERS

from paddle_electra.finetuning import cache
from paddle_electra.finetuning.cache import cached_features, default_folder, join, pieces
from paddle_electra.finetuning.classification import SequenceClassification
from paddle_electra.finetuning.questions import Answer, Question
from paddle_electra.finetuning.readers import Example
from paddle_electra.finetuning.reading import ReadingComprehension
from paddle_electra.finetuning.tasks import get_task
from paddle_electra.text.tokenizer import ElectraTokenizer

ROOT = Path(__file__).resolve().parents[2]
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
TEXTS = [CHARACTERS[:5], "我A", CHARACTERS * 2, " "]
CONTEXT = "我们 在中国，Abc大学 有人。" * 8
LONG = CHARACTERS * 4


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return write_vocab(tmp_path_factory.mktemp("vocab"))


def write_vocab(folder, more=(), **settings):
    tokens = [*SPECIAL, "学", "，", "。", *CHARACTERS, "ab", "##c", *more]
    (folder / "vocab.txt").write_text("".join(f"{token}\n" for token in tokens), "utf-8")
    return ElectraTokenizer(folder / "vocab.txt", **settings)


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "train.tsv"
    path.write_text("what the examples were read from", "utf-8")
    return path


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache" / "features"


def classification(tokenizer, name="chnsenticorp", length=16, **changes):
    task = dataclasses.replace(get_task(name), **changes)
    return SequenceClassification(task, tokenizer, length)


def reading(tokenizer, length=40, **changes):
    settings = {"max_query_length": 8, "doc_stride": 10, "spans": "offsets", **changes}
    return ReadingComprehension(
        get_task("cmrc2018"), tokenizer, length, SimpleNamespace(**settings)
    )


def singles(label="1"):
    return [Example(number + 2, text, None, label) for number, text in enumerate(TEXTS)]


def questions():
    return [
        Question("good", "谁在中国", CONTEXT, (Answer("中国", 4),)),
        Question("late", "他在大学的年子里说了道了", CONTEXT, (Answer("Abc大学 有", 7),)),
        Question("none", "到", CONTEXT, (), True),
        Question("shifted", "和", LONG, (Answer("人我", 3),)),
        Question("lost \ud800", "的", LONG, (Answer("他好", 0),)),
        Question("silent", "", LONG, (Answer("的", 0),)),
    ]


def same(one, other):
    """Equal in every field, type and data type included."""
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if dataclasses.is_dataclass(one):
        names = [field.name for field in dataclasses.fields(one)]
        return all(same(getattr(one, name), getattr(other, name)) for name in names)
    return one == other


def from_cache(kind, *args):
    """`cached_features`, which may not compute them."""

    def prepare(examples, split):
        raise AssertionError("computed")

    kind.prepare = prepare
    try:
        return cached_features(kind, *args)
    finally:
        del kind.prepare


def files(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("name", "examples"),
    [
        ("chnsenticorp", singles()),
        ("chnsenticorp", singles(label=None)),
        ("chnsenticorp", [*singles("0"), *singles(None)]),
        ("lcqmc", [Example(1, "我", "他们", "0"), Example(2, *TEXTS[1:3], "1")]),
        ("lcqmc", [Example(1, TEXTS[2], TEXTS[2], "1"), Example(2, "我", "", "0")]),
        ("chnsenticorp", []),
    ],
)
def test_classification_comes_back(tokenizer, source, folder, name, examples):
    kind = classification(tokenizer, name)
    computed = kind.prepare(examples, "train")
    assert same(cached_features(kind, examples, "train", source, folder), computed)
    assert len(files(folder)) == 1
    assert same(from_cache(kind, examples, "train", source, folder), computed)


@pytest.mark.parametrize("spans", ["offsets", "hfl"])
@pytest.mark.parametrize("split", ["train", "dev"])
def test_windows_come_back(tokenizer, source, folder, spans, split):
    kind, examples = reading(tokenizer, spans=spans), questions()
    computed = cached_features(kind, examples, split, source, folder)
    assert len(computed) > len(examples)
    assert len({id(window.document) for window in computed}) == 2
    assert any(window.is_impossible for window in computed)
    assert any(window.end for window in computed) == (split == "train")
    found = from_cache(kind, examples, split, source, folder)
    assert same(found, computed)
    assert len({id(window.document) for window in found}) == 2
    assert len(files(folder)) == 1


@pytest.mark.parametrize("spans", ["offsets", "hfl"])
def test_what_was_wrong_with_answers_is_said_again(tokenizer, source, folder, spans, capsys):
    kind, examples = reading(tokenizer, spans=spans), questions()[:4]
    examples.append(Question("lost", "的", LONG, (Answer("他好", 0),)))
    cached_features(kind, examples, "train", source, folder)
    first = capsys.readouterr()
    assert "of 5 questions" in first.out
    assert "(lost)" in first.out
    from_cache(kind, examples, "train", source, folder)
    assert capsys.readouterr() == first
    cached_features(kind, examples, "dev", source, folder)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("spans", ["offsets", "hfl"])
def test_a_split_without_windows_comes_back(tokenizer, source, folder, spans):
    kind = reading(tokenizer, spans=spans)
    examples = [Question("lost", "的", LONG, (Answer("好", 0),))]
    computed = cached_features(kind, examples, "train", source, folder)
    assert computed == []
    assert same(from_cache(kind, examples, "train", source, folder), computed)


def test_every_part_of_the_key_counts(tokenizer, source, folder, tmp_path, monkeypatch):
    examples = singles()
    seen = set()

    def is_new(kind, split="train", examples=examples, settings=None):
        cached_features(kind, examples, split, source, folder, settings or {"rows": "strict"})
        before = set(seen)
        seen.update(files(folder))
        return len(seen) == len(before) + 1

    assert is_new(classification(tokenizer))
    assert not is_new(classification(tokenizer))
    assert is_new(classification(tokenizer), split="dev")
    assert is_new(classification(tokenizer), split="test")
    assert is_new(classification(tokenizer), settings={"rows": "hfl"})
    assert is_new(classification(tokenizer), examples=singles("0"))
    assert is_new(classification(tokenizer), examples=examples[:-1])
    assert is_new(classification(tokenizer, length=15))
    assert is_new(classification(tokenizer, labels=("1", "0")))
    assert is_new(classification(tokenizer, kind="pair-cls"))
    other = tmp_path / "other"
    other.mkdir()
    assert is_new(classification(write_vocab(other, more=["好"])))
    assert is_new(classification(write_vocab(other, do_lower_case=False)))
    source.write_text("another file", "utf-8")
    assert is_new(classification(tokenizer))
    monkeypatch.setattr(cache, "FORMAT", cache.FORMAT + 1)
    assert is_new(classification(tokenizer))
    asked = questions()
    assert is_new(reading(tokenizer), examples=asked)
    assert is_new(reading(tokenizer), split="dev", examples=asked)
    assert is_new(reading(tokenizer, max_query_length=7), examples=asked)
    assert is_new(reading(tokenizer, doc_stride=9), examples=asked)
    assert is_new(reading(tokenizer, spans="hfl"), examples=asked)
    assert not is_new(reading(tokenizer, n_best_size=3), examples=asked)


def test_no_folder_no_cache_and_a_kind_may_stay_out(tokenizer, source, folder, monkeypatch):
    monkeypatch.setattr(cache, "_store", lambda *_: pytest.fail("written"))
    kind = classification(tokenizer)
    computed = kind.prepare(singles(), "train")
    assert same(cached_features(kind, singles(), "train", source, None), computed)
    other = SimpleNamespace(prepare=lambda examples, split: [split, *examples])
    assert cached_features(other, [1], "dev", source, folder) == ["dev", 1]
    assert not folder.exists()


def flip(path, place):
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: flip(path, -1),
        lambda path: flip(path, 3),
        lambda path: flip(path, 40),
        lambda path: flip(path, path.stat().st_size // 2),
        lambda path: os.truncate(path, path.stat().st_size - 1),
        lambda path: os.truncate(path, path.stat().st_size // 2),
        lambda path: os.truncate(path, 5),
        lambda path: os.truncate(path, 0),
    ],
)
@pytest.mark.parametrize("make", [classification, reading])
def test_a_damaged_file_is_made_anew(tokenizer, source, folder, make, damage, capsys):
    kind, examples = make(tokenizer), singles() if make is classification else questions()
    args = (examples, "dev", source, folder)
    computed = cached_features(kind, *args)
    (path,) = folder.iterdir()
    whole = path.read_bytes()
    damage(path)
    capsys.readouterr()
    assert same(cached_features(kind, *args), computed)
    (note,) = capsys.readouterr().err.splitlines()
    assert note.startswith(f"note: {path}: damaged")
    assert path.read_bytes() == whole
    assert same(from_cache(kind, *args), computed)


def test_no_flipped_bit_changes_features(tokenizer, source, folder):
    kind, args = classification(tokenizer), (singles(), "train", source, folder)
    computed = cached_features(kind, *args)
    (path,) = folder.iterdir()
    whole = path.read_bytes()
    for place in range(0, len(whole), 3):
        flip(path, place)
        assert same(cached_features(kind, *args), computed), place
        path.write_bytes(whole)


def test_a_file_of_other_features_is_not_taken(tokenizer, source, folder, capsys):
    kind = classification(tokenizer)
    cached_features(kind, singles("0"), "train", source, folder)
    (other,) = folder.iterdir()
    key = cache.make_key(kind, singles("1"), "train", source, {})
    other.rename(folder / f"{key[:32]}.safetensors")
    features = cached_features(kind, singles("1"), "train", source, folder)
    assert {feature.label for feature in features} == {1}
    assert "it holds other features" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_ends_nothing(tokenizer, source, tmp_path, capsys):
    kind = classification(tokenizer)
    (tmp_path / "file").write_text("in the way", "utf-8")
    folder = tmp_path / "file" / "features"
    assert len(cached_features(kind, singles(), "train", source, folder)) == len(singles())
    (note,) = capsys.readouterr().err.splitlines()
    assert note.startswith(f"note: {folder}: features are not kept for the next run (Not a dir")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder(tokenizer, source, folder, capsys):
    kind = classification(tokenizer)
    computed = cached_features(kind, singles(), "train", source, folder)
    folder.chmod(0o500)
    try:
        assert same(from_cache(kind, singles(), "train", source, folder), computed)
        assert capsys.readouterr().err == ""
        assert len(cached_features(kind, singles(), "dev", source, folder)) == len(singles())
        assert "Permission denied" in capsys.readouterr().err
    finally:
        folder.chmod(0o700)


def test_a_full_disk_leaves_nothing_behind(tokenizer, source, folder, monkeypatch, capsys):
    def fill(path, tensors):
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(cache, "write", fill)
    kind = classification(tokenizer)
    assert len(cached_features(kind, singles(), "train", source, folder)) == len(singles())
    assert "(No space left on device)" in capsys.readouterr().err
    assert files(folder) == []


def test_threads_that_write_the_same_file(tokenizer, source, folder, capsys):
    kind = classification(tokenizer)
    computed = kind.prepare(singles(), "train")
    ready, found = threading.Barrier(6), []

    def work():
        ready.wait()
        for _ in range(5):
            found.append(cached_features(kind, singles(), "train", source, folder))
            for path in folder.glob("[!.]*"):
                path.unlink(missing_ok=True)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 30
    assert all(same(features, computed) for features in found)
    assert files(folder) == []
    assert "not kept" not in capsys.readouterr().err


_PROCESS = """
import sys
from types import SimpleNamespace
import numpy as np
from paddle_electra.finetuning import cache

source, folder = sys.argv[1:]
task, tokenizer = SimpleNamespace(kind="any", labels=None), SimpleNamespace(fingerprint="x")
kind = SimpleNamespace(
    task=task, tokenizer=tokenizer, max_seq_length=8,
    prepare=lambda examples, split: np.arange(400_000),
    pack=lambda features: {"all": features},
    unpack=lambda arrays, examples: arrays["all"],
)
print("ready", flush=True)
sys.stdin.readline()
for _ in range(20):
    features = cache.cached_features(kind, [], "train", source, folder)
    assert np.array_equal(features, np.arange(400_000))
    key = cache.make_key(kind, [], "train", source, {})
    cache._store(cache.Path(folder) / f"{key[:32]}.safetensors", key, {"all": features})
"""


def test_processes_that_write_the_same_file(source, folder):
    command = [sys.executable, "-c", _PROCESS, str(source), str(folder)]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    processes = [subprocess.Popen(command, cwd=ROOT, text=True, **pipes) for _ in range(2)]
    assert [process.stdout.readline() for process in processes] == ["ready\n"] * 2
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        assert "note:" not in errors
    assert len(files(folder)) == 1


def test_the_least_recently_used_files_go(tokenizer, source, folder, monkeypatch):
    kind = classification(tokenizer)
    names = []
    for number, split in enumerate(("0", "1", None)):
        cached_features(kind, singles(split), "train", source, folder)
        (name,) = set(files(folder)) - set(names)
        names.append(name)
        os.utime(folder / name, (1000 + number, 1000 + number))
    for name in ("notes.txt", "model.safetensors"):
        (folder / name).write_bytes(b"not ours" * 1000)
    from_cache(kind, singles("0"), "train", source, folder)  # now the newest
    sizes = sum((folder / name).stat().st_size for name in names)
    monkeypatch.setattr(cache, "LIMIT_BYTES", sizes)
    cached_features(kind, singles("1"), "dev", source, folder)
    left = set(files(folder))
    assert names[1] not in left
    assert {names[0], names[2], "notes.txt", "model.safetensors"} < left
    assert len(left) == 5
    # The one just written stays, however small the limit.
    monkeypatch.setattr(cache, "LIMIT_BYTES", 1)
    cached_features(kind, singles("0"), "dev", source, folder)
    (last,) = set(files(folder)) - {"notes.txt", "model.safetensors"}
    assert last not in left


def test_what_a_killed_process_left_goes_after_a_day(tokenizer, source, folder):
    folder.mkdir(parents=True)
    old, fresh = (folder / f".{digit * 32}.safetensors.abc.tmp" for digit in "ab")
    other = folder / ".other.tmp"
    for path in (old, fresh, other):
        path.write_bytes(b"half")
    for path in (old, other):
        os.utime(path, (time.time() - 2 * 24 * 3600,) * 2)
    cached_features(classification(tokenizer), singles(), "train", source, folder)
    assert not old.exists()
    assert fresh.exists()
    assert other.exists()


def test_where_the_cache_lies(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("PADDLE_ELECTRA_CACHE", raising=False)
    assert default_folder() == tmp_path / ".cache/paddle-electra/features"
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert default_folder() == Path("/somewhere/paddle-electra/features")
    monkeypatch.setenv("PADDLE_ELECTRA_CACHE", "~/mine")
    assert default_folder() == tmp_path / "mine/features"
    monkeypatch.setenv("PADDLE_ELECTRA_CACHE", "")
    assert default_folder() is None


def test_pieces_must_add_up():
    flat, lengths = join([[1, 2], [], [3]], np.int32)
    assert json.dumps([part.tolist() for part in pieces(flat, lengths)]) == "[[1, 2], [], [3]]"
    with pytest.raises(ValueError, match="do not add up"):
        pieces(flat, lengths[:-1])
