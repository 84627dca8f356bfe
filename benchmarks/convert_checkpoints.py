"""Time and memory of converting checkpoints with Adam's slots, beside TensorFlow and the disk.

    python benchmarks/convert_checkpoints.py --tensorflow PYTHON --output RESULT.md

``--tensorflow`` names the Python of an environment with TensorFlow; without it these rows are left
out.  Every step is a process of its own (`convert_steps`) and finds none of its input in the page
cache.  The size large needs 12 GB in ``--work``.
"""

import argparse
import json
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from record import header

STEPS = Path(__file__).with_name("convert_steps.py")
NAMES = {
    "original": "TensorFlow",
    "zip": "zip of TensorFlow",
    "native": "native",
    "huggingface": "Hugging Face",
    "paddlenlp": "PaddleNLP",
    "tensorflow": "TensorFlow",
}
CONVERSIONS = (  # what is read, the format that is written, whether something later reads it
    ("original", "native", True),
    ("native", "huggingface", True),
    ("huggingface", "native", False),
    ("native", "paddlenlp", True),
    ("paddlenlp", "native", False),
    ("native", "tensorflow", False),
    ("zip", "native", False),
)
ZIPPED = ("tiny", "small", "base")  # HFL ships zips; one for large would take minutes to make
MB = 1e6


class Runner:
    """Runs steps, and keeps what each took.

    Attributes:
        taken: {(size, ...): [result of every repeat]}.
    """

    def __init__(self, work, tensorflow):
        self.work, self.tensorflow, self.taken = work, tensorflow, {}

    def run(self, label, source, *command, python=sys.executable):
        """Run a step whose input is ``source``, or None, and return its result."""
        os.sync()
        if source is not None:
            forget(source)
        environment = os.environ | {"TMPDIR": str(self.work), "TF_CPP_MIN_LOG_LEVEL": "3"}
        command = [str(word) for word in command]
        before = others_seconds()
        done = subprocess.run(
            [python, str(STEPS), *command], capture_output=True, text=True, env=environment
        )
        if done.returncode:
            raise SystemExit(f"{shlex.join(command)}:\n{done.stderr}")
        result = json.loads(done.stdout.splitlines()[-1])
        result["others"] = max(0.0, others_seconds() - before)
        self.taken.setdefault(label, []).append(result)
        print(f"{' '.join(label)}: {result['seconds']:.2f} s, {above(result):.0f} MB", flush=True)
        return result


