"""The files of a module that are made from templates: code, README, requirements.

`python -m paddle_electra.hub.rendering hub_modules` writes those of the five sizes anew.
"""

import json
import math
import sys
from pathlib import Path
from typing import NamedTuple

from ..checkpoint import native, shipped
from ..checkpoint.names import EMBEDDINGS_PREFIX, HALVES, model_rows
from ..checkpoint.tensors import lazy
from ..files import atomic_write
from ..modeling.config import SIZES, ElectraConfig
from . import templates
from .carried import RUNTIME, requirements

DEFAULT_VERSION = "1.0.0"
AUTHOR = "paddle-electra"
CHINESE_VOCABULARY = 21128  # lines of the vocabulary of the published Chinese models
# What HFL calls the weights of each size; there are none of ours to fetch for "tiny".
_ZIPS = {
    "small": "chinese_electra_small_L-12_H-256_A-4.zip",
    "small-ex": "chinese_electra_small_ex_L-24_H-256_A-4.zip",
    "base": "chinese_electra_base_L-12_H-768_A-12.zip",
    "large": "chinese_electra_large_L-24_H-1024_A-16.zip",
}


def about_module(name, config, version=DEFAULT_VERSION, author=AUTHOR, author_email="", summary=""):
    """What ``moduleinfo`` says of a module, as a dict."""
    shape = f"{config.num_hidden_layers} layers of {config.hidden_size}"
    return {
        "name": name,
        "version": version,
        "author": author,
        "author_email": author_email,
        "summary": summary or f"ELECTRA for Chinese text, {shape}, {config.vocab_size} tokens",
    }


class Contents(NamedTuple):
    """What a module's files say of its weights.

    Attributes:
        config: the `ElectraConfig`.
        task: content of ``task.json`` of a fine-tuned model, or None.
        halves: which are there, of "discriminator" and "generator".
        heads: contents of ``task.json`` of trained heads beside a pretrained model.
        itemsize: bytes a number on disk.
    """

    config: ElectraConfig
    task: dict | None = None
    halves: tuple[str, ...] = HALVES
    heads: tuple[dict, ...] = ()
    itemsize: int = 4

    @classmethod
    def of(cls, checkpoint, heads=()):
        """Of a `Checkpoint` and those of the heads beside it."""
        halves = tuple(half for half in HALVES if getattr(checkpoint, half) is not None)
        specs = lazy(checkpoint.discriminator).specs.values()
        itemsize = max(spec.dtype.itemsize for spec in specs)
        tasks = tuple(head.task for head in heads)
        return cls(checkpoint.config, checkpoint.task, halves, tasks, itemsize)


def render(about, contents, is_shipped=False):
    """{file name: text} of a module's folder.

    Args:
        about: see `about_module`.
        contents: `Contents`.
        is_shipped: the folder has no weights; those that come with the package are for it.
    """
    name = about["name"]
    folder = folder_of(name)
    # JSON's quoting is Python's too.
    quoted = {key: json.dumps(value, ensure_ascii=False) for key, value in about.items()}
    module = {"runtime": RUNTIME, "folder": folder, "name": name, "quoted": quoted}
    if is_shipped:
        module["origin"] = "its weights come with paddle-electra"
        module["imports"] = templates.COMPLETE_IMPORTS
        module["complete"] = templates.COMPLETE.format(**module)
        module["first"] = "pip install -e CLONE_OF_PADDLE_ELECTRA"
        module["built"] = f"CLONE_OF_PADDLE_ELECTRA/hub_modules/{folder}"
    else:
        module["origin"] = "`paddle-electra module build` adds the weights"
        module["imports"] = module["complete"] = ""
        module["first"] = (
            f"paddle-electra module build --model ZIP_OR_FOLDER_OF_WEIGHTS --name {name}"
        )
        module["built"] = f"dist/{folder}"
    return {
        "__init__.py": templates.INIT.format(name=name),
        "module.py": templates.MODULE.format(**module),
        "README.md": _readme(about, folder, contents, is_shipped),
        "requirements.txt": "".join(f"{line}\n" for line in requirements()),
    }


