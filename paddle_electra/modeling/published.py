"""The heads of PaddleHub's published modules, for checkpoints that were trained with them.

Source: PaddleNLP's ``ElectraForSequenceClassification`` and ``ElectraForTokenClassification``, and
the text matching of PaddleHub's ``chinese_electra_*`` 2.0.2.
"""

import paddle
from paddle import nn

from .encoder import ElectraModel, truncated_normal
from .kernels import Dropout, Linear, gelu

MATCHING_CLASSES = 2


class PublishedClassificationHead(nn.Layer):
    """dropout, dense, GELU, dropout, dense, where ours is dropout and one dense layer."""

    def __init__(self, config, num_classes):
        super().__init__()
        width, init = config.hidden_size, config.initializer_range
        self.dense = Linear(width, width, weight_attr=truncated_normal(init))
        self.dropout = Dropout(config.hidden_dropout_prob)
        self.out_proj = Linear(width, num_classes, weight_attr=truncated_normal(init))

    def forward(self, pooled):
        hidden = gelu(self.dense(self.dropout(pooled)))
        return self.out_proj(self.dropout(hidden))  # (batch, num_classes)


class PublishedSequenceClassification(nn.Layer):
    """The published modules' network of the task seq-cls."""

    reads_first_only = True  # of the last layer's states, that of [CLS]

    def __init__(self, config, num_classes):
        super().__init__()
        self.config = config
        self.electra = ElectraModel(config)
        self.classifier = PublishedClassificationHead(config, num_classes)

    def classify(self, hidden):
        """Logits (batch, num_classes) from the encoder's states (batch, 1 or more, hidden)."""
        return self.classifier(self.electra.pool(hidden))

    def forward(self, input_ids, token_type_ids=None, attention_mask=None):
        """Logits (batch, num_classes)."""
        hidden = self.electra(
            input_ids, token_type_ids, attention_mask, first_only=self.reads_first_only
        )
        return self.classify(hidden)


class PublishedTokenClassification(nn.Layer):
    """The published modules' network of the task token-cls: ours, with dropout."""

    def __init__(self, config, num_classes):
        super().__init__()
        self.config = config
        self.electra = ElectraModel(config)
        self.dropout = Dropout(config.hidden_dropout_prob)
        init = truncated_normal(config.initializer_range)
        self.classifier = Linear(config.hidden_size, num_classes, weight_attr=init)

    def classify(self, hidden):
        """Logits (batch, length, num_classes) from the encoder's states."""
        return self.classifier(self.dropout(hidden))

    def forward(self, input_ids, token_type_ids=None, attention_mask=None):
        """Logits (batch, length, num_classes)."""
        return self.classify(self.electra(input_ids, token_type_ids, attention_mask))


class ElectraForTextMatching(nn.Layer):
    """Two texts through the encoder one by one, their means compared by one dense layer.

    The layer sees [mean of the query's states, mean of the title's, their absolute difference].
    """

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.electra = ElectraModel(config)
        self.dropout = Dropout(0.1)  # fixed in the published modules
        init = truncated_normal(config.initializer_range)
        self.classifier = Linear(3 * config.hidden_size, MATCHING_CLASSES, weight_attr=init)

    def mean(self, hidden, mask):
        """(batch, hidden): the mean of the states where ``mask`` (batch, length) is 1."""
        mask = mask.astype(hidden.dtype).unsqueeze(-1)
        return (self.dropout(hidden) * mask).sum(1) / mask.sum(1)

    def compare(self, query, title):
        """Logits (batch, 2) of two means."""
        return self.classifier(paddle.concat([query, title, (query - title).abs()], -1))
