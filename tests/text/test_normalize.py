import re
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pure_python import PurePythonTokenizer

from paddle_electra.text import normalize, unicode_tables

# Characters whose category Unicode changed between 13.0 (Python 3.10) and 15.1.
RECATEGORISED = {0x1734}
SPECIAL = "ΣσΑΒ'.\u00ad\u0301\u0345\u0323\u093e\u09cb\u302e\U0001d165\u0b4b"
SPECIAL += "가힣İẞé中語，,a1 \t\n\u3000\u2028\u200b"
SPECIAL += "".join(map(chr, normalize._combining_classes())) + "\U0001d15e\u0f71\u0344\u0e31"


def words(text, lower):
    """The words of the fast path, in order."""
    settled = normalize.settle(normalize.code_points(text), lower)
    found, inside = [], False
    for code, kind in zip(settled.codes.tolist(), settled.kinds.tolist(), strict=True):
        if kind == normalize.WORD and inside:
            found[-1] += chr(code)
        elif kind != normalize.SPACE:
            found.append(chr(code))
        inside = kind == normalize.WORD
    return found


@pytest.fixture(scope="module", params=[True, False], ids=["uncased", "cased"])
def lower(request):
    return request.param


@pytest.fixture(scope="module")
def plain(vocab_file):
    return {lower: PurePythonTokenizer(vocab_file, lower) for lower in (True, False)}


def is_known(code):
    """Does the running Python know this code point as Unicode 15.1 does?"""
    return unicodedata.category(chr(code)) != "Cn" and code not in RECATEGORISED


def test_every_code_point_settles_as_in_plain_python(plain, lower):
    codes = [code for code in range(0xE000) if is_known(code)]
    codes += [code for code in range(0xF800, 0x20000) if is_known(code)]
    codes += [code for code in range(0x20000, 0x110000, 97) if is_known(code)]
    codes += [code for code in range(0x2F800, 0x2FA20) if is_known(code)]
    # A digit on a line of its own tells where each begins.
    got = words("".join(f"\n7\nA{chr(code)}b" for code in codes), lower)
    expected = []
    for code in codes:
        expected += ["7", *plain[lower].words(f"A{chr(code)}b")]
    assert got == expected


known_text = st.text(
    st.one_of(st.sampled_from(SPECIAL), st.characters(exclude_categories=["Cn"])), max_size=40
).filter(lambda text: all(map(is_known, map(ord, text))))


@settings(max_examples=300, deadline=None)
@given(known_text)
@example("ΟΔΥΣ, ΣΑΣ' Σ")
@example("Α\u200bΣ\u200bΑ ΑΣ\ufffdΑ")
@example("a\u302e\U0001d165b")
def test_random_text_settles_as_in_plain_python(plain, lower, text):
    assert words(text, lower) == plain[lower].words(text)


def test_combining_characters_are_put_in_canonical_order(plain):
    text = "a\u302e\U0001d165\u0327b a\u302e\u0e31\U0001d165"
    assert words(text, True) == plain[True].words(text)
    assert words(text, True)[0] == "a\U0001d165\u302eb"


def test_removed_categories_do_not_depend_on_the_running_python():
    newer_than_python_3_10 = "\U0001fae0\u2ffc\U00031350"
    assert words(newer_than_python_3_10, True) == [newer_than_python_3_10]
    assert words("a\U0003ffffb\ue000c\ud800d", True) == ["abcd"]


def test_source_points_back_at_the_given_characters():
    settled = normalize.settle(normalize.code_points("\u200b한e\u0301İ"), True)
    assert "".join(map(chr, settled.codes.tolist())) == "\u1112\u1161\u11abei"
    assert settled.source.tolist() == [1, 1, 1, 2, 4]


def test_empty_text_settles_to_nothing():
    assert words("", True) == [] and words("\u200b\x00", True) == []


def test_tables_are_what_the_tool_writes(tmp_path):
    """Where this Python has the same Unicode version; otherwise the head must name ours."""
    tool = Path(__file__).parents[2] / "tools/make_unicode_tables.py"
    made = tmp_path / "tables.py"
    subprocess.run([sys.executable, tool, made], check=True)
    text = made.read_text("utf-8")
    version = re.search('UNICODE_VERSION = "(.*)"', text).group(1)
    assert version == unicodedata.unidata_version
    if version == unicode_tables.UNICODE_VERSION:
        assert text == Path(unicode_tables.__file__).read_text("utf-8")
    changed = {}
    exec(text, changed)
    same = normalize.parse_ranges(changed["SPACES"])
    assert same == normalize.parse_ranges(unicode_tables.SPACES)
