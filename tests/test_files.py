"""Atomic files and folders: after a failure or a kill there is the old content or the new."""

import errno
import hashlib
import os
import signal
import stat
import subprocess
import sys

import pytest

from paddle_electra import files
from paddle_electra.errors import InputError
from paddle_electra.files import atomic_directory, atomic_write, read_json, sha256, write_json


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def fail(number):
    def _fail(*arguments, **named):
        raise OSError(number, os.strerror(number))

    return _fail


def write_file(path, content):
    with atomic_write(path) as handle:
        handle.write(content)


def write_folder(path, content):
    with atomic_directory(path) as folder:
        (folder / "a.txt").write_text(content)
        (folder / "inner").mkdir()
        (folder / "inner" / "b.txt").write_text(content)


def read(path):
    return (path / "inner" / "b.txt" if path.is_dir() else path).read_text("utf-8")


both = pytest.mark.parametrize("write", [write_file, write_folder])


@both
def test_content_is_written_and_replaced(tmp_path, write):
    target = tmp_path / "new" / "out"
    write(target, "old")
    write(target, "天地\n")
    assert read(target) == "天地\n"
    assert names(target.parent) == ["out"]


def test_line_ends_and_bytes(tmp_path):
    write_file(tmp_path / "a", "天\n")
    assert (tmp_path / "a").read_bytes() == "天\n".encode()
    with atomic_write(tmp_path / "b", "wb") as handle:
        handle.write(b"\xff\r\n")
    assert (tmp_path / "b").read_bytes() == b"\xff\r\n"


def test_a_replaced_folder_keeps_nothing_of_the_old_one(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old.txt").write_text("old")
    write_folder(tmp_path / "out", "new")
    assert names(tmp_path / "out") == ["a.txt", "inner"]


@both
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_inside_leaves_the_old_content(tmp_path, write, error):
    target = tmp_path / "out"
    write(target, "old")
    opened = atomic_write if write is write_file else atomic_directory
    with pytest.raises(error), opened(target) as made:
        if write is write_file:
            made.write("half")
        else:
            (made / "a.txt").write_text("half")
        raise error
    assert read(target) == "old"
    assert names(tmp_path) == ["out"]


@both
@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.ENOSPC, "the disk is full; what was there before is untouched"),
        (errno.EDQUOT, "the disk is full"),
        (errno.EACCES, "cannot write here (Permission denied)"),
        (errno.EROFS, "cannot write here (Read-only file system)"),
    ],
)
def test_what_the_disk_refuses_is_an_input_error(
    tmp_path, monkeypatch, write, step, number, message
):
    target = tmp_path / "out"
    write(target, "old")
    with monkeypatch.context() as patch, pytest.raises(InputError) as caught:
        patch.setattr(files.os, step, fail(number))
        write(target, "new")
    assert str(caught.value).startswith(f"{target}: {message}")
    assert read(target) == "old"
    assert names(tmp_path) == ["out"]


def test_a_full_disk_while_replacing_a_folder_puts_the_old_one_back(tmp_path, monkeypatch):
    target = tmp_path / "out"
    write_folder(target, "old")
    replace, calls = os.replace, []

    def second_fails(source, destination):
        calls.append(source)
        if len(calls) == 2:  # the old folder is set aside, the new one not yet in its place
            raise OSError(errno.ENOSPC, "full")
        replace(source, destination)

    with monkeypatch.context() as patch, pytest.raises(InputError, match="the disk is full"):
        patch.setattr(files.os, "replace", second_fails)
        write_folder(target, "new")
    assert len(calls) == 3
    assert read(target) == "old"
    assert names(tmp_path) == ["out"]


@both
def test_a_file_in_the_place_of_a_folder_is_named(tmp_path, write):
    (tmp_path / "file").write_text("important")
    with pytest.raises(InputError, match=r"file/out: expected a folder, a file is in the way"):
        write(tmp_path / "file" / "out", "new")
    assert (tmp_path / "file").read_text() == "important"


def test_other_errors_of_the_system_are_not_hidden(tmp_path, monkeypatch):
    monkeypatch.setattr(files.os, "fsync", fail(errno.EBADF))
    with pytest.raises(OSError, match="Bad file descriptor"):
        write_file(tmp_path / "out", "new")
    assert names(tmp_path) == []


# Kills itself at the n-th call of os.fsync or os.replace while it replaces "old" by "new".
KILLED = """
import os, signal, sys
sys.path.insert(0, os.path.dirname(sys.argv[1]))
from paddle_electra import files
import test_files
from pathlib import Path
left = int(sys.argv[4])
def counted(original):
    def call(*arguments):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*arguments)
    return call
files.os.fsync, files.os.replace = counted(os.fsync), counted(os.replace)
getattr(test_files, sys.argv[2])(Path(sys.argv[3]), "new")
"""


def kill_while_writing(write, target, call):
    """Exit code of a process that writes "new" and kills itself at the given call."""
    arguments = [__file__, write.__name__, str(target), str(call)]
    return subprocess.run([sys.executable, "-c", KILLED, *arguments]).returncode


