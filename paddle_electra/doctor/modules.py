"""The installed PaddleHub modules, looked at without running them.

Where PaddleHub 2.4 keeps them and what it takes for one: its ``env.py`` and ``HubModule.load``.
"""

import ast
import os
from pathlib import Path
from typing import NamedTuple

from ..errors import InputError
from ..files import read_json
from ..hub import manifest
from ..hub.carried import RUNTIME
from .findings import ERROR, OK, SKIPPED, WARNING, Finding, one_line
from .machine import check_folder

# Published by PaddleHub under names that modules of ours take over.
_PUBLISHED = ("chinese_electra_base", "chinese_electra_small")
_AUTHOR = "paddle-electra"  # also of the folders in hub_modules, which have no weights


class Module(NamedTuple):
    """A folder of a module: what its ``module.py`` says of itself."""

    name: str
    version: str
    author: str


def hub_home():
    """PaddleHub's folder."""
    return Path(os.environ.get("HUB_HOME") or "~/.paddlehub").expanduser()


def check(installed):
    """Findings about the modules; ``installed``: is PaddleHub?"""
    if not installed:
        what = "PaddleHub is not installed; only PaddleHub modules need it"
        return [Finding(SKIPPED, "modules", what, "pip install -c constraints.txt paddlehub")]
    home = hub_home()
    if os.path.lexists(home) and not home.is_dir():
        cure = "export HUB_HOME=FOLDER"
        return [Finding(ERROR, "modules", f"{home}: PaddleHub's folder is a file", cure)]
    found = check_folder("PaddleHub", home, "export HUB_HOME=FOLDER")
    return [*found, *check_modules(home / "modules")]


def check_modules(folder):
    """Findings about each module in a folder of modules."""
    try:
        places = sorted(path for path in folder.iterdir() if path.is_dir())
    except FileNotFoundError:
        places = []
    except OSError as error:
        cure = "make it readable for this user"
        return [Finding(ERROR, "modules", f"{folder}: {error.strerror}", cure)]
    places = [path for path in places if path.name[0] not in "._"]
    if not places:
        return [Finding(OK, "modules", f"none in {folder}")]
    return [_check_module(place) for place in places]


def _check_module(place):
    if (place / "module_desc.pb").is_file():
        what = f"{place}: a module of PaddleHub 1; not looked into"
        return Finding(SKIPPED, "module", what)
    module = read_module(place / "module.py")
    if _is_ours(place):
        return _verify(place, module or Module(place.name, "", _AUTHOR))
    if module is None:
        what = f"{place}: no module.py that says its name; PaddleHub cannot load it"
        return Finding(WARNING, "module", what, f"rm -r '{place}', and install it again")
    named = f"{module.name} {module.version}"
    if module.author == _AUTHOR:
        what = f"{named}: ours, but without weights"
        cure = (
            f"hub uninstall {module.name}; or hub install its folder again, which says what to do"
        )
        return Finding(ERROR, "module", what, cure)
    if module.name.replace("-", "_") in _PUBLISHED:
        what = (
            f"{named}: PaddleHub's own; `paddle-electra module build --name {module.name}` makes "
        )
        return Finding(OK, "module", f"{what}one that takes its place")
    return Finding(OK, "module", f"{named}: not ours, not looked into")


def _is_ours(place):
    if (place / RUNTIME).is_dir():
        return True
    try:
        return "paddle_electra" in read_json(place / manifest.FILE_NAME, keys=[])
    except InputError:
        return False


def _verify(place, module):
    named = f"{module.name} {module.version}".strip()
    try:
        manifest.verify(place)
    except (InputError, OSError) as error:
        cure = "hub install the folder or .tar.gz that it came from, once more"
        return Finding(ERROR, "module", f"{named}: damaged: {one_line(error)}", cure)
    return Finding(OK, "module", f"{named}: ours, every file as it was built")


def read_module(path):
    """The `Module` of a ``module.py`` by its ``@moduleinfo``, without running it; None without."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", None) == "moduleinfo":
            about = {
                keyword.arg: str(keyword.value.value)
                for keyword in node.keywords
                if isinstance(keyword.value, ast.Constant)
            }
            if about.get("name"):
                return Module(about["name"], about.get("version", "?"), about.get("author", ""))
    return None
