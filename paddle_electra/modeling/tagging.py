"""The tagging head (original: `TaggingTask.get_prediction_module`)."""

from paddle import nn

from .encoder import ElectraModel, glorot
from .kernels import Linear


class ElectraForTokenClassification(nn.Layer):
    """Encoder + one dense layer on the state of every position, without dropout between them.

    The original gathers the states of the words' first pieces before the layer; here all positions
    go through it and the caller picks, which gives the same numbers.

    Args:
        config: an `ElectraConfig`.
        num_classes: labels of a word.
    """

    def __init__(self, config, num_classes):
        super().__init__()
        self.config = config
        self.electra = ElectraModel(config)
        self.classifier = Linear(config.hidden_size, num_classes, weight_attr=glorot())

    def classify(self, hidden):
        """Logits (batch, length, num_classes) from the encoder's states."""
        return self.classifier(hidden)

    def forward(self, input_ids, token_type_ids=None, attention_mask=None):
        """Logits (batch, length, num_classes)."""
        return self.classify(self.electra(input_ids, token_type_ids, attention_mask))
