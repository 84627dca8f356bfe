"""The networks of ELECTRA (Clark et al. 2020): generator, discriminator, and both at once."""

import inspect
from typing import NamedTuple

import paddle
import paddle.nn.functional as F
from paddle import nn

from . import flops
from .encoder import ElectraModel, glorot
from .heads import MaskedLanguageHead, ReplacedTokenHead
from .kernels import Dropout, Linear
from .layouts import Padded
from .sampling import replace_tokens, sample_ids

__all__ = [
    "ElectraDiscriminator",
    "ElectraForPreTraining",
    "ElectraForSequenceClassification",
    "ElectraGenerator",
    "ElectraModel",
    "PretrainingOutput",
]


class ElectraDiscriminator(nn.Layer):
    """Encoder + replaced-token head: was this token replaced?"""

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.electra = ElectraModel(config)
        self.head = ReplacedTokenHead(config)

    def forward(self, input_ids, token_type_ids=None, attention_mask=None, layout=None):
        """RTD logits in the shape of the ids, before the sigmoid; positive means replaced."""
        return self.head(self.electra(input_ids, token_type_ids, attention_mask, layout=layout))


class ElectraGenerator(nn.Layer):
    """Encoder + masked-language-model head.

    Args:
        config: the `ElectraConfig` of the pair; the ``generator_*`` sizes are used.
        embeddings: the discriminator's `ElectraEmbeddings` to share; None makes own ones.
        encoder: an `ElectraModel` of the generator's sizes to share; None makes an own one.
    """

    def __init__(self, config, embeddings=None, encoder=None):
        super().__init__()
        self.config = config
        self.electra = encoder or ElectraModel(config.generator, embeddings)
        self.head = MaskedLanguageHead(config.generator)

    def forward(
        self,
        input_ids,
        token_type_ids=None,
        attention_mask=None,
        masked_positions=None,
        layout=None,
    ):
        """Vocabulary logits.

        Args:
            masked_positions: (batch, slots) positions inside each row to compute logits at, or
                (slots,) positions in the flattened ids; None for every position.
            layout: see `ElectraModel.forward`.
        Returns:
            (batch, slots, vocabulary), (slots, vocabulary) or (batch, length, vocabulary).
        """
        hidden = self.electra(input_ids, token_type_ids, attention_mask, layout=layout)
        if masked_positions is not None:
            width = hidden.shape[-1]
            positions = masked_positions
            if positions.ndim == 2:
                batch, length = input_ids.shape
                positions = positions + paddle.arange(batch).unsqueeze(1) * length
            picked = paddle.gather(hidden.reshape([-1, width]), positions.flatten())
            hidden = picked.reshape([*masked_positions.shape, width])
        return self.head(hidden, self.electra.embeddings.word_embeddings.weight)


class GeneratorOutput(NamedTuple):
    """The generator's half of a `PretrainingOutput`."""

    loss: paddle.Tensor
    logits: paddle.Tensor  # (slots, vocabulary)
    sampled_ids: paddle.Tensor  # (slots,)
    replaced_ids: paddle.Tensor  # in the shape of the ids, the discriminator's input


class DiscriminatorOutput(NamedTuple):
    """The discriminator's half of a `PretrainingOutput`."""

    loss: paddle.Tensor
    rtd_labels: paddle.Tensor
    rtd_logits: paddle.Tensor | None


class PretrainingOutput(NamedTuple):
    """Losses are scalars; ids and logits are what they were computed from.

    Without a discriminator its loss is 0, and its logits are None.
    """

    loss: paddle.Tensor  # mlm_weight * mlm_loss + discriminator_weight * discriminator_loss
    mlm_loss: paddle.Tensor
    discriminator_loss: paddle.Tensor
    mlm_logits: paddle.Tensor  # (slots, vocabulary)
    sampled_ids: paddle.Tensor  # (slots,)
    replaced_ids: paddle.Tensor  # (batch, length), the discriminator's input
    rtd_labels: paddle.Tensor  # (batch, length), 1 where replaced_ids differs from input_ids
    rtd_logits: paddle.Tensor | None  # (batch, length)


