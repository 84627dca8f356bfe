"""The proof of pretraining: its data, its baseline, the order of its jobs, its table."""

import collections
import json
import random
import sys
from types import SimpleNamespace

import proof_tiny
import proof_tiny_data as data
import proof_tiny_jobs as jobs
import proof_tiny_pairs as pairs
import proof_tiny_table as table
import proof_tiny_tfidf as tfidf
import pytest
from proof_tiny_tasks import NETWORKS, PROOFS, RECIPES, settle
from scipy.stats import ttest_ind

from paddle_electra.config import from_arguments
from paddle_electra.errors import InputError
from paddle_electra.files import read_json, write_json
from paddle_electra.finetuning.options import FinetuneOptions
from paddle_electra.finetuning.questions import Answer, Question, read_questions
from paddle_electra.finetuning.readers import Example

CHARACTERS = [chr(0x4E00 + number) for number in range(400)]


def text(draw, length):
    return "".join(draw.choices(CHARACTERS, k=length))


@pytest.fixture(scope="module")
def questions():
    """Two questions on each of 40 paragraphs, with four characters from beside the answer."""
    draw, found = random.Random(3), []
    for number in range(40):
        context = text(draw, draw.randint(150, 300))
        for start in (20, 110):
            answer = Answer(context[start : start + 6], start)
            asked = f"{text(draw, 5)}{context[start + 6 : start + 10]}？"
            found.append(Question(f"Q{number}-{start}", asked, context, (answer,)))
    return found


@pytest.fixture(scope="module")
def made(questions):
    return pairs.make_pairs(questions, 120, 128, seed=1)


def test_pairs_are_balanced_on_both_sides(made):
    assert len(made) == 120
    for side in ("question", "passage"):
        seen = collections.Counter((getattr(pair, side), pair.label) for pair in made)
        assert set(seen.values()) == {1} and len(seen) == 120
        assert len({value for value, _ in seen}) == 60


def test_right_passages_have_the_answer_and_wrong_ones_are_of_another_paragraph(made, questions):
    home = {question.question: question.context for question in questions}
    for pair in made:
        assert pair.passage in pair.context
        assert len(pair.question) + len(pair.passage) + 3 <= 128
        assert (pair.context == home[pair.question]) == bool(pair.label)
        assert any(answer in pair.passage for answer in pair.answers) == bool(pair.label)


def test_pairs_depend_on_the_seed_alone(made, questions):
    assert pairs.make_pairs(questions, 120, 128, seed=1) == made
    assert pairs.make_pairs(questions, 120, 128, seed=2) != made


def test_half_of_the_wrong_passages_are_the_likeliest():
    draw = random.Random(5)
    contexts = [text(draw, 96) for _ in range(40)]
    after = dict(zip(contexts, [*contexts[1:], contexts[0]], strict=True))
    asked = {  # each question speaks of what stands in the next paragraph
        after[context][60:70]: Question(
            str(n), after[context][60:70], context, (Answer(context[:6], 0),)
        )
        for n, context in enumerate(contexts)
    }
    found = pairs.make_pairs(list(asked.values()), 80, 128, seed=1)
    wrong = [(pair, after[asked[pair.question].context]) for pair in found if not pair.label]
    assert sum(pair.hard for pair, _ in wrong) == 20
    assert all(pair.passage == next_one for pair, next_one in wrong if pair.hard)
    assert sum(pair.passage == next_one for pair, next_one in wrong if not pair.hard) < 10


def test_pairs_that_cannot_be_made_are_refused(questions):
    with pytest.raises(InputError, match="400 pairs: only 80 of 80 questions fit"):
        pairs.make_pairs(questions, 400, 128, seed=1)
    with pytest.raises(InputError, match="too few different paragraphs"):
        pairs.make_pairs(questions[:2], 4, 128, seed=1)
    long = [Question("1", "问" * 30, "文" * 200, (Answer("文", 0),))] * 4
    with pytest.raises(InputError, match="only 0 of 4 questions fit"):
        pairs.make_pairs(long, 4, 128, seed=1)


