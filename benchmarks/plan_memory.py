"""Peak memory of pretraining steps on this CPU beside what ``paddle-electra plan`` computes.

    python benchmarks/plan_memory.py --output RESULT.md

Every case runs in a process of its own, in float32: two updates by `Trainer.step`, of which the
second is measured, so that Adam's moments are there.  All examples have the full length.  Measured
is, for the generator's half of an update, the discriminator's and the rest, what paddle's allocator
has handed out at most (on a GPU: `max_memory_allocated`), and what the dropout masks take, which
lie in NumPy arrays on a CPU.
"""

import argparse
import gc
import json
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import NamedTuple

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from record import header  # noqa: E402

VOCABULARY = 21128
PHASES = ("generator", "discriminator", "update")


class Case(NamedTuple):
    """``batch`` examples of ``length`` tokens, computed in ``parts``."""

    size: str
    batch: int
    length: int
    parts: int = 1
    recompute: bool = False


CASES = (
    Case("tiny", 16, 128),
    Case("tiny", 64, 128),
    Case("tiny", 16, 512),
    Case("small", 1, 16),
    Case("small", 8, 128),
    Case("small", 8, 512),
    Case("small", 8, 512, parts=2),
    Case("small", 8, 512, recompute=True),
    Case("small-ex", 4, 256),
    Case("base", 1, 128),
    Case("base", 4, 128),
    Case("base", 4, 512),
    Case("base", 4, 512, parts=4),
    Case("base", 4, 512, recompute=True),
    Case("large", 1, 128),
    Case("large", 2, 512),
)


class Meter:
    """The highest moments of a `Trainer`'s update, one for each phase of it.

    Attributes:
        phases: {one of `PHASES`: bytes handed out by paddle's allocator, and those of NumPy's
            masks when the phase's forward pass ended}; of several parts the highest.
    """

    def __init__(self, trainer):
        self.phases = {}
        self._phase = None
        self._trainer = trainer
        model = trainer.model
        model.generate = self._watch("generator", model.generate)
        model.discriminate = self._watch("discriminator", model.discriminate)
        # Called when the last backward pass is over.
        trainer.world.sum_gradients = self._watch("update", trainer.world.sum_gradients)

    def step(self, batch):
        """Make one update and measure it."""
        self.phases = {}
        tracemalloc.start()
        self._trainer.step(batch, dataset=None)
        self._end()
        tracemalloc.stop()

    def _watch(self, phase, function):
        """The function, with a phase that begins when it is called."""
        from paddle.base import core

        def watched(*args, **kwargs):
            self._end()
            core.host_memory_stat_reset_peak_value("Allocated", 0)
            result = function(*args, **kwargs)
            self._phase, self._masks = phase, tracemalloc.get_traced_memory()[0]
            return result

        return watched

    def _end(self):
        from paddle.base import core

        if self._phase is not None:
            highest = core.host_memory_stat_peak_value("Allocated", 0) + self._masks
            self.phases[self._phase] = max(self.phases.get(self._phase, 0), highest)
        self._phase = None


def measure(case):
    """{one of `PHASES`: bytes at its highest moment} in a run's second update, see `Meter`."""
    import paddle
    from paddle.base import core

    from paddle_electra.modeling.config import ElectraConfig
    from paddle_electra.pretraining.options import PretrainOptions
    from paddle_electra.pretraining.settings import build_model
    from paddle_electra.pretraining.step import Trainer

    gc.collect()
    before = core.host_memory_stat_current_value("Allocated", 0)
    options = PretrainOptions(data="-", output="-", learning_rate=1e-4, recompute=case.recompute)
    paddle.seed(0)
    model = build_model(ElectraConfig.from_size(case.size, VOCABULARY), options)
    meter = Meter(Trainer(model, options))
    for step in range(2):
        meter.step(_batch(case, step))
    return {phase: held - before for phase, held in meter.phases.items()}


def _batch(case, step):
    """A `Batch` of random tokens without padding, with the slots that it would have."""
    from paddle_electra.pretraining.batches import Batch

    examples = case.batch // case.parts
    parts = [_part(number, examples, case.length) for number in range(case.parts)]
    return Batch(step, np.arange(case.batch), parts)


