"""What sits on the encoder: replaced-token detection, masked language model, classification."""

import paddle
from paddle import nn

from .encoder import glorot, truncated_normal
from .kernels import LayerNorm, Linear, gelu, on_cpu


class ReplacedTokenHead(nn.Layer):
    """dense + GELU, then one logit a token (original: `_get_discriminator_output`)."""

    def __init__(self, config):
        super().__init__()
        width = config.hidden_size
        self.dense = Linear(width, width, weight_attr=truncated_normal(config.initializer_range))
        self.logit = Linear(width, 1, weight_attr=glorot())

    def forward(self, hidden):
        return self.logit(gelu(self.dense(hidden))).squeeze(-1)  # (..., length)


class MaskedLanguageHead(nn.Layer):
    """dense to the embedding size + GELU + LayerNorm, times the word embeddings, plus a bias.

    Original: `_get_masked_lm_output`.
    """

    def __init__(self, config):
        super().__init__()
        width = config.embedding_size
        self.dense = Linear(
            config.hidden_size, width, weight_attr=truncated_normal(config.initializer_range)
        )
        self.layer_norm = LayerNorm(width, epsilon=config.layer_norm_eps)
        self.bias = self.create_parameter([config.vocab_size], is_bias=True)

    def forward(self, hidden, word_embeddings):
        hidden = self.layer_norm(gelu(self.dense(hidden)))
        if not on_cpu(hidden):
            return paddle.matmul(hidden, word_embeddings, transpose_y=True) + self.bias
        # The bias goes through the matrix product as one more column: adding it afterwards would
        # pass over (slots * vocabulary) numbers again, forward and backward.
        ones = paddle.ones([*hidden.shape[:-1], 1], hidden.dtype)
        table = paddle.concat([word_embeddings, self.bias.unsqueeze(1)], axis=1)
        return paddle.matmul(paddle.concat([hidden, ones], axis=-1), table, transpose_y=True)
