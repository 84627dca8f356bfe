"""Several tasks learned at once: examples mixed, one head a task on one encoder.

It has the interface of `classification.SequenceClassification` as far as training goes; scoring
goes task by task, with each one's own kind and head.
"""

import dataclasses
from typing import Any

from ..modeling.several import ElectraForSeveralTasks


@dataclasses.dataclass(frozen=True, slots=True)
class TaskFeature:
    """A feature and the number of its task."""

    job: int
    feature: Any

    def __len__(self):
        return len(self.feature)


class SeveralTasks:
    """The kinds of several tasks as one (original: several ``task_names``).

    Args:
        kinds: list of kinds.
    """

    def __init__(self, kinds):
        self.kinds = kinds

    def collate(self, features):
        """A batch of features that are all of one task."""
        job = features[0].job
        batch = self.kinds[job].collate([feature.feature for feature in features])
        return {"job": job, **batch}

    def build_model(self, config):
        """One encoder with a new head a task."""
        return ElectraForSeveralTasks([kind.build_model(config) for kind in self.kinds])

    def losses(self, model, batch):
        """The losses of the batch's task, (batch,).

        The other tasks' heads get gradients of zero, not none, as in the original: their moments
        and weights decay in every step, also before a task's first example and after a resume.
        """
        job = batch["job"]
        heads = (p for name, p in model.named_parameters() if not name.startswith("electra."))
        nothing = sum(parameter.sum() for parameter in heads) * 0.0
        return self.kinds[job].losses(model.parts[job], batch) + nothing

    def describe(self):
        """What ``task.json`` of a training checkpoint says."""
        return {"kind": "several", "tasks": [kind.describe() for kind in self.kinds]}
