"""Models of two layers with random weights and every kind of head, served or not."""

import paddle
from tiny_checkpoint import make_checkpoint

from paddle_electra import checkpoint as checkpoints
from paddle_electra.checkpoint import native
from paddle_electra.inference.networks import task_network
from paddle_electra.inference.predictor import Predictor
from paddle_electra.serving.operations import Operations
from paddle_electra.serving.service import Service
from paddle_electra.serving.settings import ServingSettings

TAGS = ["O", "B-X", "I-X"]
TASKS = {
    "pair-cls": {"labels": ["no", "yes"], "num_classes": 2},
    "token-cls": {"labels": TAGS, "num_classes": len(TAGS)},
    "qa": {"max_query_length": 8, "doc_stride": 8, "beam_size": 5},
}


def make_predictor(folder, kind):
    """The `Predictor` of a pretrained model (``kind`` None) or of a fine-tuned one."""
    base = make_checkpoint(folder / "base", generator=kind is None)
    if kind is None:
        return Predictor.load(base)
    if kind == "seq-cls":
        return Predictor.load(make_checkpoint(folder / "tuned", ["bad", "good"]))
    config, task = checkpoints.load(base).config, {"kind": kind, **TASKS[kind]}
    paddle.seed(5)
    network = task_network(config, task, task.get("labels"))
    native.save(folder / "tuned", config, base / native.VOCAB, network, task=task)
    return Predictor.load(folder / "tuned")


def make_service(predictor, name="model", heads=(), **settings):
    """A `Service`; ``heads`` are the `Predictor`s of trained heads of a pretrained model."""
    loaders = {head.kind: lambda head=head: head for head in heads}
    operations = Operations(lambda: predictor, heads=loaders)
    return Service(name, "1.0.0", operations, ServingSettings(**settings))
