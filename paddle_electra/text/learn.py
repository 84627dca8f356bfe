"""Learn a vocabulary from a corpus, in the layout of the Chinese BERT vocabulary.

``[PAD]`` 0, ``[unused1]`` to ``[unused99]``, ``[UNK]`` 100, ``[CLS]``, ``[SEP]``, ``[MASK]``; then
letters, digits, punctuation and symbols; Chinese characters, the most frequent first; pieces of
words.  The Chinese BERT vocabulary also has a ``##`` form of each Chinese character, a third of
the table, which no text can ever reach since Chinese characters are always split: left out here.
"""

import dataclasses
import itertools
import string
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .. import config
from ..config import option
from ..errors import InputError
from ..files import disk_errors, read_errors, write_json
from ..progress import progress_bar
from ..wording import plural
from . import normalize
from .corpus import check_encodings, expand_inputs, passed_over, read_blocks
from .merges import learn_pieces, split_word
from .tokenizer import ElectraTokenizer
from .vocab import CLS, MASK, PAD, SEP, UNK, write_vocab
from .wordpiece import MAX_WORD

HEAD = [PAD, *(f"[unused{number}]" for number in range(1, 100)), UNK, CLS, SEP, MASK]
CHINESE_PUNCTUATION = "，。、；：？！“”‘’（）《》〈〉「」『』【】—…·～"
WORDS_COUNTED = 2_000_000  # distinct words held in memory; above that the rarest are dropped
WORDS_JOINED = 300_000  # the most frequent words, from which pieces are learned
BLOCKS_AT_ONCE = 16


@dataclasses.dataclass(frozen=True, kw_only=True)
class VocabOptions:
    """Options of `paddle-electra vocab`."""

    input: tuple[str, ...] = option(help="text files (.txt, .gz, .jsonl) or folders of them")
    output: str = option(help="the vocabulary file to write, or a folder for its vocab.txt")
    vocab_size: int = option(21128, "tokens in the vocabulary; fewer if the corpus has fewer")
    min_frequency: int = option(2, "leave out characters and pieces seen less often than this")
    do_lower_case: bool = option(True, "lower-case and strip accents, as the tokenizer will")
    piece_share: float = option(
        0.1, "share of the vocabulary kept for pieces of words when characters could fill it all"
    )
    text_key: str = option("text", "the key of the text in .jsonl files")
    overwrite: bool = option(False, "replace another vocabulary that --output names")


class Counts(NamedTuple):
    """What a corpus holds: ``alone`` [code points] counts Chinese characters and punctuation,
    ``words`` {word: count} everything else."""

    alone: np.ndarray
    words: Counter

    @property
    def characters(self):
        """Characters counted, white space apart."""
        return int(self.alone.sum()) + sum(len(word) * n for word, n in self.words.items())


def run(options):
    """The command `paddle-electra vocab`."""
    output = Path(options.output)
    if output.is_dir():
        output = output / "vocab.txt"
    check_options(options)
    with disk_errors(output):
        output.parent.mkdir(parents=True, exist_ok=True)
    files = _without_output(expand_inputs(options.input), output)
    check_encodings(files)
    counts = count_files(files, options.do_lower_case, options.text_key)
    if not counts.characters:
        raise InputError(f"{', '.join(options.input)}: no text to learn a vocabulary from")
    tokens = learn_vocab(
        counts,
        vocab_size=options.vocab_size,
        min_frequency=options.min_frequency,
        do_lower_case=options.do_lower_case,
        piece_share=options.piece_share,
    )
    if _holds_them(output, tokens, options.overwrite):
        print(f"{output}: unchanged, these tokens were there already")
    else:
        write_vocab(output, tokens)
    statistics = describe(counts, tokens, ElectraTokenizer(output, options.do_lower_case))
    write_json(
        _description(output),
        {"options": config.to_dict(options), "statistics": statistics},
    )
    count = len(files)
    print(f"learned from {count:,} {plural(count, 'file')}{passed_over(options.input)}")
    _report(output, statistics, options.vocab_size)


def _holds_them(output, tokens, overwrite):
    """Is this vocabulary there?  Another one is refused: shards and models may depend on it."""
    if not output.exists():
        return False
    with read_errors(output):
        there = output.read_bytes()
    if there == "".join(f"{token}\n" for token in tokens).encode():
        return True
    if not overwrite:
        raise InputError(
            f"{output}: holds something else than the {len(tokens)} tokens learned now; give "
            f"another --output, or replace it with --overwrite"
        )
    return False


def _description(output):
    """The file beside a vocabulary that says how it was learned."""
    return output.with_name(f"{output.name}.json")


def _without_output(files, output):
    """The input without the vocabulary of an earlier run; refuses to overwrite a text."""
    others = [file for file in files if file.resolve() != output.resolve()]
    if len(others) < len(files) and not _description(output).is_file():
        raise InputError(f"--output {output}: this is one of the input texts; name another file")
    return others


def check_options(options):
    """Raise `InputError` for values that cannot work."""
    needed = len(HEAD) + len(_always(options.do_lower_case))
    if options.vocab_size < needed:
        raise InputError(
            f"--vocab-size {options.vocab_size} is too small: the special tokens, letters, digits "
            f"and punctuation alone take {needed}"
        )
    if options.min_frequency < 1:
        raise InputError(f"--min-frequency {options.min_frequency}: expected 1 or more")
    if not 0 <= options.piece_share <= 1:
        raise InputError(f"--piece-share {options.piece_share}: expected a share from 0 to 1")


