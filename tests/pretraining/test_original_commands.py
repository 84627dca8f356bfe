"""``build_pretraining_dataset.py`` and ``run_pretraining.py``, called as the original is."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from launched import ROOT, environment, launch
from small_run import CHARACTERS, SMALL, build_shards, write_vocab

from paddle_electra import checkpoint
from paddle_electra.cli import main
from paddle_electra.config import from_dict
from paddle_electra.errors import InputError
from paddle_electra.pretraining import original_run
from paddle_electra.pretraining.options import PretrainOptions
from paddle_electra.pretraining.original_options import RunPretrainingOptions
from paddle_electra.pretraining.shards import ShardDataset
from paddle_electra.pretraining.tfrecords import write_records
from paddle_electra.training.log import read_log

TOOLS = ROOT / "tools"
HPARAMS = {**SMALL, "num_train_steps": 4, "max_seq_length": 48}


@pytest.fixture
def data_dir(tmp_path):
    """D with a corpus and a vocabulary."""
    folder = tmp_path / "D"
    shards = build_shards(tmp_path, "shards", CHARACTERS)
    (folder / "corpus").mkdir(parents=True)
    (tmp_path / "shards.txt").rename(folder / "corpus" / "text.txt")
    (folder / "vocab.txt").write_bytes((shards / "vocab.txt").read_bytes())
    return folder


def tool(name, *arguments):
    command = [sys.executable, str(TOOLS / name), *map(str, arguments)]
    return subprocess.run(command, env=environment(), capture_output=True, text=True)


def as_tfrecords(shards, folder, files=2):
    """The examples of shards as the original would have written them."""
    dataset = ShardDataset(shards)
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(files):
        path = folder / f"pretrain_data.tfrecord-{number}-of-{files}"
        examples = [dataset[row] for row in range(number, len(dataset), files)]
        write_records(path, [padded(*example, dataset.max_seq_length) for example in examples])


def padded(ids, first_length, length):
    """(input_ids, input_mask, segment_ids) of an example."""
    places = np.arange(length)
    count = len(ids)
    types = (places >= first_length) & (places < count)
    return np.pad(ids, (0, length - count)), places < count, types


@pytest.mark.slow
def test_both_commands_run_as_written_on_text(data_dir):
    arguments = "--corpus-dir {0}/corpus --vocab-file {0}/vocab.txt --output-dir {0}/{1} "
    arguments += "--max-seq-length 48 --num-processes 2 --blanks-separate-docs True "
    arguments += "--no-lower-case"
    built = tool(
        "build_pretraining_dataset.py", *arguments.format(data_dir, "pretrain_tfrecords").split()
    )
    assert built.returncode == 0, built.stderr
    line = ("--data-dir", data_dir, "--model-name", "electra_small_zh")
    hparams = {**HPARAMS, "use_tpu": False, "num_tpu_cores": 1, "vocab_size": 126}
    ran = tool("run_pretraining.py", *line, "--hparams", json.dumps(hparams))
    assert ran.returncode == 0, ran.stderr
    model = data_dir / "models" / "electra_small_zh"
    loaded = checkpoint.load(model)
    assert loaded.config.hidden_size == 32 and not loaded.config.do_lower_case
    assert read_log(model / "log.jsonl")[-1]["step"] == 4


@pytest.mark.slow
def test_tfrecords_under_the_launcher(data_dir, tmp_path):
    as_tfrecords(tmp_path / "shards", data_dir / "pretrain_tfrecords")
    file = tmp_path / "hparams.json"
    file.write_text(json.dumps(HPARAMS), "utf-8")
    line = ("--data-dir", data_dir, "--model-name", "m", "--hparams", file)
    launch(TOOLS / "run_pretraining.py", *line, logs=tmp_path / "logs")
    assert read_log(data_dir / "models" / "m" / "log.jsonl")[-1]["step"] == 4


def test_tfrecords_train_as_the_shards_they_were_made_of(data_dir, tmp_path):
    as_tfrecords(tmp_path / "shards", data_dir / "pretrain_tfrecords", files=1)
    line = ["--data-dir", str(data_dir), "--model-name", "m", "--hparams", json.dumps(HPARAMS)]
    assert main(["run-pretraining", *line]) == 0
    direct = {**HPARAMS, "data": str(tmp_path / "shards"), "output": str(tmp_path / "direct")}
    assert main(["pretrain", "--hparams", json.dumps(direct)]) == 0
    losses = [
        [entry["loss"] for entry in read_log(folder / "log.jsonl") if entry["kind"] == "train"]
        for folder in (data_dir / "models" / "m", tmp_path / "direct")
    ]
    assert losses[0] == losses[1] and len(losses[0]) == 4
    assert main(["run-pretraining", *line]) == 0  # converted and finished already


def refused(data_dir, capsys, **hparams):
    text = json.dumps({**HPARAMS, **hparams})
    line = ["--data-dir", str(data_dir), "--model-name", "m", "--hparams", text]
    assert main(["run-pretraining", *line]) == 2
    return capsys.readouterr().err


def test_what_is_not_where_the_original_has_it_is_named(data_dir, tmp_path, capsys):
    assert "neither shards nor *.tfrecord* files" in refused(data_dir, capsys)
    as_tfrecords(tmp_path / "shards", data_dir / "pretrain_tfrecords")
    (data_dir / "vocab.txt").rename(data_dir / "words.txt")
    said = refused(data_dir, capsys)
    assert "D/vocab.txt: no such file" in said and "tfrecords were made with" in said
    words = str(data_dir / "words.txt")
    assert "vocab_size 99: the shards" in refused(
        data_dir, capsys, vocab_file=words, vocab_size=99
    ).replace("--vocab-size 99", "vocab_size 99")
    write_vocab(data_dir / "fewer.txt", CHARACTERS[:20])
    said = refused(data_dir, capsys, vocab_file=str(data_dir / "fewer.txt"))
    assert "pretrain_data.tfrecord-0-of-2" in said or "pretrain_shards" in said


# The attributes that the original's PretrainingConfig takes from hparams, with its defaults.
ORIGINAL = {
    "debug": False,
    "do_train": True,
    "do_eval": False,
    "electra_objective": True,
    "gen_weight": 1.0,
    "disc_weight": 50.0,
    "mask_prob": 0.15,
    "learning_rate": 5e-4,
    "lr_decay_power": 1.0,
    "weight_decay_rate": 0.01,
    "num_warmup_steps": 10000,
    "iterations_per_loop": 200,
    "save_checkpoints_steps": 1000,
    "num_train_steps": 1000000,
    "num_eval_steps": 100,
    "model_size": "small",
    "model_hparam_overrides": {},
    "embedding_size": 128,
    "vocab_size": 30522,
    "do_lower_case": True,
    "uniform_generator": False,
    "untied_generator_embeddings": False,
    "untied_generator": True,
    "generator_layers": 1.0,
    "generator_hidden_size": 0.25,
    "disallow_correct": False,
    "temperature": 1.0,
    "max_seq_length": 128,
    "train_batch_size": 128,
    "eval_batch_size": 128,
    "use_tpu": False,
    "num_tpu_cores": 1,
    "tpu_job_name": None,
    "tpu_name": None,
    "tpu_zone": None,
    "gcp_project": None,
    "results_txt": None,
    "results_pkl": None,
    "model_dir": None,
    "pretrain_tfrecords": None,
    "vocab_file": None,
}


def test_every_key_of_the_original_is_known():
    values = {**ORIGINAL, "data": "d", "output": "o"}
    options = from_dict(PretrainOptions, values)
    for name, value in ORIGINAL.items():
        if any(name == field.name for field in dataclasses.fields(options)):
            assert getattr(options, name) == value, name
    assert from_dict(PretrainOptions, {"data": "d", "output": "o", "keep_checkpoints": 7}) == (
        from_dict(PretrainOptions, {"data": "d", "output": "o", "keep_checkpoint_max": 7})
    )


@pytest.mark.parametrize("key", ["results_txt", "results_pkl", "debug"])
def test_what_is_not_supported_is_refused_with_the_reason(key):
    with pytest.raises(InputError, match=f"{key}.* is not supported: "):
        from_dict(PretrainOptions, {"data": "d", "output": "o", key: "x"})


def test_places_may_be_given_as_in_the_original(data_dir, tmp_path):
    as_tfrecords(tmp_path / "shards", tmp_path / "elsewhere")
    hparams = {
        **HPARAMS,
        "pretrain_tfrecords": str(tmp_path / "elsewhere" / "pretrain_data.tfrecord*"),
        "vocab_file": str(data_dir / "vocab.txt"),
        "model_dir": str(tmp_path / "model"),
    }
    options = RunPretrainingOptions(
        data_dir=str(data_dir), model_name="m", hparams=json.dumps(hparams)
    )
    settled = original_run.pretrain_options(options)
    assert settled.output == str(tmp_path / "model")
    assert len(ShardDataset(Path(settled.data))) == len(ShardDataset(tmp_path / "shards"))
