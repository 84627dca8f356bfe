"""The original's recorded pretraining updates, made again with our model and optimizer."""

import numpy as np
import paddle
import pytest

from paddle_electra import checkpoint
from paddle_electra.checkpoint import names, native
from paddle_electra.modeling.electra import ElectraForPreTraining
from paddle_electra.training.optimizer import build_optimizer, clip_gradients, distinct_parameters
from paddle_electra.training.schedule import learning_rate

pytestmark = pytest.mark.reference


def tensorflow_arrays(config, model):
    """{TensorFlow name: array} of a model, by the table of names."""
    halves = (
        ("discriminator", config, model.discriminator),
        ("generator", config.generator, model.generator),
    )
    arrays = {}
    for kind, sizes, half in halves:
        tensors = native.generator_tensors(half, config)
        if kind == "discriminator":
            tensors = native.tensors_of(half)
        for row in names.model_rows(kind, "tensorflow", sizes):
            if row.native in tensors:
                parts = np.split(tensors[row.native], len(row.names), axis=-1)
                arrays.update(zip(row.names, parts, strict=True))
    return arrays


def recordings(oracle):
    return sorted((oracle / "pretrain_opt").glob("*.npz"))


def test_recorded_steps_are_replayed(oracle):
    files = recordings(oracle)
    assert files
    for file in files:
        recorded = np.load(file)
        loaded = checkpoint.load(oracle / file.stem)
        model = ElectraForPreTraining(loaded.config)
        native.load_pretraining(model, loaded)
        model.eval()  # no dropout, as in the recording
        optimizer = build_optimizer(model)
        parameters = [parameter for _, parameter in distinct_parameters(model)]
        rates = recorded["series.lr"]
        for step, rate in enumerate(rates):
            batch = {
                key.removeprefix("batch."): recorded[key][step].astype("int64")
                for key in recorded.files
                if key.startswith("batch.")
            }
            used = recorded["batch.masked_lm_weights"][step] > 0
            count, length = batch["input_ids"].shape
            flat = (batch["masked_lm_positions"] + np.arange(count)[:, None] * length)[used]
            output = model(
                paddle.to_tensor(batch["input_ids"]),
                paddle.to_tensor(batch["masked_input_ids"]),
                paddle.to_tensor(batch["segment_ids"]),
                paddle.to_tensor(batch["input_mask"]),
                paddle.to_tensor(flat),
                sampled_ids=paddle.to_tensor(batch["sampled_ids"][used]),
            )
            for name, ours in {
                "total": output.loss,
                "mlm": output.mlm_loss,
                "disc": output.discriminator_loss,
            }.items():
                np.testing.assert_allclose(
                    float(ours), recorded[f"series.{name}"][step], rtol=1e-4, err_msg=name
                )
            output.loss.backward()
            norm = clip_gradients(parameters, 1.0)
            assert norm == pytest.approx(float(recorded["series.dense_norm"][step]), rel=1e-3)
            if f"clipped_grad.step{step}.discriminator_predictions/dense/kernel" in recorded:
                np.testing.assert_allclose(
                    model.discriminator.head.dense.weight.grad.numpy(),
                    recorded[f"clipped_grad.step{step}.discriminator_predictions/dense/kernel"],
                    atol=1e-5,
                )
            optimizer.set_lr(float(rate))
            optimizer.step()
            optimizer.clear_grad()
        compared = compare_weights(recorded, tensorflow_arrays(loaded.config, model))
        assert compared > 100


def compare_weights(recorded, ours):
    compared = 0
    for key in recorded.files:
        prefix, _, name = key.partition(".")
        if prefix == "final":
            array = ours[name]
        elif prefix == "final_rows":
            array = ours[name][recorded["word_rows"]]
        elif prefix == "final_first64":
            array = ours[name][:64]
        else:
            continue
        np.testing.assert_allclose(array, recorded[key], atol=1e-5, rtol=0, err_msg=key)
        compared += 1
    return compared


def test_schedule_gives_the_recorded_rates(oracle):
    for file in recordings(oracle):
        rates = np.load(file)["series.lr"]
        total = len(rates)
        peak = rates[-1] * total  # the last update's rate is peak / total
        warmup = next(n for n in range(1, total) if np.isclose(rates[n], peak * (1 - n / total)))
        ours = [learning_rate(step, peak, total, warmup) for step in range(total)]
        np.testing.assert_allclose(ours, rates, rtol=1e-5, atol=1e-10)
