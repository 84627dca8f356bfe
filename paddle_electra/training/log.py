"""What a run writes about itself: JSON lines, and scalars and texts for VisualDL."""

import json
import os
from pathlib import Path

from ..errors import InputError
from ..files import atomic_write, disk_errors, read_errors
from . import visualdl_records


class TrainingLog:
    """Appends one JSON object a line to ``DIR/log.jsonl`` and scalars to ``DIR/visualdl``.

    After a resume the lines and points of steps that will be made again are cut off first, so that
    each step appears once.

    Args:
        folder: the run's output folder.
        step: the step the run continues from; what is of later ones is dropped.
        visualdl: also write VisualDL scalars.
    """

    def __init__(self, folder, step=0, visualdl=True):
        self.path = Path(folder) / "log.jsonl"
        with disk_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._drop_after(step)
            self._file = open(self.path, "a", encoding="utf-8", newline="\n")  # noqa: SIM115
        self._writer = None
        if visualdl:
            self._writer = visualdl_records.open_writer(Path(folder) / "visualdl", step)

    def _drop_after(self, step):
        if not self.path.exists():
            return
        kept = [entry for entry in read_log(self.path, tolerant=True) if entry["step"] <= step]
        with atomic_write(self.path) as handle:
            handle.writelines(json.dumps(entry) + "\n" for entry in kept)

    def write(self, step, kind, **values):
        """One line {"step", "kind", **values}; numbers also go to VisualDL under ``kind/name``."""
        with disk_errors(self.path):
            self._file.write(json.dumps({"step": step, "kind": kind, **values}) + "\n")
            self._file.flush()
        if self._writer is not None:
            for name, value in values.items():
                if isinstance(value, (int, float)):
                    self._writer.add_scalar(f"{kind}/{name}", value, step)
            self._show()

    def sync(self):
        """Have the disk keep every line so far: a checkpoint must not outlive the log before it."""
        with disk_errors(self.path):
            self._file.flush()
            os.fsync(self._file.fileno())

    def write_text(self, step, name, text):
        """A text for people to read in VisualDL under ``name``; without VisualDL, nothing."""
        if self._writer is not None:
            self._writer.add_text(name, text, step)
            self._show()

    def _show(self):
        """Have VisualDL write now what it would keep for two minutes, and lose to a kill."""
        with disk_errors(self.path):
            self._writer.flush()

    def close(self):
        """Flush and close both files."""
        with disk_errors(self.path):  # what a full disk did not take is tried again
            self._file.close()
        if self._writer is not None:
            self._writer.close()


def read_log(path, tolerant=False):
    """The entries of a ``log.jsonl``; ``tolerant`` drops a last line cut short by a kill.

    Raises:
        InputError: no such file, not UTF-8, or a line (any but the last, if ``tolerant``) that is
            not one of a log.
    """
    entries = []
    with read_errors(path):
        try:
            lines = Path(path).read_text("utf-8").splitlines()
        except UnicodeDecodeError as error:
            raise InputError(f"{path}: not UTF-8 text (byte {error.start})") from None
    for number, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            if tolerant and number == len(lines):
                break
            raise InputError(f"{path}: line {number}: not JSON") from None
        if not isinstance(entry, dict) or "step" not in entry:
            raise InputError(f"{path}: line {number}: not a line of a training log")
        entries.append(entry)
    return entries
