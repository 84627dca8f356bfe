"""Files of tagged words: every layout, and what is said of a bad one."""

import json

import pytest

from paddle_electra.errors import InputError
from paddle_electra.finetuning.tag_files import TaggedExample, is_tag, read_tags, tag_order
from paddle_electra.finetuning.tasks import Task

LABELS = ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")
NOTHING = {"text_a": None, "label": None}
SENTENCE = (("我", "在", "中", "国"), ("O", "O", "B-LOC", "I-LOC"))
OTHER = (("他", "来"), ("B-PER", "O"))


@pytest.fixture
def read(tmp_path):
    """read(name, content, **settings) -> examples of a file with that name and content."""

    def _read(name, content, split="train", rows="strict", labels=LABELS, chosen=NOTHING, **more):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        columns = ("text_a", "label")
        settings = {"labels": labels, "columns": columns, "chosen": chosen, "files": {}, **more}
        return read_tags(path, Task(name="mine", kind="token-cls", **settings), split, rows)

    return _read


def conll(*sentences, separator="\t"):
    return "\n".join(
        "".join(f"{word}{separator}{label}\n" for word, label in zip(*sentence, strict=True))
        for sentence in sentences
    )


def examples(*rows):
    return [
        TaggedExample(row, *sentence) for row, sentence in zip(rows, (SENTENCE, OTHER), strict=True)
    ]


@pytest.mark.parametrize("name", ["train.txt", "train.conll", "train.bio", "train.tsv", "train"])
@pytest.mark.parametrize("separator", ["\t", " ", "  ", "\tNN\t", " NN B-NP "])
def test_conll(read, name, separator):
    assert read(name, conll(SENTENCE, OTHER, separator=separator)) == examples(1, 6)


def test_conll_documents_blank_lines_and_line_ends(read):
    text = f"-DOCSTART- -X- O O\n\n\n{conll(SENTENCE)}\n \t \n-DOCSTART-\tO\n{conll(OTHER)}\n\n"
    expected = examples(4, 11)
    assert read("train.txt", text) == expected
    assert read("train.txt", "\ufeff" + text.replace("\n", "\r\n")) == expected


def test_conll_words_that_look_like_space(read):
    """Only tabs and blanks separate; what other tools take for space is a word."""
    found = read("train.txt", "\u3000 O\n\u2028\tO\n \tO\n\xa0 B-PER\n")
    assert found[0].words == ("\u3000", "\u2028", " ", "\xa0")
    assert found[0].labels == ("O", "O", "O", "B-PER")


def test_conll_columns_by_number(read):
    text = "1 我 PN O -\n2 他 PN B-PER -\n"
    found = read("train.txt", text, chosen={"text_a": 2, "label": 4})
    assert found == [TaggedExample(1, ("我", "他"), ("O", "B-PER"))]
    with pytest.raises(InputError, match="--text-column and --label-column name the same column"):
        read("train.txt", text, chosen={"text_a": 2, "label": 2})
    with pytest.raises(InputError, match=r"row 1: 5 columns .* expected a word and its label"):
        read("train.txt", text, chosen={"text_a": 2, "label": 6})
    with pytest.raises(InputError, match=r"--label-column ner: .*train\.txt has no header"):
        read("train.txt", text, chosen={"text_a": None, "label": "ner"})


@pytest.mark.parametrize("header", ["tokens\tlabels", "text_a\tlabel", "Words\tNER_tags"])
@pytest.mark.parametrize("separator", ["\x02", " "])
def test_tables_of_joined_words(read, header, separator):
    rows = ["\t".join(map(separator.join, sentence)) for sentence in (SENTENCE, OTHER)]
    text = "".join(f"{row}\n" for row in (header, *rows))
    assert read("train.tsv", text) == examples(2, 3)
    assert read("train.csv", text.replace("\t", ",")) == examples(2, 3)


@pytest.mark.parametrize("separator", ["\x02", " "])
def test_tables_of_characters(read, separator):
    """As many characters as labels: a blank may be a word, too."""
    text = f"text,label\n我在中国,{separator.join(SENTENCE[1])}\n他 来,{separator.join('OOO')}\n"
    found = [SENTENCE[0], ("他", " ", "来")]
    assert [example.words for example in read("train.csv", text)] == found
    assert [example.words for example in read("train.tsv", text.replace(",", "\t"))] == found


