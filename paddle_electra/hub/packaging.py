"""``paddle-electra module build``: a self-contained PaddleHub module from a checkpoint.

The folder holds the weights, the vocabulary, a short ``module.py``, checksums, and the part of
this package that the module runs on, imported relatively: it works where paddle-electra is not
installed and does not meet another version that is.
"""

import gzip
import re
import sys
import tarfile
from pathlib import Path

from .. import __version__
from ..errors import InputError
from ..files import atomic_directory, atomic_write
from . import manifest, rendering
from .carried import PACKAGE, PROVIDED, REQUIREMENTS, RUNTIME, copy_runtime

ASSETS = "assets"


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
    model,
    name,
    output,
    *,
    version=rendering.DEFAULT_VERSION,
    author=rendering.AUTHOR,
    author_email="",
    summary="",
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
    from .heads import ModuleNetworks
    from .loading import predictor_of

    checkpoint = checkpoints.load(model)
    _check_networks(predictor_of(ModuleNetworks(checkpoint)).networks)
    folder = Path(output) / folder_name
    if folder.exists() and not (folder / manifest.FILE_NAME).is_file():
        raise InputError(
            f"{folder}: exists and is not a module; it would be replaced: give another --output"
        )
    archive = folder.with_name(f"{folder_name}.tar.gz")
    config, task = checkpoint.config, checkpoint.task
    about = rendering.about_module(name, config, version, author, author_email, summary)
    halves = ["discriminator"] + ["generator"] * (checkpoint.generator is not None)
    with atomic_directory(folder) as temporary:
        _write_assets(checkpoint, temporary / ASSETS)
        copy_runtime(temporary / RUNTIME)
        for file, text in rendering.render(about, config, task, halves).items():
            (temporary / file).write_text(text, encoding="utf-8", newline="\n")
        manifest.write(temporary, name=name, version=version, paddle_electra=__version__)
        _write_archive(temporary, archive, folder_name)
    return folder, archive


def _check_networks(networks):
    """Build every network of a checkpoint once, so that damaged weights are found now."""
    checkpoint = networks.checkpoint
    networks.layer("encoder")
    if checkpoint.task is None and any(n.startswith("head.") for n in checkpoint.discriminator):
        networks.layer("discriminator")
    if checkpoint.generator is not None:
        networks.layer("generator")


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
    folder = rendering.folder_of(name)
    if folder in sys.stdlib_module_names or folder in {*REQUIREMENTS, *PROVIDED, PACKAGE.name}:
        raise InputError(f"--name: {name!r} would hide the Python package of that name")
    return folder


def _write_assets(checkpoint, target):
    """The checkpoint as a native directory, whatever format it came in."""
    from ..checkpoint import native

    target.mkdir()
    native.write_checkpoint(target, checkpoint)


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
