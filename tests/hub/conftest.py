"""Modules that are built, installed and used in an environment of their own.

Importing PaddleHub takes many seconds, so one process (``offline_hub.py``) does everything but
serving; the tests look at what it answered.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import paddle
import pytest
from offline_hub import BARE_NAME, NAME, VERSION
from tiny_checkpoint import TEXTS, make_checkpoint

from paddle_electra.checkpoint import native
from paddle_electra.hub.packaging import build_module
from paddle_electra.inference.networks import task_network
from paddle_electra.inference.predictor import Predictor

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def offline(tmp_path_factory):
    """(environment, working folder) of the processes."""
    root = tmp_path_factory.mktemp("offline")
    (root / "site").mkdir()
    shutil.copyfile(HERE / "offline_site.py", root / "site" / "sitecustomize.py")
    environment = {
        **os.environ,
        "PYTHONPATH": str(root / "site"),
        "HUB_HOME": str(root / "hub"),
        "BLOCKED_LOG": str(root / "blocked.log"),
        "PYTHONWARNINGS": "ignore",
        "OMP_NUM_THREADS": "1",
    }
    return environment, root


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    return {
        "tuned": make_checkpoint(root / "tuned", ["bad", "good"], seed=7),
        "other": make_checkpoint(root / "other", ["bad", "good"], seed=8),
        "bare": make_checkpoint(root / "bare", seed=3, generator=True),
        "qa": make_reading_checkpoint(root / "qa"),
    }


def make_reading_checkpoint(directory):
    """A model fine-tuned on reading comprehension, of the sizes of `make_checkpoint`."""
    base = make_checkpoint(directory.with_name("qa-base"), seed=5)
    config = native.load(base).config
    task = {"kind": "qa", "max_query_length": 8, "doc_stride": 8, "beam_size": 5}
    paddle.seed(6)
    native.save(directory, config, base / native.VOCAB, task_network(config, task, None), task=task)
    return directory


def paddlenlp_config(folder):
    """The arguments of PaddleNLP's ElectraConfig for a model of the same sizes."""
    config = json.loads((folder / "config.json").read_text("utf-8"))
    keys = ("embedding_size", "hidden_size", "num_hidden_layers", "num_attention_heads")
    keys += ("vocab_size", "intermediate_size", "max_position_embeddings", "initializer_range")
    return {key: config[key] for key in keys}


@pytest.fixture(scope="session")
def found(offline, models):
    environment, root = offline
    folder, archive = build_module(models["tuned"], NAME, root / "dist")
    # Scripts written for the published modules may name their version.
    bare_folder, _ = build_module(models["bare"], BARE_NAME, root / "dist", version=VERSION)
    inputs = {
        "texts": TEXTS,
        "folder": str(folder),
        "archive": str(archive),
        "other": str(models["other"]),
        "bare": str(models["bare"]),
        "qa": str(models["qa"]),
        "bare_folder": str(bare_folder),
        "config": paddlenlp_config(models["bare"]),
        "unbuilt": str(HERE.parent.parent / "hub_modules" / "chinese_electra_base"),
        "unbuilt_name": "chinese-electra-base",
    }
    (root / "inputs.json").write_text(json.dumps(inputs), "utf-8")
    script = [sys.executable, str(HERE / "offline_hub.py"), "inputs.json", "found.json"]
    done = subprocess.run(
        script, cwd=root, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads((root / "found.json").read_text("utf-8"))


@pytest.fixture(scope="session")
def expected(models):
    """What the Predictor answers in this process, from the checkpoints."""
    answers = {}
    for name in ("tuned", "other"):
        labels, probabilities = Predictor.load(models[name]).predict(TEXTS, return_prob=True)
        assert set(labels) == {"bad", "good"}, "choose another seed: these tests need both"
        answers[name] = labels, probabilities
    answers["qa"] = Predictor.load(models["qa"]).answer([TEXTS[1::2]])
    answers["embedding"] = Predictor.load(models["tuned"]).embed(TEXTS)
    return answers