def forget(path):
    """Take a file, or the files of a folder, out of the page cache."""
    for file in path.rglob("*") if path.is_dir() else [path]:
        if file.is_file():
            with open(file, "rb") as handle:
                os.posix_fadvise(handle.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def others_seconds():
    """Processor seconds spent so far by everything but this benchmark's steps."""
    with open("/proc/stat", encoding="ascii") as handle:
        user, nice, system, _, _, irq, softirq = map(int, handle.readline().split()[1:8])
    times = os.times()
    busy = (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")
    return busy - times.children_user - times.children_system


def measure(runner, size, repeats):
    """All steps of one size, ``repeats`` times."""
    folder = runner.work / f"electra_{size}"
    folder.mkdir()
    places = {"original": folder / "original"}
    runner.run((size, "make"), None, "make", places["original"], size)
    if size in ZIPPED:
        places["zip"] = folder / "original.zip"
        runner.run((size, "pack"), None, "pack", places["original"], places["zip"])
    for _ in range(repeats):
        measure_readers(runner, size, places["original"])
        found = dict(places)
        for source, to, used in CONVERSIONS:
            if source not in found:
                continue
            target = folder / (to if used else "again")
            measure_conversion(runner, size, found[source], source, target, to)
            if used:
                found[to] = target
                continue
            shutil.rmtree(target)
            if source not in ("native", *places):
                shutil.rmtree(found[source])
        shutil.rmtree(found["native"])
    shutil.rmtree(folder)


def measure_readers(runner, size, folder):
    """TensorFlow's reader and ours on the same checkpoint."""
    prefix = folder / f"electra_{size}"
    for which in ("weights", "everything"):
        runner.run((size, "ours", which), folder, "ours", prefix, which)
        if runner.tensorflow:
            label = (size, "tensorflow", which)
            runner.run(label, folder, "tensorflow", prefix, which, python=runner.tensorflow)


def measure_conversion(runner, size, src, source, dst, to):
    """A conversion and, at once, the disk alone with as many bytes as were written."""
    result = runner.run((size, source, to), src, "convert", src, dst, to)
    file = runner.work / "file"
    written = runner.run((size, "disk", "write"), None, "write-file", file, result["written"])
    read = runner.run((size, "disk", "read"), file, "read-file", file)
    file.unlink()
    result["disk"] = (
        result["from_device"] * read["seconds"] / read["read"]
        + result["written"] * written["seconds"] / written["written"]
    )


def above(result):
    """MB of memory at the peak beyond what the imports took."""
    return (result["peak"] - result["imported"]) / MB


def each(values, digits=0):
    """The median, and every value."""
    listed = ", ".join(f"{value:,.{digits}f}" for value in values)
    return f"{statistics.median(values):,.{digits}f} ({listed})"


def megabytes(results, key):
    return f"{statistics.median(result[key] for result in results) / MB:,.0f}"


def seconds(results, key="seconds"):
    return each([result[key] for result in results], 2)


def size_rows(taken, sizes):
    for size in sizes:
        made, packed = taken[size, "make"], taken.get((size, "pack"))
        columns = [megabytes(made, key) for key in ("bytes", "weights", "largest")]
        columns += [str(made[0]["tensors"]), megabytes(packed, "bytes") if packed else "-"]
        yield f"| {size} | {' | '.join(columns)} |"


def conversion_rows(taken, size):
    """A row of the table for each conversion of one size."""
    for source, to, _ in CONVERSIONS:
        results = taken.get((size, source, to))
        if results is None:
            continue
        rates = [(r["read"] + r["written"]) / MB / r["seconds"] for r in results]
        moved = " + ".join(megabytes(results, key) for key in ("read", "written"))
        yield (
            f"| {size} | {NAMES[source]} -> {NAMES[to]} "
            f"| {seconds(results)} | {seconds(results, 'processor')} "
            f"| {each([above(result) for result in results])} "
            f"| {moved} | {megabytes(results, 'from_device')} | {each(rates)} "
            f"| {each([result['seconds'] / result['disk'] for result in results], 1)} |"
        )


def reader_rows(taken, size):
    """Rows for our reader, TensorFlow's, and the disk alone."""
    kinds = [
        ((size, reader, which), f"{name}, {which}", "bytes")
        for which in ("weights", "everything")
        for reader, name in (("ours", "ours"), ("tensorflow", "`tf.train.load_checkpoint`"))
    ]
    kinds.append(((size, "disk", "write"), "a file written in order, fsync", "written"))
    kinds.append(((size, "disk", "read"), "a file read in order", "read"))
    for label, name, key in kinds:
        if results := taken.get(label):
            rates = [result[key] / MB / result["seconds"] for result in results]
            yield (
                f"| {size} | {name} | {megabytes(results, key)} | {seconds(results)} "
                f"| {each([above(result) for result in results])} | {each(rates)} |"
            )


TEXT = """\
Checkpoints of random numbers in the layout of the original code: both halves, vocabulary 21128,
Adam's two slots of every weight and `global_step`, in the order of their names, as TensorFlow
writes them.

| size | checkpoint, MB | weights, MB | largest tensor, MB | tensors of weights | deflated zip, MB |
|---|---|---|---|---|---|
{sizes}

Every step is a process of its own; the steps of a round follow one another, and there are {repeats}
rounds: the median and, in brackets, every value. Before a step the files that it reads are taken
out of the page cache (`posix_fadvise`); "from the device" shows how far that went. What a
conversion writes is synced before it ends. Seconds are those of the call, without starting Python
and imports. Memory is the peak of the process's resident memory (`VmHWM`) beyond what it had after
the imports: {imports}. MB are 10^6 bytes.

## Conversions

`paddle-electra convert` reads the weights and writes them, then reads both again and compares every
tensor. All of that is in the time and in the bytes, which are those of all read and write calls; a
zip is unpacked into a temporary folder first, slots and all. "Times the disk's": the time divided
by what the disk alone took for the bytes from the device and the bytes written, at the rates of a
file as large as the output, written in order with fsync and read in order, right after each
conversion.

| size | conversion | seconds | processor seconds | peak memory, MB | read + written, MB | \
from the device, MB | MB/s read and written | times the disk's |
|---|---|---|---|---|---|---|---|---|
{conversions}

## Readers, and the disk alone

The same checkpoint read by our reader and {tensorflow}: the weights, between which the slots
lie, or everything.

| size | what | MB | seconds | peak memory, MB | MB/s |
|---|---|---|---|---|---|
{readers}

## What else was running

{others}
"""


def report(runner, arguments):
    """The result as markdown."""
    taken, sizes = runner.taken, arguments.sizes
    versions = [r["version"] for results in taken.values() for r in results if "version" in r]
    return header("Converting checkpoints", command(arguments)) + TEXT.format(
        sizes="\n".join(size_rows(taken, sizes)),
        repeats=arguments.repeats,
        imports=describe_imports(taken),
        conversions="\n".join(row for size in sizes for row in conversion_rows(taken, size)),
        tensorflow=f"TensorFlow {versions[0]}'s" if versions else "(not measured) TensorFlow's",
        readers="\n".join(row for size in sizes for row in reader_rows(taken, size)),
        others=describe_others(taken, arguments.note),
    )


def describe_imports(taken):
    """What a process has after its imports: one that converts, one with TensorFlow."""
    groups = {"convert": [], "tensorflow": []}
    for (_, kind, *rest), results in taken.items():
        if rest and kind not in ("ours", "disk"):
            group = groups["tensorflow" if kind == "tensorflow" else "convert"]
            group += [result["imported"] / MB for result in results]
    parts = [f"{statistics.median(groups['convert']):.0f} MB to convert"]
    if groups["tensorflow"]:
        parts.append(f"{statistics.median(groups['tensorflow']):.0f} MB with TensorFlow")
    return ", ".join(parts)


def describe_others(taken, note):
    every = [result for results in taken.values() for result in results]
    busy, own = (sum(result[key] for result in every) for key in ("others", "seconds"))
    return (
        f"During steps of {own:,.0f} seconds everything else on the machine, the kernel's writing "
        f"included, used {busy:,.0f} processor seconds. {note}".strip()
    )


def command(arguments):
    """The command without the places of this machine."""
    parts = ["python benchmarks/convert_checkpoints.py", f"--sizes {' '.join(arguments.sizes)}"]
    parts.append(f"--repeats {arguments.repeats}")
    parts += ["--work DIR"] if arguments.work else []
    parts += ["--tensorflow PYTHON"] if arguments.tensorflow else []
    parts += [f"--output {arguments.output}"] if arguments.output else []
    return " ".join(parts)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", default=["small", "base", "large"])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--work", help="folder for the files (default: a temporary one)")
    parser.add_argument("--tensorflow", help="Python of an environment with TensorFlow")
    parser.add_argument("--output", help="markdown file for the result (default: print only)")
    parser.add_argument("--note", default="", help="what else ran meanwhile, for the result")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.work) as folder:
        runner = Runner(Path(folder), arguments.tensorflow)
        for size in arguments.sizes:
            measure(runner, size, arguments.repeats)
    text = report(runner, arguments)
    print(text)
    if arguments.output:
        Path(arguments.output).write_text(text, "utf-8")


if __name__ == "__main__":
    main()
