"""The original's tokenizer as plain Python, one character at a time, straight from its rules.

The yardstick for the fast one, in tests and in speed measurements.  It asks the running Python's
Unicode database, so the two differ on characters newer than that.
"""

import unicodedata

CHINESE = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)


class PurePythonTokenizer:
    """``tokenize(text)`` gives the tokens of the original (PARITY 20)."""

    def __init__(self, vocab_file, do_lower_case=True):
        with open(vocab_file, encoding="utf-8", newline="\n") as handle:
            self.vocab = {line.strip(): number for number, line in enumerate(handle)}
        self.do_lower_case = do_lower_case

    def tokenize(self, text):
        return [piece for word in self.words(text) for piece in self.pieces(word)]

    def words(self, text):
        """White space, Chinese characters and punctuation split; nothing is looked up yet."""
        words = []
        for word in space_chinese(clean(text)).split():
            if self.do_lower_case:
                word = strip_marks(word.lower())
            words.extend(split_punctuation(word))
        return words

    def pieces(self, word):
        """Greedy longest match from the left; [UNK] for the whole word if that fails."""
        if len(word) > 200:
            return ["[UNK]"]
        pieces, start = [], 0
        while start < len(word):
            for end in range(len(word), start, -1):
                piece = ("##" if start else "") + word[start:end]
                if piece in self.vocab:
                    break
            else:
                return ["[UNK]"]
            pieces.append(piece)
            start = end
        return pieces


def clean(text):
    kept = []
    for character in text:
        category = unicodedata.category(character)
        if character in "\t\n\r" or category == "Zs":
            kept.append(" ")
        elif character != "\ufffd" and category[0] != "C":
            kept.append(character)
    return "".join(kept)


def space_chinese(text):
    return "".join(
        f" {character} " if any(a <= ord(character) <= b for a, b in CHINESE) else character
        for character in text
    )


def strip_marks(text):
    decomposed = unicodedata.normalize("NFD", text)
    return "".join(c for c in decomposed if unicodedata.category(c) != "Mn")


def split_punctuation(text):
    words, inside = [], False
    for character in text:
        if is_punctuation(character):
            words.append(character)
            inside = False
        elif inside:
            words[-1] += character
        else:
            words.append(character)
            inside = True
    return words


def is_punctuation(character):
    printable_ascii = "!" <= character <= "~"
    if printable_ascii:
        return not character.isalnum()
    return unicodedata.category(character)[0] == "P"
