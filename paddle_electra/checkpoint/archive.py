"""Zip archives with a checkpoint in them, as HFL ships its models."""

import shutil
import tempfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from ..errors import InputError
from ..files import disk_errors

_WANTED = (".index", ".json", ".txt", ".safetensors", ".bin", ".pdparams")
_SMALL = (".index", ".json", ".txt")
_LARGEST_SMALL = 64 << 20
# Weights hardly shrink; Adam's moments can be all zeros, which shrink a thousandfold.
_LARGEST_RATIO = 100
_HARMLESS = 64 << 20  # bytes that may come out whatever the ratio
_MOST_MEMBERS = 10_000


def unpack(path):
    """Unpack the files of a checkpoint from a zip into a temporary folder.

    Only files that a checkpoint can have are taken; links, absolute paths and paths with ``..``
    are refused, and so is an archive that would unpack to far more than its own size.

    Returns:
        (folder that holds the files, the `tempfile.TemporaryDirectory` to keep meanwhile).
    Raises:
        InputError: damaged, hostile, or without a checkpoint; names the archive and the member.
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            members = _choose(path, archive.infolist())
            temporary = tempfile.TemporaryDirectory(prefix="paddle-electra-")
            with disk_errors(Path(temporary.name)):
                for member, name in members:
                    target = Path(temporary.name) / name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    with archive.open(member) as source, open(target, "wb") as out:
                        shutil.copyfileobj(source, out, 1 << 20)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise InputError(f"{path}: not a readable zip archive ({error})") from None
    except (ValueError, OverflowError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a readable zip archive ({error})") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None
    return Path(temporary.name), temporary


def _choose(path, members):
    """[(member, relative path)] of what is unpacked."""
    if len(members) > _MOST_MEMBERS:
        raise InputError(f"{path}: {len(members)} members; a checkpoint has a few")
    chosen, seen, total = [], set(), 0
    for member in members:
        name = member.filename.replace("\\", "/")
        parts = PurePosixPath(name).parts
        if name.startswith("/") or ".." in parts or ":" in name.partition("/")[0]:
            raise InputError(f"{path}: member {name!r} would lie outside the archive's folder")
        if member.external_attr >> 16 & 0o170000 == 0o120000:
            raise InputError(f"{path}: member {name!r} is a link")
        if member.is_dir() or not _is_wanted(parts[-1]) or "__MACOSX" in parts:
            continue
        if len(parts) > 8 or len(name) > 240:
            raise InputError(f"{path}: member {name[:60]!r}...: too deep or too long a path")
        if name in seen:
            raise InputError(f"{path}: member {name!r} stands there twice")
        seen.add(name)
        _check_size(path, member)
        total += member.file_size
        chosen.append((member, name))
    size = path.stat().st_size
    if total > max(_HARMLESS, _LARGEST_RATIO * size):
        raise InputError(f"{path}: would unpack to {total:,} bytes from {size:,}; not a checkpoint")
    return chosen


def _is_wanted(name):
    return name.endswith(_WANTED) or ".data-" in name or name == "checkpoint"


def _check_size(path, member):
    small = member.filename.endswith(_SMALL) or member.filename.endswith("checkpoint")
    expanded = member.file_size > max(1 << 20, _LARGEST_RATIO * member.compress_size)
    if small and (member.file_size > _LARGEST_SMALL or expanded):
        raise InputError(
            f"{path}: member {member.filename!r} would be {member.file_size:,} bytes; "
            f"not part of a checkpoint"
        )
