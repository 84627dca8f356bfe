import itertools
import json
import random
import subprocess
import sys
from collections import Counter

import pytest

from paddle_electra import cli
from paddle_electra.text import learn
from paddle_electra.text.learn import HEAD, Counts, VocabOptions, learn_vocab
from paddle_electra.text.merges import learn_pieces, split_word
from paddle_electra.text.tokenizer import ElectraTokenizer
from paddle_electra.text.vocab import read_vocab

# ASCII punctuation, letters and digits, the two also inside words, Chinese punctuation.
ALWAYS = 32 + 2 * 36 + len(learn.CHINESE_PUNCTUATION)


def write_corpus(folder, lines=400, seed=1):
    """Random Chinese with Latin words of unequal frequency, in two files."""
    generator = random.Random(seed)
    characters = "的一是了我不人在有他这中大来上国天气很好用北京学书都"
    words = ["train", "training", "trained", "Paddle", "paddles", "2012", "2013", "café"]
    weights = range(40, 40 - len(characters), -1)
    folder.mkdir()
    for name in ("a.txt", "b.txt"):
        with open(folder / name, "w", encoding="utf-8") as handle:
            for _ in range(lines):
                text = "".join(generator.choices(characters, weights, k=9))
                handle.write(f"{text} {generator.choice(words)}。\n\n")
    return folder


@pytest.fixture
def corpus(tmp_path):
    return write_corpus(tmp_path / "corpus")


def learned(corpus, output, **options):
    learn.run(VocabOptions(input=(str(corpus),), output=str(output), **options))
    return read_vocab(output).tokens


def test_layout_is_that_of_chinese_bert(corpus, tmp_path):
    tokens = learned(corpus, tmp_path / "vocab.txt", vocab_size=300)
    assert tokens[:104] == HEAD
    assert (HEAD[0], HEAD[99], HEAD[100:]) == (
        "[PAD]",
        "[unused99]",
        ["[UNK]", "[CLS]", "[SEP]", "[MASK]"],
    )
    chinese = [token for token in tokens if "\u4e00" <= token[0] <= "\u9fff"]
    text = "".join(file.read_text("utf-8") for file in corpus.iterdir())
    counts = [text.count(character) for character in chinese]
    assert counts == sorted(counts, reverse=True) and len(chinese) == 26
    first = tokens.index(chinese[0])
    assert tokens[first : first + 26] == chinese
    before, after = tokens[104:first], tokens[first + 26 :]
    assert {"!", "a", "9", "。"} <= set(before) and all(len(token) == 1 for token in before)
    assert {"##a", "train", "201", "paddle"} <= set(after)
    assert "##的" not in tokens and len(tokens) == len(set(tokens))


def test_the_same_corpus_gives_the_same_file_whatever_the_hash_seed(corpus, tmp_path):
    contents = set()
    command = [sys.executable, "-m", "paddle_electra", "vocab", "--vocab-size", "300"]
    for seed in "12":
        output = tmp_path / f"{seed}.txt"
        subprocess.run(
            [*command, "--input", str(corpus), "--output", str(output)],
            check=True,
            capture_output=True,
            env={"PYTHONHASHSEED": seed},
        )
        contents.add(output.read_bytes())
    assert len(contents) == 1


def test_the_learned_tokenizer_leaves_nothing_unknown(corpus, tmp_path):
    learned(corpus, tmp_path / "vocab.txt", vocab_size=300)
    tokenizer = ElectraTokenizer(tmp_path / "vocab.txt")
    assert tokenizer.tokenize("我的Café，TRAIN zq7") == (
        ["我", "的", "cafe", "，", "train", "z", "##q", "##7"]
    )


def test_size_is_kept_and_split_between_characters_and_pieces(tmp_path):
    corpus = tmp_path / "corpus.txt"
    characters = "".join(chr(code) for code in range(0x4E00, 0x4F00))
    corpus.write_text(f"{characters}\n" * 2 + "training trained trainer\n" * 9, "utf-8")
    size = len(HEAD) + ALWAYS + 100
    tokens = learned(corpus, tmp_path / "vocab.txt", vocab_size=size, piece_share=0.1)
    assert len(tokens) == size
    assert len(tokens) - tokens.index("train") <= 10
    assert sum("\u4e00" <= token[0] <= "\u9fff" for token in tokens) >= 90
    none = learned(corpus, tmp_path / "none.txt", vocab_size=size, piece_share=0)
    assert sum("\u4e00" <= token[0] <= "\u9fff" for token in none) == 100


def test_a_small_corpus_says_how_many_it_found(corpus, tmp_path, capsys):
    tokens = learned(corpus, tmp_path / "vocab.txt", vocab_size=5000)
    printed = capsys.readouterr().out
    assert f"enough for {len(tokens)} tokens only, 5000 were asked for" in printed
    assert "100.0000% in the vocabulary" in printed and "0.0000% [UNK]" in printed


def test_rare_characters_and_pieces_are_left_out(tmp_path, capsys):
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("天天天气\nxyz xy xy\n", "utf-8")
    tokens = learned(corpus, tmp_path / "vocab.txt", min_frequency=3)
    assert "天" in tokens and "气" not in tokens
    assert "xy" in tokens and "xyz" not in tokens
    saved = json.loads((tmp_path / "vocab.txt.json").read_text("utf-8"))
    assert saved["statistics"]["unk_share"] == pytest.approx(
        1 / 8, abs=1e-6
    )  # 天天天[UNK] xy z xy xy
    assert saved["statistics"]["covered_share"] == pytest.approx(10 / 11, abs=1e-6)
    assert saved["options"]["min_frequency"] == 3


