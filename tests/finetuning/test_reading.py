"""Reading comprehension by characters: files, windows, answers, scores, and their mistakes."""

import json
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from finetuning_data import CHARACTERS
from safetensors.numpy import load_file

from paddle_electra.cli import main
from paddle_electra.errors import InputError
from paddle_electra.finetuning import reading_scores
from paddle_electra.finetuning.questions import Answer, Question, read_questions
from paddle_electra.finetuning.run import run
from paddle_electra.text.answers import Outputs, basic_tokens, best_answers, project
from paddle_electra.text.tokenizer import ElectraTokenizer
from paddle_electra.text.windows import Featurizer, locate, most_context, split_words

ROOT = Path(__file__).resolve().parents[2]
CONTEXT = "北京在中国，1998年的北京ABC大学很大。"


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    path = tmp_path_factory.mktemp("vocab") / "vocab.txt"
    characters = sorted(set("北京在中国，年的大学很。哪里是"))
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters, "19", "##98", "abc"]
    path.write_text("".join(f"{token}\n" for token in tokens), "utf-8")
    return ElectraTokenizer(path)


def ask(text, start, context=CONTEXT, name="q"):
    return Question(name, "北京在哪里", context, (Answer(text, start),))


def span_of(window, question):
    shift, document = window.first - window.offset, window.document
    start, end = document.starts[window.start + shift], document.ends[window.end + shift]
    return question.context[start:end]


@pytest.mark.parametrize(
    ("text", "start", "back"),
    [
        ("北京", 0, "北京"),
        ("北京", 12, "北京"),  # the second one, where the original takes the first
        ("中国", 3, "中国"),
        ("1998年", 6, "1998年"),
        ("98年", 8, "98年"),
        ("ABC大学", 14, "ABC大学"),
        ("BC", 15, "ABC"),  # ends inside a token
        (" 中国 ", 2, "中国"),
        ("北京", 11, "北京"),  # one off: the nearest is taken
        ("北京", -1, "北京"),
    ],
)
def test_an_answer_comes_back(tokenizer, text, start, back):
    question = ask(text, start)
    windows, problems = Featurizer(tokenizer, 64).windows([question], training=True)
    (window,) = windows
    assert span_of(window, question) == back
    assert bool(problems) == (start in (11, -1))
    if start in (11, 12):
        assert window.document.starts[window.start + window.first - window.offset] == 12


def test_unusable_answers_are_left_out_and_said(tokenizer):
    questions = [ask("上海", 0, name="a"), ask("  ", 0, name="b"), ask("中国", 3, name="c")]
    windows, problems = Featurizer(tokenizer, 64).windows(questions, training=True)
    assert [window.question for window in windows] == [2]
    assert problems == {
        "the answer does not occur in the context; not trained on": ["a"],
        "the answer is empty; not trained on": ["b"],
    }
    windows, problems = Featurizer(tokenizer, 64).windows(questions, training=False)
    assert [window.question for window in windows] == [0, 1, 2]
    assert problems == {}


def test_windows_overlap_and_know_their_best_tokens(tokenizer):
    context = "北京大学在中国。" * 20
    question = Question("q", "哪里" * 50, context, (Answer("。北京", 79),))
    featurizer = Featurizer(tokenizer, 64, max_query_length=10, doc_stride=20)
    windows, _ = featurizer.windows([question], training=True)
    room = 64 - 10 - 3
    assert [w.first for w in windows] == [0, 20, 40, 60, 80, 100, 120][: len(windows)]
    assert all(w.length == room for w in windows[:-1])
    assert windows[-1].first + windows[-1].length == 160
    shown = np.zeros(160, int)
    for window in windows:
        shown[window.first : window.first + window.length] += window.max_context
    assert (shown == 1).all()
    holding = [w for w in windows if w.first <= 79 and w.first + w.length >= 82]
    assert [w for w in windows if w.end] == holding
    assert len(holding) > 1
    assert {span_of(w, question) for w in holding} == {"。北京"}


def test_an_answer_between_windows_is_said(tokenizer):
    question = ask("大学在中国", 5, context="北京北京北大学在中国北京")
    featurizer = Featurizer(tokenizer, 5 + 3 + 6, doc_stride=6)
    windows, problems = featurizer.windows([question], training=True)
    assert [(w.start, w.end) for w in windows] == [(0, 0)] * len(windows)
    (problem,) = problems
    assert "no window holds the whole answer" in problem


