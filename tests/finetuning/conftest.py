"""A small pretrained model and a task that has a rule: texts that contain 好 are positive."""

import random

import paddle
import pytest
from finetuning_data import CHARACTERS

from paddle_electra.checkpoint import native
from paddle_electra.config import from_dict
from paddle_electra.finetuning.options import FinetuneOptions
from paddle_electra.modeling.config import ElectraConfig
from paddle_electra.modeling.electra import ElectraDiscriminator

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


@pytest.fixture(scope="session")
def pretrained(tmp_path_factory):
    """The folder of a checkpoint with two layers and 64 positions."""
    folder = tmp_path_factory.mktemp("pretrained")
    vocab = folder / "vocab-source.txt"
    tokens = [*SPECIAL, "好", *CHARACTERS]
    vocab.write_text("".join(f"{token}\n" for token in tokens), encoding="utf-8")
    config = ElectraConfig(
        vocab_size=len(tokens),
        embedding_size=16,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        generator_hidden_size=16,
        generator_num_hidden_layers=2,
        generator_num_attention_heads=1,
        generator_intermediate_size=32,
        max_position_embeddings=64,
        initializer_range=0.1,
    )
    paddle.seed(3)
    native.save(folder / "model", config, vocab, ElectraDiscriminator(config))
    return folder / "model"


def write_split(path, count, seed):
    """``count`` rows, a header, half of them positive."""
    source = random.Random(seed)
    lines = ["label\ttext_a"]
    for number in range(count):
        text = source.choices(CHARACTERS, k=source.randint(3, 12))
        if number % 2:
            text[source.randrange(len(text))] = "好"
        lines.append(f"{number % 2}\t{''.join(text)}")
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


@pytest.fixture
def data(tmp_path):
    """A folder with train.tsv, dev.tsv and eval.tsv."""
    folder = tmp_path / "data"
    folder.mkdir()
    for split, count in (("train", 240), ("dev", 60), ("eval", 40)):
        write_split(folder / f"{split}.tsv", count, seed=count)
    return folder


@pytest.fixture
def options(pretrained, data, tmp_path):
    """options(output name, **changes) -> `FinetuneOptions` that learn the rule."""

    def _options(output="out", **changes):
        values = {
            "task": "chnsenticorp",
            "model": str(pretrained),
            "data": str(data),
            "output": str(tmp_path / output),
            "learning_rate": 3e-3,
            "layerwise_lr_decay": 1.0,
            "num_train_epochs": 5,
            "train_batch_size": 16,
            "max_seq_length": 32,
        }
        return from_dict(FinetuneOptions, {**values, **changes})

    return _options