def folder_of(name):
    """The folder that PaddleHub wants a module of this name in."""
    return name.replace("-", "_")


def published_sizes():
    """{folder: {file name: text}} of the five modules in ``hub_modules``, which have no weights."""
    found = {}
    for size in SIZES:
        name = f"chinese-electra-{size}"
        weights = shipped.folder_of(name)
        if weights is None:
            contents = Contents(ElectraConfig.from_size(size, CHINESE_VOCABULARY))
        else:
            checkpoint = native.load(weights)
            heads = map(native.load, native.heads_beside(checkpoint).values())
            contents = Contents.of(checkpoint, heads)
        about = about_module(name, contents.config)
        found[folder_of(name)] = render(about, contents, is_shipped=weights is not None)
    return found


def _readme(about, folder, contents, is_shipped):
    config, task = contents.config, contents.task
    if task is not None:
        head, served, note = _head(task), "what the trained head says of each text", ""
    else:
        served = "`[pooled, tokens]` for each text"
        heads = contents.heads
        head = "; ".join(f'{_head(trained)}, for task="{trained["kind"]}"' for trained in heads)
        note = "Without `load_checkpoint` a head is random until you train it."
        if heads:
            note = (
                "With it or with `num_classes` a new head is made, random until you train it; with "
                "`load_checkpoint` that one is taken, without the three the trained one of its own."
            )
    loaded = templates.LOADED.format(name=about["name"])
    if "seq-cls" in [trained["kind"] for trained in contents.heads]:
        loaded = templates.WITH_HEAD.format(name=about["name"], kind="seq-cls")
    install = templates.FROM_CLONE if is_shipped else templates.FROM_WEIGHTS
    size = about["name"].removeprefix("chinese-electra-")
    return templates.README.format(
        **about,
        folder=folder,
        shape=f"{config.num_hidden_layers} layers, hidden size {config.hidden_size}, "
        f"{config.num_attention_heads} heads, {config.vocab_size} tokens, texts of up to "
        f"{config.max_position_embeddings} tokens",
        dataset=templates.CARD if is_shipped else "that of the weights",
        size=_size(contents),
        head=head or "none",
        head_note=note,
        served=served,
        loaded=loaded,
        install=install.format(
            name=about["name"], folder=folder, weights=_ZIPS.get(size, "FOLDER")
        ),
        changes=_changes(about["version"]),
    ).replace(" \n", "\n")


def _head(task):
    """A trained head, in words."""
    if task["kind"] == "qa":
        return "reading comprehension"
    what = {"seq-cls": "classes", "pair-cls": "classes of pairs", "token-cls": "labels of tokens"}
    return f"{what[task['kind']]} {', '.join(map(str, task.get('labels') or ()))}"


def _size(contents):
    """Parameters of the pretrained weights, and megabytes on disk with the trained heads, each of
    which brings the encoder that it was trained with."""
    count = on_disk = 0
    for half in contents.halves:
        copies = 1 + len(contents.heads) if half == "discriminator" else 1
        of = contents.config.generator if half == "generator" else contents.config
        for row in model_rows(half, "tensorflow", of):
            shared = half == "generator" and contents.config.tied_embeddings
            if not (shared and row.native.startswith(EMBEDDINGS_PREFIX)):
                sizes = (getattr(of, s) if isinstance(s, str) else s for s in row.sizes)
                weights = math.prod(sizes) * len(row.names)
                count += weights
                on_disk += weights * copies
    megabytes = contents.itemsize * on_disk / 1e6
    return f"{count / 1e6:.1f} million parameters, {megabytes:.0f} MB"


def _changes(version):
    entries = dict(templates.CHANGES)
    entries.setdefault(version, templates.OWN_VERSION)
    return "\n\n".join(f"* {number}\n\n  {what}" for number, what in entries.items())


def write_published(target):
    """Write the folders of `published_sizes` into ``target``."""
    for folder, texts in published_sizes().items():
        (Path(target) / folder).mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            with atomic_write(Path(target) / folder / name, "w") as handle:
                handle.write(text)


if __name__ == "__main__":
    write_published(sys.argv[1])
