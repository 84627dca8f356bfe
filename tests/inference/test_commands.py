"""The commands that answer for files: what they read, what they write, and what they refuse."""

import csv
import io
import json
import os
import re
import signal
import sys

import numpy as np
import pytest
from fine_tuned import READING, make_fine_tuned, make_tagger
from tiny_checkpoint import TEXTS, make_checkpoint

from paddle_electra import cli
from paddle_electra.config import from_dict
from paddle_electra.finetuning.options import FinetuneOptions
from paddle_electra.finetuning.run import run as finetune
from paddle_electra.inference import commands
from paddle_electra.inference.masks import filled
from paddle_electra.inference.predictor import Predictor

LABELS = ["bad", "fair", "good"]
NAMED = {"text_a": "问题", "text_b": "Other", "label": "类别"}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """{name: folder} of a model for each command."""
    root = tmp_path_factory.mktemp("models")
    pair = {"task": "custom", "kind": "pair-cls", "max_seq_length": 48}
    return {
        "pretrained": make_checkpoint(root / "pretrained", generator=True),
        "labels": make_checkpoint(root / "labels", LABELS),
        "pairs": make_fine_tuned(root / "pairs", **pair, labels=["0", "1"], num_classes=2),
        "named pairs": make_fine_tuned(
            root / "named pairs", **pair, labels=["0", "1"], num_classes=2, columns=NAMED
        ),
        "tags": make_tagger(root / "tags"),
        "named tags": make_tagger(root / "named tags", columns={"text_a": "问题"}),
        "reading": make_fine_tuned(root / "reading", **READING),
    }


@pytest.fixture
def run(capsys, monkeypatch, models):
    """run(command, model, *arguments, stdin=b"") -> standard output of a command that succeeds."""

    def _run(command, model, *arguments, stdin=b"", code=0):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capsys.readouterr()
        found = cli.main([command, "--model", str(models[model]), *map(str, arguments)])
        captured = capsys.readouterr()
        assert found == code, captured.err
        return captured.out if code == 0 else (captured.out, captured.err)

    return _run


def objects(text):
    return [json.loads(line) for line in text.splitlines()]


def rounded(value):
    """Floats with the six digits that are written."""
    return json.loads(json.dumps(value), parse_float=lambda digits: float(f"{float(digits):.6g}"))


def write(path, rows):
    """Rows of {column: text} in the format of the ending."""
    with open(path, "w", encoding="utf-8", newline="") as handle:
        if path.suffix == ".jsonl":
            handle.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        elif path.suffix == ".txt":
            handle.writelines(row["text"] + "\n" for row in rows)
        else:
            separator = "," if path.suffix == ".csv" else "\t"
            table = csv.writer(handle, delimiter=separator, lineterminator="\r\n")
            table.writerows([list(rows[0]), *(list(row.values()) for row in rows)])
    return path


@pytest.mark.parametrize("ending", ["txt", "jsonl", "tsv", "csv"])
def test_labels_of_a_file_in_any_format(run, models, tmp_path, ending, monkeypatch):
    """In the order of the file, whatever is read at a time."""
    monkeypatch.setattr(commands, "ROWS_AT_ONCE", 2)
    path = write(tmp_path / f"texts.{ending}", [{"text": text} for text in TEXTS])
    labels, chances = Predictor.load(models["labels"]).predict(TEXTS, return_prob=True)
    found = objects(run("predict", "labels", "--input", path, "--return-prob"))
    assert [one["text"] for one in found] == TEXTS
    assert [one["label"] for one in found] == labels
    np.testing.assert_allclose(
        [[one["probabilities"][label] for label in LABELS] for one in found], chances, rtol=1e-4
    )


def test_standard_input_and_several_files(run, models, tmp_path):
    first = write(tmp_path / "a.txt", [{"text": TEXTS[0]}])
    stdin = "\ufeff{}\r\n{}".format(*TEXTS[1:3]).encode()
    out = run("predict", "labels", "--input", first, "-", "--output-format", "tsv", stdin=stdin)
    labels = Predictor.load(models["labels"]).predict(TEXTS[:3])
    rows = [f"{n}\t{TEXTS[n - 1]}\t{label}" for n, label in enumerate(labels, 1)]
    assert out.splitlines() == ["id\ttext\tlabel", *rows]