def _part(number, examples, length):
    from paddle_electra.pretraining.batches import MicroBatch
    from paddle_electra.pretraining.masking import number_of_slots

    random = np.random.default_rng(number)
    slots = number_of_slots(length, length)
    ids = random.integers(200, VOCABULARY, (examples, length))
    starts = np.arange(examples) * length
    return MicroBatch(
        kind="padded",
        number=number,
        places=list(range(examples)),
        lengths=np.full(examples, length),
        starts=starts,
        input_ids=ids,
        masked_input_ids=ids,
        token_type_ids=np.zeros_like(ids),
        example_ids=np.ones_like(ids),
        positions=np.tile(np.arange(length), (examples, 1)),
        masked_positions=(starts[:, None] + np.arange(1, slots + 1)).flatten(),
        uniforms=random.random(examples * slots, dtype=np.float32),
    )


def predict(case):
    """{one of `PHASES`: bytes at its highest moment} by the planner."""
    from paddle_electra.modeling.config import ElectraConfig
    from paddle_electra.planning.memory import MOMENTS, Setup, memory

    setup = Setup(
        examples=case.batch // case.parts,
        length=case.length,
        parts=case.parts,
        recompute=case.recompute,
        cpu=True,
    )
    kinds = memory(ElectraConfig.from_size(case.size, VOCABULARY), setup)
    planned = dict.fromkeys(PHASES, 0)
    for moment, *sizes in zip(MOMENTS, *kinds.values(), strict=True):
        phase = moment.split()[0]
        phase = phase if phase in PHASES else "update"
        planned[phase] = max(planned[phase], sum(sizes))
    return planned


def main():
    from paddle_electra.runtime import prepare_environment

    prepare_environment()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", help="markdown file to write")
    parser.add_argument("--case", help="JSON: measure this case in this process and print bytes")
    arguments = parser.parse_args()
    if arguments.case:
        print(json.dumps(measure(Case(*json.loads(arguments.case)))))
        return
    rows = []
    for case in CASES:
        rows.append((case, _in_own_process(case), predict(case)))
        print(_row(*rows[-1]), flush=True)
    if arguments.output:
        Path(arguments.output).write_text(_report(rows), "utf-8")


def _in_own_process(case):
    command = [sys.executable, __file__, "--case", json.dumps(case)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def _off(measured, planned):
    """How much the plan's highest moment is above the measured one, as a share of it."""
    return max(planned.values()) / max(measured.values()) - 1


def _row(case, measured, planned):
    pairs = " | ".join(
        f"{measured[phase] / 2**20:,.1f} | {planned[phase] / 2**20:,.1f}" for phase in PHASES
    )
    return (
        f"| {case.size} | {case.batch} x {case.length} | {case.parts} | "
        f"{'yes' if case.recompute else 'no'} | {pairs} | {_off(measured, planned):+.1%} |"
    )


def _report(rows):
    worst = max(abs(_off(measured, planned)) for _, measured, planned in rows)
    phases = max(
        abs(planned[phase] / measured[phase] - 1)
        for _, measured, planned in rows
        for phase in PHASES
    )
    heading = (
        "| size | batch | parts | recompute | "
        + "".join(f"{phase} | plan | " for phase in PHASES)
        + f"peak off by |\n{'|---' * (5 + 2 * len(PHASES))}|\n"
    )
    return (
        header("Peak memory of pretraining steps beside `paddle-electra plan`")
        + "MiB at the highest moment of the generator's half of an update, of the discriminator's, "
        + "and of the rest (clipping and Adam), beside the plan's for the same.  Every line is the "
        + "second of two updates by `Trainer.step` in a process of its own: float32, dropout 0.1, "
        + f"vocabulary {VOCABULARY}, examples of the full length, layout padded, eager attention.  "
        + "Measured: the most that paddle's CPU allocator had handed out, and the NumPy arrays "
        + "(dropout masks) held at the end of the half's forward pass.  'Peak off by': highest of "
        + "the plan's three / highest of the measured three - 1.\n\n"
        + heading
        + "".join(_row(*row) + "\n" for row in rows)
        + f"\nFurthest off: {worst:.1%} at the peak, {phases:.1%} in any column.\n\n"
        + "Not measured: GPUs, half precision, the copy of gradients that several cards exchange, "
        + "batches with examples of different lengths, what the Python process, the libraries and "
        + "the allocator's unused blocks take besides.  With recomputation the masks of the layer "
        + "that is computed again are in the plan but not in what was measured.\n"
    )


if __name__ == "__main__":
    main()
