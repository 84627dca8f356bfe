"""Our own checkpoint folders: round trip, tied embeddings, and answers to damage."""

import json
import shutil

import numpy as np
import paddle
import pytest
from tiny_checkpoint import make_checkpoint

from paddle_electra import checkpoint
from paddle_electra.checkpoint import native
from paddle_electra.checkpoint.runs import (
    PRETRAINING_SETTINGS,
    checkpoint_folder,
    list_checkpoints,
)
from paddle_electra.errors import InputError
from paddle_electra.modeling.electra import (
    ElectraDiscriminator,
    ElectraForPreTraining,
    ElectraForSequenceClassification,
    ElectraModel,
)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return make_checkpoint(tmp_path_factory.mktemp("model") / "model", generator=True)


@pytest.fixture
def folder(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "model")


def refused(path):
    with pytest.raises(InputError) as caught:
        checkpoint.load(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def all_values(model):
    return {name: parameter.numpy() for name, parameter in model.state_dict().items()}


@pytest.mark.parametrize("tied", [True, False])
def test_both_halves_come_back(tmp_path, saved, tied):
    config = checkpoint.load(saved).config
    config = type(config)(**{**config.to_dict(), "tied_embeddings": tied, "do_lower_case": False})
    paddle.seed(1)
    first = ElectraForPreTraining(config)
    vocab = saved / native.VOCAB
    native.save(tmp_path / "out", config, vocab, first.discriminator, first.generator)
    loaded = checkpoint.load(tmp_path / "out")
    assert loaded.config == config
    assert loaded.task is None
    assert loaded.vocab_file.read_bytes() == vocab.read_bytes()
    paddle.seed(2)
    second = ElectraForPreTraining(config)
    native.load_pretraining(second, loaded)
    before, after = all_values(first), all_values(second)
    assert before.keys() == after.keys()
    for name, array in before.items():
        np.testing.assert_array_equal(array, after[name], err_msg=name)


def test_tied_embeddings_are_stored_once(saved):
    loaded = checkpoint.load(saved)
    assert loaded.config.tied_embeddings
    assert any(name.startswith("electra.embeddings.") for name in loaded.discriminator)
    assert not any(name.startswith("electra.embeddings.") for name in loaded.generator)
    model = ElectraForPreTraining(loaded.config)
    native.load_pretraining(model, loaded)
    halves = model.generator.electra.embeddings, model.discriminator.electra.embeddings
    one, other = (half.word_embeddings.weight for half in halves)
    assert one is other


def test_a_checkpoint_without_generator_leaves_the_fresh_one(tmp_path):
    loaded = checkpoint.load(make_checkpoint(tmp_path / "model"))
    assert loaded.generator is None
    model = ElectraForPreTraining(loaded.config)
    fresh = model.generator.head.bias.numpy().copy()
    native.load_pretraining(model, loaded)
    np.testing.assert_array_equal(model.generator.head.bias.numpy(), fresh)
    shared = model.generator.electra.embeddings.word_embeddings.weight.numpy()
    name = "electra.embeddings.word_embeddings.weight"
    np.testing.assert_array_equal(shared, loaded.discriminator[name])


def test_the_task_of_a_finetuned_model_comes_back(tmp_path):
    loaded = checkpoint.load(make_checkpoint(tmp_path / "model", labels=["差", "好", "中"]))
    assert loaded.task["labels"] == ["差", "好", "中"]
    assert loaded.task["num_classes"] == 3
    model = ElectraForSequenceClassification(loaded.config, 3)
    native.load_weights(model, loaded.discriminator, loaded.source)
    weight = loaded.discriminator["classifier.weight"]
    np.testing.assert_array_equal(model.classifier.weight.numpy(), weight)


def test_saving_replaces_what_was_there_as_a_whole(saved, folder, tmp_path):
    (folder / "stale.txt").write_text("old")
    loaded = checkpoint.load(saved)
    native.save(folder, loaded.config, loaded.vocab_file, ElectraDiscriminator(loaded.config))
    names = {native.CONFIG, native.VOCAB, native.DISCRIMINATOR}
    assert {path.name for path in folder.iterdir()} == names
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_failed_save_leaves_the_old_checkpoint(folder, tmp_path, monkeypatch):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    loaded = checkpoint.load(folder)

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(native, "write_tensors", full)
    with pytest.raises(InputError, match="the disk is full"):
        native.save(folder, loaded.config, loaded.vocab_file, ElectraDiscriminator(loaded.config))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_run_gives_its_newest_complete_checkpoint(saved, tmp_path):
    run = tmp_path / "run"
    for step in (5, 100, 20):
        shutil.copytree(saved, checkpoint_folder(run, step))
    shutil.copytree(saved, run / "checkpoints" / ".step-00000200.77.tmp")  # of a killed save
    (run / "checkpoints" / "notes").mkdir()
    assert [step for step, _ in list_checkpoints(run)] == [5, 20, 100]
    with pytest.raises(InputError, match="a fine-tuning that is not finished"):
        checkpoint.load(run)
    (run / PRETRAINING_SETTINGS).write_text("{}")
    assert checkpoint.load(run).source == str(checkpoint_folder(run, 100))


@pytest.mark.parametrize("name", [native.VOCAB, native.CONFIG, native.DISCRIMINATOR])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    assert name in refused(folder)
    with pytest.raises(InputError, match=f"{name} is missing"):
        native.load(folder)


def test_nothing_there(tmp_path):
    assert "nowhere: no such folder or checkpoint" in refused(tmp_path / "nowhere")
    assert "no model found; looked for config.json" in refused(tmp_path)
    (tmp_path / "file").write_text("x")
    assert "no model found" in refused(tmp_path / "file")


@pytest.mark.parametrize("name", [native.DISCRIMINATOR, native.GENERATOR])
@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:7],
        lambda data: data[:100],
        lambda data: data[:-1],
        lambda data: b"\xff" * 8 + data[8:],
        lambda data: data[:8] + b"x" + data[9:],
        lambda data: b"version https://git-lfs.github.com/spec/v1\n",
    ],
)
def test_a_damaged_weight_file_is_named(folder, name, damage):
    path = folder / name
    path.write_bytes(damage(path.read_bytes()))
    assert refused(folder).startswith(f"{path}: not a readable safetensors file")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"colour": "red"}, "unknown key 'colour'"),
        ({"hidden_size": None}, "hidden_size: expected a whole number of at least 1, got None"),
        ({"hidden_size": "32"}, "hidden_size: expected a whole number of at least 1, got '32'"),
        (
            {"num_hidden_layers": 2.5},
            "num_hidden_layers: expected a whole number of at least 1, got 2.5",
        ),
        ({"num_hidden_layers": 0}, "num_hidden_layers: expected a whole number of at least 1"),
        ({"vocab_size": -1}, "vocab_size: expected a whole number of at least 1, got -1"),
        ({"num_attention_heads": 3}, "hidden_size 32 is not a multiple of num_attention_heads 3"),
        ({"hidden_dropout_prob": "a"}, "hidden_dropout_prob: expected a number, got 'a'"),
        ({"do_lower_case": 1}, "do_lower_case: expected true or false, got 1"),
    ],
)
def test_a_bad_config_is_named(folder, changes, message):
    path = folder / native.CONFIG
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    assert refused(folder).startswith(f"{path}: {message}")


