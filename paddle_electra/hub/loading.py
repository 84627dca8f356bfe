"""From a module's constructor arguments to a `Predictor`; needs paddle, not paddlehub."""

import functools
import os
import warnings
from pathlib import Path

from .. import checkpoint as checkpoints
from ..checkpoint import native
from ..checkpoint.names import ENCODER_PREFIX
from ..errors import InputError
from ..files import sha256
from ..inference.networks import CLASSIFYING
from ..inference.predictor import Predictor
from ..modeling.published import MATCHING_CLASSES
from ..text.tokenizer import ElectraTokenizer
from . import trainer_files
from .arguments import MATCHING
from .heads import ModuleNetworks, with_new_head

# Parts of a configuration that may differ between a module and the checkpoint it loads.
_ONLY_FOR_TRAINING = (
    "generator_",
    "hidden_dropout",
    "attention_probs_dropout",
    "initializer_range",
    "tied_embeddings",
)
_TRAINER_FILE = "model.pdparams"
_HEADS = {
    "seq-cls": "classification head",
    "pair-cls": "classification head",
    "token-cls": "head for tokens",
    MATCHING: "head for text matching",
    "qa": "reading head",
}


def load_predictor(assets, task=None, load_checkpoint=None, label_map=None, num_classes=None):
    """The predictor behind a module.

    A module of pretrained weights may have trained heads in ``assets/heads/TASK``, each with the
    encoder it was trained with; one answers unless the caller speaks of a head of another kind, by
    a checkpoint, labels or a number of classes.

    Args:
        assets: the module's own checkpoint directory.
        task: None or one of `arguments.TASKS`.
        load_checkpoint: a fine-tuned directory, or the ``discriminator.safetensors`` in one; or a
            ``model.pdparams`` (or the folder of one) that ``hub.Trainer`` saved from a module of
            ours or a published one; of the size and vocabulary of the module.
        label_map: class number -> label (numbers may be strings, as JSON has them).
        num_classes: classes of a new head, default 2; a trained head brings its own number.
    Raises:
        InputError: a wrong path, missing weights, another size or vocabulary, a head for another
            task, a label map that does not fit the head.
    """
    own = checkpoints.load(assets)
    wants_new = label_map or num_classes is not None
    if load_checkpoint is None:
        head = None if wants_new else native.heads_beside(own).get(task)
        checkpoint = own if head is None else native.load(head)
    else:
        checkpoint = _fit_head(_foreign_checkpoint(load_checkpoint, own), task, load_checkpoint)
    if checkpoint.task is None or not _serves(checkpoint.task.get("kind"), task):
        classes = 2 if num_classes is None else num_classes
        return _with_new_head(checkpoint, task, label_map, classes)
    if checkpoint.format == "paddlehub":
        labels = list(range(checkpoint.task["num_classes"]))
        checkpoint = checkpoint._replace(task={**checkpoint.task, "labels": labels})
    predictor = predictor_of(ModuleNetworks(checkpoint))
    predictor.networks.layer("task")  # what is wrong with the weights is to be found out now
    known = predictor.labels
    if known is not None:
        if num_classes not in (None, len(known)):
            raise InputError(f"num_classes: {num_classes}, but the trained head has {len(known)}")
        if label_map:
            predictor.labels = _labels_from_map(label_map, len(known))
    return predictor


def _serves(kind, task):
    """Can a head of this kind answer for a task?  A module without a task takes any."""
    return task is None or kind == task or (kind in CLASSIFYING and task in CLASSIFYING)


def _fit_head(checkpoint, task, path):
    """A loaded checkpoint with its head named for ``task``; refused when it has another."""
    if task is None:
        is_file_of_trainer = checkpoint.format == "paddlehub"
        return _without_head(checkpoint) if is_file_of_trainer else checkpoint
    found = checkpoint.task
    # Our heads for texts and for tokens look alike in what hub.Trainer saves.
    is_either = found and found.get("head") == trainer_files.OURS and found.get("kind") == "seq-cls"
    if is_either and task in (*CLASSIFYING, "token-cls"):
        return checkpoint._replace(task={**found, "kind": task})
    if found is None or not _serves(found.get("kind"), task):
        other = f", but a {_HEADS.get(found.get('kind'), 'head of another kind')}" if found else ""
        raise InputError(
            f"load_checkpoint: {path} has no {_HEADS[task]}{other}; for task={task!r} give a "
            f"directory that `paddle-electra finetune` wrote, or what hub.Trainer saved"
        )
    return checkpoint


