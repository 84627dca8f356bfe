"""The networks of ELECTRA (Clark et al. 2020): generator, discriminator, and both at once."""

from typing import NamedTuple

import paddle
import paddle.nn.functional as F
from paddle import nn

from .encoder import ElectraModel, glorot
from .heads import MaskedLanguageHead, ReplacedTokenHead

__all__ = [
    "ElectraDiscriminator",
    "ElectraForPreTraining",
    "ElectraForSequenceClassification",
    "ElectraGenerator",
    "ElectraModel",
    "PretrainingOutput",
    "replace_tokens",
]


class ElectraDiscriminator(nn.Layer):
    """Encoder + replaced-token head: was this token replaced?"""

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.electra = ElectraModel(config)
        self.head = ReplacedTokenHead(config)

    def forward(self, input_ids, token_type_ids=None, attention_mask=None):
        """RTD logits (batch, length), before the sigmoid; positive means replaced."""
        return self.head(self.electra(input_ids, token_type_ids, attention_mask))


class ElectraGenerator(nn.Layer):
    """Encoder + masked-language-model head.

    Args:
        config: the `ElectraConfig` of the pair; the ``generator_*`` sizes are used.
        embeddings: the discriminator's `ElectraEmbeddings` to share; None makes own ones.
    """

    def __init__(self, config, embeddings=None):
        super().__init__()
        self.config = config
        self.electra = ElectraModel(config.generator, embeddings)
        self.head = MaskedLanguageHead(config.generator)

    def forward(self, input_ids, token_type_ids=None, attention_mask=None, masked_positions=None):
        """Vocabulary logits.

        Args:
            masked_positions: (batch, slots) positions inside each row to compute logits at, or
                (slots,) positions in the flattened (batch * length); None for every position.
        Returns:
            (batch, slots, vocabulary), (slots, vocabulary) or (batch, length, vocabulary).
        """
        hidden = self.electra(input_ids, token_type_ids, attention_mask)
        if masked_positions is not None:
            batch, length, width = hidden.shape
            positions = masked_positions
            if positions.ndim == 2:
                positions = positions + paddle.arange(batch).unsqueeze(1) * length
            picked = paddle.gather(hidden.reshape([-1, width]), positions.flatten())
            hidden = picked.reshape([*masked_positions.shape, width])
        return self.head(hidden, self.electra.embeddings.word_embeddings.weight)


def replace_tokens(input_ids, flat_positions, new_ids):
    """Write ``new_ids`` into ``input_ids`` at ``flat_positions`` (original: `scatter_update`).

    A position named k times gets floor(mean of its k ids), as in the original; that happens only
    with masking="google" (PARITY 8).  The first token of a row, [CLS], is never replaced.

    Args:
        input_ids: (batch, length) int64.
        flat_positions: (slots,) int64 into the flattened (batch * length).
        new_ids: (slots,) int64.
    """
    flat = input_ids.flatten()
    width = [flat.shape[0]]
    index = flat_positions.unsqueeze(1)
    counts = paddle.scatter_nd(index, paddle.ones_like(new_ids), width)
    sums = paddle.scatter_nd(index, new_ids, width)
    means = sums // paddle.clip(counts, min=1)
    replaced = paddle.where(counts > 0, means, flat).reshape(input_ids.shape)
    return paddle.concat([input_ids[:, :1], replaced[:, 1:]], axis=1)


class PretrainingOutput(NamedTuple):
    """Losses are scalars; ids and logits are what they were computed from."""

    loss: paddle.Tensor  # mlm_weight * mlm_loss + discriminator_weight * discriminator_loss
    mlm_loss: paddle.Tensor
    discriminator_loss: paddle.Tensor
    mlm_logits: paddle.Tensor  # (slots, vocabulary)
    sampled_ids: paddle.Tensor  # (slots,)
    replaced_ids: paddle.Tensor  # (batch, length), the discriminator's input
    rtd_labels: paddle.Tensor  # (batch, length), 1 where replaced_ids differs from input_ids
    rtd_logits: paddle.Tensor  # (batch, length)