class ElectraForPreTraining(nn.Layer):
    """Generator and discriminator trained together (original: `PretrainingModel`).

    Word, position and segment embeddings and their LayerNorm are one set of parameters when
    ``config.tied_embeddings``.

    Args:
        config: an `ElectraConfig`.
        mlm_weight, discriminator_weight: of the two losses in the sum.
        objective: "electra", or "mlm" to train the discriminator's encoder as a plain masked
            language model (original: ``electra_objective=false``).
        generator: "own"; "shared" for one encoder that does both tasks (original:
            ``untied_generator=false``; "mlm" implies it); "uniform" for none, its tokens drawn
            with equal chances (original: ``uniform_generator``).
        temperature: divides the logits that are sampled from.
        disallow_correct: the generator never draws the original token.
    """

    def __init__(
        self,
        config,
        mlm_weight=1.0,
        discriminator_weight=50.0,
        objective="electra",
        generator="own",
        temperature=1.0,
        disallow_correct=False,
    ):
        super().__init__()
        self.config = config
        self.mlm_weight = mlm_weight
        self.discriminator_weight = discriminator_weight
        self.objective = objective
        self.temperature = temperature
        self.disallow_correct = disallow_correct
        self.discriminator = ElectraDiscriminator(config)
        shared = self.discriminator.electra.embeddings if config.tied_embeddings else None
        self.generator = None
        if objective == "mlm" or generator == "shared":
            self.generator = ElectraGenerator(config, encoder=self.discriminator.electra)
        elif generator == "own":
            self.generator = ElectraGenerator(config, shared)

    @property
    def encoders(self):
        """The distinct `ElectraModel`s."""
        found = [self.discriminator.electra]
        if self.generator is not None and self.generator.electra is not found[0]:
            found.append(self.generator.electra)
        return found

    def training_flops(self, lengths, slots):
        """Operations of a step's forward and backward passes; see `flops.training_flops`."""
        forward = 0
        if self.generator is not None:
            forward += flops.generator_flops(self.config, lengths, slots)
        if self.objective == "electra":
            forward += flops.discriminator_flops(self.config, lengths)
        return (1 + flops.BACKWARD) * forward

    def forward(
        self,
        input_ids,
        masked_input_ids,
        token_type_ids,
        attention_mask,
        masked_positions,
        uniforms=None,
        sampled_ids=None,
        mlm_denominator=None,
        discriminator_denominator=None,
        layout=None,
    ):
        """Both losses of a batch.

        Args:
            input_ids: (batch, length) the original tokens, or what ``layout`` says.
            masked_input_ids: the generator's input, in the same shape.
            token_type_ids, attention_mask: in the same shape; the mask may be None.
            masked_positions: (slots,) of the flattened ids; repeats are allowed.
            uniforms: (slots,) float32 in [0, 1), what the samples are drawn with.
            sampled_ids: (slots,) given samples instead.
            mlm_denominator, discriminator_denominator: number of slots and of real tokens of the
                whole batch when this is a part of it, so that the parts' losses add up to the
                batch's means (PARITY 11); default: those of this part.
            layout: of `layouts`, in place of the attention mask; None for one example a row.
        Returns:
            a `PretrainingOutput`.
        """
        if layout is None:
            layout = Padded(attention_mask)
        mlm = self.generate(
            input_ids,
            masked_input_ids,
            token_type_ids,
            layout,
            masked_positions,
            uniforms,
            sampled_ids,
            mlm_denominator,
        )
        rtd = self.discriminate(
            input_ids, mlm.replaced_ids, token_type_ids, layout, discriminator_denominator
        )
        loss = self.mlm_weight * mlm.loss + self.discriminator_weight * rtd.loss
        return PretrainingOutput(
            loss, mlm.loss, rtd.loss, mlm.logits, mlm.sampled_ids, mlm.replaced_ids, *rtd[1:]
        )

    def generate(
        self,
        input_ids,
        masked_input_ids,
        token_type_ids,
        layout,
        masked_positions,
        uniforms=None,
        sampled_ids=None,
        denominator=None,
    ):
        """The generator's half of `forward`, with the same arguments.

        No gradient flows from the discriminator into it (PARITY 10), so that its loss can be
        differentiated, and its memory freed, before the other half.

        Returns:
            a `GeneratorOutput`.
        """
        if not masked_positions.shape[0]:  # nothing to guess (PARITY 12)
            nothing = paddle.zeros([0], "int64")
            logits = paddle.zeros([0, self.config.vocab_size])
            return GeneratorOutput(paddle.zeros([]), logits, nothing, input_ids)
        originals = paddle.gather(input_ids.flatten(), masked_positions)
        if self.generator is None:
            logits = paddle.zeros([originals.shape[0], self.config.vocab_size])
        else:
            logits = self.generator(
                masked_input_ids, token_type_ids, None, masked_positions, layout
            )
        losses, shares = _softmax_with_cross_entropy(
            logits, originals.unsqueeze(1), return_softmax=True
        )
        slots = denominator if denominator is not None else masked_positions.shape[0]
        if sampled_ids is None:
            sampled_ids = sample_ids(
                logits, shares, originals, uniforms, self.temperature, self.disallow_correct
            )
        replaced_ids = replace_tokens(input_ids, masked_positions, sampled_ids)
        return GeneratorOutput(losses.sum() / (slots + 1e-6), logits, sampled_ids, replaced_ids)

    def discriminate(self, input_ids, replaced_ids, token_type_ids, layout, denominator=None):
        """The discriminator's half of `forward`, with the same arguments.

        Returns:
            a `DiscriminatorOutput`.
        """
        labels = (replaced_ids != input_ids).astype("int64")
        if self.objective != "electra":
            return DiscriminatorOutput(paddle.zeros([]), labels, None)
        logits = self.discriminator(replaced_ids, token_type_ids, layout=layout)
        return DiscriminatorOutput(
            _rtd_loss(logits, labels, layout.real, denominator), labels, logits
        )


