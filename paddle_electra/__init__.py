"""ELECTRA for Chinese text on PaddlePaddle.

``import paddle_electra`` is cheap: public names are resolved when first used, so paddle is loaded
only when something needs it.
"""

import importlib

__version__ = "0.1.0"

_PUBLIC = {
    "InputError": "errors",
    "ElectraTokenizer": "text.tokenizer",
    "ElectraConfig": "modeling.config",
    "ElectraModel": "modeling.electra",
    "ElectraGenerator": "modeling.electra",
    "ElectraDiscriminator": "modeling.electra",
    "ElectraForPreTraining": "modeling.electra",
    "ElectraForSequenceClassification": "modeling.electra",
    "ElectraForTokenClassification": "modeling.tagging",
    "ElectraForQuestionAnswering": "modeling.reading",
    "Predictor": "inference.predictor",
}

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name):
    if name in _PUBLIC:
        return getattr(importlib.import_module(f".{_PUBLIC[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *_PUBLIC])
