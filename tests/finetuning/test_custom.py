"""``--task custom``: what the options become, what is refused, and whole runs on each kind."""

import csv
import dataclasses
import json
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest
from finetuning_data import CHARACTERS

from paddle_electra import checkpoint as checkpoints
from paddle_electra.config import from_dict
from paddle_electra.errors import InputError
from paddle_electra.finetuning import custom, tasks
from paddle_electra.finetuning.custom import custom_task, refuse_custom_options
from paddle_electra.finetuning.custom_options import KINDS
from paddle_electra.finetuning.metrics import only_scores
from paddle_electra.finetuning.options import FinetuneOptions
from paddle_electra.finetuning.run import run

ROWS = [("好", "1"), ("坏", "0"), ("很好", "1")]


@pytest.fixture
def write(tmp_path):
    """write(name, rows) -> path as str; the ending says how the rows of cells are written."""

    def _write(name, rows):
        path = tmp_path / name
        with open(path, "w", encoding="utf-8", newline="") as handle:
            if path.suffix == ".csv":
                csv.writer(handle, lineterminator="\n").writerows(rows)
            elif path.suffix == ".jsonl":
                keys, *values = rows
                for value in values:
                    handle.write(json.dumps(dict(zip(keys, value, strict=True))) + "\n")
            else:
                handle.writelines("\t".join(row) + "\n" for row in rows)
        return str(path)

    return _write


def options_of(**values):
    given = {"task": "custom", "model": "model", "output": "out", "kind": "seq-cls", **values}
    return from_dict(FinetuneOptions, given)


def task_of(labels_of_model=None, **values):
    return custom_task(options_of(**values), labels_of_model)


def test_the_kinds_are_those_of_the_tasks():
    assert set(KINDS) == set(tasks.KINDS) == set(custom._OF_KIND)
    for kind in KINDS:
        assert dataclasses.replace(tasks.TASKS["lcqmc"], kind=kind).kind_class()


def test_options_import_no_paddle():
    code = (
        "import sys, paddle_electra.finetuning.custom, paddle_electra.finetuning.custom_options\n"
        "assert 'paddle' not in sys.modules and 'sklearn' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_task_of_files(write, monkeypatch, tmp_path):
    """Paths relative to the working folder are found from any folder."""
    for name in ("a.tsv", "b.tsv"):
        write(name, [("text", "label"), *ROWS])
    monkeypatch.chdir(tmp_path)
    task = task_of(train="a.tsv", test="b.tsv")
    assert (task.name, task.kind, task.metric) == ("custom", "seq-cls", "accuracy")
    assert task.labels == ("0", "1")
    monkeypatch.chdir("/")
    assert task.find("", "train") == tmp_path / "a.tsv"
    assert task.find("", "test") == tmp_path / "b.tsv"
    assert task.find("", "dev") is None
    assert "dev" not in task.files
    assert [(e.text_a, e.label) for e in task.read(task.find("", "test"), "test")] == ROWS


@pytest.mark.parametrize(
    ("kind", "metric", "defaults"),
    [
        ("seq-cls", "accuracy", {}),
        ("pair-cls", "accuracy", {}),
        ("token-cls", "f1", {}),
        ("qa", "f1", {"max_seq_length": 512, "num_train_epochs": 2.0}),
    ],
)
def test_metric_and_recipe_of_a_kind(write, kind, metric, defaults):
    path = write(
        "train.tsv", [("text_a", "text_b", "label"), ("好", "好", "O"), ("坏", "坏", "B-X")]
    )
    task = task_of(kind=kind, train=path)
    assert (task.metric, task.defaults) == (metric, defaults)
    assert task.labels == {"qa": (), "token-cls": ("O", "B-X")}.get(kind, ("B-X", "O"))


@pytest.mark.parametrize(
    ("ending", "columns"),
    [
        ("csv", {"text_column": "内容", "label_column": "情感"}),
        ("jsonl", {"text_column": "内容", "label_column": "情感"}),
        ("tsv", {"text_column": "内容", "label_column": "情感"}),
        ("tsv", {"text_column": "2", "label_column": "情感"}),
        ("tsv", {"text_column": "2", "label_column": "3"}),
    ],
)
def test_chosen_columns(write, ending, columns):
    header = [("编号", "内容", "情感")]
    if columns["label_column"] == "3":
        header = []
    rows = [*header, ("7", "好", "是"), ("8", "坏", "否"), ("9", "很好", "是")]
    task = task_of(train=write(f"train.{ending}", rows), **columns)
    assert task.labels == ("否", "是")
    examples = task.read(task.find("", "train"), "train")
    assert [example.text_a for example in examples] == ["好", "坏", "很好"]


def test_pairs_with_chosen_columns(write):
    rows = [("q", "a", "y"), ("好", "坏", "0"), ("是", "的", "1")]
    columns = {"text_column": "a", "text_pair_column": "q", "label_column": "y"}
    task = task_of(kind="pair-cls", train=write("t.csv", rows), **columns)
    (first, _) = task.read(task.find("", "train"), "train")
    assert (first.text_a, first.text_b, first.label) == ("坏", "好", "0")


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["10", "9", "-1", "2"], ("-1", "2", "9", "10")),
        (["1.5", "10", "2"], ("1.5", "2", "10")),
        (["10", "9", "b", "B"], ("10", "9", "B", "b")),
        (["坏", "好"], ("坏", "好")),
    ],
)
def test_labels_come_in_their_natural_order(write, capsys, labels, expected):
    path = write("t.tsv", [("text", "label"), *(("好", label) for label in labels)])
    assert task_of(train=path).labels == tuple(expected)
    counted = ", ".join(f"{label} {labels.count(label)}" for label in expected)
    said = f"labels of {path}, and how often they occur: {counted}\n"
    assert capsys.readouterr().out == said


