import pytest

from paddle_electra.errors import InputError
from paddle_electra.text.tokenizer import ElectraTokenizer
from paddle_electra.text.vocab import read_vocab, write_vocab


def test_lines_end_at_line_feeds_only_and_are_stripped(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_bytes("[PAD]\r\n a\u2028b \n\u3000\na\x85\n\na".encode())
    vocabulary = read_vocab(path)
    assert vocabulary.tokens == ["[PAD]", "a\u2028b", "", "a", "", "a"]
    assert vocabulary.ids == {"[PAD]": 0, "a\u2028b": 1, "": 4, "a": 5}


def test_a_byte_order_mark_is_left_out(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("[PAD]\n", "utf-8-sig")
    assert read_vocab(path).tokens == ["[PAD]"]


@pytest.mark.parametrize(
    "content, message",
    [
        (b"[PAD]\n[UNK]\n[CLS]\n[SEP]\n", r"vocab.txt: \[MASK\] is missing"),
        (b"[PAD]\n[UNK]\n[MASK]\n", r"vocab.txt: \[CLS\], \[SEP\] are missing"),
        (b"[PAD]\n\xff\n", "vocab.txt: byte 6 is not UTF-8"),
        (b" \n\n", "vocab.txt: the vocabulary is empty"),
    ],
)
def test_a_bad_file_is_named(tmp_path, content, message):
    (tmp_path / "vocab.txt").write_bytes(content)
    with pytest.raises(InputError, match=message):
        ElectraTokenizer(tmp_path / "vocab.txt")


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.txt: no such vocabulary file"):
        ElectraTokenizer.from_pretrained(tmp_path / "nowhere.txt")
    with pytest.raises(InputError, match=r"vocab\.txt: no such vocabulary file"):
        ElectraTokenizer.from_pretrained(tmp_path)
    with pytest.raises(InputError, match="this is a folder"):
        read_vocab(tmp_path)


def test_written_tokens_read_back(tmp_path):
    write_vocab(tmp_path / "vocab.txt", ["[PAD]", "天", "##a"])
    assert (tmp_path / "vocab.txt").read_bytes() == "[PAD]\n天\n##a\n".encode()
    assert read_vocab(tmp_path / "vocab.txt").tokens == ["[PAD]", "天", "##a"]
