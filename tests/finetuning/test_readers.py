"""Task files: what is read, and what is said of a bad one."""

import gzip
import json

import numpy as np
import pytest

from paddle_electra.errors import InputError
from paddle_electra.finetuning.readers import Example, read_texts
from paddle_electra.finetuning.tables import read_lines
from paddle_electra.finetuning.tasks import TASKS, Task, get_task

COLUMNS = ("label", "text_a")
LABELS = ("0", "1")


def read_tsv(path, columns, labels, rows="strict", needs_labels=True):
    task = Task(name="mine", kind="pair-cls", labels=labels, columns=columns, files={})
    return read_texts(path, task, "train" if needs_labels else "test", rows)


@pytest.fixture
def read(tmp_path):
    """read(bytes or text, **settings) -> examples of a file with that content."""

    def _read(content, **settings):
        path = tmp_path / "train.tsv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_tsv(path, COLUMNS, LABELS, **settings)

    return _read


def test_header_bom_and_carriage_returns(read):
    expected = [Example(2, "很好", None, "1"), Example(3, '"带引号,逗号"', None, "0")]
    text = 'label\ttext_a\r\n1\t很好\r\n0\t"带引号,逗号"\r\n'
    assert read("\ufeff" + text) == expected
    assert read(text.replace("\r", "").rstrip("\n")) == expected


def test_without_header_rows_count_from_one(read):
    assert read("1\t很好\n0\t不好\n") == [
        Example(1, "很好", None, "1"),
        Example(2, "不好", None, "0"),
    ]


def test_columns_are_found_by_name(read):
    assert read("qid\ttext_a\tlabel\n7\t很好\t1\n") == [Example(2, "很好", None, "1")]


def test_two_texts(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("好吗\t好不好\t1\n", encoding="utf-8")
    examples = read_tsv(path, ("text_a", "text_b", "label"), LABELS)
    assert examples == [Example(1, "好吗", "好不好", "1")]


def test_only_line_feeds_end_a_row(read):
    assert read("1\t上\u2028下\x0b\x85。\n")[0].text_a == "上\u2028下\x0b\x85。"


def test_unlabelled_file(read):
    text = "qid\ttext_a\n0\t很好\n"
    assert read(text, needs_labels=False) == [Example(2, "很好", None, None)]
    with pytest.raises(InputError, match="row 1: the header has no column label"):
        read(text)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("label\ttext_a\n1\t好\n2\t差\n", r"row 3: label '2' is outside the label set 0, 1"),
        ("1\t好\n差\n", r"row 2: 1 column, expected 2 separated by tabs"),
        ("1\t好\n0\t差\t差\n", r"row 2: 3 columns, expected 2 .* \(a tab inside a text\?\)"),
        ("1\t好\n\n0\t差\n", r"row 2: 1 column, expected 2"),
        ("1\t好\n0\t \u3000\n", r"row 2: text_a is empty"),
        ("label\ttitle\n1\t好\n", r"row 1: the header has no column text_a"),
        ("review\tstars\n好\t1\n", r"row 1: the header has no column label"),
        ("stars\treason\n好\t1\n", r"row 1: neither a header .* a label out of 0, 1"),
        ("", r"no rows of data; expected the columns label, text_a"),
        ("label\ttext_a\n", r"no rows of data"),
        (b"1\t\xe5\xa5\xbd\n0\t\xb2\xee\n", r"row 2: not UTF-8 text \(byte 8\)"),
    ],
)
def test_bad_files(read, content, message):
    with pytest.raises(InputError, match=rf"train\.tsv: {message}"):
        read(content)


def test_a_header_over_columns_in_another_order(read):
    """The message says so, and does not print a whole review."""
    review = "房间很干净，老板也很热情，位置非常好找，下次还会再来住的，推荐给大家，真的很不错"
    with pytest.raises(InputError) as caught:
        read(f"text_a\tlabel\n1\t{review}\n0\t差\n")
    assert str(caught.value).endswith(
        f"train.tsv: row 2: label '{review[:30]}...' is outside the label set 0, 1; its text_a is "
        f"'1': are the columns in the wrong order?"
    )
    with pytest.raises(InputError, match=r"outside the label set 0, 1$"):
        read(f"label\ttext_a\n{review}\t好\n")


def test_other_names_of_columns_are_for_a_custom_task(read):
    for text in ("内容\t类别\n好\t1\n", "label\t内容\n1\t好\n"):
        with pytest.raises(InputError) as caught:
            read(text)
        advice = "; other names: --task custom --kind pair-cls --label-column ... --text-column ..."
        assert str(caught.value).endswith(advice)
    assert "no column text_a; there are: label, 内容; other names" in str(caught.value)


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_lines(tmp_path / "nothing.tsv")
    with pytest.raises(InputError, match="folder"):
        read_lines(tmp_path)


def test_rows_hfl_leaves_out_and_reports(read, capsys):
    examples = read("label\ttext_a\n1\t好\n差\n0\t\n1\t好\t多余\n", rows="hfl")
    assert [(e.row, e.text_a) for e in examples] == [(2, "好"), (4, ""), (5, "好")]
    assert "row 3: 1 column" in capsys.readouterr().err