def count_files(files, do_lower_case=True, text_key="text"):
    """The `Counts` of ``files``, read as a stream: memory does not grow with the corpus.

    Once there are more than `WORDS_COUNTED` distinct words the rarest are forgotten, so counts of
    rare words are then lower bounds.
    """
    counts = Counts(np.zeros(normalize.CODE_POINTS, np.int64), Counter())
    total = sum(Path(file).stat().st_size for file in files)
    with progress_bar("counting", total, unit="B") as bar:
        for file in files:
            blocks = read_blocks(file, text_key=text_key)
            while group := list(itertools.islice(blocks, BLOCKS_AT_ONCE)):
                add_text(
                    counts, "\n".join(itertools.chain(*(b.lines for b in group))), do_lower_case
                )
                bar.update(sum(block.consumed for block in group))
    return counts


def add_text(counts, text, do_lower_case=True):
    """Add the characters and words of ``text`` to ``counts``."""
    settled = normalize.settle(normalize.code_points(text), do_lower_case)
    alone = settled.codes[settled.kinds == normalize.ALONE]
    counts.alone[:] += np.bincount(alone, minlength=len(counts.alone))
    counts.words.update(word for word in settled.words() if len(word) <= MAX_WORD)
    _forget_rare(counts.words, WORDS_COUNTED)


def _forget_rare(words, limit):
    threshold = 0
    while len(words) > (limit // 2 if threshold else limit):
        threshold += 1
        for word in [word for word, count in words.items() if count <= threshold]:
            del words[word]


def learn_vocab(
    counts, vocab_size=21128, min_frequency=2, do_lower_case=True, piece_share=0.1, progress=True
):
    """The tokens of a vocabulary, a list of at most ``vocab_size``; see the head of this file.

    ASCII letters, digits and punctuation are always in it, so Latin text is never [UNK], and the
    common Chinese punctuation.  The other characters come by frequency and may take all but
    ``piece_share`` of the rest; pieces of words get what the characters leave.  The result
    depends on nothing but the arguments.
    """
    always = _always(do_lower_case)
    room = vocab_size - len(HEAD) - len(always)
    candidates = _character_counts(counts)
    ranked = sorted(
        (
            token
            for token, count in candidates.items()
            if count >= min_frequency and token not in always
        ),
        key=lambda token: (-candidates[token], token),
    )
    kept = ranked[: room - int(room * piece_share)]
    pieces = _learn_pieces(
        counts.words, {*always, *kept}, room - len(kept), min_frequency, progress
    )
    kept = ranked[: room - len(pieces)]
    return [*HEAD, *_arranged({*always, *kept}, candidates), *pieces]


def _always(do_lower_case):
    """Tokens that are in every vocabulary."""
    letters = string.ascii_lowercase if do_lower_case else string.ascii_letters
    inside = [f"##{character}" for character in letters + string.digits]
    return {*string.punctuation, *CHINESE_PUNCTUATION, *letters, *string.digits, *inside}


def _character_counts(counts):
    """{token of one character, with ``##`` inside words: count}."""
    codes = np.flatnonzero(counts.alone)
    found = Counter(dict(zip(map(chr, codes), counts.alone[codes].tolist(), strict=True)))
    for word, count in counts.words.items():
        for piece in split_word(word):
            found[piece] += count
    return found


def _learn_pieces(words, characters, room, min_frequency, progress):
    """Pieces of the words that ``characters`` can spell, at most ``room``."""
    spelled = [word for word in words if characters.issuperset(split_word(word))]
    spelled = sorted(spelled, key=lambda word: (-words[word], word))[:WORDS_JOINED]
    spelled = {word: words[word] for word in spelled}
    with progress_bar("learning pieces", room, unit="piece", disable=not progress) as bar:
        return learn_pieces(spelled, room, min_frequency, bar.update)


def _arranged(tokens, frequency):
    """Single characters, then Chinese ones by frequency, then those inside words."""
    chinese = {token for token in tokens if len(token) == 1 and is_chinese(token)}
    inside = {token for token in tokens if len(token) > 1}
    return [
        *sorted(tokens - chinese - inside),
        *sorted(chinese, key=lambda token: (-frequency[token], token)),
        *sorted(inside),
    ]


def is_chinese(character):
    """Whether the original treats it as a Chinese character."""
    return any(start <= ord(character) < stop for start, stop in normalize.CJK)


def describe(counts, tokens, tokenizer):
    """Statistics of a vocabulary over the corpus it was learned from, a JSON-ready dict."""
    known = set(tokens)
    characters = _character_counts(counts)
    total = sum(characters.values())
    covered = sum(count for token, count in characters.items() if token in known)
    units = [*map(chr, np.flatnonzero(counts.alone)), *counts.words]
    repeats = np.array([*counts.alone[counts.alone > 0].tolist(), *counts.words.values()])
    ids, bounds = tokenizer.encode_flat(units)
    per_token = np.repeat(repeats, np.diff(bounds))
    return {
        "tokens": len(tokens),
        "chinese_characters": sum(len(token) == 1 and is_chinese(token) for token in tokens),
        "word_pieces": sum(len(token.removeprefix("##")) > 1 for token in tokens) - len(HEAD),
        "corpus_characters": total,
        "corpus_tokens": int(per_token.sum()),
        "covered_share": round(covered / total, 6),
        "unk_share": round(float(per_token[ids == tokenizer.unk_id].sum() / per_token.sum()), 6),
    }


def _report(output, statistics, wanted):
    found = statistics["tokens"]
    if found < wanted:
        print(f"the corpus has enough for {found} tokens only, {wanted} were asked for")
    print(
        f"{output}: {found} tokens, {statistics['chinese_characters']} Chinese characters, "
        f"{statistics['word_pieces']} pieces of words"
    )
    print(
        f"{statistics['corpus_characters']} characters of text, "
        f"{statistics['covered_share']:.4%} in the vocabulary; "
        f"{statistics['corpus_tokens']} tokens, {statistics['unk_share']:.4%} [UNK]"
    )
