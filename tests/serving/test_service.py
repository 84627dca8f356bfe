import threading

import numpy as np
import pytest
from served_models import TAGS, make_service
from tiny_checkpoint import TEXTS

from paddle_electra.errors import InputError
from paddle_electra.serving.collector import Busy

PAIRS = [[one, other] for one, other in zip(TEXTS, reversed(TEXTS), strict=True)]


def same(one, other, tolerance=1e-5):
    """Equal answers, numbers within ``tolerance``."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float):
        return abs(one - other) <= tolerance
    return one == other


def requests(kind):
    """Requests that a model of a kind answers."""
    found = [{"data": [[text]], "task": "embedding", "max_seq_len": 9} for text in TEXTS]
    if kind is None:
        found += [{"data": [text], "task": "detect", "threshold": 0.4} for text in TEXTS]
        found += [{"data": [text + "[MASK]", "[MASK]好"], "task": "fill-mask"} for text in TEXTS]
    elif kind == "qa":
        found += [{"data": [pair], "n_best": 3} for pair in PAIRS]
        found.append({"data": [{"question": TEXTS[0], "context": TEXTS[3]}]})
    elif kind == "pair-cls":
        found += [{"data": [pair], "return_prob": True} for pair in PAIRS]
    elif kind == "token-cls":
        found += [{"data": ["\002".join(text)], "return_prob": True} for text in TEXTS]
        found += [{"data": [[text]], "task": "tag"} for text in TEXTS]
    else:
        found += [
            {"data": [[text], pair], "return_prob": True}
            for text, pair in zip(TEXTS, PAIRS, strict=True)
        ]
        found += [{"data": TEXTS[:2], "max_seq_len": 4}, {"data": PAIRS, "task": "pair-cls"}]
    return found


@pytest.mark.parametrize("kind", [None, "seq-cls", "pair-cls", "token-cls", "qa"])
def test_answers_do_not_depend_on_company(predictors, kind):
    service = make_service(predictors[kind])
    bodies = requests(kind)
    alone = [service.answer(body) for body in bodies]
    assert service.collector.batches == len(bodies)
    assert all(len(found) == len(body["data"]) for found, body in zip(alone, bodies, strict=True))

    start, together = threading.Barrier(len(bodies)), [None] * len(bodies)

    def client(number):
        start.wait(30)
        together[number] = [service.answer(bodies[number]) for _ in range(3)]

    threads = [threading.Thread(target=client, args=(n,)) for n in range(len(bodies))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for one, several in zip(alone, together, strict=True):
        assert same([one] * 3, several)
    assert service.collector.batches < 4 * len(bodies), "nothing shared a batch"
    assert service.health()["requests"]["answered"] == 4 * len(bodies)


def test_answers_are_the_predictors(predictors):
    predictor = predictors["seq-cls"]
    service = make_service(predictor)
    labels, chances = predictor.predict(TEXTS, return_prob=True)
    assert service.answer({"data": TEXTS}) == labels
    found = service.answer({"data": TEXTS, "return_prob": True})
    assert [one["label"] for one in found] == labels
    np.testing.assert_allclose([one["probabilities"] for one in found], chances, atol=1e-6)
    pooled, tokens = predictor.embed(TEXTS)
    for row, (first, rest) in enumerate(service.answer({"data": TEXTS, "task": "embedding"})):
        np.testing.assert_allclose(first, pooled[row], atol=1e-6)
        np.testing.assert_allclose(rest, tokens[row], atol=1e-6)


def test_health_has_the_labels_in_the_order_of_the_probabilities(predictors):
    """Also those of heads beside a pretrained model."""
    for kind in ("seq-cls", "token-cls"):
        heads = make_service(predictors[None], heads=[predictors[kind]])
        for service in (make_service(predictors[kind]), heads):
            labels = service.health()["labels"]
            for one in service.answer({"data": TEXTS, "task": kind, "return_prob": True}):
                best = np.argmax(one["probabilities"], -1)
                assert np.array(labels)[best].tolist() == one["label"]


def test_labels_of_tokens_come_without_those_around_them(predictors):
    service = make_service(predictors["token-cls"])
    (labels,) = service.answer({"data": [["天\002气\002好"]]})
    assert len(labels) == 3
    (both,) = service.answer({"data": [["天\002气\002好"]], "return_prob": True})
    assert both["label"] == labels
    assert np.shape(both["probabilities"]) == (3, 3)
    (tagged,) = service.answer({"data": ["天\002气\002好"], "task": "tag"})
    assert tagged["words"] == ["天", "气", "好"]
    assert tagged["labels"] == labels


@pytest.mark.parametrize(
    ("kind", "tasks", "labels"),
    [
        (None, ["embedding", "fill-mask", "detect"], None),
        ("seq-cls", ["seq-cls", "pair-cls", "embedding"], ["bad", "good"]),
        ("token-cls", ["token-cls", "tag", "embedding"], TAGS),
        ("qa", ["qa", "embedding"], None),
    ],
)
def test_health_says_what_there_is(predictors, kind, tasks, labels):
    service = make_service(predictors[kind], name="electra", queue=7)
    health = service.health()
    assert (health["name"], health["version"]) == ("electra", "1.0.0")
    assert (health["kind"], health["tasks"], health["labels"]) == (kind, tasks, labels)
    assert (health["engine"], health["waiting"], health["limits"]["queue"]) == (None, 0, 7)
    service.answer({"data": [["好", "好"]], "task": tasks[0]} if kind == "qa" else {"data": ["好"]})
    with pytest.raises(InputError):
        service.answer({})
    after = service.health()
    assert (after["engine"], after["precision"]) == ("eager", "float32")
    assert after["requests"] == {"answered": 1, "refused": 1, "busy": 0, "failed": 0}


@pytest.mark.parametrize(
    ("kind", "body", "words"),
    [
        ("seq-cls", {"data": ["好"], "max_seq_len": 512}, "'max_seq_len': 512 is more than this"),
        ("seq-cls", {"data": ["好"], "use_gpu": True}, "'use_gpu': where this server runs"),
        ("seq-cls", {"data": ["好"], "task": "detect"}, "'detect' does not exist here; there are"),
        (
            "qa",
            {"data": [["好", "好"]], "max_seq_len": 4},
            "'max_seq_len': expected a whole number",
        ),
        (
            None,
            {"data": ["好"], "task": "detect", "max_seq_len": 9},
            "'max_seq_len': expected a whole number of at least",
        ),
        (None, {"data": ["[MASK]"], "task": "fill-mask", "top_k": 99}, "'top_k': 99 is more than"),
        (
            None,
            {"data": ["好[MASK]", "好" * 90 + "[MASK]"], "task": "fill-mask"},
            "'data'[1]: [MASK] number 1 is token 91 and would be cut off",
        ),
    ],
)
def test_what_the_model_does_not_allow_is_named(predictors, kind, body, words):
    with pytest.raises(InputError) as error:
        make_service(predictors[kind]).answer(body)
    assert words in str(error.value)


def test_texts_without_a_token_are_answered(predictors):
    for text in ("\x00", "\x01\x02", "￾", "\u200b", "\U0010ffff"):
        for kind, task in ((None, "detect"), (None, "embedding"), ("token-cls", "token-cls")):
            (found,) = make_service(predictors[kind]).answer({"data": [text], "task": task})
            assert found is not None
        pair = {"data": [[text, text]]}
        assert make_service(predictors["qa"]).answer(pair)[0]["answers"] is not None
        assert make_service(predictors["pair-cls"]).answer(pair)[0] in ("no", "yes")


def test_a_pretrained_model_answers_with_the_heads_beside_it(predictors):
    heads = [predictors[kind] for kind in ("seq-cls", "token-cls")]
    service = make_service(predictors[None], heads=heads)
    tasks = service.health()["tasks"]
    assert tasks == ["seq-cls", "token-cls", "tag", "embedding", "fill-mask", "detect"]
    assert service.operations.default == "embedding"
    assert service.health()["labels"] == ["bad", "good"]
    assert service.health()["labels_of"] == {
        "seq-cls": ["bad", "good"],
        "token-cls": predictors["token-cls"].labels,
    }
    answers = service.answer({"data": TEXTS, "task": "seq-cls"})
    assert answers == predictors["seq-cls"].predict(TEXTS)
    tagged = service.answer({"data": TEXTS, "task": "tag"})
    assert same(tagged, predictors["token-cls"].tag(TEXTS))
    embedded = service.answer({"data": TEXTS[:1], "task": "embedding"})
    assert same(embedded[0][0], predictors[None].embed(TEXTS[:1])[0][0].tolist())
    with pytest.raises(InputError, match="'task'"):
        service.answer({"data": TEXTS, "task": "qa"})
    service.close()


def test_a_stopped_service_says_so(predictors):
    service = make_service(predictors["seq-cls"])
    assert service.answer({"data": ["好"]})
    service.close()
    with pytest.raises(Busy, match="being stopped"):
        service.answer({"data": ["好"]})
    assert service.health()["requests"]["busy"] == 1
