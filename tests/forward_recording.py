"""Comparing our forward passes with the recordings of the original's (``forward.npz``)."""

import numpy as np
import paddle

CLOSE = {"atol": 1e-5, "rtol": 1e-5}


def batch_names(arrays):
    return sorted({name.split(".")[0] for name in arrays.files})


def integers(array):
    return paddle.to_tensor(np.asarray(array).astype("int64"))


def run_joint(model, arrays, prefix):
    ids = arrays[f"{prefix}.input_ids"]
    used = arrays[f"{prefix}.masked_lm_weights"] > 0
    rows = np.arange(len(ids))[:, None] * ids.shape[1]
    output = model(
        integers(ids),
        integers(arrays[f"{prefix}.masked_input_ids"]),
        integers(arrays[f"{prefix}.segment_ids"]),
        integers(arrays[f"{prefix}.input_mask"]),
        integers((arrays[f"{prefix}.masked_lm_positions"] + rows)[used]),
        sampled_ids=integers(arrays[f"{prefix}.sampled_ids"][used]),
    )
    return output, used


def check_heads(model, arrays):
    """Losses, logits, replaced ids and labels of every recorded batch."""
    for prefix in batch_names(arrays):
        output, used = run_joint(model, arrays, prefix)

        def same(name, ours, pick=..., prefix=prefix):
            np.testing.assert_allclose(ours.numpy(), arrays[f"{prefix}.{name}"][pick], **CLOSE)

        same("loss.mlm", output.mlm_loss)
        same("loss.disc", output.discriminator_loss)
        same("loss.total", output.loss)
        same("disc.rtd_logits", output.rtd_logits)
        if f"{prefix}.gen.mlm_logits" in arrays:
            same("gen.mlm_logits", output.mlm_logits, used)
        assert (output.replaced_ids.numpy() == arrays[f"{prefix}.disc.input_ids"]).all()
        assert (output.rtd_labels.numpy() == arrays[f"{prefix}.disc.labels"]).all()
        assert (
            output.mlm_logits.argmax(-1).numpy() == arrays[f"{prefix}.gen.mlm_preds"][used]
        ).all()


def check_layers(model, arrays, backend="eager"):
    """The hidden states of every recorded layer of both networks."""
    halves = {
        "disc": (model.discriminator.electra, "disc.input_ids"),
        "gen": (model.generator.electra, "masked_input_ids"),
    }
    compared = 0
    for prefix in batch_names(arrays):
        for half, (encoder, ids) in halves.items():
            states = encoder.use_attention(backend)(
                integers(arrays[f"{prefix}.{ids}"]),
                integers(arrays[f"{prefix}.segment_ids"]),
                integers(arrays[f"{prefix}.input_mask"]),
                all_layers=True,
            )
            encoder.use_attention("eager")
            names = {"emb_out": states[0], "sequence_output": states[-1]}
            names |= {f"layer_{number}": state for number, state in enumerate(states[1:])}
            names["pooled_output"] = states[-1][:, 0]
            for name, ours in names.items():
                key = f"{prefix}.{half}.{name}"
                if key in arrays:
                    np.testing.assert_allclose(ours.numpy(), arrays[key], err_msg=key, **CLOSE)
                    compared += 1
    assert compared > 10