def test_joined_table_without_a_header(read):
    """What PaddleHub and PaddleNLP write: \\x02 tells it from CoNLL's layout."""
    text = "\t".join(map("\x02".join, SENTENCE)) + "\n"
    for chosen in ({"text_a": 1, "label": 2}, None):
        assert read("train.tsv", text, chosen=chosen) == examples(1, 2)[:1]
    with pytest.raises(InputError, match="row 1: the header has no column called text_a"):
        read("train.tsv", text)


def test_lines_of_json(read):
    rows = [
        {"id": 1, "tokens": list(SENTENCE[0]), "ner_tags": list(SENTENCE[1])},
        {"tokens": "他\x02来", "ner_tags": "B-PER O"},
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    assert read("train.jsonl", text) == read("train.json", text) == examples(1, 2)
    spaced = json.dumps({"tokens": ["New York", "\t"], "ner_tags": ["B-LOC", "O"]})
    assert read("train.jsonl", spaced)[0].words == ("New York", "\t")


def test_tokens_are_taken_before_their_text(read):
    row = {"text": "我 在中国", "tokens": list(SENTENCE[0]), "tags": list(SENTENCE[1])}
    assert read("train.jsonl", json.dumps(row)) == examples(1, 2)[:1]


def test_columns_by_name(read):
    row = {"zi": list(SENTENCE[0]), "tags": ["X"], "biao": list(SENTENCE[1])}
    chosen = {"text_a": "zi", "label": "biao"}
    assert read("train.jsonl", json.dumps(row), chosen=chosen) == examples(1, 2)[:1]
    text = f"zi\tbiao\n我在中国\t{' '.join(SENTENCE[1])}\n"
    assert read("train.tsv", text, chosen=chosen) == examples(2, 2)[:1]
    with pytest.raises(InputError, match=r"no column 'ji' \(--text-column\); there are: zi, biao"):
        read("train.tsv", text, chosen={**chosen, "text_a": "ji"})


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("test.txt", "我\n在\n\n他\n"),
        ("test.tsv", "我\t\n在\t\n\n他\t\n"),
        ("test.tsv", "tokens\n我 在\n他\n"),
        ("test.csv", "tokens,labels\n我\x02在,\n他, \n"),
        ("test.jsonl", '{"tokens": ["我", "在"]}\n{"tokens": ["他"]}\n'),
        ("test.jsonl", '{"tokens": ["我", "在"], "tags": []}\n{"tokens": "他", "tags": null}\n'),
    ],
)
def test_a_test_file_without_labels(read, name, content):
    found = read(name, content, split="test")
    assert [(example.words, example.labels) for example in found] == [
        (("我", "在"), None),
        (("他",), None),
    ]
    with pytest.raises(InputError, match=r"label|column"):
        read(name, content, split="dev")


def test_sentences_of_a_test_file_are_no_words(read):
    with pytest.raises(InputError, match=r"row 2: .* is taken for a word, as are most l"):
        read("test.txt", "好\n昨天下午张伟来了北京\n他在北京看见了李娜\n", split="test")
    read("test.txt", "好\n昨天下午张伟来了北京\n", split="test")  # a strange word among others


@pytest.mark.parametrize("row", ['["O", null]', "[null, null]", "null", "[1, 2]"])
@pytest.mark.parametrize("key", ["tokens", "labels"])
def test_what_is_no_list_of_texts(read, key, row):
    rows = {"tokens": '["我", "在"]', "labels": '["O", "O"]', key: row}
    content = "{" + ", ".join(f'"{name}": {value}' for name, value in rows.items()) + "}\n"
    with pytest.raises(InputError, match=rf"row 1: .*{key}"):
        read("train.jsonl", content)