def test_most_context_prefers_the_first_of_equals():
    assert most_context([(0, 5), (2, 5)], 7).tolist() == [0, 0, 0, 0, 1, 1, 1]


def outputs(window, scores):
    """Joint outputs over document positions: {(start, end): score}."""
    starts = sorted({start for start, _ in scores})
    width = max(len(starts), len(scores))
    places, ends = np.zeros(width, int), np.zeros((width, width), int)
    start_scores = np.full(width, -50, "f4")
    end_scores = np.full((width, width), -50, "f4")
    for row, start in enumerate(starts):
        places[row], start_scores[row] = start + window.offset, 0
        of_start = sorted(item for item in scores.items() if item[0][0] == start)
        for column, ((_, end), score) in enumerate(of_start):
            ends[row, column], end_scores[row, column] = end + window.offset, score
    return Outputs(places, start_scores, ends, end_scores, 0.0)


def test_answers_are_cut_from_the_context(tokenizer):
    question = ask("中国", 3)
    (window,), _ = Featurizer(tokenizer, 64).windows([question], training=False)
    # Tokens: 北 京 在 中 国 ， 19 ##98 年 的 北 京 abc 大 学 很 大 。
    found = best_answers(
        question, [window], [outputs(window, {(3, 4): -1, (0, 1): -2, (10, 11): -3, (6, 8): -4})]
    )
    assert [c.text for c in found[:3]] == ["中国", "北京", "1998年"]  # 北京 counts once
    assert found[0].probability > found[1].probability > found[2].probability
    assert sum(candidate.probability for candidate in found) == pytest.approx(1)


def test_what_is_no_answer(tokenizer):
    question = ask("中国", 3)
    (window,), _ = Featurizer(tokenizer, 64).windows([question], training=False)
    backwards = outputs(window, {(4, 3): -1})
    assert best_answers(question, [window], [backwards])[0].text == "empty"
    outside = outputs(window, {(-3, 2): -1, (2, window.length): -1})
    assert best_answers(question, [window], [outside])[0].text == "empty"
    long = outputs(window, {(0, 12): -1})
    assert best_answers(question, [window], [long], max_length=12)[0].text == "empty"
    assert best_answers(question, [window], [long], max_length=13)[0].text == CONTEXT[:17]
    window.max_context[3] = False
    hidden = outputs(window, {(3, 4): -1, (2, 4): -9})
    assert best_answers(question, [window], [hidden])[0].text == "在中国"


def test_independent_heads(tokenizer):
    question = ask("中国", 3)
    (window,), _ = Featurizer(tokenizer, 64).windows([question], training=False)
    start, end = np.full(len(window), -9, "f4"), np.full(len(window), -9, "f4")
    start[window.offset + 3], end[window.offset + 4] = 5, 5
    found = best_answers(question, [window], [Outputs(None, start, None, end, 0.0)])
    assert found[0].text == "中国"


def test_words_and_projection_of_the_original():
    words, at = split_words("a b\u3000c\nd")
    assert words == ["a", "b\u3000c", "d"]
    assert at == [0, 0, 1, 1, 1, 1, 2]
    assert basic_tokens("Ab北京c!", True) == ["ab", "北", "京", "c", "!"]
    assert project("steve smith", "Steve Smith's") == "Steve Smith"
    assert project("nowhere", "Steve") == "Steve"


SQUAD = {
    "data": [
        {
            "paragraphs": [
                {
                    "context": CONTEXT,
                    "qas": [
                        {
                            "id": "a",
                            "question": "哪里",
                            "answers": [{"text": "中国", "answer_start": 3}],
                        },
                        {"id": "b", "question": "哪里", "answers": [{"text": "北京"}]},
                    ],
                }
            ]
        }
    ]
}


def write(path, content):
    path.write_text(json.dumps(content), "utf-8")
    return path


def test_both_layouts_are_read(tmp_path):
    squad = read_questions(write(tmp_path / "a.json", SQUAD))
    own = [
        {
            "context_id": "c",
            "context_text": CONTEXT,
            "qas": [
                {"query_id": "a", "query_text": "哪里", "answers": ["中国"]},
                {"query_id": "b", "query_text": "哪里", "answers": ["北京"]},
            ],
        }
    ]
    cmrc = read_questions(write(tmp_path / "b.json", own))
    assert [q.id for q in squad] == [q.id for q in cmrc] == ["a", "b"]
    assert squad[0].answers == (Answer("中国", 3),)
    assert cmrc[0].answers == (Answer("中国", None),)
    assert locate(CONTEXT, cmrc[0].answers[0]) == ((3, 5), None)


