"""Runs in a process of its own: installs a module and answers with what it found, as JSON.

Arguments: a JSON file of inputs, the file to write.
"""

import contextlib
import json
import os
import sys
import warnings


def hub_command(*arguments):
    from paddlehub.commands.utils import execute

    sys.argv = ["hub", *arguments]
    return execute()


def message(call, *arguments, **named):
    try:
        call(*arguments, **named)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "no error"


@contextlib.contextmanager
def without_package(package):
    """As if ``package`` were not installed."""
    hidden = {name: sys.modules[name] for name in sys.modules if name.startswith(package)}
    sys.modules.update(dict.fromkeys([package, *hidden]))
    yield
    del sys.modules[package]
    sys.modules.update(hidden)


def main(inputs, output):
    import paddlehub as hub

    name, texts = inputs["name"], [[text] for text in inputs["texts"]]
    home = os.path.join(os.environ["HUB_HOME"], "modules", name.replace("-", "_"))
    found = {"installed_folder": hub_command("install", inputs["folder"])}

    with without_package("tokenizers"):
        missing_package = message(hub.Module, name=name)
    module = hub.Module(name=name, task=None)
    found["embedding"] = module.get_embedding(texts)
    found["predict_without_task"] = module.predict(texts, batch_size=2)
    found["tokens"] = module.get_tokenizer().tokenize(inputs["texts"][0])
    classifier = hub.Module(name=name, task="seq-cls")
    found["labels"] = classifier.predict(texts)
    found["probabilities"] = classifier.predict(texts, batch_size=2, return_prob=True)
    mapped = hub.Module(name=name, task="sequence_classification", label_map={0: "差", 1: "好"})
    found["mapped"] = mapped.predict(texts)
    loaded = hub.Module(name=name, task="seq-cls", load_checkpoint=inputs["other"])
    found["loaded"] = loaded.predict(texts, return_prob=True)
    found["errors"] = {
        "package": missing_package,
        "task": message(hub.Module, name=name, task="token-cls"),
        "argument": message(hub.Module, name=name, label_mapp={}),
        "checkpoint": message(hub.Module, name=name, load_checkpoint="/nowhere/model"),
        "no_head": message(hub.Module, name=name, task="seq-cls", load_checkpoint=inputs["bare"]),
        "data": message(classifier.predict, [["a", "b", "c"]]),
        "gpu": message(classifier.predict, texts, use_gpu=True),
        "import": message(__import__, "paddle_electra"),
    }

    found["uninstalled"] = [hub_command("uninstall", name), os.path.exists(home)]
    found["installed_archive"] = hub_command("install", inputs["archive"])
    again = hub.Module(name=name, task="seq-cls")
    found["from_archive"] = again.predict(texts, return_prob=True)
    found["from_directory"] = hub.Module(directory=inputs["folder"], task="seq-cls").predict(texts)

    weights = os.path.join(home, "assets", "discriminator.safetensors")
    with open(weights, "rb") as handle:
        original = handle.read()
    with open(weights, "wb") as handle:
        handle.write(original[:-1] + bytes([original[-1] ^ 1]))
    found["errors"]["tampered"] = message(hub.Module, name=name)
    with open(weights, "wb") as handle:
        handle.write(original)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        bare = hub.Module(directory=inputs["bare_folder"], task="seq-cls", num_classes=3)
    found["warnings"] = [str(warning.message) for warning in caught]
    found["random_labels"] = bare.predict(texts)
    found["modules"] = [name for name in sys.modules if name.startswith("paddle_electra")]
    with open(output, "w", encoding="utf-8") as handle:
        json.dump(found, handle)


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as handle:
        main(json.load(handle), sys.argv[2])
