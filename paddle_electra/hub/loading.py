"""From a module's constructor arguments to a `Predictor`; needs paddle, not paddlehub."""

import warnings
from pathlib import Path

from .. import checkpoint as checkpoints
from ..checkpoint import native
from ..errors import InputError
from ..files import sha256
from ..inference.networks import Networks
from ..inference.predictor import Predictor
from ..modeling.electra import ElectraForSequenceClassification

# Parts of a configuration that may differ between a module and the checkpoint it loads.
_ONLY_FOR_TRAINING = (
    "generator_",
    "hidden_dropout",
    "attention_probs_dropout",
    "initializer_range",
    "tied_embeddings",
)


def load_predictor(assets, task=None, load_checkpoint=None, label_map=None, num_classes=2):
    """The predictor behind a module.

    Args:
        assets: the module's own checkpoint directory.
        task: None or "seq-cls".
        load_checkpoint: a fine-tuned directory, or the ``discriminator.safetensors`` in one; of
            the size and vocabulary of the module.
        label_map: class number -> label (numbers may be strings, as JSON has them).
        num_classes: classes of a new head; a trained head brings its own number.
    Raises:
        InputError: a wrong path, missing weights, another size or vocabulary, a label map that
            does not fit the head.
    """
    own = checkpoints.load(assets)
    if load_checkpoint is None:
        predictor = Predictor.load(own)
    else:
        predictor = Predictor.load(_foreign_checkpoint(load_checkpoint, own))
    trained = predictor.labels is not None
    if task == "seq-cls" and not trained:
        if load_checkpoint is not None:
            raise InputError(
                f"load_checkpoint: {load_checkpoint} has no classification head; give a "
                f"directory that `paddle-electra finetune` wrote"
            )
        predictor = _with_new_head(predictor, len(label_map) if label_map else num_classes)
    if predictor.labels is not None:
        if trained and num_classes not in (2, len(predictor.labels)):
            raise InputError(
                f"num_classes: {num_classes}, but the trained head has {len(predictor.labels)}"
            )
        if label_map:
            predictor.labels = _labels_from_map(label_map, len(predictor.labels))
    return predictor


def _foreign_checkpoint(path, own):
    """The checkpoint at ``path``, refused unless it fits the module's own."""
    path = Path(path)
    if not path.exists():
        raise InputError(f"load_checkpoint: {path}: no such file or folder")
    checkpoint = checkpoints.load(path.parent if path.name == native.DISCRIMINATOR else path)
    ours, theirs = own.config.to_dict(), checkpoint.config.to_dict()
    for key, value in ours.items():
        if not key.startswith(_ONLY_FOR_TRAINING) and theirs[key] != value:
            raise InputError(
                f"load_checkpoint: {path}: {key} is {theirs[key]}, this module's is {value}; "
                f"a checkpoint must be of the module's size"
            )
    if sha256(checkpoint.vocab_file) != sha256(own.vocab_file):
        raise InputError(f"load_checkpoint: {path}: its vocab.txt is not this module's")
    return checkpoint


def _with_new_head(predictor, num_classes):
    if isinstance(num_classes, bool) or not isinstance(num_classes, int) or num_classes < 2:
        raise InputError(f"num_classes: expected a whole number of at least 2, got {num_classes!r}")
    warnings.warn(
        "this module has no trained classification head: task='seq-cls' starts with a random "
        "one, and its answers mean nothing until it is trained; pass load_checkpoint= for a "
        "trained one",
        stacklevel=2,
    )
    labels = list(range(num_classes))
    task = {"kind": "seq-cls", "labels": labels, "num_classes": num_classes}
    networks = Networks(predictor.networks.checkpoint._replace(task=task))
    network = ElectraForSequenceClassification(networks.config, num_classes)
    network.electra = predictor.networks.layer("encoder").electra
    networks.put("task", network)
    return Predictor(networks, predictor.tokenizer)


def _labels_from_map(label_map, classes):
    """{0: "a", "1": "b"} -> ["a", "b"]."""
    try:
        by_number = {int(number): label for number, label in dict(label_map).items()}
    except (TypeError, ValueError):
        raise InputError(
            f"label_map: expected a dict such as {{0: 'negative', 1: 'positive'}}, "
            f"got {label_map!r:.60}"
        ) from None
    if sorted(by_number) != list(range(classes)):
        raise InputError(
            f"label_map: expected the keys 0 to {classes - 1}, one per class of the head, "
            f"got {', '.join(map(str, sorted(by_number)))}"
        )
    return [by_number[number] for number in range(classes)]