@pytest.mark.parametrize("cut", ["\\ud83d", "\\uDE00"])
def test_half_of_a_character(tmp_path, cut):
    path = tmp_path / "a.jsonl"
    path.write_text(f'{{"text_a": "好", "label": "1"}}\n{{"text_a": "好{cut}", "label": "1"}}\n')
    with pytest.raises(InputError, match=r"a\.jsonl: row 2: half of a character \('.*cut\)"):
        get_task("chnsenticorp").read(path, "train")
    path.write_text('{"text_a": "好\\ud83d\\ude00", "label": "1"}\n')
    assert get_task("chnsenticorp").read(path, "train")[0].text_a == "好😀"


def test_files_of_a_split(tmp_path):
    task = get_task("chnsenticorp")
    assert task.find(tmp_path, "test") is None
    (tmp_path / "eval.tsv").write_text("1\t好\n", encoding="utf-8")
    assert task.find(tmp_path, "test").name == "eval.tsv"
    (tmp_path / "test.tsv").write_text("1\t好\n", encoding="utf-8")
    assert task.find(tmp_path, "test").name == "test.tsv"


def test_unknown_task_names_the_nearest():
    with pytest.raises(InputError, match="did you mean 'chnsenticorp'"):
        get_task("chnsenticorps")


@pytest.mark.reference
def test_features_equal_the_originals(oracle, capsys):
    """oracle section 8: every row of every recorded task, split and length."""
    from paddle_electra.text.tokenizer import ElectraTokenizer

    tokenizer = ElectraTokenizer(oracle / "vocab.txt")
    recordings = sorted(oracle.glob("pairs/*_L*.npz"))
    assert len({path.stem.split("_")[0] for path in recordings}) == 4
    for path in recordings:
        name, split, _ = path.stem.split("_")
        length = int(path.stem.rpartition("_L")[2])
        recorded = np.load(path)
        stem = path.with_name(f"{name}_{split}")
        packed = stem.with_name(f"{stem.name}_examples.json.gz")
        settings = json.loads(gzip.decompress(packed.read_bytes()))
        task = TASKS[name]
        assert list(task.labels) == settings["label_list"]
        # Ours calls HFL's "eval" the test split.
        ours = {"eval": "test"}.get(split, split)
        examples = task.read(stem.with_name(f"{stem.name}.tsv"), ours, rows="hfl")
        wanted = settings["examples"]
        assert [e.text_a for e in examples] == [e["text_a"] for e in wanted]
        assert [e.text_b or "" for e in examples] == [e.get("text_b") or "" for e in wanted]
        features = task.kind_class()(task, tokenizer, length).prepare(examples, ours)
        assert len(features) == len(recorded["input_ids"])
        for row, feature in enumerate(features):
            size = len(feature)
            assert size == recorded["input_mask"][row].sum(), (path.name, row)
            assert feature.input_ids.tolist() == recorded["input_ids"][row, :size].tolist()
            assert feature.token_type_ids.tolist() == recorded["segment_ids"][row, :size].tolist()
            assert feature.label == recorded["label_ids"][row], (path.name, row)


@pytest.mark.reference
def test_bad_rows_of_a_recording(oracle):
    """LCQMC's recording has bad rows: refused by default, treated as HFL does on request."""
    path = oracle / "pairs" / "lcqmc_train.tsv"
    columns = ("text_a", "text_b", "label")
    with pytest.raises(InputError, match=r"row \d+: text_b is empty"):
        read_tsv(path, columns, LABELS)
    recorded = json.loads(
        gzip.decompress((path.parent / "lcqmc_train_examples.json.gz").read_bytes())
    )
    examples = read_tsv(path, columns, LABELS, rows="hfl")
    assert [(e.text_a, e.text_b, e.label) for e in examples] == [
        (e["text_a"], e["text_b"], e["label"]) for e in recorded["examples"]
    ]


# Files of LCQMC and BQ Corpus as people have them: LCQMC's with a header and without, BQ Corpus as
# CSV with a BOM and separated by _!_.
LAYOUTS = {
    "lcqmc header": ("lcqmc", "train.tsv", "text_a\ttext_b\tlabel\n", "{a}\t{b}\t{label}\n"),
    "lcqmc": ("lcqmc", "train.tsv", "", "{a}\t{b}\t{label}\n"),
    "bq csv": (
        "bqcorpus",
        "train.csv",
        "\ufeffsentence1,sentence2,label\r\n",
        "{a},{b},{label}\r\n",
    ),
    "bq marks": ("bqcorpus", "train.tsv", "", "{a}_!_{b}_!_{label}\n"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.slow
def test_layouts_of_lcqmc_and_bq_are_learned(options, tmp_path, layout):
    """A rule (好 in the second text) is learned above 90 % from files of every layout."""
    import random

    from finetuning_data import CHARACTERS

    from paddle_electra.finetuning.run import run

    task, name, header, row = LAYOUTS[layout]
    folder = tmp_path / "layout"
    folder.mkdir()
    for split, count in (("train", 320), ("dev", 60), ("test", 40)):
        source, lines = random.Random(count), [header]
        for number in range(count):
            a, b = ("".join(source.choices(CHARACTERS, k=6)) for _ in range(2))
            b = b[:3] + "好" * (number % 2) + b[3:]
            lines.append(row.format(a=a, b=b, label=number % 2))
        (folder / name.replace("train", split)).write_text("".join(lines), "utf-8", newline="")
    results = run(options("out", task=task, data=str(folder)))
    assert results["dev"]["examples"] == 60
    assert results["dev"]["accuracy"] > 90
    assert results["test"]["accuracy"] > 90