class ElectraForPreTraining(nn.Layer):
    """Generator and discriminator trained together (original: `PretrainingModel`).

    Word, position and segment embeddings and their LayerNorm are one set of parameters when
    ``config.tied_embeddings``.
    """

    def __init__(self, config, mlm_weight=1.0, discriminator_weight=50.0):
        super().__init__()
        self.config = config
        self.mlm_weight = mlm_weight
        self.discriminator_weight = discriminator_weight
        self.discriminator = ElectraDiscriminator(config)
        shared = self.discriminator.electra.embeddings if config.tied_embeddings else None
        self.generator = ElectraGenerator(config, shared)

    def forward(
        self,
        input_ids,
        masked_input_ids,
        token_type_ids,
        attention_mask,
        masked_positions,
        gumbel=None,
        sampled_ids=None,
        mlm_denominator=None,
        discriminator_denominator=None,
    ):
        """Both losses of a batch.

        Args:
            input_ids: (batch, length) the original tokens.
            masked_input_ids: (batch, length) the generator's input.
            token_type_ids, attention_mask: (batch, length).
            masked_positions: (slots,) of the flattened (batch * length); repeats are allowed.
            gumbel: (slots, vocabulary) Gumbel noise, overwritten; sampling is
                argmax(logits + gumbel).
            sampled_ids: (slots,) given samples instead of noise.
            mlm_denominator, discriminator_denominator: number of slots and of real tokens of the
                whole batch when this is a part of it, so that the parts' losses add up to the
                batch's means (PARITY 11); default: those of this part.
        Returns:
            a `PretrainingOutput`.
        """
        mlm_logits = self.generator(
            masked_input_ids, token_type_ids, attention_mask, masked_positions
        )
        originals = paddle.gather(input_ids.flatten(), masked_positions)
        slots = mlm_denominator if mlm_denominator is not None else masked_positions.shape[0]
        mlm_losses = F.cross_entropy(mlm_logits, originals, reduction="none")
        mlm_loss = mlm_losses.sum() / (slots + 1e-6)

        if sampled_ids is None:
            # No gradient flows from the discriminator into the generator (PARITY 10).
            with paddle.no_grad():
                sampled_ids = paddle.argmax(gumbel.add_(mlm_logits.detach()), axis=-1)
        replaced_ids = replace_tokens(input_ids, masked_positions, sampled_ids)
        rtd_labels = (replaced_ids != input_ids).astype("int64")

        rtd_logits = self.discriminator(replaced_ids, token_type_ids, attention_mask)
        weights = attention_mask.astype("float32")
        tokens = discriminator_denominator
        if tokens is None:
            tokens = weights.sum()
        rtd_losses = F.binary_cross_entropy_with_logits(
            rtd_logits.astype("float32"), rtd_labels.astype("float32"), reduction="none"
        )
        discriminator_loss = (rtd_losses * weights).sum() / (tokens + 1e-6)
        loss = self.mlm_weight * mlm_loss + self.discriminator_weight * discriminator_loss
        return PretrainingOutput(
            loss,
            mlm_loss,
            discriminator_loss,
            mlm_logits,
            sampled_ids,
            replaced_ids,
            rtd_labels,
            rtd_logits,
        )


class ElectraForSequenceClassification(nn.Layer):
    """Pooled output -> dropout 0.1 -> one dense layer (original: `ClassificationTask`)."""

    def __init__(self, config, num_classes):
        super().__init__()
        self.config = config
        self.electra = ElectraModel(config)
        # The original's 0.1 is fixed, not taken from the configuration.
        self.dropout = nn.Dropout(0.1)
        self.classifier = nn.Linear(config.hidden_size, num_classes, weight_attr=glorot())

    def forward(self, input_ids, token_type_ids=None, attention_mask=None):
        """Logits (batch, num_classes)."""
        hidden = self.electra(input_ids, token_type_ids, attention_mask)
        return self.classifier(self.dropout(self.electra.pool(hidden)))
