"""The networks behind a module: `Networks` that also know the published modules' heads."""

import paddle

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

    kinds = (*Networks.kinds, MATCHING)

    def task_network(self):
        """See `Networks.task_network`."""
        return build(self.config, self.task, self.labels)


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
