"""The original's way from text to pretraining data, in pure Python, for `speed_data.py` to beat.

Step by step what build_pretraining_dataset.py does in one process, written afresh: each line goes
through the passes of its BasicTokenizer and its WordpieceTokenizer, a character at a time; an
example is dealt from lists of ids, padded to three lists of max_seq_length numbers and written as a
record.  TensorFlow serialises records in C++; here a table of ready bytes per id does, and CRC-32C
is C, so that what costs is what costs in the original.
"""

import random
import struct
import unicodedata

from crc32c import crc32c

from paddle_electra.checkpoint.sstable import varint

CLS, SEP, UNK = "[CLS]", "[SEP]", "[UNK]"
LONGEST_WORD = 200


class Vocabulary:
    """``ids`` {token: number}; ``octets`` of every number as a varint."""

    def __init__(self, path):
        with open(path, encoding="utf-8", newline="\n") as handle:
            self.ids = {line.strip(): number for number, line in enumerate(handle)}
        self.octets = [varint(number) for number in range(max(self.ids.values()) + 1)]


# The passes over the characters of a line.


def is_white(character):
    if character in (" ", "\t", "\n", "\r"):
        return True
    return unicodedata.category(character) == "Zs"


def is_control(character):
    if character in ("\t", "\n", "\r"):
        return False
    return unicodedata.category(character).startswith("C")


def is_punctuation(character):
    code = ord(character)
    if 33 <= code <= 47 or 58 <= code <= 64 or 91 <= code <= 96 or 123 <= code <= 126:
        return True
    return unicodedata.category(character).startswith("P")


def is_chinese(code):
    return (
        0x4E00 <= code <= 0x9FFF
        or 0x3400 <= code <= 0x4DBF
        or 0x20000 <= code <= 0x2A6DF
        or 0x2A700 <= code <= 0x2B73F
        or 0x2B740 <= code <= 0x2B81F
        or 0x2B820 <= code <= 0x2CEAF
        or 0xF900 <= code <= 0xFAFF
        or 0x2F800 <= code <= 0x2FA1F
    )


def clean(text):
    kept = []
    for character in text:
        code = ord(character)
        if code in (0, 0xFFFD) or is_control(character):
            continue
        kept.append(" " if is_white(character) else character)
    return "".join(kept)


def space_chinese(text):
    spaced = []
    for character in text:
        if is_chinese(ord(character)):
            spaced += (" ", character, " ")
        else:
            spaced.append(character)
    return "".join(spaced)


def strip_accents(word):
    kept = []
    for character in unicodedata.normalize("NFD", word):
        if unicodedata.category(character) != "Mn":
            kept.append(character)
    return "".join(kept)


def split_punctuation(word):
    parts, begins = [], True
    for character in word:
        if is_punctuation(character):
            parts.append([character])
            begins = True
        else:
            if begins:
                parts.append([])
            begins = False
            parts[-1].append(character)
    return ["".join(part) for part in parts]


def basic_tokens(text):
    words = []
    for word in space_chinese(clean(text)).strip().split():
        words += split_punctuation(strip_accents(word.lower()))
    return " ".join(words).strip().split()


def wordpieces(word, ids):
    """Greedy longest match from the left; [UNK] where that fails."""
    characters = list(word)
    if len(characters) > LONGEST_WORD:
        return [UNK]
    pieces, start = [], 0
    while start < len(characters):
        end, found = len(characters), None
        while start < end:
            piece = "".join(characters[start:end])
            if start:
                piece = "##" + piece
            if piece in ids:
                found = piece
                break
            end -= 1
        if found is None:
            return [UNK]
        pieces.append(found)
        start = end
    return pieces


def tokenize(text, ids):
    """The tokens of a line (do_lower_case)."""
    tokens = []
    for word in basic_tokens(text):
        tokens += wordpieces(word, ids)
    return tokens


# From lines to examples to records.


class ListBuilder:
    """Google's rule of dealing lines to segments, on lists of ids."""

    def __init__(self, vocabulary, max_seq_length, rng):
        self._ids = vocabulary.ids
        self._max_length = self._target = max_seq_length
        self._rng = rng
        self._sentences, self._length = [], 0

    def add_line(self, line):
        """The next example as (input_ids, input_mask, segment_ids), or None."""
        line = line.strip().replace("\n", " ")
        if not line and self._length:
            return self._create()
        numbers = [self._ids[token] for token in tokenize(line, self._ids)]
        self._sentences.append(numbers)
        self._length += len(numbers)
        return self._create() if self._length >= self._target else None

    def _create(self):
        rng = self._rng
        single = rng.random() < 0.1
        half = 100_000 if single else (self._target - 3) // 2
        first, second = [], []
        for sentence in self._sentences:
            if (
                not first
                or len(first) + len(sentence) < half
                or (not second and len(first) < half and rng.random() < 0.5)
            ):
                first += sentence
            else:
                second += sentence
        first = first[: self._max_length - 2]
        second = second[: max(0, self._max_length - len(first) - 3)]
        self._sentences, self._length = [], 0
        short = rng.random() < 0.05
        self._target = rng.randint(5, self._max_length) if short else self._max_length
        return self._pad(first, second)

    def _pad(self, first, second):
        ids = [self._ids[CLS], *first, self._ids[SEP]]
        types = [0] * len(ids)
        if second:
            ids += [*second, self._ids[SEP]]
            types += [1] * (len(second) + 1)
        mask = [1] * len(ids)
        for numbers in (ids, mask, types):
            numbers += [0] * (self._max_length - len(numbers))
        return ids, mask, types


def field(number, content):
    return bytes([number << 3 | 2]) + varint(len(content)) + content


def serialize(example, octets):
    """The bytes of a tf.train.Example of three lists of numbers."""
    entries = b""
    for name, numbers in zip((b"input_ids", b"input_mask", b"segment_ids"), example, strict=True):
        packed = b"".join([octets[number] for number in numbers])
        entries += field(1, field(1, name) + field(2, field(3, field(1, packed))))
    return field(1, entries)


def write_record(handle, data):
    length = struct.pack("<Q", len(data))
    handle.write(length + masked(length) + data + masked(data))


def masked(data):
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def build(file, vocabulary, max_seq_length, target, seed=0):
    """Write the examples of a text file as records.  Returns their number."""
    builder = ListBuilder(vocabulary, max_seq_length, random.Random(seed))
    written = 0
    with open(file, encoding="utf-8", newline="\n") as lines, open(target, "wb") as out:
        for line in (*lines, ""):
            example = builder.add_line(line.strip())
            if example:
                write_record(out, serialize(example, vocabulary.octets))
                written += 1
    return written
