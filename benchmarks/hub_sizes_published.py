"""A module made as PaddleHub's published ``chinese_electra_*`` 2.0.2 are, for the task None.

`hub_sizes` copies it as the ``module.py`` of a folder; its weights come from the folder that
PUBLISHED_WEIGHTS names, where the published ones download theirs.
"""

import os

from paddle import nn
from paddlehub.module.module import moduleinfo
from paddlehub.module.nlp_module import TransformerModule
from paddlenlp.transformers.electra.modeling import ElectraModel
from paddlenlp.transformers.electra.tokenizer import ElectraTokenizer

WEIGHTS = os.environ["PUBLISHED_WEIGHTS"]


@moduleinfo(
    name="published-electra",
    version="2.0.2",
    summary="",
    author="",
    author_email="",
    type="nlp/semantic_model",
    meta=TransformerModule,
)
class Electra(nn.Layer):
    def __init__(self, task=None):
        # moduleinfo replaces this class by a subclass of another, so super() needs the names.
        super(Electra, self).__init__()  # noqa: UP008
        self.task = task
        self.model = ElectraModel.from_pretrained(WEIGHTS)

    def forward(self, input_ids=None, token_type_ids=None):
        return self.model(input_ids, token_type_ids)

    @staticmethod
    def get_tokenizer(*arguments, **named):
        return ElectraTokenizer.from_pretrained(WEIGHTS, *arguments, **named)
