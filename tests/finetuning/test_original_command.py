"""``run_finetuning.py`` and the scorer, called as HFL's README has it."""

import json
import re
import subprocess
import sys
from pathlib import Path

import paddle
import pytest
from test_reading import write_reading
from test_several import write_pairs

from paddle_electra import checkpoint as checkpoints
from paddle_electra.checkpoint import native, original
from paddle_electra.cli import main
from paddle_electra.errors import InputError
from paddle_electra.finetuning.original_command import RunFinetuningOptions, finetune_options
from paddle_electra.finetuning.setup import prepare
from paddle_electra.modeling.config import ElectraConfig
from paddle_electra.modeling.electra import ElectraDiscriminator

TOOLS = Path(__file__).resolve().parents[2] / "tools"
SMALL = """{
    "task_names": ["cmrc2018"], "max_seq_length": 64, // as long as the model can take
    "vocab_size": %d, "do_train": true, "do_eval": true,
    "num_train_epochs": 1, "train_batch_size": 24,
    "learning_rate": 3e-4, "beam_size": 3, "use_tpu": false,
}"""


@pytest.fixture
def folder(pretrained, tmp_path):
    """DATA_DIR with a TensorFlow checkpoint, without config files, in models/electra-small."""
    place = tmp_path / "D" / "models" / "electra-small"
    place.mkdir(parents=True)
    original.write(place, checkpoints.load(pretrained))
    for config in place.glob("*.json"):
        config.unlink()
    return tmp_path / "D"


def reading_files(folder):
    folder.mkdir(parents=True)
    for split, count in (("train", 48), ("dev", 8), ("eval", 6)):
        write_reading(folder / f"{split}.json", count, count)


def call(folder, hparams, name="electra-small"):
    line = ["--data-dir", str(folder), "--model-name", name, "--hparams", str(hparams)]
    return main(["run-finetuning", *line])


def settings_of(folder, **hparams):
    flags = {"data_dir": str(folder), "model_name": "electra-small"}
    return finetune_options(RunFinetuningOptions(**flags, hparams=json.dumps(hparams)))


def hparams_of(pretrained, tmp_path, **changes):
    """A file of the sample's form, with a comment and a trailing comma."""
    size = len((pretrained / "vocab.txt").read_text("utf-8").splitlines())
    text = SMALL % size
    for name, value in changes.items():
        text = text.replace("{\n", f'{{\n    "{name}": {json.dumps(value)},\n', 1)
    path = tmp_path / "params_cmrc2018.json"
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize("place", ["models", "finetuning_data"])
def test_places_of_data_and_results(folder, pretrained, tmp_path, place, capsys):
    reading_files(folder / place / "cmrc2018")
    assert call(folder, hparams_of(pretrained, tmp_path)) == 0
    out = capsys.readouterr().out
    line = re.search(r"^cmrc2018: em: [\d.]+ - f1: [\d.]+ - average: [\d.]+$", out, re.MULTILINE)
    for results in (folder / "results", folder / "models" / "electra-small" / "results"):
        assert line.group() in (results / "cmrc2018_results.txt").read_text("utf-8")
        answers = json.loads((results / "cmrc2018_qa" / "cmrc2018_dev_preds.json").read_text())
        assert len(answers) == 8
        assert (results / "cmrc2018_qa" / "cmrc2018_eval_preds.json").is_file()
    model = folder / "models" / "electra-small" / "finetuning_models" / "cmrc2018_model"
    assert checkpoints.load(model).task["task"] == "cmrc2018"
    # Scoring alone takes the model that was trained.
    hparams = hparams_of(pretrained, tmp_path).read_text("utf-8")
    assert call(folder, hparams.replace('"do_train": true', '"do_train": false')) == 0
    assert line.group() in capsys.readouterr().out


