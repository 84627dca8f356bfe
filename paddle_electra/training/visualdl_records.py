"""The file of VisualDL: records of points, each behind its length in eight bytes."""

import contextlib
import io
import struct
from pathlib import Path

from ..files import atomic_write, read_errors

# Always the same: VisualDL shows one file of a folder, so a run that is continued must go on in it.
FILE = "vdlrecords.run.log"
_LENGTH = struct.Struct("<Q")


def open_writer(folder, step):
    """A `visualdl.LogWriter` that goes on in the file of the folder.

    Args:
        folder: made if it is not there.
        step: the last step whose points stay in the file; with those of later ones goes what a kill
            left half written.
    """
    from visualdl import LogWriter

    _drop_after(Path(folder) / FILE, step)
    with contextlib.redirect_stdout(io.StringIO()):  # it says that it adds to a file
        return LogWriter(logdir=str(folder), file_name=FILE)


def _drop_after(file, step):
    if not file.exists():
        return
    with read_errors(file):
        content = file.read_bytes()
    kept = b"".join(_LENGTH.pack(len(data)) + data for data in _records(content, step))
    if kept != content:
        with atomic_write(file, "wb") as handle:
            handle.write(kept)


def _records(content, step):
    """The whole records in the bytes of a file but those of later steps."""
    from google.protobuf.message import DecodeError
    from visualdl.proto.record_pb2 import Record

    start = 0
    while start + _LENGTH.size <= len(content):
        (length,) = _LENGTH.unpack_from(content, start)
        data = content[start + _LENGTH.size :][:length]
        start += _LENGTH.size + length
        try:
            later = any(value.id > step for value in Record.FromString(data).values)
        except DecodeError:
            return
        if start <= len(content) and not later:
            yield data
