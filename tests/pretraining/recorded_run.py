"""A pretraining run that also writes what it sampled and the gradients of its first step.

As a script, under the launcher or not: ``recorded_run.py HPARAMS RECORD``; each process writes
``RECORD.RANK.npz`` with "STEP/PLACE" -> sampled ids, and "gradient/NUMBER" of the first step.
"""

import json
import os
import sys

import numpy as np

from paddle_electra.config import from_dict
from paddle_electra.modeling.electra import ElectraForPreTraining
from paddle_electra.pretraining import run as pretraining
from paddle_electra.pretraining import step as stepping
from paddle_electra.pretraining.options import PretrainOptions


def main(hparams, record):
    recorded, now = {}, {}
    forward_backward = stepping.Trainer.forward_backward
    backward, clip = stepping.Trainer._backward, stepping.clip_gradients
    generate = ElectraForPreTraining.generate

    def remembering(self, batch, *rest):
        now["step"] = batch.step
        return forward_backward(self, batch, *rest)

    def keeping(self, *args, **named):
        now["output"] = generate(self, *args, **named)
        return now["output"]

    def recording(self, part, *rest):
        losses = backward(self, part, *rest)
        slots = [len(row) for row in _rows(part)]
        pieces = np.split(now["output"].sampled_ids.numpy(), np.cumsum(slots)[:-1])
        for place, piece in zip(part.places, pieces, strict=True):
            recorded[f"{now['step']}/{place}"] = piece
        return losses

    def clipping(parameters, *rest):
        if now["step"] == 0:
            for number, parameter in enumerate(parameters):
                recorded[f"gradient/{number}"] = parameter.grad.numpy()
        return clip(parameters, *rest)

    stepping.Trainer.forward_backward = remembering
    stepping.Trainer._backward = recording
    ElectraForPreTraining.generate = keeping
    stepping.clip_gradients = clipping
    try:
        pretraining.run(from_dict(PretrainOptions, hparams))
    finally:
        stepping.Trainer.forward_backward = forward_backward
        stepping.Trainer._backward, stepping.clip_gradients = backward, clip
        ElectraForPreTraining.generate = generate
    np.savez(f"{record}.{os.environ.get('PADDLE_TRAINER_ID', '0')}.npz", **recorded)


def _rows(part):
    """The slots of each example of a part."""
    ends = part.starts + part.lengths
    return [
        part.masked_positions[(part.masked_positions >= start) & (part.masked_positions < end)]
        for start, end in zip(part.starts, ends, strict=True)
    ]


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), sys.argv[2])