def test_a_zip_unpacked_with_its_top_folder(folder, pretrained, tmp_path, capsys):
    """The run lies beside that folder; the same command finds the model again."""
    model = folder / "models" / "electra-small"
    inside = tmp_path / "inside"
    model.rename(inside)
    model.mkdir()
    inside.rename(model / "chinese_electra_small_L-12_H-256_A-4")
    vocab = model / "chinese_electra_small_L-12_H-256_A-4" / "vocab.txt"
    vocab.rename(folder / "vocab.txt")
    data = folder / "finetuning_data" / "lcqmc"
    data.mkdir(parents=True)
    for split in ("train", "dev"):
        write_pairs(data / f"{split}.tsv", 16, 1)
    hparams = '{"task_names": ["lcqmc"], "max_seq_length": 32, "num_train_epochs": 1}'
    assert call(folder, hparams) == 0
    assert (model / "results").is_dir()
    capsys.readouterr()
    assert call(folder, hparams) == 0
    assert "this run is already finished; nothing to do" in capsys.readouterr().out
    assert main(["validate", str(model)]) == 0


def test_classification_prints_its_line_for_every_trial(folder, pretrained, tmp_path, capsys):
    data = folder / "finetuning_data" / "lcqmc"
    data.mkdir(parents=True)
    for split, count in (("train", 64), ("dev", 16)):
        write_pairs(data / f"{split}.tsv", count, count)
    trials = '"num_trials": 2, "keep_all_models": false'
    assert call(folder, f'{{"task_names": ["lcqmc"], {trials}, "max_seq_length": 32,}}') == 0
    run = folder / "models" / "electra-small" / "finetuning_models" / "lcqmc_trials"
    kept = [path.parent.name for path in run.glob("trial_*/discriminator.safetensors")]
    assert kept == ["trial_2"]
    found = re.findall(r"^lcqmc: accuracy: [\d.]+ - loss: [\d.]+$", capsys.readouterr().out, re.M)
    assert len(found) == 2
    assert (folder / "results" / "lcqmc_results.txt").read_text().splitlines() == found


def test_one_run_then_trials_then_scores(folder, pretrained, capsys):
    data = folder / "finetuning_data" / "lcqmc"
    data.mkdir(parents=True)
    for split, count in (("train", 64), ("dev", 16)):
        write_pairs(data / f"{split}.tsv", count, count)
    one = {"task_names": ["lcqmc"], "max_seq_length": 32, "num_train_epochs": 1}
    several = {**one, "num_trials": 2}
    assert call(folder, json.dumps(one)) == 0
    assert call(folder, json.dumps(several)) == 0
    for given, model in ((one, "lcqmc_model"), (several, "lcqmc_trials/trial_2")):
        found = settings_of(folder, **given, do_train=False)
        assert found.model == str(folder / "models" / "electra-small" / "finetuning_models" / model)


def test_several_tasks_are_scored_one_by_one(folder, pretrained, capsys):
    for name in ("lcqmc", "bqcorpus"):
        data = folder / "finetuning_data" / name
        data.mkdir(parents=True)
        for split, count in (("train", 64), ("dev", 16)):
            write_pairs(data / f"{split}.tsv", count, count)
    values = {"task_names": ["lcqmc", "bqcorpus"], "max_seq_length": 32, "num_train_epochs": 1}
    assert call(folder, json.dumps(values)) == 0
    lines = re.findall(r"^(?:lcqmc|bqcorpus): accuracy.*$", capsys.readouterr().out, re.M)
    assert call(folder, json.dumps({**values, "do_train": False})) == 0
    assert re.findall(r"^(?:lcqmc|bqcorpus): accuracy.*$", capsys.readouterr().out, re.M) == lines
    assert len(lines) == 2


