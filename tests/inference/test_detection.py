import json

import numpy as np
import paddle
import pytest
from tiny_checkpoint import TEXTS, make_checkpoint

from paddle_electra.errors import InputError
from paddle_electra.inference.predictor import Predictor

LONG = "".join(TEXTS) * 3


@pytest.fixture(scope="module")
def predictor(tmp_path_factory):
    folder = make_checkpoint(tmp_path_factory.mktemp("pretrained") / "model", generator=True)
    return Predictor.load(folder)


def chances_of(predictor, ids):
    """Probabilities of the tokens between [CLS] and [SEP], the network called alone."""
    tokenizer = predictor.tokenizer
    ids = paddle.to_tensor([[tokenizer.cls_id, *ids, tokenizer.sep_id]])
    with paddle.no_grad():
        logits = predictor.networks.layer("discriminator")(ids).numpy()
    return 1 / (1 + np.exp(-logits.reshape(-1)[1:-1]))


def test_every_character_has_its_tokens_probability(predictor):
    text = " 今天 abc，\u200b好"
    (found,) = predictor.detect([text])
    assert predictor.tokenizer.tokenize(text) == ["今", "天", "[UNK]", "，", "好"]
    wanted = chances_of(predictor, predictor.tokenizer.encode_plain_batch([text])[0])
    owner = [None, 0, 1, None, 2, 2, 2, 3, None, 4]
    assert [one["character"] for one in found["characters"]] == list(text)
    assert [one["start"] for one in found["characters"]] == list(range(len(text)))
    for one, token in zip(found["characters"], owner, strict=True):
        if token is None:
            assert one["probability"] is None
        else:
            assert one["probability"] == pytest.approx(wanted[token], abs=1e-6)
    json.dumps(found)


def test_suspicious_tokens_get_suggestions_with_them_masked(predictor):
    text = TEXTS[3]
    (found,) = predictor.detect([text], threshold=0.0, top_k=2)
    assert [one["text"] for one in found["suspicious"]] == list(text)
    for one in found["suspicious"][::7]:
        masked = f"{text[: one['start']]}[MASK]{text[one['end'] :]}"
        ((guesses,),) = predictor.fill_mask([masked], top_k=3)
        expected = [guess for guess in guesses if guess["token"] != one["text"]][:2]
        assert [guess["token"] for guess in one["suggestions"]] == [
            guess["token"] for guess in expected
        ]
        np.testing.assert_allclose(
            [guess["probability"] for guess in one["suggestions"]],
            [guess["probability"] for guess in expected],
            atol=1e-6,
        )


def test_the_threshold_divides(predictor):
    (found,) = predictor.detect([LONG], top_k=0)
    chances = [one["probability"] for one in found["characters"]]
    threshold = float(np.median(chances))
    (found,) = predictor.detect([LONG], threshold=threshold, top_k=0)
    places = [one["start"] for one in found["suspicious"]]
    assert places == [place for place, chance in enumerate(chances) if chance >= threshold]
    assert all(one["suggestions"] == [] for one in found["suspicious"])


@pytest.mark.parametrize("batch_size", [None, 2])
def test_long_texts_are_read_in_stretches(predictor, batch_size):
    short, long = predictor.detect(["好", LONG], 0.0, 1, max_seq_len=26, batch_size=batch_size)
    assert len(short["characters"]) == 1
    found = np.array([one["probability"] for one in long["characters"]])
    assert len(long["suspicious"]) == len(LONG)
    assert all(len(one["suggestions"]) == 1 for one in long["suspicious"])
    ids = predictor.tokenizer.encode_plain_batch([LONG])[0]
    # The outermost tokens are those of the outermost stretches.
    np.testing.assert_allclose(found[:12], chances_of(predictor, ids[:24])[:12], atol=1e-6)
    np.testing.assert_allclose(found[-12:], chances_of(predictor, ids[-24:])[-12:], atol=1e-6)


def test_empty_texts_and_no_texts(predictor):
    assert predictor.detect([]) == []
    nothing = {"text": "", "characters": [], "suspicious": []}
    assert predictor.detect(["", "好"], 1.0)[0] == nothing


def test_without_generator_there_are_no_suggestions(tmp_path):
    predictor = Predictor.load(make_checkpoint(tmp_path / "model"))
    (found,) = predictor.detect(["好"], threshold=0.0)
    (suspect,) = found["suspicious"]
    assert suspect["suggestions"] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"threshold": 1.5}, "threshold: expected a number from 0 to 1, got 1.5"),
        ({"threshold": True}, "threshold: expected a number"),
        ({"top_k": -1}, "top_k: expected a whole number of at least 0"),
        ({"max_seq_len": 65}, "more than this model's 64"),
        ({"texts": ["好", None]}, r"texts\[1\]: expected a text, got None"),
    ],
)
def test_mistakes_are_named(predictor, arguments, message):
    with pytest.raises(InputError, match=message):
        predictor.detect(**{"texts": ["好"], **arguments})


def test_a_fine_tuned_model_says_so(tmp_path):
    predictor = Predictor.load(make_checkpoint(tmp_path / "model", ["0", "1"]))
    with pytest.raises(InputError, match="fine-tuning replaced the head"):
        predictor.detect(["好"])
