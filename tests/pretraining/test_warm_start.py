"""``pretrain --init-from``: weights only, from any format, at step 0."""

import dataclasses
import json

import numpy as np
import paddle
import pytest
from small_run import CHARACTERS, SMALL, build_shards
from tiny_checkpoint import make_checkpoint

from paddle_electra import checkpoint
from paddle_electra.checkpoint import native
from paddle_electra.config import from_dict
from paddle_electra.errors import InputError
from paddle_electra.modeling.config import ElectraConfig
from paddle_electra.modeling.electra import ElectraForPreTraining
from paddle_electra.pretraining import run as pretraining
from paddle_electra.pretraining.options import PretrainOptions
from paddle_electra.training.log import read_log
from paddle_electra.training.state import list_checkpoints

SIZES = (
    "model_size",
    "num_hidden_layers",
    "hidden_size",
    "embedding_size",
    "num_attention_heads",
    "generator_hidden_size",
)
WORDS = "electra.embeddings.word_embeddings.weight"


def make_model(folder, vocab, **changes):
    """A native checkpoint of a discriminator and a generator that fit the shards."""
    sizes = {
        "vocab_size": len(vocab.read_text("utf-8").splitlines()),
        "embedding_size": 16,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "generator_hidden_size": 24,
        "generator_num_hidden_layers": 1,
        "generator_num_attention_heads": 3,
        "generator_intermediate_size": 40,
        "max_position_embeddings": 64,
    }
    config = ElectraConfig(**{**sizes, **changes})
    paddle.seed(11)
    model = ElectraForPreTraining(config)
    native.save(folder, config, vocab, model.discriminator, model.generator)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory, shards):
    return make_model(tmp_path_factory.mktemp("model") / "native", shards / "vocab.txt")


def options(shards, output, **changes):
    small = {key: value for key, value in SMALL.items() if key not in SIZES}
    values = {**small, "data": str(shards), "output": str(output), "num_train_steps": 3}
    return from_dict(PretrainOptions, {**values, "num_warmup_steps": 0, **changes})


def refused(*arguments, **changes):
    with pytest.raises(InputError) as caught:
        pretraining.run(options(*arguments, **changes))
    return str(caught.value)


def first_loss(output):
    return read_log(output / "log.jsonl")[0]["loss"]


@pytest.mark.parametrize("name", ["native", "tensorflow", "huggingface", "paddlenlp"])
def test_a_run_begins_with_the_weights_of_any_format(model, shards, tmp_path, name, capsys):
    source = tmp_path / "source"
    checkpoint.convert(model, source, to=name)
    run = pretraining.Run(options(shards, tmp_path / "out", init_from=str(source)))
    before = checkpoint.load(model)
    state = {**native.tensors_of(run.model.discriminator)}
    for key, array in before.discriminator.items():
        np.testing.assert_array_equal(state[key], array, err_msg=key)
    state = native.tensors_of(run.model.generator)
    for key, array in before.generator.items():
        np.testing.assert_array_equal(state[key], array, err_msg=key)
    assert run.step == 0
    assert run.config.generator_num_attention_heads == 3
    said = capsys.readouterr().out
    assert "loaded  discriminator: " in said
    assert "new     the optimizer, at step 0" in said
    run.train()
    moments, _ = pretraining.state.read_training_state(
        list_checkpoints(tmp_path / "out")[-1][1], keys=("sums",)
    )
    assert moments  # the optimizer's own, begun afresh
    trained = checkpoint.load(tmp_path / "out")
    assert not np.array_equal(trained.discriminator[WORDS], before.discriminator[WORDS])


def test_a_discriminator_alone_gets_a_fresh_generator(model, shards, tmp_path, capsys):
    source = tmp_path / "source"
    checkpoint.convert(model, source, to="huggingface", half="discriminator")
    run = pretraining.Run(
        options(shards, tmp_path / "out", init_from=str(source), generator_hidden_size=8)
    )
    said = capsys.readouterr().out
    assert "new     a generator of 2 layers of 8, random" in said
    shared = run.model.generator.electra.embeddings.word_embeddings.weight
    np.testing.assert_array_equal(shared.numpy(), checkpoint.load(model).discriminator[WORDS])


