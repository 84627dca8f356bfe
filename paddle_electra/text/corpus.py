"""Reading a corpus: documents and lines from plain text and JSON lines, packed or not.

Plain text (``.txt``, ``.txt.gz``, ``.gz``): one sentence or paragraph a line, a blank line
between documents.  JSON lines (``.jsonl``, ``.jsonl.gz``): one object a line, its text under a
key; every line feed inside the text ends a line, the end of the object ends the document.
Everything is UTF-8; a byte-order mark is dropped; lines end at LF, a CR before it is stripped.

Files are read in blocks of whole lines, so memory stays small whatever their size.
"""

import codecs
import contextlib
import gzip
import json
import os
import zlib
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from ..errors import InputError
from ..files import read_errors

SUFFIXES = (".txt", ".gz", ".jsonl")
BLOCK_BYTES = 1 << 17  # larger blocks are slower: their arrays leave the cache
STRAY_ZEROS = 1e-3  # share of zero bytes that may be in text; as the original, we overlook them
LONGEST_LINE = 1 << 26  # bytes; a longer one means a file without line ends

_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = b"\xff\xfe", b"\xfe\xff"
HEAD_BYTES = 1 << 16  # of each file, looked at before a long reading begins
FILES_NAMED = 20  # at most, in one message


class Block(NamedTuple):
    """Some consecutive lines of a file, stripped; ``""`` stands for the end of a document."""

    lines: list
    consumed: int  # bytes of the file on disk that it took, for a progress bar


def expand_inputs(inputs):
    """The readable files behind ``inputs``, a deterministic list.

    Args:
        inputs: a path or several; files in the given order, folders are searched to the bottom
            and give their files in the order of their names.  A file named twice counts once.
    Raises:
        InputError: nothing named, a missing path, a file of another kind, an empty folder.
    """
    if isinstance(inputs, (str, os.PathLike)):
        inputs = [inputs]
    files = []
    for item in map(Path, inputs):
        if item.is_dir():
            files.extend(_files_in(item))
        elif not item.exists():
            raise InputError(f"{item}: no such file or folder")
        elif not _is_readable(item):
            raise InputError(f"{item}: expected a file named *{', *'.join(SUFFIXES)}, or a folder")
        else:
            files.append(item)
    if not files:
        raise InputError("no input: name at least one file or folder")
    unique = {}
    for file in files:
        unique.setdefault(file.resolve(), file)
    return list(unique.values())


def _files_in(folder):
    found = _all_files(folder)
    files = sorted((file for file in found if _is_readable(file)), key=lambda file: file.parts)
    if not files:
        raise InputError(f"{folder}: no file named *{', *'.join(SUFFIXES)} in this folder")
    return files


def _all_files(folder):
    found, seen = [], set()
    for parent, folders, names in os.walk(folder, onerror=_refuse, followlinks=True):
        real = os.path.realpath(parent)
        if real in seen:  # a symbolic link back up
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(parent, name) for name in names if not name.startswith(".")]
    return found


def _refuse(error):
    raise InputError(f"{error.filename}: this folder cannot be listed ({error.strerror})")


def passed_over(inputs):
    """What `expand_inputs` left out of folders, as " (2 of other endings passed over: .md, .pdf)".

    Text in a file of an unexpected ending is missed by nobody otherwise.
    """
    folders = [item for item in map(Path, inputs) if item.is_dir()]
    files = {file for folder in folders for file in _all_files(folder) if not _is_readable(file)}
    if not files:
        return ""
    counts = Counter(file.suffix or "none" for file in files)
    endings = [ending for ending, _ in counts.most_common()]
    kind = "another ending" if len(endings) == 1 else "other endings"
    shown = ", ".join(endings[:5]) + (", ..." if len(endings) > 5 else "")
    return f" ({len(files):,} of {kind} passed over: {shown})"


def check_encodings(files):
    """Refuse files that do not begin as UTF-8 text, all of them at once, before a long reading.

    Raises:
        InputError: names one with its byte, as `read_blocks` would, or at most `FILES_NAMED`.
    """
    wrong, utf16 = [], 0
    for file in files:
        if (data := _undecodable_head(file)) is not None:
            utf16 += data.startswith(_UTF16_BOMS)
            wrong.append(f"{file} (UTF-16)" if data.startswith(_UTF16_BOMS) else str(file))
            bad_file = file
    if len(wrong) == 1:
        _decode(_undecodable_head(bad_file), bad_file, 0)
    if wrong:
        more = ", ..." if len(wrong) > FILES_NAMED else ""
        cures = ["iconv -f GB18030 -t UTF-8"] if utf16 < len(wrong) else []
        cures += ["iconv -f UTF-16 -t UTF-8"] if utf16 else []
        raise InputError(
            f"{len(wrong)} of {len(files)} files are not UTF-8 text: "
            f"{', '.join(wrong[:FILES_NAMED])}{more}; convert them first, for example with: "
            f"{', or: '.join(cures)}"
        )


def _undecodable_head(file):
    """The beginning of a file if it is not UTF-8, else None."""
    with _opened(file) as raw:
        handle = gzip.GzipFile(fileobj=raw) if is_packed(file) else raw
        data = _read(handle, HEAD_BYTES, file)
    try:
        codecs.getincrementaldecoder("utf-8")().decode(data)  # the last character may be cut
    except UnicodeDecodeError:
        return data
    return None


def _is_readable(path):
    return path.suffix.lower() in SUFFIXES


def is_packed(path):
    """Is it a gzip file, which can only be read from its beginning?"""
    return Path(path).suffix.lower() == ".gz"


