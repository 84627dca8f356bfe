"""Several tasks learned at once: one encoder, a head each."""

import json
import random
from pathlib import Path

import numpy as np
import paddle
import pytest
from finetuning_data import CHARACTERS

from paddle_electra import checkpoint as checkpoints
from paddle_electra.checkpoint.native import load_weights
from paddle_electra.errors import InputError
from paddle_electra.finetuning.loop import Trainer, split_into_parts
from paddle_electra.finetuning.run import build_model, run
from paddle_electra.finetuning.session import Session
from paddle_electra.finetuning.setup import prepare

NAMES = ["chnsenticorp", "lcqmc"]


def write_pairs(path, count, seed):
    """Pairs; those whose second text has 好 are alike."""
    source, lines = random.Random(seed), []
    for number in range(count):
        first, second = ("".join(source.choices(CHARACTERS, k=5)) for _ in range(2))
        second = second[:2] + "好" * (number % 2) + second[2:]
        lines.append(f"{first}\t{second}\t{number % 2}\n")
    path.write_text("".join(lines), encoding="utf-8")


@pytest.fixture
def two(options, data, tmp_path):
    """two(output, **changes): options of both tasks at once."""
    folder = tmp_path / "both"
    (folder / "lcqmc").mkdir(parents=True)
    data.rename(folder / "chnsenticorp")
    for split, count in (("train", 160), ("dev", 40), ("test", 20)):
        write_pairs(folder / "lcqmc" / f"{split}.tsv", count, count)

    def _two(output="out", **changes):
        return options(output, **{"task": NAMES, "data": str(folder), **changes})

    return _two


@pytest.mark.slow
def test_both_are_learned_and_each_has_a_model(two, capsys):
    results = run(two("out", num_train_epochs=6))
    for name in NAMES:
        assert results[name]["dev"]["accuracy"] > 90
        assert results[name]["test"]["accuracy"] > 90
    assert results["train"]["examples"] == 400
    assert results["task"] == NAMES
    folder = Path(two("out").output)
    models = [checkpoints.load(folder / name) for name in NAMES]
    assert [model.task["kind"] for model in models] == ["seq-cls", "pair-cls"]
    encoders = [
        {n: t for n, t in model.discriminator.items() if n.startswith("electra.")}
        for model in models
    ]
    assert encoders[0].keys() == encoders[1].keys()
    assert all(np.array_equal(encoders[0][name], encoders[1][name]) for name in encoders[0])
    out = capsys.readouterr().out
    assert "epoch 1: lcqmc dev accuracy" in out
    scored = two("again", task="lcqmc", do_train=False, model=str(folder / "lcqmc"))
    again = run(two("again", **{**vars_of(scored), "data": str(Path(scored.data) / "lcqmc")}))
    assert again["dev"] == results["lcqmc"]["dev"]


def vars_of(options):
    return {"task": options.task, "do_train": options.do_train, "model": options.model}


def test_the_gradient_is_that_of_the_sum_of_both(two):
    """A mixed batch: losses of each task by its head, added up."""
    setup = prepare(two())
    model = build_model(setup)
    model.eval()
    trainer = Trainer(setup.kind, model, setup.training_features, setup.options)
    features = trainer.next_features()
    assert {feature.job for feature in features} == {0, 1}
    total = sum(
        setup.kind.losses(model, setup.kind.collate(part)).sum()
        for part in split_into_parts(features)
    )
    alone = 0.0
    for feature in features:
        kind, part = setup.jobs[feature.job].kind, setup.part(model, feature.job)
        alone += float(kind.losses(part, kind.collate([feature.feature])).sum())
    assert float(total) == pytest.approx(alone, rel=1e-5)
    total.backward()
    for part in model.parts:
        assert float(paddle.abs(part.classifier.weight.grad).sum()) > 0
    names = [name for name, _ in model.named_parameters()]
    assert len(names) == len(set(names)) == len(model.state_dict())


@pytest.mark.slow
def test_a_stopped_run_of_several_goes_on(two, monkeypatch):
    given = {"num_train_epochs": 2, "train_batch_size": 40}
    unbroken = run(two("unbroken", **given))
    score, calls = Session._score_dev, []

    def stop(self, bar):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        score(self, bar)

    monkeypatch.setattr(Session, "_score_dev", stop)
    with pytest.raises(KeyboardInterrupt):
        run(two("stopped", **given))
    monkeypatch.undo()
    resumed = run(two("stopped", **given))
    for results in (resumed, unbroken):
        results["train"].pop("seconds")
    assert resumed == unbroken


def test_a_head_without_examples_in_a_batch_is_updated_as_in_the_original(two, data, tmp_path):
    """Moments and decay go on, also from the moments alone, as after a resume."""
    lines = (tmp_path / "both" / "lcqmc" / "train.tsv").read_text("utf-8").splitlines(True)
    (tmp_path / "both" / "lcqmc" / "train.tsv").write_text("".join(lines[:4]), "utf-8")
    setup = prepare(two(train_batch_size=8, warmup_proportion=0.01))

    def trained(steps, start=None):
        model = build_model(setup)
        trainer = Trainer(setup.kind, model, setup.training_features, setup.options)
        if start is not None:
            weights, moments, trainer.step = start
            load_weights(model, weights, "a test")
            trainer.optimizer.load_moments(moments, "a test")
        for _ in range(steps):
            trainer.train_step()
        weights = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
        return weights, trainer.optimizer.moments(), trainer.step

    unbroken = trained(24)[0]
    for stop in (9, 14, 20):
        resumed = trained(24 - stop, trained(stop))[0]
        for name, tensor in unbroken.items():
            np.testing.assert_array_equal(tensor, resumed[name], err_msg=f"{stop} {name}")


@pytest.mark.slow
def test_keep_best_takes_the_mean_of_both(two):
    results = run(two("out", keep="best", num_train_epochs=3))
    best = max(
        results["epochs"],
        key=lambda e: (sum(e[name]["accuracy"] for name in NAMES), -e["step"]),
    )
    assert results["train"]["kept_step"] == best["step"]


def test_trials_of_several_tasks(two, capsys):
    results = run(two("out", num_trials=2, num_train_epochs=1, train_batch_size=80))
    values = results["summary"]["lcqmc"]["dev"]["accuracy"]["values"]
    assert values == [trial["lcqmc"]["dev"]["accuracy"] for trial in results["trials"]]
    assert "lcqmc dev" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": ["lcqmc", "lcqmc"]}, "lcqmc is named twice"),
        ({"task": ["lcqmc", "custom"]}, "custom cannot be learned together"),
        ({"task": ["lcqmc", "xnli"]}, "no folder xnli in it; several tasks have a folder each"),
        ({"do_train": False}, "score one task at a time"),
        ({"task": "lcqmc,imdb"}, "unknown task 'imdb'"),
        ({"task": ","}, "--task is empty"),
        ({"data": None}, "--data is required"),
        ({"kind": "qa"}, "--kind is for --task custom"),
    ],
)
def test_mistakes(two, changes, message):
    with pytest.raises(InputError, match=message):
        run(two("out", **changes))
    assert not Path(two("out").output).exists()


def test_task_names_of_the_original(two, tmp_path):
    file = tmp_path / "h.json"
    file.write_text(json.dumps({"task_names": NAMES, "num_train_epochs": 0.5}))
    from paddle_electra.config import from_arguments
    from paddle_electra.finetuning.options import FinetuneOptions

    places = ["--model", "m", "--output", "o", "--hparams", str(file)]
    assert from_arguments(FinetuneOptions, places, "program finetune").task == tuple(NAMES)