def broken(change):
    content = json.loads(json.dumps(SQUAD))
    change(content["data"][0]["paragraphs"][0])
    return content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"version": 1}, "neither SQuAD's layout"),
        ({"data": [{}]}, "article 1: no list 'paragraphs'"),
        ({"data": []}, "no questions in it"),
        (broken(lambda p: p.pop("context")), "expected a text 'context' and a list 'qas'"),
        (broken(lambda p: p["qas"][1].pop("id")), "question 2: expected 'question' and 'id'"),
        (broken(lambda p: p["qas"][1].update(id="a")), "the id 'a' occurs twice"),
        (broken(lambda p: p["qas"][0].update(answers=[])), "question 'a' has no answer"),
        (broken(lambda p: p["qas"][0].update(question=" ")), "question 'a' is empty"),
        (broken(lambda p: p["qas"][0].update(answers=[{"answer_start": 1}])), "without 'text'"),
        (broken(lambda p: p["qas"][0]["answers"][0].update(answer_start="3")), "answer_start"),
        (broken(lambda p: p.update(context="  ")), "the context is empty"),
    ],
)
def test_broken_files_are_named(tmp_path, content, message):
    path = write(tmp_path / "x.json", content)
    with pytest.raises(InputError) as caught:
        read_questions(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)


