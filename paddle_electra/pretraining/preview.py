"""``paddle-electra data preview``: what is in a folder of shards, for a person to look at."""

import random

import numpy as np

from ..errors import InputError
from ..text.tokenizer import ElectraTokenizer
from . import statistics
from .shards import ShardDataset

WORD_MARK = "¦"


def run(options):
    """Print the statistics of a dataset and a few decoded examples (`PreviewOptions`).

    Raises:
        InputError: no dataset, a damaged one, or a vocabulary file that is not the shards' own.
    """
    if options.number < 0:
        raise InputError("--number: expected 0 or more")
    dataset = ShardDataset(options.data)
    tokenizer = ElectraTokenizer(dataset.vocab_file, dataset.meta["do_lower_case"])
    dataset.check_vocabulary(tokenizer.fingerprint)
    numbers = random.Random(options.seed).sample(
        range(len(dataset)), min(options.number, len(dataset))
    )
    for number in sorted(numbers):
        print(describe_example(number, *dataset[number], tokenizer, dataset.word_starts(number)))
        print()
    print(statistics.describe(dataset.meta))


def describe_example(number, ids, first_length, tokenizer, word_starts=None):
    """An example as readable lines, one a segment, the special tokens shown.

    Args:
        ids: int [n] token ids with [CLS] and [SEP]s.
        first_length: tokens of type 0.
        word_starts: bool [n]; if given, words are set apart by `WORD_MARK`.
    """
    first, second = slice(1, first_length - 1), slice(first_length, len(ids) - 1)
    pair = len(ids) > first_length
    sizes = f"{first_length - 2} + {len(ids) - first_length - 1}" if pair else f"{first_length - 2}"
    texts = [
        _text(ids[part], None if word_starts is None else word_starts[part], tokenizer)
        for part in (first, second)
    ]
    lines = [
        f"example {number}: {len(ids)} tokens, of text {sizes}",
        f"  [CLS] {texts[0]} [SEP]",
    ]
    if pair:
        lines.append(f"        {texts[1]} [SEP]")
    return "\n".join(lines)


def _text(ids, word_starts, tokenizer):
    if word_starts is None:
        return tokenizer.decode(ids.tolist())
    words = np.split(ids, np.flatnonzero(word_starts)[1:])
    return WORD_MARK.join(tokenizer.decode(word.tolist()) for word in words)
