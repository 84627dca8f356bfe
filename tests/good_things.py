"""One of everything that the commands take, all of it good; fixtures for conftest."""

import random

import pytest
from tiny_checkpoint import TEXTS, make_checkpoint

from paddle_electra import cli

SMALL = (
    "--model-size tiny --hidden-size 16 --embedding-size 16 --num-attention-heads 1 "
    "--num-hidden-layers 1 --generator-hidden-size 16 --train-batch-size 4 --num-warmup-steps 0 "
    "--num-train-steps 2 --eval-examples 0 --device cpu --no-visualdl"
)
BUILD = "data build --processes 1 --input {made}/corpus --vocab {made}/vocab.txt --output {tmp}/out"


def call(line, **places):
    """Run a command given as a line; ``{name}`` in it stands for a place, which may have spaces."""
    return cli.main([word.format(**places) for word in line.split()])


def write_reviews(path, rows):
    path.write_text("label\ttext_a\n" + "".join(f"{row}\n" for row in rows), "utf-8")


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A folder with one of everything that the commands take, all of it good."""
    root = tmp_path_factory.mktemp("good things")
    source = random.Random(1)
    make_checkpoint(root / "model", max_position_embeddings=512)
    make_checkpoint(root / "finetuned", labels=["0", "1"])
    (root / "model-vocab.txt").rename(root / "vocab.txt")
    (root / "corpus").mkdir()
    documents = ["\n".join(source.choices(TEXTS, k=6)) for _ in range(20)]
    (root / "corpus" / "a.txt").write_text("\n\n".join(documents) + "\n", "utf-8")
    (root / "reviews").mkdir()
    for split in ("train", "dev", "test"):
        rows = [f"{number % 2}\t{source.choice(TEXTS)}" for number in range(8)]
        write_reviews(root / "reviews" / f"{split}.tsv", rows)
    line = BUILD.replace("{tmp}/out", "{made}/shards") + " --max-seq-length 32"
    assert call(line, made=root) == 0
    return root


@pytest.fixture(scope="session")
def run_folder(made):
    """A finished pretraining run of two steps."""
    line = f"pretrain --data {{made}}/shards --output {{made}}/run {SMALL}"
    assert call(line, made=made) == 0
    return made / "run"
