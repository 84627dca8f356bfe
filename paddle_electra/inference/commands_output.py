"""Answers as JSON lines, as columns separated by tabs, or as one NumPy array."""

import contextlib
import json
import re
import signal
import sys
import threading
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..files import atomic_write, is_stream
from .commands_input import STANDARD

NPY = "npy"
_NPY_HEADER = 128  # bytes, room for any shape


def output_format(options, formats):
    """ "jsonl", "tsv", ...: the one asked for, else that of the output's ending, else "jsonl".

    Raises:
        InputError: the output is a folder, or of a format that needs a file.
    """
    if options.output != STANDARD and Path(options.output).is_dir():
        raise InputError(f"--output {options.output}: expected a file, this is a folder")
    ending = Path(options.output).suffix.lower().removeprefix(".")
    if options.output_format is None and ending in ("csv", NPY) and ending not in formats:
        raise InputError(
            f"--output {options.output}: no .{ending} is written here; there are: "
            f"{', '.join(formats)}"
        )
    found = options.output_format or (ending if ending in formats else "jsonl")
    if found == NPY and options.output != STANDARD and is_stream(options.output):
        raise InputError(f"--output {options.output}: .npy needs a file, this is a device or pipe")
    return found


@contextlib.contextmanager
def open_text(path):
    """Standard output for "-", else a file that is put in place at the end."""
    if path == STANDARD:
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(encoding="utf-8")
        yield sys.stdout
        sys.stdout.flush()
    else:
        with _sigterm_as_interrupt(), atomic_write(path) as handle:
            yield handle


@contextlib.contextmanager
def _sigterm_as_interrupt():
    """SIGTERM ends what is inside as Ctrl-C does, so that no half of a file stays."""
    if threading.current_thread() is not threading.main_thread():  # which alone gets signals
        yield
        return

    def interrupt(number, frame):
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a second one ends the process at once
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def json_line(record):
    """A record as a line, its floats with six digits, but "id" as it was given."""
    shown = {key: value if key == "id" else _rounded(value) for key, value in record.items()}
    return json.dumps(shown, ensure_ascii=False) + "\n"


def tab_line(cells):
    """Cells as a line; tabs and line ends inside of one become blanks."""
    return "\t".join(_cell(cell) for cell in cells) + "\n"


def _rounded(value):
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(item) for item in value]
    return value


def _cell(value):
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else re.sub("[\t\r\n]", " ", str(value))


def vector_line(record):
    """A record with float32 vectors as a line of JSON; nine digits give them back bit for bit."""
    return json.dumps(record, ensure_ascii=False, default=_numbers) + "\n"


def _numbers(array):
    if array.ndim > 1:
        return [_numbers(row) for row in array]
    return [float(f"{value:.9g}") for value in array.tolist()]


def vector_cells(array):
    """A float32 vector as a line of columns separated by tabs."""
    return "\t".join(f"{value:.9g}" for value in array.tolist()) + "\n"


@contextlib.contextmanager
def open_array(path, width):
    """Yield a function that appends float32 rows [n, width] to an array in a .npy file."""
    with _sigterm_as_interrupt(), atomic_write(path, "wb") as handle:
        rows = 0

        def append(array):
            nonlocal rows
            rows += len(array)
            handle.write(np.ascontiguousarray(array, "<f4").tobytes())

        handle.write(bytes(_NPY_HEADER))
        yield append
        # How many there are is known only now.
        content = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {width}), }}"
        start = b"\x93NUMPY\x01\x00" + (_NPY_HEADER - 10).to_bytes(2, "little")
        handle.seek(0)
        handle.write(start + content.ljust(_NPY_HEADER - 11).encode() + b"\n")
