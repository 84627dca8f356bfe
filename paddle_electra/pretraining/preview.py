"""``paddle-electra data preview``: what is in a folder of shards, for a person to look at."""

import random

from ..errors import InputError
from ..text.tokenizer import ElectraTokenizer
from . import statistics
from .shards import ShardDataset


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
        print(describe_example(number, *dataset[number], tokenizer))
        print()
    print(statistics.describe(dataset.meta))


def describe_example(number, ids, first_length, tokenizer):
    """An example as readable lines, one a segment, the special tokens shown.

    Args:
        ids: int [n] token ids with [CLS] and [SEP]s.
        first_length: tokens of type 0.
    """
    first, second = ids[1 : first_length - 1], ids[first_length:-1]
    sizes = f"{len(first)} + {len(second)}" if len(ids) > first_length else f"{len(first)}"
    lines = [
        f"example {number}: {len(ids)} tokens, of text {sizes}",
        f"  [CLS] {tokenizer.decode(first.tolist())} [SEP]",
    ]
    if len(ids) > first_length:
        lines.append(f"        {tokenizer.decode(second.tolist())} [SEP]")
    return "\n".join(lines)
