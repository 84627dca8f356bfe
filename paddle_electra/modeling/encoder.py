"""The transformer encoder both networks are made of: embeddings, projection, layers.

A post-LayerNorm BERT encoder (Devlin et al. 2018) with the original's numbers: exact GELU,
LayerNorm epsilon 1e-12, -10000 on masked keys (PARITY of original: modeling.py).
"""

import paddle
from paddle import nn
from paddle.distributed.fleet.utils import recompute

from ..errors import InputError
from .kernels import Dropout, LayerNorm, Linear, gelu, linear
from .layouts import Padded


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
        self.layer_norm = LayerNorm(width, epsilon=config.layer_norm_eps)

    @staticmethod
    def _table(rows, width, config):
        return nn.Embedding(rows, width, weight_attr=truncated_normal(config.initializer_range))

    def forward(self, input_ids, token_type_ids, positions=None):
        hidden = self.word_embeddings(input_ids) + self.token_type_embeddings(token_type_ids)
        if positions is not None:
            hidden = hidden + self.position_embeddings(positions)
        else:
            length, rows = input_ids.shape[1], self.position_embeddings.weight.shape[0]
            if paddle.in_dynamic_mode() and length > rows:  # in a static graph it is not known
                raise InputError(
                    f"a sequence of {length} tokens does not fit: the model has {rows} positions; "
                    f"truncate or choose --max-seq-length {rows} or less"
                )
            hidden = hidden + self.position_embeddings.weight[:length]
        return self.layer_norm(hidden)  # (batch, length, embedding)


class QueryKeyValue(Linear):
    """Query, key and value in one product: (..., hidden) to (..., 3 * hidden)."""

    def of_first(self, hidden):
        """Of a batch the queries of the first tokens, and the keys and values of all.

        Returns:
            (batch, 1, hidden), and twice (batch, length, hidden).
        """
        width = self.weight.shape[0]
        query = linear(hidden[:, :1], self.weight[:, :width], self.bias[:width])
        others = linear(hidden, self.weight[:, width:], self.bias[width:])
        return query, *others.split(2, axis=-1)


class SelfAttention(nn.Layer):
    """Multi-head self-attention."""

    def __init__(self, config):
        super().__init__()
        width = config.hidden_size
        self.heads = config.num_attention_heads
        self.dropout = config.attention_probs_dropout_prob
        self.backend = "eager"
        init = config.initializer_range
        self.qkv = QueryKeyValue(width, 3 * width, weight_attr=truncated_normal(init))
        self.dense = Linear(width, width, weight_attr=truncated_normal(init))

    def forward(self, hidden, layout, first_only=False):
        dropout = self.dropout if self.training else 0.0
        if first_only:
            mixed, backend = self.qkv.of_first(hidden), "axes"
        else:
            mixed, backend = self.qkv(hidden), self.backend
        context = layout.attend(mixed, self.heads, dropout, backend)
        return self.dense(context)  # (batch, length or 1, hidden)


class EncoderLayer(nn.Layer):
    """Attention and feed-forward, each with a residual connection and a LayerNorm after it."""

    def __init__(self, config):
        super().__init__()
        width, inner = config.hidden_size, config.intermediate_size
        init = config.initializer_range
        self.attention = SelfAttention(config)
        self.attention_norm = LayerNorm(width, epsilon=config.layer_norm_eps)
        self.intermediate = Linear(width, inner, weight_attr=truncated_normal(init))
        self.output = Linear(inner, width, weight_attr=truncated_normal(init))
        self.output_norm = LayerNorm(width, epsilon=config.layer_norm_eps)
        self.dropout = Dropout(config.hidden_dropout_prob)

    def forward(self, hidden, layout, first_only=False):
        attended = self.attention(hidden, layout, first_only)
        if first_only:
            hidden = hidden[:, :1]
        hidden = self.attention_norm(hidden + self.dropout(attended))
        inner = gelu(self.intermediate(hidden))  # (batch, length, intermediate)
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
        self.dropout = Dropout(config.hidden_dropout_prob)
        if config.embedding_size != config.hidden_size:
            self.embeddings_project = Linear(
                config.embedding_size, config.hidden_size, weight_attr=glorot()
            )
        else:
            self.embeddings_project = None
        self.recompute = False
        self.layers = nn.LayerList([EncoderLayer(config) for _ in range(config.num_hidden_layers)])
        if config.pooler:
            width, init = config.hidden_size, config.initializer_range
            self.pooler = Linear(width, width, weight_attr=truncated_normal(init))

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

    def use_recompute(self, on=True):
        """Keep only each layer's input for the backward pass and compute the rest once more."""
        self.recompute = on
        return self

    def forward(
        self,
        input_ids,
        token_type_ids=None,
        attention_mask=None,
        all_layers=False,
        layout=None,
        first_only=False,
    ):
        """Hidden states.

        Args:
            input_ids: (batch, length) int64, or what ``layout`` says.
            token_type_ids: (batch, length) of 0 and 1; None for all 0.
            attention_mask: (batch, length), 1 for real tokens; None for all real.
            all_layers: also return the input of the first layer and every layer's output.
            layout: of `layouts`, in place of the attention mask; None for one example a row.
            first_only: let the last layer compute the first token alone, which sees all others
                as ever: for heads that read nothing else.  Needs one example a row.
        Returns:
            (batch, length, hidden), or (batch, 1, hidden) with ``first_only``; or a list of 1 +
            layers of them.
        Raises:
            InputError: more tokens than ``max_position_embeddings``.
        """
        if token_type_ids is None:
            token_type_ids = paddle.zeros_like(input_ids)
        if layout is None:
            layout = Padded(attention_mask)
        hidden = self.embeddings(input_ids, token_type_ids, layout.positions)
        hidden = self.dropout(hidden)
        if self.embeddings_project is not None:
            hidden = self.embeddings_project(hidden)
        states = [hidden]
        last = len(self.layers) - 1
        for number, layer in enumerate(self.layers):
            inputs = (hidden, layout, first_only and number == last)
            recomputes = self.recompute and self.training
            hidden = recompute(layer, *inputs) if recomputes else layer(*inputs)
            if all_layers:
                states.append(hidden)
        return states if all_layers else hidden