def _without_head(checkpoint):
    encoder = native.starting_with(checkpoint.discriminator, ENCODER_PREFIX)
    return checkpoint._replace(discriminator=encoder, task=None)


def _foreign_checkpoint(path, own):
    """The checkpoint at ``path``, refused unless it fits the module's own."""
    if not isinstance(path, (str, os.PathLike)) or not str(path):
        raise InputError(f"load_checkpoint: expected a path, got {path!r:.40}")
    path = Path(path)
    if not path.exists():
        raise InputError(f"load_checkpoint: {path}: no such file or folder")
    if path.is_dir() and (path / _TRAINER_FILE).is_file():
        path = path / _TRAINER_FILE
    if path.is_file() and trainer_files.is_trainer_file(path):
        return trainer_files.read(path, own)
    checkpoint = checkpoints.load(path.parent if path.name == native.DISCRIMINATOR else path)
    check_same_model(checkpoint, own, f"load_checkpoint: {path}")
    return checkpoint


def check_same_model(checkpoint, own, what):
    """Raise `InputError`, which begins with ``what``, unless two encoders have the same shape and
    vocabulary."""
    ours, theirs = own.config.to_dict(), checkpoint.config.to_dict()
    for key, value in ours.items():
        if not key.startswith(_ONLY_FOR_TRAINING) and theirs[key] != value:
            raise InputError(
                f"{what}: {key} is {theirs[key]}, this module's is {value}; "
                f"a checkpoint must be of the module's size"
            )
    if sha256(checkpoint.vocab_file) != sha256(own.vocab_file):
        raise InputError(f"{what}: its vocab.txt is not this module's")


def _with_new_head(checkpoint, task, label_map, num_classes):
    """A predictor with a head that is still to be trained, or without one for task None."""
    networks = ModuleNetworks(checkpoint)
    encoder = networks.layer("encoder").electra
    if task is None:
        return predictor_of(networks)
    if task == "qa":
        raise InputError(
            "this module has no trained reading head: task='qa' needs load_checkpoint=, a "
            "directory that `paddle-electra finetune` wrote for such a task"
        )
    num_classes = _check_classes(task, label_map, num_classes)
    labels = _labels_from_map(label_map, num_classes) if label_map else list(range(num_classes))
    warnings.warn(
        f"this module has no trained {_HEADS[task]}: task={task!r} starts with a random "
        f"one, and its answers mean nothing until it is trained; pass load_checkpoint= for a "
        f"trained one",
        stacklevel=2,
    )
    about = {"kind": task, "labels": labels, "num_classes": num_classes}
    networks = ModuleNetworks(checkpoint._replace(task=about))
    networks.put("task", with_new_head(checkpoint.config, about, encoder))
    return predictor_of(networks)


def _check_classes(task, label_map, num_classes):
    if isinstance(num_classes, bool) or not isinstance(num_classes, int) or num_classes < 2:
        raise InputError(f"num_classes: expected a whole number of at least 2, got {num_classes!r}")
    if label_map:
        num_classes = len(label_map)
    elif task == "token-cls":
        raise InputError(
            "label_map: task='token-cls' needs the labels by number, such as "
            "{0: 'B-PER', 1: 'I-PER', 2: 'O'}"
        )
    if task == MATCHING and num_classes != MATCHING_CLASSES:
        what = "label_map" if label_map else "num_classes"
        raise InputError(f"{what}: text-matching has 2 classes, got {num_classes}")
    return num_classes


def predictor_of(networks):
    """The `Predictor` of `ModuleNetworks`."""
    checkpoint = networks.checkpoint
    for note in checkpoint.notes:
        warnings.warn(f"{checkpoint.source}: {note}", stacklevel=2)
    lower_case = checkpoint.config.do_lower_case
    return Predictor(networks, ElectraTokenizer(checkpoint.vocab_file, do_lower_case=lower_case))


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


def load_heads(assets):
    """{kind: function that gives a `Predictor`, read when first asked for} of a module's heads."""
    folders = native.heads_beside(checkpoints.load(assets))
    return {
        kind: functools.cache(lambda path=path: predictor_of(ModuleNetworks(native.load(path))))
        for kind, path in folders.items()
    }


def load_pretrained(assets):
    """The `Predictor` of a module's own weights."""
    return predictor_of(ModuleNetworks(checkpoints.load(assets)))
