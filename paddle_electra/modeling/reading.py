"""The reading-comprehension head (original: `QATask.get_prediction_module`, PARITY 6)."""

from typing import NamedTuple

import paddle
import paddle.nn.functional as F
from paddle import nn

from .encoder import ElectraModel, glorot
from .kernels import Linear, gelu, linear, on_cpu

HIDDEN = 512  # units of the end and the answerability layers; fixed in the original
DISALLOWED = -1000.0  # added to the logits of positions outside the context


class TrainingLogits(NamedTuple):
    """What the loss is made of: (batch, length) twice and (batch,)."""

    start: paddle.Tensor
    end: paddle.Tensor
    answerable: paddle.Tensor


class Beam(NamedTuple):
    """The best starts, and for each the best ends, as log-probabilities.

    ``starts``, ``start_scores``: (batch, beam); ``ends``, ``end_scores``: (batch, beam, beam);
    ``answerable``: (batch,) logits, positive for a question without an answer.
    """

    starts: paddle.Tensor
    start_scores: paddle.Tensor
    ends: paddle.Tensor
    end_scores: paddle.Tensor
    answerable: paddle.Tensor


class ElectraForQuestionAnswering(nn.Layer):
    """Encoder + start, end and answerability.

    The start logit of a position is one dense layer on its state; the end logit is dense(1) over a
    512-unit GELU layer on [state of the start, state of the position], with the gold start in
    training and a beam of starts otherwise.  Allowed positions are the context, the last [SEP] and
    [CLS].  ``joint=False`` gives both logits a dense layer of their own.

    Args:
        config: an `ElectraConfig`.
        joint: end conditioned on the start.
        beam_size: starts, and ends of each, at inference; cut to the length of the input.
        answerable: the answerability classifier, on for CMRC and DRCD too.
        answerable_sees_start: it sees [CLS] and the mean of the states weighted by the start's
            probabilities through a hidden layer; else it is one dense layer on [CLS].
    """

    def __init__(
        self, config, joint=True, beam_size=20, answerable=True, answerable_sees_start=True
    ):
        super().__init__()
        self.config = config
        self.joint, self.beam_size = joint, beam_size
        width = config.hidden_size
        self.electra = ElectraModel(config)
        self.start = Linear(width, 1, weight_attr=glorot())
        if joint:
            self.end_hidden = Linear(2 * width, HIDDEN, weight_attr=glorot())
            self.end = Linear(HIDDEN, 1, weight_attr=glorot())
        else:
            self.end = Linear(width, 1, weight_attr=glorot())
        self.has_answerable, self.sees_start = answerable, answerable_sees_start
        if answerable and answerable_sees_start:
            self.answerable_hidden = Linear(2 * width, HIDDEN, weight_attr=glorot())
            self.answerable = Linear(HIDDEN, 1, weight_attr=glorot())
        elif answerable:
            self.answerable = Linear(width, 1, weight_attr=glorot())

    def forward(self, input_ids, token_type_ids, attention_mask, start_positions=None):
        """Logits for training, or the beam.

        Args:
            input_ids, token_type_ids, attention_mask: (batch, length).
            start_positions: (batch,) gold starts; None at inference.
        Returns:
            `TrainingLogits` with ``start_positions`` or without ``joint``, else a `Beam`.
        """
        hidden = self.electra(input_ids, token_type_ids, attention_mask)
        blocked = _blocked(token_type_ids, attention_mask, hidden.dtype)
        start = self.start(hidden).squeeze(-1) + blocked
        answerable = self._answerable(hidden, start)
        if not self.joint:
            return TrainingLogits(start, self.end(hidden).squeeze(-1) + blocked, answerable)
        of_token = self._of_token(hidden)
        if start_positions is not None:
            chosen = paddle.take_along_axis(hidden, start_positions.reshape([-1, 1, 1]), 1)
            end = self._end(self._of_start(chosen), of_token) + blocked
            return TrainingLogits(start, end, answerable)
        return self._search(hidden, start, of_token, blocked, answerable)

    def _search(self, hidden, start, of_token, blocked, answerable):
        # A static graph has one beam for all lengths; see `inference.graphs.shortest`.
        dynamic = paddle.in_dynamic_mode()
        count = min(
            self.beam_size, hidden.shape[1] if dynamic else self.config.max_position_embeddings
        )
        start_scores, starts = paddle.topk(F.log_softmax(start, -1), count)
        index = starts.unsqueeze(-1).expand([-1, -1, hidden.shape[-1]])
        of_start = self._of_start(paddle.take_along_axis(hidden, index, 1, broadcast=False))
        ends, end_scores = [], []
        for number in range(count):  # one start at a time: (batch, length, 512) is large enough
            end = self._end(of_start[:, number : number + 1], of_token) + blocked
            scores, places = paddle.topk(F.log_softmax(end, -1), count)
            ends.append(places)
            end_scores.append(scores)
        ends, end_scores = paddle.stack(ends, 1), paddle.stack(end_scores, 1)
        return Beam(starts, start_scores, ends, end_scores, answerable)

    # The end layer's product with [start, token] is computed as the sum of two products, so that
    # the tokens' half is computed once for all starts.
    def _of_start(self, states):
        return paddle.matmul(states, self.end_hidden.weight[: self.config.hidden_size])

    def _of_token(self, states):
        half = self.end_hidden.weight[self.config.hidden_size :]
        return linear(states, half, self.end_hidden.bias)

    def _end(self, of_start, of_token):
        if on_cpu(of_token):  # spread out first: a broadcast sum takes ten times as long
            of_start = of_start.expand_as(of_token)
        return self.end(gelu(of_start + of_token)).squeeze(-1)  # (batch, length)

    def _answerable(self, hidden, start):
        if not self.has_answerable:
            return paddle.zeros([hidden.shape[0]], hidden.dtype)
        if not self.sees_start:
            return self.answerable(hidden[:, 0]).squeeze(-1)
        share = F.softmax(start, -1).unsqueeze(1)  # (batch, 1, length)
        where = paddle.matmul(share, hidden).squeeze(1)
        both = paddle.concat([hidden[:, 0], where], -1)
        return self.answerable(gelu(self.answerable_hidden(both))).squeeze(-1)


def _blocked(token_type_ids, attention_mask, dtype):
    """0 where an answer may begin or end, else -1000: (batch, length)."""
    allowed = (token_type_ids * attention_mask).astype(dtype)
    allowed = paddle.concat([paddle.ones_like(allowed[:, :1]), allowed[:, 1:]], 1)
    return (1.0 - allowed) * DISALLOWED