def reviews(count):
    return [Example(row, f"评论{row % (count - 5)}", None, str(row % 2)) for row in range(count)]


def test_a_sample_is_balanced_and_of_texts_that_are_not_scored():
    examples, scored = reviews(105), reviews(105)[:20]
    chosen = data.sample(examples, 60, 1, scored)
    assert collections.Counter(example.label for example in chosen) == {"0": 30, "1": 30}
    texts = {example.text_a for example in chosen}
    assert len(texts) == 60 and not texts & {example.text_a for example in scored}
    assert data.sample(examples, 60, 1, scored) == chosen
    assert {example.text_a for example in data.sample(examples, 60, 2, scored)} != texts
    with pytest.raises(InputError, match="expected 2 times at most 40"):
        data.sample(examples, 90, 1, scored)


def test_a_cut_keeps_premises_together_and_classes_in_proportion():
    labels = ("contradictory", "entailment", "neutral")
    examples = [
        Example(row, f"前提{row // 3}", f"假设{row}", labels[row % 3]) for row in range(150)
    ]
    parts = data.cut(examples, seed=1)
    assert [len(parts[split]) for split in ("train", "dev")] == [120, 30]
    for part in parts.values():
        assert len(set(collections.Counter(e.label for e in part).values())) == 1
    premises = {split: {e.text_a for e in part} for split, part in parts.items()}
    assert not premises["train"] & premises["dev"]
    assert sorted(e.row for part in parts.values() for e in part) == list(range(150))
    assert data.cut(examples, seed=1) == parts != data.cut(examples, seed=2)


@pytest.fixture(scope="module")
def folder(questions, tmp_path_factory):
    """A data folder with a few examples of everything."""
    root = tmp_path_factory.mktemp("data")
    (root / "cmrc2018").mkdir()
    write_json(root / "cmrc2018/train.json", data.squad(questions))
    other = [Question(f"D{q.id}", q.question, f"另{q.context}", ()) for q in questions]
    other = [
        Question(q.id, q.question, q.context, (Answer(old.answers[0].text, None),))
        for q, old in zip(other, questions, strict=True)
    ]
    write_json(root / "cmrc2018/dev.json", data.squad(other))
    (root / "chnsenticorp").mkdir()
    for split, count in (("train", 60), ("dev", 10), ("test", 10)):
        rows = [f"{row % 2}\t{split}{row}{'好' if row % 2 else '差'}" for row in range(count)]
        lines = "\n".join(["label\ttext_a", *rows, ""])
        (root / f"chnsenticorp/{split}.tsv").write_text(lines, "utf-8")
    (root / "xnli").mkdir()
    labels = ("contradiction", "entailment", "neutral")
    rows = [f"前提{row // 3}\t假设{row}\t{labels[row % 3]}" for row in range(60)]
    lines = "\n".join(["premise\thypo\tlabel", *rows, ""])
    (root / "xnli/dev.tsv").write_text(lines, "utf-8")
    return root


SMALL = ["chnsenticorp-500.examples=20", "pair.examples=20", "pair.scored=20"]


def test_the_files_that_are_made_can_be_read(folder, tmp_path):
    settings = settle(SMALL, cmrc_train=12)
    made = {
        name: data.folder_of(task, 1, folder, tmp_path, settings[name])
        for name, task in PROOFS.items()
    }
    assert made["chnsenticorp"] == folder / "chnsenticorp"
    read = {name: tfidf.read(PROOFS[name].registered, place) for name, place in made.items()}
    assert {name: [len(part) for part in parts.values()] for name, parts in read.items()} == {
        "chnsenticorp": [60, 10, 10],
        "chnsenticorp-500": [20, 10, 10],
        "cmrc2018": [12, 80],
        "pair": [20, 20, 20],
        "xnli-dev": [48, 12],
    }
    assert all(question.answers[0].start is not None for question in read["cmrc2018"]["train"])
    source = {q.question: q.context for q in read_questions(folder / "cmrc2018/dev.json")}
    paragraphs = [
        {source[e.text_a] for e in read["pair"][split] if e.label == "1"}
        for split in ("dev", "test")
    ]
    assert not paragraphs[0] & paragraphs[1]
    other = data.folder_of(PROOFS["xnli-dev"], 2, folder, tmp_path, settings["xnli-dev"])
    assert (other / "dev.tsv").read_text("utf-8") != (made["xnli-dev"] / "dev.tsv").read_text(
        "utf-8"
    )


