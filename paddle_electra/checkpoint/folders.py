"""Model folders with a config and a weight file per half: Hugging Face's and PaddleNLP's.

A folder holds one half; a pair is a folder of two such folders, whose names end in
``discriminator`` and ``generator``.
"""

import re
import shutil
from pathlib import Path

from ..errors import InputError
from ..files import read_json, write_json
from . import names, safetensors_file
from .foreign import (
    TOKENIZER_CONFIG,
    assemble,
    config_values,
    export_half,
    family,
    read_half,
    read_lower_case,
)
from .limits import shown
from .mapping import has_half
from .native import CONFIG, VOCAB
from .pdparams import PdparamsFile
from .pdparams import write as write_pdparams
from .tensors import Renamed, same_bits
from .torch_file import TorchFile

OLD_CONFIG = "model_config.json"  # PaddleNLP's before 2.5
SAFETENSORS, PDPARAMS, TORCH = "model.safetensors", "model_state.pdparams", "pytorch_model.bin"
_INDEX = safetensors_file.INDEX_SUFFIX
# In the order in which they are preferred where a folder has several.
WEIGHT_FILES = (
    SAFETENSORS,
    SAFETENSORS + _INDEX,
    PDPARAMS,
    PDPARAMS + _INDEX,
    TORCH,
    TORCH + _INDEX,
)
# What a weight file is called where it has a name of its own, such as electra.bin.
SUFFIXES = (".safetensors", ".pdparams", ".bin")
_NOT_WEIGHTS = ("training_args.bin", "optimizer.bin", "optimizer.pdparams", "scheduler.bin")
_SCOPES = ("electra.", "bert.", "roberta.", "")
_WORDS = "embeddings.word_embeddings.weight"
_TIED_OUTPUT = "generator_lm_head.weight"  # Hugging Face's second name of the word embeddings
_CLASSES = {  # half -> architecture in Hugging Face, in PaddleNLP
    "discriminator": ("ElectraForPreTraining", "ElectraDiscriminator"),
    "generator": ("ElectraForMaskedLM", "ElectraGenerator"),
    "bert": ("BertModel", "BertModel"),
}


def find_weights(folder):
    """The weight file of one half in a folder, or None.

    Raises:
        InputError: several files with names of their own.
    """
    folder = Path(folder)
    for name in WEIGHT_FILES:
        if (folder / name).is_file():
            return folder / name
    found = [path for suffix in SUFFIXES for path in sorted(folder.glob(f"*{suffix}"))]
    found = [path for path in found if path.name not in _NOT_WEIGHTS]
    if len(found) > 1:
        listed = ", ".join(path.name for path in found)
        raise InputError(
            f"{folder}: several weight files ({listed}); leave one, or call it {SAFETENSORS}, "
            f"{PDPARAMS} or {TORCH}"
        )
    return found[0] if found else None


def find_pair(folder):
    """{"discriminator": folder, "generator": folder} of the halves below a folder, or {}."""
    pair, without = {}, {}
    for path in sorted(Path(folder).iterdir()) if Path(folder).is_dir() else ():
        for half in names.HALVES:
            if not path.is_dir() or not path.name.endswith(half):
                continue
            if find_weights(path) is None:
                if any((path / name).is_file() for name in (CONFIG, OLD_CONFIG)):
                    without[half] = path
            else:
                if half in pair:
                    raise InputError(
                        f"{folder}: two {half}s, {pair[half].name} and {path.name}; name one model"
                    )
                pair[half] = path
    for half, path in without.items():  # not silently the other half alone
        if pair and half not in pair:
            raise InputError(
                f"{path}: a {half}'s config without its weights; put {SAFETENSORS}, {PDPARAMS} or "
                f"{TORCH} there, or name the other half alone: {pair.popitem()[1]}"
            )
    return pair


def load(weights):
    """Read one half from its weight file; the config, if any, lies beside it.

    Returns:
        a `Checkpoint`, of a generator alone when the file holds one.
    Raises:
        InputError: see `foreign`.
    """
    folder = weights.parent
    column, half = _read(weights)
    places = [folder, folder.parent]
    main, generator = (None, half) if half.kind == "generator" else (half, None)
    lower_case = read_lower_case(places)
    return assemble(column, main, generator, places, weights, lower_case=lower_case)


def load_pair(folder, pair):
    """Read both halves from their folders; see `find_pair`."""
    found = {kind: _read(find_weights(path)) for kind, path in pair.items()}
    for kind, (_, half) in found.items():
        if (half.kind == "generator") != (kind == "generator"):
            raise InputError(f"{pair[kind]}: called {kind}, but it holds a {half.kind}")
    columns = {column for column, _ in found.values()}
    if len(columns) > 1:
        raise InputError(f"{folder}: one half is Hugging Face's, the other PaddleNLP's")
    halves = [found[kind][1] if kind in found else None for kind in names.HALVES]
    places = [*pair.values(), Path(folder)]
    lower_case = read_lower_case(places)
    return assemble(columns.pop(), *halves, places, folder, lower_case=lower_case)


