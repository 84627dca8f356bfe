"""`paddle_electra` as a contestant of `speed_pretraining`: the trainer of ``pretrain`` itself."""

import contextlib

from speed_pretraining_data import SEED, Examples, Skipped
from speed_pretraining_paddle import OnPaddle

from paddle_electra.config import from_dict
from paddle_electra.errors import InputError
from paddle_electra.modeling import kernels
from paddle_electra.pretraining.batches import BatchMaker
from paddle_electra.pretraining.options import PretrainOptions
from paddle_electra.pretraining.settings import build_model, model_config, settle_rate
from paddle_electra.pretraining.step import Trainer
from paddle_electra.training.device import choose_attention, choose_device
from paddle_electra.training.parallel import join_world


class Ours(OnPaddle):
    """One process of a pretraining run.

    Args:
        settings: `speed_pretraining_data.Settings`.
    Raises:
        Skipped: paddle sees no GPU, or it cannot compute in that precision.
    """

    def __init__(self, settings):
        import paddle

        self.settings, self.examples = settings, Examples(settings)
        values = {"data": settings.data, "output": "none", "model_size": settings.size}
        values |= {"train_batch_size": settings.batch, "seed": SEED, "visualdl": False}
        values |= {"precision": settings.precision, "device": settings.device}
        options = from_dict(PretrainOptions, values)
        config = model_config(options, self.examples.dataset)
        world = join_world()
        try:
            choose_device(options.device)
            paddle.seed(options.seed)
            model = build_model(config, options)
            attention = choose_attention()
            for encoder in model.encoders:
                encoder.use_attention(attention)
            self.trainer = Trainer(model, settle_rate(options, config), world)
        except InputError as reason:
            raise Skipped(str(reason)) from None
        self.maker = BatchMaker(
            self.examples.dataset,
            self.examples.tokenizer,
            options,
            settings.layout,
            rank=world.rank,
            processes=world.size,
        )
        self.note = f"{attention} attention"

    def step(self, number):
        """One update; {"mlm", "rtd", "tokens", "flops"} of all processes."""
        batch = self.maker.make(number, self.examples.numbers(number))
        own = contextlib.nullcontext() if self.settings.kernels else kernels.reference()
        with own:
            values = self.trainer.step(batch, self.examples.dataset)
        return {
            "mlm": values["mlm_loss"],
            "rtd": values["discriminator_loss"],
            "tokens": values["tokens"],
            "flops": values["flops"],
        }
