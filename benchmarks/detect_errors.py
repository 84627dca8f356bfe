"""Does `detect` find wrong characters in real texts?  A file of results.

    python benchmarks/detect_errors.py --model MODEL --data DATA --output RESULT.md \
        [--texts 500] [--share 0.1] [--seed 1] [--max-seq-length 128] [--engine eager]

Texts: of ``DATA/chnsenticorp/test.tsv`` and the contexts of ``DATA/cmrc2018/dev.json``, a seeded
sample of each.  A share of the Chinese characters of each text is put in the place of others, at
the same places in three ways:

- sound: another character of the same syllable without its tone (pypinyin), as a slip with an input
  method gives it, as often as it occurs in the texts;
- random: one of the most frequent characters, all of them alike;
- generator: drawn from the model's own generator with all these places masked, as in pretraining.

Every Chinese character of a text is judged by its probability; needs the package pypinyin.
"""

import argparse
import collections
import functools
import random
from pathlib import Path
from typing import NamedTuple

import numpy as np
from record import header

from paddle_electra.files import atomic_write
from paddle_electra.finetuning.questions import read_questions
from paddle_electra.finetuning.tasks import TASKS
from paddle_electra.inference.long_texts import sequence, stretches
from paddle_electra.inference.predictor import Predictor
from paddle_electra.progress import progress_bar

THRESHOLDS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)
KINDS = ("sound", "random", "generator")
FREQUENT = 2500  # characters that may be put in
SUGGESTIONS = 3
TEXTS_AT_ONCE = 100


class Changed(NamedTuple):
    """A text with characters put in the place of others: {position: what stood there}."""

    text: str
    originals: dict


def is_chinese(character):
    return "\u4e00" <= character <= "\u9fff"


# Substitutions ----------------------------------------------------------------------------------


class Characters:
    """The frequent characters of ``texts`` that are tokens, and their syllables."""

    def __init__(self, texts, tokenizer):
        counts = collections.Counter(filter(is_chinese, "".join(texts)))
        known = [(c, n) for c, n in counts.most_common() if c in tokenizer.vocab]
        self.counts = dict(known[:FREQUENT])
        self.frequent = list(self.counts)
        self.of_syllable = collections.defaultdict(list)
        for character in self.frequent:
            self.of_syllable[syllable(character)].append(character)

    def alike(self, character):
        """The frequent characters that sound like this one."""
        return [other for other in self.of_syllable[syllable(character)] if other != character]

    def by_sound(self, character, source):
        others = self.alike(character)
        return source.choices(others, [self.counts[other] for other in others])[0]

    def at_random(self, character, source):
        while (other := source.choice(self.frequent)) == character:
            pass
        return other


@functools.cache
def syllable(character):
    from pypinyin import lazy_pinyin

    return lazy_pinyin(character)[0]


def choose_places(text, characters, tokenizer, share, source):
    """A share of the Chinese characters, at least one, among those that others sound like."""
    chinese = [place for place, character in enumerate(text) if is_chinese(character)]
    able = [p for p in chinese if text[p] in tokenizer.vocab and characters.alike(text[p])]
    count = min(len(able), max(1, round(share * len(chinese))))
    return sorted(source.sample(able, count))


def substitute(text, replacements):
    """`Changed` with {position: character} put in."""
    letters = list(text)
    for place, character in replacements.items():
        letters[place] = character
    return Changed("".join(letters), {place: text[place] for place in replacements})


def by_generator(predictor, texts, places, length, generator):
    """`Changed` of each text, drawn from the model's generator among single Chinese characters."""
    tokenizer = predictor.tokenizer
    allowed = [number for token, number in tokenizer.vocab.items() if is_chinese_token(token)]
    tokens = tokenizer.convert_ids_to_tokens(allowed)
    table, bias = (array[allowed] for array in predictor.output_table)
    drawn = [{} for _ in texts]
    wanted = []  # (stretch, {position in the sequence: character of the text})
    sequences = []
    for number, encoding in enumerate(tokenizer.encode_batch(texts)):
        starts = {start: place for place, (start, _) in enumerate(encoding.offsets[1:-1])}
        at = {starts[place]: place for place in places[number]}
        ids = [tokenizer.mask_id if n in at else i for n, i in enumerate(encoding.ids[1:-1])]
        for stretch in stretches(number, np.ones(len(ids), np.int64), length - 2):
            own = np.flatnonzero(stretch.own) + stretch.first
            wanted.append((number, {t - stretch.first + 1: at[t] for t in own.tolist() if t in at}))
            shown = ids[stretch.first : stretch.first + stretch.count]
            sequences.append(sequence(tokenizer, shown))
    for batch, (states,) in predictor.outputs("generator", sequences):
        for row, state in zip(batch.rows, states, strict=True):
            number, at = wanted[row]
            for position, place in at.items():
                # The largest of logits plus Gumbel noise is a draw from their softmax.
                logits = table @ state[position] + bias
                logits = logits + generator.gumbel(size=len(logits))
                best = np.argsort(-logits)[:2]
                other = next(tokens[n] for n in best if tokens[n] != texts[number][place])
                drawn[number][place] = other
    return list(map(substitute, texts, drawn))


