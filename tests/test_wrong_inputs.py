"""What people get wrong: one line that names the culprit, exit code 2, nothing destroyed."""

import errno
import gzip
import json
import os
import re
import shutil
from pathlib import Path

import pytest
from good_things import BUILD, SMALL, call, write_reviews

from paddle_electra.pretraining import shards as shard_files

# A progress bar is no message: "shards:  40%|", "counting: 0.00B [00:00, ?B/s]".
BAR = re.compile(r"\d+%\||\[\d\d:\d\d")


@pytest.fixture
def answer(made, tmp_path, capsys):
    """answer(line) -> the one message on standard error of a command that must be refused.

    ``{made}`` in the line is the folder of good things, ``{tmp}`` the test's own.
    """

    def _answer(line, **places):
        capsys.readouterr()
        assert call(line, made=made, tmp=tmp_path, **places) == 2, capsys.readouterr()
        lines = capsys.readouterr().err.replace("\r", "\n").split("\n")
        (message,) = [line for line in lines if line.strip() and not BAR.search(line)]
        assert message.startswith("paddle-electra: error: ")
        return message.removeprefix("paddle-electra: error: ")

    return _answer


VOCAB = "vocab --input {made}/corpus --output {tmp}/vocab.txt"
PRETRAIN = f"pretrain --data {{made}}/shards --output {{tmp}}/out {SMALL}"
FINETUNE = (
    "finetune --task chnsenticorp --model {made}/model --data {made}/reviews --output {tmp}/out"
)
MODULE = "module build --model {made}/model --name chinese-mine --output {tmp}/out"


def short(value):
    """The name of a test: the words of the command, and the option at the end of the line."""
    if isinstance(value, str) and " --" in value:
        start, *_, end = value.split(" --")
        return f"{start} {end}" if " " not in end else start
    return None


READERS_OF_FOLDERS = [
    f"{BUILD} --input",
    f"{VOCAB} --input",
    f"{PRETRAIN} --data",
    f"{FINETUNE} --model",
    f"{FINETUNE} --data",
    f"{MODULE} --model",
    "data preview --data",
]


@pytest.mark.parametrize("command", READERS_OF_FOLDERS, ids=short)
def test_a_missing_folder(answer, tmp_path, command):
    assert f"{tmp_path}/nowhere: no such f" in answer(f"{command} {{tmp}}/nowhere")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", READERS_OF_FOLDERS, ids=short)
def test_an_empty_folder_in_its_place(answer, tmp_path, command):
    (tmp_path / "empty").mkdir()
    message = answer(f"{command} {{tmp}}/empty")
    assert str(tmp_path / "empty") in message
    assert re.search(r"no file named|no dataset.json|no model found|no train.tsv", message)


@pytest.mark.parametrize("command", READERS_OF_FOLDERS, ids=short)
def test_a_file_in_the_place_of_a_folder(answer, tmp_path, command):
    (tmp_path / "file").write_text("hello")
    message = answer(f"{command} {{tmp}}/file")
    assert str(tmp_path / "file") in message
    assert re.search(r"expected a f|no model found", message)


@pytest.mark.parametrize("command", [BUILD, VOCAB, PRETRAIN, FINETUNE, MODULE, "demo"], ids=short)
def test_a_file_where_the_output_should_go(answer, tmp_path, command):
    (tmp_path / "file").write_text("important")
    assert str(tmp_path / "file") in answer(f"{command} --output {{tmp}}/file/deeper")
    if command != VOCAB:  # whose output is a file, replaced by the new one
        assert str(tmp_path / "file") in answer(f"{command} --output {{tmp}}/file")
    assert (tmp_path / "file").read_text() == "important"


@pytest.mark.parametrize("command", [BUILD, VOCAB, PRETRAIN, FINETUNE, MODULE, "demo"], ids=short)
def test_an_output_that_may_not_be_written(answer, tmp_path, command, monkeypatch):
    locked = str(tmp_path / "locked")

    make = Path.mkdir

    def guarded(path, *arguments, **named):  # root may write everywhere, so it is simulated
        if str(path).startswith(locked):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        make(path, *arguments, **named)

    monkeypatch.setattr(Path, "mkdir", guarded)
    message = answer(f"{command} --output {{tmp}}/locked/out")
    assert message.startswith(locked)
    assert "ermission denied" in message