@both
def test_a_kill_leaves_old_or_new(tmp_path, write):
    target, found = tmp_path / "out", []
    for call in range(1, 20):
        write(target, "old")
        code = kill_while_writing(write, target, call)
        # A folder is replaced by two renames; killed between them, the old one is beside it.
        aside = list(tmp_path.glob(".out.*.old"))
        found.append(read(target) if target.exists() else f"{read(aside[0])} beside")
        write(target, "mended")
        assert read(target) == "mended"
        if code == 0:
            break
        assert code == -signal.SIGKILL
    assert code == 0
    assert found[0] == "old"
    assert found[-1] == "new"
    between = ["old beside"] if write is write_folder else []
    assert [state for n, state in enumerate(found) if state not in found[:n]] == [
        "old",
        *between,
        "new",
    ]


def test_a_link_stays_and_what_it_names_is_replaced(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "file").symlink_to(tmp_path / "there" / "file")  # not there yet
    (tmp_path / "folder").symlink_to(tmp_path / "there" / "folder")
    for content in ("a", "b"):
        with atomic_write(tmp_path / "file") as handle:
            handle.write(content)
        with atomic_directory(tmp_path / "folder") as folder:
            (folder / content).touch()
    assert (tmp_path / "file").is_symlink() and (tmp_path / "folder").is_symlink()
    assert (tmp_path / "there" / "file").read_text() == "b"
    found = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.glob("there/**/*"))
    assert found == ["there/file", "there/folder", "there/folder/b"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs POSIX")
def test_a_pipe_is_written_to(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reading = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    with atomic_write(tmp_path / "pipe") as handle:
        handle.write("好")
    assert os.read(reading, 10).decode() == "好"
    os.close(reading)
    assert files.is_stream(tmp_path / "pipe")
    assert files.is_stream(os.devnull)
    assert not files.is_stream(tmp_path)
    assert not files.is_stream(tmp_path / "nothing")


def test_the_folder_that_one_is_in(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with atomic_directory(".") as folder:
        (folder / "new").touch()
    assert (tmp_path / "here" / "new").is_file()


@pytest.mark.parametrize("locks_folders", [True, False])
def test_who_comes_second_waits_also_where_folders_cannot_be_locked(
    tmp_path, monkeypatch, locks_folders
):
    """NFS locks files that are open for writing, and nothing else."""
    flock = files.fcntl.flock

    def as_on_nfs(handle, how):
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EBADF, "")
        flock(handle, how)

    if not locks_folders:
        monkeypatch.setattr(files.fcntl, "flock", as_on_nfs)
    with files.only_writer(tmp_path / "run", 0.1):
        assert files.is_empty(tmp_path / "run")
        with pytest.raises(InputError, match="another process is at work there"):
            with files.only_writer(tmp_path / "run", 0.1):
                pass
        (tmp_path / "run" / "file").touch()
        assert not files.is_empty(tmp_path / "run")
    with files.only_writer(tmp_path / "run", 0.1):
        assert (tmp_path / "run" / "file").exists()


def test_json_round_trip(tmp_path):
    value = {"名": [1, 2.5, None, True], "b": {"c": "天"}}
    write_json(tmp_path / "a.json", value)
    assert read_json(tmp_path / "a.json") == value
    assert "名" in (tmp_path / "a.json").read_text("utf-8")


def test_json_that_cannot_be_written_leaves_the_old_file(tmp_path):
    write_json(tmp_path / "a.json", 1)
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"a": object()})
    assert read_json(tmp_path / "a.json") == 1
    assert names(tmp_path) == ["a.json"]


def test_json_with_a_byte_order_mark(tmp_path):
    (tmp_path / "a.json").write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_json(tmp_path / "a.json") == {"a": 1}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "line 1, column 1: not JSON"),
        (b'{"a": 1,\n "b" 2}', "line 2, column 6: not JSON"),
        (b'{"a": "\xff"}', "not UTF-8 text (byte 7)"),
        (b"\x00\x01\x02", "line 1, column 1: not JSON"),
    ],
)
def test_bad_json_is_named(tmp_path, content, message):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_json(path)
    assert str(caught.value).startswith(f"{path}: {message}")
    assert "\n" not in str(caught.value)


def test_json_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"nowhere.json: no such file"):
        read_json(tmp_path / "nowhere.json")
    with pytest.raises(InputError, match="expected a JSON file, this is a folder"):
        read_json(tmp_path)
    (tmp_path / "file").write_text("1")
    with pytest.raises(InputError, match=r"file/a.json: cannot be read \(Not a directory\)"):
        read_json(tmp_path / "file" / "a.json")
    monkeypatch.setattr("builtins.open", fail(errno.EACCES))
    with pytest.raises(InputError, match=r"cannot be read \(Permission denied\)"):
        read_json(tmp_path / "file")


def test_sha256(tmp_path):
    data = bytes(range(256)) * 5
    (tmp_path / "a").write_bytes(data)
    assert sha256(tmp_path / "a", chunk=7) == hashlib.sha256(data).hexdigest()