def test_tags_come_in_their_natural_order(write, capsys):
    tags = ["I-PER", "B-PER", "O", "S-LOC", "E-LOC", "B-LOC", "I-LOC"]
    path = write("t.txt", [("好", tag) for tag in tags])
    expected = ("O", "B-LOC", "I-LOC", "E-LOC", "S-LOC", "B-PER", "I-PER")
    assert task_of(kind="token-cls", train=path).labels == expected


def test_labels_of_json_are_numbers_and_truths(write, tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text('{"text": "好", "label": 10}\n{"text": "坏", "label": 9}\n')
    assert task_of(train=str(path)).labels == ("9", "10")
    path.write_text('{"text": "好", "label": true}\n{"text": "坏", "label": false}\n')
    assert task_of(train=str(path)).labels == ("false", "true")


def test_given_labels(write, tmp_path, capsys):
    path = write("t.tsv", [("text", "label"), *ROWS])
    (tmp_path / "labels.txt").write_text("2\n1 \n0\n\n", encoding="utf-8")
    for given in (["2", "1", "0"], ["2,1, 0"], "2,1,0", [str(tmp_path / "labels.txt")]):
        assert task_of(train=path, labels=given).labels == ("2", "1", "0")
    assert not capsys.readouterr().out
    task = task_of(train=path, labels=["1", "2"])
    with pytest.raises(InputError, match=r"row 3: label '0' is outside .* 1, 2 \(--labels\)"):
        task.read(path, "train")


def test_labels_of_the_model(write):
    path = write("t.tsv", [("text", "label"), *ROWS])
    task = task_of(("1", "0", "2"), dev=path, do_train=False)
    assert task.labels == ("1", "0", "2")
    task = task_of(("1", "2"), dev=path, do_train=False)
    with pytest.raises(InputError, match=r"label '0' is outside .* \(labels of the model\)"):
        task.read(path, "dev")
    with pytest.raises(InputError, match=r"task\.json names no labels; give --labels"):
        task_of(None, dev=path, do_train=False)


def test_a_dev_label_that_is_not_in_train(write):
    task = task_of(train=write("t.tsv", [("text", "label"), *ROWS]))
    dev = write("d.tsv", [("text", "label"), ("好", "2")])
    message = r"d\.tsv: row 2: label '2' is outside the label set 0, 1 \(labels of .*t\.tsv; .*--la"
    with pytest.raises(InputError, match=message):
        task.read(dev, "dev")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"kind": None}, "needs --kind: seq-cls, pair-cls, token-cls, qa"),
        ({"train": None}, "needs --train"),
        ({"train": "no.tsv"}, r"--train no\.tsv: no such file"),
        ({"dev": "no.tsv"}, r"--dev no\.tsv: no such file"),
        ({"test": "."}, r"--test \.: expected a file, this is a folder"),
        ({"data": "folder"}, "--data folder: --task custom takes files, not a folder"),
        ({"keep": "best"}, "--keep best needs the scores of a dev file; give --dev"),
        ({"train": None, "do_train": False}, "nothing to score; give --dev or --test"),
        ({"text_pair_column": "b"}, "--text-pair-column is not for --kind seq-cls, .*pair-cls"),
        (
            {"kind": "token-cls", "text_pair_column": "2"},
            "--text-pair-column is not for --kind tok",
        ),
        ({"kind": "qa", "text_column": "b"}, "--text-column is not for --kind qa, .*SQuAD"),
        ({"kind": "qa", "label_column": "b"}, "--label-column is not for --kind qa"),
        ({"kind": "qa", "labels": ["0"]}, "--labels is not for --kind qa"),
        ({"label_column": "0"}, "--label-column 0: columns are numbered from 1"),
        ({"text_column": ""}, "--text-column is empty"),
        (
            {"label_column": "tex"},
            r"t\.tsv: row 1: .*no column 'tex' \(--label-column\); did you mean",
        ),
        ({"text_column": "text", "label_column": "text"}, "and --.*-column name the same column"),
        ({"label_column": "2"}, None),
        (
            {"text_column": "1", "label_column": "2"},
            "row 1: this is a header .* give the columns by",
        ),
        ({"labels": ["a"]}, "--labels: there is only the label 'a'; at least two"),
        ({"labels": ["a,b,a"]}, "--labels: 'a' is there twice"),
        ({"labels": ["a,,b"]}, "--labels: label 2 is empty"),
        ({"kind": "token-cls", "labels": ["O", "X"]}, "--labels: 'X' is not a label of tagging"),
        ({"kind": "token-cls"}, "row 2: '1' is not a label of tagging; expected O, B-X"),
    ],
)
def test_options_that_are_refused(write, values, message):
    path = write("t.tsv", [("text", "label"), *ROWS])
    if message is None:  # a header and a number together
        assert task_of(train=path, **values).labels == ("0", "1")
        return
    with pytest.raises(InputError, match=message) as caught:
        task_of(**{"train": path, **values})
    assert "\n" not in str(caught.value)