@pytest.mark.parametrize("command", [BUILD, FINETUNE, "demo"], ids=short)
def test_an_output_folder_with_somebodys_files(answer, tmp_path, command):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.txt").write_text("important")
    assert "home" in answer(f"{command} --output {{tmp}}/home")
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("command", [BUILD, VOCAB], ids=short)
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no(t a byte of)? text"),
        (b"\n \n\xe3\x80\x80\n", "no text"),
        (bytes(range(256)) * 8, "a zero byte at byte 0: a binary file"),
        ("天地".encode("utf-16"), "not UTF-8 text at byte 0"),
        ("天地\n".encode("gb18030"), "not UTF-8 text at byte 0"),
        (b"abc\n" * 3 + b"\xff", "not UTF-8 text at byte 12"),
    ],
)
def test_a_corpus_that_is_empty_or_no_text(answer, tmp_path, command, content, message):
    path = tmp_path / "corpus.txt"
    path.write_bytes(content)
    found = answer(f"{command} --input {{tmp}}/corpus.txt")
    assert found.startswith(str(path))
    assert re.search(message, found)


@pytest.mark.parametrize("command", [BUILD, VOCAB], ids=short)
def test_packed_and_json_files_that_are_not_what_they_are_called(answer, tmp_path, command):
    (tmp_path / "a.txt.gz").write_text("not packed\n")
    assert "a.txt.gz: not a whole gzip file" in answer(f"{command} --input {{tmp}}/a.txt.gz")
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress("天地\n".encode() * 999)[:-9])
    assert "a.txt.gz: not a whole gzip file" in answer(f"{command} --input {{tmp}}/a.txt.gz")
    (tmp_path / "a.jsonl").write_text('{"text": "天"}\n{"content": "地"}\n', "utf-8")
    assert "a.jsonl: line 2: expected a JSON object" in answer(f"{command} --input {{tmp}}/a.jsonl")
    (tmp_path / "a.docx").write_bytes(b"PK")
    assert "a.docx: expected a file named *.txt" in answer(f"{command} --input {{tmp}}/a.docx")


def test_a_corpus_can_be_mended_and_built_again(answer, made, tmp_path):
    path = tmp_path / "corpus.txt"
    path.write_bytes("天地\n".encode("gb18030"))
    line = f"{BUILD} --input {{tmp}}/corpus.txt"
    assert "not UTF-8" in answer(line)
    path.write_bytes("天地\n".encode())
    assert call(line, made=made, tmp=tmp_path) == 0


def test_a_vocabulary_never_overwrites_a_text(answer, tmp_path):
    path = tmp_path / "novel.txt"
    path.write_text("天地玄黄\n", "utf-8")
    for source in ("{tmp}/novel.txt", "{tmp}"):
        message = answer(f"{VOCAB} --input {source} --output {{tmp}}/novel.txt")
        assert message.startswith(f"--output {path}: this is one of the input texts")
    assert path.read_text("utf-8") == "天地玄黄\n"


@pytest.mark.parametrize("token", ["[MASK]", "[PAD]", "[UNK]", "[CLS]", "[SEP]"])
def test_a_vocabulary_without_a_special_token(answer, made, tmp_path, token):
    text = (made / "vocab.txt").read_text("utf-8").replace(f"{token}\n", "")
    (tmp_path / "v.txt").write_text(text, "utf-8")
    message = answer(f"{BUILD} --vocab {{tmp}}/v.txt")
    assert message.startswith(f"{tmp_path}/v.txt: {token} is missing")
    assert not (tmp_path / "out").exists()


def test_other_bad_vocabularies(answer, made, tmp_path):
    assert "nowhere: no such vocabulary file" in answer(f"{BUILD} --vocab {{tmp}}/nowhere")
    assert "this is a folder" in answer(f"{BUILD} --vocab {{made}}/model")
    (tmp_path / "v.txt").write_text("")
    assert "v.txt: the vocabulary is empty" in answer(f"{BUILD} --vocab {{tmp}}/v.txt")
    weights = "{made}/model/discriminator.safetensors"
    assert "is not UTF-8; a vocabulary is" in answer(f"{BUILD} --vocab {weights}")
    assert "the vocabulary is among the input" in answer(f"{BUILD} --input {{made}}/vocab.txt")


