"""``paddle-electra`` with one fault built in, for `kill_resume.py`.

The environment variable KILL_RESUME_FAULT holds {"point", "nth", "action", "rank", "marker"} as
JSON: at the nth time that this rank comes by the point, the file ``marker`` is made and then

    kill       this process kills itself (SIGKILL)
    hold       it waits until the file ``marker``.go is there, while others are killed
    terminate  it sends SIGTERM to its job, as if somebody had just now, and goes on
    full       the disk is full (OSError ENOSPC)

Where something is being written, half of it is written then.  The package itself is not changed.
"""

import errno
import json
import os
import re
import shutil
import signal
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from paddle_electra.cli import main  # noqa: E402
from paddle_electra.runtime import prepare_environment  # noqa: E402

VARIABLE = "KILL_RESUME_FAULT"
CHECKPOINT = re.compile(r"step-\d+")
# Points of a save in their order; at those of the first tuple something is written.
WRITES = ("discriminator", "generator", "optimizer", "state", "sync")
RENAMES = ("before the rename", "after the rename", "rotation begun", "rotation half done")


class Fault:
    """What is to happen; `hit` is called at the point."""

    def __init__(self, point, nth, action, rank, marker):
        self.point, self.left, self.action, self.rank = point, nth, action, rank
        self.marker = Path(marker)

    def is_at(self, point):
        """Is it to happen here and now?  Counts."""
        if point != self.point or os.environ.get("PADDLE_TRAINER_ID", "0") != str(self.rank):
            return False
        self.left -= 1
        return self.left == 0

    @property
    def breaks(self):
        """Is what is being written left half done?"""
        return self.action in ("kill", "full")

    def happen(self):
        self.marker.write_text(self.point, "utf-8")
        if self.action == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif self.action == "terminate":
            launched = "PADDLE_TRAINER_ID" in os.environ
            os.kill(os.getppid() if launched else os.getpid(), signal.SIGTERM)
        elif self.action == "full":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        else:
            released = self.marker.with_suffix(".go")
            while not released.exists():
                time.sleep(0.01)


def around(put, owner, name, before=None, after=None):
    """Have ``before`` and ``after``, which take the same arguments, called beside a function."""
    function = getattr(owner, name)

    def wrapped(*arguments, **named):
        if before is not None:
            before(*arguments, **named)
        result = function(*arguments, **named)
        if after is not None:
            after(*arguments, **named)
        return result

    put(owner, name, wrapped)


def build_in(fault, put=setattr):
    """Put the fault at its point, by ``put`` (owner, name, function)."""
    from paddle_electra.checkpoint import native, safetensors_file
    from paddle_electra.files import disk_errors
    from paddle_electra.pretraining.metrics import Counts
    from paddle_electra.training.log import TrainingLog

    def written(path, *_, **__):
        name = Path(path).name.removesuffix(".safetensors")
        if fault.is_at(name):
            if fault.breaks:
                os.truncate(path, os.path.getsize(path) // 2)
            fault.happen()

    def syncing(handle):
        name = os.path.basename(os.readlink(f"/proc/self/fd/{handle}"))
        point = "state" if name.startswith(".training.json") else "sync"
        if (name == "generator.safetensors" or point == "state") and fault.is_at(point):
            if point == "state" and fault.breaks:
                os.ftruncate(handle, os.fstat(handle).st_size // 2)
            fault.happen()

    def renaming(_, target):
        name = Path(target).name
        at_checkpoint = CHECKPOINT.fullmatch(name) and fault.is_at("before the rename")
        if at_checkpoint or (name == "pretraining.json" and fault.is_at("settings")):
            fault.happen()

    def renamed(source, target):
        if CHECKPOINT.fullmatch(Path(target).name) and fault.is_at("after the rename"):
            fault.happen()
        if CHECKPOINT.fullmatch(Path(source).name) and fault.is_at("rotation begun"):
            fault.happen()

    def deleting(path, *_, **__):
        path = Path(path)
        if path.name.startswith(".step-") and path.is_dir() and fault.is_at("rotation half done"):
            for file in sorted(path.iterdir())[::2]:
                file.unlink()
            fault.happen()

    def logging(log, *_, **__):
        if fault.is_at("log"):
            with disk_errors(log.path):
                if fault.breaks:
                    log._file.write('{"step": 12, "ki')
                    log._file.flush()
                fault.happen()

    def always(point):
        return lambda *_, **__: fault.happen() if fault.is_at(point) else None

    around(put, safetensors_file, "write", after=written)
    around(put, os, "fsync", before=syncing)
    around(put, os, "replace", renaming, renamed)
    around(put, shutil, "rmtree", before=deleting)
    around(put, TrainingLog, "write", before=logging)
    around(put, Counts, "add", before=always("evaluation"))
    around(put, native, "load_pretraining", before=always("loading"))


if __name__ == "__main__":
    prepare_environment()
    if VARIABLE in os.environ:
        build_in(Fault(**json.loads(os.environ[VARIABLE])))
    sys.exit(main(sys.argv[1:]))
