"""One optimizer update of pretraining."""

import math

import paddle

from ..errors import InputError
from ..training.optimizer import build_optimizer, clip_gradients, distinct_parameters
from ..training.schedule import learning_rate


class Trainer:
    """Model, optimizer and schedule of a run.

    Args:
        model: an `ElectraForPreTraining`.
        options: `PretrainOptions`.
    """

    def __init__(self, model, options):
        self.model = model
        self.options = options
        self.optimizer = build_optimizer(model, options.weight_decay_rate)
        self.parameters = [parameter for _, parameter in distinct_parameters(model)]
        model.train()

    def forward(self, part, slots=None, tokens=None):
        """The `PretrainingOutput` of a `MicroBatch`; see `ElectraForPreTraining.forward`."""
        names = ("input_ids", "masked_input_ids", "token_type_ids", "attention_mask")
        arrays = {name: getattr(part, name) for name in (*names, "masked_positions")}
        arrays["gumbel"] = part.gumbel(self.options.seed, self.model.config.vocab_size)
        arrays = {name: paddle.to_tensor(array) for name, array in arrays.items()}
        return self.model(**arrays, mlm_denominator=slots, discriminator_denominator=tokens)

    def forward_backward(self, batch):
        """Losses of a `Batch` as floats; gradients are left in the parameters.

        Parts are divided by the whole batch's numbers of slots and tokens, so their sum is the
        batch's loss however it is cut (PARITY 11).
        """
        totals = {"loss": 0.0, "mlm_loss": 0.0, "discriminator_loss": 0.0}
        for number, part in enumerate(batch.parts):
            # Dropout is keyed by seed, step and part: nothing random needs saving.
            paddle.seed(_hash(self.options.seed, batch.step, number))
            output = self.forward(part, batch.slots, float(batch.tokens))
            output.loss.backward()
            for name in totals:
                totals[name] += float(getattr(output, name))
        return totals

    def step(self, batch, dataset):
        """Make one update.

        Returns:
            {"loss", "mlm_loss", "discriminator_loss", "learning_rate", "gradient_norm", "steps": 1}
        Raises:
            InputError: a loss or gradient that is not finite, before any weight is touched; it
                names the step and the batch.
        """
        values = self.forward_backward(batch)
        norm = clip_gradients(self.parameters, self.options.max_gradient_norm)
        if not math.isfinite(values["loss"]) or not math.isfinite(norm):
            numbers = ", ".join(map(str, batch.examples[:8]))
            raise InputError(
                f"step {batch.step + 1}: loss {values['loss']}, gradient norm {norm}: not finite. "
                f"The batch is examples {numbers}, ... of {dataset.folder}; no weight was changed. "
                f"Start again in another --output with a lower --learning-rate or more "
                f"--num-warmup-steps"
            )
        rate = learning_rate(
            batch.step,
            self.options.learning_rate,
            self.options.num_train_steps,
            self.options.num_warmup_steps,
        )
        self.optimizer.set_lr(rate)
        self.optimizer.step()
        self.optimizer.clear_grad(set_to_zero=False)
        return {**values, "learning_rate": rate, "gradient_norm": norm, "steps": 1}


def _hash(*numbers):
    """A 31-bit seed from several numbers; nearby inputs give unrelated seeds."""
    value = 0x9E3779B97F4A7C15
    for number in numbers:
        value = ((value ^ (number & 0xFFFFFFFFFFFFFFFF)) * 0xBF58476D1CE4E5B9) % 2**64
        value ^= value >> 29
    return value % 2**31