def test_the_official_command(tmp_path, capsys):
    data = write(tmp_path / "dev.json", SQUAD)
    predictions = write(tmp_path / "preds.json", {"a": "中国，"})
    script = [sys.executable, str(ROOT / "tools" / "cmrc2018_drcd_evaluate.py")]
    done = subprocess.run([*script, data, predictions], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0
    assert json.loads(done.stdout) == {
        "AVERAGE": "50.000",
        "F1": "50.000",
        "EM": "50.000",
        "TOTAL": 2,
        "SKIP": 1,
        "FILE": str(predictions),
    }
    assert "Unanswered question: b" in done.stderr
    assert main(["evaluate", str(data), str(write(tmp_path / "x.json", [1]))]) == 2
    assert "expected an object of question ids and answers" in capsys.readouterr().err
    assert main(["evaluate", str(data), str(write(tmp_path / "y.json", {"a": None}))]) == 2
    assert "'a': expected the text of an answer" in capsys.readouterr().err


def test_scores_count_as_the_official_script():
    assert reading_scores.segments("1998-2003年") == ["19982003", "年"]
    assert reading_scores.exact_match(["北京，"], "北京") == 1
    assert reading_scores.f1(["北京大学"], "北京的大学") == pytest.approx(2 * 0.4 * 0.5 / 0.9)
    assert reading_scores.f1(["北京"], "") == 0
    run = reading_scores.longest_common_run("zabcyef", "abcdef")
    assert run == "abc"


def write_reading(path, count, seed):
    """Questions whose answer is the one 好 in the text."""
    source = random.Random(seed)
    paragraphs = []
    for number in range(count):
        text = source.choices(CHARACTERS, k=source.randint(12, 20))
        place = source.randrange(len(text))
        text[place] = "好"
        answer = {"text": "好", "answer_start": place}
        qas = [{"id": f"{seed}-{number}", "question": "是", "answers": [answer]}]
        paragraphs.append({"context": "".join(text), "qas": qas})
    write(path, {"data": [{"paragraphs": paragraphs}]})


@pytest.fixture
def reading_data(tmp_path):
    folder = tmp_path / "reading"
    folder.mkdir()
    for split, count in (("train", 240), ("dev", 40), ("eval", 20), ("challenge", 20)):
        write_reading(folder / f"{split}.json", count, seed=count)
    return folder


def test_reading_is_learned_and_written_as_the_original_does(
    options, reading_data, tmp_path, capsys
):
    given = {"task": "cmrc2018", "data": str(reading_data), "num_train_epochs": 6}
    given |= {"beam_size": 4}
    results = run(options("out", **given))
    output = tmp_path / "out"
    for split in ("dev", "test", "challenge"):
        assert results[split]["em"] > 90, results[split]
        assert results[split]["average"] == pytest.approx(
            (results[split]["em"] + results[split]["f1"]) / 2
        )
    predictions = json.loads((output / "cmrc2018_dev_preds.json").read_text("utf-8"))
    assert len(predictions) == 40
    nbest = json.loads((output / "cmrc2018_dev_nbest.json").read_text("utf-8"))
    assert all(nbest[name][0]["text"] == text for name, text in predictions.items())
    # The official command gives the same scores for the file that was written.
    capsys.readouterr()
    line = ["evaluate", str(reading_data / "dev.json"), str(output / "cmrc2018_dev_preds.json")]
    assert main(line) == 0
    official = json.loads(capsys.readouterr().out)
    assert official["EM"] == f"{results['dev']['em']:.3f}"
    assert official["F1"] == f"{results['dev']['f1']:.3f}"
    # And the fine-tuned model is scored again from disk.
    again = {**given, "model": str(output), "do_train": False, "max_seq_length": None}
    scores = run(options("again", **again))
    assert scores["dev"] == results["dev"]


@pytest.mark.parametrize(
    ("changes", "shapes"),
    [
        ({"joint_prediction": False}, {"end.weight": [32, 1]}),
        ({"spans": "hfl"}, {"end.weight": [512, 1], "answerable_hidden.weight": [64, 512]}),
        ({"answerable_uses_start_logits": False}, {"answerable.weight": [32, 1]}),
        ({"answerable_classifier": False}, {"end_hidden.weight": [64, 512]}),
    ],
)
def test_the_originals_variants_run(options, reading_data, tmp_path, changes, shapes):
    given = {"task": "drcd", "data": str(reading_data), "num_train_epochs": 1, "beam_size": 3}
    results = run(options("out", **given, **changes))
    assert 0 <= results["dev"]["em"] <= results["dev"]["f1"] <= 100
    saved = load_file(tmp_path / "out" / "discriminator.safetensors")
    assert {name: list(saved[name].shape) for name in shapes} == shapes
    again = {**given, "model": str(tmp_path / "out"), "do_train": False}
    changes = {name: value for name, value in changes.items() if name == "spans"}
    assert run(options("again", **again, **changes))["dev"] == results["dev"]


def test_questions_without_an_answer_are_not_scored(options, reading_data, capsys):
    """SQuAD 2.0's layout: such a question may stand in a dev file, and --keep best copes."""
    content = json.loads((reading_data / "dev.json").read_text("utf-8"))
    for item in content["data"][0]["paragraphs"][0]["qas"]:
        item |= {"answers": [], "is_impossible": True}
    write(reading_data / "dev.json", content)
    given = {"task": "cmrc2018", "data": str(reading_data), "num_train_epochs": 1, "beam_size": 2}
    results = run(options("some", **given, keep="best"))
    assert "1 of 40 questions have no answer and are not scored" in capsys.readouterr().out
    assert "f1" in results["dev"]
    for paragraph in content["data"][0]["paragraphs"]:
        for item in paragraph["qas"]:
            item |= {"answers": [], "is_impossible": True}
    write(reading_data / "dev.json", content)
    with pytest.raises(InputError, match="no question of it has an answer, which --keep best"):
        run(options("none", **given, keep="best"))
    assert "f1" not in run(options("none", **given))["dev"]


def test_head_options_of_a_model_that_is_only_scored(options, reading_data, tmp_path):
    given = {"task": "cmrc2018", "data": str(reading_data), "beam_size": 2}
    run(options("out", **given, num_train_epochs=0.2, answerable_classifier=False))
    given |= {"model": str(tmp_path / "out"), "do_train": False}
    message = "--no-joint-prediction: .*out was fine-tuned with it; leave the option out"
    with pytest.raises(InputError, match=message):
        run(options("again", **given, joint_prediction=False))
    with pytest.raises(InputError, match=r"--answerable-classifier: .* fine-tuned without"):
        run(options("again", **given, answerable_classifier=True))


def test_no_question_to_train_on(options, reading_data):
    content = json.loads((reading_data / "train.json").read_text("utf-8"))
    for paragraph in content["data"][0]["paragraphs"]:
        paragraph["qas"][0]["answers"] = [{"text": "没有", "answer_start": 0}]
    write(reading_data / "train.json", content)
    with pytest.raises(InputError, match="no training example is left"):
        run(options("out", task="cmrc2018", data=str(reading_data)))


@pytest.mark.parametrize(("text", "start"), [("甲", -99), ("甲", 40), ("", 3)])
def test_places_outside_of_the_context_as_in_the_original(tokenizer, text, start):
    for context in (CONTEXT, ""):
        question = ask(text, start, context)
        featurizer = Featurizer(tokenizer, 32, 8, 8, spans="hfl")
        windows, problems = featurizer.windows([question], training=True)
        if problems:
            assert set(problems) <= {"Could not find answer", "End position is out of document!"}
        else:
            assert windows
