"""Rate of ``data build``: one process, two, and the original's method in pure Python.

    python benchmarks/speed_data.py --input CORPUS ... --vocab vocab.txt --output RESULT.md

The original's method (`original_pipeline`) and ours work on the same slice, of as much of each file
as its share of the corpus; ours once as it does by default, cutting lines into sentences, and once
with lines whole, as the original.  Imports are excluded, but for those of worker processes, which a
build of some hundred MB, the corpus several times over, amortises; loading the vocabulary and, for
ours, checksums and syncing to disk are included.  Runs are interleaved and repeated; medians and
all single values are written.  Without --input the packaged sample is used, repeated to a few
megabytes, which only shows that the script works.
"""

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import original_pipeline  # noqa: E402
from record import header  # noqa: E402

from paddle_electra.config import from_dict  # noqa: E402
from paddle_electra.pretraining import build  # noqa: E402
from paddle_electra.pretraining.data_options import BuildOptions  # noqa: E402
from paddle_electra.text.corpus import expand_inputs  # noqa: E402


def seconds_of_build(inputs, vocab, length, processes, split_sentences=True):
    """Wall-clock seconds of one build into a fresh folder."""
    with tempfile.TemporaryDirectory() as folder:
        values = {
            "input": tuple(map(str, inputs)),
            "vocab": str(vocab),
            "output": f"{folder}/shards",
            "processes": processes,
            "max_seq_length": length,
            "split_sentences": split_sentences,
        }
        started = time.perf_counter()
        build.run(from_dict(BuildOptions, values))
        return time.perf_counter() - started


def seconds_of_original(file, vocab, length):
    """Wall-clock seconds of the original's method in pure Python."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        vocabulary = original_pipeline.Vocabulary(vocab)
        original_pipeline.build(file, vocabulary, length, f"{folder}/pretrain_data.tfrecord")
        return time.perf_counter() - started


def cut_slice(files, size, target):
    """``size`` bytes of the corpus, the beginning of each file by its share, whole lines."""
    total = sum(file.stat().st_size for file in files)
    with open(target, "wb") as out:
        for file in files:
            with open(file, "rb") as handle:
                block = handle.read(file.stat().st_size * size // total)
            out.write(block[: block.rfind(b"\n") + 1] + b"\n")
    return target


def copy_corpus(files, copies, folder):
    """Copies of all files in a folder; a list of paths."""
    paths = []
    for number in range(copies):
        for file in files:
            paths.append(folder / f"{number}-{file.name}")
            shutil.copyfile(file, paths[-1])
    return paths


def prepare_sample(folder):
    """The packaged sample as a corpus of a few megabytes with a vocabulary of its own."""
    from paddle_electra.text import learn

    sample = ROOT / "paddle_electra" / "assets" / "sample" / "corpus"
    text = "\n\n".join(file.read_text("utf-8") for file in sorted(sample.glob("*.txt")))
    corpus = folder / "sample.txt"
    corpus.write_text("\n\n".join([text] * 30), "utf-8")
    vocab = folder / "vocab.txt"
    learn.run(from_dict(learn.VocabOptions, {"input": (str(corpus),), "output": str(vocab)}))
    return [corpus], vocab


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--input", nargs="+", help="text files or folders (default: the sample)")
    parser.add_argument("--vocab", help="vocabulary file")
    parser.add_argument("--output", help="markdown file for the result (default: print only)")
    parser.add_argument("--max-seq-length", type=int, default=128)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--copies", type=int, default=4, help="of the corpus, in whole builds")
    parser.add_argument("--slice-mb", type=float, default=8.0, help="for the original's method")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        if arguments.input:
            files, vocab = expand_inputs(arguments.input), arguments.vocab
        else:
            files, vocab = prepare_sample(folder)
        total = sum(file.stat().st_size for file in files)
        size = min(int(arguments.slice_mb * 1e6), total)
        piece = cut_slice(files, size, folder / "slice.txt")
        copies = copy_corpus(files, arguments.copies, folder)
        rates = measure(copies, piece, vocab, arguments.max_seq_length, arguments.repeat)
        report(rates, total / 1e6, piece.stat().st_size / 1e6, arguments)


def measure(files, piece, vocab, length, repeat):
    """{what was run: MB/s of each run}"""
    cases = {
        "ours, one process, whole corpus": (
            files,
            lambda: seconds_of_build(files, vocab, length, 1),
        ),
        "ours, two processes, whole corpus": (
            files,
            lambda: seconds_of_build(files, vocab, length, 2),
        ),
        "ours, one process, slice": ([piece], lambda: seconds_of_build([piece], vocab, length, 1)),
        "ours, one process, slice, lines whole": (
            [piece],
            lambda: seconds_of_build([piece], vocab, length, 1, split_sentences=False),
        ),
        "the original's method in pure Python, one process, slice": (
            [piece],
            lambda: seconds_of_original(piece, vocab, length),
        ),
    }
    rates = {name: [] for name in cases}
    for _ in range(repeat):
        for name, (inputs, run) in cases.items():
            size = sum(Path(file).stat().st_size for file in inputs) / 1e6
            rates[name].append(size / run())
    return rates


def report(rates, total, piece, arguments):
    """Print the table, and write it where --output says."""
    lines = ["| builder | MB/s (median) | single runs |", "|---|---|---|"]
    for name, values in rates.items():
        singles = ", ".join(f"{value:.2f}" for value in values)
        lines.append(f"| {name} | {statistics.median(values):.2f} | {singles} |")
    one, two, part, whole_lines, slow = (statistics.median(values) for values in rates.values())
    text = (
        header("Rate of `data build`")
        + f"Corpus: {total:.1f} MB, in whole builds {arguments.copies} times over; slice: "
        f"{piece:.1f} MB, of each file its share; examples of {arguments.max_seq_length} tokens. "
        f"Imports excluded but for worker processes; loading the vocabulary, checksums and syncing "
        f"to disk included.\n\n"
        + "\n".join(lines)
        + f"\n\nTwo processes / one: {two / one:.2f}. On the slice, ours / the original's method: "
        f"{part / slow:.1f}; with lines whole, as the original has them: "
        f"{whole_lines / slow:.1f}.\n"
    )
    print(text)
    if arguments.output:
        Path(arguments.output).write_text(text, "utf-8")


if __name__ == "__main__":
    main()
