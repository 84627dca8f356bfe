"""What the original's BasicTokenizer does to characters, for whole arrays of code points.

Every decision rests on `unicode_tables` (Unicode 15.1), never on the Unicode database of the
running Python, so the same text gives the same tokens everywhere.
"""

import functools
from typing import NamedTuple

import numpy as np

from . import unicode_tables

LINE_FEED = 0x0A
CAPITAL_SIGMA, FINAL_SIGMA = 0x3A3, 0x3C2
CODE_POINTS = 0x110000

# Kinds of characters.  A text with none but the first three settles one to one.
WORD, SPACE, ALONE, GONE, EXPANDED, COMBINING, SIGMA = range(7)

# Exactly the blocks of the original's _is_chinese_char.
CJK = (
    (0x4E00, 0xA000),
    (0x3400, 0x4DC0),
    (0x20000, 0x2A6E0),
    (0x2A700, 0x2B740),
    (0x2B740, 0x2B820),
    (0x2B820, 0x2CEB0),
    (0xF900, 0xFB00),
    (0x2F800, 0x2FA20),
)
# Besides category P*: ASCII that is neither letter, digit, space nor control.
ASCII_PUNCTUATION = ((33, 48), (58, 65), (91, 97), (123, 127))


class Settled(NamedTuple):
    """A text ready to be cut into words.

    ``codes``: code points after cleaning, lower-casing and decomposition, [n] uint32;
    ``kinds``: WORD, SPACE or ALONE (Chinese character or punctuation, a word of its own), [n];
    ``source``: the index in the given text each came from, [n], or None for "the same".
    """

    codes: np.ndarray
    kinds: np.ndarray
    source: np.ndarray | None

    def word_spans(self):
        """(starts, ends) of the runs of kind WORD."""
        flags = np.concatenate([[False], self.kinds == WORD, [False]])
        edges = np.flatnonzero(flags[1:] != flags[:-1])
        return edges[::2], edges[1::2]

    def words(self):
        """The runs of kind WORD, a list of str."""
        # No character of a word is white space to Python.
        spaced = np.where(self.kinds == WORD, self.codes, np.uint32(0x20))
        return spaced.tobytes().decode("utf-32-le").split()


class Tables(NamedTuple):
    """Per code point: its kind, how many code points it settles to, and the first of them."""

    kinds: np.ndarray
    lengths: np.ndarray
    targets: np.ndarray
    expansions: dict
    marks: np.ndarray  # bool: falls away as a mark, not as a control character


def parse_ranges(text):
    """The (start, stop) pairs of a table of `unicode_tables`."""
    end, pairs = 0, []
    for item in text.split():
        gap, length = (int(number, 16) for number in item.split("+"))
        pairs.append((end + gap, end + gap + length))
        end += gap + length
    return pairs


def _fill(array, pairs, value):
    for start, stop in pairs:
        array[start:stop] = value


@functools.lru_cache(maxsize=2)
def tables(lower):
    """The `Tables` of the uncased (``lower``) or the cased tokenizer."""
    kinds = np.full(CODE_POINTS, WORD, np.uint8)
    lengths = np.ones(CODE_POINTS, np.uint8)
    targets = np.arange(CODE_POINTS, dtype="<u4")
    marks = np.zeros(CODE_POINTS, bool)
    expansions = {}
    _fill(kinds, parse_ranges(unicode_tables.PUNCTUATION), ALONE)
    _fill(kinds, ASCII_PUNCTUATION, ALONE)
    if lower:
        _settle_tables(kinds, targets, expansions)
        _fill(marks, parse_ranges(unicode_tables.MARKS), True)
        kinds[marks] = GONE
    _fill(kinds, CJK, ALONE)
    _fill(kinds, parse_ranges(unicode_tables.SPACES), SPACE)
    kinds[[0x09, 0x0A, 0x0D, 0x2028, 0x2029]] = SPACE
    _fill(kinds, parse_ranges(unicode_tables.REMOVED), GONE)
    kinds[0xFFFD] = GONE
    lengths[kinds == GONE] = 0
    for code, expansion in expansions.items():
        lengths[code] = len(expansion)
    return Tables(kinds, lengths, targets, expansions, marks)


