"""Memory of ``data build``: the largest resident set over corpora of several sizes.

    python benchmarks/memory_data.py --megabytes 60 900 --output RESULT.md

The corpora are made on the spot: documents of about 1 KB of random characters, and, so that nothing
that is remembered stays small, words and numbers that hardly ever come twice.  One document in five
is one that was there before.  Each build is a process of its own, without worker processes.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from record import header  # noqa: E402

from paddle_electra.files import read_json  # noqa: E402

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "。", "，")
CHARACTERS = [chr(0x4E00 + number) for number in range(3000)]
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
LETTER_CODES = np.array([ord(letter) for letter in LETTERS])
REPEATED = 0.2


def write_vocab(path):
    pieces = [*LETTERS, *(f"##{letter}" for letter in LETTERS)]
    path.write_text("\n".join([*SPECIAL, *CHARACTERS, *pieces]) + "\n", "utf-8")
    return path


def write_corpus(path, megabytes, seed=0):
    """Documents of five lines; a fifth of them from the last thousand.  Returns their number."""
    rng = np.random.default_rng(seed)
    written, count, recent = 0, 0, []
    with open(path, "w", encoding="utf-8", newline="\n") as out:
        while written < megabytes * 1e6:
            if recent and rng.random() < REPEATED:
                document = recent[rng.integers(len(recent))]
            else:
                document = make_document(rng)
                recent.append(document)
                del recent[:-1000]
            out.write(document)
            written += len(document.encode())
            count += 1
    return count


def make_document(rng):
    characters = _text(0x4E00 + rng.integers(0, 3000, 275))
    letters = _text(LETTER_CODES[rng.integers(0, 36, 35)])
    lines = []
    for number in range(5):
        part = characters[number * 55 : (number + 1) * 55]
        lines.append(f"{part[:20]}，{letters[number * 7 : (number + 1) * 7]} {part[20:]}。")
    return "\n".join(lines) + "\n\n"


def _text(codes):
    return codes.astype("<u4").tobytes().decode("utf-32-le")


def peak_of_build(corpus, vocab, drop_duplicates):
    """(largest resident set in MB, seconds, documents kept, documents dropped)"""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "paddle_electra", "data", "build", "--processes", "1"]
        command += ["--input", str(corpus), "--vocab", str(vocab), "--output", f"{folder}/out"]
        command += ["--drop-duplicates"] if drop_duplicates else []
        started = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"failed: {' '.join(command)}")
        seconds = time.perf_counter() - started
        numbers = read_json(Path(folder) / "out" / "dataset.json")["statistics"]
    return usage.ru_maxrss / 1024, seconds, numbers["documents"], numbers["duplicate_documents"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=float, nargs="+", default=[60, 900])
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--output", help="markdown file for the result (default: print only)")
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        vocab = write_vocab(Path(folder) / "vocab.txt")
        for size in arguments.megabytes:
            corpus = Path(folder) / "corpus.txt"
            documents = write_corpus(corpus, size)
            for drop in (False, True):
                runs = [peak_of_build(corpus, vocab, drop) for _ in range(arguments.repeat)]
                peaks = ", ".join(f"{run[0]:.0f}" for run in runs)
                seconds = ", ".join(f"{run[1]:.0f}" for run in runs)
                rows.append(
                    f"| {size:g} | {documents:,} | {'on' if drop else 'off'} | "
                    f"{runs[0][3]:,} | {peaks} | {seconds} |"
                )
                print(rows[-1], flush=True)
    text = (
        header("Memory of `data build`")
        + "Synthetic corpora: documents of about 1 KB of random characters, one in five from "
        "before, with words that hardly repeat; one process. The largest resident set of the "
        "process, interpreter and libraries included; single runs.\n\n"
        "| corpus, MB | documents | --drop-duplicates | dropped | peak, MB | seconds |\n"
        "|---|---|---|---|---|---|\n" + "\n".join(rows) + "\n"
    )
    print(text)
    if arguments.output:
        Path(arguments.output).write_text(text, "utf-8")


if __name__ == "__main__":
    main()
