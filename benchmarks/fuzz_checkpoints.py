"""The long run of the fuzzing of checkpoint readers; the suite runs a small sample of it.

    python benchmarks/fuzz_checkpoints.py --mutations 20000 --seed 1 --output RESULT.md

Each kind of file is broken in worker processes whose memory is limited and whose time is watched:
a mutation that takes longer than --seconds, or more memory than the limit, or that ends its
process, is a failure, and is named with its number so that ``--only KIND NUMBER`` shows it again.
Exits with 1 when there is any failure.
"""

import argparse
import collections
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
for place in (ROOT, ROOT / "tests", ROOT / "tests" / "checkpoint"):
    sys.path.insert(0, str(place))

from fuzzing import FAILURE, KINDS, REFUSED, RIGHT, VALUES, Fuzzer  # noqa: E402
from record import header  # noqa: E402

from paddle_electra.progress import progress_bar  # noqa: E402

MB = 1 << 20
LIMIT = 512 * MB  # address space beyond what the imports and the samples took
CHUNK = 250  # mutations a process


def address_space():
    """Bytes of address space of this process."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    return pages * resource.getpagesize()


def work(seed, kind, first, count):
    """One worker: a line of JSON before each mutation's reading, and one after it."""
    with tempfile.TemporaryDirectory() as folder:
        fuzzer = Fuzzer(folder)
        fuzzer.run(seed, kind, first)  # what is imported late is imported now
        limit = address_space() + LIMIT
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for number in range(first, first + count):
            print(json.dumps({"number": number}), flush=True)
            began = time.monotonic()
            outcome = fuzzer.run(seed, kind, number)
            seconds = time.monotonic() - began
            memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) * 1024
            line = {"result": outcome.result, "seconds": seconds, "memory": memory}
            if outcome.result == FAILURE:
                line |= {"what": outcome.what, "message": outcome.message}
            print(json.dumps(line), flush=True)


class Tally:
    """What came of one kind."""

    def __init__(self):
        self.results, self.failures = collections.Counter(), []
        self.slowest = self.memory = 0.0

    def add(self, number, line):
        self.results[line["result"]] += 1
        self.slowest = max(self.slowest, line["seconds"])
        self.memory = max(self.memory, line["memory"])
        if line["result"] == FAILURE:
            self.failures.append((number, line["what"], line["message"]))

    def lost(self, number, why):
        self.results[FAILURE] += 1
        self.failures.append((number, why, ""))


def run_kind(kind, options, count, bar):
    """The `Tally` of ``count`` mutations of one kind."""
    tally, number = Tally(), 0
    while number < count:
        several = min(CHUNK, count - number)
        command = [sys.executable, __file__, "--worker", kind, str(number), str(several)]
        command += ["--seed", str(options.seed)]
        number = run_worker(command, number, tally, options.seconds, bar)
    return tally


def run_worker(command, number, tally, seconds, bar):
    """Follow one worker; returns the number of the mutation that comes next."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as worker:
        started, begun = None, None
        timer = threading.Timer(seconds * CHUNK, worker.kill)  # a hang ends here at the latest
        timer.start()
        for text in worker.stdout:
            line = json.loads(text)
            if "number" in line:
                started, begun = line["number"], time.monotonic()
                continue
            if time.monotonic() - begun > seconds:
                tally.lost(started, f"took longer than {seconds} s")
            else:
                tally.add(started, line)
            number, started = started + 1, None
            bar.update()
        timer.cancel()
    if worker.returncode != 0:
        if started is None:
            raise SystemExit(f"a worker ended with {worker.returncode} outside any mutation")
        tally.lost(started, f"ended its process ({worker.returncode})")
        bar.update()
        return started + 1
    return number


def report(options, tallies, seconds):
    """The result as markdown."""
    total = sum(sum(tally.results.values()) for tally in tallies.values())
    failed = sum(tally.results[FAILURE] for tally in tallies.values())
    command = f"python benchmarks/fuzz_checkpoints.py --mutations {options.mutations}"
    lines = [
        header("Fuzzing the checkpoint readers", f"{command} --seed {options.seed}"),
        f"{total:,} mutations of small sound checkpoints in {seconds:,.0f} s: {failed} failures. "
        f"What a failure is, and what is not tried, is said in `tests/checkpoint/fuzzing.py`. "
        f"Workers may take {LIMIT // MB} MB of address space more than before the first mutation "
        f"and {options.seconds} s a mutation. Memory is the growth of the peak of a worker's "
        f"resident memory over {CHUNK} mutations. Values changed: numbers changed in the file "
        f"itself, in formats without a checksum.",
        "",
        "| kind | mutations | refused | right tensors | values changed | failures "
        "| slowest, s | memory, MB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for kind, tally in tallies.items():
        counts = [sum(tally.results.values())]
        counts += [tally.results[result] for result in (REFUSED, RIGHT, VALUES, FAILURE)]
        shown = " | ".join(f"{count:,}" for count in counts)
        lines.append(f"| {kind} | {shown} | {tally.slowest:.2f} | {tally.memory / MB:.1f} |")
    for kind, tally in tallies.items():
        for number, what, message in tally.failures:
            lines.append(f"\n- {kind} {number}: {what}: {message}")
    return "\n".join(lines) + "\n", failed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mutations", type=int, default=20000, help="of all kinds together")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=10, help="longest time of a mutation")
    parser.add_argument("--output", help="markdown file for the result")
    parser.add_argument("--only", nargs=2, metavar=("KIND", "NUMBER"), help="show one mutation")
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        kind, first, count = options.worker
        work(options.seed, kind, int(first), int(count))
        return 0
    if options.only:
        with tempfile.TemporaryDirectory() as folder:
            print(Fuzzer(folder).run(options.seed, options.only[0], int(options.only[1])))
        return 0
    each, began = -(-options.mutations // len(KINDS)), time.monotonic()
    with progress_bar("mutations", each * len(KINDS), unit="mutation") as bar:
        tallies = {kind: run_kind(kind, options, each, bar) for kind in KINDS}
    text, failed = report(options, tallies, time.monotonic() - began)
    print(text)
    if options.output:
        Path(options.output).write_text(text, "utf-8")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