def test_all_missing_columns_are_said_at_once(write):
    """With the columns that are there, and without names of other kinds of tasks."""
    path = write("t.tsv", [("内容", "类别"), *ROWS])
    with pytest.raises(InputError) as caught:
        task_of(train=path)
    assert str(caught.value) == (
        f"{path}: row 1: the header has no column called text_a, text, sentence, review "
        f"(--text-column) and none called label, gold_label, labels (--label-column); there are: "
        f"内容, 类别; give their names with these options, or numbers from 1 without a header"
    )
    there = "there are: 内容, 类别$"
    with pytest.raises(InputError, match=rf"no column 'z' \(--label-column\); {there}"):
        task_of(train=path, text_column="内容", label_column="z")
    both = rf"no column 'x' \(--text-column\) and none 'y' \(--label-column\); {there}"
    with pytest.raises(InputError, match=both):
        task_of(train=path, text_column="x", label_column="y")
    for kind, names in (
        ("pair-cls", "text_a, text, sentence, sentence1, premise, question1, query1 (--text-c"),
        ("token-cls", "text_a, text, sentence, tokens, words (--text-column) and none called"),
    ):
        with pytest.raises(InputError) as caught:
            task_of(kind=kind, train=write("t.csv", [("内容", "类别"), *ROWS]))
        assert f"no column called {names}" in str(caught.value)


