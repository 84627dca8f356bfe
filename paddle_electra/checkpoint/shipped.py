"""The weights that come with the package, by name.

A PaddleHub module carries this file but not the weights: there nothing is found.
"""

from pathlib import Path

ASSETS = Path(__file__).resolve().parents[1] / "assets"
# Name -> folder below ASSETS; a trained head lies in ``heads/KIND`` of its pretrained model.
SHIPPED = {
    "chinese-electra-tiny": "tiny",
    "chinese-electra-tiny-sentiment": "tiny/heads/seq-cls",
}


def folder_of(name):
    """The folder of a shipped model, or None: another name, a path, or no weights here."""
    inside = SHIPPED.get(str(name))
    if inside is None or Path(name).exists():
        return None
    folder = ASSETS / inside
    return folder if (folder / "config.json").is_file() else None


def is_shipped(folder):
    """Does this folder belong to the package, and so hold nothing but what came with it?"""
    return Path(folder).resolve().is_relative_to(ASSETS)