# Paddle's only function that also returns the softmax; without its notice of deprecation, which
# recommends one that does not.
_softmax_with_cross_entropy = inspect.unwrap(F.softmax_with_cross_entropy)


def _rtd_loss(logits, labels, real, tokens):
    """Binary cross-entropy summed over real tokens, over their number (PARITY 11)."""
    losses = F.binary_cross_entropy_with_logits(
        logits.astype("float32"), labels.astype("float32"), reduction="none"
    )
    if real is not None:
        losses = losses * real
    if tokens is None:
        tokens = losses.size if real is None else real.sum()
    return losses.sum() / (tokens + 1e-6)


class ElectraForSequenceClassification(nn.Layer):
    """Pooled output -> dropout 0.1 -> one dense layer (original: `ClassificationTask`)."""

    reads_first_only = True  # of the last layer's states, that of [CLS]

    def __init__(self, config, num_classes):
        super().__init__()
        self.config = config
        self.electra = ElectraModel(config)
        # The original's 0.1 is fixed, not taken from the configuration.
        self.dropout = Dropout(0.1)
        self.classifier = Linear(config.hidden_size, num_classes, weight_attr=glorot())

    def classify(self, hidden):
        """Logits (batch, num_classes) from the encoder's states (batch, 1 or more, hidden)."""
        return self.classifier(self.dropout(self.electra.pool(hidden)))

    def forward(self, input_ids, token_type_ids=None, attention_mask=None):
        """Logits (batch, num_classes)."""
        hidden = self.electra(
            input_ids, token_type_ids, attention_mask, first_only=self.reads_first_only
        )
        return self.classify(hidden)
