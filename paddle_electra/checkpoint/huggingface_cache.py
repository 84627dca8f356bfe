"""Quick-load names such as ``hfl/chinese-electra-small-discriminator``, found on this machine.

They are looked up in the cache that the Hugging Face tools fill; nothing is downloaded.  Layout:
huggingface_hub, "manage your cache".
"""

import os
import re
from pathlib import Path

from ..errors import InputError
from .names import HALVES

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_KNOWN = re.compile(r"hfl/.*|.*/.*(electra|bert|rbt).*")


def looks_like_name(text):
    """Could this be an ``owner/name``, and neither a path here nor one with a slip in it?"""
    text = str(text)
    return (
        _NAME.fullmatch(text) is not None
        and not Path(text).exists()
        and not Path(text).parent.exists()
    )


def cache_folders():
    """Where the Hugging Face tools keep models here: huggingface_hub, and transformers before it
    used that one's folder, if it was told another."""
    given = [os.environ.get(name) for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE")]
    home = os.environ.get("HF_HOME") or Path(
        os.environ.get("XDG_CACHE_HOME") or "~/.cache", "huggingface"
    )
    hub = next(filter(None, given), None) or Path(home).expanduser() / "hub"
    return [Path(folder) for folder in (hub, os.environ.get("TRANSFORMERS_CACHE")) if folder]


def resolve(name):
    """{half: folder} of a cached model; {"": folder} for a name that says no half.

    ``hfl/chinese-electra-small`` finds both halves, a name that ends in one of them that half.

    Raises:
        InputError: it is not in the cache; says where to get the files and where to put them.
    """
    found = _snapshot(name)
    if found is not None:
        half = next((half for half in HALVES if name.endswith(half)), "")
        return {half: found}
    halves = {half: _snapshot(f"{name}-{half}") for half in HALVES}
    halves = {half: folder for half, folder in halves.items() if folder is not None}
    if halves:
        return halves
    looked = " nor ".join(map(str, cache_folders()))
    if not _KNOWN.fullmatch(name):
        raise InputError(
            f"{name}: no such folder or checkpoint, nor a model in the local Hugging Face cache "
            f"{looked}"
        )
    model = name
    if "electra" in name and not name.endswith(HALVES):
        model = f"{name}-{HALVES[0]}"
    raise InputError(
        f"{name}: neither a path here nor in the local Hugging Face cache {looked}; "
        f"nothing is downloaded: where there is a network run `huggingface-cli download {model}` "
        f"and copy its folder models--{model.replace('/', '--')} into that cache, or put its "
        f"config.json, vocab.txt and weight file into a folder and name that"
    )


def _snapshot(name):
    """The folder of the newest complete download of a model, or None."""
    places = (cache / f"models--{name.replace('/', '--')}" for cache in cache_folders())
    return next(filter(None, map(_newest, places)), None)


def _newest(folder):
    try:
        revision = (folder / "refs" / "main").read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        revision = None
    if revision and (folder / "snapshots" / revision).is_dir():
        return folder / "snapshots" / revision
    snapshots = folder / "snapshots"
    found = sorted(path for path in snapshots.iterdir()) if snapshots.is_dir() else []
    return max(found, key=lambda path: path.stat().st_mtime) if found else None