def test_an_encoder_without_head_and_a_finetuned_model(shards, tmp_path, capsys):
    vocab = shards / "vocab.txt"
    size = len(vocab.read_text("utf-8").splitlines())
    tuned = make_checkpoint(tmp_path / "tuned", labels=["0", "1"], vocab_size=size)
    (tuned / "vocab.txt").write_bytes(vocab.read_bytes())
    run = pretraining.Run(options(shards, tmp_path / "out", init_from=str(tuned)))
    said = capsys.readouterr().out
    assert "left    classifier.weight, classifier.bias" in said
    assert "new     the discriminator's head, random" in said
    np.testing.assert_array_equal(
        native.tensors_of(run.model.discriminator)[WORDS],
        checkpoint.load(tuned).discriminator[WORDS],
    )


def test_a_stopped_warm_start_goes_on_without_its_source(model, shards, tmp_path):
    given = {"init_from": str(model), "save_checkpoints_steps": 1}
    unbroken = tmp_path / "unbroken"
    pretraining.run(options(shards, unbroken, **given))
    source = tmp_path / "source"
    checkpoint.convert(model, source, to="native")
    given["init_from"] = str(source)
    output = tmp_path / "broken"
    run = pretraining.Run(options(shards, output, **given))
    run.options = dataclasses.replace(run.options, num_train_steps=3)
    original = run._time_to_save

    def stop_after_the_first():
        if run.step == 2:
            raise KeyboardInterrupt
        return original()

    run._time_to_save = stop_after_the_first
    with pytest.raises(KeyboardInterrupt):
        run.train()
    for file in source.iterdir():
        file.unlink()
    source.rmdir()
    pretraining.run(options(shards, output, **given))
    one, other = checkpoint.load(unbroken), checkpoint.load(output)
    for key, array in one.discriminator.items():
        np.testing.assert_array_equal(array, other.discriminator[key], err_msg=key)


def test_the_rate_goes_by_the_width_of_what_is_loaded(model, shards, tmp_path):
    given = options(shards, tmp_path / "out", init_from=str(model), learning_rate=None)
    pretraining.run(given)
    saved = json.loads((tmp_path / "out" / "pretraining.json").read_text())["options"]
    assert saved["learning_rate"] == 5e-4 / 4  # a quarter of a run's from random weights
    assert saved["init_from"] == str(model)
    pretraining.run(given)  # finished: nothing to do, and the settings are the same


def test_another_vocabulary_is_refused(model, shards, tmp_path):
    others = build_shards(tmp_path, "others", CHARACTERS[:100])
    answer = refused(others, tmp_path / "out", init_from=str(model))
    assert answer.startswith(f"{others}: built with another vocabulary than that of --init-from")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_size": "small"}, "--model-size small: "),
        ({"hidden_size": 64}, "--hidden-size 64: that of "),
        ({"generator_hidden_size": 8}, "--generator-hidden-size 8: that of "),
        ({"init_from": "nowhere"}, "nowhere: no such folder or checkpoint"),
    ],
)
def test_what_does_not_fit_is_refused(model, shards, tmp_path, changes, message):
    answer = refused(shards, tmp_path / "out", **{"init_from": str(model), **changes})
    assert answer.startswith(message)
    assert not (tmp_path / "out").exists()


def test_a_generator_alone_and_too_few_positions(model, shards, tmp_path):
    checkpoint.convert(model, tmp_path / "half", to="native", half="generator")
    answer = refused(shards, tmp_path / "out", init_from=str(tmp_path / "half"))
    assert "this is a generator alone" in answer
    short = make_model(tmp_path / "short", shards / "vocab.txt", max_position_embeddings=32)
    answer = refused(shards, tmp_path / "out", init_from=str(short))
    assert "examples have up to 48 tokens, the model has 32 positions" in answer


def test_a_run_from_random_weights_is_not_continued_from_others(model, shards, tmp_path):
    first = options(shards, tmp_path / "out", **{key: SMALL[key] for key in SIZES})
    pretraining.run(first)
    answer = refused(shards, tmp_path / "out", init_from=str(model))
    assert "holds a run with init_from=None" in answer
