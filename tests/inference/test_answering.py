import json

import numpy as np
import pytest
from fine_tuned import READING, make_fine_tuned, predictions
from tiny_checkpoint import TEXTS, make_checkpoint

from paddle_electra.errors import InputError
from paddle_electra.inference.predictor import Predictor

QUESTIONS = [
    ("今天天气", "".join(TEXTS)),
    ("服务员真热情吗，下次还会再来吗", TEXTS[3]),
    ("好吃", "".join(TEXTS)),
    ("好", "好"),
]


@pytest.fixture(scope="module", params=["joint", "independent", "hfl"])
def folder(request, tmp_path_factory):
    changes = {
        "joint": {},
        "independent": {"joint_prediction": False, "answerable_uses_start_logits": False},
        "hfl": {"spans": "hfl"},
    }
    task = READING | changes[request.param]
    return make_fine_tuned(tmp_path_factory.mktemp("reader") / "model", **task)


def test_the_answers_are_those_that_finetune_writes(folder, tmp_path):
    rows = [
        json.dumps({"id": str(number), "question": question, "context": context, "answer": "好"})
        for number, (question, context) in enumerate(QUESTIONS)
    ]
    (tmp_path / "dev.jsonl").write_text("\n".join(rows) + "\n", "utf-8")
    output = predictions(folder, tmp_path / "out", kind="qa", dev=str(tmp_path / "dev.jsonl"))
    wanted = json.loads((output / "custom_dev_nbest.json").read_text("utf-8"))
    best = json.loads((output / "custom_dev_preds.json").read_text("utf-8"))
    found = Predictor.load(folder).answer(QUESTIONS, n_best=7)
    task = json.loads((folder / "task.json").read_text("utf-8"))
    for number, (one, (_, context)) in enumerate(zip(found, QUESTIONS, strict=True)):
        answers = one["answers"]
        assert answers[0]["text"] == best[str(number)]
        assert [a["text"] for a in answers] == [a["text"] for a in wanted[str(number)]]
        np.testing.assert_allclose(
            [a["probability"] for a in answers],
            [a["probability"] for a in wanted[str(number)]],
            atol=1e-5,
        )
        assert 0 < one["no_answer"] < 1
        for a in answers:
            if task["spans"] == "hfl":
                assert (a["start"], a["end"]) == (None, None)
            else:
                assert context[a["start"] : a["end"]] == a["text"]


@pytest.fixture(scope="module")
def predictor(tmp_path_factory):
    task = READING | {"answerable_classifier": False}
    return Predictor.load(make_fine_tuned(tmp_path_factory.mktemp("reader") / "model", **task))


def test_fewer_answers_are_the_best_of_more(predictor):
    many, few = (predictor.answer(QUESTIONS, count, batch_size=1) for count in (7, 2))
    assert [one["answers"][:2] for one in many] == [one["answers"] for one in few]
    assert few[0]["no_answer"] is None, "a model that was not trained to tell"
    objects = [{"question": question, "context": context} for question, context in QUESTIONS]
    assert predictor.answer(objects, 2, batch_size=1) == few


def test_windows_may_be_of_another_length(predictor):
    found = predictor.answer(QUESTIONS, 1, max_seq_len=60)
    assert len(found) == len(QUESTIONS)
    assert predictor.answer([("好" * 50, "今天")], 1, max_seq_len=5)[0]["answers"]
    with pytest.raises(InputError, match=r"max_seq_len: expected .* at least 5"):
        predictor.answer(QUESTIONS, max_seq_len=4)


def test_a_context_without_a_token_has_no_answer(predictor):
    assert predictor.answer([("好", "\u200b")]) == [{"answers": [], "no_answer": None}]
    assert predictor.answer([]) == []


@pytest.mark.parametrize(
    ("questions", "message"),
    [
        ("好", "expected a list of .question, context., got str"),
        (["好"], r"questions\[0\]: expected a question and its context"),
        ([("好", "天"), ("好", None)], r"questions\[1\]: context: expected a text, got None"),
        ([(" ", "天")], r"questions\[0\]: question: the text is empty"),
        ([{"question": "好"}], r"questions\[0\]: context: expected a text"),
    ],
)
def test_mistakes_are_named(predictor, questions, message):
    with pytest.raises(InputError, match=message):
        predictor.answer(questions)


def test_another_model_says_so(tmp_path):
    predictor = Predictor.load(make_checkpoint(tmp_path / "model"))
    with pytest.raises(InputError, match="no head for reading comprehension; fine-tune it"):
        predictor.answer([("好", "天")])
