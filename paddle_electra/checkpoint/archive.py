"""Zip archives with a checkpoint in them, as HFL ships its models."""

import contextlib
import shlex
import shutil
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

from ..errors import InputError
from ..files import disk_errors
from .limits import reason, shown
from .tensors import LazyTensors
from .zips import DAMAGE, check_name, open_zip

_WANTED = (".index", ".json", ".txt", ".safetensors", ".bin", ".pdparams")
_SMALL = (".index", ".json", ".txt")
_LARGEST_SMALL = 64 << 20
# Weights hardly shrink; Adam's moments can be all zeros, which shrink a thousandfold.
_LARGEST_RATIO = 100
_HARMLESS = 64 << 20  # bytes that may come out whatever the ratio
_MOST_MEMBERS = 10_000
# Ends a message that may say to put, to call or to name a file.
TO_CHANGE_FILES = " (to add a file or to name one, unzip the archive and name its folder instead)"


def unpack(path):
    """Unpack the files of a checkpoint from a zip into a temporary folder.

    Only files that a checkpoint can have are taken; links, absolute paths and paths with ``..``
    are refused, and so is an archive that would unpack to far more than its own size.

    Returns:
        an `Unpacked`, to keep as long as the files are read.
    Raises:
        InputError: damaged, hostile, or without a checkpoint; names the archive and the member.
    """
    path = Path(path)
    temporary = tempfile.TemporaryDirectory(prefix="paddle-electra-")
    folder = Path(temporary.name) / path.name
    try:
        with open_zip(path) as archive:
            members = _choose(path, archive.infolist())
            for member in archive.infolist():
                check_name(archive, member)
            with disk_errors(folder):
                folder.mkdir()
                for member, name in members:
                    _extract(archive, member, folder / name)
    except DAMAGE as error:
        temporary.cleanup()
        raise InputError(f"{path}: not a readable zip archive ({reason(error)})") from None
    except BaseException:
        temporary.cleanup()
        raise
    return Unpacked(path, folder, temporary)


class Unpacked:
    """The files of an archive in a temporary folder, which a user never sees.

    Attributes:
        archive: path of the archive.
        folder: where its files are.
        temporary: the `tempfile.TemporaryDirectory` with that folder.
    """

    def __init__(self, archive, folder, temporary):
        self.archive, self.folder, self.temporary = archive, folder, temporary

    def name(self, text):
        """A text, or a path, with ``ZIP: MEMBER`` in place of the temporary file."""
        text = str(text).replace(f"{self.folder}/", f"{self.archive}: ")
        return text.replace(str(self.folder), str(self.archive))

    @contextlib.contextmanager
    def naming(self, more=""):
        """Errors within name the archive and the path in it, and end with ``more``."""
        try:
            yield
        except InputError as error:
            raise InputError(f"{self.name(error)}{more}") from None

    def rename(self, checkpoint):
        """A `Checkpoint` that was read here, all of whose messages name the archive."""
        halves = (checkpoint.discriminator, checkpoint.generator)
        halves = [half if half is None else _Named(half, self) for half in halves]
        return checkpoint._replace(
            discriminator=halves[0], generator=halves[1], source=str(self.archive), keep=self
        )

    def extraction(self, file):
        """The command that takes one file out of the archive."""
        member = file.relative_to(self.folder).as_posix()
        return f"unzip -p {shlex.quote(str(self.archive))} {shlex.quote(member)} > {file.name}"


class _Named(LazyTensors):
    """Tensors of an unpacked archive."""

    def __init__(self, tensors, unpacked):
        self.tensors, self.unpacked = tensors, unpacked
        super().__init__(tensors.specs, unpacked.name(tensors.source))

    def read(self, name):
        with self.unpacked.naming():
            return self.tensors.read(name)


def _extract(archive, member, target):
    target.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(member) as source, open(target, "wb") as out:
        shutil.copyfileobj(source, out, 1 << 20)
    if target.stat().st_size != member.file_size:  # `zipfile` lets a shorter one pass
        raise zipfile.BadZipFile(f"member {shown(member.filename)} is cut short")


def _choose(path, members):
    """[(member, relative path)] of what is unpacked."""
    if len(members) > _MOST_MEMBERS:
        raise InputError(f"{path}: {len(members):,} members; a checkpoint has a few")
    chosen, total, size = {}, 0, path.stat().st_size
    for member in members:
        name = _safe_name(path, member)
        if name is None:
            continue
        if name in chosen:
            raise InputError(f"{path}: member {name!r} stands there twice")
        _check_size(path, member, size)
        total += member.file_size
        chosen[name] = member
    if total > max(_HARMLESS, _LARGEST_RATIO * size):
        raise InputError(f"{path}: would unpack to {total:,} bytes from {size:,}; not a checkpoint")
    for parent in {str(parent) for name in chosen for parent in PurePosixPath(name).parents}:
        if parent in chosen:
            raise InputError(f"{path}: member {parent!r} is a file and a folder")
    return [(member, name) for name, member in chosen.items()]


def _safe_name(path, member):
    """Where a member goes, below the folder; None for what is not wanted.

    Raises:
        InputError: a link, or a name that leads outside or is none.
    """
    name = member.filename.replace("\\", "/")
    parts = PurePosixPath(name).parts
    if name.startswith("/") or ".." in parts or ":" in name.partition("/")[0]:
        raise InputError(f"{path}: member {shown(name)} would lie outside the archive's folder")
    if member.external_attr >> 16 & 0o170000 == 0o120000:
        raise InputError(f"{path}: member {shown(name)} is a link")
    if not parts or member.is_dir() or not _is_wanted(parts[-1]) or "__MACOSX" in parts:
        return None
    if len(parts) > 8 or len(name.encode("utf-8")) > 240:
        raise InputError(f"{path}: member {shown(name)} has too deep or too long a path")
    if not name.isprintable() or "\0" in member.orig_filename:
        raise InputError(f"{path}: member {shown(member.orig_filename)} has a name that is none")
    return "/".join(parts)


def _is_wanted(name):
    return name.endswith(_WANTED) or ".data-" in name or name == "checkpoint"


def _check_size(path, member, archive_size):
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise InputError(
            f"{path}: member {shown(member.filename)} is packed in a way not read here; pack it "
            f"with an ordinary zip program"
        )
    small = member.filename.endswith(_SMALL) or member.filename.endswith("checkpoint")
    expanded = member.file_size > max(1 << 20, _LARGEST_RATIO * member.compress_size)
    large = small and (member.file_size > _LARGEST_SMALL or expanded)
    if large or member.compress_size > archive_size:
        raise InputError(
            f"{path}: member {shown(member.filename)} would be {member.file_size:,} bytes; "
            f"not part of a checkpoint"
        )
