"""The list of a module's files with their checksums; imports neither paddle nor paddlehub."""

from pathlib import Path

from ..errors import InputError
from ..files import read_json, sha256, write_json

FILE_NAME = "manifest.json"


def write(directory, **about):
    """Write ``manifest.json``: ``about`` plus the SHA-256 of every file below ``directory``."""
    directory = Path(directory)
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    sums = {path.relative_to(directory).as_posix(): sha256(path) for path in files}
    write_json(directory / FILE_NAME, {**about, "sha256": sums})


def is_module(directory):
    """Is it a folder that `write` has finished, and no other program's with such a file?"""
    try:
        content = read_json(Path(directory) / FILE_NAME, keys=["sha256", "paddle_electra"])
    except InputError:
        return False
    return isinstance(content["sha256"], dict)


def verify(directory):
    """Compare every listed file with its checksum; files that are not listed are ignored.

    Returns:
        what the manifest says.
    Raises:
        InputError: the manifest or a file is missing, or a file was changed; names it.
    """
    directory = Path(directory)
    said = read_json(directory / FILE_NAME, keys=["sha256"])
    sums = said["sha256"]
    if not isinstance(sums, dict) or not sums:
        raise InputError(f"{directory / FILE_NAME}: lists no files; build the module again")
    for name, expected in sums.items():
        path = directory / name
        if not path.resolve().is_relative_to(directory.resolve()):
            raise InputError(f"{directory / FILE_NAME}: lists {name!r:.60}, outside of the module")
        if not path.is_file():
            raise InputError(f"{path}: this file of the module is missing; install it again")
        if sha256(path) != expected:
            raise InputError(
                f"{path}: not the file that was built (its SHA-256 differs from "
                f"{FILE_NAME}); install the module again"
            )
    return said