def test_the_baseline_learns_a_rule():
    draw = random.Random(1)
    rows = [f"{text(draw, 8)}{('真好', '太差')[row % 2]}{text(draw, 8)}" for row in range(120)]
    examples = [Example(row, words, None, str(row % 2)) for row, words in enumerate(rows)]
    found = tfidf.classify({"train": examples[:80], "dev": examples[80:]}, seed=1)
    assert found["dev"] == {"examples": 40, "accuracy": 100.0}
    assert found["train"]["examples"] == 80 and found["strength"] in tfidf.STRENGTHS


def test_the_baseline_learns_whether_two_texts_agree():
    draw, examples = random.Random(1), []
    for row in range(240):
        one = text(draw, 10)
        other = one[3:] + text(draw, 3) if row % 2 else text(draw, 10)
        examples.append(Example(row, one, other, str(row % 2)))
    found = tfidf.classify({"train": examples[:160], "dev": examples[160:]}, seed=1)
    assert found["dev"]["accuracy"] > 90


def test_the_reading_baseline_takes_the_clause_most_like_the_question():
    context = "长城很长，它在中国北方。黄河是中国第二长的河；长江最长！"
    question = Question("1", "黄河是第几长的河？", context, (Answer("第二", 14),))
    grams = pairs.vectorizer([context, context])
    assert tfidf.answer([question], grams) == {"1": "黄河是中国第二长的河"}
    found = tfidf.read_answers({"train": [question, question], "dev": [question]})
    assert found["dev"]["em"] == 0 and 0 < found["dev"]["f1"] < 100


@pytest.mark.parametrize("word", ["pair.epoch=1", "pair=1", "pairs.epochs=1", "x"])
def test_unknown_settings_are_refused(word):
    with pytest.raises(InputError, match=r"expected TASK\.NAME=VALUE with one of chnsenticorp\."):
        settle([word])


def test_settings():
    changed = settle(["pair.epochs=0.5", "chnsenticorp-500.examples=20"], cmrc_train=7)
    assert changed["pair"]["epochs"] == 0.5 and changed["cmrc2018"]["examples"] == 7
    assert changed["chnsenticorp-500"]["examples"] == 20
    for word in ("pair.epochs=0", "pair.epochs=x", "pair.examples=1.5", "pair.examples=-1"):
        with pytest.raises(InputError, match="expected a number above 0"):
            settle([word])


@pytest.fixture
def place(folder, tmp_path):
    return jobs.Place("MODEL", folder, tmp_path / "work", settle(SMALL))


def write(place, task, arm, seed, recipe=None, **scores):
    """The results of a job; ``scores``: split -> figures."""
    job = jobs.Job(task, arm, seed, place, recipe)
    found = {"seed": seed, "train": {"seconds": 9.4}, **scores}
    write_json(job.output / "results.json", found)


def write_recipes(place, arm, values, task="chnsenticorp", metric="accuracy"):
    for recipe, value in zip(RECIPES, values, strict=True):
        write(place, task, arm, 0, recipe, dev={metric: value})