def test_characters_of_a_test_file_without_labels(read, capsys):
    found = read("test.csv", "text\n我在中国\n他 来\n大学\n", split="test")
    assert [example.words for example in found] == [
        tuple("我在中国"),
        tuple("他 来"),
        tuple("大学"),
    ]
    assert "every character is taken for a word" in capsys.readouterr().out
    found = read("test.csv", "text\n我 在\n他们\n来 了\n", split="test")
    assert [example.words for example in found] == [("我", "在"), ("他们",), ("来", "了")]
    assert read("test.csv", "text\nHello\n", split="test")[0].words == ("Hello",)
    assert "every character" not in capsys.readouterr().out


@pytest.mark.parametrize("name", ["text", "sentence", "text_a", " Text ", "Tokens"])
def test_a_name_alone_is_a_header_or_a_word(read, name):
    content = f"{name}\n我 在\n他\n"
    with pytest.raises(
        InputError, match=r"row 1: .* may be a header or a word; .*tokens"
    ) as caught:
        read("test.tsv", content, split="test")
    assert "\n" not in str(caught.value)
    expected = [("我", "在"), ("他",)]
    for found in (
        read("test.tsv", content.replace(name, "tokens"), split="test"),
        read("test.tsv", content, split="test", chosen={"text_a": name.strip(), "label": None}),
    ):
        assert [example.words for example in found] == expected


def test_a_word_a_line_may_begin_with_a_name_of_a_column(read):
    (found,) = read("test.txt", "text\n我\n", split="test")
    assert found.words == ("text", "我")
    (found,) = read("test.tsv", "我\ntext\n", split="test")
    assert found.words == ("我", "text")
    (found,) = read("test.tsv", "text\tO\n我\tO\n", split="test")
    assert found.labels == ("O", "O")


def test_inside_without_begin_and_bioes_are_accepted(read):
    assert read("train.txt", "我 I-LOC\n在 O\n他 I-PER\n")[0].labels == ("I-LOC", "O", "I-PER")
    labels = ("S-LOC", "B-A-b", "I-A-b", "E-A-b")
    text = conll((tuple("我在中国"), labels))
    assert read("train.txt", text, labels=None)[0].labels == labels


