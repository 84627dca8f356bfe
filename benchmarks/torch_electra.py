"""The original's fine-tuning of a classifier once more, in PyTorch on transformers' ElectraModel.

Head, loss, clipping, optimizer and rates are written anew from the original's description
(PARITY 2, 14-19) and share no code with `paddle_electra`, so that a mistake there shows here.
`UsualTrainer` is instead what most users of transformers write, for comparing speed.
"""

import re
from typing import NamedTuple

import numpy as np
import torch
import transformers

HEAD_DROPOUT = 0.1
MAX_NORM = 1.0
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-6


class Classifier(torch.nn.Module):
    """Hidden state of [CLS] -> dropout 0.1 -> one dense layer.

    Args:
        folder: an ELECTRA discriminator in Hugging Face's layout.
        weight: of the head, an array (labels, hidden); bias: (labels,).
        dropout: False switches every dropout off, the encoder's too.
    """

    def __init__(self, folder, weight, bias, dropout=True):
        super().__init__()
        off = {} if dropout else {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
        self.electra = load_encoder(transformers.ElectraModel, folder, **off)
        self.dropout = torch.nn.Dropout(HEAD_DROPOUT if dropout else 0.0)
        self.classifier = torch.nn.Linear(weight.shape[1], weight.shape[0])
        with torch.no_grad():
            self.classifier.weight.copy_(torch.from_numpy(weight))
            self.classifier.bias.copy_(torch.from_numpy(bias))

    def forward(self, input_ids, token_type_ids, attention_mask):
        """Logits (batch, labels)."""
        inputs = {"token_type_ids": token_type_ids, "attention_mask": attention_mask}
        hidden = self.electra(input_ids, **inputs).last_hidden_state
        return self.classifier(self.dropout(hidden[:, 0]))


def load_encoder(kind, folder, **settings):
    """A model of transformers with every weight of the encoder from ``folder``."""
    level = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()  # it warns of the replaced-token head left out
    model, info = kind.from_pretrained(folder, output_loading_info=True, **settings)
    transformers.logging.set_verbosity(level)
    missing = [name for name in info["missing_keys"] if not name.startswith("classifier.")]
    if missing:
        raise ValueError(f"{folder}: transformers finds no weight for {missing[0]}")
    return model


def pad(features, pad_id):
    """Features, padded to the longest, as tensors: (inputs by name, labels)."""
    shape = len(features), max(len(feature.input_ids) for feature in features)
    ids = np.full(shape, pad_id, np.int64)
    types, mask = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    for row, feature in enumerate(features):
        length = len(feature.input_ids)
        ids[row, :length] = feature.input_ids
        types[row, :length] = feature.token_type_ids
        mask[row, :length] = 1
    arrays = {"input_ids": ids, "token_type_ids": types, "attention_mask": mask}
    inputs = {name: torch.from_numpy(array) for name, array in arrays.items()}
    return inputs, torch.tensor([feature.label for feature in features])


class Slot(NamedTuple):
    """A parameter with what the optimizer keeps of it."""

    parameter: torch.nn.Parameter
    factor: float
    decay: float
    mean: torch.Tensor
    square: torch.Tensor


class OriginalAdam:
    """Adam without bias correction, epsilon outside the root, decoupled weight decay.

    Args:
        model: a `Classifier`.
        layerwise: factor of the rate from one layer to the one below.
        weight_decay: of everything but LayerNorms and biases.
    """

    def __init__(self, model, layerwise, weight_decay):
        layers = model.electra.config.num_hidden_layers
        self.slots = [
            Slot(
                parameter,
                layerwise ** (layers + 2 - depth(name, layers)),
                0.0 if re.search("LayerNorm|bias", name) else weight_decay,
                torch.zeros_like(parameter),
                torch.zeros_like(parameter),
            )
            for name, parameter in model.named_parameters()
        ]

    @torch.no_grad()
    def step(self, rate):
        """Update every parameter with ``rate``, the head's."""
        for parameter, factor, decay, mean, square in self.slots:
            gradient = parameter.grad
            mean.mul_(BETA1).add_(gradient, alpha=1 - BETA1)
            square.mul_(BETA2).addcmul_(gradient, gradient, value=1 - BETA2)
            update = mean / (square.sqrt() + EPSILON) + decay * parameter
            parameter.sub_(update, alpha=rate * factor)


def depth(name, layers):
    """0 for the embeddings and their projection, i + 1 for layer i, layers + 2 for the head."""
    if name.startswith("electra.embeddings"):
        return 0
    layer = re.match(r"electra\.encoder\.layer\.(\d+)\.", name)
    return int(layer.group(1)) + 1 if layer else layers + 2


@torch.no_grad()
def clip(parameters):
    """Scale the gradients to a global norm of at most 1."""
    gradients = [parameter.grad for parameter in parameters]
    norm = float(torch.linalg.vector_norm(torch.stack([g.norm() for g in gradients])))
    if norm > MAX_NORM:
        for gradient in gradients:
            gradient.mul_(MAX_NORM / norm)


class TorchTrainer:
    """Training steps of a `Classifier`.

    Args:
        model: a `Classifier`.
        options: learning_rate, warmup_proportion, weight_decay_rate, layerwise_lr_decay.
        total_steps: of the whole training.
        pad_id: id of [PAD].
    """

    def __init__(self, model, options, total_steps, pad_id):
        self.model, self.total_steps, self.pad_id = model, total_steps, pad_id
        self.peak = options.learning_rate
        self.warmup = total_steps * options.warmup_proportion
        self.optimizer = OriginalAdam(model, options.layerwise_lr_decay, options.weight_decay_rate)
        self.step = 0

    def rate(self):
        """The decay runs during the warm-up, too; the first rate is 0 when there is one."""
        rate = self.peak * (1 - self.step / self.total_steps)
        return rate * min(1.0, self.step / self.warmup) if self.warmup else rate

    def train_step(self, features):
        """Take one step; returns the mean loss of the batch, of which the sum is minimised."""
        self.model.train()
        self.model.zero_grad()
        inputs, labels = pad(features, self.pad_id)
        logits = self.model(**inputs)
        loss = torch.nn.functional.cross_entropy(logits, labels, reduction="sum")
        loss.backward()
        clip(self.model.parameters())
        self.optimizer.step(self.rate())
        self.step += 1
        return loss.item() / len(features)

    def accuracy(self, features, batch_size=64):
        """Percentage of ``features`` that get their label."""
        self.model.eval()
        right = 0
        with torch.no_grad():
            for batch in by_length(features, batch_size):
                inputs, labels = pad(batch, self.pad_id)
                right += int((self.model(**inputs).argmax(-1) == labels).sum())
        return 100.0 * right / len(features)


class UsualTrainer:
    """What most users write: ElectraForSequenceClassification, the mean loss, clipping, AdamW.

    Args:
        folder: an ELECTRA discriminator in Hugging Face's layout; the head is new.
    """

    def __init__(self, folder, labels, pad_id):
        kind = transformers.ElectraForSequenceClassification
        self.model, self.pad_id = load_encoder(kind, folder, num_labels=labels), pad_id
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-4, weight_decay=0.01)

    def _forward(self, features):
        inputs, labels = pad(features, self.pad_id)
        return self.model(**inputs, labels=labels)

    def train_step(self, features, part=None):
        """One step: the batch at once, or ``part`` texts of like length at a time."""
        self.model.train()
        self.optimizer.zero_grad()
        for piece in by_length(features, part) if part else [features]:
            (self._forward(piece).loss * (len(piece) / len(features))).backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), MAX_NORM)
        self.optimizer.step()

    def score(self, features, batch_size, sort=False):
        """The logits of every batch, of texts as they come or of like length."""
        self.model.eval()
        starts = range(0, len(features), batch_size)
        batches = [features[start : start + batch_size] for start in starts]
        with torch.no_grad():
            for batch in by_length(features, batch_size) if sort else batches:
                self._forward(batch).logits.numpy()


def by_length(features, size):
    """Groups of ``size`` texts of like length, the longest first."""
    ordered = sorted(features, key=lambda feature: -len(feature.input_ids))
    return [ordered[start : start + size] for start in range(0, len(ordered), size)]