def test_the_plan_begins_with_recipes_and_goes_seed_by_seed(place):
    found = jobs.plan(place, ["chnsenticorp", "cmrc2018"], ["pretrained", "random", "tfidf"], 2)
    names = [(job.task, job.arm, job.recipe or job.seed) for job in found]
    assert names[:9] == [
        *(("chnsenticorp", "pretrained", recipe) for recipe in RECIPES),
        *(("chnsenticorp", "random", recipe) for recipe in RECIPES),
        *(("chnsenticorp", arm, 1) for arm in ("pretrained", "random", "tfidf")),
    ]
    assert names[18:] == [
        *(("chnsenticorp", arm, 2) for arm in ("pretrained", "random", "tfidf")),
        *(("cmrc2018", arm, 2) for arm in ("pretrained", "random")),  # its baseline has no seed
    ]
    assert len({job.output for job in found}) == len(found)
    assert not [job for job in jobs.plan(place, ["pair"], ["tfidf"], 1) if job.arm != "tfidf"]


def test_a_network_waits_for_its_own_recipe(place):
    waiting = {arm: jobs.Job("chnsenticorp", arm, 1, place) for arm in NETWORKS}
    write(place, "chnsenticorp", "random", 0, "default", dev={"accuracy": 99.0})
    assert not any(job.is_ready() for job in waiting.values())
    assert jobs.Job("chnsenticorp", "tfidf", 1, place).is_ready()
    assert jobs.Job("chnsenticorp", "random", 0, place, "1e-3").is_ready()
    write_recipes(place, "random", (70, 80, 75))
    assert waiting["random"].is_ready() and not waiting["pretrained"].is_ready()
    write_recipes(place, "pretrained", (90, 80, 90))
    assert waiting["pretrained"].is_ready()
    chosen = [jobs.chosen_recipe(place.runs, "chnsenticorp", arm) for arm in NETWORKS]
    assert chosen == ["default", "1e-3"]


@pytest.mark.parametrize("task", PROOFS)
def test_the_commands_of_the_arms(place, task):
    metric = PROOFS[task].choice[1]
    write_recipes(place, "random", (1, 2, 3), task, metric)
    write_recipes(place, "pretrained", (3, 2, 1), task, metric)
    known = {}
    for arm in NETWORKS:
        words = jobs.Job(task, arm, 2, place).command([])
        assert words[1:4] == ["-m", "paddle_electra", "finetune"]
        known[arm] = vars(from_arguments(FinetuneOptions, words[4:], "finetune"))
    differ = {
        name for name in known["random"] if known["random"][name] != known["pretrained"][name]
    }
    assert differ == {"init", "learning_rate", "layerwise_lr_decay", "output"}
    assert known["pretrained"]["learning_rate"] is None and known["pretrained"]["seed"] == 2
    settings = place.table[task]
    assert known["random"]["max_seq_length"] == settings["max_seq_length"]
    assert known["random"]["num_train_epochs"] == settings["epochs"]
    words = jobs.Job(task, "tfidf", 2, place).command([])
    ours = known["random"]["data"] or known["random"]["train"].removesuffix("/train.tsv")
    assert words[words.index("--data") + 1] == ours


def test_the_interval_is_that_of_scipy():
    first, second = [88.1, 90.2, 89.3], [84.0, 87.5, 85.5, 83.9, 85.0]
    found = table.compare(first, second)
    interval = ttest_ind(first, second, equal_var=False).confidence_interval(0.95)
    assert found["difference"] - found["half"] == pytest.approx(interval.low)
    assert found["difference"] + found["half"] == pytest.approx(interval.high)
    assert table.verdict(found) == f"pretraining beats random by 4.02 ± {found['half']:.2f}"


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([], [80.0], "nothing to compare yet"),
        ([81.0], [80.0, 81.0], "pretrained minus random +0.50; no test: too few trials"),
        ([80.0, 80.1], [85.0, 85.1], "pretraining is worse than random by 5.00 ± "),
        ([80.0, 86.0], [81.0, 84.0], "no difference shown: pretrained minus random +0.50 ± "),
        ([81.0, 81.0], [80.0, 80.0], "pretrained minus random +1.00; no test: no spread in either"),
    ],
)
def test_verdicts(first, second, expected):
    assert table.verdict(table.compare(first, second)).startswith(expected)


