import gzip
import itertools
import json
import pickle
import re

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pure_python import PurePythonTokenizer
from test_normalize import is_known, known_text

from paddle_electra.errors import InputError
from paddle_electra.text import tokenizer as module
from paddle_electra.text.tokenizer import ElectraTokenizer, truncated_lengths
from paddle_electra.text.vocab import read_vocab


@pytest.fixture(scope="module")
def tokenizer(vocab_file):
    return ElectraTokenizer(vocab_file)


@pytest.fixture(scope="module")
def cased(vocab_file):
    return ElectraTokenizer(vocab_file, do_lower_case=False)


# --- the original's recordings


def read_packed(file):
    return json.loads(gzip.decompress(file.read_bytes()))


def recorded_cases(oracle):
    files = sorted((oracle / "tokenizer").glob("cases*.json.gz"))
    assert files
    return [case for file in files for case in read_packed(file)["cases"]]


def allowed(case, key):
    """The recorded tokens, and those under a newer Unicode version where that matters."""
    newer = [case[name] for name in case if name.startswith(f"{key}_unicode_")]
    return [case[key], *newer]


@pytest.mark.reference
def test_tokens_and_ids_of_every_recorded_case(oracle):
    tokenizer = ElectraTokenizer(oracle / "vocab.txt")
    cases = recorded_cases(oracle)
    all_ids = tokenizer.encode_plain_batch([case["text"] for case in cases])
    for case, ids in zip(cases, all_ids, strict=True):
        tokens = tokenizer.tokenize(case["text"])
        assert tokens in allowed(case, "tokens"), case
        if tokens == case["tokens"]:
            assert ids == case["ids"]
        assert ids == tokenizer.convert_tokens_to_ids(tokens)
        assert tokenizer.encode(case["text"]).ids[1:-1] == ids


@pytest.mark.reference
def test_cased_tokens_of_every_recorded_case(oracle):
    tokenizer = ElectraTokenizer(oracle / "vocab.txt", do_lower_case=False)
    compared = 0
    for case in recorded_cases(oracle):
        if "tokens_cased" in case and not case.get("unicode_version_sensitive"):
            assert tokenizer.tokenize(case["text"]) == case["tokens_cased"], case
            compared += 1
    assert compared > 10


@pytest.mark.reference
def test_recorded_numbering_of_an_odd_vocabulary_file(oracle):
    expected = json.loads((oracle / "tokenizer/vocab_edge_expected.json").read_text("utf-8"))
    vocabulary = read_vocab(oracle / "tokenizer/vocab_edge.txt")
    assert vocabulary.ids == expected["token_to_id"]
    assert len(vocabulary.tokens) == len(expected["lines"])


@pytest.mark.reference
def test_recorded_singles_and_pairs_with_truncation(oracle):
    tokenizer = ElectraTokenizer(oracle / "vocab.txt")
    files = sorted((oracle / "pairs").glob("*.npz"))
    assert files
    for file in files:
        name, length = re.fullmatch(r"(.*)_L(\d+)", file.stem).groups()
        recorded = np.load(file)
        examples = read_packed(file.with_name(f"{name}_examples.json.gz"))
        texts = [(example["text_a"], example.get("text_b")) for example in examples["examples"]]
        encodings = tokenizer.encode_batch(texts, max_seq_length=int(length))
        assert len(encodings) == len(recorded["input_ids"])
        for row, encoding in enumerate(encodings):
            padding = [0] * (int(length) - len(encoding.ids))
            assert encoding.ids + padding == recorded["input_ids"][row].tolist()
            assert encoding.token_type_ids + padding == recorded["segment_ids"][row].tolist()
            assert len(encoding.ids) == recorded["input_mask"][row].sum()


# --- tokens


@settings(max_examples=300, deadline=None)
@given(st.lists(known_text, max_size=4))
def test_random_batches_tokenize_as_in_plain_python(vocab_file, tokenizer, cased, texts):
    for fast in (tokenizer, cased):
        slow = PurePythonTokenizer(vocab_file, fast.do_lower_case)
        ids = fast.encode_plain_batch(texts)
        assert list(map(fast.convert_ids_to_tokens, ids)) == list(map(slow.tokenize, texts))


def test_special_tokens_in_text_are_ordinary_text(tokenizer):
    assert tokenizer.tokenize("[MASK]") == ["[", "mask", "]"]


@pytest.mark.parametrize("length, known", [(200, True), (201, False)])
def test_words_over_200_characters_are_unknown(tokenizer, length, known):
    tokens = tokenizer.tokenize("a" * length)
    assert tokens == (["a"] + ["##a"] * (length - 1) if known else ["[UNK]"])


