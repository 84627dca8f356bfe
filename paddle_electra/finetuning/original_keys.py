"""What becomes of the keys of the original's `FinetuningConfig` that are not options of ours."""

import dataclasses

from ..errors import InputError
from ..modeling.config import SIZES
from ..original_keys import PLACES, TPU_KEYS

ALIASES = {"task_names": "task"}

_SAVES = "a run saves after each epoch and every --save-minutes"
NO_EFFECT = {
    **TPU_KEYS,
    "save_checkpoints_steps": _SAVES,
    "use_tfrecords_if_existing": "features are kept in --feature-cache and made anew when needed",
    "predict_batch_size": "predictions are made in batches of eval_batch_size",
    "double_unordered": "the original doubles pairs of English tasks only, none that is here",
    "qa_na_threshold": "it is for SQuAD 2.0's file of test answers, which is not written",
}

REFUSED = {
    "debug": (False, "to try things out, give small files and --init random"),
    "preprocessed_data_dir": (None, "features are kept in --feature-cache"),
    **dict.fromkeys(
        (
            *("model_dir", "results_txt", "results_pkl", "qa_eval_file", "qa_preds_file"),
            *("qa_na_file", "test_predictions"),
        ),
        (None, PLACES),
    ),
    "raw_data_dir": (None, "the folder of the task's files is --data, or follows from --data-dir"),
    "data_dir": (None, "it is the flag --data-dir of run-finetuning, --data of finetune"),
    "model_name": (None, "it is the flag --model-name of run-finetuning, --model of finetune"),
    "init_checkpoint": (None, "the model is --model, or follows from --model-name"),
    "vocab_file": (None, "put the vocabulary beside the model's weights as vocab.txt"),
}

# What `model_hparam_overrides` may change in a model; the sizes must be those of the weights.
_FREE = ("hidden_dropout_prob", "attention_probs_dropout_prob")
_HEADS = "num_attention_heads"


def apply_model_keys(options, checkpoint):
    """The checkpoint with what the options say of its configuration.

    ``model_size``, ``vocab_size``, ``embedding_size`` and the sizes in ``model_hparam_overrides``
    are statements about the checkpoint, from which our sizes come; they are checked.  The number
    of heads, which tensors do not tell, is taken from there where no config says it.

    Args:
        options: a `FinetuneOptions`.
        checkpoint: a `native.Checkpoint`.
    Raises:
        InputError: a size that the checkpoint does not have, naming key and both values.
    """
    config, guessed = checkpoint.config, checkpoint.guessed
    overrides = dict(options.model_hparam_overrides or {})
    changes = {}
    if _HEADS in overrides and (own := [half for half in guessed if half != "generator"]):
        changes[_HEADS] = _heads(overrides.pop(_HEADS), config.hidden_size)
        guessed = tuple(half for half in guessed if half not in own)
    if overrides.get("hidden_act") == "gelu":  # the one there is, and the original's default
        del overrides["hidden_act"]
    for name in _FREE:
        if name in overrides:
            changes[name] = _share(name, overrides.pop(name))
    if options.do_lower_case is not None:
        changes["do_lower_case"] = options.do_lower_case
    config = dataclasses.replace(config, **changes)
    _check_sizes(options, overrides, config)
    return checkpoint._replace(config=config, guessed=guessed)


def _heads(value, hidden):
    if type(value) is not int or value < 1 or hidden % value:
        raise InputError(
            f"model_hparam_overrides: {_HEADS}: expected a number that divides the hidden size "
            f"{hidden}, got {value!r}"
        )
    return value


def _share(name, value):
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1:
        raise InputError(f"model_hparam_overrides: {name}: expected a share below 1, got {value!r}")
    return float(value)


def _check_sizes(options, overrides, config):
    stated = {}
    if options.model_size is not None:
        names = ("num_hidden_layers", "hidden_size", "num_attention_heads", "embedding_size")
        stated = {
            name: (f"model_size {options.model_size!r}", value)
            for name, value in zip(names, SIZES[options.model_size], strict=False)
        }
    for name, value in overrides.items():
        if not hasattr(config, name):
            raise InputError(f"model_hparam_overrides: there is no {name!r} in a model")
        stated[name] = ("model_hparam_overrides", value)
    for name in ("embedding_size", "vocab_size"):
        if getattr(options, name) is not None:
            stated[name] = (None, getattr(options, name))
    # The vocabulary first: it is what most often comes from another model's settings.
    for name in sorted(stated, key=lambda name: name != "vocab_size"):
        origin, value = stated[name]
        if value != getattr(config, name):
            said = f"{name} {value}" + (f" ({origin})" if origin else "")
            raise InputError(
                f"{said}: the model {options.model} has {name} {getattr(config, name)}; leave it "
                f"out, or name the model that it belongs to"
            )