def test_a_table_of_labels_has_the_texts(run, tmp_path):
    """Each row one line of as many cells, whatever is in the texts; it can be read again."""
    texts = [("今天\t天气\n好", "a\r\nb"), (TEXTS[0], TEXTS[1])]
    rows = [{"text_a": a, "text_b": b} for a, b in texts]
    path = write(tmp_path / "pairs.jsonl", [rows[0], {"id": "q7", **rows[1]}])
    out = run("predict", "pairs", "--input", path, "--output-format", "tsv", "--return-prob")
    header, *lines = (line.split("\t") for line in out.removesuffix("\n").split("\n"))
    assert header == ["id", "text", "text_b", "label", "probability_0", "probability_1"]
    assert [line[:3] for line in lines] == [["1", "今天 天气 好", "a  b"], ["q7", *texts[1]]]
    assert all(len(line) == len(header) for line in lines)
    again = objects(run("predict", "pairs", "--input-format", "tsv", stdin=out.encode()))
    assert [[one["id"], one["text"], one["text_b"], one["label"]] for one in again] == [
        line[:4] for line in lines
    ]


def test_columns_by_name_or_number_and_ids(run, models, tmp_path):
    rows = [{"id": f"q{n}", "label": "x", "review": text} for n, text in enumerate(TEXTS)]
    path = write(tmp_path / "texts.tsv", rows)
    labels = Predictor.load(models["labels"]).predict(TEXTS)
    wanted = [(row["id"], label) for row, label in zip(rows, labels, strict=True)]
    for options in ([], ["--text-column", "review"]):
        found = objects(run("predict", "labels", "--input", path, *options))
        assert [(one["id"], one["label"]) for one in found] == wanted
    body = path.read_bytes().partition(b"\n")[2]
    options = ["--input-format", "tsv", "--text-column", 3]
    found = objects(run("predict", "labels", *options, stdin=body))
    assert [one["label"] for one in found] == labels


@pytest.mark.parametrize("ending", ["tsv", "csv", "jsonl"])
def test_columns_that_fine_tuning_was_told_are_found(run, models, tmp_path, ending):
    """Before those of the usual names; an option goes first."""
    rows = [{"text": "好", "Other": TEXTS[1], "问题": text} for text in TEXTS]
    path = write(tmp_path / f"texts.{ending}", rows)
    found = objects(run("predict", "named pairs", "--input", path))
    assert [(one["text"], one["text_b"]) for one in found] == [(t, TEXTS[1]) for t in TEXTS]
    found = objects(run("predict", "named pairs", "--input", path, "--text-column", "text"))
    assert [one["text"] for one in found] == ["好"] * len(TEXTS)
    path = write(tmp_path / f"one.{ending}", [{"问题": text} for text in TEXTS])
    assert len(objects(run("embed", "named pairs", "--input", path))) == len(TEXTS)
    assert [one["text"] for one in objects(run("predict", "named tags", "--input", path))] == TEXTS
    _, error = run("predict", "named pairs", "--input", path, code=2)
    assert "called Other, text_b, sentence2" in error


def test_fine_tuning_keeps_the_names_of_columns(run, models, tmp_path, capsys):
    """A column that was named for training needs no name for answers, even alone in its file."""
    rows = [{"内容": text, "kind": str(n % 2)} for n, text in enumerate(TEXTS)]
    data = write(tmp_path / "train.tsv", rows)
    given = {"task": "custom", "kind": "seq-cls", "model": str(models["pretrained"])}
    given |= {"train": str(data), "num_train_epochs": 1.0, "max_seq_length": 16}
    given |= {"dev": str(data), "feature_cache": "off", "text_column": "内容"}
    for label, columns in (
        ("kind", {"text_a": "内容", "label": "kind"}),
        ("2", {"text_a": "内容"}),
    ):
        output = tmp_path / f"by {label}"
        finetune(
            from_dict(FinetuneOptions, {**given, "label_column": label, "output": str(output)})
        )
        assert json.loads((output / "task.json").read_text("utf-8"))["columns"] == columns
    models["trained"] = output
    alone = write(tmp_path / "alone.tsv", [{"内容": text} for text in TEXTS])
    assert [one["text"] for one in objects(run("predict", "trained", "--input", alone))] == TEXTS


