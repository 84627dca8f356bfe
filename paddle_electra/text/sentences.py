"""Cutting lines of Chinese text into sentences, without losing a character.

A sentence ends behind 。！？； or …… and the closing quotes and brackets that follow.  ASCII .!?
end one where that is nearly sure: behind a Chinese character, or before a space, but not in a
number, an abbreviation, an address or the numbering of a list.
"""

import itertools
import re

_STRONG = frozenset("。！？；｡…⋯")
_CLOSERS = r"”’」』）】〕〗｣)\]}\""
_MARKS = "。！？；｡．.!?"
_CLOSED = rf"[…⋯]*[{_CLOSERS}]*"
# A run of marks and closers, such as 。” or ？！） or ……, and the blanks behind it.  Its first mark
# stands alone in the pattern, as a set that the regular expression engine looks for quickly.
_CANDIDATE = re.compile(
    rf"[{_MARKS}…⋯](?:(?<=[{_MARKS}])|[…⋯]){_CLOSED}"
    rf"(?:(?:[{_MARKS}]|[…⋯]{{2}}){_CLOSED})*(?P<blanks>[ \t　]*)"
)
_CONTINUES = frozenset("》〉，、：；·～%％,:;—–-")  # in a title, before a comma
_CHINESE = re.compile(r"[⺀-鿿豈-﫿＀-￯\U00020000-\U0003ffff”’」』）】》]")
_WORD_BEFORE = re.compile(r"[^\s⺀-鿿＀-￯]+$")
_ABBREVIATION = re.compile(
    "mr|mrs|ms|dr|prof|st|jr|sr|vs|nos?|vol|pp|figs?|eq|sec|ch|inc|ltd|co|corp|univ|dept|etc|al|cf|"
    "ca|approx|eds?|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec",
    re.IGNORECASE,
)
_INITIALS = re.compile(r"(?:[A-Za-z]\.)*[A-Za-z]$")  # J or U.S or e.g
_LONGEST_WORD = 40


def split_sentences(line):
    """The sentences of ``line``, a list of at least one text.

    Joined they are the stripped line: blanks between two sentences stay with the first.  A line
    without an end mark, however long, is one sentence.
    """
    return split_lines([line.strip()])


def split_lines(lines):
    """The sentences of all lines, one after the other; of a blank line ``""``.

    Args:
        lines: texts without a line feed or blanks at their ends.
    """
    text = "\n".join(lines)
    cuts = _find_cuts(text)
    if not cuts:
        return list(lines)
    pieces = [text[start:end] for start, end in itertools.pairwise([0, *cuts, len(text)])]
    return "\n".join(pieces).split("\n")


def _find_cuts(text):
    """Where in lines of text, parted by line feeds, sentences end that do not end their line."""
    cuts = []
    text += "\n"
    # Of the present line: where its last sentence begins, and the quotes up to ``counted``.
    start = quotes = counted = searched = 0
    for match in _CANDIDATE.finditer(text):
        begin, end = match.span()
        following = text[end]
        if following == "\n":
            continue
        if end - begin == 1:  # the most common kinds, settled quickly
            if text[begin] in _STRONG:
                if following not in _CONTINUES:
                    cuts.append(end)
                    start = end
                continue
            if text[begin] == "." and following.isascii() and following.isalnum():
                continue
        line_feed = text.rfind("\n", searched, begin)
        searched = begin
        if line_feed >= 0:
            counted = line_feed + 1
            start = max(start, counted)
            quotes = 0
        if text.find('"', begin, end) >= 0:
            quotes += text.count('"', counted, end)
            counted = end
            if quotes % 2:  # the last one opens what follows
                end = text.rindex('"', 0, end)
        if end > begin and _ends_sentence(text, start, match, end):
            cuts.append(end)
            start = end
    return cuts


def _ends_sentence(line, start, match, end):
    if line[end] in _CONTINUES:
        return False
    if line[match.start()] in _STRONG or not _STRONG.isdisjoint(match.group()):
        return True
    if line[match.start()] == "．":  # the full stop of mathematical texts, also a decimal point
        return not line[max(0, match.start() - 1) : match.start()].isdigit()
    return _ascii_mark_ends(line, start, match, line[end])


def _ascii_mark_ends(line, start, match, following):
    mark_at = match.start()
    spaced = match.end("blanks") > match.start("blanks")
    if mark_at > start and _CHINESE.match(line[mark_at - 1]):
        return spaced or not (following.isascii() and following.isalnum())
    if following.islower() if spaced else line[mark_at] == ".":
        return False
    word = _WORD_BEFORE.search(line, max(start, mark_at - _LONGEST_WORD), mark_at)
    word = word.group() if word else ""
    if not spaced:
        address = "/" in word or "=" in word
        return not address and bool(word) and _CHINESE.match(following) is not None
    if line[mark_at] != "." or match.group().strip() != ".":
        return bool(word)
    return bool(word) and not _is_abbreviation(word.lstrip("([{\"'"), line, start, mark_at)


def _is_abbreviation(word, line, start, mark_at):
    """Does the full stop behind ``word`` belong to it: Fig. or U.S. or, heading a list, 12.?"""
    if _ABBREVIATION.fullmatch(word) or _INITIALS.match(word):
        return True
    return word.isdigit() and not line[start:mark_at].removesuffix(word).strip()
