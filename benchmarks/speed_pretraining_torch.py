"""transformers on PyTorch as a contestant of `speed_pretraining`.

`ElectraForMaskedLM` and `ElectraForPreTraining` with one set of embeddings, in a loop as someone
who wants speed writes it: the generator's head at the slots only, the generator's half
differentiated before the discriminator's, fused AdamW, the faster of two attentions.
"""

import contextlib
import time

import torch
import torch.nn.functional as F
import transformers
from speed_pretraining_data import Examples, Skipped
from transformers.models.electra.modeling_electra import ElectraSelfAttention

from paddle_electra.modeling import flops

DTYPES = {"float32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
TRIALS = 3  # steps with each attention, to choose by


class SdpaSelfAttention(ElectraSelfAttention):
    """`scaled_dot_product_attention`, which transformers 4.48 has not for ELECTRA."""

    def forward(self, hidden_states, attention_mask=None, *_, **__):
        """The context in a tuple; see `ElectraSelfAttention.forward`."""
        layers = (self.query, self.key, self.value)
        heads = [self.transpose_for_scores(layer(hidden_states)) for layer in layers]
        dropout = self.dropout.p if self.training else 0.0
        context = F.scaled_dot_product_attention(*heads, attention_mask, dropout)
        return (context.transpose(1, 2).reshape(hidden_states.shape),)


class PyTorch:
    """Both models and the loop, in one process.

    Args:
        settings: `speed_pretraining_data.Settings`.
    Raises:
        Skipped: torch sees no GPU.
    """

    def __init__(self, settings):
        if settings.device.startswith("gpu") and not torch.cuda.is_available():
            raise Skipped("this torch sees no GPU")
        self.device = settings.device.replace("gpu", "cuda")
        if settings.threads:
            torch.set_num_threads(settings.threads)
        self.settings, self.examples = settings, Examples(settings)
        torch.manual_seed(0)
        sizes = self.examples.config
        self.discriminator = transformers.ElectraForPreTraining(_config(sizes))
        self.generator = transformers.ElectraForMaskedLM(_config(sizes.generator))
        self.generator.electra.embeddings = self.discriminator.electra.embeddings
        self.generator.tie_weights()
        self.both = torch.nn.ModuleList([self.generator, self.discriminator])
        self.both.to(self.device).train()
        self.optimizer = _optimizer(self.both)
        self.rate = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer, lambda step: min((step + 1) / 10_000, 1.0)
        )
        self.scaler = torch.amp.GradScaler(self.device, enabled=settings.precision == "fp16")
        self.note = None

    def choose_attention(self):
        """Keep the faster attention; the note says how fast both were."""
        self.step(0)
        kinds = {"eager": ElectraSelfAttention, "sdpa": SdpaSelfAttention}
        seconds = dict.fromkeys(kinds, float("inf"))
        for _ in range(TRIALS):
            for name, kind in kinds.items():
                self._attend_with(kind)
                began = time.perf_counter()
                self.step(1)
                seconds[name] = min(seconds[name], time.perf_counter() - began)
        best = min(seconds, key=seconds.get)
        self._attend_with(kinds[best])
        tried = ", ".join(f"{name} {1000 * value:.0f}" for name, value in seconds.items())
        self.note = f"{best} attention, the faster (ms a step: {tried})"

    def _attend_with(self, kind):
        for module in self.both.modules():
            if isinstance(module, ElectraSelfAttention):
                module.__class__ = kind

    def step(self, number):
        """One update; {"mlm", "rtd", "tokens", "flops"}."""
        arrays = self.examples.arrays(number)
        tensor = lambda array: torch.from_numpy(array).to(self.device)  # noqa: E731
        ids, types, mask, slots = map(
            tensor,
            (arrays.input_ids, arrays.token_type_ids, arrays.attention_mask, arrays.slots),
        )
        self.optimizer.zero_grad()
        originals = ids.flatten()[slots]
        inputs = {"attention_mask": mask, "token_type_ids": types}
        with self._autocast():
            hidden = self.generator.electra(tensor(arrays.masked_input_ids), **inputs)[0]
            picked = self.generator.generator_predictions(hidden.flatten(0, 1)[slots])
            logits = self.generator.generator_lm_head(picked).float()
            mlm = F.cross_entropy(logits, originals)
        self.scaler.scale(mlm).backward()
        replaced = ids.flatten().scatter(0, slots, _sample(logits.detach())).view_as(ids)
        labels = (replaced != ids).long()
        with self._autocast():
            rtd = self.discriminator(replaced, labels=labels, **inputs).loss
        self.scaler.scale(50.0 * rtd).backward()
        self.scaler.unscale_(self.optimizer)
        torch.nn.utils.clip_grad_norm_(self.both.parameters(), 1.0)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.rate.step()
        operations = flops.training_flops(self.examples.config, arrays.lengths, len(arrays.slots))
        return {
            "mlm": mlm.item(),
            "rtd": rtd.item(),
            "tokens": int(arrays.lengths.sum()),
            "flops": operations,
        }

    def _autocast(self):
        if self.settings.precision == "float32":
            return contextlib.nullcontext()
        return torch.autocast(self.device.split(":")[0], DTYPES[self.settings.precision])

    @torch.no_grad()
    def ceiling(self, shapes):
        """See `speed_pretraining_paddle.products`."""
        dtype, rates = DTYPES[self.settings.precision], []
        for rows, inner, columns in shapes:
            left = torch.ones([rows, inner], dtype=dtype, device=self.device)
            right = torch.ones([inner, columns], dtype=dtype, device=self.device)
            best = float("inf")
            for _ in range(5):
                began = time.perf_counter()
                torch.matmul(left, right)
                if self.device != "cpu":
                    torch.cuda.synchronize()
                best = min(best, time.perf_counter() - began)
            rates.append(2 * rows * inner * columns / best)
        return rates

    def peak(self):
        """See `speed_pretraining_paddle.device_peak`."""
        return None if self.device == "cpu" else torch.cuda.max_memory_allocated()

    def profile(self, steps):
        """[(operator, milliseconds a step, calls a step), ...] of its own time, longest first."""
        activity = torch.profiler.ProfilerActivity.CPU
        with torch.profiler.profile(activities=[activity]) as watch:
            for number in range(steps):
                self.step(1 + number)
        rows = [
            (event.key, event.self_cpu_time_total / 1e3 / steps, event.count / steps)
            for event in watch.key_averages()
        ]
        return sorted(rows, key=lambda row: -row[1])


