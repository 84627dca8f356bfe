"""Shards and hyperparameters of runs that take seconds."""

import random

from paddle_electra.config import from_dict
from paddle_electra.pretraining.build import run as build
from paddle_electra.pretraining.data_options import BuildOptions

CHARACTERS = [chr(0x4E00 + number) for number in range(120)]
SMALL = {
    "model_size": "tiny",
    "num_hidden_layers": 2,
    "hidden_size": 32,
    "embedding_size": 16,
    "num_attention_heads": 2,
    "generator_hidden_size": 16,
    "train_batch_size": 8,
    "num_train_steps": 12,
    "num_warmup_steps": 3,
    "learning_rate": 1e-3,
    "eval_examples": 16,
    "eval_every": 6,
    "log_every": 1,
    "save_checkpoints_steps": 4,
    "visualdl": False,
    "device": "cpu",
}
QUIET = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


def write_vocab(path, characters):
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    path.write_text("\n".join([*special, "。", *characters]) + "\n", "utf-8")
    return path


def pairs(text):
    """A segmenter: words of two characters."""
    return [text[start : start + 2] for start in range(0, len(text), 2)]


def build_shards(root, name, characters, seed=0, **changes):
    rng = random.Random(seed)
    lines = []
    for _ in range(60):
        for _ in range(8):
            start = rng.randrange(100)
            lines.append(
                "".join(CHARACTERS[start + n % 7] for n in range(rng.randrange(5, 30))) + "。"
            )
        lines.append("")
    (root / f"{name}.txt").write_text("\n".join(lines), "utf-8")
    vocab = write_vocab(root / f"{name}-vocab.txt", characters)
    values = {"input": str(root / f"{name}.txt"), "vocab": str(vocab), "output": str(root / name)}
    values = {**values, "max_seq_length": 48, "processes": 1, **changes}
    return build(from_dict(BuildOptions, values)).folder
