"""Questions in TSV, CSV and JSONL."""

import json
import random
from pathlib import Path

import pytest
from finetuning_data import CHARACTERS

from paddle_electra.errors import InputError
from paddle_electra.finetuning.question_tables import read_question_table, read_task_questions
from paddle_electra.finetuning.questions import Answer, Question
from paddle_electra.finetuning.run import run


@pytest.fixture
def read(tmp_path):
    """read(name, text or list of objects, **more) -> list of `Question`."""

    def _read(name, content, **more):
        if not isinstance(content, str):
            content = "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in content)
        (tmp_path / name).write_text(content, "utf-8")
        return read_question_table(tmp_path / name, **more)

    return _read


def test_tables(read):
    expected = [
        Question("2", "谁？", "他来了。", (Answer("他", 0),)),
        Question("3", "哪？", "我在北京", (Answer("北京", None),)),
    ]
    rows = (
        "question\tcontext\tanswer\tanswer_start\n谁？\t他来了。\t他\t0\n哪？\t我在北京\t北京\t\n"
    )
    assert read("a.tsv", rows) == expected
    assert read("a.csv", rows.replace("\t", ",")) == expected
    named = "id,query,passage\nx,谁？,他来了。\n"
    assert read("b.csv", named, needs_answers=False) == [Question("x", "谁？", "他来了。", ())]


def test_clues_answers_of_a_test_file_are_none(tmp_path):
    fake = [{"text": f"FAKE_ANSWER_{number}", "answer_start": -1} for number in (1, 2, 3)]
    answers = {"A": fake, "B": [{"text": "天", "answer_start": 0}], "C": []}
    questions = [{"id": n, "question": "何", "answers": a} for n, a in answers.items()]
    paragraph = {"context": "天地", "qas": questions}
    path = tmp_path / "test.json"
    path.write_text(json.dumps({"data": [{"paragraphs": [paragraph]}]}), "utf-8")
    found = read_task_questions(path, None, "test", "strict")
    assert [len(question.answers) for question in found] == [0, 1, 0]


def test_line_ends_within_a_context_count(tmp_path):
    """As in other programs, for which the places of answers were written down."""
    context = "1\r\n2\r\n甲乙甲"
    for end in ("\n", "\r\n"):
        text = f'question,context,answer,answer_start{end}谁？,"{context}",甲,8{end}'
        (tmp_path / "a.csv").write_bytes(text.encode())
        (question,) = read_question_table(tmp_path / "a.csv")
        assert (question.context, question.answers) == (context, (Answer("甲", 8),))
        assert context[8] == "甲"


def test_a_long_context_is_a_cell(read):
    context = "他" * 200_000
    (question,) = read("a.csv", f"question,context,answer\n谁？,{context},他\n")
    assert question.context == context


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl"])
def test_an_empty_file(read, name):
    with pytest.raises(InputError, match=r"a\..*: no questions in it"):
        read(name, "")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("他", (Answer("他", None),)),
        (["他", "他来"], (Answer("他", None), Answer("他来", None))),
        ([{"text": "他", "answer_start": 0}], (Answer("他", 0),)),
        ({"text": ["他", "来"], "answer_start": [0, 1]}, (Answer("他", 0), Answer("来", 1))),
    ],
)
def test_answers_of_json(read, answer, expected):
    row = {"id": 7, "question": "谁？", "context": "他来了。", "answers": answer}
    assert read("a.jsonl", [row]) == [Question("7", "谁？", "他来了。", expected)]


ROW = {"question": "谁", "context": "他来", "answer": "他"}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"question": "谁", "answer": "他"}], r"no key for: context \(context, passage"),
        ([{**ROW, "context": 3}], "row 1: context: expected a text, got 3"),
        ([ROW, {**ROW, "answer": ""}], "row 2: question '2' has no answer"),
        ([{**ROW, "question": " "}], "row 1: question '1' is empty"),
        ([{**ROW, "answer": 3}], "row 1: answer: expected a text or a list, got 3"),
        ([{**ROW, "answer": [3]}], "row 1: answer: expected a text or an object with one, got 3"),
        ([{**ROW, "answer_start": "a"}], "row 1: answer_start: expected a whole number, got 'a'"),
        ([{**ROW, "answer": {"text": ["他"], "answer_start": [0, 1]}}], "as many answer_start"),
        ([{**ROW, "id": 1}, {**ROW, "id": "1"}], "row 2: the id '1' occurs twice"),
        ([{**ROW, "id": [1]}], "row 1: id: expected a text or a whole number"),
    ],
)
def test_bad_rows(read, rows, message):
    with pytest.raises(InputError, match=message):
        read("a.jsonl", rows)


def test_bad_tables(read):
    with pytest.raises(
        InputError, match=r"no column, in the first row, for: question .*named \.json"
    ):
        read("a.tsv", "谁\t他来\t他\n")
    with pytest.raises(InputError, match="row 2: 2 columns, expected 3 separated by tabs"):
        read("a.tsv", "question\tcontext\tanswer\n谁\t他来\n")
    with pytest.raises(InputError, match="no questions in it"):
        read("a.tsv", "question\tcontext\tanswer\n")


def lines(name, count, seed, answers=True):
    """Questions whose answer is the one 好 in the text, in the format of ``name``."""
    source, rows = random.Random(seed), []
    for _ in range(count):
        text = source.choices(CHARACTERS, k=source.randint(10, 16))
        text[source.randrange(len(text))] = "好"
        rows.append(
            {"question": "是", "context": "".join(text), **({"answer": "好"} if answers else {})}
        )
    if name.endswith(".jsonl"):
        return "".join(json.dumps(row) + "\n" for row in rows)
    separator = "," if name.endswith(".csv") else "\t"
    return "".join(f"{separator.join(row)}\n" for row in [rows[0], *(r.values() for r in rows)])


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["tsv", "csv", "jsonl"])
def test_a_custom_task_of_every_format(options, tmp_path, ending):
    names = {split: f"{split}.{ending}" for split in ("train", "dev", "test")}
    for seed, (split, name) in enumerate(names.items()):
        count = {"train": 240, "dev": 40, "test": 20}[split]
        (tmp_path / name).write_text(lines(name, count, seed, split != "test"), "utf-8")
    given = {split: str(tmp_path / name) for split, name in names.items()}
    given |= {"task": "custom", "kind": "qa", "data": None, "beam_size": 4, "num_train_epochs": 6}
    results = run(options("out", **given))
    assert results["dev"]["em"] > 90
    assert "em" not in results["test"]
    answers = json.loads(
        (Path(options("out").output) / "custom_test_preds.json").read_text("utf-8")
    )
    assert len(answers) == 20
    assert sum(answer == "好" for answer in answers.values()) > 16
