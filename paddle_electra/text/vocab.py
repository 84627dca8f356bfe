"""Vocabulary files: one token a line, its id the number of the line."""

from pathlib import Path
from typing import NamedTuple

from ..errors import InputError
from ..files import atomic_write, read_errors

PAD, UNK, CLS, SEP, MASK = SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


class Vocabulary(NamedTuple):
    """What a vocabulary file says.

    ``tokens[i]`` is line i; ``ids`` maps a token to its id, of equal lines the last; ``content``
    is the file as it stands, in bytes.
    """

    tokens: list
    ids: dict
    content: bytes


def read_vocab(path):
    """Read a vocabulary file as the original does (PARITY 20, `load_vocab` of tokenization.py).

    Lines end at LF only and are stripped of white space; every line counts, the blank and the
    repeated ones too; of equal lines the last gives the id.  A byte order mark is left out.

    Raises:
        InputError: the file is missing, empty or not UTF-8 (naming the byte).
    """
    path = Path(path)
    with read_errors(path, "vocabulary file"):
        content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: byte {error.start} is not UTF-8; a vocabulary is UTF-8 text, one token a line"
        ) from None
    if not text.strip():
        raise InputError(f"{path}: the vocabulary is empty; it needs one token a line")
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    tokens = [line.strip() for line in lines]
    return Vocabulary(tokens, {token: number for number, token in enumerate(tokens)}, content)


def check_special_tokens(vocabulary, path):
    """Raise `InputError` naming file and tokens unless all of `SPECIAL_TOKENS` are there."""
    missing = [token for token in SPECIAL_TOKENS if token not in vocabulary.ids]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise InputError(
            f"{path}: {', '.join(missing)} {verb} missing; a vocabulary needs a line for each of "
            f"{' '.join(SPECIAL_TOKENS)}"
        )


def write_vocab(path, tokens):
    """Write ``tokens`` one a line, atomically."""
    with atomic_write(path) as handle:
        handle.writelines(f"{token}\n" for token in tokens)