def test_lone_surrogates_are_removed(tokenizer):
    assert tokenizer.tokenize("天\ud880气\udc00ab") == ["天", "气", "a", "##b"]


def test_cut_into_chunks_gives_the_same(tokenizer, monkeypatch):
    texts = ["天气", "", "unaffable", "\u200b", "一是的人", "Café train"] * 3
    whole = tokenizer.encode_plain_batch(texts)
    encodings = tokenizer.encode_batch(texts)
    monkeypatch.setattr(module, "CHARACTERS_AT_ONCE", 3)
    assert tokenizer.encode_plain_batch(texts) == whole
    assert tokenizer.encode_batch(texts) == encodings
    assert tokenizer.encode_plain_batch([]) == [] == tokenizer.encode_batch([])


def test_flat_form_holds_the_same_ids(tokenizer):
    texts = ["天气", "", "unaffable, 一"]
    ids, bounds = tokenizer.encode_flat(texts)
    assert ids.dtype == np.int32
    assert [ids[a:b].tolist() for a, b in itertools.pairwise(bounds)] == (
        tokenizer.encode_plain_batch(texts)
    )


def test_forgetting_words_changes_nothing(tokenizer, vocab_file, monkeypatch):
    monkeypatch.setattr("paddle_electra.text.wordpiece.WORDS_KEPT", 2)
    forgetful = ElectraTokenizer(vocab_file)
    texts = ["unaffable cafe train", "cafe un 2012 train", "a b c d"]
    assert forgetful.encode_plain_batch(texts) == tokenizer.encode_plain_batch(texts)


# --- offsets


def spans(encoding):
    return dict(zip(encoding.tokens, encoding.offsets, strict=True))


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from("天气很好aAbBuUn1，.? \n中é한"), max_size=30))
def test_offsets_cut_the_token_out_of_the_text(cased, text):
    encoding = cased.encode(text)
    for token, (start, end) in zip(encoding.tokens[1:-1], encoding.offsets[1:-1], strict=True):
        assert token == "[UNK]" or text[start:end] == token.removeprefix("##")


@settings(max_examples=200, deadline=None)
@given(known_text)
def test_offsets_are_in_order_and_cover_what_was_kept(tokenizer, text):
    assume(all(map(is_known, map(ord, text))))
    encoding = tokenizer.encode(text)
    offsets = encoding.offsets[1:-1]
    assert all(0 <= start < end <= len(text) for start, end in offsets)
    assert all(a[0] <= b[0] and a[1] <= b[1] for a, b in itertools.pairwise(offsets))
    outside = [True] * len(text)
    for start, end in offsets:
        outside[start:end] = [False] * (end - start)
    rest = "".join(character for character, out in zip(text, outside, strict=True) if out)
    assert tokenizer.tokenize(rest) == []


def test_offsets_over_removed_expanded_and_composed_characters(tokenizer):
    text = "\u200b天\x00 Cafe\u0301 İn 한 \u0301今"
    assert spans(tokenizer.encode(text)) == {
        "[CLS]": (0, 0),
        "天": (1, 2),
        "cafe": (4, 9),  # with its accent
        "i": (10, 11),
        "##n": (11, 12),
        "ᄒ": (13, 14),
        "##ᅡ": (13, 14),
        "##ᆫ": (13, 14),
        "今": (16, 17),
        "[SEP]": (0, 0),
    }


def test_offsets_of_each_text_of_a_batch_start_at_zero(tokenizer):
    batch = ["天", "\u200b气\u200b", ("cafe", "a\u0301，")]
    encodings = tokenizer.encode_batch(batch)
    assert [encoding.offsets for encoding in encodings] == [
        [(0, 0), (0, 1), (0, 0)],
        [(0, 0), (1, 2), (0, 0)],
        [(0, 0), (0, 4), (0, 0), (0, 2), (2, 3), (0, 0)],
    ]
    assert encodings == [tokenizer.encode(*([t] if isinstance(t, str) else t)) for t in batch]


def test_offsets_of_an_unknown_word_span_it(tokenizer):
    assert tokenizer.encode("a xyz！").offsets[2] == (2, 5)
    assert tokenizer.encode("天" + "z" * 300).offsets[2] == (1, 301)


# --- pairs and truncation


def test_a_pair(tokenizer):
    encoding = tokenizer.encode("天气", "cafe 好")
    assert encoding.tokens == ["[CLS]", "天", "气", "[SEP]", "cafe", "好", "[SEP]"]
    assert encoding.token_type_ids == [0, 0, 0, 0, 1, 1, 1]
    assert encoding.sequence_ids == [None, 0, 0, None, 1, 1, None]
    assert encoding.offsets == [(0, 0), (0, 1), (1, 2), (0, 0), (0, 4), (5, 6), (0, 0)]
    assert encoding.ids == tokenizer.convert_tokens_to_ids(encoding.tokens)