def is_chinese_token(token):
    return len(token) == 1 and is_chinese(token)


# Scores -----------------------------------------------------------------------------------------


def auc(chances, wrong):
    """Share of pairs of a wrong and a right character that the chances order rightly; ties half."""
    chances, wrong = np.asarray(chances), np.asarray(wrong, bool)
    _, groups, sizes = np.unique(chances, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(sizes) - (sizes - 1) / 2)[groups]
    count = int(wrong.sum())
    above = ranks[wrong].sum() - count * (count + 1) / 2
    return float(above / (count * (len(wrong) - count)))


def at_threshold(chances, wrong, threshold):
    """(precision, recall, F1) in percent of calling wrong what has at least the threshold."""
    called = chances >= threshold
    right = int((called & wrong).sum())
    precision = 100 * right / max(1, int(called.sum()))
    recall = 100 * right / int(wrong.sum())
    return precision, recall, 2 * precision * recall / max(1e-9, precision + recall)


def judge(predictor, changed, length, bar):
    """(chances, wrong, how often the original was the first / among the suggestions).

    The first two have one entry for each Chinese character of all texts; suggestions are counted
    for the wrong characters at or above the threshold of 0.5.
    """
    chances, wrong, found = [], [], np.zeros(3, np.int64)
    for start in range(0, len(changed), TEXTS_AT_ONCE):
        part = changed[start : start + TEXTS_AT_ONCE]
        texts = [one.text for one in part]
        answers = predictor.detect(texts, 0.5, SUGGESTIONS, max_seq_len=length)
        for one, answer in zip(part, answers, strict=True):
            for entry in answer["characters"]:
                if is_chinese(entry["character"]):
                    chances.append(entry["probability"])
                    wrong.append(entry["start"] in one.originals)
            for suspect in answer["suspicious"]:
                original = one.originals.get(suspect["start"])
                if original is not None:
                    tokens = [guess["token"] for guess in suspect["suggestions"]]
                    found += [1, tokens[:1] == [original], original in tokens]
        bar.update(len(part))
    return np.array(chances), np.array(wrong, bool), found


# The report -------------------------------------------------------------------------------------


def read_texts(options):
    """{name of the data: a seeded sample of its texts}."""
    reviews = options.data / "chnsenticorp" / "test.tsv"
    contexts = options.data / "cmrc2018" / "dev.json"
    found = {
        "ChnSentiCorp test": [x.text_a for x in TASKS["chnsenticorp"].read(reviews, "test")],
        "CMRC 2018 dev, contexts": [x.context for x in read_questions(contexts)],
    }
    for name, texts in found.items():
        texts = [text for text in dict.fromkeys(texts) if any(map(is_chinese, text))]
        source = random.Random(options.seed)
        found[name] = source.sample(texts, min(options.texts, len(texts)))
    return found


def change(predictor, texts, characters, options, length):
    """{kind: list of `Changed`}, all kinds at the same places; texts without a place fall away."""
    source = random.Random(options.seed)
    places = [
        choose_places(text, characters, predictor.tokenizer, options.share, source)
        for text in texts
    ]
    pairs = [(text, own) for text, own in zip(texts, places, strict=True) if own]
    texts, places = [text for text, _ in pairs], [own for _, own in pairs]
    draws = {"sound": characters.by_sound, "random": characters.at_random}
    found = {
        kind: [substitute(text, {p: draw(text[p], source) for p in own}) for text, own in pairs]
        for kind, draw in draws.items()
    }
    noise = np.random.default_rng(options.seed)
    found["generator"] = by_generator(predictor, texts, places, length, noise)
    return texts, found