def test_shards_of_another_vocabulary(answer, made, run_folder, tmp_path):
    text = (made / "vocab.txt").read_text("utf-8")
    (tmp_path / "v.txt").write_text(text + "甲\n", "utf-8")
    line = BUILD.replace("{made}/vocab.txt", "{tmp}/v.txt") + " --max-seq-length 32"
    assert call(line, made=made, tmp=tmp_path) == 0
    before = sorted(run_folder.rglob("*"))
    message = answer(f"{PRETRAIN} --data {{tmp}}/out --output {{made}}/run")
    assert message.startswith(f"{tmp_path}/out: ")
    assert "another vocabulary" in message
    assert sorted(run_folder.rglob("*")) == before
    # The same line of the table means something else in a vocabulary that was put in its place.
    shutil.copyfile(made / "vocab.txt", tmp_path / "out" / "vocab.txt")
    assert "were built with another vocabulary" in answer("data preview --data {tmp}/out")


@pytest.mark.parametrize("command", [FINETUNE, MODULE], ids=short)
def test_a_model_with_a_vocabulary_that_is_not_its_own(answer, made, tmp_path, command):
    shutil.copytree(made / "model", tmp_path / "model")
    with open(tmp_path / "model" / "vocab.txt", "a", encoding="utf-8") as handle:
        handle.write("甲\n乙\n")
    message = answer(f"{command} --model {{tmp}}/model")
    assert message.startswith(f"{tmp_path}/model/vocab.txt: ")
    assert re.search(r"\d+ tokens, but the model has embeddings for \d+", message)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["0\t好", "good\t好"], "row 3: label 'good' is outside the label set 0, 1"),
        (["0\t好", "1\t好", "2\t好"], "row 4: label '2' is outside the label set 0, 1"),
        (["0\t好", "1"], "row 3: 1 column, expected 2 separated by tabs"),
        (["0\t好\t坏"], "row 2: 3 columns, expected 2 separated by tabs (a tab inside a text?)"),
        (["0,好"], "row 2: 1 column, expected 2 separated by tabs"),
        (["0\t"], "row 2: text_a is empty"),
        (["0\t好", "", "1\t好"], "row 3: 1 column, expected 2"),
        ([], "no rows of data; expected the columns label, text_a"),
    ],
)
@pytest.mark.parametrize("split", ["train", "dev"])
def test_bad_rows_of_reviews(answer, made, tmp_path, split, rows, message):
    shutil.copytree(made / "reviews", tmp_path / "data")
    write_reviews(tmp_path / "data" / f"{split}.tsv", rows)
    found = answer(f"{FINETUNE} --data {{tmp}}/data")
    assert found.startswith(f"{tmp_path}/data/{split}.tsv: {message}")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no rows of data"),
        ("label\ttext_a\n0\t好\n".encode("gb18030"), "row 2: not UTF-8 text"),
        (b"\x00\xff" * 99, "row 1: not UTF-8 text"),
        (b"review,sentiment\n", "row 1: "),
    ],
)
def test_review_files_of_another_kind(answer, made, tmp_path, content, message):
    shutil.copytree(made / "reviews", tmp_path / "data")
    (tmp_path / "data" / "train.tsv").write_bytes(content)
    found = answer(f"{FINETUNE} --data {{tmp}}/data")
    assert found.startswith(f"{tmp_path}/data/train.tsv: {message}")


def test_more_tokens_than_positions(answer, made, tmp_path):
    message = answer(f"{FINETUNE} --max-seq-length 1024")
    assert message.startswith("--max-seq-length 1024: ")
    assert "has 512 positions; give at most 512" in message
    line = f"{BUILD} --max-seq-length 1024"
    assert call(line, made=made, tmp=tmp_path) == 0
    message = answer(f"{PRETRAIN} --data {{tmp}}/out --output {{tmp}}/run")
    assert message.startswith(f"{tmp_path}/out: examples have up to 1024 tokens")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("command", [PRETRAIN, FINETUNE], ids=short)
@pytest.mark.parametrize("key", ["learning_rat", "learning-rat"])
def test_an_unknown_hyperparameter(answer, tmp_path, command, key):
    wanted = f"unknown hyperparameter or option '{key}'; did you mean 'learning_rate'?"
    assert wanted in answer(f"{command} --{key} 1")
    text = json.dumps({key: 1}, separators=(",", ":"))
    message = answer(f"{command} --hparams {{text}}", text=text)
    assert message == f"--hparams {text}: {wanted}"
    (tmp_path / "h.json").write_text(text)
    message = answer(f"{command} --hparams {{tmp}}/h.json")
    assert "h.json" in message or "..." in message
    assert wanted in message
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{learning_rate=1}", "--hparams {learning_rate=1}: not JSON"),
        ("learning_rate=1", "--hparams learning_rate=1: no such file; JSON text begins with {"),
        ('{"learning_rate":"fast"}', "--learning-rate: expected a number, got 'fast'"),
        ('{"train_batch_size":1.5}', "--train-batch-size: expected a whole number, got 1.5"),
        ("{tmp}", "expected a JSON file, this is a folder"),
    ],
)
def test_hparams_that_do_not_parse(answer, tmp_path, text, message):
    text = str(tmp_path) if text == "{tmp}" else text
    assert message in answer(f"{PRETRAIN} --hparams {{text}}", text=text)


