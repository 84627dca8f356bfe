"""What is trained: both networks, plain MLM, one encoder for both, no generator; two stages."""

import math
import re

import numpy as np
import pytest
from small_run import CHARACTERS, SMALL, build_shards
from test_pretrain_run import entries, same_weights

from paddle_electra import checkpoint
from paddle_electra.config import from_dict
from paddle_electra.errors import InputError
from paddle_electra.pretraining import run as pretraining
from paddle_electra.pretraining.options import PretrainOptions
from paddle_electra.training.state import list_checkpoints


def options(shards, output, **changes):
    return from_dict(
        PretrainOptions, {**SMALL, "data": str(shards), "output": str(output), **changes}
    )


def train(shards, output, **changes):
    """The train and eval entries of a run."""
    pretraining.run(options(shards, output, **changes))
    found = entries(output)
    return (
        [entry for entry in found if entry["kind"] == "train"],
        [entry for entry in found if entry["kind"] == "eval"],
    )


def refused(shards, output, **changes):
    with pytest.raises(InputError) as caught:
        pretraining.run(options(shards, output, **changes))
    return str(caught.value)


KINDS = {
    "mlm": {"electra_objective": False},
    "shared": {"untied_generator": False},
    "uniform": {"uniform_generator": True},
    "own embeddings": {"untied_generator_embeddings": True},
    "hot": {"temperature": 2.0, "disallow_correct": True},
    "half the layers": {"generator_layers": 0.5, "generator_hidden_size": 0.25},
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_objective_learns_and_resumes(shards, tmp_path, kind, monkeypatch):
    train_entries, evals = train(shards, tmp_path / "whole", **KINDS[kind])
    assert train_entries[-1]["loss"] < train_entries[0]["loss"]
    assert evals[-1]["mlm_loss"] > 0

    class Stopped(Exception):
        pass

    step = pretraining.Trainer.step

    def stops(self, batch, *rest):
        if batch.step == 7:
            raise Stopped
        return step(self, batch, *rest)

    output = tmp_path / "stopped"
    with monkeypatch.context() as patch, pytest.raises(Stopped):
        patch.setattr(pretraining.Trainer, "step", stops)
        train(shards, output, **KINDS[kind])
    train(shards, output, **KINDS[kind])
    assert entries(output) == entries(tmp_path / "whole")
    ours, whole = checkpoint.load(output), checkpoint.load(tmp_path / "whole")
    if kind == "uniform":
        assert ours.generator is None and whole.generator is None
    else:
        same_weights(ours, whole)


def test_plain_mlm_trains_the_discriminators_encoder(shards, tmp_path):
    train_entries, evals = train(shards, tmp_path / "run", **KINDS["mlm"])
    assert all(entry["discriminator_loss"] == 0 for entry in train_entries)
    assert train_entries[0]["loss"] == train_entries[0]["mlm_loss"]
    assert "rtd_auc" not in evals[-1] and 0 <= evals[-1]["mlm_accuracy"] <= 1
    assert_one_encoder(checkpoint.load(tmp_path / "run"))


def test_one_encoder_for_both(shards, tmp_path):
    train(shards, tmp_path / "run", **KINDS["shared"])
    loaded = checkpoint.load(tmp_path / "run")
    assert loaded.config.generator_hidden_size == loaded.config.hidden_size == 32
    assert_one_encoder(loaded)


def test_layers_are_those_of_both_networks(shards, tmp_path):
    overrides = {"num_hidden_layers": 3}
    config = pretraining.Run(options(shards, tmp_path / "run")).config
    assert (config.num_hidden_layers, config.generator_num_hidden_layers) == (2, 2)
    given = options(shards, tmp_path / "run", model_hparam_overrides=overrides)
    config = pretraining.Run(given).config
    assert (config.num_hidden_layers, config.generator_num_hidden_layers) == (3, 3)
    both = {**overrides, "hidden_size": 64, "generator_num_hidden_layers": 1}
    changes = {"model_hparam_overrides": both, "generator_hidden_size": 0.33333}
    config = pretraining.Run(options(shards, tmp_path / "run", **changes)).config
    assert (config.generator_num_hidden_layers, config.generator_hidden_size) == (1, 21)


def assert_one_encoder(loaded):
    name = "electra.layers.1.intermediate.weight"
    np.testing.assert_array_equal(loaded.discriminator[name], loaded.generator[name])


def test_uniform_replacements_need_no_generator(shards, tmp_path):
    train_entries, evals = train(
        shards, tmp_path / "run", uniform_generator=True, disallow_correct=True
    )
    vocabulary = checkpoint.load(tmp_path / "run").config.vocab_size
    assert train_entries[0]["mlm_loss"] == pytest.approx(math.log(vocabulary), rel=1e-4)
    # Every slot is replaced, and no other token.
    assert 0.13 < evals[-1]["replaced_share"] < 0.17


def test_sizes_as_shares_and_overrides(shards, tmp_path):
    overrides = {"intermediate_size": 40, "hidden_dropout_prob": 0.2, "hidden_act": "gelu"}
    run = pretraining.Run(
        options(
            shards,
            tmp_path / "run",
            generator_hidden_size=0.25,
            generator_layers=0.5,
            model_hparam_overrides=overrides,
        )
    )
    config = run.config
    assert (config.generator_hidden_size, config.generator_num_hidden_layers) == (8, 1)
    assert (config.intermediate_size, config.generator_intermediate_size) == (40, 32)
    assert config.hidden_dropout_prob == 0.2
    said = refused(shards, tmp_path / "run", model_hparam_overrides={"hiden_size": 8})
    assert "'hiden_size'" in said
    said = refused(shards, tmp_path / "run", model_hparam_overrides={"hidden_act": "relu"})
    assert "hidden_act" in said


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"uniform_generator": True, "untied_generator": False}, "give one of them"),
        ({"electra_objective": False, "untied_generator_embeddings": True}, "one set"),
        ({"vocab_size": 21128}, r"vocab-size 21128: the shards in .* have vocab_size 126"),
        ({"max_seq_length": 512}, "max-seq-length 512: the shards"),
        ({"do_lower_case": False}, "do-lower-case False: the shards"),
        ({"mask_whole_words": True}, "--segmenter jieba"),
        ({"precision": "bf16"}, "no bfloat16 kernels for training on cpu"),
        ({"precision": "fp16"}, "or a GPU"),
        ({"gradient_accumulation_steps": 9}, "more parts than the batch of 8"),
        ({"temperature": 0}, "--temperature 0"),
        ({"keep_checkpoint_max": -1}, "--keep-checkpoint-max -1: expected 0 or more"),
        ({"model_hparam_overrides": {"vocab_size": 7}}, "vocab_size 7: the shards have a vocabul"),
        ({"long_data_from": 3}, "nothing without --long-data"),
        ({"probe": {"task": "chnsenticorp", "epochs": 1}}, "epochs"),
    ],
)
def test_what_cannot_be_is_refused(shards, tmp_path, changes, message):
    assert re.search(message, refused(shards, tmp_path / "run", **changes))
    assert not (tmp_path / "run").exists()


