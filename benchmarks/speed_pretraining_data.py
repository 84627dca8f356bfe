"""Examples for `speed_pretraining`, and batches of them for those that have no `BatchMaker`.

No paddle here: this also runs beside PyTorch.
"""

import random
from typing import NamedTuple

import numpy as np

from paddle_electra.config import from_dict
from paddle_electra.modeling.config import ElectraConfig
from paddle_electra.pretraining import build, masking
from paddle_electra.pretraining.data_options import BuildOptions
from paddle_electra.pretraining.shards import ShardDataset
from paddle_electra.text.tokenizer import ElectraTokenizer
from paddle_electra.text.vocab import SPECIAL_TOKENS

SEED = 42
IGNORED = -100  # label of what is no slot, in every framework
# The Chinese characters of Unicode's first block and of extension A.
CHARACTERS = [chr(code) for code in (*range(0x4E00, 0x9FA6), *range(0x3400, 0x4DB6))]


def make_shards(folder, vocab_size, length, examples):
    """Shards of at least ``examples`` examples of generated text, always the same.

    Characters come by Zipf's law, in sentences of 8 to 40 and paragraphs of 20 sentences; the
    examples are those that ``data build`` makes of them.
    """
    characters = CHARACTERS[: vocab_size - len(SPECIAL_TOKENS) - 1]
    vocab, corpus = folder / "vocab.txt", folder / "corpus.txt"
    vocab.write_text("\n".join([*SPECIAL_TOKENS, "。", *characters]) + "\n", "utf-8")
    rng = random.Random(SEED)
    ranks = random.Random(SEED + 1).sample(characters, len(characters))
    weights = [1 / (rank + 10) for rank in range(len(ranks))]
    with open(corpus, "w", encoding="utf-8") as handle:
        for line in range(2 + examples * length // 20):
            handle.write("".join(rng.choices(ranks, weights, k=rng.randint(8, 40))) + "。\n")
            if line % 20 == 19:
                handle.write("\n")
    values = {"input": (str(corpus),), "vocab": str(vocab), "output": str(folder / "shards")}
    values |= {"max_seq_length": length, "processes": 1}
    build.run(from_dict(BuildOptions, values))
    return folder / "shards"


class Settings(NamedTuple):
    """What a contestant is given, all of it or its defaults."""

    data: str  # folder of shards
    batch: int  # examples a step, over all processes
    size: str  # of `ElectraConfig.from_size`
    threads: int  # of each process
    device: str = "cpu"
    precision: str = "float32"
    layout: str = "padded"  # ours
    kernels: bool = True  # ours: False for Paddle's own
    large_generator: bool = False  # PaddleNLP: as its class makes it


class Skipped(Exception):
    """This contestant cannot run here; the text says why."""


class Arrays(NamedTuple):
    """A padded batch; ids are int64."""

    input_ids: np.ndarray  # (batch, length) the original tokens
    masked_input_ids: np.ndarray
    token_type_ids: np.ndarray
    attention_mask: np.ndarray  # 1 for tokens and 0 for padding
    labels: np.ndarray  # (batch, length) the original token at slots, IGNORED elsewhere
    slots: np.ndarray  # (slots,) of the flattened ids
    lengths: np.ndarray  # (batch,) tokens


class Examples:
    """The batches of all contestants.

    Args:
        settings: `Settings`.
    """

    def __init__(self, settings):
        self.dataset = ShardDataset(settings.data)
        self.batch = settings.batch
        meta = self.dataset.meta
        self.tokenizer = ElectraTokenizer(self.dataset.vocab_file, meta["do_lower_case"])
        self.config = ElectraConfig.from_size(settings.size, self.dataset.vocab_size)

    def numbers(self, step):
        """Which examples a step has."""
        first = step * self.batch
        return np.arange(first, first + self.batch) % len(self.dataset)

    def arrays(self, step):
        """The `Arrays` of a step, with the very masks that our own `BatchMaker` draws."""
        tokenizer, dataset = self.tokenizer, self.dataset
        special = [tokenizer.cls_id, tokenizer.sep_id, tokenizer.mask_id]
        rows = [dataset[int(number)] for number in self.numbers(step)]
        lengths = np.array([len(ids) for ids, _ in rows])
        width = min(-(-int(lengths.max()) // 8) * 8, dataset.max_seq_length)
        ids = np.full((len(rows), width), tokenizer.pad_id, np.int64)
        masked_ids, labels = ids.copy(), np.full_like(ids, IGNORED)
        types, mask = np.zeros_like(ids), np.zeros_like(ids)
        slots = []
        for row, (tokens, first_length) in enumerate(rows):
            rng = masking.generator(masking.MASK, SEED, step, row)
            masked = masking.mask_tokens(
                tokens, special, tokenizer.mask_id, dataset.max_seq_length, rng
            )
            here = slice(0, len(tokens))
            ids[row, here], masked_ids[row, here], mask[row, here] = tokens, masked.input_ids, 1
            types[row, first_length : len(tokens)] = 1
            labels[row, masked.positions] = tokens[masked.positions]
            slots.append(masked.positions + row * width)
        return Arrays(ids, masked_ids, types, mask, labels, np.concatenate(slots), lengths)
