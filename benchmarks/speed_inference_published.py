"""The published PaddleHub module's path, built locally: PaddleNLP's network under `predict`.

The published module fetches its weights by name; here they are those of a folder, and the head is
one dense layer on [CLS], as all contestants have it (the published one has two: no difference in
speed).
"""

import numpy as np
import paddle
import paddle.nn.functional as F
from paddlehub.module.nlp_module import TransformerModule
from paddlenlp.transformers import ElectraForSequenceClassification, ElectraTokenizer


class _Head(paddle.nn.Layer):
    def __init__(self, weight, bias):
        super().__init__()
        self.dense = paddle.nn.Linear(*weight.shape)
        self.dense.weight.set_value(weight)
        self.dense.bias.set_value(bias)

    def forward(self, hidden):
        return self.dense(hidden[:, 0])


class Module(TransformerModule, paddle.nn.Layer):
    """A module of the task seq-cls.

    Args:
        folder: a discriminator in PaddleNLP's layout; head: file with its weight and bias.
    """

    task = "seq-cls"
    label_map = {0: 0, 1: 1}  # noqa: RUF012

    def __init__(self, folder, head):
        paddle.nn.Layer.__init__(self)
        self.folder = str(folder)
        self.model = ElectraForSequenceClassification.from_pretrained(self.folder, num_classes=2)
        with np.load(head) as arrays:
            self.model.classifier = _Head(arrays["weight"], arrays["bias"])

    def forward(self, input_ids, token_type_ids):
        return F.softmax(self.model(input_ids, token_type_ids), axis=1)

    def get_tokenizer(self):
        return ElectraTokenizer.from_pretrained(self.folder)
