"""One encoder under the heads of several tasks."""

from paddle import nn


class ElectraForSeveralTasks(nn.Layer):
    """The fine-tuning models of several tasks, made to share the first one's encoder.

    Original: `FinetuningModel`, which has one prediction module a task on one encoder.

    Args:
        models: list of fine-tuning models with ``.electra``; their own encoders are let go.
        names: a name for each, the prefix of its head's parameters.
    """

    def __init__(self, models, names):
        super().__init__()
        self.config = models[0].config
        self.electra = models[0].electra
        self.parts = list(models)
        for name, model in zip(names, models, strict=True):
            model.electra = self.electra
            self.add_sublayer(name, model)

    def state_dict(self, *args, **kwargs):
        """The encoder's parameters once, as ``electra.*``, and the heads' as ``NAME.*``."""
        everything = super().state_dict(*args, **kwargs)
        return type(everything)(
            (name, tensor) for name, tensor in everything.items() if ".electra." not in name
        )
