"""Small corpora, options to build shards of them, and what to compare of the shards."""

import json
import random

from paddle_electra.config import from_dict
from paddle_electra.pretraining.data_options import BuildOptions

CHARACTERS = "天地玄黄宇宙洪荒日月盈昃辰宿列张寒来暑往秋收冬藏闰余成岁律吕调阳"


def make_documents(count, seed=0):
    rng = random.Random(seed)

    def sentence():
        return "".join(rng.choices(CHARACTERS, k=rng.randrange(3, 30))) + rng.choice("。！？")

    return [
        [
            "".join(sentence() for _ in range(rng.randrange(1, 4)))
            for _ in range(rng.randrange(1, 9))
        ]
        for _ in range(count)
    ]


def as_text(documents):
    return ("\n\n".join("\n".join(lines) for lines in documents) + "\n").encode()


def options(tmp_path, corpus, vocabulary, **changes):
    values = {
        "input": [str(corpus)],
        "vocab": vocabulary,
        "output": tmp_path / "out",
        "processes": 1,
    }
    return from_dict(BuildOptions, {**values, "max_seq_length": 32, **changes})


def shard_files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".json"}


def description(folder):
    """dataset.json without the time it took."""
    meta = json.loads((folder / "dataset.json").read_text())
    del meta["statistics"]["seconds"], meta["statistics"]["megabytes_per_second"]
    return meta


def all_examples(dataset):
    return [(ids.tolist(), first_length) for ids, first_length in dataset]
