"""Reading a piece of a corpus as it was planned."""

from ..text.corpus import is_jsonl, read_blocks
from .division import check_unchanged


def read_piece(files, piece, settings):
    """Yield the blocks of a piece as (lines, bytes consumed); ``""`` ends a document.

    Raises:
        InputError: unreadable text, or a file that is not what it was when planned.
    """
    file = files[piece.file]
    blanks_count = settings["blanks_separate_docs"] or is_jsonl(file.path)
    check_unchanged(file)
    for lines, consumed in read_blocks(file.path, piece.start, piece.end, settings["text_key"]):
        yield (lines if blanks_count else [line for line in lines if line]), consumed
    check_unchanged(file)
