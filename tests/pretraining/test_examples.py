"""The example builder: its rules, and equality with the original's recorded output."""

import gzip
import random

import numpy as np
import pytest
from example_ids import examples_of

from paddle_electra.pretraining.examples import ExampleBuilder

CLS, SEP = 1, 2


def build(documents, length, seed=0, rule="google"):
    builder = ExampleBuilder(length, random.Random(seed), rule)
    return examples_of(builder, documents, CLS, SEP)


def random_documents(seed, count=300):
    rng = random.Random(seed)
    return [
        [[rng.randrange(10, 99)] * rng.randrange(0, 40) for _ in range(rng.randrange(0, 12))]
        for _ in range(count)
    ]


@pytest.mark.parametrize("rule", ["google", "hfl"])
@pytest.mark.parametrize("length", [8, 48, 128])
def test_shape_of_every_example(rule, length):
    for ids, first_length in build(random_documents(3), length, rule=rule):
        assert 3 <= len(ids) <= length
        assert ids[0] == CLS and ids[first_length - 1] == SEP and ids[-1] == SEP
        assert ids.count(CLS) == 1
        assert ids.count(SEP) == (1 if first_length == len(ids) else 2)


def test_google_keeps_the_order_of_the_text_and_examples_keep_to_their_document():
    documents = [[[100 * d + n] * 5 for n in range(20)] for d in range(1, 40)]
    for ids, _ in build(documents, 64):
        words = [word for word in ids if word not in (CLS, SEP)]
        assert words == sorted(words)
        assert len({word // 100 for word in words}) == 1


def test_nothing_is_lost_when_everything_fits():
    documents = [[[7] * 10, [8] * 10], [], [[], []], [[9] * 3]]
    kept = [[token for token in ids if token not in (CLS, SEP)] for ids, _ in build(documents, 512)]
    assert kept == [[7] * 10 + [8] * 10, [9] * 3]


def test_two_segments_are_common_with_googles_rule_and_rare_with_the_forks():
    documents = [[[5] * 12 for _ in range(200)] for _ in range(20)]
    shares = {}
    for rule in ("google", "hfl"):
        examples = build(documents, 128, rule=rule)
        shares[rule] = np.mean([first < len(ids) for ids, first in examples])
    assert shares["google"] > 0.6 > 0.3 > shares["hfl"]


def test_short_examples_turn_up_and_seeds_repeat():
    documents = [[[5] * 4 for _ in range(5000)]]
    examples = build(documents, 128, seed=4)
    lengths = np.array([len(ids) for ids, _ in examples[:-1]])
    assert 0.02 < np.mean(lengths < 120) < 0.09
    assert examples == build(documents, 128, seed=4) != build(documents, 128, seed=5)


def test_an_unknown_rule_is_refused():
    with pytest.raises(ValueError, match="bert"):
        ExampleBuilder(128, random.Random(0), "bert")


RECORDINGS = {"google": "google", "ymcui": "hfl"}


@pytest.mark.reference
def test_recorded_examples_are_equal(oracle):
    from paddle_electra.text.tokenizer import ElectraTokenizer

    tokenizer = ElectraTokenizer(_vocabulary(oracle))
    documents = []
    for part in sorted((oracle / "pretrain_data" / "corpus").glob("part*.txt.gz")):
        lines = gzip.decompress(part.read_bytes()).decode().split("\n")
        lines = [line.strip() for line in lines]
        documents.append([])
        for line, ids in zip(lines, tokenizer.encode_plain_batch(lines), strict=True):
            if line:
                documents[-1].append(ids)
            else:
                documents.append([])
    recordings = sorted((oracle / "pretrain_data").glob("examples_*.npz"))
    assert recordings and documents
    for recording in recordings:
        _, fork, length, seed = recording.stem.split("_")
        builder = ExampleBuilder(int(length[1:]), random.Random(int(seed[4:])), RECORDINGS[fork])
        examples = examples_of(builder, documents, tokenizer.cls_id, tokenizer.sep_id)
        _assert_equal(examples, np.load(recording))


def _vocabulary(oracle):
    return sorted(oracle.glob("electra_*/vocab.txt"))[0]


def _assert_equal(examples, recorded):
    shape = recorded["input_ids"].shape
    ids, mask, segments = (np.zeros(shape, "int64") for _ in range(3))
    assert len(examples) == shape[0]
    for row, (own, first_length) in enumerate(examples):
        ids[row, : len(own)] = own
        mask[row, : len(own)] = 1
        segments[row, first_length : len(own)] = 1
    np.testing.assert_array_equal(ids, recorded["input_ids"])
    np.testing.assert_array_equal(mask, recorded["input_mask"])
    np.testing.assert_array_equal(segments, recorded["segment_ids"])
