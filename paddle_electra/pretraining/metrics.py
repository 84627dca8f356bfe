"""How well generator and discriminator do: accuracies, precision, recall, AUC."""

import numpy as np


class Counts:
    """Collects losses, MLM hits and the discriminator's verdicts over many batches.

    With ``others`` of other processes added, `results` are those of all.
    """

    def __init__(self):
        self.logits, self.labels = [], []
        self.mlm_hits = self.mlm_slots = 0
        self.mlm_loss = self.discriminator_loss = 0.0
        self.tokens = 0

    def add(self, output, part):
        """Add a `PretrainingOutput` of a `MicroBatch`."""
        real = part.real
        self.labels.append(output.rtd_labels.numpy()[real])
        if output.rtd_logits is not None:
            self.logits.append(output.rtd_logits.astype("float32").numpy()[real])
        originals = part.input_ids.reshape(-1)[part.masked_positions]
        slots, tokens = len(originals), int(real.sum())
        if slots:
            self.mlm_hits += int((output.mlm_logits.argmax(-1).numpy() == originals).sum())
        self.mlm_slots += slots
        self.tokens += tokens
        self.mlm_loss += float(output.mlm_loss) * slots
        self.discriminator_loss += float(output.discriminator_loss) * tokens

    def merge(self, other):
        """Add what another process collected."""
        self.logits += other.logits
        self.labels += other.labels
        for name in ("mlm_hits", "mlm_slots", "tokens", "mlm_loss", "discriminator_loss"):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def results(self):
        """A dict of shares in [0, 1] and mean losses; without a discriminator, the MLM's only."""
        labels = np.concatenate(self.labels) > 0
        results = {
            "mlm_loss": self.mlm_loss / max(1, self.mlm_slots),
            "mlm_accuracy": self.mlm_hits / max(1, self.mlm_slots),
            "replaced_share": float(labels.mean()),
        }
        if not self.logits:
            return results
        logits = np.concatenate(self.logits)
        predicted = logits > 0
        hits = int((predicted & labels).sum())
        return {
            **results,
            "discriminator_loss": self.discriminator_loss / max(1, self.tokens),
            "rtd_accuracy": float((predicted == labels).mean()),
            "rtd_precision": hits / max(1, int(predicted.sum())),
            "rtd_recall": hits / max(1, int(labels.sum())),
            "rtd_auc": auc(logits, labels),
        }


def auc(scores, labels):
    """Area under the ROC curve; ties count one half.  0.5 when only one class is there.

    Equals the chance that a positive scores above a negative (Mann-Whitney U).
    """
    labels = np.asarray(labels, bool)
    positives, negatives = int(labels.sum()), int((~labels).sum())
    if not positives or not negatives:
        return 0.5
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks = (ends - (counts - 1) / 2)[inverse]  # mean rank of each group of equal scores
    return float((ranks[labels].sum() - positives * (positives + 1) / 2) / (positives * negatives))
