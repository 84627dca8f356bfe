"""The networks behind a module: `Networks` that also know the published modules' heads."""

import paddle

from ..checkpoint.native import load_weights
from ..inference.networks import CLASSIFYING, Networks, task_network
from ..modeling.published import (
    ElectraForTextMatching,
    PublishedSequenceClassification,
    PublishedTokenClassification,
)
from .arguments import MATCHING
from .trainer_files import PUBLISHED


class ModuleNetworks(Networks):
    """`Networks` of a checkpoint that may also have a published head, or one for text matching.

    Args:
        checkpoint: a `Checkpoint`.
    """

    def __init__(self, checkpoint):
        task = checkpoint.task
        is_foreign = task is not None and ("head" in task or task.get("kind") == MATCHING)
        super().__init__(checkpoint._replace(task=None) if is_foreign else checkpoint)
        if is_foreign:
            self.checkpoint, self.task, self.labels = checkpoint, task, task["labels"]

    def _build_task(self):
        if self.task is None:
            return super()._build_task()
        network = build(self.config, self.task, self.labels)
        load_weights(network, self.checkpoint.discriminator, self.source)
        return network


def with_new_head(config, task, encoder):
    """A network for a ``task`` around a trained encoder, with a random head."""
    with paddle.LazyGuard():
        network = build(config, task, task["labels"])
    network.electra = encoder
    for parameter in network.parameters():
        if not parameter._is_initialized():
            parameter.initialize()
    return network


def build(config, task, labels):
    """An untrained network for a ``task``."""
    kind = task["kind"]
    if kind == MATCHING:
        return ElectraForTextMatching(config)
    if task.get("head") != PUBLISHED:
        return task_network(config, task, labels)
    if kind in CLASSIFYING:
        return PublishedSequenceClassification(config, len(labels))
    return PublishedTokenClassification(config, len(labels))