def test_cased_vocabulary_keeps_capitals_and_accents(corpus, tmp_path):
    tokens = learned(corpus, tmp_path / "vocab.txt", vocab_size=400, do_lower_case=False)
    assert {"Paddle", "##é", "A", "##Z"} <= set(tokens)


def test_the_output_is_never_its_own_input(corpus, tmp_path):
    first = learned(corpus, corpus / "vocab.txt", vocab_size=300)
    assert learned(corpus, corpus / "vocab.txt", vocab_size=300) == first
    learn.run(VocabOptions(input=(str(corpus),), output=str(corpus), vocab_size=300))
    assert read_vocab(corpus / "vocab.txt").tokens == first


def test_another_vocabulary_is_not_overwritten_unasked(corpus, tmp_path, capsys):
    output = tmp_path / "vocab.txt"
    line = ["vocab", "--input", str(corpus), "--output", str(output), "--vocab-size"]
    assert cli.main([*line, "280"]) == 0
    assert "unchanged" not in capsys.readouterr().out
    before = output.read_bytes()
    assert cli.main([*line, "280"]) == 0
    assert f"{output}: unchanged" in capsys.readouterr().out
    assert cli.main([*line, "279"]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert "vocab.txt: holds something else than the 279 tokens" in error
    assert "--overwrite" in error and output.read_bytes() == before
    saved = json.loads((tmp_path / "vocab.txt.json").read_text("utf-8"))
    assert saved["statistics"]["tokens"] == 280
    assert cli.main([*line, "279", "--overwrite"]) == 0
    assert len(read_vocab(output).tokens) == 279


def test_the_files_read_and_passed_over_are_counted(corpus, tmp_path, capsys):
    (corpus / "5.md").write_text("天气", "utf-8")
    learned(corpus, tmp_path / "vocab.txt", vocab_size=300)
    printed = capsys.readouterr().out
    assert "learned from 2 files (1 of another ending passed over: .md)\n" in printed


def test_files_of_another_encoding_end_it_before_the_counting(corpus, tmp_path, capsys):
    for name in ("c.txt", "d.txt"):
        (corpus / name).write_bytes("天气".encode("gb18030"))
    assert cli.main(["vocab", "--input", str(corpus), "--output", str(tmp_path / "vocab.txt")]) == 2
    error = capsys.readouterr().err
    assert "2 of 4 files are not UTF-8" in error and "counting" not in error


def test_counting_forgets_the_rarest_words_only(monkeypatch):
    monkeypatch.setattr(learn, "WORDS_COUNTED", 10)
    counts = Counts(learn.np.zeros(0x110000, learn.np.int64), Counter())
    for number in range(50):
        learn.add_text(counts, f"often 天 rare{number}")
    assert counts.words["often"] == 50 and len(counts.words) <= 10
    assert counts.alone[ord("天")] == 50


def test_pieces_are_those_of_recounting_after_every_join():
    generator = random.Random(4)
    words = {
        "".join(generator.choices("abc", k=generator.randint(1, 7))): generator.randint(1, 5)
        for _ in range(60)
    }
    splits = {word: split_word(word) for word in words}
    expected = []
    while len(expected) < 25:
        pairs = Counter()
        for word, split in splits.items():
            for pair in itertools.pairwise(split):
                pairs[pair] += words[word]
        pair = min(pairs, key=lambda pair: (-pairs[pair], pair))
        for split in splits.values():
            position = 0
            while position + 1 < len(split):
                if (split[position], split[position + 1]) == pair:
                    split[position : position + 2] = [split[position] + split[position + 1][2:]]
                position += 1
        piece = pair[0] + pair[1][2:]
        if piece not in expected:
            expected.append(piece)
    assert learn_pieces(words, 25, 1) == expected


def test_learning_asks_for_no_more_than_there_is():
    counts = Counts(learn.np.zeros(0x110000, learn.np.int64), Counter({"ab": 1}))
    tokens = learn_vocab(counts, vocab_size=9999, min_frequency=1, progress=False)
    assert tokens[-1] == "ab" and len(tokens) == len(HEAD) + ALWAYS + 1


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--vocab-size", "200"], "--vocab-size 200 is too small"),
        (["--min-frequency", "0"], "--min-frequency 0"),
        (["--piece-share", "2"], "--piece-share 2.0"),
        (["--input", "EMPTY"], "no text to learn a vocabulary from"),
        (["--input", "nowhere"], "nowhere: no such file"),
    ],
)
def test_mistakes_end_with_one_line_and_code_2(corpus, tmp_path, capsys, arguments, message):
    empty = tmp_path / "empty.txt"
    empty.write_text("\n \n", "utf-8")
    arguments = [str(empty) if argument == "EMPTY" else argument for argument in arguments]
    if "--input" not in arguments:
        arguments += ["--input", str(corpus)]
    assert cli.main(["vocab", "--output", str(tmp_path / "vocab.txt"), *arguments]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert message in error
    assert not (tmp_path / "vocab.txt").exists()
