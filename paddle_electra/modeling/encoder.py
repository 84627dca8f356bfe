"""The transformer encoder both networks are made of: embeddings, projection, layers.

A post-LayerNorm BERT encoder (Devlin et al. 2018) with the original's numbers: exact GELU,
LayerNorm epsilon 1e-12, -10000 on masked keys (PARITY of original: modeling.py).
"""

import paddle
import paddle.nn.functional as F
from paddle import nn

from ..errors import InputError
from .attention import attention


def truncated_normal(std):
    """The original's default initialiser: normal, cut at two standard deviations."""
    # Paddle's a and b are the cuts themselves, not numbers of standard deviations.
    initializer = nn.initializer.TruncatedNormal(0.0, std, a=-2 * std, b=2 * std)
    return paddle.ParamAttr(initializer=initializer)


def glorot():
    """Glorot-uniform, which the original leaves to some dense layers (PARITY 5)."""
    return paddle.ParamAttr(initializer=nn.initializer.XavierUniform())


class ElectraEmbeddings(nn.Layer):
    """Word + position + segment embeddings, LayerNorm.  Width: ``embedding_size``."""

    def __init__(self, config):
        super().__init__()
        width = config.embedding_size
        self.word_embeddings = self._table(config.vocab_size, width, config)
        self.position_embeddings = self._table(config.max_position_embeddings, width, config)
        self.token_type_embeddings = self._table(config.type_vocab_size, width, config)
        self.layer_norm = nn.LayerNorm(width, epsilon=config.layer_norm_eps)

    @staticmethod
    def _table(rows, width, config):
        return nn.Embedding(rows, width, weight_attr=truncated_normal(config.initializer_range))

    def forward(self, input_ids, token_type_ids):
        length = input_ids.shape[1]
        rows = self.position_embeddings.weight.shape[0]
        if length > rows:
            raise InputError(
                f"a sequence of {length} tokens does not fit: the model has {rows} positions; "
                f"truncate or choose --max-seq-length {rows} or less"
            )
        hidden = self.word_embeddings(input_ids) + self.token_type_embeddings(token_type_ids)
        hidden = hidden + self.position_embeddings.weight[:length]
        return self.layer_norm(hidden)  # (batch, length, embedding)


class SelfAttention(nn.Layer):
    """Multi-head self-attention with query, key and value in one product."""

    def __init__(self, config):
        super().__init__()
        width = config.hidden_size
        self.heads = config.num_attention_heads
        self.dropout = config.attention_probs_dropout_prob
        self.backend = "eager"
        init = config.initializer_range
        self.qkv = nn.Linear(width, 3 * width, weight_attr=truncated_normal(init))
        self.dense = nn.Linear(width, width, weight_attr=truncated_normal(init))

    def forward(self, hidden, bias):
        context = attention(
            self.qkv(hidden), self.heads, bias, self.dropout, self.training, self.backend
        )
        return self.dense(context)  # (batch, length, hidden)


class EncoderLayer(nn.Layer):
    """Attention and feed-forward, each with a residual connection and a LayerNorm after it."""

    def __init__(self, config):
        super().__init__()
        width, inner = config.hidden_size, config.intermediate_size
        init = config.initializer_range
        self.attention = SelfAttention(config)
        self.attention_norm = nn.LayerNorm(width, epsilon=config.layer_norm_eps)
        self.intermediate = nn.Linear(width, inner, weight_attr=truncated_normal(init))
        self.output = nn.Linear(inner, width, weight_attr=truncated_normal(init))
        self.output_norm = nn.LayerNorm(width, epsilon=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, hidden, bias):
        hidden = self.attention_norm(hidden + self.dropout(self.attention(hidden, bias)))
        inner = F.gelu(self.intermediate(hidden))  # (batch, length, intermediate)
        return self.output_norm(hidden + self.dropout(self.output(inner)))


class ElectraModel(nn.Layer):
    """The encoder.  [CLS]'s hidden state is the pooled output: ELECTRA has no pooler (PARITY 2).

    With ``config.pooler`` it is BERT's encoder, which has one.

    Args:
        config: an `ElectraConfig`; for a generator pass ``config.generator``.
        embeddings: an `ElectraEmbeddings` to share; None makes new ones.
    """

    def __init__(self, config, embeddings=None):
        super().__init__()
        self.config = config
        self.embeddings = embeddings if embeddings is not None else ElectraEmbeddings(config)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        if config.embedding_size != config.hidden_size:
            self.embeddings_project = nn.Linear(
                config.embedding_size, config.hidden_size, weight_attr=glorot()
            )
        else:
            self.embeddings_project = None
        self.layers = nn.LayerList([EncoderLayer(config) for _ in range(config.num_hidden_layers)])
        if config.pooler:
            width, init = config.hidden_size, config.initializer_range
            self.pooler = nn.Linear(width, width, weight_attr=truncated_normal(init))

    def pool(self, hidden):
        """What stands for the whole text, (batch, hidden), from `forward`'s hidden states.

        The state of [CLS]; of BERT's encoder tanh(dense(it)) (original: `get_pooled_output`).
        """
        first = hidden[:, 0]
        return paddle.tanh(self.pooler(first)) if self.config.pooler else first

    def use_attention(self, backend):
        """Choose the attention backend of every layer: "eager" or "sdpa"."""
        for layer in self.layers:
            layer.attention.backend = backend
        return self

    def forward(self, input_ids, token_type_ids=None, attention_mask=None, all_layers=False):
        """Hidden states.

        Args:
            input_ids: (batch, length) int64.
            token_type_ids: (batch, length) of 0 and 1; None for all 0.
            attention_mask: (batch, length), 1 for real tokens; None for all real.
            all_layers: also return the input of the first layer and every layer's output.
        Returns:
            (batch, length, hidden), or a list of 1 + layers of them.
        Raises:
            InputError: more tokens than ``max_position_embeddings``.
        """
        if token_type_ids is None:
            token_type_ids = paddle.zeros_like(input_ids)
        bias = None
        if attention_mask is not None:
            keys = attention_mask.astype(self.embeddings.word_embeddings.weight.dtype)
            bias = (1.0 - keys) * -10000.0  # (batch, length)
        hidden = self.dropout(self.embeddings(input_ids, token_type_ids))
        if self.embeddings_project is not None:
            hidden = self.embeddings_project(hidden)
        states = [hidden]
        for layer in self.layers:
            hidden = layer(hidden, bias)
            if all_layers:
                states.append(hidden)
        return states if all_layers else hidden