def test_disk_full_during_a_shard(answer, made, tmp_path, monkeypatch):
    def full(self):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(shard_files.ShardWriter, "flush", full)
        message = answer(BUILD)
    assert re.match(rf"{tmp_path}/out/shard-00000\.\w+: the disk is full", message)
    left = {path.name for path in (tmp_path / "out").iterdir()}
    assert left == {"build.json", "vocab.txt"}
    assert "the build is not finished" in answer("data preview --data {tmp}/out")
    assert call(BUILD, made=made, tmp=tmp_path) == 0  # once there is space


@pytest.mark.parametrize("command", [VOCAB, PRETRAIN, FINETUNE, MODULE], ids=short)
def test_disk_full_elsewhere(answer, tmp_path, command, monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    message = answer(command)
    assert message.startswith(str(tmp_path))
    assert "the disk is full" in message


def change_config(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize("command", [FINETUNE, MODULE], ids=short)
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden_size": 64}, "has shape .* the model needs .* a checkpoint of another size"),
        ({"num_hidden_layers": 3}, r"tensor '\S*layers\.2\..*' is missing"),
        ({"num_hidden_layers": 1}, r"tensor '\S*layers\.1\..*' is not part of this model"),
        ({"hidden_size": "64"}, r"config\.json: hidden_size: expected a whole number"),
    ],
)
def test_a_checkpoint_of_another_size(answer, made, tmp_path, command, changes, message):
    shutil.copytree(made / "model", tmp_path / "model")
    change_config(tmp_path / "model", **changes)
    found = answer(f"{command} --model {{tmp}}/model")
    assert found.startswith(f"{tmp_path}/model")
    assert re.search(message, found)


def test_a_run_continued_at_another_size(answer, run_folder):
    message = answer(f"{PRETRAIN} --output {{made}}/run --hidden-size 32")
    assert message.startswith(f"{run_folder} holds a run with hidden_size=16, now it is 32")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("optimizer.safetensors", "optimizer.safetensors is missing; a run cannot be resumed"),
        ("training.json", "training.json is missing; a run cannot be resumed"),
        ("discriminator.safetensors", "discriminator.safetensors is missing"),
    ],
)
def test_a_run_whose_checkpoint_lacks_a_file(answer, made, tmp_path, name, message):
    line = f"{PRETRAIN} --save-checkpoints-steps 1 --keep-checkpoint-max 9"
    assert call(line, made=made, tmp=tmp_path) == 0
    oldest, newest = sorted((tmp_path / "out" / "checkpoints").iterdir())
    shutil.rmtree(newest)
    (oldest / name).unlink()
    assert answer(line).startswith(f"{oldest}: {message}")


@pytest.mark.parametrize("command", [FINETUNE, MODULE], ids=short)
@pytest.mark.parametrize("missing", ["vocab.txt", "discriminator.safetensors", "config.json"])
def test_a_model_folder_with_a_file_missing(answer, made, tmp_path, command, missing):
    shutil.copytree(made / "model", tmp_path / "model")
    (tmp_path / "model" / missing).unlink()
    message = answer(f"{command} --model {{tmp}}/model")
    assert message.startswith(f"{tmp_path}/model: ")
    assert missing in message


@pytest.mark.parametrize("command", [FINETUNE, MODULE], ids=short)
def test_a_model_whose_download_was_cut(answer, made, tmp_path, command):
    shutil.copytree(made / "model", tmp_path / "model")
    path = tmp_path / "model" / "discriminator.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    assert answer(f"{command} --model {{tmp}}/model").startswith(f"{path}: not a readable")


def test_a_pretrained_model_cannot_be_scored(answer):
    assert "has no task.json, so it is not fine-tuned" in answer(f"{FINETUNE} --no-do-train")