def report(place, tmp_path, tasks=("chnsenticorp", "cmrc2018"), run=()):
    planned = jobs.plan(place, tasks, ["pretrained", "random", "tfidf"], 5)
    table.write_table(tmp_path / "r.md", place, tasks, 5, planned, "python x", *run)
    return (tmp_path / "r.md").read_text("utf-8")


def test_a_partial_table(place, tmp_path):
    write_recipes(place, "random", (70, 80, 75))
    write(place, "chnsenticorp", "pretrained", 0, "1e-3", dev={"accuracy": 85})
    for seed, value in enumerate((90, 92, 91), 1):
        both = {"test": {"accuracy": float(value)}, "dev": {"accuracy": value + 0.5}}
        write(place, "chnsenticorp", "pretrained", seed, **both)
        if seed < 3:
            lower = {split: {"accuracy": scores["accuracy"] - 6} for split, scores in both.items()}
            write(place, "chnsenticorp", "random", seed, **lower)
    write_json(
        place.runs / "cmrc2018/tfidf/seed-1/results.json",
        {"seed": None, "dev": {"em": 1, "f1": 20}},
    )
    text = report(place, tmp_path)
    assert "**Not finished: 10 of 38 jobs are done.**" in text
    assert (
        "| pretrained | test accuracy | 3 of 5 | 91.00 | 1.00 | 1: 90.00, 2: 92.00, 3: 91.00 |"
        in text
    )
    assert "| random | test accuracy | 2 of 5 | 85.00 | 1.41 | 1: 84.00, 2: 86.00 |" in text
    assert "| tfidf | test accuracy | not run |  |  |  |" in text
    assert "| tfidf | dev F1 | any | 20.00 |  | 20.00 |" in text
    summary = "- ChnSentiCorp, all of it, test accuracy: pretraining beats random by 6.00 ± "
    assert summary in text and "n 3 and 2). Means: pretrained 91.00, random 85.00." in text
    assert "- CMRC 2018, dev F1: nothing to compare yet. Means: tfidf 20.00." in text
    shown = "default 70.00, 1e-3 80.00, 1e-3-all-layers 75.00; chosen: 1e-3."
    assert f"- Recipes, random, dev accuracy with seed 0: {shown}" in text
    assert "- Recipes, pretrained, dev accuracy with seed 0: 1e-3 85.00; not all are tried" in text
    assert "The commonest label alone would score test 50.00, dev 50.00." in text
    assert "0 of the 10 test texts stand in the training file too" in text
    assert "Not measured: no --run was given" in text


def test_the_commonest_label_is_told_as_soon_as_the_data_is_there(place, tmp_path):
    assert "commonest" not in report(place, tmp_path, ["xnli-dev"])
    data.folder_of(PROOFS["xnli-dev"], 1, place.data, place.work, place.table["xnli-dev"])
    text = report(place, tmp_path, ["xnli-dev"])
    assert "The commonest label alone would score dev 33.33." in text


def test_held_out_text_is_of_the_log_and_of_the_models_own_weights(place, tmp_path):
    entries = [
        {"step": step, "kind": "eval", "mlm_loss": 9 / step, "rtd_auc": 0.5} for step in (1, 2)
    ]
    entries.insert(1, {"step": 1, "kind": "train", "loss": 3.0})
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(e) + "\n" for e in entries), "utf-8")
    place = jobs.Place("M", place.data, place.work, place.table, str(tmp_path), "SHARDS")
    planned = jobs.plan(place, ["pair"], ["tfidf"], 1)
    measured = {"pretrained": {"mlm_loss": 4.4}, "random": {"mlm_loss": 8.8}}
    measured |= {"examples": 512, "weights": "the model itself"}
    write_json(planned[0].output / "results.json", measured)
    text = report(place, tmp_path)
    rows = [
        line.split(" | ")[:2] for line in text.splitlines() if line.startswith("| the run's log")
    ]
    assert rows == [
        ["| the run's log, first, step 1", "9.0000"],
        ["| the run's log, last, step 2", "4.5000"],
    ]
    assert "| measured: pretrained weights | 4.4000 |" in text
    assert "| measured: random weights | 8.8000 |" in text
    assert "Measured on 512 examples" in text and "the model itself" in text


