"""Options of ``paddle-electra plan``."""

import dataclasses

from ..config import option
from ..errors import InputError
from ..modeling.config import SIZES
from .accelerators import ACCELERATORS, CPU, PRECISIONS
from .recipes import RECIPES


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlanOptions:
    """Options of ``paddle-electra plan``."""

    size: str = option(help="size of the model", choices=tuple(SIZES))
    gpus: int = option(1, "cards, each with a part of every batch", least=1)
    gpu: str = option(
        "a100",
        "kind of card; cpu needs --peak-tflops",
        (*ACCELERATORS, CPU),
    )
    seq: int | None = option(
        None, "tokens an example at most; none: the recipe's", least=8, most=512
    )
    batch: int | None = option(None, "examples an update on all cards; none: the recipe's", least=1)
    steps: int | None = option(None, "updates of the run; none: the recipe's", least=1)
    precision: str = option(
        "float32",
        "numbers of the matrix products; tf32: float32 in memory, multiplied by tensor cores",
        PRECISIONS,
    )
    amp_level: str = option(
        "O1",
        "with fp16 and bf16: O1 keeps weights in float32, O2 in 16 bits with a float32 copy",
        ("O1", "O2"),
    )
    attention: str = option(
        "auto",
        "attention code: auto is eager on a CPU and sdpa on a GPU",
        ("auto", "eager", "sdpa"),
    )
    recompute: bool = option(
        False, "keep only the inputs of layers and compute the rest again in the backward pass"
    )
    accumulate: int = option(1, "parts an update's batch is computed in", least=1)
    utilisation: float = option(
        0.35,
        "share of the peak rate that the model's products reach on real tokens (model FLOP "
        "utilisation); the default is an assumption, a run's own log says what it reaches",
        least=0.001,
        most=1.0,
    )
    peak_tflops: float | None = option(
        None, "peak rate of one card, TFLOP/s, instead of the published one", least=1e-6
    )
    memory_gib: float | None = option(
        None, "memory of one card, GiB, instead of the published one", least=0.01
    )
    vocab_size: int = option(21128, "tokens of the vocabulary", least=6)
    padded_share: float = option(
        0.1,
        "share of the full length that examples leave empty, on average; `data build` prints it",
        least=0.0,
        most=0.99,
    )
    corpus_gb: float | None = option(
        None, "size of the text, 10^9 bytes, to say how large its shards are", least=1e-6
    )
    bytes_per_token: float = option(
        3.2, "bytes of text to a stored token; about 3.2 for Chinese in UTF-8", least=0.1
    )
    json: bool = option(False, "print JSON")

    def __post_init__(self):
        recipe = RECIPES[self.size]
        for name, value in (
            ("seq", recipe.length),
            ("batch", recipe.batch),
            ("steps", recipe.steps),
        ):
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)
        if self.attention == "auto":
            object.__setattr__(self, "attention", "eager" if self.gpu == CPU else "sdpa")
        self._check_rate()
        if self.gpus * self.accumulate > self.batch:
            raise InputError(
                f"--batch {self.batch} has fewer examples than --gpus {self.gpus} x --accumulate "
                f"{self.accumulate} parts; give fewer parts or a larger batch"
            )

    def _check_rate(self):
        if self.peak_tflops is not None:
            return
        if self.gpu == CPU:
            raise InputError(
                "--gpu cpu: processors have no published rate here; measure one and give it as "
                "--peak-tflops"
            )
        rates = ACCELERATORS[self.gpu].rates
        if self.precision not in rates:
            raise InputError(
                f"--precision {self.precision}: {self.gpu} has none; it has {', '.join(rates)}"
            )