def test_what_the_overrides_say_where_tensors_do_not(folder, pretrained, tmp_path, capsys):
    """A model of no named size, without a config: its heads are a guess."""
    reading_files(folder / "models" / "cmrc2018")
    flags = {"task_names": ["cmrc2018"], "max_seq_length": 64}
    own = {"num_attention_heads": 4, "hidden_act": "gelu"}
    setup = prepare(settings_of(folder, **flags, model_hparam_overrides=own))
    assert setup.checkpoint.config.num_attention_heads == 4
    assert "heads" not in capsys.readouterr().err
    with pytest.raises(InputError, match="num_attention_heads: expected a number that divides"):
        prepare(settings_of(folder, **flags, model_hparam_overrides={"num_attention_heads": 5}))
    with pytest.raises(InputError, match="there is no 'hidden_act' in a model"):
        prepare(settings_of(folder, **flags, model_hparam_overrides={"hidden_act": "relu"}))


def test_the_settings_in_the_repository(folder):
    (folder / "finetuning_data" / "chnsenticorp").mkdir(parents=True)
    (folder / "finetuning_data" / "chnsenticorp" / "train.tsv").write_text("1\t好\n", "utf-8")
    hparams = str(TOOLS.parent / "configs" / "finetuning" / "chnsenticorp.json")
    flags = {"data_dir": str(folder), "model_name": "electra-small", "hparams": hparams}
    settings = finetune_options(RunFinetuningOptions(**flags))
    assert settings.task == ("chnsenticorp",)
    assert settings.data == str(folder / "finetuning_data" / "chnsenticorp")


def test_vocabulary_in_the_data_folder(folder, pretrained, tmp_path):
    """The original's fallback; `test_folders_that_are_not_there` is about there being none."""
    reading_files(folder / "models" / "cmrc2018")
    vocab = folder / "models" / "electra-small" / "vocab.txt"
    vocab.rename(folder / "vocab.txt")
    assert call(folder, hparams_of(pretrained, tmp_path)) == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vocab_size": 7}, "vocab_size 7: the model {model} has vocab_size 36"),
        ({"model_size": "base"}, "(model_size 'base'): the model {model} has num_hidden_layers 2"),
        ({"embedding_size": 3}, "embedding_size 3: the model {model} has embedding_size 16"),
        (
            {"model_hparam_overrides": {"hidden_size": 9}},
            "hidden_size 9 (model_hparam_overrides): the model {model} has hidden_size 32",
        ),
        ({"model_hparam_overrides": {"hidden": 9}}, "there is no 'hidden' in a model"),
        ({"debug": True}, "debug True is not supported: to try things out, give small files"),
        ({"results_pkl": "x"}, "results_pkl 'x' is not supported: every file of a run lies"),
        ({"learning_rat": 1}, "unknown hyperparameter or option 'learning_rat'"),
        ({"output": "x"}, "'output' follows from --data-dir and --model-name here"),
        ({"task_names": []}, 'which task? give "task_names"'),
        ({"task_names": ["cmrc18"]}, "unknown task 'cmrc18'; did you mean 'cmrc2018'?"),
        ({"task_names": ["drcd"]}, "no files of drcd: neither {data}/finetuning_data/drcd nor "),
        ({"do_train": False}, "there is no fine-tuned model in {model}/finetuning_models/"),
    ],
)
def test_mistakes(folder, pretrained, tmp_path, capsys, changes, message):
    reading_files(folder / "models" / "cmrc2018")
    values = {"task_names": ["cmrc2018"], "max_seq_length": 64, **changes}
    assert call(folder, json.dumps(values)) == 2
    error = capsys.readouterr().err
    model = folder / "models" / "electra-small"
    assert message.format(model=model, data=folder) in error
    assert [line.startswith("note: ") for line in error.splitlines()][:-1] in ([], [True])
    assert not (folder / "results").exists()


def test_folders_that_are_not_there(folder, pretrained, tmp_path, capsys):
    hparams = hparams_of(pretrained, tmp_path)
    assert call(tmp_path / "nowhere", hparams) == 2
    assert "no folder models in it; unzip the pretrained model into" in capsys.readouterr().err
    assert call(folder, hparams, "electra-smal") == 2
    assert "electra-small" in capsys.readouterr().err
    (folder / "models" / "electra-small" / "vocab.txt").unlink()
    reading_files(folder / "models" / "cmrc2018")
    assert call(folder, hparams) == 2
    assert "vocab.txt is missing; put the model's vocabulary there" in capsys.readouterr().err