def _read(weights):
    """(column, `Half`) of a weight file."""
    file = _canonical(_open(weights))
    column = "paddlenlp" if any(".encoder.layers." in name for name in file) else "huggingface"
    config = next(
        (weights.with_name(n) for n in (CONFIG, OLD_CONFIG) if _is_there(weights, n)), None
    )
    stated = _read_config(config) if config else None
    source = config or weights.with_name(CONFIG)
    if has_half(file.specs, "generator", column):
        file = _without_tied_output(file)
        return column, read_half(file, "generator", column, stated, source)
    kind = "bert" if "bert." + _WORDS in file else "discriminator"
    return column, read_half(file, kind, column, stated, source)


def _is_there(weights, name):
    return weights.with_name(name).is_file()


def _open(path):
    for name, reader in ((TORCH, TorchFile), (PDPARAMS, PdparamsFile)):
        if path.name == name + _INDEX:
            return safetensors_file.read_sharded(path, reader)
    if path.suffix == ".pdparams":
        return PdparamsFile(path)
    if path.suffix == ".bin":
        return TorchFile(path)
    return safetensors_file.read(path)


def _canonical(file):
    """The file's tensors as the table names them, whatever class of model was saved.

    ``roberta.`` (PaddleNLP's for HFL's models) is ``bert.``; a bare encoder gets its prefix; the
    first BERT models for PyTorch called a LayerNorm's weights gamma and beta.
    """
    scope = next((scope for scope in _SCOPES if scope + _WORDS in file), None)
    if scope is None:
        listed = ", ".join(shown(name) for name in sorted(file)[:3])
        raise InputError(
            f"{file.source}: no embeddings of an ELECTRA or BERT model in it (looked for "
            f"electra.{_WORDS} and the like; it has {listed}, ...)"
        )
    bare = (
        {"": "electra."} if not any(name.startswith("pooler.") for name in file) else {"": "bert."}
    )
    target = {"roberta.": "bert.", **bare}.get(scope, scope)
    renamed = {}
    for name in file:
        new = name
        if scope == "" and re.match(r"(embeddings|embeddings_project|encoder|pooler)\.", name):
            new = target + name
        elif scope and name.startswith(scope):
            new = target + name[len(scope) :]
        new = re.sub(r"LayerNorm\.gamma$", "LayerNorm.weight", new)
        new = re.sub(r"LayerNorm\.beta$", "LayerNorm.bias", new)
        if new in renamed:
            raise InputError(f"{file.source}: {renamed[new]!r} and {name!r} are the same tensor")
        renamed[new] = name
    return Renamed(file, renamed)


def _read_config(path):
    """A config as one flat object; PaddleNLP's old one is nested."""
    values = read_json(path)
    for _ in range(3):
        inner = values.get("init_args") if isinstance(values, dict) else None
        if not isinstance(inner, list) or not inner or not isinstance(inner[0], dict):
            break
        values = {**inner[0], **{k: v for k, v in values.items() if k != "init_args"}}
    return values


def _without_tied_output(file):
    """The file without the second name of the word embeddings; they must be the same."""
    words = "electra." + _WORDS
    if _TIED_OUTPUT in file and not same_bits(file[_TIED_OUTPUT], file[words]):
        raise InputError(
            f"{file.source}: {_TIED_OUTPUT!r} differs from {words!r}; an ELECTRA generator's "
            f"output weights are its word embeddings"
        )
    return Renamed(file, {name: name for name in file if name != _TIED_OUTPUT})


def write(folder, checkpoint, column):
    """Write a `Checkpoint` into an existing folder, as Hugging Face's or PaddleNLP's libraries do.

    Both halves go into folders ``discriminator`` and ``generator`` below it, one half into itself.
    """
    kinds = [kind for kind in names.HALVES if getattr(checkpoint, kind) is not None]
    for kind in kinds:
        place = folder / kind if len(kinds) > 1 else folder
        place.mkdir(exist_ok=True)
        _write_half(place, checkpoint, kind, column)


def _write_half(folder, checkpoint, kind, column):
    config = checkpoint.config
    tensors = export_half(checkpoint, kind, column, embeddings=True)
    if kind == "discriminator":
        kind = family(config)
    values = config_values(config, kind)
    tokenizer = "BertTokenizer" if kind == "bert" else "ElectraTokenizer"
    values["model_type"] = "bert" if kind == "bert" else "electra"
    values["architectures"] = [_CLASSES[kind][column == "paddlenlp"]]
    values["pad_token_id"] = 0
    if column == "paddlenlp":
        write_pdparams(folder / PDPARAMS, tensors)
        values["dtype"] = "float32"
    else:
        safetensors_file.write(folder / SAFETENSORS, tensors, {"format": "pt"}, checksums=False)
    write_json(folder / CONFIG, values)
    shutil.copyfile(checkpoint.vocab_file, folder / VOCAB)
    write_json(
        folder / TOKENIZER_CONFIG,
        {
            "tokenizer_class": tokenizer,
            "do_lower_case": config.do_lower_case,
            "model_max_length": config.max_position_embeddings,
            **{
                f"{name}_token": f"[{name.upper()}]"
                for name in ("pad", "unk", "cls", "sep", "mask")
            },
        },
    )
