"""Checkpoints of two layers with random weights, for tests."""

import paddle

from paddle_electra.checkpoint import native
from paddle_electra.modeling.config import ElectraConfig
from paddle_electra.modeling.electra import (
    ElectraDiscriminator,
    ElectraForSequenceClassification,
    ElectraGenerator,
)

TEXTS = [
    "今天天气真好，我们一起去公园散步吧！",
    "太失望了。",
    "好",
    "这家饭店的菜做得很好吃，服务员也十分热情，下次还会再来。",
    "屏幕有划痕，客服不理人",
]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def make_vocab(path):
    tokens = SPECIAL + sorted(set("".join(TEXTS))) + ["a", "b", "##c"]
    path.write_text("".join(f"{token}\n" for token in tokens), encoding="utf-8")
    return len(tokens)


def make_checkpoint(directory, labels=None, seed=7, generator=False, **changes):
    """Write a native directory; with ``labels`` a fine-tuned one.  Returns ``directory``."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    vocab = directory.with_name(f"{directory.name}-vocab.txt")
    sizes = {
        "vocab_size": make_vocab(vocab),
        "embedding_size": 16,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "generator_hidden_size": 16,
        "generator_num_hidden_layers": 2,
        "generator_num_attention_heads": 1,
        "generator_intermediate_size": 32,
        "max_position_embeddings": 64,
        "initializer_range": 0.2,  # far from uniform attention
    }
    config = ElectraConfig(**{**sizes, **changes})
    paddle.seed(seed)
    if labels is None:
        network, task = ElectraDiscriminator(config), None
    else:
        network = ElectraForSequenceClassification(config, len(labels))
        task = {
            "task": "reviews",
            "kind": "seq-cls",
            "labels": labels,
            "num_classes": len(labels),
            "max_seq_length": 48,
        }
    half = ElectraGenerator(config, network.electra.embeddings) if generator else None
    native.save(directory, config, vocab, network, half, task)
    return directory