def is_jsonl(path):
    """Does it hold JSON lines (packed or not)?"""
    path = Path(path)
    suffix = Path(path.stem).suffix if is_packed(path) else path.suffix
    return suffix.lower() == ".jsonl"


def read_lines(path, start=0, end=None, text_key="text"):
    """Yield the stripped text lines of a file, ``""`` for a blank line or the end of a document.

    Arguments and errors are those of `read_blocks`.
    """
    for block in read_blocks(path, start, end, text_key):
        yield from block.lines


def read_documents(path, start=0, end=None, text_key="text"):
    """Yield each document as a list of its non-blank lines; no document is empty.

    One document at a time is held in memory; for documents of any size use `read_lines`.
    Arguments and errors are those of `read_blocks`.
    """
    document = []
    for line in read_lines(path, start, end, text_key):
        if line:
            document.append(line)
        elif document:
            yield document
            document = []
    if document:
        yield document


def read_blocks(path, start=0, end=None, text_key="text"):
    """Yield a file as a sequence of `Block` of about ``BLOCK_BYTES``.

    Args:
        start, end: byte range, at line ends (see `boundary_after`); packed files only whole.
        text_key: where the text is in an object of a ``.jsonl`` file.
    Raises:
        InputError: missing or unreadable file, not UTF-8 (with the byte), binary, a broken
            gzip, a line that is no JSON object with the key (with the line), an endless line.
    """
    path = Path(path)
    if is_packed(path) and (start or end is not None):
        raise ValueError(f"{path}: a packed file has no byte ranges")
    jsonl = is_jsonl(path)
    for data, offset, consumed in _byte_blocks(path, start, end):
        lines = _decode(data, path, offset).split("\n")
        if lines[-1] == "":
            lines.pop()
        if jsonl:
            lines = _unpack_json_lines(lines, path, offset, text_key)
        yield Block([line.strip() for line in lines], consumed)


def boundary_after(path, offset, search=1 << 20):
    """The first document boundary of an unpacked file at or after byte ``offset``.

    Plain text: just behind a blank line; where none follows within ``search`` bytes, at the
    first line end.  JSON lines: the first line end.  At most the size of the file.
    """
    with _opened(path) as handle:
        handle.seek(max(0, offset - 1))
        if offset:
            _read_line(handle, path)  # the rest of the line that ``offset`` lies in
        line_end = position = handle.tell() if offset else 0
        if is_jsonl(path):
            return line_end
        while line := _read_line(handle, path):
            position += len(line)
            if not line.strip():
                return position
            if position - offset > search:
                return line_end
        return position


@contextlib.contextmanager
def _opened(path):
    with read_errors(path), open(path, "rb") as handle:
        yield handle


def _byte_blocks(path, start, end):
    """Yield (bytes of whole lines, their offset in the text, bytes consumed on disk)."""
    with _opened(path) as raw:
        handle = gzip.GzipFile(fileobj=raw) if is_packed(path) else raw
        handle.seek(start)
        offset, rest, reported = start, b"", raw.tell()
        while True:
            wanted = BLOCK_BYTES if end is None else min(BLOCK_BYTES, end - offset - len(rest))
            data = _read(handle, wanted, path)
            cut = data.rfind(b"\n") + 1
            block, rest = (rest + data[:cut], data[cut:]) if cut else (b"", rest + data)
            if not data:
                block, rest = rest, b""
            if len(rest) > LONGEST_LINE:
                raise _endless_line(path, offset + len(block))
            if block:
                yield block, offset, raw.tell() - reported
                reported = raw.tell()
            offset += len(block)
            if not data:
                return


def _read_line(handle, path):
    line = handle.readline(LONGEST_LINE)
    if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
        raise _endless_line(path, handle.tell() - len(line))
    return line


def _endless_line(path, offset):
    return InputError(
        f"{path}: a line longer than {LONGEST_LINE >> 20} MB at byte {offset}; expected text "
        f"with line feeds, one sentence or paragraph a line"
    )


def _read(handle, size, path):
    try:
        return handle.read(size)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(
            f"{path}: not a whole gzip file ({error}); unpack or copy it again"
        ) from None


def _decode(data, path, offset):
    if offset == 0 and data.startswith(_BOM):
        data, offset = data[len(_BOM) :], len(_BOM)
    utf16 = offset == 0 and data.startswith(_UTF16_BOMS)
    if data.count(b"\0") > len(data) * STRAY_ZEROS and not utf16:
        raise InputError(
            f"{path}: a zero byte at byte {offset + data.index(0)}: a binary file "
            f"(or UTF-16 text); expected UTF-8 text"
        )
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        place = f"{path}: not UTF-8 text at byte {offset + error.start}"
        if utf16:
            raise InputError(
                f"{place} but UTF-16; convert it first, with: iconv -f UTF-16 -t UTF-8"
            ) from None
        raise InputError(
            f"{place}; convert it first, for example with: iconv -f GB18030 -t UTF-8"
        ) from None


def _unpack_json_lines(lines, path, offset, text_key):
    unpacked = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            text = _whole_characters(json.loads(line)[text_key], line)
            unpacked.extend(inner for inner in text.split("\n") if inner.strip())
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise InputError(
                f"{path}: line {number + _line_feeds_before(path, offset)}: expected a JSON object "
                f'with text under the key "{text_key}", like {{"{text_key}": "..."}}'
            ) from None
        unpacked.append("")
    return unpacked


def _whole_characters(text, line):
    """Replace halves of surrogate pairs, which JSON escapes can spell and UTF-8 cannot."""
    if "\\ud" in line or "\\uD" in line:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _line_feeds_before(path, offset):
    count = 0
    for data, position, _ in _byte_blocks(path, 0, None):
        if position >= offset:
            break
        count += data.count(b"\n")
    return count
