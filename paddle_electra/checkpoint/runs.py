"""Where the checkpoints of a training run lie: ``RUN/checkpoints/step-00001000``."""

import re
from pathlib import Path

# The settings of a pretraining run lie under this name in its folder.
PRETRAINING_SETTINGS = "pretraining.json"
_STEP = re.compile(r"step-(\d{8,})")


def checkpoint_folder(run, step):
    """The folder of the checkpoint after ``step`` updates."""
    return Path(run) / "checkpoints" / f"step-{step:08d}"


def list_checkpoints(run):
    """[(step, folder)] of the complete checkpoints of a run, oldest first."""
    root = Path(run) / "checkpoints"
    if not root.is_dir():
        return []
    found = [(_STEP.fullmatch(path.name), path) for path in root.iterdir() if path.is_dir()]
    return sorted((int(match.group(1)), path) for match, path in found if match)