def test_a_second_stage_of_longer_examples(shards, tmp_path):
    long = build_shards(tmp_path, "long", CHARACTERS, seed=2, max_seq_length=96)
    changes = {"long_data": str(long), "long_data_from": 6, "save_checkpoints_steps": 4}
    whole, evals = train(shards, tmp_path / "whole", **changes)
    tokens = np.diff([0, *(entry["tokens_seen"] for entry in whole)])
    assert len(tokens) == 12
    # Half as many examples of twice the length.
    assert all(200 < count <= 8 * 48 for count in tokens[:6])
    assert all(200 < count <= 4 * 96 for count in tokens[6:])
    assert [entry["step"] for entry in evals] == [6, 12]
    output = tmp_path / "stopped"
    for steps in (5, 8):  # before and after the change
        run = pretraining.Run(options(shards, output, **changes))
        stop_at(run, steps)
        with pytest.raises(KeyboardInterrupt):
            run.train()
        assert list_checkpoints(output)[-1][0] == steps
    pretraining.run(options(shards, output, **changes))
    assert entries(output) == entries(tmp_path / "whole")
    same_weights(checkpoint.load(output), checkpoint.load(tmp_path / "whole"))


def stop_at(run, step):
    """Let a run believe that it is asked to stop once it has made ``step`` updates."""
    run._stopping = lambda: run.step >= step