@pytest.mark.parametrize("second", [None, "", " \u200b"])
def test_a_second_text_without_tokens_makes_a_single(tokenizer, second):
    assert tokenizer.encode("天气", second) == tokenizer.encode("天气")


@given(*[st.integers(0, 40)] * 2, st.integers(2, 50))
def test_truncation_pops_from_the_longer_then_from_the_second(first, second, limit):
    expected = [first, second]
    while sum(expected) > limit:
        expected[0 if expected[0] > expected[1] else 1] -= 1
    assert list(truncated_lengths(first, second, limit)) == expected


def test_truncation_cuts_everything_alike(tokenizer):
    encoding = tokenizer.encode("天气很好", "一是了我不人", max_seq_length=8)
    assert encoding.tokens == ["[CLS]", "天", "气", "很", "[SEP]", "一", "是", "[SEP]"]
    assert encoding.offsets[-3:] == [(0, 1), (1, 2), (0, 0)]
    assert encoding.sequence_ids == [None, 0, 0, 0, None, 1, 1, None]
    assert len({*map(len, encoding)}) == 1
    assert tokenizer.encode("天气很好", max_seq_length=4).tokens == ["[CLS]", "天", "气", "[SEP]"]


# --- mistakes


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda t: t.encode("天", max_seq_length=2), "max_seq_length 2 .* at least 3"),
        (lambda t: t.encode("天", "气", max_seq_length=4), "max_seq_length 4 .* at least 5"),
        (lambda t: t.encode_plain_batch(["天", None]), "input 1: expected text, got NoneType"),
        (lambda t: t.encode_batch(["天", ("气", 3)]), "input 1: expected text, got int"),
        (lambda t: t.encode_batch(["天", (None, "气")]), "input 1: expected text, got NoneType"),
        (lambda t: t.encode_batch([("天", "气", "好")]), "input 0: .* got 3"),
        (lambda t: t.encode_batch("天气"), "list of texts"),
        (lambda t: t.encode_plain_batch("天气"), "list of texts"),
        (lambda t: t.decode([0, 9999]), "id 9999 is outside"),
        (lambda t: t.decode([-1]), "id -1 is outside"),
    ],
)
def test_mistakes_are_named(tokenizer, call, message):
    with pytest.raises(InputError, match=message):
        call(tokenizer)


# --- back to text, files


@pytest.mark.parametrize(
    "text, expected",
    [
        ("今天天气很好。", "今天天气很好。"),
        ("我用 PADDLE train，很好", "我用paddle train，很好"),
        ("cafe,train. un( cafe )b", "cafe, train. un(cafe) b"),
        ("12.9 % 2012,10:20", "12.9% 2012,10:20"),
        ("unaffable", "unaffable"),
    ],
)
def test_decoded_text_reads_well(tokenizer, text, expected):
    assert tokenizer.decode(tokenizer.encode(text).ids) == expected


def test_masks_stay_visible_in_decoded_text(tokenizer):
    ids = [tokenizer.cls_id, *tokenizer.convert_tokens_to_ids(["天", "[MASK]", "[UNK]", "好"])]
    assert tokenizer.decode([*ids, tokenizer.sep_id, tokenizer.pad_id]) == "天[MASK][UNK]好"


def test_saved_tokenizer_is_the_same(tokenizer, tmp_path):
    tokenizer.save(tmp_path)
    again = ElectraTokenizer.from_pretrained(tmp_path)
    assert again.fingerprint == tokenizer.fingerprint
    assert again.vocab == tokenizer.vocab
    assert pickle.loads(pickle.dumps(tokenizer)).tokenize("Café") == ["cafe"]


def test_lower_case_flag_comes_from_the_model_folder(cased, tokenizer, tmp_path):
    cased.save(tmp_path)
    (tmp_path / "config.json").write_text('{"do_lower_case": false}')
    loaded = ElectraTokenizer.from_pretrained(tmp_path)
    assert loaded.tokenize("Cafe") == ["Cafe"]
    assert loaded.fingerprint == cased.fingerprint != tokenizer.fingerprint


def test_size_counts_lines_and_ids_follow_the_file(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("[PAD]\n天\n\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n天\n", "utf-8")
    tokenizer = ElectraTokenizer(path)
    assert tokenizer.vocab_size == len(tokenizer) == 8
    assert tokenizer.encode_plain_batch(["天"]) == [[7]]
    assert tokenizer.convert_ids_to_tokens([1, 7]) == ["天", "天"]
    special = (tokenizer.pad_id, tokenizer.unk_id, tokenizer.cls_id, tokenizer.sep_id)
    assert (*special, tokenizer.mask_id) == (0, 3, 4, 5, 6)