@torch.no_grad()
def _sample(logits):
    """A token for each slot, by inverting the cumulative distribution as ours does."""
    ends = torch.softmax(logits, -1).cumsum(-1)
    wanted = torch.rand(len(ends), 1, device=ends.device) * ends[:, -1:]
    return torch.searchsorted(ends, wanted, right=True).squeeze(1).clamp_(max=ends.shape[1] - 1)


def _config(sizes):
    """transformers' configuration of one half."""
    names = (
        *("vocab_size", "embedding_size", "hidden_size", "num_hidden_layers"),
        *("num_attention_heads", "intermediate_size", "max_position_embeddings"),
        *("type_vocab_size", "hidden_dropout_prob", "attention_probs_dropout_prob"),
        *("initializer_range", "layer_norm_eps"),
    )
    return transformers.ElectraConfig(**{name: getattr(sizes, name) for name in names})


def _optimizer(model):
    """AdamW, its fused kernel, with no decay of LayerNorms and biases."""
    groups = {True: [], False: []}
    for name, parameter in model.named_parameters():
        groups["bias" not in name and "LayerNorm" not in name].append(parameter)
    decayed, free = groups[True], groups[False]
    return torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.01}, {"params": free, "weight_decay": 0.0}],
        lr=5e-4,
        eps=1e-6,
        fused=True,
    )