def test_shards_of_another_vocabulary_are_no_second_stage(shards, tmp_path):
    other = build_shards(tmp_path, "other", CHARACTERS[:-1])
    said = refused(shards, tmp_path / "run", long_data=str(other), long_data_from=6)
    assert "another vocabulary" in said


def test_whole_words_are_masked(tmp_path):
    words = build_shards(tmp_path, "words", CHARACTERS, segmenter="small_run:pairs")
    run = pretraining.Run(options(words, tmp_path / "run", mask_whole_words=True, layout="padded"))
    (part,) = run.stages[0].batch(0).parts
    masked = np.zeros(part.input_ids.size, bool)
    masked[part.masked_positions] = True
    dataset, numbers = run.stages[0].dataset, run.stages[0].order.batch(0)
    assert masked.any()
    for place, number in enumerate(numbers):
        row = masked.reshape(part.input_ids.shape)[place]
        starts = np.flatnonzero(dataset.word_starts(int(number)))
        for start, end in zip(starts, [*starts[1:], part.lengths[place]], strict=True):
            assert row[start:end].all() or not row[start:end].any()
    run.train()
    assert entries(tmp_path / "run")


def test_a_second_stage_without_words_is_refused(tmp_path):
    words = build_shards(tmp_path, "words", CHARACTERS, segmenter="small_run:pairs")
    plain = build_shards(tmp_path, "plain", CHARACTERS)
    changes = {"mask_whole_words": True, "long_data": str(plain), "long_data_from": 6}
    assert "plain do not know words" in refused(words, tmp_path / "run", **changes)


def test_a_run_that_waits_for_a_probe_goes_on_without_it(shards, tmp_path):
    probe = {"task": "chnsenticorp", "data": str(tmp_path)}
    run = pretraining.Run(options(shards, tmp_path / "run", probe=probe))
    with pytest.raises(InputError, match="probe of"):  # there are no files of the task
        run.train()
    train(shards, tmp_path / "run")
    assert entries(tmp_path / "run")[-1]["step"] == 12


@pytest.mark.parametrize("layout", ["packed", "unpadded"])
def test_a_whole_run_in_another_layout(shards, tmp_path, layout):
    quiet = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    padded, _ = train(shards, tmp_path / "padded", layout="padded", **quiet)
    found, _ = train(shards, tmp_path / layout, layout=layout, **quiet)
    for ours, theirs in zip(found, padded, strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-4)
    if layout == "unpadded":
        assert found[0]["padding_share"] == 0 < padded[0]["padding_share"]
    samples = sorted((tmp_path / layout / "samples").iterdir())
    others = sorted((tmp_path / "padded" / "samples").iterdir())
    assert [path.name for path in samples] == ["step-00000006.txt", "step-00000012.txt"]
    assert originals(samples[0]) == originals(others[0])


def originals(path):
    return [line for line in path.read_text("utf-8").splitlines() if line.startswith("original")]


def test_evaluation_alone(shards, tmp_path, capsys):
    said = refused(shards, tmp_path / "run", do_train=False)
    assert "no checkpoint to evaluate" in said
    _, evals = train(shards, tmp_path / "run")
    capsys.readouterr()
    pretraining.run(options(shards, tmp_path / "run", do_train=False))
    said = capsys.readouterr().out
    assert f"step 12: held-out mlm_loss {evals[-1]['mlm_loss']:.3f}" in said
