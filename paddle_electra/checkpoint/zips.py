"""Zip archives that may be damaged or hostile: opening them, and what reading them raises."""

import contextlib
import io
import struct
import zipfile
import zlib

_LARGEST_DIRECTORY = 1 << 20  # bytes; some ten thousand members

# What `zipfile` raises for an archive that is not sound.
DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
    OSError,
)


class _File(io.BufferedReader):
    """A file that gives no large piece while its directory is read.

    `zipfile` reads the directory in one piece and makes objects of ten times its size of it.
    """

    opening = True

    def read(self, size=-1):
        if self.opening and size is not None and size > _LARGEST_DIRECTORY:
            raise zipfile.BadZipFile(f"its directory claims {size:,} bytes")
        return super().read(size)


@contextlib.contextmanager
def open_zip(path):
    """A `zipfile.ZipFile` for reading.  Raises one of `DAMAGE`."""
    with _File(io.FileIO(path)) as file, zipfile.ZipFile(file) as archive:
        file.opening = False
        yield archive


def check_name(archive, member):
    """Raise one of `DAMAGE` when a member's own header and the directory call it differently.

    A member that is read is checked anyway; one that is not wanted may be so because a byte of its
    name in the directory is damaged.
    """
    archive.open(member).close()
