"""Reading of corpora: kinds of files, documents, byte ranges, and what is said of bad files."""

import errno
import gzip
import json
import os

import pytest

from paddle_electra.errors import InputError
from paddle_electra.text import corpus

DOCUMENTS = [["第一句。", "第二句。"], ["另一篇文章。"], ["第三篇，", "有两行。"]]


def plain(documents, line_end="\n"):
    return (line_end * 2).join(line_end.join(lines) for lines in documents).encode() + b"\n"


def json_lines(documents, key="text"):
    rows = [json.dumps({"id": 7, key: "\n".join(lines)}) for lines in documents]
    return ("\n".join(rows) + "\n").encode()


def write(path, data):
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.txt", plain(DOCUMENTS)),
        ("a.TXT", plain(DOCUMENTS, "\r\n")),
        ("a.txt", b"\xef\xbb\xbf\n \n" + plain(DOCUMENTS).replace(b"\n\n", "\n\n　\n".encode())),
        ("a.txt", plain(DOCUMENTS).rstrip()),
        ("a.txt.gz", gzip.compress(plain(DOCUMENTS), mtime=0)),
        (
            "a.gz",
            gzip.compress(plain(DOCUMENTS[:1]) + b"\n", mtime=0)
            + gzip.compress(plain(DOCUMENTS[1:]), mtime=0),
        ),
        ("a.jsonl", json_lines(DOCUMENTS).replace(b"\\n", b"\\n\\r\\n")),
        ("a.jsonl", b"\xef\xbb\xbf" + json_lines(DOCUMENTS) + b"\n"),
        ("a.jsonl.gz", gzip.compress(json_lines(DOCUMENTS), mtime=0)),
    ],
)
@pytest.mark.parametrize("block", [1, 7, 1 << 18])
def test_documents_of_every_kind_of_file(tmp_path, monkeypatch, name, data, block):
    monkeypatch.setattr(corpus, "BLOCK_BYTES", block)
    path = write(tmp_path / name, data)
    assert list(corpus.read_documents(path)) == DOCUMENTS
    lines = list(corpus.read_lines(path))
    assert [line for line in lines if line] == [line for lines in DOCUMENTS for line in lines]


def test_lines_end_at_line_feeds_only(tmp_path):
    path = write(tmp_path / "a.txt", "甲\u2028乙\x0b丙\x85丁\r戊\r\n己".encode())
    assert list(corpus.read_lines(path)) == ["甲\u2028乙\x0b丙\x85丁\r戊", "己"]


def test_json_text_under_another_key_with_broken_surrogates(tmp_path):
    path = write(tmp_path / "a.jsonl", b'{"body": "\\ud83d\\ude00 \\uD83D \xe5\xa5\xbd"}\n')
    assert list(corpus.read_documents(path, text_key="body")) == [["😀 \ufffd 好"]]


def test_consumed_bytes_add_up_to_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(corpus, "BLOCK_BYTES", 50)
    data = plain(DOCUMENTS * 20)
    for name, content in [("a.txt", data), ("b.txt.gz", gzip.compress(data, mtime=0))]:
        path = write(tmp_path / name, content)
        assert sum(block.consumed for block in corpus.read_blocks(path)) == len(content)


@pytest.mark.parametrize("kind", ["txt", "jsonl"])
def test_cutting_anywhere_keeps_every_document_whole(tmp_path, kind):
    data = plain(DOCUMENTS) if kind == "txt" else json_lines(DOCUMENTS)
    path = write(tmp_path / f"a.{kind}", data)
    for offset in range(len(data) + 1):
        cut = corpus.boundary_after(path, offset)
        assert offset <= cut <= len(data)
        pieces = [corpus.read_documents(path, 0, cut), corpus.read_documents(path, cut)]
        assert [document for piece in pieces for document in piece] == DOCUMENTS


def test_a_document_without_blank_lines_is_cut_at_a_line_end(tmp_path):
    lines = [f"第{number}行" for number in range(100)]
    path = write(tmp_path / "a.txt", "\n".join(lines).encode())
    cut = corpus.boundary_after(path, 100, search=50)
    assert 100 <= cut < 150
    head, tail = list(corpus.read_lines(path, 0, cut)), list(corpus.read_lines(path, cut))
    assert head and tail and head + tail == lines


