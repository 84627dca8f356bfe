"""Speed of pretraining: ours beside PaddleNLP and transformers on PyTorch.

    python benchmarks/speed_pretraining.py --output benchmarks/results/DATE-HW-speed-pretraining.md

Every contestant has processes of its own, warmed up once; they take turns (A B C A B C ...) with
the same examples, masks, sizes and environment variables, and those that wait are stopped.  The
rivals under other circumstances come afterwards and are listed apart.  ``--device gpu`` compares
mixed precision on a GPU; a framework that sees none is left out with a line that says so.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import speed_pretraining_report as report  # noqa: E402
from speed_pretraining_contestants import (  # noqa: E402
    APART_ON_CPU,
    APART_ON_GPU,
    ON_CPU,
    ON_GPU,
    Failed,
    Running,
)
from speed_pretraining_data import make_shards  # noqa: E402
from speed_pretraining_worker import WARM_UP  # noqa: E402

from paddle_electra.errors import InputError  # noqa: E402
from paddle_electra.files import atomic_write  # noqa: E402

VOCABULARY = 21128
SQUARE = {"cpu": 1024, "gpu": 8192}  # rows and columns of the square matrix product
PROFILED = 3  # steps


class Turn(NamedTuple):
    """What one contestant did in one turn, all its processes together."""

    steps: int
    seconds: float  # wall-clock
    processor: float  # seconds of processor time
    tokens: int  # real ones, without padding
    flops: float  # operations of the model on them
    peak: int  # bytes of memory, the most so far

    @property
    def rate(self):
        return self.tokens / self.seconds


class Measured(NamedTuple):
    """A contestant with all that was found about it."""

    contestant: object
    about: dict
    turns: list
    profile: list  # [(operator, milliseconds a step, calls a step), ...]


def shapes(arguments):
    """Matrix products to measure: a square one, and three of ELECTRA-small's."""
    tokens = arguments.batch * arguments.length
    slots = arguments.batch * int(0.155 * arguments.length)
    return [
        (SQUARE[arguments.device],) * 3,
        (tokens, 256, 256),
        (tokens, 256, 1024),
        (slots, 128, VOCABULARY),
    ]


def take_turn(running, first, steps):
    """The `Turn` of a contestant."""
    ranks = running.ask("turn", first=first, steps=steps)
    add = lambda key: sum(rank[key] for rank in ranks)  # noqa: E731
    return Turn(
        steps,
        max(rank["seconds"] for rank in ranks),
        add("processor"),
        ranks[0]["tokens"],  # each rank's numbers are of all
        ranks[0]["flops"],
        add("peak"),
    )


def measure(contestants, common, folder, arguments):
    """([`Measured`], {kind: [rates of the `shapes`, by round]})"""
    field, ceilings = [], {}
    try:
        for contestant in contestants:
            print(f"starting {contestant.name}", flush=True)
            running = Running(contestant, common, folder)
            field.append((running, []))
            if "skipped" in running.about:
                print(f"{contestant.name}: skipped: {running.about['skipped']}", flush=True)
        able = [(running, turns) for running, turns in field if "skipped" not in running.about]
        wanted = shapes(arguments)
        for number in range(arguments.rounds if able else 0):
            first = WARM_UP + number * arguments.steps
            # Every round begins with another one, lest one always follows the same.
            for running, turns in able[number % len(able) :] + able[: number % len(able)]:
                turns.append(take_turn(running, first, arguments.steps))
                name = running.contestant.name
                print(f"round {number + 1}, {name}: {turns[-1].rate:.0f} tokens/s", flush=True)
            for kind, running in _first_of_each_kind(able).items():
                found = running.ask("ceiling", shapes=wanted)[0]["found"]
                ceilings.setdefault(kind, []).append(found)
        profiles = _profiles(able) if arguments.profile else {}
        return [
            Measured(running.contestant, running.about, turns, profiles.get(running, []))
            for running, turns in field
        ], ceilings
    finally:
        for running, _ in field:
            running.close()


def _first_of_each_kind(able):
    found = {}
    for running, _ in able:
        if running.contestant.processes == 1 and running.contestant.kind not in found:
            found[running.contestant.kind] = running
    return {kind: running for kind, running in found.items() if kind != "PaddleNLP"}


def _profiles(able):
    found = {}
    for running, _ in able:
        if running.contestant.processes == 1:
            print(f"profiling {running.contestant.name}", flush=True)
            found[running] = running.ask("profile", steps=PROFILED)[0]["found"]
    return found


def choose(contestants, only):
    """Those whose names are in ``only``, or contain one of it that is no name; without it, all."""
    if not only:
        return contestants
    names = {contestant.name for contestant in (*ON_CPU, *APART_ON_CPU, *ON_GPU, *APART_ON_GPU)}
    parts = [part for part in only if part not in names]
    return [c for c in contestants if c.name in only or any(part in c.name for part in parts)]


def run(arguments, folder):
    """The report."""
    data = arguments.data
    if data is None:
        examples = arguments.batch * (WARM_UP + arguments.rounds * arguments.steps)
        data = make_shards(folder, VOCABULARY, arguments.length, min(examples, 20_000))
    common = {"data": str(data), "batch": arguments.batch, "size": arguments.model_size}
    on_gpu = arguments.device == "gpu"
    compared = choose(ON_GPU if on_gpu else ON_CPU, arguments.only)
    apart = choose(APART_ON_GPU if on_gpu else APART_ON_CPU, arguments.only)
    if arguments.skip_apart:
        apart = []
    found, ceilings = measure(compared, common, folder, arguments)
    # Afterwards: all at once might not fit into memory.
    others = measure(apart, common, folder, arguments)[0] if apart else []
    return report.text(arguments, found, others, ceilings, shapes(arguments))


def parse(given=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--output", type=Path, help="markdown file for the result (default: print only)")
    add("--data", type=Path, help="shards made by `paddle-electra data build` (default: generated)")
    add("--device", default="cpu", choices=("cpu", "gpu"))
    add("--model-size", default="small", help="of both networks, as in `pretrain`")
    add("--length", type=int, default=128, help="tokens of generated examples")
    add("--batch", type=int, default=32, help="examples a step, over all processes")
    add("--steps", type=int, default=4, help="updates in a turn")
    add("--rounds", type=int, default=5, help="turns of each contestant")
    add("--only", nargs="+", metavar="TEXT", help="contestants with one of these in their names")
    add("--skip-apart", action="store_true", help="leave out what is listed apart")
    add("--profile", action="store_true", help="append where a step's time goes")
    return parser.parse_args(given)


def main():
    arguments = parse()
    if arguments.device == "cpu":
        os.environ["OMP_NUM_THREADS"] = "2"  # as the result states; contestants are given theirs
    with tempfile.TemporaryDirectory() as folder:
        text = run(arguments, Path(folder))
    if arguments.output:
        with atomic_write(arguments.output) as handle:
            handle.write(text)
    print(text)


if __name__ == "__main__":
    try:
        main()
    except (InputError, Failed) as error:
        raise SystemExit(str(error)) from None
