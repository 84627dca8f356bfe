"""The reading head: the original's 20 training steps and its beams, replayed (PARITY 6, 14-19)."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import paddle
import pytest

from paddle_electra import checkpoint as checkpoints
from paddle_electra.checkpoint import names
from paddle_electra.checkpoint.native import load_weights, starting_with
from paddle_electra.finetuning.reading import ReadingComprehension
from paddle_electra.training.optimizer import build_optimizer, scale_gradients

pytestmark = pytest.mark.reference
# our head's layers -> the original's, under task_specific/NAME
HEAD = {
    "start": "dense",
    "end_hidden": "qa_hidden",
    "end": "dense_1",
    "answerable_hidden": "dense_2",
    "answerable": "dense_3",
}


@pytest.fixture(scope="module")
def recorded(oracle):
    return dict(np.load(oracle / "finetune" / "qa.npz"))


@pytest.fixture(scope="module")
def scope(recorded):
    suffix = "/qa_hidden/kernel"
    name = next(n for n in recorded if n.startswith("init.") and n.endswith(suffix))
    return name.removeprefix("init.").removesuffix(suffix)


def build(oracle, recorded, scope):
    """(kind, model with the recorded initial weights), dropout off."""
    pretrained = checkpoints.load(oracle / "electra_small")
    options = SimpleNamespace(
        max_query_length=64,
        doc_stride=128,
        spans="hfl",
        n_best_size=20,
        max_answer_length=30,
        beam_size=int(recorded["eval0.beam_size"]),
        joint_prediction=True,
        answerable_classifier=True,
        answerable_uses_start_logits=True,
        answerable_weight=0.5,
    )
    task = SimpleNamespace(name="cmrc2018", kind="qa")
    length = recorded["batch.input_ids"].shape[-1]
    kind = ReadingComprehension(task, SimpleNamespace(), length, options)
    config = dataclasses.replace(
        pretrained.config, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0
    )
    model = kind.build_model(config)
    head = {
        f"{ours}.{ending}": recorded[f"init.{scope}/{theirs}/{variable}"]
        for ours, theirs in HEAD.items()
        for ending, variable in (("weight", "kernel"), ("bias", "bias"))
    }
    encoder = dict(starting_with(pretrained.discriminator, "electra.").items())
    load_weights(model, {**encoder, **head}, "the recording")
    model.eval()
    return kind, model, config


def batch_of(recorded, step):
    keys = {
        "input_ids": "input_ids",
        "token_type_ids": "segment_ids",
        "attention_mask": "input_mask",
        "start": "cmrc2018_start_positions",
        "end": "cmrc2018_end_positions",
        "is_impossible": "cmrc2018_is_impossible",
    }
    return {
        ours: paddle.to_tensor(recorded[f"batch.{theirs}"][step].astype("int64"))
        for ours, theirs in keys.items()
    }


def test_the_beam(oracle, recorded, scope):
    kind, model, _ = build(oracle, recorded, scope)
    for step in range(2):
        with paddle.no_grad():
            outputs = kind.predict(model, batch_of(recorded, step))
        prefix = f"eval{step}."
        for name, field in (
            ("start_top_log_probs", "start_scores"),
            ("end_top_log_probs", "end_scores"),
            ("answerable_logit", "answerable"),
        ):
            ours = np.stack([getattr(output, field) for output in outputs])
            np.testing.assert_allclose(ours, recorded[prefix + name], atol=1e-4, err_msg=name)
        for name, field, scores in (
            ("start_top_index", "starts", "start_top_log_probs"),
            ("end_top_index", "ends", "end_top_log_probs"),
        ):
            ours = np.stack([getattr(output, field) for output in outputs])
            theirs, values = recorded[prefix + name], recorded[prefix + scores]
            gaps = np.abs(np.diff(values, axis=-1)) > 1e-5
            clear = np.ones(theirs.shape, bool)
            clear[..., 1:] &= gaps
            clear[..., :-1] &= gaps
            assert clear.mean() > 0.5
            assert (ours[clear] == theirs[clear]).all()


def test_losses_and_final_weights(oracle, recorded, scope):
    kind, model, config = build(oracle, recorded, scope)
    keys = sorted(key for key in recorded["lr_keys"] if "layer_" in key)
    per_key = dict(zip(recorded["lr_keys"].tolist(), recorded["lr_per_key"][-1], strict=True))
    decay = float(per_key[keys[0]] / per_key[keys[1]])
    optimizer = build_optimizer(
        model, layerwise_lr_decay=decay, num_layers=config.num_hidden_layers
    )
    for step, rate in enumerate(recorded["base_lr"]):
        batch = batch_of(recorded, step)
        real = paddle.to_tensor((recorded["batch.task_id"][step] == 0).astype("float32"))
        losses = kind.losses(model, batch) * real
        np.testing.assert_allclose(
            losses.numpy(), recorded["per_example_loss"][step], rtol=1e-4, atol=1e-5
        )
        losses.sum().backward()
        np.testing.assert_allclose(float(losses.sum()), recorded["loss"][step], rtol=1e-4)
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        with paddle.no_grad():
            scale_gradients(gradients, 1.0, float(recorded["global_norm"][step]))
        optimizer.set_lr(float(rate))
        optimizer.step()
        optimizer.clear_grad()
    check_final(recorded, model, config, scope)


def check_final(recorded, model, config, scope):
    rows = names.model_rows("discriminator", "tensorflow", config)
    wanted = {row.native: row.names for row in rows if row.native.startswith("electra.")}
    for ours, theirs in HEAD.items():
        wanted[f"{ours}.weight"] = (f"{scope}/{theirs}/kernel",)
        wanted[f"{ours}.bias"] = (f"{scope}/{theirs}/bias",)
    covers = {
        "final": slice(None),
        "final_rows": recorded["word_rows"],
        "final_first64": slice(64),
        "final_every4th_row": slice(None, None, 4),
    }
    state, compared = model.state_dict(), 0
    for name, theirs in wanted.items():
        for kind, rows in covers.items():
            parts = [recorded.get(f"{kind}.{part}") for part in theirs]
            if any(part is None for part in parts):
                continue
            ours = state[name].numpy()[rows]
            np.testing.assert_allclose(ours, np.concatenate(parts, -1), atol=1e-5, err_msg=name)
            compared += len(parts)
    assert compared == sum(key.startswith("final") for key in recorded)
