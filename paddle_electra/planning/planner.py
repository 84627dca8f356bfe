"""``paddle-electra plan``: parameters, operations, memory, time and disk of a pretraining run.

The formulas are explained in ``docs/PLANNING.md``.
"""

import json
import math

from ..modeling.config import ElectraConfig
from ..modeling.flops import parameter_counts, total_parameters, training_flops
from ..pretraining.masking import number_of_slots
from .accelerators import ACCELERATORS, CPU
from .memory import MOMENTS, USABLE, Setup, memory, peak
from .report import report

GIB = 2**30
INDEX_BYTES = 16  # of an example in a shard: two int64
DAY = 86_400


def run(options):
    """Print the plan of `PlanOptions`."""
    values = plan(options)
    print(json.dumps(values, indent=2) if options.json else report(values))


def plan(options):
    """The whole plan as a JSON-ready dict; bytes, seconds and FLOPs unless a key says otherwise."""
    config = ElectraConfig.from_size(options.size, options.vocab_size)
    work = _work(config, options)
    return {
        "settings": _settings(options),
        "parameters": _parameters(config),
        "flops": work,
        "memory": _memory(config, options),
        "time": _time(work["run"], options),
        "corpus": _corpus(options),
    }


def _settings(options):
    names = ("size", "gpus", "gpu", "seq", "batch", "steps", "precision", "amp_level")
    names += ("attention", "recompute", "accumulate", "utilisation", "vocab_size", "padded_share")
    return {name: getattr(options, name) for name in names}


def _parameters(config):
    counts = parameter_counts(config)
    shared = counts["discriminator"]["embeddings"]
    own = {half: sum(parts.values()) for half, parts in counts.items()}
    return {
        "discriminator": own["discriminator"],
        "generator": own["generator"] + shared,
        "shared": shared,
        "both": total_parameters(config),
        "parts": counts,
    }


def mean_length(options):
    """Real tokens of an example, on average."""
    return max(1, round(options.seq * (1 - options.padded_share)))


def _work(config, options):
    length = mean_length(options)
    slots = number_of_slots(length, options.seq)
    step = training_flops(config, [length] * options.batch, slots * options.batch)
    return {
        "token": step / (length * options.batch),
        "step": step,
        "run": step * options.steps,
        "tokens_a_step": length * options.batch,
        "tokens_a_run": length * options.batch * options.steps,
    }


def _setup(options, parts, recompute):
    return Setup(
        examples=-(-options.batch // (options.gpus * parts)),
        length=options.seq,
        parts=parts,
        gpus=options.gpus,
        mode=options.amp_level if options.precision in ("fp16", "bf16") else "float32",
        attention=options.attention,
        recompute=recompute,
        cpu=options.gpu == CPU and options.precision == "float32",
    )


def _memory(config, options):
    setup = _setup(options, options.accumulate, options.recompute)
    capacity = options.memory_gib
    if capacity is None and options.gpu != CPU:
        capacity = ACCELERATORS[options.gpu].memory
    highest = peak(config, setup)
    usable = None if capacity is None else capacity * GIB * USABLE
    fits = None if usable is None else highest <= usable
    return {
        "examples_at_once": setup.examples,
        "moments": list(MOMENTS),
        "kinds": memory(config, setup),
        "peak": highest,
        "capacity": None if capacity is None else capacity * GIB,
        "fits": fits,
        "remedies": _remedies(config, options, usable) if fits is False else [],
    }


def _remedies(config, options, usable):
    """[{"recompute", "accumulate", "peak"}]: the smallest --accumulate that fits, either way."""
    found = []
    for recompute in (False, True):
        parts = _fewest_parts(config, options, recompute, usable)
        if parts is not None:
            highest = peak(config, _setup(options, parts, recompute))
            found.append({"recompute": recompute, "accumulate": parts, "peak": highest})
    return found


def _fewest_parts(config, options, recompute, usable):
    """The smallest number of parts whose memory fits; None if even single examples do not."""
    for parts in range(1, options.batch // options.gpus + 1):
        if peak(config, _setup(options, parts, recompute)) <= usable:
            return parts
    return None


def peak_rate(options):
    """FLOP/s of one card at its peak."""
    if options.peak_tflops is not None:
        return options.peak_tflops * 1e12
    return ACCELERATORS[options.gpu].rates[options.precision] * 1e12


def _time(operations, options):
    rate = peak_rate(options)
    seconds = operations / (options.gpus * rate * options.utilisation)
    return {
        "peak_of_a_card": rate,
        "utilisation": options.utilisation,
        "seconds": seconds,
        "days": seconds / DAY,
        "gpu_hours": seconds * options.gpus / 3600,
        "steps_a_second": options.steps / seconds,
    }


def _corpus(options):
    """Shards of the corpus and how often the run goes through it; None without --corpus-gb."""
    if options.corpus_gb is None:
        return None
    tokens = round(options.corpus_gb * 1e9 / options.bytes_per_token)
    examples = math.ceil(tokens / mean_length(options))
    token_bytes = 2 if options.vocab_size <= 1 << 16 else 4
    return {
        "text": round(options.corpus_gb * 1e9),
        "tokens": tokens,
        "examples": examples,
        "token_bytes": tokens * token_bytes,
        "index_bytes": examples * INDEX_BYTES,
        "epochs": options.steps * options.batch / examples,
    }