def test_folders_give_their_text_files_in_order(tmp_path):
    for name in ["b/z.txt", "b/a.jsonl", "a.gz", "b/c/d.jsonl.gz", "b/readme.md", ".git/x.txt"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        write(tmp_path / name, b"")
    (tmp_path / "b" / "loop").symlink_to(tmp_path)
    found = [str(path.relative_to(tmp_path)) for path in corpus.expand_inputs(tmp_path)]
    assert found == ["a.gz", "b/a.jsonl", "b/c/d.jsonl.gz", "b/z.txt"]
    twice = corpus.expand_inputs([tmp_path / "b" / "z.txt", str(tmp_path), tmp_path / "a.gz"])
    assert [path.name for path in twice] == ["z.txt", "a.gz", "a.jsonl", "d.jsonl.gz"]


def test_files_passed_over_are_counted_with_their_endings(tmp_path):
    write(tmp_path / "a.txt", b"")
    assert corpus.passed_over([tmp_path, tmp_path / "a.txt"]) == ""
    write(tmp_path / "5.md", b"")
    assert corpus.passed_over([tmp_path, tmp_path]) == " (1 of another ending passed over: .md)"
    for name in ("6.md", "wiki_00", ".hidden"):
        write(tmp_path / name, b"")
    expected = " (3 of other endings passed over: .md, none)"
    assert corpus.passed_over([str(tmp_path)]) == expected


def test_all_files_of_another_encoding_are_named_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(corpus, "HEAD_BYTES", 7)
    good = write(tmp_path / "good.txt", "天地玄黄".encode())  # the seventh byte is in a character
    bom = write(tmp_path / "bom.jsonl", b"\xef\xbb\xbf" + json_lines(DOCUMENTS))
    utf16 = write(tmp_path / "utf16.txt", "天 a\n".encode("utf-16"))
    chinese = [
        write(tmp_path / name, data)
        for name, data in [
            ("one.txt", "天地".encode("gb18030")),
            ("two.txt.gz", gzip.compress("天地".encode("gb18030"))),
        ]
    ]
    corpus.check_encodings([good, bom])
    with pytest.raises(InputError) as caught:
        corpus.check_encodings([good, utf16])
    assert str(caught.value) == (
        f"{utf16}: not UTF-8 text at byte 0 but UTF-16; convert it first, with: "
        f"iconv -f UTF-16 -t UTF-8"
    )
    with pytest.raises(InputError, match=r"one.txt: not UTF-8 text at byte 0; .* GB18030"):
        corpus.check_encodings([good, chinese[0]])
    with pytest.raises(InputError) as caught:
        corpus.check_encodings([chinese[0], good, utf16, chinese[1]])
    assert str(caught.value) == (
        f"3 of 4 files are not UTF-8 text: {chinese[0]}, {utf16} (UTF-16), {chinese[1]}; convert "
        f"them first, for example with: iconv -f GB18030 -t UTF-8, or: iconv -f UTF-16 -t UTF-8"
    )
    with pytest.raises(InputError) as caught:
        corpus.check_encodings(chinese[:1] * 30)
    assert str(caught.value).startswith("30 of 30 files")
    assert str(caught.value).count("one.txt") == corpus.FILES_NAMED


def test_inputs_that_are_not_there(tmp_path):
    (tmp_path / "empty").mkdir()
    write(tmp_path / "table.xlsx", b"PK")
    for item, message in [
        ("nowhere", "nowhere: no such file or folder"),
        ("empty", r"empty: no file named \*\.txt"),
        ("table.xlsx", r"table.xlsx: expected a file named \*\.txt"),
    ]:
        with pytest.raises(InputError, match=message):
            corpus.expand_inputs([tmp_path / item])
    with pytest.raises(InputError, match="name at least one"):
        corpus.expand_inputs([])


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.txt", "一行\n".encode() * 5 + "中文".encode("gb18030"), "not UTF-8 text at byte 35"),
        ("a.txt", b"\xef\xbb\xbfok\n\xff", "not UTF-8 text at byte 6"),
        ("a.txt", b"ab\nc\0d\n", "a zero byte at byte 4: a binary file"),
        ("a.gz", gzip.compress(b"ok\n\xff\n", mtime=0), "not UTF-8 text at byte 3"),
        ("a.gz", b"no gzip at all", "not a whole gzip file"),
        ("a.gz", gzip.compress(b"some text\n" * 50, mtime=0)[:-12], "not a whole gzip file"),
        (
            "a.gz",
            gzip.compress(b"some text\n" * 50, 0, mtime=0)[:-60] + b"x" * 60,
            "not a whole gzip file",
        ),
        ("a.jsonl", b'{"text": "a"}\n\n{"text": }\n', "line 3: expected a JSON object"),
        ("a.jsonl", b'{"text": "a"}\n{"body": "b"}\n', 'line 2: .*under the key "text"'),
        ("a.jsonl", b'{"text": null}\n', "line 1: expected a JSON object"),
        ("a.jsonl", b'["text"]\n', "line 1: expected a JSON object"),
        (
            "a.jsonl.gz",
            gzip.compress(b'{"text": "a"}\n3\n', mtime=0),
            "line 2: expected a JSON object",
        ),
    ],
)
@pytest.mark.parametrize("block", [3, 1 << 18])
def test_bad_files_are_named_with_the_place(tmp_path, monkeypatch, name, data, message, block):
    monkeypatch.setattr(corpus, "BLOCK_BYTES", block)
    path = write(tmp_path / name, data)
    with pytest.raises(InputError, match=f"{name}: .*{message}") as caught:
        list(corpus.read_documents(path))
    assert "\n" not in str(caught.value)


def test_an_endless_line_does_not_fill_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(corpus, "LONGEST_LINE", 1000)
    monkeypatch.setattr(corpus, "BLOCK_BYTES", 100)
    path = write(tmp_path / "a.txt", b"short\n" + b"x" * 3000)
    with pytest.raises(InputError, match=r"a line longer than .* at byte 6"):
        list(corpus.read_lines(path))
    with pytest.raises(InputError, match="a line longer than"):
        corpus.boundary_after(path, 50)


def test_a_folder_that_cannot_be_listed_is_named(tmp_path, monkeypatch):
    (tmp_path / "corpus" / "closed").mkdir(parents=True)
    (tmp_path / "corpus" / "a.txt").write_text("天", "utf-8")
    listed = os.scandir

    def scandir(path):
        if str(path).endswith("closed"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    for look in (corpus.expand_inputs, lambda folder: corpus.passed_over([folder])):
        with pytest.raises(InputError, match=r"closed: this folder cannot be listed \(Permission"):
            look(tmp_path / "corpus")


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match=r"gone.txt: no such file"):
        list(corpus.read_lines(tmp_path / "gone.txt"))
    (tmp_path / "folder.txt").mkdir()
    with pytest.raises(InputError, match=r"folder.txt: expected a file"):
        list(corpus.read_lines(tmp_path / "folder.txt"))


def test_a_stray_zero_byte_is_no_binary_file(tmp_path):
    path = write(tmp_path / "a.txt", ("天" * 900 + "\0地\n").encode() * 2)
    assert list(corpus.read_lines(path)) == ["天" * 900 + "\0地"] * 2
