"""The part of a module that ``hub.Trainer`` trains; needs paddle, not paddlehub."""

import paddle
import paddle.nn.functional as F
from paddle import nn

from ..errors import InputError
from ..inference.inputs import CLASSIFYING
from ..modeling.layouts import Padded
from .arguments import MATCHING

IGNORED = -100  # label of a position that has none


class TrainableModule(nn.Layer):
    """Forward, training step and validation step, with the interface of the published modules.

    A subclass sets ``task``, ``model`` (the network), ``label_map`` {class number: label} or None,
    ``suffix`` and ``pad_id``.  ``changed`` says whether the weights may differ from those loaded.
    """

    changed = False

    def __init__(self):
        super().__init__()
        self._metric = None

    def forward(
        self,
        input_ids=None,
        token_type_ids=None,
        position_ids=None,
        attention_mask=None,
        query_input_ids=None,
        query_token_type_ids=None,
        query_position_ids=None,
        query_attention_mask=None,
        title_input_ids=None,
        title_token_type_ids=None,
        title_position_ids=None,
        title_attention_mask=None,
        seq_lengths=None,
        labels=None,
    ):
        """Probabilities, or with ``labels`` (probabilities, loss, {name of the metric: value}).

        Args:
            input_ids, token_type_ids, position_ids, attention_mask: (batch, length) int64; all but
                the first may be None, the mask then being 1 where there is no [PAD].
            query_..., title_...: the same of both texts, for text-matching.
            seq_lengths: (batch,) tokens of each text, for token-cls with ``labels``.
            labels: (batch,); for token-cls (batch, length), with -100 where there is none.
        Returns:
            probabilities (batch, classes), for token-cls (batch, length, classes); for task None
            the hidden states (batch, length, hidden).
        """
        if self.task == "qa":
            raise InputError(
                "task='qa': this module answers questions, but is not trained; use "
                "`paddle-electra finetune`"
            )
        if self.task == MATCHING:
            query = self._mean(
                query_input_ids, query_token_type_ids, query_position_ids, query_attention_mask
            )
            title = self._mean(
                title_input_ids, title_token_type_ids, title_position_ids, title_attention_mask
            )
            scores = self.model.compare(query, title)
        else:
            hidden = self._encode(input_ids, token_type_ids, position_ids, attention_mask)
            if self.task is None:
                return hidden
            scores = self.model.classify(hidden)
        chances = F.softmax(scores, axis=-1)
        if labels is None:
            return chances
        if paddle.is_grad_enabled():
            self.changed = True  # by the step that follows, in a training loop of one's own
        if self.task == "token-cls":
            # Paddle averages over all positions, those without a label too; so the published do.
            loss = F.cross_entropy(scores, labels.unsqueeze(-1), ignore_index=IGNORED)
            return chances, loss, {"f1_score": self._count_chunks(chances, seq_lengths, labels)}
        loss = F.cross_entropy(scores, labels)
        return chances, loss, {"acc": self.metric.update(self.metric.compute(chances, labels))}

    def _encode(self, input_ids, token_type_ids, position_ids, attention_mask):
        if attention_mask is None:
            attention_mask = (input_ids != self.pad_id).astype("int64")
        layout = Padded(attention_mask)
        layout.positions = position_ids
        first_only = getattr(self.model, "reads_first_only", False)
        return self.model.electra(input_ids, token_type_ids, layout=layout, first_only=first_only)

    def _mean(self, input_ids, *rest):
        hidden = self._encode(input_ids, *rest)
        return self.model.mean(hidden, input_ids != self.pad_id)

    @property
    def metric(self):
        """Accuracy; for token-cls PaddleNLP's F1 of chunks."""
        if self._metric is None:
            self._metric = self._make_metric()
        return self._metric

    def _make_metric(self):
        if self.task != "token-cls":
            return paddle.metric.Accuracy()
        from paddlenlp.metrics import ChunkEvaluator

        names = [self.label_map[number] for number in sorted(self.label_map)]
        if not all(isinstance(name, str) for name in names):
            raise InputError(
                "label_map: token-cls is scored by the names of its labels; give them, such as "
                "{0: 'B-PER', 1: 'I-PER', 2: 'O'}"
            )
        return ChunkEvaluator(label_list=names, suffix=self.suffix)

    def _count_chunks(self, chances, seq_lengths, labels):
        # PaddleNLP's tokenizer counts the padding into the length, where there are no labels.
        seq_lengths = paddle.minimum(seq_lengths, (labels != IGNORED).sum(-1).astype("int64"))
        counts = self.metric.compute(seq_lengths, chances.argmax(axis=-1), labels)
        self.metric.update(*(count.item() for count in counts))
        return float(self.metric.accumulate()[2])

    def training_step(self, batch, batch_idx):
        """{"loss": ..., "metrics": ...} of a batch of one of PaddleHub's data sets."""
        self.changed = True
        _, loss, metrics = self._step(batch)
        self.metric.reset()
        return {"loss": loss, "metrics": metrics}

    def validation_step(self, batch, batch_idx):
        """{"metrics": ...}: accuracy of this batch; F1 of all since `eval` or `training_step`."""
        return {"metrics": self._step(batch)[2]}

    def _step(self, batch):
        if self.task in CLASSIFYING:
            names = ("input_ids", "token_type_ids", "labels")
        elif self.task == "token-cls":
            names = ("input_ids", "token_type_ids", "seq_lengths", "labels")
        elif self.task == MATCHING:
            names = ("query_input_ids", "query_token_type_ids", "title_input_ids")
            names += ("title_token_type_ids", "labels")
        else:
            raise InputError(
                f"task={self.task!r} is not trained with hub.Trainer; there are 'seq-cls', "
                f"'pair-cls', 'token-cls' and 'text-matching'"
            )
        if len(batch) != len(names):
            raise InputError(
                f"a batch for task={self.task!r} has {', '.join(names)}; this one has "
                f"{len(batch)} parts"
            )
        return self(**dict(zip(names, batch, strict=True)))

    def train(self):
        """Training mode; what was loaded is from now on taken to be changed."""
        self.changed = True
        return super().train()

    def eval(self):
        """Evaluation mode, with which ``hub.Trainer`` begins each evaluation: F1 counts anew."""
        if self._metric is not None:
            self._metric.reset()
        return super().eval()

    def set_state_dict(self, state_dict, *args, **kwargs):
        """Load weights, as ``hub.Trainer`` does when it resumes."""
        self.changed = True
        return super().set_state_dict(state_dict, *args, **kwargs)

    set_dict = load_dict = set_state_dict

    @property
    def input_spec(self):
        """What ``save_inference_model`` and ``export_onnx_model`` of PaddleHub export for."""
        if self.task in (MATCHING, "qa"):
            raise InputError(
                f"task={self.task!r} is not exported by PaddleHub; use `paddle-electra export`"
            )
        return [paddle.static.InputSpec([None, None], "int64") for _ in range(2)]
