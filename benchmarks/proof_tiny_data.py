"""The data of ``proof_tiny.py``: samples, cuts and pairs, made again exactly from seeds."""

import collections
import random
import shutil
from pathlib import Path
from typing import NamedTuple

from proof_tiny_pairs import make_pairs

from paddle_electra.errors import InputError
from paddle_electra.files import atomic_directory, write_json
from paddle_electra.finetuning.questions import read_questions
from paddle_electra.finetuning.tables import one_line
from paddle_electra.finetuning.tasks import TASKS

_PAIR_SEED = 2018


def sources(data):
    """{task: files of the data folder that it is made of}."""
    data = Path(data)
    review = [data / "chnsenticorp" / f"{split}.tsv" for split in ("train", "dev", "test")]
    reading = [data / "cmrc2018" / f"{split}.json" for split in ("train", "dev")]
    return {
        "chnsenticorp": review,
        "chnsenticorp-500": review,
        "cmrc2018": reading,
        "pair": reading,
        "xnli-dev": [data / "xnli" / "dev.tsv"],
    }


def folder_of(task, seed, data, work, settings):
    """The folder of a task's files for a seed; what has to be made is made, once.

    Args:
        task: a `proof_tiny_tasks.Task`.
        settings: its settings.
    """
    data, made = Path(data), Path(work) / "data" / task.name
    if task.name == "chnsenticorp" or (task.name == "cmrc2018" and not settings["examples"]):
        return data / task.name
    made = made / f"seed-{seed}" if task.each_seed else made
    if not made.is_dir():
        with atomic_directory(made) as folder:
            _MAKERS[task.name](data, folder, seed, settings)
    return made


def _make_sample(data, folder, seed, settings):
    source = data / "chnsenticorp"
    parts = {split: _read("chnsenticorp", source, split) for split in ("train", "dev", "test")}
    chosen = sample(parts["train"], settings["examples"], seed, parts["dev"] + parts["test"])
    for split, examples in {**parts, "train": chosen}.items():
        _write(folder / f"{split}.tsv", ("label", "text_a"), examples)


def _make_cut(data, folder, seed, settings):
    del settings
    for split, examples in cut(_read("xnli", data / "xnli", "dev"), seed).items():
        _write(folder / f"{split}.tsv", ("text_a", "text_b", "label"), examples)


def _make_questions(data, folder, seed, settings):
    del seed  # one sample for all seeds
    questions = read_questions(data / "cmrc2018" / "train.json")
    chosen = _shuffled(questions, _PAIR_SEED)[: settings["examples"]]
    write_json(folder / "train.json", squad(chosen))
    shutil.copyfile(data / "cmrc2018" / "dev.json", folder / "dev.json")


def _make_pairs(data, folder, seed, settings):
    del seed
    train, scored = (read_questions(data / "cmrc2018" / f"{s}.json") for s in ("train", "dev"))
    contexts = _shuffled(sorted({question.context for question in scored}), _PAIR_SEED)
    of_dev = set(contexts[: len(contexts) // 2])
    parts = {
        "train": (train, settings["examples"]),
        "dev": ([q for q in scored if q.context in of_dev], settings["scored"]),
        "test": ([q for q in scored if q.context not in of_dev], settings["scored"]),
    }
    for split, (questions, count) in parts.items():
        pairs = make_pairs(questions, count, settings["max_seq_length"], _PAIR_SEED)
        rows = [_Row(pair.question, pair.passage, str(pair.label)) for pair in pairs]
        _write(folder / f"{split}.tsv", ("text_a", "text_b", "label"), rows)


_MAKERS = {
    "chnsenticorp-500": _make_sample,
    "xnli-dev": _make_cut,
    "cmrc2018": _make_questions,
    "pair": _make_pairs,
}


class _Row(NamedTuple):
    text_a: str
    text_b: str
    label: str


def _read(registered, folder, split):
    return TASKS[registered].read(Path(folder) / f"{split}.tsv", split)


def _write(path, columns, examples):
    rows = [[one_line(getattr(example, column)) for column in columns] for example in examples]
    lines = ["\t".join(row) for row in [columns, *rows]]
    path.write_text("\n".join(lines) + "\n", "utf-8", newline="\n")


def _shuffled(items, seed):
    items = list(items)
    random.Random(seed).shuffle(items)
    return items


def repeated(examples, others):
    """How many of ``examples`` have a text that is in ``others`` too."""
    known = {example.text_a for example in others}
    return sum(example.text_a in known for example in examples)


def sample(examples, count, seed, scored=()):
    """A sample with as many of each label, of different texts that are not in ``scored``.

    Args:
        examples, scored: lists of examples with ``text_a`` and ``label``.
        count: its size, a multiple of the number of labels.
    Returns:
        list of examples in a shuffled order.
    Raises:
        InputError: there are not so many.
    """
    taken, groups = {example.text_a for example in scored}, collections.defaultdict(list)
    for example in examples:
        if example.text_a not in taken:
            taken.add(example.text_a)
            groups[example.label].append(example)
    share, rest = divmod(count, len(groups))
    fewest = min(map(len, groups.values()))
    if rest or share > fewest:
        raise InputError(
            f"a sample of {count} examples: expected {len(groups)} times at most {fewest}, the "
            f"different texts of the rarest label"
        )
    draw = random.Random(seed)
    chosen = [e for label in sorted(groups) for e in draw.sample(groups[label], share)]
    draw.shuffle(chosen)
    return chosen


def cut(examples, seed, share=0.2):
    """Pairs cut into {"train", "dev"}: the premises of ``share`` of them are scored on.

    Premises with the same labels are cut in the same proportion, so the classes keep theirs.
    """
    groups, kinds = collections.defaultdict(list), collections.defaultdict(list)
    for example in examples:
        groups[example.text_a].append(example)
    for premise in sorted(groups):
        kinds[tuple(sorted(example.label for example in groups[premise]))].append(premise)
    parts = {"train": [], "dev": []}
    draw = random.Random(seed)
    for kind in sorted(kinds):
        premises = kinds[kind]
        draw.shuffle(premises)
        scored = round(share * len(premises))
        for split, part in (("dev", premises[:scored]), ("train", premises[scored:])):
            parts[split] += [example for premise in part for example in groups[premise]]
    return parts


def squad(questions):
    """Questions in SQuAD's layout, a paragraph for each context."""
    paragraphs = {}
    for question in questions:
        place = paragraphs.setdefault(question.context, {"context": question.context, "qas": []})
        answers = [
            {"text": answer.text} | ({} if answer.start is None else {"answer_start": answer.start})
            for answer in question.answers
        ]
        place["qas"].append({"id": question.id, "question": question.question, "answers": answers})
    return {"version": "v1.0", "data": [{"paragraphs": [place]} for place in paragraphs.values()]}
