"""Sequence classification: features, head, loss and predictions.

`SequenceClassification` is also the interface that every kind of task has; the training loop and
the scoring know a task through it only.
"""

import dataclasses

import numpy as np
import paddle
import paddle.nn.functional as F

from ..files import atomic_write
from ..modeling.electra import ElectraForSequenceClassification
from .cache import join, pieces
from .metrics import METRICS
from .padding import pad
from .tables import one_line


@dataclasses.dataclass(frozen=True, slots=True)
class Feature:
    """An example as the model takes it; ``label`` is its id, -1 for none.  Arrays: int64 [n]."""

    input_ids: np.ndarray
    token_type_ids: np.ndarray
    label: int

    def __len__(self):
        return len(self.input_ids)


class SequenceClassification:
    """One label for one text (original: `ClassificationTask`).

    Args:
        task: a `tasks.Task`.
        tokenizer: an `ElectraTokenizer`.
        max_seq_length: tokens of an example, [CLS] and [SEP] included; longer texts are cut.
        options: the resolved `FinetuneOptions`, for kinds with hyperparameters of their own.
    """

    def __init__(self, task, tokenizer, max_seq_length, options=None):
        del options
        self.task = task
        self.tokenizer = tokenizer
        self.max_seq_length = max_seq_length

    def prepare(self, examples, split):
        """Examples of a split to a list of `Feature`, in their order."""
        del split
        texts = [
            example.text_a if not example.text_b else (example.text_a, example.text_b)
            for example in examples
        ]
        ids = {label: number for number, label in enumerate(self.task.labels)}
        encodings = self.tokenizer.encode_batch(texts, self.max_seq_length)
        return [
            Feature(
                np.asarray(encoding.ids, np.int64),
                np.asarray(encoding.token_type_ids, np.int64),
                -1 if example.label is None else ids[example.label],
            )
            for example, encoding in zip(examples, encodings, strict=True)
        ]

    def pack(self, features):
        """Features to few flat arrays; see `cache`."""
        ids, lengths = join((feature.input_ids for feature in features), np.int32)
        types, _ = join((feature.token_type_ids for feature in features), np.int8)
        labels = np.array([feature.label for feature in features], np.int32)
        return {"input_ids": ids, "token_type_ids": types, "lengths": lengths, "labels": labels}

    def unpack(self, arrays, examples):
        """The features that `pack` packed."""
        del examples
        ids, types = (
            pieces(arrays[name].astype(np.int64), arrays["lengths"])
            for name in ("input_ids", "token_type_ids")
        )
        return list(map(Feature, ids, types, arrays["labels"].tolist()))

    def collate(self, features):
        """A batch, padded to its longest feature (rounded up to a multiple of 8).

        Returns:
            dict of int64 tensors: input_ids, token_type_ids, attention_mask (batch, length) and
            labels (batch,).
        """
        arrays = pad(features, self.tokenizer.pad_id, self.max_seq_length)
        arrays["labels"] = np.array([feature.label for feature in features], np.int64)
        return {name: paddle.to_tensor(array) for name, array in arrays.items()}

    def build_model(self, config):
        """An untrained model with this task's head."""
        return ElectraForSequenceClassification(config, len(self.task.labels))

    def losses(self, model, batch):
        """Cross entropy of each example, (batch,)."""
        return F.cross_entropy(self._logits(model, batch), batch["labels"], reduction="none")

    def predict(self, model, batch):
        """Log-probabilities, a float32 array (batch, labels)."""
        return F.log_softmax(self._logits(model, batch).astype("float32")).numpy()

    @staticmethod
    def _logits(model, batch):
        return model(batch["input_ids"], batch["token_type_ids"], batch["attention_mask"])

    def score(self, examples, features, outputs):
        """The task's metric and the mean loss; empty when the examples have no labels.

        Args:
            examples, features: lists; ``features`` is what `prepare` made of ``examples``.
            outputs: list of what `predict` gave for each.
        """
        gold = np.array([feature.label for feature in features])
        if (gold < 0).any():
            return {}
        outputs = np.stack(outputs)
        value = METRICS[self.task.metric](gold, outputs.argmax(-1))
        loss = -np.take_along_axis(outputs.astype(np.float64), gold[:, None], -1).mean()
        return {self.task.metric: value, "loss": float(loss)}

    def collapse(self, outputs):
        """A warning when all predictions are one class, else None."""
        predicted = np.unique(np.stack(outputs).argmax(-1))
        if len(outputs) < 2 or len(predicted) > 1:
            return None
        return (
            f"all {len(outputs)} predictions are {self.task.labels[predicted[0]]!r}: the model has "
            f"not learned to tell the classes apart; try a lower --learning-rate, more "
            f"--num-train-epochs, or another --seed"
        )

    def write_predictions(self, folder, split, examples, features, outputs):
        """``predictions_SPLIT.tsv``, with a header: row, texts, label (empty if there is none),
        predicted, one probability per label."""
        del features
        path = folder / f"predictions_{split}.tsv"
        pairs = any(example.text_b is not None for example in examples)
        header = ["row", "text_a", *(["text_b"] if pairs else []), "label", "predicted"]
        with atomic_write(path) as handle:
            names = [f"probability_{one_line(label)}" for label in self.task.labels]
            handle.write("\t".join([*header, *names]) + "\n")
            for example, output in zip(examples, outputs, strict=True):
                texts = [example.text_a, *([example.text_b or ""] if pairs else [])]
                predicted = self.task.labels[int(output.argmax())]
                cells = [*map(one_line, [*texts, example.label or "", predicted])]
                shares = [f"{share:.6f}" for share in np.exp(output)]
                handle.write("\t".join([str(example.row), *cells, *shares]) + "\n")

    def describe(self):
        """What ``task.json`` says of the fine-tuned model.

        ``columns`` is there when the user named some: files to predict are likely to have them too.
        """
        chosen = self.task.chosen or {}
        columns = {column: name for column, name in chosen.items() if isinstance(name, str)}
        return {
            "task": self.task.name,
            "kind": self.task.kind,
            "labels": list(self.task.labels),
            "max_seq_length": self.max_seq_length,
            "num_classes": len(self.task.labels),
            **({"columns": columns} if columns else {}),
        }