def test_labels_that_are_texts_are_cut_in_messages(write, capsys):
    long = "很" * 40
    path = write("t.tsv", [("text", "label"), ("1", long), ("0", "差")])
    assert task_of(train=path).labels == ("差", long)
    assert f"差 1, {'很' * 30}... 1\n" in capsys.readouterr().out
    path = write("same.tsv", [("text", "label"), ("1", long)])
    with pytest.raises(InputError, match=f"only the label '{'很' * 30}\\.\\.\\.'"):
        task_of(train=path)


def test_label_columns_that_are_none(write):
    header = ("text", "label")
    same = write("same.tsv", [header, ("好", "1"), ("坏", "1")])
    with pytest.raises(
        InputError, match=r"same\.tsv: there is only the label '1'; .*--label-column"
    ):
        task_of(train=same)
    texts = write(
        "texts.tsv", [header, *(("好", f"text {n // 2 if n < 4 else n}") for n in range(30))]
    )
    with pytest.raises(InputError, match=r"28 different labels in 30 rows.*--label-column"):
        task_of(train=texts)
    many = write("many.tsv", [header, *(("好", str(n % 1001)) for n in range(2002))])
    with pytest.raises(InputError, match=r"1001 different labels, at most 1000.*--label-column"):
        task_of(train=many)
    few = write("few.tsv", [header, *(("好", str(n % 1000)) for n in range(2002))])
    assert len(task_of(train=few).labels) == 1000
    assert len(task_of(train=texts, labels=["a", "b"]).labels) == 2


def test_an_unknown_header_with_columns_by_number(write):
    path = write("t.csv", [("内容", "情感"), *ROWS])
    with pytest.raises(
        InputError, match=r"row 1: the label '情感' is in no other row; if this row"
    ):
        task_of(train=path, text_column="1", label_column="2")
    path = write("u.csv", ROWS)
    assert task_of(train=path, text_column="1", label_column="2").labels == ("0", "1")


def test_registered_tasks_refuse_the_options():
    refuse_custom_options(options_of(kind=None, task="lcqmc"))
    for name, value in (
        ("kind", "qa"),
        ("train", "t.tsv"),
        ("labels", ["0"]),
        ("text_column", "1"),
    ):
        values = {"kind": None, "task": "lcqmc", name: value}
        flag = name.replace("_", "-")
        with pytest.raises(InputError, match=f"--{flag} is for --task custom; the task lcqmc has"):
            refuse_custom_options(options_of(**values))


# Whole runs --------------------------------------------------------------------------------------


FILLING = re.sub("[不中国]", "", CHARACTERS)


def text(source):
    return "".join(source.choices(FILLING, k=source.randint(3, 9)))


def single(source):
    """Positive with 好."""
    label = source.randrange(2)
    place = "好" if label else ""
    return (text(source) + place + text(source), str(label))


def pair(source):
    """The same where the second text says 不."""
    label = source.randrange(2)
    return (text(source), text(source) + "不" * label, ("same", "other")[label])


def tagged(source):
    """Entities are 中 and 中国."""
    words = text(source) + source.choice(["中国", "中", ""]) + text(source)
    labels = [{"中": "B-X", "国": "I-X"}.get(word, "O") for word in words]
    return ("\x02".join(words), "\x02".join(labels))


TABLES = {
    "seq-cls": (single, ("text", "label"), "accuracy"),
    "pair-cls": (pair, ("sentence1", "sentence2", "label"), "accuracy"),
    "token-cls": (tagged, ("tokens", "labels"), "f1"),
}