def test_forms_and_order_of_labels():
    labels = ["O", "B-LOC", "I-LOC", "E-LOC", "S-LOC", "B-PER", "I-PER"]
    backwards = labels[::-1]
    assert sorted(backwards, key=tag_order) == labels
    assert all(map(is_tag, labels))
    assert not any(map(is_tag, ("", "B", "B-", "o", "b-LOC", "M-LOC", "LOC", "LOC-B", "0", "OB-A")))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("train.txt", "", "no rows of data; expected a word and its label a line"),
        ("train.csv", "", "no rows of data"),
        ("train.csv", "text,label\n", "no rows of data"),
        ("train.txt", "\n-DOCSTART- O\n\n", "no rows of data"),
        ("train.txt", b"\xe5\xa5\xbd O\n\xb2\xee O\n", r"row 2: not UTF-8 text \(byte 6\)"),
        ("train.csv", b"text,label\n\xb2\xee,O\n", r"row 2: not UTF-8 text"),
        ("train.txt", "我 O\n在\n", r"row 2: 1 column \('在'\), expected a word and its label"),
        ("train.tsv", "我\tO\n在\t\n", "row 2: the word '在' has no label"),
        ("train.tsv", "我\tO\n\tO\n", "row 2: the word is empty"),
        ("train.txt", "我 O\n\n在 B-ORG\n", "row 3: label 'B-ORG' is outside the label set O, B-"),
        ("train.txt", "我 O\n在 LOC\n", r"row 2: 'LOC' is not a label of tagging; expected O, B-X"),
        ("train.txt", "我 b-LOC\n", r"row 1: 'b-LOC' is not a label of tagging; .*BIOES also E-X"),
        ("train.csv", "text,label\n我 在,O\n", r"row 2: 2 words \(3 characters\) but 1 label; "),
        ("train.csv", "text,label\n我在,O O O\n", r"row 2: 1 word \(2 characters\) but 3 labels"),
        ("train.tsv", "text\tlabel\n我\x02在\tO O O\n", r"row 2: 2 words but 3 labels"),
        ("train.csv", "text,label\n ,O\n", "row 2: text_a is empty|row 2: text is empty"),
        ("train.csv", "text,label\n我,\n", "row 2: label is empty; every word needs a label"),
        ("train.csv", "text,label\n我\x02,O O\n", "row 2: text: word 2 is empty"),
        ("train.csv", "text,label\n我,O\n在\n", "row 3: 1 column, expected 2 separated by commas"),
        (
            *("train.tsv", "text\tlabel\n我\tO\n\n在\tO\n"),
            r"row 3: 1 column, .* \(a blank line between sentences is for files without a header\)",
        ),
        ("train.csv", "text,label\n我在,B LOC\n", "row 2: 'B' is not a label of tagging"),
        (
            "train.csv",
            "text,label\n我在,O B-ORG\n",
            "row 2: label 'B-ORG' is outside the label set",
        ),
        (
            "train.csv",
            "text,other\n我在,O B-ORG\n",
            r"row 1: .* called label, .*tags \(--label-column\); there are: text, other",
        ),
        ("train.jsonl", '{"tokens": ["我"], "tags": ["O", "O"]}', "row 1: 1 word but 2 labels"),
        ("train.jsonl", '{"tokens": [], "tags": []}', "row 1: tags is empty"),
        ("train.jsonl", '{"tokens": [], "tags": ["O"]}', "row 1: tokens is empty"),
        (
            "train.jsonl",
            '{"tokens": ["", "我"], "tags": ["O", "O"]}',
            "row 1: tokens: word 1 is empty",
        ),
        ("train.jsonl", '{"tokens": ["我"], "tags": [3]}', "row 1: tags: .*such as 'B-PER', got 3"),
        ("train.jsonl", '{"tokens": ["我"], "tags": 3}', "row 1: tags: expected a text or a list"),
        ("train.jsonl", '{"tokens": {"0": "我"}, "tags": ["O"]}', "row 1: tokens: expected a text"),
        ("train.jsonl", '{"tokens": ["我"]}', "row 1: the first object has no key called label"),
        (
            "train.jsonl",
            '{"tokens": ["我"], "tags": ["O"]}\n{"tokens": ["他"]}',
            "row 2: no key 'tags'",
        ),
        ("train.jsonl", '["我"]', "row 1: an array; expected a JSON object"),
    ],
)
def test_bad_files(read, name, content, message):
    with pytest.raises(InputError, match=rf"{name}: {message}") as caught:
        read(name, content)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("test.txt", "我 O\n在\n"),
        ("test.csv", "text,label\n我,O\n在,\n"),
        ("test.jsonl", '{"tokens": ["我"], "tags": ["O"]}\n{"tokens": ["他"], "tags": []}'),
    ],
)
def test_a_test_file_with_some_labels(read, name, content):
    with pytest.raises(InputError, match=r"row [23]: .*(expected a word and its label|is empty)"):
        read(name, content, split="test")


def test_labels_of_a_model_are_named_as_such(read):
    with pytest.raises(
        InputError, match=r"outside the label set O, .*I-PER \(labels of the model\)"
    ):
        read("train.txt", "我 B-ORG\n", labels_of="labels of the model")


def test_rows_hfl_leaves_out_and_reports(read, capsys):
    found = read("train.txt", "我 O\n在\n\n他 O\n", rows="hfl")
    assert found == [TaggedExample(4, ("他",), ("O",))]
    assert "row 2: 1 column ('在'), expected a word" in capsys.readouterr().err
    found = read("train.csv", "text,label\n我 在,O\n他\n,O\n他,O\n", rows="hfl")
    assert found == [TaggedExample(5, ("他",), ("O",))]
    err = capsys.readouterr().err
    assert [f"row {row}: " in err for row in (2, 3, 4)] == [True] * 3
    with pytest.raises(InputError, match="row 1: 'X' is not a label"):
        read("train.txt", "我 X\n", rows="hfl")


def test_missing_files(read, tmp_path):
    task = Task(name="mine", kind="token-cls", labels=LABELS, columns=("text_a", "label"), files={})
    for name in ("no.tsv", "no.csv", "no.txt", "no.jsonl"):
        with pytest.raises(InputError, match=f"{name}: no such file"):
            read_tags(tmp_path / name, task, "train")
