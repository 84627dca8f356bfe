"""The tables of the six tasks: published figures, statistics, what is unfinished."""

import json
import math
import re

import pytest
import six_tasks
import six_tasks_table as tables
from six_tasks_figure import counterpart
from six_tasks_folders import BENCHMARKS, flat, settings, write_trials

from paddle_electra.errors import InputError
from paddle_electra.files import write_json
from paddle_electra.finetuning.tasks import TASKS

MODELS = {
    *("BERT-base", "BERT-wwm", "BERT-wwm-ext", "RoBERTa-wwm-ext", "RBT3"),
    *("ELECTRA-small", "ELECTRA-small-ex", "ELECTRA-base", "ELECTRA-large"),
}
HEADINGS = {"Development": "dev", "Test": "test", "Challenge": "challenge"}


@pytest.fixture(scope="module")
def published():
    return json.loads((BENCHMARKS / "published.json").read_text("utf-8"))


def test_every_published_figure_is_there(published):
    assert set(published["scores"]) == set(TASKS) & set(six_tasks.SOURCES)
    assert set(published["parameters"]) == MODELS
    for task, models in published["scores"].items():
        assert set(models) == MODELS
        for splits in models.values():
            assert list(splits) == ["dev", "test", "challenge"][: 3 if task == "cmrc2018" else 2]
            for scores in splits.values():
                assert list(scores) == (["em", "f1"] if TASKS[task].kind == "qa" else ["accuracy"])
                for score in scores.values():
                    assert 10 < (score["mean"] or score["maximum"]) <= score["maximum"] < 100


def test_some_published_figures(published):
    scores = published["scores"]
    assert scores["cmrc2018"]["RoBERTa-wwm-ext"]["challenge"] == {
        "em": {"maximum": 26.2, "mean": 24.6},
        "f1": {"maximum": 51.0, "mean": 49.1},
    }
    assert scores["drcd"]["RBT3"]["dev"]["em"] == {"maximum": 76.3, "mean": None}
    assert scores["bqcorpus"]["BERT-base"]["test"]["accuracy"] == {"maximum": 84.8, "mean": 84.6}
    assert published["parameters"]["ELECTRA-large"] == "324M"
    for task in scores:
        for size, splits in TASKS[task].reference.items():
            for split, (maximum, mean) in splits.items():
                score = scores[task][f"ELECTRA-{size}"][split][TASKS[task].metric]
                assert (score["maximum"], score["mean"]) == (maximum, mean)


def read_tables(text):
    """{task title: rows of cells} of the README's section of baselines."""
    section = re.search(r"^## Baselines$(.*?)^## ", text, re.M | re.S)[1]
    found = {}
    for part in re.split(r"^### ", section, flags=re.M)[1:]:
        title, _, rest = part.partition("\n")
        rows = [line.strip().strip("|").split("|") for line in rest.splitlines() if "|" in line]
        found[title.strip()] = [[cell.strip(" *") for cell in row] for row in rows]
    return found


@pytest.mark.reference
def test_published_figures_equal_the_readme(published, reference):
    readme = read_tables((reference / "docs" / "hfl-readme.md").read_text("utf-8"))
    compared = 0
    for task, title in tables.TITLES.items():
        heads, _, *rows = readme[title]
        for name, *cells, parameters in rows:
            model = "BERT-base" if name == "BERT" else name
            assert published["parameters"][model] == parameters
            for head, cell in zip(heads[1:-1], cells, strict=True):
                ours = published["scores"][task][model][HEADINGS[head]]
                for metric, figure in zip(tables.metrics_of(task), cell.split("/"), strict=True):
                    maximum, mean = re.fullmatch(
                        r" *([\d.]+) *(?:\(([\d.]+)\))? *", figure
                    ).groups()
                    expected = {"maximum": float(maximum), "mean": mean and float(mean)}
                    assert ours[metric] == expected, (task, model, head)
                    compared += 1
    assert compared == 9 * (3 * 2 + 2 * 2 + 4 * 2)


def test_models_are_named_as_everywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    cached = tmp_path / "cache" / "models--hfl--chinese-electra-small-generator"
    (cached / "snapshots" / "1").mkdir(parents=True)
    (tmp_path / "model.zip").touch()
    (tmp_path / "electra.index").touch()
    paths = ["chinese-electra-tiny", "model.zip", "electra", "hfl/chinese-electra-small"]
    words = [f"m{number}={path}" for number, path in enumerate(paths)]
    assert list(six_tasks.name_models(words).values()) == paths
    assert six_tasks.name_models(paths[:1]) == {paths[0]: paths[0]}
    for absent, message in (
        ("chinese-electra-tinny", "no such checkpoint"),
        ("hfl/chinese-electra-base", "nothing is downloaded"),
    ):
        with pytest.raises(InputError, match=f"{absent}: .*{message}"):
            six_tasks.name_models([absent])