@pytest.fixture
def settings(pretrained, tmp_path):
    """settings(**changes) -> options of a run that learns a rule in seconds."""

    def _settings(output="out", **changes):
        values = {
            "model": str(pretrained),
            "output": str(tmp_path / output),
            "learning_rate": 3e-3,
            "layerwise_lr_decay": 1.0,
            "num_train_epochs": 4,
            "train_batch_size": 16,
            "max_seq_length": 40,
            "feature_cache": "off",
            **changes,
        }
        return options_of(**values)

    return _settings


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["tsv", "csv", "jsonl"])
@pytest.mark.parametrize("kind", TABLES)
def test_learns_and_predicts(settings, write, kind, ending):
    make, header, metric = TABLES[kind]
    source = random.Random(1)
    files = {
        split: write(f"{split}.{ending}", [header, *(make(source) for _ in range(count))])
        for split, count in (("train", 240), ("dev", 60))
    }
    unlabelled = [make(source)[:-1] for _ in range(5)]
    files["test"] = write(f"test.{ending}", [header[:-1], *unlabelled])
    trained = settings(kind=kind, **files)
    results = run(trained)
    assert results["dev"][metric] > 90
    assert results["test"]["examples"] == 5 and not only_scores(results["test"])
    folder = Path(trained.output)
    predicted = (folder / "predictions_test.tsv").read_text("utf-8")
    if kind == "token-cls":
        sentences = predicted.rstrip("\n").split("\n\n")
        words = [[line.split("\t")[0] for line in each.split("\n")] for each in sentences]
        assert words == [row[0].split("\x02") for row in unlabelled]
    else:
        lines = [line.split("\t") for line in predicted.splitlines()[1:]]
        assert [tuple(cells[1 : len(header)]) for cells in lines] == unlabelled

    labels = checkpoints.load(folder).task["labels"]
    assert labels == {"seq-cls": ["0", "1"], "pair-cls": ["other", "same"]}.get(
        kind, ["O", "B-X", "I-X"]
    )
    del files["train"]
    scored = run(settings("again", kind=kind, **files, model=str(folder), do_train=False))
    assert scored["dev"] == results["dev"]


def questions(path, count, own_layout, answered=True):
    """The answer is 好, and the file is in SQuAD's or CMRC's own layout."""
    source = random.Random(count)
    paragraphs = []
    for number in range(count):
        before, answer = text(source), "好"
        context = f"{before}{answer}{text(source)}"
        answers = [{"text": answer, "answer_start": len(before)}] if answered else []
        if own_layout:
            qas = [
                {"query_id": f"{number}", "query_text": "的", "answers": [answer][: len(answers)]}
            ]
            paragraphs.append({"context_id": f"{number}", "context_text": context, "qas": qas})
        else:
            qas = [{"id": f"{number}", "question": "的", "answers": answers}]
            paragraphs.append({"context": context, "qas": qas})
    content = paragraphs if own_layout else {"data": [{"paragraphs": paragraphs}]}
    path.write_text(json.dumps(content), encoding="utf-8")
    return str(path)


@pytest.mark.slow
@pytest.mark.parametrize("own_layout", [False, True])
def test_answers_questions(settings, tmp_path, own_layout):
    files = {
        split: questions(tmp_path / f"{split}.json", count, own_layout)
        for split, count in (("train", 240), ("dev", 40))
    }
    files["test"] = questions(tmp_path / "test.json", 3, own_layout, answered=False)
    trained = settings(kind="qa", **files)
    results = run(trained)
    assert results["dev"]["f1"] > 90
    assert results["test"]["examples"] == 3 and not only_scores(results["test"])
    written = json.loads((Path(trained.output) / "custom_test_preds.json").read_text("utf-8"))
    assert set(written) == {"0", "1", "2"}
    del files["train"]
    folder = trained.output
    scored = run(settings("again", kind="qa", **files, model=folder, do_train=False))
    assert scored["dev"] == results["dev"]


def test_without_dev(settings, write):
    source = random.Random(1)
    header = ("text", "label")
    train = write("train.tsv", [header, *(single(source) for _ in range(20))])
    results = run(settings(train=train, num_train_epochs=1))
    assert "dev" not in results
    assert "test" not in results
    assert results["train"]["steps"] == 2


def test_conlls_layout_end_to_end(settings, write):
    def rows(count):
        for _ in range(count):
            yield from zip(*(cell.split("\x02") for cell in tagged(source)), strict=True)
            yield ("",)

    source = random.Random(2)
    files = {name: write(f"{name}.conll", rows(n)) for name, n in (("train", 240), ("dev", 60))}
    results = run(settings(kind="token-cls", **files))
    assert results["dev"]["f1"] > 90
    assert list(results["dev"]) == ["examples", "f1", "precision", "recall", "accuracy", "loss"]