def test_wrong_names_of_columns_in_a_model_are_refused(run, models):
    for columns in (["text"], {"text_a": 3}):
        path = models["named tags"] / "task.json"
        before = path.read_text("utf-8")
        path.write_text(json.dumps({**json.loads(before), "columns": columns}), "utf-8")
        _, error = run("predict", "named tags", stdin=b"a\n", code=2)
        path.write_text(before, "utf-8")
        assert "named tags: task.json: 'columns' must be an object of names" in error


@pytest.mark.parametrize(
    ("command", "model", "name", "content", "said"),
    [
        (
            "predict",
            "labels",
            "a.tsv",
            "内容\n好\n坏\n",
            "'内容' was read as a text; --text-column 内容 if it",
        ),
        (
            "detect",
            "pretrained",
            "a.csv",
            "我 的\n好\n",
            "'我 的' was read as a text; --text-column '我 的' if it",
        ),
        (
            *("predict", "pairs", "a.tsv", "问一\t问二\n好\t坏\n"),
            "'问一', '问二' were read as texts; --text-column 问一 --text-pair-column 问二 if it",
        ),
        ("predict", "labels", "a.tsv", "text\n好\n", ""),
        ("predict", "labels", "a.txt", "内容\n好\n", ""),
        ("predict", "labels", "a.tsv", "好" * 41 + "\n内容\n", ""),
    ],
)
def test_a_first_row_that_may_be_a_header_is_told(
    run, capsys, models, tmp_path, command, model, name, content, said
):
    path = tmp_path / name
    path.write_text(content, "utf-8")
    assert cli.main([command, "--model", str(models[model]), "--input", str(path)]) == 0
    notes = [line for line in capsys.readouterr().err.splitlines() if line.startswith("note: ")]
    assert notes == ([f"note: {path}: line 1 {said} is a header"] if said else [])


@pytest.mark.parametrize("ending", ["tsv", "jsonl"])
def test_pairs(run, models, tmp_path, ending):
    pairs = [(text, TEXTS[0]) for text in TEXTS]
    rows = [{"text_a": a, "text_b": b, "label": "0"} for a, b in pairs]
    path = write(tmp_path / f"pairs.{ending}", rows)
    found = objects(run("predict", "pairs", "--input", path))
    labels = Predictor.load(models["pairs"]).predict(pairs)
    assert [(one["text"], one["text_b"], one["label"]) for one in found] == [
        (*pair, label) for pair, label in zip(pairs, labels, strict=True)
    ]
    lines = "".join(f"{a}\t{b}\n" for a, b in pairs).encode()
    assert objects(run("predict", "pairs", stdin=lines)) == found


