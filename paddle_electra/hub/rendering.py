"""The files of a module that are made from templates: code, README, requirements.

`python -m paddle_electra.hub.rendering hub_modules` writes those of the five sizes anew.
"""

import json
import math
import sys
from pathlib import Path

from ..checkpoint.names import EMBEDDINGS_PREFIX, HALVES, model_rows
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


def render(about, config, task=None, halves=HALVES):
    """{file name: text} of a module's folder.

    Args:
        about: see `about_module`.
        config: the `ElectraConfig` of its weights.
        task: content of ``task.json`` of a fine-tuned model, or None.
        halves: which halves are there, of "discriminator" and "generator".
    """
    folder = folder_of(about["name"])
    # JSON's quoting is Python's too.
    quoted = {key: json.dumps(value, ensure_ascii=False) for key, value in about.items()}
    module = {"runtime": RUNTIME, "folder": folder, "name": about["name"], "quoted": quoted}
    return {
        "__init__.py": templates.INIT.format(name=about["name"]),
        "module.py": templates.MODULE.format(**module),
        "README.md": _readme(about, folder, config, task, halves),
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
        config = ElectraConfig.from_size(size, CHINESE_VOCABULARY)
        found[folder_of(name)] = render(about_module(name, config), config)
    return found


def _readme(about, folder, config, task, halves):
    heads = {"seq-cls": "classes", "pair-cls": "classes of pairs", "token-cls": "labels of tokens"}
    labels = ", ".join(map(str, (task or {}).get("labels") or ()))
    kind = task and task["kind"]
    if kind is None:
        head, served = "none", "`[pooled, tokens]` for each text"
        note = "Without `load_checkpoint` a head is random until you train it."
    else:
        head = "reading comprehension" if kind == "qa" else f"{heads[kind]} {labels}"
        served, note = "what the trained head says of each text", ""
    size = about["name"].removeprefix("chinese-electra-")
    return templates.README.format(
        **about,
        folder=folder,
        shape=f"{config.num_hidden_layers} layers, hidden size {config.hidden_size}, "
        f"{config.num_attention_heads} heads, {config.vocab_size} tokens, texts of up to "
        f"{config.max_position_embeddings} tokens",
        dataset="that of the weights",
        size=_size(config, halves),
        head=head,
        head_note=note,
        served=served,
        weights=_ZIPS.get(size, "FOLDER"),
        changes=_changes(about["version"]),
    ).replace(" \n", "\n")


def _size(config, halves):
    """Parameters and megabytes of float32 weights."""
    count = 0
    for half in halves:
        of = config.generator if half == "generator" else config
        for row in model_rows(half, "tensorflow", of):
            shared = half == "generator" and config.tied_embeddings
            if not (shared and row.native.startswith(EMBEDDINGS_PREFIX)):
                sizes = (getattr(of, s) if isinstance(s, str) else s for s in row.sizes)
                count += math.prod(sizes) * len(row.names)
    return f"{count / 1e6:.1f} million parameters, {4 * count / 1e6:.0f} MB"


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
