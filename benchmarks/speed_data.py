"""Rate of ``data build``: one process, two, and the same builder with a pure-Python tokenizer.

    python benchmarks/speed_data.py --input CORPUS ... --vocab vocab.txt --output RESULT.md

Runs are interleaved and repeated; medians and all single values are written.  Without --input
the packaged sample is used, repeated to a few megabytes, which only shows that the script works.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "text")]

from pure_python import PurePythonTokenizer  # noqa: E402
from record import header  # noqa: E402

from paddle_electra.config import from_dict  # noqa: E402
from paddle_electra.pretraining import build, units  # noqa: E402
from paddle_electra.pretraining.options import BuildOptions  # noqa: E402
from paddle_electra.text.corpus import expand_inputs  # noqa: E402
from paddle_electra.text.tokenizer import ElectraTokenizer  # noqa: E402


class SlowTokenizer(ElectraTokenizer):
    """The builder's tokenizer with the pure-Python algorithm inside."""

    def __init__(self, vocab_file, do_lower_case=True):
        super().__init__(vocab_file, do_lower_case)
        self._slow = PurePythonTokenizer(vocab_file, do_lower_case)

    def encode_plain_batch(self, texts):
        vocab = self.vocab
        return [[vocab[token] for token in self._slow.tokenize(text)] for text in texts]


def seconds_of_build(inputs, vocab, length, processes, tokenizer=ElectraTokenizer):
    """Wall-clock seconds of one build into a fresh folder."""
    with tempfile.TemporaryDirectory() as folder:
        values = {
            "input": tuple(map(str, inputs)),
            "vocab": str(vocab),
            "output": f"{folder}/shards",
            "processes": processes,
            "max_seq_length": length,
        }
        units.ElectraTokenizer = tokenizer
        started = time.perf_counter()
        build.run(from_dict(BuildOptions, values))
        units.ElectraTokenizer = ElectraTokenizer
        return time.perf_counter() - started


def cut_slice(files, size, target):
    """The first ``size`` bytes of the corpus, taken evenly from every file, whole lines."""
    share = size // len(files)
    with open(target, "wb") as out:
        for file in files:
            with open(file, "rb") as handle:
                block = handle.read(share)
            out.write(block[: block.rfind(b"\n") + 1] + b"\n")
    return target


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
    parser.add_argument("--slice-mb", type=float, default=2.0, help="for the pure-Python builder")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        if arguments.input:
            files, vocab = expand_inputs(arguments.input), arguments.vocab
        else:
            files, vocab = prepare_sample(folder)
        piece = cut_slice(files, int(arguments.slice_mb * 1e6), folder / "slice.txt")
        cases = {
            "ours, one process, whole corpus": (files, 1, ElectraTokenizer),
            "ours, two processes, whole corpus": (files, 2, ElectraTokenizer),
            "ours, one process, slice": ([piece], 1, ElectraTokenizer),
            "pure-Python tokenizer, one process, slice": ([piece], 1, SlowTokenizer),
        }
        rates = {name: [] for name in cases}
        for _ in range(arguments.repeat):
            for name, (inputs, processes, tokenizer) in cases.items():
                size = sum(Path(file).stat().st_size for file in inputs) / 1e6
                length = arguments.max_seq_length
                seconds = seconds_of_build(inputs, vocab, length, processes, tokenizer)
                rates[name].append(size / seconds)
        total = sum(Path(file).stat().st_size for file in files) / 1e6
    report(rates, total, arguments)


def report(rates, total, arguments):
    """Print the table, and write it where --output says."""
    lines = ["| builder | MB/s (median) | single runs |", "|---|---|---|"]
    for name, values in rates.items():
        singles = ", ".join(f"{value:.2f}" for value in values)
        lines.append(f"| {name} | {statistics.median(values):.2f} | {singles} |")
    one, two, part, slow = (statistics.median(values) for values in rates.values())
    text = (
        header("Rate of `data build`")
        + f"Corpus: {total:.1f} MB, examples of {arguments.max_seq_length} tokens; start-up and "
        f"checksums included; slice: {arguments.slice_mb} MB.\n\n"
        + "\n".join(lines)
        + f"\n\nTwo processes / one: {two / one:.2f}. Ours / pure Python on the slice: "
        f"{part / slow:.1f}; whole corpus, one process / pure Python: {one / slow:.1f}.\n"
    )
    print(text)
    if arguments.output:
        Path(arguments.output).write_text(text, "utf-8")


if __name__ == "__main__":
    main()
