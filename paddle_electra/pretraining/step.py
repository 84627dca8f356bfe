"""One optimizer update of pretraining."""

import math

import paddle

from ..errors import InputError
from ..training.optimizer import build_optimizer, clip_gradients, distinct_parameters
from ..training.parallel import World
from ..training.precision import LossScaler, Precision
from ..training.schedule import learning_rate

_ARRAYS = ("input_ids", "masked_input_ids", "token_type_ids", "masked_positions", "uniforms")
LOSSES = ("loss", "mlm_loss", "discriminator_loss")


class Trainer:
    """Model, optimizer and schedule of a run.

    Args:
        model: an `ElectraForPreTraining` with the weights to begin with.
        options: `PretrainOptions`.
        world: the `World` that shares each batch; None for this process alone.
    """

    def __init__(self, model, options, world=None):
        self.model = model
        self.options = options
        self.world = world or World()
        self.precision = Precision(options.precision, options.amp_level)
        self.scaler = LossScaler(enabled=options.precision == "fp16")
        self.optimizer = build_optimizer(model, options.weight_decay_rate)
        self.parameters = [parameter for _, parameter in distinct_parameters(model)]
        self.optimizer.keep_full_precision(self.precision, model)
        for encoder in model.encoders:
            encoder.use_recompute(options.recompute)
        model.train()

    def forward(self, part):
        """The `PretrainingOutput` of a `MicroBatch`; see `ElectraForPreTraining.forward`."""
        with self.precision.autocast():
            return self.model(**_tensors(part), attention_mask=None, layout=part.layout())

    def _backward(self, part, slots, tokens):
        """Add a `MicroBatch`'s gradients, the generator's before the discriminator's activations
        take their place in memory.

        Returns:
            (mlm_loss, discriminator_loss), tensors: to ask for their values would wait for the GPU.
        """
        tensors, layout = _tensors(part), part.layout()
        with self.precision.autocast():
            mlm = self.model.generate(**tensors, layout=layout, denominator=slots)
        self._differentiate(mlm.loss, self.options.gen_weight)
        replaced_ids, mlm_loss = mlm.replaced_ids, mlm.loss.detach()
        del mlm  # its logits are large
        ids, types = tensors["input_ids"], tensors["token_type_ids"]
        with self.precision.autocast():
            rtd = self.model.discriminate(ids, replaced_ids, types, layout, tokens)
        self._differentiate(rtd.loss, self.options.disc_weight)
        return mlm_loss, rtd.loss.detach()

    def _differentiate(self, loss, weight):
        if not loss.stop_gradient:  # as without a generator, or without slots
            (loss * (weight * self.scaler.scale)).backward()

    def forward_backward(self, batch, stopping=lambda: False):
        """Losses of the whole `Batch` as floats; its gradients are left in the parameters.

        Parts are divided by the whole batch's numbers of slots and tokens, over all processes, so
        their sum is the batch's loss however it is cut (PARITY 11).

        Args:
            stopping: whether this process has been asked to stop.  When one has, all leave the
                step unfinished.
        Returns:
            {"loss", "mlm_loss", "discriminator_loss", "tokens", "places" (padding included),
            "flops"} of all processes, or None if unfinished.
        """
        slots, tokens, stop = self.world.sum([batch.slots, batch.tokens, stopping()])
        losses = []
        for number, part in enumerate(batch.parts):
            if number:
                (stop,) = self.world.sum([stopping()])
            if stop:
                self.optimizer.clear_grad(set_to_zero=False)
                return None
            # Dropout is keyed by seed, step and part: nothing random needs saving.
            paddle.seed(_hash(self.options.seed, batch.step, part.number))
            losses.append(self._backward(part, slots, tokens))
        self.world.sum_gradients(self.parameters)
        mlm_loss, rtd_loss = (sum(map(float, column)) for column in zip(*losses, strict=True))
        loss = self.options.gen_weight * mlm_loss + self.options.disc_weight * rtd_loss
        totals = dict(zip(LOSSES, (loss, mlm_loss, rtd_loss), strict=True))
        totals["places"] = batch.size
        totals["flops"] = self.model.training_flops(batch.lengths, batch.slots)
        sums = self.world.sum(totals.values())
        return {**dict(zip(totals, sums, strict=True)), "tokens": tokens}

    def step(self, batch, dataset, stopping=lambda: False):
        """Make one update.

        Returns:
            what `forward_backward` returns, and "learning_rate", "gradient_norm" and, for float16,
            "loss_scale"; None when it was left unfinished to stop.
        Raises:
            InputError: a loss or gradient that is not finite, before any weight is touched; it
                names the step and the batch.
        """
        values = self.forward_backward(batch, stopping)
        if values is None:
            return None
        scale = self.scaler.scale
        norm = clip_gradients(self.parameters, self.options.max_gradient_norm, scale)
        finite = math.isfinite(values["loss"]) and math.isfinite(norm)
        if not self.scaler.update(finite):
            numbers = ", ".join(map(str, batch.examples[:8]))
            raise InputError(
                f"step {batch.step + 1}: loss {values['loss']}, gradient norm {norm}: not finite. "
                f"The batch is examples {numbers}, ... of {dataset.folder}; no weight was changed. "
                f"Start again in another --output with a lower --learning-rate or more "
                f"--num-warmup-steps"
            )
        rate = self.rate(batch.step)
        if finite:
            self.optimizer.set_lr(rate)
            self.optimizer.step()
        self.optimizer.clear_grad(set_to_zero=False)
        values |= {"learning_rate": rate, "gradient_norm": norm if finite else 0.0}
        return {**values, "loss_scale": scale} if self.scaler.enabled else values

    def rate(self, step):
        """The learning rate of the update after ``step`` others."""
        return learning_rate(
            step,
            self.options.learning_rate,
            self.options.num_train_steps,
            self.options.num_warmup_steps,
            self.options.lr_decay_power,
        )


def _tensors(part):
    """What the model takes of a `MicroBatch`, besides its layout."""
    return {name: paddle.to_tensor(getattr(part, name)) for name in _ARRAYS}


def _hash(*numbers):
    """A 31-bit seed from several numbers; nearby inputs give unrelated seeds."""
    value = 0x9E3779B97F4A7C15
    for number in numbers:
        value = ((value ^ (number & 0xFFFFFFFFFFFFFFFF)) * 0xBF58476D1CE4E5B9) % 2**64
        value ^= value >> 29
    return value % 2**31
