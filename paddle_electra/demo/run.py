"""Run the demo: of the shipped model, or of the whole pipeline."""

import shutil
import time
from pathlib import Path

from ..errors import InputError
from ..files import write_json
from . import pipeline, shipped

MARKER = "demo.json"


def run(options):
    """Run every stage.

    Raises:
        InputError: the output folder holds something else, or a stage fails.
    """
    started = time.monotonic()
    root = _fresh_folder(Path(options.output))
    whole = options.pipeline or not shipped.is_there()
    if whole and not options.pipeline:
        print("this copy of the package has no weights; so here is the whole pipeline instead")
    end = (pipeline if whole else shipped).run(root)
    print(f"\n=== done in {time.monotonic() - started:.0f} s; everything is in {root} ===")
    print(end, flush=True)


def _fresh_folder(root):
    """An empty folder; what an earlier demo left there goes, anything else is refused."""
    if root.exists() and not root.is_dir():
        raise InputError(f"{root}: expected a folder for the demo's output, this is a file")
    if root.is_dir() and any(root.iterdir()):
        if not (root / MARKER).is_file():
            raise InputError(f"{root}: not empty and not made by the demo; give another --output")
        shutil.rmtree(root)
    write_json(root / MARKER, {"made_by": "paddle-electra demo"})
    return root
