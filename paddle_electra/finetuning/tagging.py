"""Sequence tagging as a kind of task: features, head, loss, entity scores.

It has the interface of `classification.SequenceClassification`.  The label of a word sits on the
word's first piece.
"""

import dataclasses

import numpy as np
import paddle
import paddle.nn.functional as F

from ..files import atomic_write
from ..modeling.tagging import ElectraForTokenClassification
from .cache import join, pieces
from .classification import SequenceClassification
from .metrics import accuracy
from .padding import pad
from .tables import one_line
from .tag_files import OUTSIDE

IGNORED = -100  # label of a position that has none


@dataclasses.dataclass(frozen=True, slots=True)
class Feature:
    """A sentence as the model takes it.

    Arrays of int64: ``input_ids`` and ``token_type_ids`` [n]; ``starts`` [words], the positions of
    the first pieces of the words that were not cut off; ``labels`` [words], their ids, or None.
    """

    input_ids: np.ndarray
    token_type_ids: np.ndarray
    starts: np.ndarray
    labels: np.ndarray | None

    def __len__(self):
        return len(self.input_ids)


class Features(list):
    """A list of `Feature`, with what was printed when they were made, perhaps nothing."""

    def __init__(self, features, note):
        super().__init__(features)
        self.note = note
        if note:
            print(note)


