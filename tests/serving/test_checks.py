import pytest

from paddle_electra.errors import InputError
from paddle_electra.serving.checks import FIELDS, Call, read_request
from paddle_electra.serving.settings import ServingSettings

TASKS = ("seq-cls", "pair-cls", "token-cls", "qa", "embedding", "fill-mask", "detect")
SETTINGS = ServingSettings(
    max_items=4, max_characters=10, max_request_characters=25, max_heavy_characters=15
)


def read(fields, default="seq-cls"):
    return read_request(fields, TASKS, default, SETTINGS)


def test_what_is_not_said_has_a_default():
    assert read({"data": [["好"], "坏", ["a", "b"]]}) == (
        Call("seq-cls"),
        ["好", "坏", ("a", "b")],
        False,
    )
    asked = read({"data": ["好"], "task": None, "top_k": None, "batch_size": 9}, "detect")
    assert asked.call == Call("detect", top_k=3, threshold=0.5)
    assert read({"data": ["[MASK]"], "task": "fill-mask"}).call == Call("fill-mask", top_k=5)
    fields = {"task": "sequence_classification", "max_seq_len": 9, "return_prob": True}
    assert read({"data": ["好"], **fields}) == (Call("seq-cls", 9), ["好"], True)
    assert read({"data": ["好"], "task": "embedding", "return_prob": False}).return_prob is False


def test_questions_may_name_their_texts():
    for item in (["q", "c"], {"question": "q", "context": "c"}, {"context": "c", "question": "q"}):
        asked = read({"data": [item], "task": "qa", "n_best": 2})
        assert asked.items == [("q", "c")]
        assert asked.call == Call("qa", n_best=2)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "the request has no 'data'"),
        ({"data": None}, "the request has no 'data'"),
        ({"data": []}, "'data' is an empty list"),
        ({"data": "好"}, "'data': expected a list of texts, got one text"),
        ({"data": {"a": 1}}, "'data': expected a list of texts, got dict"),
        ({"data": 3}, "'data': expected a list of texts, got int"),
        ({"data": [["好"], ["a", "b", "c"]]}, "'data'[1]: expected one or two texts, got 3"),
        ({"data": [["好"], []]}, "'data'[1]: expected one or two texts, got 0"),
        ({"data": [["好"], [3]]}, "'data'[1][0]: expected a text, got 3"),
        ({"data": [None]}, "'data'[0]: expected a text or a list of one or two texts, got None"),
        ({"data": ["好", " \n"]}, "'data'[1]: the text is empty"),
        ({"data": [["好", ""]]}, "'data'[0]: the text is empty"),
        ({"data": ["好"] * 5}, "'data': a list of 5 items is more than the 4"),
        ({"data": ["好" * 11]}, "'data'[0]: a text of 11 characters is more than the 10"),
        ({"data": ["好" * 9] * 3}, "'data': 27 characters is more than the 25"),
        (
            {"data": ["好" * 9] * 2, "task": "embedding"},
            "'data': 18 characters for 'embedding' is more than the 15",
        ),
        ({"data": ["a\ud800"]}, "'data'[0]: character 1 is half of one"),
        ({"data": ["好"], "task": "token-clas"}, "'task': 'token-clas' does not exist here"),
        ({"data": ["好"], "task": ["qa"]}, "'task': ['qa'] does not exist here"),
        ({"data": ["好"], "task": "qa"}, "'data'[0]: the task 'qa' takes two texts, got one"),
        ({"data": ["好"], "task": "pair-cls"}, "'data'[0]: the task 'pair-cls' takes two texts"),
        ({"data": [["a", "b"]], "task": "detect"}, "'data'[0]: the task 'detect' takes one text"),
        ({"data": [{"question": "a"}], "task": "qa"}, "'data'[0]: expected 'question' and"),
        ({"data": [{}], "task": "qa"}, "'data'[0]: expected 'question' and 'context', got nothing"),
        ({"data": ["好"], "task": "fill-mask"}, "'data'[0]: no [MASK] in it"),
        ({"data": ["好"], "batch_size": "8"}, "'batch_size': expected a whole number"),
        ({"data": ["好"], "max_seq_len": 0}, "'max_seq_len': expected a whole number"),
        ({"data": ["好"], "max_seq_len": 12.0}, "'max_seq_len': expected a whole number"),
        ({"data": ["好"], "use_gpu": "no"}, "'use_gpu': expected true or false, got 'no'"),
        ({"data": ["好"], "return_prob": 1}, "'return_prob': expected true or false, got 1"),
        ({"data": ["好"], "texts": ["好"]}, "unknown field 'texts'; "),
        ({"data": ["好"], "max_seq_length": 3}, "did you mean 'max_seq_len'"),
        ({"data": ["好"], "top_k": 3}, "'top_k': the task 'seq-cls' has no such field"),
        (
            {"data": ["好"], "task": "embedding", "return_prob": True},
            "'return_prob': the task 'embedding' has no such field; it is of 'seq-cls'",
        ),
        ({"data": ["好"], "task": "detect", "threshold": 2}, "'threshold': expected a number"),
        ({"data": ["好"], "task": "detect", "threshold": float("nan")}, "'threshold': expected"),
        ({"data": ["好"], "task": "detect", "threshold": True}, "'threshold': expected"),
        ({"data": ["好"], "task": "detect", "top_k": -1}, "'top_k': expected a whole number"),
        ({"data": ["[MASK]"], "task": "fill-mask", "top_k": 0}, "'top_k': expected a whole"),
        ({"data": [["a", "b"]], "task": "qa", "n_best": 101}, "'n_best': 101 is more than the 100"),
    ],
)
def test_a_mistake_is_named(fields, words):
    with pytest.raises(InputError) as error:
        read(fields)
    message = str(error.value)
    assert words in message
    assert "\n" not in message
    assert len(message) < 400


def test_the_numbers_of_a_request_may_be_anything_json_has():
    """Whatever stands in a field, a mistake is a message and never another exception."""
    values = (None, True, 0, -1, 1.5, 10**30, "", "好", [], [[]], [None], {}, {"data": 1}, "\ud800")
    for name in FIELDS:
        for value in values:
            for task in TASKS:
                fields = {"data": [["好"]], "task": task, name: value}
                try:
                    read(fields)
                except InputError:
                    continue