def sample_of_readme(reference):
    """(the JSON of HFL's README, character for character)."""
    readme = (reference / "docs" / "hfl-readme.md").read_text("utf-8")
    blocks = re.findall(r"```json\n(.*?)```", readme, re.DOTALL)
    return next(block for block in blocks if "task_names" in block)


def test_the_sample_in_the_documents(folder, tmp_path):
    page = (TOOLS.parent / "docs" / "SIX_TASKS.md").read_text("utf-8")
    (sample,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    (tmp_path / "params_cmrc2018.json").write_text(sample, "utf-8")
    reading_files(folder / "models" / "cmrc2018")
    flags = {"data_dir": str(folder), "hparams": str(tmp_path / "params_cmrc2018.json")}
    settings = finetune_options(RunFinetuningOptions(**flags, model_name="electra-small"))
    assert (settings.max_seq_length, settings.learning_rate) == (512, 3e-4)


@pytest.mark.reference
def test_the_sample_in_the_documents_is_hfls(reference):
    page = (TOOLS.parent / "docs" / "SIX_TASKS.md").read_text("utf-8")
    assert sample_of_readme(reference) in page


@pytest.mark.reference
@pytest.mark.slow
def test_the_two_commands_of_hfls_readme(reference, tmp_path):
    """A true-size small checkpoint as HFL's zip unpacks, without config files."""
    vocab = reference / "data" / "vocab" / "vocab.txt"
    config = ElectraConfig.from_size("small", 21128)
    paddle.seed(1)
    native.save(tmp_path / "native", config, vocab, ElectraDiscriminator(config))
    model = tmp_path / "D" / "models" / "electra-small"
    model.mkdir(parents=True)
    original.write(model, checkpoints.load(tmp_path / "native"))
    for file in model.glob("*.json"):
        file.unlink()
    data = tmp_path / "D" / "models" / "cmrc2018"
    data.mkdir()
    for split, count in (("train", 2), ("dev", 1)):
        write_reading(data / f"{split}.json", count, count)
    hparams = tmp_path / "params_cmrc2018.json"
    hparams.write_text(sample_of_readme(reference), "utf-8")
    command = [sys.executable, "run_finetuning.py", "--data-dir", tmp_path / "D"]
    command += ["--model-name", "electra-small", "--hparams", hparams]
    done = subprocess.run(command, cwd=TOOLS, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answers = tmp_path / "D" / "results" / "cmrc2018_qa" / "cmrc2018_dev_preds.json"
    command = [sys.executable, "cmrc2018_drcd_evaluate.py", data / "dev.json", answers]
    scored = subprocess.run(command, cwd=TOOLS, capture_output=True, text=True, check=True)
    official = json.loads(scored.stdout)
    assert official["TOTAL"] == 1
    settings = json.loads(
        (model / "finetuning_models" / "cmrc2018_model" / "settings.json").read_text()
    )["options"]
    assert (settings["max_seq_length"], settings["learning_rate"]) == (512, 3e-4)


@pytest.mark.reference
def test_the_sample_is_refused_for_a_model_with_another_vocabulary(reference, tmp_path, capsys):
    models = tmp_path / "D" / "models"
    models.mkdir(parents=True)
    (models / "electra-small").symlink_to(reference / "oracle" / "electra_small")
    reading_files(models / "cmrc2018")
    size = checkpoints.load(models / "electra-small").config.vocab_size
    assert call(tmp_path / "D", sample_of_readme(reference)) == 2
    error = capsys.readouterr().err
    assert f"vocab_size 21128: the model {models}/electra-small has vocab_size {size}" in error
