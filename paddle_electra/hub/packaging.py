"""``paddle-electra module build``: a self-contained PaddleHub module from a checkpoint.

The folder holds the weights, the vocabulary, a short ``module.py``, checksums, and the part of
this package that the module runs on, imported relatively: it works where paddle-electra is not
installed and does not meet another version that is.
"""

import gzip
import re
import shutil
import sys
import tarfile
from pathlib import Path

from .. import __version__
from ..errors import InputError
from ..files import atomic_directory, atomic_write
from . import manifest, templates
from .import_graph import imports_of

PACKAGE = Path(__file__).resolve().parent.parent
ENTRY = "hub.module"
RUNTIME = "electra_runtime"
ASSETS = "assets"

# What the carried code needs beyond PaddleHub and Paddle, which run it; ranges as in setup.py.
REQUIREMENTS = {
    "numpy": "numpy>=1.24",
    "tokenizers": "tokenizers>=0.15",
    "safetensors": "safetensors>=0.4",
    "crc32c": "crc32c>=2.3",
}
PROVIDED = {"paddle", "paddlehub"}


def run(options):
    """The command: build, then say what was made and how to install it."""
    folder, archive = build_module(
        options.model,
        options.name,
        options.output,
        version=options.version,
        author=options.author,
        author_email=options.author_email,
        summary=options.summary,
    )
    megabytes = archive.stat().st_size / 1e6
    print(f"module {options.name} {options.version}: {folder} and {archive} ({megabytes:.1f} MB)")
    print(f"next: hub install {folder}")
    print(f"      python -c 'import paddlehub as hub; hub.Module(name=\"{options.name}\")'")


def build_module(
    model, name, output, *, version="1.0.0", author="paddle-electra", author_email="", summary=""
):
    """Write ``output/NAME_WITH_UNDERSCORES/`` and the same as ``.tar.gz``.

    Both are written beside their places and renamed, replacing what was there.  The checkpoint
    is loaded first, so that a broken one does not become a module.

    Args:
        model: checkpoint or fine-tuned directory, any format that `checkpoint.load` reads.
        name: the module's name, see `check_name`.
        version: three numbers with dots.
    Returns:
        (folder, archive), two paths.
    Raises:
        InputError: a bad name or version, a checkpoint that does not load, a full disk.
    """
    folder_name = check_name(name)
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise InputError(f"--version: expected three numbers such as 1.0.0, got {version!r}")
    from .. import checkpoint as checkpoints
    from ..inference.predictor import Predictor

    checkpoint = checkpoints.load(model)
    predictor = Predictor.load(checkpoint)
    folder = Path(output) / folder_name
    if folder.exists() and not (folder / manifest.FILE_NAME).is_file():
        raise InputError(
            f"{folder}: exists and is not a module; it would be replaced: give another --output"
        )
    archive = folder.with_name(f"{folder_name}.tar.gz")
    about = {
        "name": name,
        "version": version,
        "author": author,
        "author_email": author_email,
        "summary": summary or _summary(predictor),
    }
    with atomic_directory(folder) as temporary:
        _write_assets(checkpoint, temporary / ASSETS)
        requirements = _copy_runtime(temporary / RUNTIME)
        _write_text(temporary / "__init__.py", f'"""PaddleHub module {name}."""\n')
        _write_text(temporary / "module.py", templates.MODULE.format(runtime=RUNTIME, **about))
        _write_text(temporary / "README.md", _readme(about, folder_name, predictor))
        _write_text(temporary / "requirements.txt", "".join(f"{line}\n" for line in requirements))
        manifest.write(temporary, name=name, version=version, paddle_electra=__version__)
        _write_archive(temporary, archive, folder_name)
    return folder, archive


def check_name(name):
    """The folder name of a module's name.

    Raises:
        InputError: anything but a-z, 0-9 and single hyphens, a letter first; or a name whose
            folder, which PaddleHub puts on Python's path, would hide another package.
    """
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise InputError(
            f"--name: {name!r}: use a-z, 0-9 and single hyphens, a letter first, "
            f"such as chinese-electra-tiny"
        )
    folder = name.replace("-", "_")
    if folder in sys.stdlib_module_names or folder in {
        *REQUIREMENTS,
        *PROVIDED,
        PACKAGE.name,
        "paddlenlp",
    }:
        raise InputError(f"--name: {name!r} would hide the Python package of that name")
    return folder


def _summary(predictor):
    config = predictor.config
    shape = f"{config.num_hidden_layers} layers of {config.hidden_size}"
    trained = ", with a trained classification head" if predictor.labels else ""
    return f"ELECTRA for Chinese text, {shape}, {config.vocab_size} tokens{trained}"


def _readme(about, folder_name, predictor):
    config, labels = predictor.config, predictor.labels
    if labels:
        head = "classes " + ", ".join(map(str, labels))
        note = "Without `label_map` the labels of the trained head are used."
        served = "the label of each text"
    else:
        head = "none"
        note = (
            "This module has no trained head: `task='seq-cls'` needs `load_checkpoint`, "
            "or its answers are random until you train it."
        )
        served = "`[pooled, tokens]` for each text"
    return templates.README.format(
        **about,
        folder=folder_name,
        layers=config.num_hidden_layers,
        hidden=config.hidden_size,
        heads=config.num_attention_heads,
        vocab=config.vocab_size,
        length=config.max_position_embeddings,
        head=head,
        head_note=note,
        served=served,
        label_map="" if labels else ', label_map={0: "negative", 1: "positive"}',
    )


def _write_assets(checkpoint, target):
    """The checkpoint as a native directory, whatever format it came in."""
    from ..checkpoint import native

    target.mkdir()
    native.write_checkpoint(target, checkpoint)


def _copy_runtime(target):
    """The files that `ENTRY` imports; returns the requirements of what they import."""
    imports = imports_of(PACKAGE, ENTRY)
    for file in imports.files:
        (target / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PACKAGE / file, target / file)
    unknown = imports.external - PROVIDED - set(REQUIREMENTS)
    if unknown:
        raise InputError(
            f"the module's code imports {', '.join(sorted(unknown))}, which REQUIREMENTS in "
            f"hub/packaging.py does not list; add it there"
        )
    return [REQUIREMENTS[name] for name in sorted(imports.external - PROVIDED)]


def _write_text(path, text):
    path.write_text(text, encoding="utf-8", newline="\n")


def _write_archive(folder, archive, name):
    """Pack ``folder`` as ``name/...``; the same files give the same bytes."""
    with atomic_write(archive, "wb") as handle:
        # mtime and filename of the gzip header are fixed too; level 1, as weights hardly shrink.
        with gzip.GzipFile("", "wb", compresslevel=1, fileobj=handle, mtime=0) as packed:
            with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
                for path in sorted(folder.rglob("*")):
                    if path.is_file():
                        _add_file(tar, path, f"{name}/{path.relative_to(folder).as_posix()}")


def _add_file(tar, path, name):
    entry = tarfile.TarInfo(name)
    entry.size = path.stat().st_size
    entry.mode = 0o644
    with open(path, "rb") as handle:
        tar.addfile(entry, handle)