def examine(name, predictor, texts, characters, options, length):
    """The lines of the report on one data set."""
    texts, changed = change(predictor, texts, characters, options, length)
    with progress_bar(name, (len(KINDS) + 1) * len(texts), unit="text") as bar:
        clean, _, _ = judge(predictor, [Changed(text, {}) for text in texts], length, bar)
        judged = {kind: judge(predictor, changed[kind], length, bar) for kind in KINDS}
    wrong = int(judged["random"][1].sum())
    share = wrong / len(clean)
    yield f"## {name}\n"
    yield (
        f"{len(texts):,} texts, {len(clean):,} Chinese characters, {wrong:,} of them put in: "
        f"{100 * share:.2f} %.\n"
    )
    yield "| kind | AUC | mean probability, put in | mean probability, others | best F1 | at |"
    yield "|---" * 6 + "|"
    for kind, (chances, truth, _) in judged.items():
        best, at = best_f1(chances, truth)
        yield (
            f"| {kind} | {auc(chances, truth):.4f} | {chances[truth].mean():.3f} "
            f"| {chances[~truth].mean():.3f} | {best:.1f} | {at:.3f} |"
        )
    everything = 100 * 2 * share / (1 + share)
    yield f"| random order | 0.5000 | | | {everything:.1f} | all |"
    yield "\nPrecision / recall / F1 in percent at a threshold; the last column is the share of the"
    yield "characters of the unchanged texts that are called suspicious.\n"
    yield "| threshold | " + " | ".join(KINDS) + " | false alarms, unchanged texts |"
    yield "|---" * (len(KINDS) + 2) + "|"
    for threshold in THRESHOLDS:
        cells = [
            " / ".join(f"{value:.1f}" for value in at_threshold(*judged[kind][:2], threshold))
            for kind in KINDS
        ]
        alarms = 100 * (clean >= threshold).mean()
        yield f"| {threshold} | " + " | ".join(cells) + f" | {alarms:.2f} % |"
    yield "\nOf the characters put in that reach 0.5, the generator suggests what stood there:\n"
    for kind, (_, _, (count, first, among)) in judged.items():
        yield f"- {kind}: first {first:,}, among {SUGGESTIONS} {among:,}, of {count:,}"
    yield ""


def best_f1(chances, wrong):
    """(the best F1 in percent of all thresholds, that threshold)."""
    order = np.argsort(-chances, kind="stable")
    right = np.cumsum(wrong[order])
    f1 = 200 * right / (np.arange(1, len(order) + 1) + right[-1])
    # Within a tie only its last place is a threshold.
    last = np.append(np.diff(chances[order]) != 0, True)
    best = int(np.argmax(np.where(last, f1, -1)))
    return float(f1[best]), float(chances[order][best])


def report(options):
    """The lines of the result."""
    predictor = Predictor.load(str(options.model), engine=options.engine)
    length = options.max_seq_length or predictor.max_seq_length
    data = read_texts(options)
    characters = Characters(
        [text for texts in data.values() for text in texts], predictor.tokenizer
    )
    yield (
        f"- model: {options.name or options.model.name}, windows of {length} tokens, engine "
        f"{options.engine}"
    )
    yield f"- texts: at most {options.texts:,} of each data set, seed {options.seed}"
    yield (
        f"- {100 * options.share:g} % of the Chinese characters of each text are put in the place "
        f"of others, at the same places in every kind (only where another frequent character "
        f"sounds like the one that stands there); the head of the script says how"
    )
    yield "- one model, one seed; a character put in that makes sense as well counts as wrong"
    yield ""
    for name, texts in data.items():
        yield from examine(name, predictor, texts, characters, options, length)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", type=Path, required=True, help="pretrained, with a generator")
    parser.add_argument("--name", help="how the result calls the model")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--texts", type=int, default=500, help="most texts of each data set")
    parser.add_argument("--share", type=float, default=0.1, help="of the Chinese characters")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--max-seq-length", type=int)
    parser.add_argument("--engine", default="eager")
    options = parser.parse_args()
    lines = list(report(options))
    with atomic_write(options.output) as handle:
        handle.write(header("Wrong characters found by `detect`", command(options)))
        handle.write("\n".join(lines) + "\n")
    print(options.output.read_text("utf-8"))


def command(options):
    """The command without the places of this machine."""
    given = f"--model {options.name or options.model.name} --data DATA --output RESULT.md"
    for name in ("texts", "share", "seed", "max_seq_length", "engine"):
        if (value := getattr(options, name)) is not None:
            given += f" --{name.replace('_', '-')} {value}"
    return f"python benchmarks/detect_errors.py {given}"


if __name__ == "__main__":
    main()