def test_table_figures(tmp_path):
    write_trials(tmp_path, "a", "chnsenticorp", [((90,), (80,)), ((92,), (81,)), ((94,), (85,))])
    found = tables.make_tables(tmp_path, settings(["a"]))
    dev = found["scores"]["a"]["chnsenticorp"]["splits"]["dev"]["accuracy"]
    assert dev == {
        "values": {"1": 90, "2": 92, "3": 94},
        "maximum": 94,
        "mean": 92.0,
        "std": 2.0,
        "n": 3,
    }
    text = (tmp_path / "six_tasks.md").read_text("utf-8")
    row = "| **a** | 94.00 (92.00) ±2.00 | 85.00 (82.00) ±2.65 | small | ours, 3 of 3 trials |"
    assert row in text
    assert "| ELECTRA-base | 93.8 (93.0) | 94.5 (93.5) | 102M | published |" in text
    assert all(f"\n| {model} |" in text for model in MODELS)
    assert "1: 90.00, 2: 92.00, 3: 94.00 |" in text and "\\*" not in text
    assert "- hardware: " in text and "- versions: Python" in text
    assert json.loads((tmp_path / "six_tasks.json").read_text("utf-8")) == found


def test_reading_tables_show_em_and_f1(tmp_path):
    write_trials(tmp_path, "a", "cmrc2018", [((60, 80), (61, 81)), ((62, 84), (63, 83))])
    tables.make_tables(tmp_path, settings(["a"], ["cmrc2018"]))
    text = (tmp_path / "six_tasks.md").read_text("utf-8")
    assert "EM / F1" in text and "| Model | Development | Test | Challenge |" in text
    cells = "62.00 (61.00) ±1.41 / 84.00 (82.00) ±2.83 | 63.00 (62.00) ±1.41 / 83.00 (82.00) ±1.41"
    assert f"| **a** | {cells} | – | small | ours, 2 of 3 trials |" in text
    assert "22.6 (21.7) / 45.0 (43.8)" in text


def test_only_finished_trials_count(tmp_path):
    write_trials(tmp_path, "a", "chnsenticorp", [((90,), (80,)), ((92,), (82,))])
    unfinished = tmp_path / "runs/a/chnsenticorp/trial_3"
    write_json(unfinished / "settings.json", {})
    write_json(tmp_path / "runs/b/chnsenticorp/trial_1/settings.json", {})
    found = tables.make_tables(tmp_path, settings(["a", "b"]))
    assert found["scores"]["a"]["chnsenticorp"]["trials"] == 2
    assert found["scores"]["b"] == {}
    text = (tmp_path / "six_tasks.md").read_text("utf-8")
    assert "ours, 2 of 3 trials" in text and "b: no scores, no trial is finished yet" in text


def test_collapsed_trials_have_a_star(tmp_path):
    for number, dev in enumerate((50.0, 90.0, 50.0), 1):
        result = flat("chnsenticorp", number, dev=(dev,), test=(51.0,))
        if number == 3:  # a low score alone is none
            result["dev"]["warning"] = "all 7 predictions are '0'"
        folder = tmp_path / "runs/a/chnsenticorp" / f"trial_{number}"
        write_json(folder / "results.json", result)
    found = tables.make_tables(tmp_path, settings(["a"], trials=2))
    assert found["scores"]["a"]["chnsenticorp"]["collapsed"] == {
        "train": [],
        "dev": [3],
        "test": [],
    }
    text = (tmp_path / tables.MARKDOWN).read_text("utf-8")
    assert "1: 50.00, 2: 90.00, 3: 50.00* |" in text and "1: 51.00, 2: 51.00, 3: 51.00 |" in text
    assert "\n\n\\* The model gave one answer to everything.\n" in text
    assert "| ours, 3 trials |" in text  # of a start with fewer


def test_a_single_flat_run_is_read_and_a_summary_of_trials_is_not(tmp_path):
    result = flat("xnli", 5, dev=(70,), test=(71,))
    write_json(tmp_path / "runs/a/xnli/results.json", result)
    write_json(tmp_path / "runs/b/xnli/results.json", {"task": "xnli", "trials": [result]})
    found = tables.make_tables(tmp_path, settings(["a", "b"], ["xnli"], trials=1))
    assert found["scores"]["a"]["xnli"]["splits"]["dev"]["accuracy"]["values"] == {"5": 70}
    assert found["scores"]["a"]["xnli"]["splits"]["dev"]["accuracy"]["std"] is None
    assert found["scores"]["b"] == {}
    assert "| **a** | 70.00 (70.00) | 71.00 (71.00) |" in (tmp_path / tables.MARKDOWN).read_text()


def test_a_split_without_labels_has_no_score(tmp_path):
    result = {**flat("drcd", 1, dev=(70, 80)), "test": {"examples": 9}}
    write_json(tmp_path / "runs/a/drcd/trial_1/results.json", result)
    found = tables.collect(tmp_path / "runs" / "a", "drcd")
    assert list(found["splits"]) == ["dev"]
    assert found["examples"] == {"train": 70, "dev": 7, "test": 9}


def test_seeds_are_ordered_by_number(tmp_path):
    trials = [((90 + number,), (80,)) for number in range(10)]
    write_trials(tmp_path, "a", "lcqmc", trials)
    found = tables.collect(tmp_path / "runs" / "a", "lcqmc")["splits"]["dev"]["accuracy"]
    assert list(found["values"]) == [str(number) for number in range(1, 11)]


