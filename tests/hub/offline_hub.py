"""Runs in a process of its own: installs a module and answers with what it found, as JSON.

Arguments: a JSON file of inputs, the file to write.
"""

import contextlib
import json
import os
import shutil
import sys
import warnings

NAME, BARE_NAME = "chinese-electra-tiny", "electra-without-head"
VERSION = "2.0.2"  # of the second, and of the published modules


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

    name, texts = NAME, [[text] for text in inputs["texts"]]
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
    found["label_map"] = list(classifier.label_map.items())
    found["probabilities"] = classifier.predict(texts, batch_size=2, return_prob=True)
    mapped = hub.Module(name=name, task="sequence_classification", label_map={0: "差", 1: "好"})
    found["mapped"] = mapped.predict(texts)
    loaded = hub.Module(name=name, task="seq-cls", load_checkpoint=inputs["other"])
    found["loaded"] = loaded.predict(texts, return_prob=True)
    found["errors"] = {
        "package": missing_package,
        "task": message(hub.Module, name=name, task="nonsense"),
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

    # A second folder of the same name, whose code Python does not load.
    copied = shutil.copytree(inputs["folder"], os.path.abspath("copy/" + os.path.basename(home)))
    changed(copied, version="9.9.9")
    found["version_of_a_copy"] = hub.Module(directory=copied, task="seq-cls").version
    changed(copied, paddle_electra="0.0.1")
    found["errors"]["other_code"] = message(hub.Module, directory=copied)

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
    found.update(more(inputs, os.path.dirname(home)))
    found["modules"] = [name for name in sys.modules if name.startswith("paddle_electra")]
    with open(output, "w", encoding="utf-8") as handle:
        json.dump(found, handle)


def changed(folder, **values):
    """Change what the manifest of a module says."""
    path = os.path.join(folder, "manifest.json")
    with open(path, encoding="utf-8") as handle:
        said = json.load(handle)
    with open(path, "w", encoding="utf-8") as handle:
        json.dump({**said, **values}, handle)


def more(inputs, modules):
    """What a module without a head does: the demos, published checkpoints, pretrained heads."""
    import demos
    import paddlehub as hub

    name = BARE_NAME
    shutil.copytree(inputs["bare_folder"], os.path.join(modules, name.replace("-", "_")))
    found = {"demos": demos.demos(name, os.path.abspath("demos"))}
    folder = os.path.abspath("published")
    vocab = os.path.join(inputs["bare_folder"], "assets", "vocab.txt")
    found["published"] = demos.published(name, inputs["config"], vocab, folder)

    best = found["demos"]["token-cls"]["best"]
    bare = hub.Module(name=name)
    tokenizer = bare.get_tokenizer()
    text, second = inputs["texts"][:2]
    found["tokenizer"] = {
        "single": tokenizer(text, max_seq_len=12, pad_to_max_seq_len=True, return_length=True).data,
        "pair": tokenizer(text=text, text_pair=second, max_seq_len=16).data,
        "words": tokenizer(["a", "[UNK]", "##c"], is_split_into_words=True)["input_ids"],
        "pieces": tokenizer._tokenize("ac [MASK]"),
    }
    mask = "今天天气真[MASK]"
    found["pretrained"] = {
        "filled": bare.fill_mask([mask], top_k=2),
        "detected": bare.detect([text]),
        "while_classifying": hub.Module(name=name, task="seq-cls", num_classes=3).fill_mask(
            [mask], top_k=2
        ),
    }
    found["own_training"] = own_training(lambda: hub.Module(name=NAME, task="seq-cls"), text)
    reading = hub.Module(name=name, task="qa", load_checkpoint=inputs["qa"])
    question = [inputs["texts"][1::2]]
    found["qa"] = [reading.predict(question), reading.answer(question)]
    tuned = hub.Module(name=NAME)
    page = bare.create_gradio_app().app.test_client()
    found["page"] = [page.get(path).status_code for path in ("/", "/page.js", "/nothing")]
    bare.save_inference_model(os.path.abspath("exported"))
    classifier = hub.Module(name=name, task="seq-cls", num_classes=2)
    classifier.save_inference_model(os.path.abspath("exported"))
    found["exported"] = sorted(os.listdir("exported"))
    matching = hub.Module(name=name, task="text-matching")
    found["more_errors"] = {
        "detect": message(tuned.detect, [text]),
        "fill_mask": message(tuned.fill_mask, [mask]),
        "label_map": message(hub.Module, name=name, task="token-cls"),
        "other_task": message(hub.Module, name=name, task="text-matching", load_checkpoint=best),
        "classes": message(hub.Module, name=name, task="text-matching", num_classes=3),
        "one_text": message(matching.predict, [[text]]),
        "export": message(matching.save_inference_model, "nowhere"),
        "qa": message(hub.Module, name=name, task="qa"),
        "untrained": message(bare.training_step, [1, 2, 3], 0),
        "reading": message(reading, None),
        "unbuilt": [
            hub_command_message("install", inputs["unbuilt"]),
            message(hub.Module, name=inputs["unbuilt_name"]),
        ],
    }
    return found


def own_training(make, text):
    """[of ``predict``, of the network]: probabilities before and after a loop of one's own, then
    before and after other weights were set."""
    import paddle

    answers = []

    def note(module, ids):
        with paddle.no_grad():
            chances = module.predict([text], return_prob=True)[1][0]
            answers.append([chances, module(ids).tolist()[0]])

    trained, other = make(), make()
    ids = paddle.to_tensor([trained.get_tokenizer()(text)["input_ids"]])
    note(trained, ids)
    wrong = int(answers[0][0][0] > 0.5)
    _, loss, _ = trained(ids, labels=paddle.to_tensor([wrong]))
    loss.backward()
    paddle.optimizer.SGD(1.0, parameters=trained.parameters()).step()
    note(trained, ids)
    note(other, ids)
    other.model.set_state_dict(trained.model.state_dict())
    note(other, ids)
    return answers


def hub_command_message(*arguments):
    from paddlehub.utils import pypi

    pypi.install_from_file = lambda *arguments, **named: True  # asking pip takes seconds
    try:
        return hub_command(*arguments)
    except SystemExit as error:
        return str(error)
    finally:
        sys.argv = ["python"]


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as handle:
        main(json.load(handle), sys.argv[2])