def test_tags(run, models, tmp_path):
    wanted = Predictor.load(models["tags"]).tag([TEXTS[0], ["今天", "天气"]])
    path = tmp_path / "words.jsonl"
    rows = [{"text": TEXTS[0]}, {"tokens": ["今天", "天气"], "id": 7}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    found = objects(run("predict", "tags", "--input", path))
    assert found[0]["text"] == TEXTS[0]
    assert found[1]["id"] == 7
    for one, other in zip(found, wanted, strict=True):
        assert {
            name: other[name] for name in ("words", "labels", "entities")
        }.items() <= one.items()
    run("predict", "tags", "--input", path, "--output", tmp_path / "out.tsv")
    blocks = (tmp_path / "out.tsv").read_text("utf-8").rstrip("\n").split("\n\n")
    assert [[line.split("\t")[1] for line in block.split("\n")] for block in blocks] == [
        one["labels"] for one in wanted
    ]


def test_masks_and_detection_as_the_predictor_gives_them(run, models):
    predictor = Predictor.load(models["pretrained"])
    texts = ["今天[MASK]气", "[MASK]好[MASK]"]
    stdin = "\n".join(texts).encode()
    guesses = predictor.fill_mask(texts, 2)
    assert objects(run("fill-mask", "pretrained", "--top-k", 2, stdin=stdin)) == [
        {"text": text, "filled": filled(text, found), "masks": rounded(found)}
        for text, found in zip(texts, guesses, strict=True)
    ]
    table = run("fill-mask", "pretrained", "--top-k", 2, "--output-format", "tsv", stdin=stdin)
    assert [line.split("\t")[:4] for line in table.splitlines()[1:]] == [
        [str(number), str(mask), str(rank), one["token"]]
        for number, masks in enumerate(guesses, 1)
        for mask, found in enumerate(masks, 1)
        for rank, one in enumerate(found, 1)
    ]
    stdin = "\n".join(TEXTS).encode()
    wanted = predictor.detect(TEXTS, 0.4, 1)
    options = ["--threshold", 0.4, "--top-k", 1]
    assert objects(run("detect", "pretrained", *options, "--return-prob", stdin=stdin)) == [
        rounded(one) for one in wanted
    ]
    for one in wanted:
        del one["characters"]
    assert objects(run("detect", "pretrained", *options, stdin=stdin)) == rounded(wanted)
    table = run("detect", "pretrained", *options, "--output-format", "tsv", stdin=stdin)
    assert len(table.splitlines()) == 1 + sum(len(one["suspicious"]) for one in wanted)


def test_answers(run, models, tmp_path):
    questions = [("今天天气", "".join(TEXTS)), ("好吃", TEXTS[3])]
    wanted = Predictor.load(models["reading"]).answer(questions, 2)
    rows = [{"id": n, "question": q, "context": c} for n, (q, c) in enumerate(questions)]
    path = write(tmp_path / "questions.jsonl", rows)
    found = objects(run("answer", "reading", "--n-best", 2, "--input", path))
    assert found == [
        {"id": number, "question": question, **rounded(one)}
        for number, ((question, _), one) in enumerate(zip(questions, wanted, strict=True))
    ]
    table = run("answer", "reading", "--output-format", "tsv", stdin=path.read_bytes())
    assert table.splitlines()[1].split("\t")[:3] == ["0", "1", wanted[0]["answers"][0]["text"]]


def test_vectors(run, models, tmp_path, monkeypatch):
    monkeypatch.setattr(commands, "ROWS_AT_ONCE", 2)
    pooled, tokens = Predictor.load(models["pretrained"]).embed(TEXTS)
    path = write(tmp_path / "texts.txt", [{"text": text} for text in TEXTS])
    given = ["--input", path, "--output"]
    run("embed", "pretrained", *given, tmp_path / "out.npy")
    array = np.load(tmp_path / "out.npy", allow_pickle=False)
    assert array.dtype == np.float32
    np.testing.assert_allclose(array, pooled, atol=1e-5)
    run("embed", "pretrained", *given, tmp_path / "out.tsv")
    table = np.loadtxt(tmp_path / "out.tsv", np.float32, delimiter="\t")
    np.testing.assert_array_equal(table, array)
    found = objects(run("embed", "pretrained", "--tokens", *given, "-"))
    np.testing.assert_array_equal(np.float32([one["vector"] for one in found]), array)
    for one, wanted, text in zip(found, tokens, TEXTS, strict=True):
        assert one["tokens"][1] == text[0]
        np.testing.assert_allclose(one["token_vectors"], wanted, atol=1e-5)
    _, error = run("embed", "pretrained", "--tokens", *given, tmp_path / "o.npy", code=2)
    assert "--tokens writes JSON lines, not npy" in error


def test_an_input_is_not_replaced_by_the_output(run, tmp_path):
    write(tmp_path / "a.jsonl", [{"text": "好"}])
    before = (tmp_path / "a.jsonl").read_bytes()
    arguments = ["--input", tmp_path / "a.jsonl", "--output", tmp_path / "." / "a.jsonl"]
    assert "is an input" in run("detect", "pretrained", *arguments, code=2)[1]
    assert (tmp_path / "a.jsonl").read_bytes() == before


@pytest.mark.parametrize("ending", ["txt", "jsonl", "tsv", "csv"])
def test_empty_lines_at_the_end_are_no_rows(run, tmp_path, ending):
    path = write(tmp_path / f"a.{ending}", [{"text": "今天"}, {"text": "好"}])
    with open(path, "a", encoding="utf-8") as handle:
        handle.write("\n \r\n\n")
    assert len(objects(run("detect", "pretrained", "--input", path))) == 2
    with open(path, "a", encoding="utf-8") as handle:
        handle.write({"jsonl": '{"text": "a"}'}.get(ending, "a"))
    _, error = run("detect", "pretrained", "--input", path, code=2)
    assert re.search(r"line [34]", error)


def test_a_model_without_a_head_is_refused_before_there_is_a_text(run):
    _, error = run("predict", "pretrained", code=2)
    assert "no head for a task" in error


def test_an_id_is_handed_through_as_it_is(run, tmp_path):
    ids = [1234567.25, 12345678901234567890, "a", 0.1]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"id": i, "text": "好"}) + "\n" for i in ids))
    for command in ("detect", "embed"):
        assert [one["id"] for one in objects(run(command, "pretrained", "--input", path))] == ids
    table = run("predict", "labels", "--input", path, "--output-format", "tsv").splitlines()
    assert [line.split("\t")[0] for line in table[1:]] == list(map(str, ids))


