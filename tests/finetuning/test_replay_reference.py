"""The original's 20 fine-tuning steps, replayed (PARITY 2, 14-19)."""

import dataclasses

import numpy as np
import paddle
import pytest

from paddle_electra import checkpoint as checkpoints
from paddle_electra.checkpoint import names
from paddle_electra.checkpoint.native import load_weights
from paddle_electra.config import from_dict
from paddle_electra.finetuning.classification import SequenceClassification
from paddle_electra.finetuning.loop import MAX_GRADIENT_NORM, Trainer
from paddle_electra.finetuning.options import FinetuneOptions, resolve
from paddle_electra.finetuning.tasks import get_task
from paddle_electra.training.optimizer import scale_gradients

pytestmark = pytest.mark.reference


def recorded_options(recorded, source):
    """The settings of the recording, worked out from its learning rates."""
    steps, batch = recorded["batch.input_ids"].shape[:2]
    rates = recorded["base_lr"].astype(np.float64)
    layers = sorted(key for key in recorded["lr_keys"] if "layer_" in key)
    per_key = dict(zip(recorded["lr_keys"].tolist(), recorded["lr_per_key"][-1], strict=True))
    peak = rates[-1] * steps
    return {
        "task": "chnsenticorp",
        "model": str(source),
        "data": ".",
        "output": ".",
        "learning_rate": peak,
        "layerwise_lr_decay": float(per_key[layers[0]] / per_key[layers[1]]),
        "warmup_proportion": peak * (1 - 1 / steps) / rates[1] / steps,
        "num_train_epochs": 1,
        "train_batch_size": batch,
    }


def heads(recorded):
    """{suffix: prefix of the head's variables}, without naming the recorded task."""
    return next(
        key.removeprefix("init.").removesuffix("/kernel")
        for key in recorded
        if key.startswith("init.") and key.endswith("/kernel")
    )


def final_weight(recorded, parts):
    """The recorded final value of a variable (or the joined ones), and the rows it covers."""
    if f"final_rows.{parts[0]}" in recorded:
        return recorded[f"final_rows.{parts[0]}"], recorded["word_rows"]
    if f"final_first64.{parts[0]}" in recorded:
        return recorded[f"final_first64.{parts[0]}"], slice(64)
    if f"final.{parts[0]}" not in recorded:
        return None, None
    return np.concatenate([recorded[f"final.{part}"] for part in parts], -1), slice(None)


@paddle.no_grad()
def update(trainer, rate, norm):
    """One update with the gradient cut by a given norm, as `Trainer.update` does by its own."""
    gradients = [p.grad for p in trainer.model.parameters() if p.grad is not None]
    scale_gradients(gradients, MAX_GRADIENT_NORM, norm)
    trainer.optimizer.set_lr(rate)
    trainer.optimizer.step()
    trainer.optimizer.clear_grad()


@pytest.mark.parametrize("recording", ["cls_onehot", "cls"])
def test_losses_gradient_norms_and_final_weights(oracle, recording):
    """cls_onehot with our own clipping; cls with the norm over un-summed rows that it recorded."""
    recorded = dict(np.load(oracle / "finetune" / f"{recording}.npz"))
    source = oracle / "electra_small"
    pretrained = checkpoints.load(source)
    classes = recorded["logits"].shape[-1]
    task = dataclasses.replace(get_task("chnsenticorp"), labels=tuple(map(str, range(classes))))
    options = from_dict(FinetuneOptions, recorded_options(recorded, source))
    options = resolve(options, pretrained.config, [task])

    kind = SequenceClassification(task, tokenizer=None, max_seq_length=options.max_seq_length)
    config = dataclasses.replace(
        pretrained.config, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0
    )
    model = kind.build_model(config)
    model.eval()
    head = heads(recorded)
    encoder = {k: v for k, v in pretrained.discriminator.items() if k.startswith("electra.")}
    new = {
        "classifier.weight": recorded[f"init.{head}/kernel"],
        "classifier.bias": recorded[f"init.{head}/bias"],
    }
    load_weights(model, {**encoder, **new}, source)

    label_key = next(key for key in recorded if key.endswith("_label_ids"))
    steps, batch_size = recorded["batch.task_id"].shape
    trainer = Trainer(kind, model, [None] * (steps * batch_size), options)
    assert trainer.total_steps == steps
    for step in range(steps):
        trainer.step = step
        rate = trainer.rate()
        assert rate == pytest.approx(recorded["base_lr"][step], rel=1e-5, abs=1e-12)
        arrays = {
            "input_ids": recorded["batch.input_ids"][step],
            "token_type_ids": recorded["batch.segment_ids"][step],
            "attention_mask": recorded["batch.input_mask"][step],
            "labels": recorded[label_key][step],
        }
        batch = {name: paddle.to_tensor(a.astype("int64")) for name, a in arrays.items()}
        real = paddle.to_tensor((recorded["batch.task_id"][step] == 0).astype("float32"))
        loss = (kind.losses(model, batch) * real).sum()
        loss.backward()
        np.testing.assert_allclose(float(loss), recorded["loss"][step], rtol=1e-4)
        if recording == "cls":
            update(trainer, rate, float(recorded["global_norm"][step]))
        else:
            norm = trainer.update(rate)
            np.testing.assert_allclose(norm, recorded["dense_global_norm"][step], rtol=1e-3)

    rows = names.model_rows("discriminator", "tensorflow", config)
    rows = {row.native: row.names for row in rows if row.native.startswith("electra.")}
    rows["classifier.weight"] = (f"{head}/kernel",)
    rows["classifier.bias"] = (f"{head}/bias",)
    state = model.state_dict()
    compared = 0
    for native, theirs in rows.items():
        expected, covered = final_weight(recorded, theirs)
        if expected is None:
            continue
        actual = state[native].numpy()[covered]
        np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5, err_msg=native)
        compared += len(theirs)
    assert compared == sum(key.startswith("final") for key in recorded)
