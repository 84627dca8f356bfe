"""One encoder under the heads of several tasks."""

from paddle import nn


class ElectraForSeveralTasks(nn.Layer):
    """The fine-tuning models of several tasks, made to share the first one's encoder.

    Original: `FinetuningModel`, which has one prediction module a task on one encoder.

    Args:
        models: list of fine-tuning models with ``.electra``; their own encoders are let go.
    """

    def __init__(self, models):
        super().__init__()
        self.config = models[0].config
        self.electra = models[0].electra
        self.parts = list(models)
        for number, model in enumerate(models):
            model.electra = self.electra
            self.add_sublayer(f"task{number}", model)

    def state_dict(self, *args, **kwargs):
        """The encoder's parameters once, as ``electra.*``, and the heads' as ``task0.*``."""
        everything = super().state_dict(*args, **kwargs)
        return type(everything)(
            (name, tensor) for name, tensor in everything.items() if ".electra." not in name
        )
