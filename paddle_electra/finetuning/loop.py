"""The training steps of fine-tuning."""

import math

import numpy as np
import paddle

from ..errors import InputError
from ..training.optimizer import build_optimizer, clip_gradients
from ..training.schedule import learning_rate, warmup_steps

MAX_GRADIENT_NORM = 1.0
CPU_PART = 8  # examples that a processor takes at once


def epoch_order(count, seed, epoch):
    """The order of ``count`` examples in an epoch: a function of seed and epoch alone."""
    return np.random.default_rng([seed, epoch]).permutation(count)


def step_seed(seed, step):
    """The seed of the random numbers (dropout) of a step: a function of seed and step alone."""
    return int(np.random.SeedSequence([seed, step]).generate_state(1)[0])


def count_steps(examples, options):
    """(steps of an epoch, steps of the training).

    Raises:
        InputError: no example, or too few epochs for a single step.
    """
    if not examples:
        raise InputError("no training example is left; the lines above say why")
    an_epoch = math.ceil(examples / options.train_batch_size)
    total = int(options.num_train_epochs * an_epoch)
    if not total:
        raise InputError(f"--num-train-epochs {options.num_train_epochs} is less than one step")
    return an_epoch, total


class Trainer:
    """A model in training.  All its state is the model, the optimizer and ``step``.

    The loss of a step is the **sum** over its examples, or their mean with
    ``loss_reduction="mean"``; then the gradient is clipped to norm 1 (PARITY 17).  Every example is
    used once an epoch; the last batch of an epoch may be smaller, which in a sum is the same as
    the original's padding examples (PARITY 19).

    Args:
        kind: what the task is, see `classification.SequenceClassification`.
        model: with the task's head.
        features: the training features.
        options: resolved `FinetuneOptions`.
    Raises:
        InputError: too few epochs for a single step.
    """

    def __init__(self, kind, model, features, options):
        self.kind, self.model, self.features, self.options = kind, model, features, options
        self.steps_per_epoch, self.total_steps = count_steps(len(features), options)
        self.warmup_steps = warmup_steps(self.total_steps, options.warmup_proportion)
        self.step = 0
        self.optimizer = build_optimizer(
            model,
            weight_decay=options.weight_decay_rate,
            layerwise_lr_decay=options.layerwise_lr_decay,
            num_layers=model.config.num_hidden_layers,
        )
        self._epoch, self._order = None, None

    @property
    def epoch(self):
        """The number of finished passes, a float."""
        return self.step / self.steps_per_epoch

    @property
    def at_epoch_end(self):
        """Whether a pass, perhaps cut short by the end of training, has just been finished."""
        return self.step % self.steps_per_epoch == 0 or self.step == self.total_steps

    def rate(self):
        """Learning rate of the head in the coming step (PARITY 15: the first one is 0)."""
        return learning_rate(
            self.step, self.options.learning_rate, self.total_steps, self.warmup_steps
        )

    def next_features(self):
        """The features of the coming step."""
        epoch, index = divmod(self.step, self.steps_per_epoch)
        if epoch != self._epoch:
            self._epoch = epoch
            self._order = epoch_order(len(self.features), self.options.seed, epoch)
        size = self.options.train_batch_size
        return [self.features[i] for i in self._order[index * size : (index + 1) * size]]

    def train_step(self):
        """Take one step.

        Returns:
            (mean loss of the batch, learning rate, norm of the gradient before clipping).
        Raises:
            InputError: the loss or the gradient is not a finite number; names the step.
        """
        features = self.next_features()
        rate = self.rate()
        self.model.train()
        paddle.seed(step_seed(self.options.seed, self.step))
        total = 0.0
        weight = 1.0 / len(features) if self.options.loss_reduction == "mean" else 1.0
        for part in split_into_parts(features):
            loss = self.kind.losses(self.model, self.kind.collate(part)).sum()
            (loss * weight).backward()
            total += float(loss)
        norm = self.update(rate)
        self.step += 1
        return total / len(features), rate, norm

    def update(self, rate):
        """Clip the accumulated gradient and update with ``rate``; returns the gradient's norm."""
        norm = clip_gradients(self.model.parameters(), MAX_GRADIENT_NORM)
        if not math.isfinite(norm):  # a loss that is no number has no gradient that is one
            raise InputError(
                f"step {self.step + 1}: the gradient's norm is {norm}; no weight was changed; "
                f"start again in another --output with a lower --learning-rate"
            )
        self.optimizer.set_lr(rate)
        self.optimizer.step()
        self.optimizer.clear_grad()
        return norm


def split_into_parts(features):
    """The parts of a batch that are computed one after the other: those of each task, and of them
    texts of like length together.

    The loss is a sum, so its gradient is the sum of the parts' and nothing changes but the amount
    of padding: about a quarter fewer tokens on ChnSentiCorp.  A GPU takes a task's part whole.
    """
    size = CPU_PART if paddle.get_device() == "cpu" else len(features)
    of_task = {}
    for feature in features:
        of_task.setdefault(getattr(feature, "job", 0), []).append(feature)
    return [
        ordered[start : start + size]
        for ordered in (sorted(group, key=len) for group in of_task.values())
        for start in range(0, len(ordered), size)
    ]
