"""Cutting lines of Chinese text into sentences, without losing a character.

A sentence ends behind 。！？； or …… and the closing quotes and brackets that follow.  ASCII .!?
end one where that is nearly sure: behind a Chinese character, or before a space, but not in a
number, an abbreviation, an address or the numbering of a list.
"""

import re

_STRONG = frozenset("。！？；｡…⋯")
_CLOSERS = r"”’」』）】〕〗｣)\]}\""
# A run of marks and closers, such as 。” or ？！） or ……。, and the blanks behind it.
_CANDIDATE = re.compile(
    rf"(?:(?:[。！？；｡．.!?]|[…⋯]{{2}})[…⋯]*[{_CLOSERS}]*)+(?P<blanks>[ \t　]*)"
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
    line = line.strip()
    pieces, start, quotes, counted = [], 0, 0, 0
    for match in _CANDIDATE.finditer(line):
        end = match.end()
        if end == len(line):
            break
        if '"' in match.group():
            quotes += line.count('"', counted, end)
            counted = end
            if quotes % 2:  # the last one opens what follows
                end = line.rindex('"', 0, end)
        if end > match.start() and _ends_sentence(line, start, match, end):
            pieces.append(line[start:end])
            start = end
    pieces.append(line[start:])
    return pieces


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
    word = _WORD_BEFORE.search(line, max(start, mark_at - _LONGEST_WORD), mark_at)
    word = word.group() if word else ""
    if not spaced:
        question = line[mark_at] != "." and not ("/" in word or "=" in word)
        return question and bool(word) and _CHINESE.match(following) is not None
    if following.islower():
        return False
    if line[mark_at] != "." or match.group().strip() != ".":
        return bool(word)
    return bool(word) and not _is_abbreviation(word.lstrip("([{\"'"), line, start, mark_at)


def _is_abbreviation(word, line, start, mark_at):
    """Does the full stop behind ``word`` belong to it: Fig. or U.S. or, heading a list, 12.?"""
    if _ABBREVIATION.fullmatch(word) or _INITIALS.match(word):
        return True
    return word.isdigit() and not line[start:mark_at].removesuffix(word).strip()