def test_a_second_text_for_a_head_of_one(run, models, tmp_path):
    """Heads for a text serve pairs, too, if they are asked to."""
    path = write(tmp_path / "a.tsv", [{"text": "今天", "next": "好"}])
    labels = objects(run("predict", "labels", "--input", path, "--text-pair-column", "next"))
    assert labels[0]["text_b"] == "好"
    given = ["--input", path, "--text-pair-column", "nowhere"]
    assert "no column 'nowhere'" in run("predict", "labels", *given, code=2)[1]


def test_two_columns_without_a_header_are_no_pair_for_vectors(run, tmp_path):
    (tmp_path / "a.tsv").write_text("今天\t1\n", "utf-8")
    _, error = run("embed", "pretrained", "--input", tmp_path / "a.tsv", code=2)
    assert "2 columns separated by tabs and no header with 'text'" in error


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs POSIX")
def test_a_pipe_as_output(run, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reading = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    run("predict", "labels", "--output", tmp_path / "pipe", stdin="今天\n".encode())
    assert json.loads(os.read(reading, 10_000))["text"] == "今天"
    os.close(reading)
    os.mkfifo(tmp_path / "pipe.npy")
    _, error = run("embed", "pretrained", "--output", tmp_path / "pipe.npy", code=2)
    assert ".npy needs a file" in error


@pytest.mark.parametrize("output", ["o.jsonl", "o.npy"])
def test_sigterm_leaves_no_half_of_a_file(run, tmp_path, monkeypatch, output):
    before, half = signal.getsignal(signal.SIGTERM), []

    def rows(*_):
        half.extend(path.name for path in tmp_path.glob(".*.tmp"))
        signal.raise_signal(signal.SIGTERM)
        raise AssertionError("not interrupted")

    monkeypatch.setattr(commands, "read_rows", rows)
    _, error = run("embed", "pretrained", "--output", tmp_path / output, code=130)
    assert "interrupted" in error and len(half) == 1 and not list(tmp_path.iterdir())
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_cell_may_be_long(run, tmp_path):
    (tmp_path / "a.csv").write_text("text\n" + "好" * 140_000 + "\n", "utf-8")
    (vector,) = objects(run("embed", "pretrained", "--input", tmp_path / "a.csv"))
    assert vector


def test_answers_are_written_as_they_come(run, models, tmp_path, monkeypatch):
    """Standard output has what was before a bad row, a file is not touched."""
    monkeypatch.setattr(commands, "ROWS_AT_ONCE", 2)
    path = write(tmp_path / "texts.txt", [{"text": text} for text in [*TEXTS[:4], " ", "好"]])
    out, error = run("predict", "labels", "--input", path, code=2)
    assert [one["text"] for one in objects(out)] == TEXTS[:4]
    assert f"{path}: line 5: text is empty; give a text, or remove the line" in error
    (tmp_path / "out.jsonl").write_text("old")
    run("predict", "labels", "--input", path, "--output", tmp_path / "out.jsonl", code=2)
    assert (tmp_path / "out.jsonl").read_text() == "old"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["out.jsonl", "texts.txt"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b'{"text": "a"}\n{"text": "b"\n', "a.jsonl: line 2: not JSON"),
        ("a.jsonl", b'["a"]\n', "line 1: expected a JSON object with 'text'"),
        ("a.jsonl", b'{"txt": "a"}\n', "line 1: no key called text, text_a"),
        ("a.jsonl", b'{"text": 3}\n', "line 1: text: expected a text, got 3"),
        ("a.jsonl", b'{"text": "\\ud800"}\n', "line 1: text: half a surrogate pair"),
        ("a.jsonl", b'{"text": "a", "id": "\\ud800"}\n', "line 1: id: half a surrogate pair"),
        ("a.jsonl", b'{"text": "a", "id": [1]}\n', "line 1: id: expected a text or a number"),
        ("a.jsonl", b'{"text": "a", "id": NaN}\n', "line 1: id: expected a text or a number"),
        pytest.param(
            "a.jsonl",
            b'{"text": "a", "n": ' + b"1" * 5000 + b"}\n",
            "line 1: not JSON .*too many digits",
            id="digits",
        ),
        ("a.tsv", b"a\tb\n", "line 1: 2 columns separated by tabs and no header with 'text'"),
        ("a.tsv", b"text\tid\na\n", "line 2: 1 column, expected 2 separated by tabs"),
        ("a.tsv", b"text\na\tb\n", r"line 2: 2 columns, expected 1 .*\(a tab inside"),
        ("a.csv", b'text\n"a\n', "line 2: not CSV"),
        ("a.txt", b"a\n\xff\n", "line 2: not UTF-8 text"),
    ],
)
def test_a_bad_row_is_named(run, tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    out, error = run("detect", "pretrained", "--input", tmp_path / name, code=2)
    assert out == ""
    assert re.search(message, error)
    assert str(tmp_path / name) in error


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("fill-mask pretrained", "standard input: line 1: no [MASK] in it"),
        ("detect pretrained --max-seq-length 65", "--max-seq-length: 65 is more than this"),
        ("detect pretrained --threshold 2", "--threshold 2.0: expected from 0 to 1"),
        ("detect pretrained --input nowhere.txt", "nowhere.txt: no such file"),
        ("detect pretrained --input - -", "--input -: is given twice"),
        ("detect pretrained --output {tmp}", "expected a file, this is a folder"),
        ("detect pretrained --output {tmp}/x.csv", "no .csv is written here"),
        ("embed pretrained --output {tmp}/x.csv", "there are: jsonl, tsv, npy"),
        ("detect labels", "fine-tuning replaced the head"),
        ("predict reading", "this model answers questions; use `paddle-electra answer`"),
        ("predict pretrained", "this model has no head for a task; fine-tune it"),
        ("predict pairs", "line 1: 1 column separated by tabs and no header with 'text' and"),
        ("predict pairs --input-format text", "a text a line, but text and text_b are needed"),
        ("predict labels --text-column x", "--text-column x: standard input is read as a text a l"),
        ("predict labels --input-format tsv --text-pair-column 9", "--text-column: give a number"),
        ("predict labels --input-format tsv --text-column 2", "--text-column 2, but here are 1"),
        ("predict labels --input-format tsv --text-column x", "no column 'x'; there are: 今天"),
        ("answer labels --input-format tsv --question-column 1", "--context-column: give a numb"),
    ],
)
def test_mistakes_on_the_command_line(run, tmp_path, line, message):
    command, model, *rest = line.format(tmp=tmp_path).split()
    _, error = run(command, model, *rest, stdin="今天\n".encode(), code=2)
    assert message in error