def test_shards_cut_or_taken_apart(answer, made, tmp_path):
    folder = tmp_path / "shards"
    shutil.copytree(made / "shards", folder)
    tokens = folder / "shard-00000.tokens"
    tokens.write_bytes(tokens.read_bytes()[:-2])
    for command in (PRETRAIN, "data preview"):
        assert answer(f"{command} --data {{tmp}}/shards").startswith(f"{tokens}: ")
    tokens.unlink()
    assert "shard-00000.tokens: this shard is missing" in answer("data preview --data {tmp}/shards")
    (folder / "dataset.json").write_text("[]")
    assert "not the description of pretraining" in answer("data preview --data {tmp}/shards")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (f"{PRETRAIN} --train-batch-size -4", "--train-batch-size -4: expected at least 1"),
        (f"{PRETRAIN} --train-batch-size 0", "--train-batch-size 0: expected at least 1"),
        (f"{PRETRAIN} --num-train-steps 0", "--num-train-steps 0: expected at least 1"),
        (f"{PRETRAIN} --num-train-steps -1", "--num-train-steps -1: expected at least 1"),
        (f"{PRETRAIN} --num-warmup-steps 3", "--num-warmup-steps 3: the rate would still be"),
        (f"{PRETRAIN} --num-warmup-steps -1", "--num-warmup-steps -1: expected"),
        (f"{PRETRAIN} --mask-prob 1.5", "--mask-prob 1.5: expected"),
        (f"{PRETRAIN} --learning-rate nan", "--learning-rate nan: expected"),
        (f"{PRETRAIN} --hidden-size 0", "pretrain: --hidden-size 0: expected at least 1"),
        (f"{PRETRAIN} --num-hidden-layers 0", "pretrain: --num-hidden-layers 0: expected at"),
        (f"{PRETRAIN} --num-attention-heads 3", "hidden_size 16 is not a multiple of num_att"),
        (f"{PRETRAIN} --seed -1", "pretrain: --seed -1: expected from 0 to"),
        (f"{PRETRAIN} --model-size tny", "pretrain: --model-size: 'tny' is not one of tiny, small"),
        (f"{PRETRAIN} --device tpu", "--device tpu: "),
        (f"{PRETRAIN} --gradient-accumulation-steps 5", "--gradient-accumulation-steps 5: more"),
        (f"{FINETUNE} --train-batch-size -4", "--train-batch-size -4: expected at least 1"),
        (f"{FINETUNE} --num-train-epochs 0", "--num-train-epochs 0.0 is less than one step"),
        (f"{FINETUNE} --num-train-epochs -1", "--num-train-epochs -1.0: expected at least 0"),
        (f"{FINETUNE} --learning-rate 3", "--learning-rate 3.0: expected from 0 to 1"),
        (f"{FINETUNE} --max-seq-length 2", "--max-seq-length 2: expected at least 3"),
        (f"{FINETUNE} --seed -1", "finetune: --seed -1: expected from 0 to"),
        (
            f"{FINETUNE} --task imdb",
            "unknown task 'imdb'; there are: cmrc2018, drcd, xnli, lcqmc, bqcorpus, chnsenticorp",
        ),
        (f"{FINETUNE} --keep best --no-do-eval", "--keep best needs the scores of the dev split"),
        (f"{FINETUNE} --init random --no-do-train", "--init random needs training"),
        (f"{BUILD} --processes -1", "--processes: expected 0 (one a core) or more"),
        (f"{BUILD} --processes two", "data build: --processes: expected a whole number, got 'two'"),
        (f"{BUILD} --max-seq-length 4", "--max-seq-length: expected at least 8"),
        (f"{BUILD} --segments hlf", "data build: --segments: 'hlf' is not one of google, hfl"),
        (f"{VOCAB} --vocab-size 100", "--vocab-size 100 is too small"),
        (f"{VOCAB} --min-frequency 0", "--min-frequency 0: expected 1 or more"),
        (f"{MODULE} --name Mine!", "--name: 'Mine!': use a-z, 0-9 and single hyphens"),
        (f"{MODULE} --version 1", "--version: expected three numbers such as 1.0.0"),
        ("data preview --data {made}/shards --number -1", "--number: expected 0 or more"),
        (f"{FINETUNE} --output", "finetune: --output needs a value"),
        (f"{FINETUNE} extra", "finetune: unexpected argument 'extra'; options start with --"),
        ("finetune --task chnsenticorp", "finetune: --model is required"),
        ("pretrain", "pretrain: --data is required"),
    ],
)
def test_values_that_cannot_work(answer, tmp_path, line, message):
    assert answer(line).startswith(message)
    assert not (tmp_path / "out").exists()
