"""``paddle-electra module build``: a self-contained PaddleHub module from a checkpoint.

The folder holds the weights, the vocabulary, a short ``module.py``, checksums, and the part of
this package that the module runs on, imported relatively: it works where paddle-electra is not
installed and does not meet another version that is.
"""

import gzip
import importlib.util
import re
import sys
import tarfile
from pathlib import Path

from .. import __version__
from ..checkpoint import native
from ..errors import InputError
from ..files import atomic_directory, atomic_write, read_json
from . import manifest, rendering
from .carried import PACKAGE, PROVIDED, REQUIREMENTS, RUNTIME, copy_runtime

ASSETS = "assets"


def run(options):
    """The command: build, then say what was made and how to install it."""
    folder, archive = build_module(
        options.model,
        options.name,
        options.output,
        head=options.head,
        version=options.version,
        author=options.author,
        author_email=options.author_email,
        summary=options.summary,
    )
    megabytes = archive.stat().st_size / 1e6
    print(f"module {options.name} {options.version}: {folder} and {archive} ({megabytes:.1f} MB)")
    # What a module needs was there to build it; without the variable pip asks an index, for long.
    print(f"next: PIP_NO_INDEX=1 hub install {folder}")
    task = folder / ASSETS / native.TASK
    kind = f', task="{read_json(task)["kind"]}"' if task.is_file() else ""
    print(f"      python -c 'import paddlehub as hub; hub.Module(name=\"{options.name}\"{kind})'")


def build_module(
    model,
    name,
    output,
    *,
    head=None,
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
        head: a fine-tuned directory whose head the module has besides the pretrained ``model``;
            by default those in ``heads`` of the model's folder.
        version: three numbers with dots.
    Returns:
        (folder, archive), two paths.
    Raises:
        InputError: a bad name or version, a checkpoint that does not load, a head that does not
            fit, a full disk.
    """
    folder_name = check_name(name)
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise InputError(f"--version: expected three numbers such as 1.0.0, got {version!r}")
    checkpoint = _load_sound(model)
    heads = _heads_of(checkpoint) if head is None else [_load_sound(head)]
    for trained in heads:
        _check_head(trained, checkpoint)
    folder = Path(output) / folder_name
    if folder.exists() and not manifest.is_module(folder):
        raise InputError(
            f"{folder}: exists and is not a module; it would be replaced: give another --output"
        )
    archive = folder.with_name(f"{folder_name}.tar.gz")
    about = rendering.about_module(name, checkpoint.config, version, author, author_email, summary)
    with atomic_directory(folder) as temporary:
        _write_module(temporary, checkpoint, heads, about)
        _write_archive(temporary, archive, folder_name)
    return folder, archive


def complete(folder, name):
    """Give a folder of ``hub_modules`` the weights that come with this package, and the code.

    Args:
        folder: of the module, installed or not; replaced.
        name: of the module.
    Raises:
        InputError: there are no weights of this name here.
    """
    checkpoint = _load_sound(name)
    about = rendering.about_module(name, checkpoint.config)
    with atomic_directory(folder) as temporary:
        _write_module(temporary, checkpoint, _heads_of(checkpoint), about)


def _load_sound(model):
    """A checkpoint every network of which can be built."""
    from .. import checkpoint as checkpoints

    checkpoint = checkpoints.load(model)
    _check_networks(checkpoint)
    return checkpoint


def _heads_of(checkpoint):
    """The sound heads in a model's own folder."""
    return [_load_sound(folder) for folder in native.heads_beside(checkpoint).values()]


def _check_head(trained, checkpoint):
    from .loading import check_same_model

    if trained.task is None:
        raise InputError(f"--head: {trained.source} has no head; give a fine-tuned model")
    if checkpoint.task is not None:
        raise InputError(
            f"--head: {checkpoint.source} is fine-tuned and has a head already; give the "
            f"pretrained one as --model, or leave --head out"
        )
    check_same_model(trained, checkpoint, f"--head: {trained.source}")


def _write_module(folder, checkpoint, heads, about):
    """All files of a module into an existing folder."""
    (folder / ASSETS).mkdir()
    native.write_checkpoint(folder / ASSETS, checkpoint, heads)
    copy_runtime(folder / RUNTIME)
    texts = rendering.render(about, rendering.Contents.of(checkpoint, heads))
    for file, text in texts.items():
        (folder / file).write_text(text, encoding="utf-8", newline="\n")
    name, version = about["name"], about["version"]
    manifest.write(folder, name=name, version=version, paddle_electra=__version__)


def _check_networks(checkpoint):
    """Build every network of a checkpoint once, so that damaged weights are found now."""
    from .heads import ModuleNetworks
    from .loading import predictor_of

    networks = predictor_of(ModuleNetworks(checkpoint)).networks
    networks.layer("encoder")
    if checkpoint.task is not None:
        networks.layer("task")
    elif any(name.startswith("head.") for name in checkpoint.discriminator):
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
    known = {*sys.stdlib_module_names, *REQUIREMENTS, *PROVIDED, PACKAGE.name}
    if folder in known or importlib.util.find_spec(folder) is not None:
        raise InputError(f"--name: {name!r} would hide the Python package of that name")
    return folder


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
