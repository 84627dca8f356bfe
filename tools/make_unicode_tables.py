"""Write paddle_electra/text/unicode_tables.py from the Unicode database of this Python.

The tokenizer must give the same tokens under every Python, so it carries its own tables, made
once with Unicode 15.1 (Python 3.13):

    python3.13 tools/make_unicode_tables.py paddle_electra/text/unicode_tables.py
"""

import sys
import textwrap
import unicodedata
from pathlib import Path

CODE_POINTS = range(sys.maxunicode + 1)
HANGUL_SYLLABLES = range(0xAC00, 0xD7A4)

HEADER = '''"""Unicode {version} as the tokenizer needs it; made by tools/make_unicode_tables.py.

A set of code points is a string of ``gap+length`` in hexadecimal: skip ``gap`` code points after
the end of the last range, then take ``length``.
"""

UNICODE_VERSION = "{version}"
'''


CATEGORIES = [unicodedata.category(chr(code)) for code in CODE_POINTS]
CHARACTERS = [code for code in CODE_POINTS if CATEGORIES[code] not in ("Cn", "Co", "Cs")]


def is_mark(character):
    return unicodedata.category(character) == "Mn"


def settle(code):
    """Lower-case, decompose (NFD), drop category Mn: what the uncased model sees of a character."""
    decomposed = unicodedata.normalize("NFD", chr(code).lower())
    return "".join(character for character in decomposed if not is_mark(character))


def skipped_by_sigma(code):
    """Case-ignorable: looked through when deciding whether a capital sigma ends its word."""
    return f"A\u03a3{chr(code)}A".lower()[1] == "\u03c3" and not stops_sigma(code)


def stops_sigma(code):
    """Cased: a capital sigma before such a character does not end its word."""
    return f"A\u03a3{chr(code)}".lower()[1] == "\u03c3"


def ranges(codes):
    """Sorted code points as ``gap+length`` items."""
    items, end, codes = [], 0, list(codes)
    position = 0
    while position < len(codes):
        start = codes[position]
        length = 1
        while position + length < len(codes) and codes[position + length] == start + length:
            length += 1
        items.append(f"{start - end:x}+{length:x}")
        end = start + length
        position += length
    return items


def runs(mapping):
    """{source: target} as ``source:count:source step:target:target step`` items."""
    items = []
    pairs = sorted(mapping.items())
    position = 0
    while position < len(pairs):
        source, target = pairs[position]
        count, source_step, target_step = 1, 1, 0
        if position + 1 < len(pairs):
            source_step = pairs[position + 1][0] - source
            target_step = pairs[position + 1][1] - target
            while position + count < len(pairs) and pairs[position + count] == (
                source + count * source_step,
                target + count * target_step,
            ):
                count += 1
        if count == 1:
            source_step, target_step = 1, 0
        items.append(f"{source:x}:{count:x}:{source_step:x}:{target:x}:{target_step:x}")
        position += count
    return items


def assignment(name, comment, items):
    lines = textwrap.wrap(" ".join(items), 92, break_long_words=False, break_on_hyphens=False)
    if len(lines) == 1:
        return f'\n# {comment}\n{name} = "{lines[0]} "\n'
    body = "\n".join(f'    "{line} "' for line in lines)
    return f"\n# {comment}\n{name} = (\n{body}\n)\n"


def tables():
    """The text of the module."""
    removed = [c for c in CODE_POINTS if CATEGORIES[c][0] == "C" and chr(c) not in "\t\n\r"]
    settled = {code: settle(code) for code in CHARACTERS if code not in HANGUL_SYLLABLES}
    marks = [code for code in CHARACTERS if CATEGORIES[code] == "Mn"]
    changed = {code: text for code, text in settled.items() if text != chr(code)}
    vanishing = {code for code, text in changed.items() if not text}
    if vanishing != set(marks):
        raise SystemExit("a character other than a mark vanishes: the tables cannot say this")
    classes = {c: unicodedata.combining(chr(c)) for c in CHARACTERS}
    parts = [
        HEADER.format(version=unicodedata.unidata_version),
        assignment(
            "REMOVED",
            "Category C* (control, format, private, surrogate, unassigned) but not tab, LF, CR.",
            ranges(removed),
        ),
        assignment(
            "SPACES", "Category Zs.", ranges(c for c in CHARACTERS if CATEGORIES[c] == "Zs")
        ),
        assignment(
            "PUNCTUATION",
            "Category P*.",
            ranges(c for c in CHARACTERS if CATEGORIES[c][0] == "P"),
        ),
        assignment("MARKS", "Category Mn: dropped by the uncased tokenizer.", ranges(marks)),
        assignment(
            "STARTER_MARKS",
            "Those of MARKS with canonical combining class 0: nothing is reordered across them.",
            ranges(code for code in marks if classes[code] == 0),
        ),
        assignment(
            "COMBINING",
            "code:canonical combining class, of characters other than marks.",
            (f"{c:x}:{classes[c]:x}" for c in CHARACTERS if classes[c] and CATEGORIES[c] != "Mn"),
        ),
        assignment("CASED", "Cased characters.", ranges(c for c in CHARACTERS if stops_sigma(c))),
        assignment(
            "CASE_IGNORABLE",
            "Case-ignorable characters.",
            ranges(c for c in CHARACTERS if skipped_by_sigma(c)),
        ),
        assignment(
            "SETTLED",
            "Lower-cased, decomposed, without marks, where that is one other character:\n"
            "# source:count:source step:target:target step.",
            runs({code: ord(text) for code, text in changed.items() if len(text) == 1}),
        ),
        assignment(
            "EXPANDED",
            "The same where it is several (Hangul syllables apart): source=target,target...",
            (
                f"{code:x}=" + ",".join(f"{ord(character):x}" for character in text)
                for code, text in changed.items()
                if len(text) > 1
            ),
        ),
    ]
    return "".join(parts)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(tables(), encoding="utf-8", newline="\n")
