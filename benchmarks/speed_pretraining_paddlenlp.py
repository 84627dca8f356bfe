"""PaddleNLP as a contestant of `speed_pretraining`.

The loop is the one of PaddleNLP's own pretraining script: its model, its criterion, Paddle's AdamW
with clipping, the rate of a linear warm-up.  Only the examples and their masks are ours.
"""

import paddle
from speed_pretraining_data import Examples, Skipped
from speed_pretraining_paddle import DTYPES, OnPaddle

from paddle_electra.modeling import flops


class PaddleNLP(OnPaddle):
    """`ElectraForTotalPretraining`, in one process.

    Its class makes the generator as large as the discriminator; here it gets one of our sizes,
    unless ``large_generator``.

    Args:
        settings: `speed_pretraining_data.Settings`.
    Raises:
        Skipped: paddlenlp is not installed, or paddle sees no GPU.
    """

    def __init__(self, settings):
        seen = paddle.device.is_compiled_with_cuda() and paddle.device.cuda.device_count()
        if settings.device.startswith("gpu") and not seen:
            raise Skipped("this paddle sees no GPU")
        paddle.set_device(settings.device)
        try:
            from paddlenlp import transformers
        except ImportError as error:
            raise Skipped(f"paddlenlp cannot be imported: {error}") from None
        self.settings, self.examples = settings, Examples(settings)
        paddle.seed(0)
        sizes = self.examples.config
        self.config = _config(transformers, sizes)
        self.model = transformers.ElectraForTotalPretraining(self.config)
        self.note = "generator as large as the discriminator"
        if not settings.large_generator:
            self.model.generator = transformers.ElectraGenerator(
                _config(transformers, sizes.generator)
            )
            self.model.tie_weights()
            self.note = "generator of our size"
        self.model.train()
        self.criterion = transformers.ElectraPretrainingCriterion(self.config)
        self.rate = transformers.LinearDecayWithWarmup(5e-4, 1_000_000, 10_000)
        named = self.model.named_parameters()
        decayed = {p.name for name, p in named if "bias" not in name and "norm" not in name}
        self.optimizer = paddle.optimizer.AdamW(
            learning_rate=self.rate,
            epsilon=1e-6,
            parameters=self.model.parameters(),
            weight_decay=0.01,
            grad_clip=paddle.nn.ClipGradByGlobalNorm(1.0),
            apply_decay_param_fun=decayed.__contains__,
        )
        self.scaler = paddle.amp.GradScaler(
            enable=settings.precision == "fp16", init_loss_scaling=1024
        )

    def step(self, number):
        """One update; {"mlm", "rtd", "tokens", "flops"}."""
        arrays = self.examples.arrays(number)
        labels = paddle.to_tensor(arrays.labels)
        dtype = DTYPES[self.settings.precision]
        mixed = dtype != "float32"
        with paddle.amp.auto_cast(mixed, dtype=dtype if mixed else "float16"):
            outputs = self.model(
                input_ids=paddle.to_tensor(arrays.masked_input_ids),
                token_type_ids=paddle.to_tensor(arrays.token_type_ids),
                raw_input_ids=paddle.to_tensor(arrays.input_ids),
                generator_labels=labels,
            )
            generated, scores, replaced, mask = outputs
            loss = self.criterion(generated, scores, labels, replaced, mask)
            # The criterion only gives the sum; apart they are wanted of the first step, not timed.
            mlm = 0 if number else self._generator_loss(generated, scores, labels, replaced, mask)
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.rate.step()
        self.optimizer.clear_grad()
        total = float(loss)
        operations = flops.training_flops(self.examples.config, arrays.lengths, len(arrays.slots))
        return {
            "mlm": mlm,
            "rtd": (total - mlm) / self.criterion.disc_weight,
            "tokens": int(arrays.lengths.sum()),
            "flops": operations,
        }

    @paddle.no_grad()
    def _generator_loss(self, *outputs):
        weight, self.criterion.disc_weight = self.criterion.disc_weight, 0.0
        try:
            return float(self.criterion(*outputs))
        finally:
            self.criterion.disc_weight = weight


def _config(transformers, sizes):
    """PaddleNLP's configuration of one half."""
    names = (
        *("vocab_size", "embedding_size", "hidden_size", "num_hidden_layers"),
        *("num_attention_heads", "intermediate_size", "max_position_embeddings"),
        *("type_vocab_size", "hidden_dropout_prob", "attention_probs_dropout_prob"),
        *("initializer_range", "layer_norm_eps"),
    )
    return transformers.ElectraConfig(**{name: getattr(sizes, name) for name in names})
