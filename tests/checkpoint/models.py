"""Small models with random weights in every format, for tests of checkpoints."""

import dataclasses

import numpy as np

from paddle_electra.checkpoint import names
from paddle_electra.checkpoint.native import Checkpoint
from paddle_electra.modeling.config import ElectraConfig

TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"天地玄黄宇宙洪荒"]
CONFIG = ElectraConfig(
    vocab_size=len(TOKENS),
    embedding_size=8,
    hidden_size=12,
    num_hidden_layers=2,
    num_attention_heads=3,
    intermediate_size=20,
    generator_hidden_size=6,
    generator_num_hidden_layers=3,
    generator_num_attention_heads=2,
    generator_intermediate_size=10,
    max_position_embeddings=16,
)


def write_vocab(folder):
    path = folder / "vocab.txt"
    path.write_text("".join(f"{token}\n" for token in TOKENS), "utf-8")
    return path


def shapes(half, config):
    """{our name: shape} of every tensor of a half, a generator's embeddings included."""
    of = config.generator if half == "generator" else config
    found = {}
    for row in names.model_rows(half, "tensorflow", of):
        sizes = [getattr(of, size) if isinstance(size, str) else size for size in row.sizes]
        found[row.native] = (*sizes[:-1], sizes[-1] * len(row.names))
    return found


def random_tensors(half, config, seed):
    source = np.random.default_rng(seed)
    return {
        name: source.normal(size=shape).astype("float32")
        for name, shape in shapes(half, config).items()
    }


def random_checkpoint(folder, config=CONFIG, generator=True, **changes):
    """A `Checkpoint` in memory with random weights; its vocabulary lies in ``folder``."""
    config = dataclasses.replace(config, **changes)
    discriminator = random_tensors("bert" if config.pooler else "discriminator", config, 1)
    other = random_tensors("generator", config, 2) if generator else None
    if generator and config.tied_embeddings:
        other = {n: a for n, a in other.items() if not n.startswith(names.EMBEDDINGS_PREFIX)}
    vocab = write_vocab(folder)
    return Checkpoint(config, vocab, discriminator, other, None, "made by a test")


def assert_same(one, other):
    """Both checkpoints are of the same sizes and hold the same tensors, to the bit."""
    assert one.config == other.config
    for half in names.HALVES:
        before, after = getattr(one, half), getattr(other, half)
        assert (before is None) == (after is None), half
        for name in {*(before or ()), *(after or ())}:
            assert before[name].dtype == after[name].dtype, name
            np.testing.assert_array_equal(before[name], after[name], err_msg=name)
