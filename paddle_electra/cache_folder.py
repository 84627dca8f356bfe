"""Where things that can be made again are kept."""

import os
from pathlib import Path

_VARIABLE = "PADDLE_ELECTRA_CACHE"


def cache_folder(name):
    """The folder ``name`` of the user's cache, or None: there shall be none, or there is no home.

    ``$PADDLE_ELECTRA_CACHE/NAME`` (no cache when the variable is empty), else
    ``paddle-electra/NAME`` in ``$XDG_CACHE_HOME``, else in ``~/.cache``.
    """
    given = os.environ.get(_VARIABLE)
    if given == "":
        return None
    root = given or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "paddle-electra")
    try:
        return Path(root).expanduser() / name
    except RuntimeError:  # no home
        return None