class SequenceTagging(SequenceClassification):
    """One label for each word (original: `TaggingTask`), scored by entities.

    The words are cut into pieces one by one; the input is [CLS] pieces [SEP].  A sentence that is
    too long is cut between two words.  Differences from the original:

    - To see whether a sentence is too long, the original adds the sentence's number of words to
      the pieces so far where the pieces of the next word were meant, and so cuts too early.
    - All tokens are of segment 0, as those of a single text in pretraining; the original says 1.
    - Chinese characters are words of their own before WordPiece, as in pretraining; the original's
      tagging leaves a Chinese word whole.  Words "[CLS]" and "[SEP]" are ordinary text.
    - The labels are those of the file; the original rewrites BIO to BIOES.

    Args:
        task: a `tasks.Task`.
        tokenizer: an `ElectraTokenizer`.
        max_seq_length: tokens of an example, [CLS] and [SEP] included.
        options: unused; this kind has no hyperparameters of its own.
    """

    def prepare(self, examples, split):
        """`tag_files.TaggedExample`s to `Features`; prints how many words were cut off."""
        different = list(dict.fromkeys(word for example in examples for word in example.words))
        cut = dict(zip(different, self.tokenizer.encode_plain_batch(different), strict=True))
        ids = {label: number for number, label in enumerate(self.task.labels)}
        features = [self._feature(example, cut, ids) for example in examples]
        return Features(features, self._loss_note(examples, features, split))

    def _loss_note(self, examples, features, split):
        lost = [
            len(example.words) - len(feature.starts)
            for example, feature in zip(examples, features, strict=True)
        ]
        if not any(lost):
            return ""
        return (
            f"{split}: {sum(map(bool, lost))} of {len(examples)} examples are longer than "
            f"--max-seq-length {self.max_seq_length}: {sum(lost)} words at their ends are cut off "
            f"and count as {OUTSIDE}"
        )

    def _feature(self, example, cut, ids):
        tokens, starts = [self.tokenizer.cls_id], []
        for word in example.words:
            # A word of control characters only has no pieces, but needs a place for its label.
            of_word = cut[word] or [self.tokenizer.unk_id]
            if len(tokens) + len(of_word) + 1 > self.max_seq_length:
                break
            starts.append(len(tokens))
            tokens += of_word
        tokens.append(self.tokenizer.sep_id)
        labels = example.labels
        if labels is not None:
            labels = np.array([ids[label] for label in labels[: len(starts)]], np.int64)
        tokens = np.asarray(tokens, np.int64)
        return Feature(tokens, np.zeros_like(tokens), np.asarray(starts, np.int64), labels)

    def pack(self, features):
        """Features to few flat arrays; see `cache`."""
        ids, lengths = join((feature.input_ids for feature in features), np.int32)
        starts, words = join((feature.starts for feature in features), np.int32)
        note = np.frombuffer(features.note.encode(), np.uint8)
        arrays = {"input_ids": ids, "lengths": lengths, "starts": starts, "words": words}
        arrays["note"] = note
        if features[0].labels is not None:
            arrays["labels"], _ = join((feature.labels for feature in features), np.int32)
        return arrays

    def unpack(self, arrays, examples):
        """The features that `pack` packed; prints again what `prepare` printed."""
        del examples
        ids = pieces(arrays["input_ids"].astype(np.int64), arrays["lengths"])
        starts = pieces(arrays["starts"].astype(np.int64), arrays["words"])
        labels = [None] * len(ids)
        if "labels" in arrays:
            labels = pieces(arrays["labels"].astype(np.int64), arrays["words"])
        types = map(np.zeros_like, ids)
        return Features(map(Feature, ids, types, starts, labels), arrays["note"].tobytes().decode())

    def collate(self, features):
        """A batch, padded to its longest feature (rounded up to a multiple of 8).

        Returns:
            dict of int64 tensors (batch, length): input_ids, token_type_ids, attention_mask,
            word_starts (1 at first pieces) and labels (-100 where there is none).
        """
        arrays = pad(features, self.tokenizer.pad_id, self.max_seq_length)
        starts = np.zeros_like(arrays["input_ids"])
        labels = np.full_like(starts, IGNORED)
        for row, feature in enumerate(features):
            starts[row, feature.starts] = 1
            if feature.labels is not None:
                labels[row, feature.starts] = feature.labels
        arrays |= {"word_starts": starts, "labels": labels}
        return {name: paddle.to_tensor(array) for name, array in arrays.items()}

    def build_model(self, config):
        """An untrained model with the tagging head."""
        return ElectraForTokenClassification(config, len(self.task.labels))

    def losses(self, model, batch):
        """Of each example the sum of its words' cross entropies, (batch,).

        As in the original it is a sum, not a mean; a position without a label adds exactly 0.
        """
        logits = self._logits(model, batch)
        losses = F.cross_entropy(logits, batch["labels"], ignore_index=IGNORED, reduction="none")
        return losses.reshape(batch["labels"].shape).sum(-1)

    def predict(self, model, batch):
        """Log-probabilities of each feature's words: a list of float32 arrays (words, labels)."""
        outputs = F.log_softmax(self._logits(model, batch).astype("float32")).numpy()
        starts = batch["word_starts"].numpy().astype(bool)
        return [output[where] for output, where in zip(outputs, starts, strict=True)]

    def score(self, examples, features, outputs):
        """Entity scores and the loss; empty when the examples have no labels.

        Args:
            examples, features: lists; ``features`` is what `prepare` made of ``examples``.
            outputs: list of what `predict` gave for each.
        Returns:
            dict: "f1", "precision", "recall" of entities by seqeval (micro average, begin and end
            of an entity as CoNLL's scorer sees them), "accuracy" of words, all in percent; "loss",
            the mean of the words that were not cut off.
        """
        if any(example.labels is None for example in examples):
            return {}
        gold = [list(example.labels) for example in examples]
        predicted = self._predicted(examples, outputs)
        words = [np.concatenate(labels) for labels in (gold, predicted)]
        losses = [
            -np.take_along_axis(output.astype(np.float64), feature.labels[:, None], -1)
            for feature, output in zip(features, outputs, strict=True)
        ]
        count = sum(map(len, losses))
        return {
            **entity_scores(gold, predicted),
            "accuracy": accuracy(*words),
            "loss": float(sum(loss.sum() for loss in losses) / max(count, 1)),
        }

    def _predicted(self, examples, outputs):
        """The labels of every word of each example, O for those that were cut off."""
        labels = []
        for example, output in zip(examples, outputs, strict=True):
            known = [self.task.labels[number] for number in output.argmax(-1)]
            labels.append(known + [OUTSIDE] * (len(example.words) - len(known)))
        return labels

    def collapse(self, outputs):
        """A warning when all words get one label, else None."""
        predicted = np.unique(np.concatenate([output.argmax(-1) for output in outputs]))
        if len(outputs) < 2 or len(predicted) != 1:
            return None
        words = sum(map(len, outputs))
        return (
            f"all {words} words are predicted {self.task.labels[predicted[0]]!r}: the model has "
            f"not learned to find entities; try a higher or lower --learning-rate, more "
            f"--num-train-epochs, or another --seed"
        )

    def write_predictions(self, folder, split, examples, features, outputs):
        """``predictions_SPLIT.tsv`` in CoNLL's layout: word, label (empty if there is none) and
        predicted label with tabs between them, a blank line after each sentence."""
        del features
        with atomic_write(folder / f"predictions_{split}.tsv") as handle:
            predicted = self._predicted(examples, outputs)
            for example, guesses in zip(examples, predicted, strict=True):
                labels = example.labels or [""] * len(guesses)
                for word, label, guess in zip(example.words, labels, guesses, strict=True):
                    handle.write(f"{one_line(word)}\t{label}\t{guess}\n")
                handle.write("\n")


def entity_scores(gold, predicted):
    """F1, precision and recall of entities in percent, by seqeval.

    Args:
        gold, predicted: for each sentence the list of its labels.
    Returns:
        dict with "f1", "precision" and "recall"; 0 where there is nothing to divide by.
    """
    # Only here: it brings scikit-learn, which takes a second.
    from seqeval.metrics.sequence_labeling import precision_recall_fscore_support

    precision, recall, f1, _ = precision_recall_fscore_support(
        gold, predicted, average="micro", zero_division=0
    )
    return {
        "f1": 100.0 * float(f1),
        "precision": 100.0 * float(precision),
        "recall": 100.0 * float(recall),
    }