def test_a_damaged_result_is_named(tmp_path):
    write_json(tmp_path / "runs/a/xnli/trial_1/results.json", {"task": "xnli"})
    with pytest.raises(InputError, match=r"trial_1/results.json: key 'seed' is missing"):
        tables.make_tables(tmp_path, settings(["a"], ["xnli"]))


def test_welch_by_hand():
    # Means 2 and 5, variances 1 and 20/3: t = -3 / sqrt(1/3 + 5/3), and Satterthwaite's degrees.
    found = tables.welch([1, 2, 3], [2, 4, 6, 8])
    assert found["t"] == pytest.approx(-3 / math.sqrt(2))
    assert found["df"] == pytest.approx(2**2 / ((1 / 3) ** 2 / 2 + (5 / 3) ** 2 / 3))
    assert found["p"] == pytest.approx(0.0997, abs=5e-4)
    assert found["n"] == [3, 4] and found["note"] is None


def test_welch_against_a_constant():
    # One sample without spread: the other's error and its n - 1 degrees alone.
    found = tables.welch([1, 2, 3], [5, 5])
    assert found["t"] == pytest.approx(-3 / math.sqrt(1 / 3))
    assert found["df"] == pytest.approx(2)


@pytest.mark.parametrize(
    ("first", "second", "note"),
    [
        ([1], [1, 2], "too few trials"),
        ([], [1, 2], "too few trials"),
        ([5, 5], [5, 5], "no spread in either: the same score in every trial"),
        ([7, 7], [5.5, 5.5], "no spread in either: they differ by +1.50 in every trial"),
    ],
)
def test_welch_says_why_it_says_nothing(first, second, note):
    found = tables.welch(first, second)
    assert (found["t"], found["df"], found["p"], found["note"]) == (None, None, None, note)


def test_every_pair_is_tested_on_the_tasks_own_metric(tmp_path):
    for model, shift in (("a", 0), ("b", 5), ("c", 9)):
        scores = [((10, 80 + shift), (1, 2)), ((90, 82 + shift), (1, 2))]
        write_trials(tmp_path, model, "drcd", scores[: 1 if model == "c" else 2])
    found = tables.make_tables(tmp_path, settings(["a", "b", "c"], ["drcd"]))["welch"]["drcd"]
    assert [test["models"] for test in found] == [["a", "b"], ["a", "c"], ["b", "c"]]
    assert {(test["split"], test["metric"]) for test in found} == {("dev", "f1")}
    assert found[0]["t"] == pytest.approx(-5 / math.sqrt(2)) and found[0]["df"] == pytest.approx(2)
    text = (tmp_path / tables.MARKDOWN).read_text("utf-8")
    assert "Welch's t-test over seeds, dev F1" in text
    assert "| a − b | -3.536 | 2.00 | 0.0715 | 2 / 2 |  |" in text
    assert "| a − c | – | – | – | 2 / 1 | too few trials |" in text


def test_the_figure_is_a_png_even_without_scores(tmp_path):
    for number, models in enumerate((["a"], [])):
        write_trials(tmp_path / str(number), "a", "cmrc2018", [((60, 80), (61, 81))])
        tables.make_tables(tmp_path / str(number), settings(models, six_tasks.name_tasks(None)))
        picture = (tmp_path / str(number) / "six_tasks.png").read_bytes()
        assert picture.startswith(b"\x89PNG\r\n\x1a\n") and picture.endswith(b"IEND\xaeB`\x82")


@pytest.mark.parametrize(
    ("model", "size", "network", "expected"),
    [
        ("mine", "base", None, "ELECTRA-base"),
        ("mine", "base", (False, 12, 768), "ELECTRA-base"),
        ("mine", "small", (False, 2, 32), None),  # "small" is only the nearest size
        ("mine", "base", (True, 12, 768), None),
        ("bert-WWM", "base", (True, 12, 768), "BERT-wwm"),
        ("mine", "tiny", (False, 4, 128), None),
    ],
)
def test_the_published_counterpart(model, size, network, expected):
    shape = network and dict(zip(("bert", "layers", "hidden"), network, strict=True))
    assert counterpart(model, {"size": size, "network": shape}, "xnli") == expected


def test_the_network_is_seen_from_the_model_that_was_kept(tmp_path):
    write_trials(tmp_path, "a", "xnli", [((70,), (71,)), ((72,), (73,))], size="base")
    assert tables.collect(tmp_path / "runs" / "a", "xnli")["network"] is None
    config = {"num_hidden_layers": 3, "hidden_size": 768, "pooler": True}
    write_json(tmp_path / "runs/a/xnli/trial_2/config.json", config)
    found = tables.make_tables(tmp_path, settings(["a"], ["xnli"]))["scores"]["a"]["xnli"]
    assert found["network"] == {"bert": True, "layers": 3, "hidden": 768}
    assert "| BERT, 3 of 768 | ours" in (tmp_path / tables.MARKDOWN).read_text("utf-8")
