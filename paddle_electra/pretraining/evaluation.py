"""Held-out evaluation: metrics over all processes, and a few sentences to look at."""

import numpy as np
import paddle

from .metrics import Counts
from .samples import corrupted_sample

SAMPLES = 5


def evaluate(trainer, stage, tokenizer, stopping=lambda: False):
    """Metrics on the held-out examples of a stage, with the same masks and samples every time.

    Args:
        trainer: a `Trainer`; its world shares the batches.
        stopping: whether this process has been asked to stop.
    Returns:
        (results of `metrics.Counts`, list of `corrupted_sample` texts of the first examples), or
        None when a process was asked to stop.
    """
    world, counts, samples = trainer.world, Counts(), []
    trainer.model.eval()
    with paddle.no_grad():
        for batch in stage.evaluation_batches(world.rank, world.size):
            if stopping():
                break
            for part in batch.parts:
                output = trainer.forward(part)
                counts.add(output, part)
                if world.is_main and not samples and output.rtd_logits is not None:
                    samples = describe(output, part, tokenizer)
    trainer.model.train()
    if any(world.gather(stopping())):
        return None
    for rank, other in enumerate(world.gather(counts)):
        if rank != world.rank:
            counts.merge(other)
    return counts.results(), samples


def describe(output, part, tokenizer):
    """`corrupted_sample` texts of the first examples of a batch, by their place in it."""
    arrays = (
        part.input_ids,
        output.replaced_ids.numpy(),
        output.rtd_logits.astype("float32").numpy(),
    )
    original, replaced, logits = (array.reshape(-1) for array in arrays)
    found = {}
    for row in np.argsort(part.places)[:SAMPLES]:
        here = slice(part.starts[row], part.starts[row] + part.lengths[row])
        masked = part.masked_positions - here.start
        masked = masked[(masked >= 0) & (masked < part.lengths[row])]
        found[part.places[row]] = corrupted_sample(
            original[here], replaced[here], logits[here], masked, tokenizer
        )
    return list(found.values())
