"""Atomic writing, hashing and JSON: a killed process leaves the old file or the new one."""

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import stat
import time
from pathlib import Path

from .errors import InputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

_LOCK_FILE = ".lock"
_LEFTOVER = re.compile(r"\.(.+)\.\d+\.(tmp|old)")


def sync_directory(path):
    """Make a rename inside ``path`` survive a power cut (a no-op where unsupported)."""
    try:
        fd = os.open(path, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(fd)
    except OSError:
        pass
    finally:
        os.close(fd)


@contextlib.contextmanager
def disk_errors(path):
    """Turn "disk full", "no permission" and the like into an `InputError` naming ``path``."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise InputError(
                f"{path}: the disk is full; what was there before is untouched. "
                f"Free some space and run the same command again"
            ) from error
        if error.errno == errno.EFBIG:
            raise InputError(
                f"{path}: larger than this file system, or `ulimit -f`, allows; what was there "
                f"before is untouched"
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise InputError(f"{path}: cannot write here ({error.strerror})") from error
        if error.errno in (errno.ENOTDIR, errno.EEXIST):
            raise InputError(f"{path}: expected a folder, a file is in the way") from error
        raise


@contextlib.contextmanager
def read_errors(path, what="file"):
    """Turn a missing, wrong or forbidden input into an `InputError` naming ``path``."""
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"{path}: no such {what}") from None
    except IsADirectoryError:
        raise InputError(f"{path}: expected a {what}, this is a folder") from None
    except PermissionError:
        raise InputError(f"{path}: cannot be read (permission denied)") from None


@contextlib.contextmanager
def atomic_write(path, mode="w"):
    """Open a temporary file beside ``path``; on success it replaces ``path``, else it goes.

    Text mode writes UTF-8 with LF line ends.  Of a symbolic link the file that it names is
    replaced; a device or pipe is written to as it is.  Raises `InputError` when the disk is full
    or the folder is not writable.
    """
    text = {} if "b" in mode else {"encoding": "utf-8", "newline": "\n"}
    if is_stream(path):
        with disk_errors(path), open(path, mode, **text) as handle:
            yield handle
        return
    path = Path(os.path.realpath(path))
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            with open(temporary, mode, **text) as handle:
                yield handle
                handle.flush()
                os.fsync(handle.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_directory(path.parent)


def is_stream(path):
    """Is it a device, a pipe or a socket, which nothing can be put in the place of?"""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


@contextlib.contextmanager
def atomic_directory(path):
    """Yield a temporary folder that becomes ``path`` on success.

    An existing ``path`` is replaced by two renames: a reader sees the old folder, or, for an
    instant, none, or the new one, never a mixture.
    """
    path = Path(os.path.realpath(path))
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    retired = path.with_name(f".{path.name}.{os.getpid()}.old")
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        try:
            yield temporary
            for file in temporary.rglob("*"):
                if file.is_file():
                    with open(file, "rb") as handle:
                        os.fsync(handle.fileno())
            sync_directory(temporary)
            if path.exists():
                shutil.rmtree(retired, ignore_errors=True)  # of a killed process of this number
                os.replace(path, retired)
            os.replace(temporary, path)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            if retired.exists() and not path.exists():
                os.replace(retired, path)
            raise
        sync_directory(path.parent)
        shutil.rmtree(retired, ignore_errors=True)


def remove_directory(path):
    """Delete a folder at one blow: a kill leaves all of it, or a hidden rest for `clean_up`."""
    path = Path(path)
    retired = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    shutil.rmtree(retired, ignore_errors=True)
    os.replace(path, retired)
    shutil.rmtree(retired, ignore_errors=True)


def clean_up(folder):
    """Remove what killed processes left of `atomic_write`, `atomic_directory` and
    `remove_directory` in a folder to which no other process writes.

    What a kill between the two renames of `atomic_directory` hid comes back.
    """
    folder = Path(folder)
    if not folder.is_dir():
        return
    for path in list(folder.iterdir()):
        match = _LEFTOVER.fullmatch(path.name)
        if not match:
            continue
        target = path.with_name(match[1])
        if match[2] == "old" and not target.exists():
            os.replace(path, target)
        elif path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def only_writer(folder, patience=60.0):
    """Make a folder, unless it is there, and keep other processes that ask so out of it.

    The system lets go of it however this process ends.  A folder that stays empty is removed.  A
    file system that locks no folders (NFS) locks the file ``.lock`` in it; see `is_empty`.  On
    those that know no such locks, nothing is locked.

    Args:
        patience: seconds to wait for a process that is still there.
    Raises:
        InputError: it did not end.
    """
    folder = Path(folder)
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    if fcntl is None:
        yield
        return
    handle = _lockable(folder)
    try:
        deadline = time.monotonic() + patience
        while not _locked(handle):
            if time.monotonic() >= deadline:
                raise InputError(
                    f"{folder}: another process is at work there; end it first, or give another "
                    f"folder"
                )
            time.sleep(0.1)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                folder.rmdir()
    finally:
        os.close(handle)


def is_empty(folder):
    """Is nothing in a folder but the file that keeps other processes out?"""
    return all(path.name == _LOCK_FILE for path in Path(folder).iterdir())


def _lockable(folder):
    """A descriptor that can be locked: of the folder, or of a file in it."""
    handle = os.open(folder, os.O_RDONLY)
    if _try_lock(handle) is not None:
        return handle
    os.close(handle)
    return os.open(Path(folder) / _LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o666)


def _locked(handle):
    """Was the lock to be had, or is there none?"""
    return _try_lock(handle) is not False


def _try_lock(handle):
    """Whether the lock was to be had; None where there are no such locks."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def write_json(path, value):
    """Write ``value`` as indented UTF-8 JSON, atomically."""
    with atomic_write(path) as handle:
        json.dump(value, handle, ensure_ascii=False, indent=2)
        handle.write("\n")


def parse_json(text, place):
    """The value of a JSON text; ``place`` begins the message.

    Raises:
        json.JSONDecodeError: not JSON.
        InputError: half of a surrogate pair, which no file in UTF-8 can hold.
    """
    value = json.loads(text)
    if "\\ud" in text.lower():
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            half = ascii(error.object[error.start])
            raise InputError(
                f"{place}: half of a character ({half}, of a surrogate pair that was cut); mend or "
                f"remove it"
            ) from None
    return value


def read_json(path, keys=None):
    """Read a JSON file.

    Args:
        keys: names that it must have; then it must be an object.  None: anything goes.
    Raises:
        InputError: missing, not UTF-8, not JSON (with line and column), or without a key.
    """
    try:
        with open(path, encoding="utf-8-sig") as handle:
            value = parse_json(handle.read(), path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise InputError(f"{path}: expected a JSON file, this is a folder") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text (byte {error.start})") from None
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path}: line {error.lineno}, column {error.colno}: not JSON ({error.msg})"
        ) from None
    if keys is not None:
        if not isinstance(value, dict):
            raise InputError(f"{path}: expected a JSON object")
        for key in keys:
            if key not in value:
                raise InputError(
                    f"{path}: key {key!r} is missing; the file is not what it should be"
                )
    return value


def sha256(path, chunk=1 << 20):
    """Hexadecimal SHA-256 of a file, read in pieces of ``chunk`` bytes."""
    digest = hashlib.sha256()
    with open(path, "rb") as handle:
        while block := handle.read(chunk):
            digest.update(block)
    return digest.hexdigest()
