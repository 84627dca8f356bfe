"""The rival of `speed_data.py` does the original's work: its tokens, its examples, as records."""

import random

import original_pipeline
import pytest

from paddle_electra.pretraining.examples import ExampleBuilder
from paddle_electra.pretraining.tfrecords import read_records
from paddle_electra.text.tokenizer import ElectraTokenizer

TEXT = "天气很好，北京 Paddle training ２０１２! é한 un\u200baffable\u3000x" + "a" * 201


@pytest.fixture
def vocab(tmp_path):
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"天气很好北京，。!2x", "pad", "##dle"]
    tokens += ["un", "##aff", "##able", "e", "train", "##ing"]
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(tokens) + "\n", "utf-8")
    return path


def test_tokens_are_those_of_the_original(vocab):
    tokenizer = ElectraTokenizer(vocab)
    ids = original_pipeline.Vocabulary(vocab).ids
    assert original_pipeline.tokenize(TEXT, ids) == tokenizer.tokenize(TEXT)


def test_examples_are_those_of_the_builder(tmp_path, vocab):
    rng = random.Random(3)
    documents = [
        ["".join(rng.choices("天气很好北京，。", k=rng.randrange(1, 30))) for _ in range(size)]
        for size in (3, 40, 1, 12)
    ]
    text = tmp_path / "a.txt"
    text.write_text("\n\n".join("\n".join(lines) for lines in documents) + "\n", "utf-8")
    vocabulary = original_pipeline.Vocabulary(vocab)
    count = original_pipeline.build(text, vocabulary, 32, tmp_path / "out", seed=7)
    records = list(read_records(tmp_path / "out"))
    assert len(records) == count > 10

    tokenizer = ElectraTokenizer(vocab)
    builder = ExampleBuilder(32, random.Random(7))
    stream = [tokenizer.cls_id, tokenizer.sep_id]
    for lines in documents:
        for line in lines:
            stream += tokenizer.encode_plain_batch([line])[0]
            builder.add_lines([len(stream)])
        builder.end_document()
    (spans, lengths, first_lengths), _ = builder.take()
    tokens = [
        t for start, end in zip(spans[::2], spans[1::2], strict=True) for t in stream[start:end]
    ]
    for record, length, first_length in zip(records, lengths, first_lengths, strict=True):
        own, tokens = tokens[:length], tokens[length:]
        padding = 32 - length
        assert record.input_ids.tolist() == own + [0] * padding
        assert record.input_mask.tolist() == [1] * length + [0] * padding
        second = length - first_length
        assert record.segment_ids.tolist() == [0] * first_length + [1] * second + [0] * padding