def _settle_tables(kinds, targets, expansions):
    """Lower-casing, NFD and removal of marks, in place."""
    for item in unicode_tables.SETTLED.split():
        source, count, step, target, target_step = (int(number, 16) for number in item.split(":"))
        steps = np.arange(count)
        targets[source + step * steps] = target + target_step * steps
    kinds[:] = kinds[targets]
    for item in unicode_tables.EXPANDED.split():
        source, text = item.split("=")
        expansions[int(source, 16)] = [int(code, 16) for code in text.split(",")]
    for code in range(0xAC00, 0xD7A4):
        syllable = code - 0xAC00
        jamo = [0x1100 + syllable // 588, 0x1161 + syllable % 588 // 28, 0x11A7 + syllable % 28]
        expansions[code] = jamo if jamo[2] != 0x11A7 else jamo[:2]
    kinds[list(expansions)] = EXPANDED
    kinds[list(_combining_classes())] = COMBINING
    kinds[CAPITAL_SIGMA] = SIGMA


def code_points(text):
    """The code points of ``text``, [n] uint32; lone surrogates are kept as they are."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")


def settle(codes, lower):
    """Clean, lower-case, decompose and classify an array of code points.

    Equal to the original's clean_text, Chinese spacing, lower-casing, NFD and removal of marks
    (PARITY 20); words are then the runs of kind WORD, and each ALONE by itself.

    Args:
        codes: [n] unsigned integers.
        lower: the original's do_lower_case.
    """
    table = tables(lower)
    kinds = table.kinds[codes]
    if not len(codes) or kinds.max() <= ALONE:
        return Settled(table.targets[codes], kinds, None)
    source = np.repeat(np.arange(len(codes)), table.lengths[codes])
    settled = table.targets[codes[source]]
    settled_kinds = kinds[source]
    expanded = np.flatnonzero(settled_kinds == EXPANDED)
    if len(expanded):
        originals = codes[np.flatnonzero(kinds == EXPANDED)].tolist()
        settled[expanded] = [part for code in originals for part in table.expansions[code]]
    for position in np.flatnonzero(kinds == SIGMA).tolist():
        if _is_final_sigma(codes, position):
            settled[np.searchsorted(source, position)] = FINAL_SIGMA
    if lower:
        settled = _reorder(codes, settled, source)
    settled_kinds[settled_kinds > ALONE] = WORD
    return Settled(settled, settled_kinds, source)


def _is_final_sigma(codes, position):
    """Whether a capital sigma ends its word: a cased letter before it, none after it."""
    return _meets_cased(codes, position, -1) and not _meets_cased(codes, position, 1)


def _meets_cased(codes, position, step):
    cased, ignored = _sigma_context()
    position += step
    while 0 <= position < len(codes) and ignored[codes[position]]:
        position += step
    return 0 <= position < len(codes) and bool(cased[codes[position]])


@functools.lru_cache(maxsize=1)
def _sigma_context():
    """Per code point: is it cased; is it to be looked through, case-ignorable or removed?"""
    cased, ignored = np.zeros(CODE_POINTS, bool), np.zeros(CODE_POINTS, bool)
    ignored[0xFFFD] = True
    for table in (unicode_tables.CASE_IGNORABLE, unicode_tables.REMOVED):
        _fill(ignored, parse_ranges(table), True)
    _fill(cased, parse_ranges(unicode_tables.CASED), True)
    return cased & ~ignored, ignored


@functools.lru_cache(maxsize=1)
def _combining_classes():
    """{code point: canonical combining class} of the few that are combining but not marks (Mn)."""
    items = (item.split(":") for item in unicode_tables.COMBINING.split())
    return {int(code, 16): int(value, 16) for code, value in items}


@functools.lru_cache(maxsize=1)
def _starter_marks():
    flags = np.zeros(CODE_POINTS, bool)
    _fill(flags, parse_ranges(unicode_tables.STARTER_MARKS), True)
    return flags


def _reorder(codes, settled, source):
    """Put combining characters into canonical order, as NFD does.

    Marks are gone from ``settled`` by now, but one of class 0 between two combining characters
    keeps them apart.  Only the codes move: ``source`` stays in order, so offsets do too.
    """
    known = _combining_classes()
    combining = np.flatnonzero(np.isin(settled, list(known)))
    if len(combining) < 2:
        return settled
    classes = np.zeros(len(settled), np.int64)
    classes[combining] = [known[code] for code in settled[combining].tolist()]
    barriers = np.cumsum(_starter_marks()[codes])[source]
    order = np.lexsort((classes, barriers + np.cumsum(classes == 0)))
    return settled[order]