@pytest.fixture
def start(folder, tmp_path, monkeypatch):
    """start(*words) -> exit code; jobs are one line of Python, which may be changed."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights").write_text("1")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    def command(self, options):
        if self.model in start.broken:
            return [sys.executable, "-c", f"raise SystemExit('x: error: bad row in {folder}/x')"]
        value = {"accuracy": 90.0 + self.seed if self.arm == "pretrained" else 80.0 + self.seed}
        found = {"seed": self.seed, "train": {"seconds": 1}, "dev": value, "test": value}
        write = "import pathlib, sys; p = pathlib.Path(sys.argv[1]); p.mkdir(parents=True); "
        write += "(p / 'results.json').write_text(sys.argv[2])"
        return [sys.executable, "-c", write, str(self.output), json.dumps(found)]

    monkeypatch.setattr(jobs.Job, "command", command)

    def start(*words):
        given = ["--model", tmp_path / "model", "--data", folder, "--work", tmp_path / "work"]
        given += ["--output", tmp_path / "r.md", "--tasks", "chnsenticorp", *words]
        return proof_tiny.main([str(word) for word in given])

    start.broken = ()
    return start


def test_jobs_that_failed_are_told_and_the_next_start_goes_on(start, tmp_path, folder, capsys):
    start.broken = ("random recipe 1e-3",)
    assert start("--trials", 2) == 1
    told = capsys.readouterr()
    assert "proof_tiny: failed: random recipe 1e-3 chnsenticorp: x: error: bad row" in told.err
    assert told.err.count("not begun, since no recipe could be chosen") == 2
    text = (tmp_path / "r.md").read_text("utf-8")
    assert "**Not finished: 9 of 12 jobs are done.**" in text
    assert "- failed: random recipe 1e-3 chnsenticorp: x: error: bad row in DATA/x" in text
    assert str(folder) not in text and str(tmp_path) not in text
    before = (tmp_path / "work/runs/chnsenticorp/pretrained/seed-1/results.json").stat().st_mtime_ns
    start.broken = ()
    assert start("--trials", 2) == 0
    assert "9 of 12 jobs are done already" in capsys.readouterr().out
    text = (tmp_path / "r.md").read_text("utf-8")
    assert "All 12 jobs are done." in text and "failed" not in text
    assert "| pretrained | test accuracy | 2 of 2 | 91.50 |" in text
    assert "pretraining beats random by 10.00 ± " in text
    after = (tmp_path / "work/runs/chnsenticorp/pretrained/seed-1/results.json").stat().st_mtime_ns
    assert after == before
    assert read_json(tmp_path / "work" / proof_tiny.SETTINGS)["chnsenticorp"]["files"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--set", "chnsenticorp.epochs=1"], "chnsenticorp with other settings or data"),
        (["--model", "{}/other"], "another model; name a new folder"),
        (["--model", "{}/nothing"], "no such checkpoint"),
        (["--data", "{}"], "no chnsenticorp/train.tsv"),
        (["--trials", "0"], "--trials 0: expected at least 1"),
        (["--shards", "x"], "--shards: needs --run"),
        (["--tasks", "drcd"], "invalid choice: 'drcd'"),
    ],
)
def test_wrong_command_lines(start, folder, tmp_path, capsys, words, message):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "weights").write_text("2")
    given = SimpleNamespace(data=folder, tasks=["chnsenticorp"])
    made = proof_tiny.identify(given, tmp_path / "model", settle([]))
    write_json(tmp_path / "work" / proof_tiny.SETTINGS, made)
    assert start("--arms", "tfidf", *(word.format(tmp_path) for word in words)) == 2
    told = capsys.readouterr().err
    assert message in told and told.startswith("proof_tiny: error: ") and told.count("\n") == 1
