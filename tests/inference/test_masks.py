import numpy as np
import paddle
import pytest
from tiny_checkpoint import make_checkpoint

from paddle_electra.errors import InputError
from paddle_electra.inference.long_texts import stretches
from paddle_electra.inference.masks import filled
from paddle_electra.inference.predictor import Predictor, softmax
from paddle_electra.text.vocab import SPECIAL_TOKENS

TEXTS = ["今天[MASK]气真[MASK]，abc", "[MASK]", "太失望了[MASK]"]


@pytest.fixture(scope="module")
def predictor(tmp_path_factory):
    folder = make_checkpoint(tmp_path_factory.mktemp("pretrained") / "model", generator=True)
    return Predictor.load(folder)


def by_hand(predictor, tokens, place):
    """Probabilities of all tokens at ``place`` of one text, [vocabulary]."""
    tokens = ["[CLS]", *tokens, "[SEP]"]
    ids = paddle.to_tensor([predictor.tokenizer.convert_tokens_to_ids(tokens)])
    with paddle.no_grad():
        logits = predictor.networks.layer("generator").generator(ids)
    return softmax(logits.numpy()[0, place + 1])


@pytest.mark.parametrize("batch_size", [None, 1])
def test_the_guesses_are_those_of_the_whole_network(predictor, batch_size):
    found = predictor.fill_mask(TEXTS, top_k=4, batch_size=batch_size)
    assert [len(masks) for masks in found] == [2, 1, 1]
    tokens = [
        "今",
        "天",
        "[MASK]",
        "气",
        "真",
        "[MASK]",
        "，",
        *predictor.tokenizer.tokenize("abc"),
    ]
    for masks, place in ((found[0][0], 2), (found[0][1], 5)):
        wanted = by_hand(predictor, tokens, place)
        assert wanted.sum() == pytest.approx(1, abs=1e-5)
        vocab = predictor.tokenizer.vocab
        wanted = {token: wanted[number] for token, number in vocab.items()}
        best = sorted(set(vocab) - set(SPECIAL_TOKENS), key=wanted.get, reverse=True)[:4]
        assert [one["token"] for one in masks] == best
        np.testing.assert_allclose(
            [one["probability"] for one in masks], [wanted[token] for token in best], atol=1e-6
        )


def test_every_token_may_be_asked_for_and_no_special_one_is_a_guess(predictor):
    most = predictor.tokenizer.vocab_size - 5
    ((found,),) = predictor.fill_mask(["[MASK]"], top_k=most)
    tokens = {one["token"] for one in found}
    assert tokens == set(predictor.tokenizer.vocab) - set(SPECIAL_TOKENS)
    with pytest.raises(InputError, match=f"top_k: {most + 1} is more than the {most} tokens"):
        predictor.fill_mask(["[MASK]"], top_k=most + 1)


def test_the_best_guesses_make_a_text():
    guesses = [[{"token": "天", "probability": 1}], [{"token": "##c", "probability": 1}]]
    assert filled("今[MASK] ab[MASK]", guesses) == "今天 abc"


def test_no_texts_no_guesses(predictor):
    assert predictor.fill_mask([]) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"texts": ["[MASK]", "今天"]}, r"texts\[1\]: no \[MASK\] in it; write \[MASK\]"),
        (
            {"texts": ["今天" * 20 + "[MASK]"], "max_seq_len": 20},
            "MASK. number 1 is token 41 .* 18",
        ),
        ({"texts": ["[MASK]"], "top_k": 0}, "top_k: expected a whole number of at least 1"),
        ({"texts": "[MASK]"}, "got one text"),
        ({"texts": [("[MASK]", "b")]}, r"texts\[0\]: expected a text"),
    ],
)
def test_mistakes_are_named(predictor, arguments, message):
    with pytest.raises(InputError, match=message):
        predictor.fill_mask(**arguments)


def test_a_model_without_generator_says_so(tmp_path):
    predictor = Predictor.load(make_checkpoint(tmp_path / "model"))
    with pytest.raises(InputError, match="has no generator"):
        predictor.fill_mask(["[MASK]"])


@pytest.mark.parametrize("lengths", [[1] * 3, [1] * 50, [3, 1, 1, 9, 30, 2, 2] * 5, [40], []])
def test_stretches_cover_every_unit_once_and_fit(lengths):
    room = 12
    found = stretches(7, np.array(lengths, np.int64), room)
    owned = np.zeros(len(lengths), int)
    for stretch in found:
        assert stretch.text == 7
        part = slice(stretch.first, stretch.first + stretch.count)
        owned[part] += stretch.own
        assert np.minimum(lengths[part], room).sum() <= room
    assert (owned == 1).all()
    assert len(found) <= 1 or sum(lengths) > room
