"""Models of two layers with random weights and the heads of tagging and reading, for tests."""

import paddle
from tiny_checkpoint import make_checkpoint

from paddle_electra import checkpoint as checkpoints
from paddle_electra.checkpoint import native
from paddle_electra.config import from_dict
from paddle_electra.finetuning.options import FinetuneOptions
from paddle_electra.finetuning.run import run
from paddle_electra.inference.networks import task_network

TAGS = ["O", "B-X", "I-X", "B-Y", "I-Y"]
READING = {
    "task": "custom",
    "kind": "qa",
    "max_seq_length": 24,
    "max_query_length": 6,
    "doc_stride": 5,
    "n_best_size": 7,
    "max_answer_length": 4,
    "beam_size": 5,
    "spans": "offsets",
    "joint_prediction": True,
    "answerable_classifier": True,
    "answerable_uses_start_logits": True,
}


def make_fine_tuned(folder, **task):
    """A folder with a model for the content of a ``task.json``."""
    base = make_checkpoint(folder.with_name(f"{folder.name}-base"))
    config = checkpoints.load(base).config
    paddle.seed(5)
    network = task_network(config, task, task.get("labels"))
    native.save(folder, config, base / native.VOCAB, network, task=task)
    return folder


def make_tagger(folder, **more):
    return make_fine_tuned(
        folder,
        **{"task": "custom", "kind": "token-cls", "max_seq_length": 24},
        labels=TAGS,
        num_classes=len(TAGS),
        **more,
    )


def predictions(folder, output, **options):
    """What ``finetune --no-do-train`` writes for a model: the folder."""
    given = {"task": "custom", "model": str(folder), "output": str(output), "do_train": False}
    run(from_dict(FinetuneOptions, {**given, **options}))
    return output
