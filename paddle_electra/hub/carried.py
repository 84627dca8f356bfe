"""The part of this package that a module carries, and the packages that part needs."""

import shutil
from pathlib import Path

from ..errors import InputError
from .import_graph import imports_of

PACKAGE = Path(__file__).resolve().parent.parent
ENTRY = "hub.module"
RUNTIME = "electra_runtime"

# What the carried code needs beyond PaddleHub and Paddle, which run it; ranges as in setup.py.
REQUIREMENTS = {
    "numpy": "numpy>=1.24",
    "tokenizers": "tokenizers>=0.15",
    "safetensors": "safetensors>=0.4",
    "crc32c": "crc32c>=2.3",
}
# What comes with PaddleHub.
PROVIDED = {"paddle", "paddlehub", "paddlenlp", "flask", "werkzeug"}


def requirements():
    """The lines of a module's ``requirements.txt``.

    Raises:
        InputError: the code imports a package that is in neither table.
    """
    external = imports_of(PACKAGE, ENTRY).external - PROVIDED
    if unknown := external - set(REQUIREMENTS):
        raise InputError(
            f"the module's code imports {', '.join(sorted(unknown))}, which REQUIREMENTS in "
            f"hub/carried.py does not list; add it there"
        )
    return [REQUIREMENTS[name] for name in sorted(external)]


def copy_runtime(target):
    """Copy the files that `ENTRY` imports, and what else lies in their folders: the page's."""
    files = set(imports_of(PACKAGE, ENTRY).files)
    for folder in sorted({file.parent for file in files}):
        for path in sorted((PACKAGE / folder).iterdir()):
            if path.is_file() and (path.suffix != ".py" or folder / path.name in files):
                (target / folder).mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target / folder / path.name)