def test_a_config_with_a_key_missing_or_of_another_form(folder):
    path = folder / native.CONFIG
    values = json.loads(path.read_text())
    del values["hidden_size"]
    path.write_text(json.dumps(values))
    assert refused(folder) == f"{path}: key 'hidden_size' is missing"
    path.write_text("[]")
    assert refused(folder).startswith(f"{path}: expected a JSON object")
    path.write_text("{")
    assert refused(folder).startswith(f"{path}: line 1, column 2: not JSON")


def test_a_task_of_another_form(folder):
    (folder / native.TASK).write_text("[1]")
    assert "task.json: expected a JSON object" in refused(folder)


def test_tensors_that_do_not_fit_are_named(saved):
    loaded = checkpoint.load(saved)
    model = ElectraDiscriminator(loaded.config)
    tensors = loaded.discriminator
    name = "electra.layers.1.attention.qkv.weight"

    def check(changed, message, **allowed):
        with pytest.raises(InputError) as caught:
            native.load_weights(model, changed, "MODEL", **allowed)
        assert str(caught.value).startswith(f"MODEL: tensor {message}")

    without = {key: array for key, array in tensors.items() if key != name}
    check(without, f"{name!r} is missing")
    check(without, f"{name!r} is missing", allow_missing=["head."])
    native.load_weights(model, without, "MODEL", allow_missing=["electra.layers.1."])
    check({**tensors, "pooler.weight": tensors[name]}, "'pooler.weight' is not part of this model")
    native.load_weights(model, {**tensors, "pooler.w": tensors[name]}, "M", (), ["pooler."])
    check({**tensors, name: tensors[name][:, :-1]}, f"{name!r} has shape [32, 95], the model needs")
    check({**tensors, name: tensors[name].T}, f"{name!r} has shape [96, 32], the model needs")


def test_weights_of_another_precision_are_converted(saved):
    loaded = checkpoint.load(saved)
    model = ElectraModel(loaded.config)
    prefix = "electra."
    halves = {
        name[len(prefix) :]: array.astype("float16")
        for name, array in loaded.discriminator.items()
        if name.startswith(prefix)
    }
    native.load_weights(model, halves, "MODEL")
    for name, array in all_values(model).items():
        assert array.dtype == np.float32
        np.testing.assert_array_equal(array, halves[name].astype("float32"))
