"""Static graphs of the networks, made once and kept for the next start.

A graph lies in ``.graphs/KEY`` beside weights of our own format, else (another format, a folder
that one may only read, the package's own) in ``graphs/KEY`` of the user's cache, else in a
temporary folder.  The key holds everything that the graph depends on, so no graph is ever out of
date.
"""

import atexit
import contextlib
import errno
import hashlib
import json
import os
import shutil
import tempfile
import zlib
from pathlib import Path

import paddle

from .. import __version__
from ..cache_folder import cache_folder
from ..checkpoint.shipped import is_shipped
from ..errors import InputError
from ..files import (
    atomic_directory,
    clean_up,
    disk_errors,
    only_writer,
    read_json,
    remove_directory,
    write_json,
)
from ..forking import Lock
from ..modeling import kernels
from .static_layers import prepare

# Raise it with every change of a network, or of how its graph is written.
FORMAT = 3
LIMIT_BYTES = 4 << 30  # what the graphs in the user's cache may take together
INPUTS = ("input_ids", "token_type_ids", "attention_mask")
BESIDE = ".graphs"
_GRAPH, _ABOUT = "graph", "about.json"
_DIGITS = 32
_PATIENCE = 600.0  # seconds to wait for another process that makes graphs in the same folder
_writing = Lock()  # Paddle has one mode, static or dynamic, for all that trace


def find_or_make(networks, name):
    """The static graph of a network, made unless it is there.

    Args:
        networks: a `Networks` whose networks are those of its checkpoint's files.
        name: of `networks.NAMES`.
    Returns:
        (program file, file of weights).
    Raises:
        InputError: the checkpoint has no such network or lacks weights, or no folder could be
            written, not even a temporary one.
    """
    weights = _weights_digest(networks)
    about = {"network": name, "weights": weights, "key": _key(networks, name, weights)}
    roots = _roots(networks.checkpoint)
    for root in roots:
        if found := _sound(root / about["key"]):
            return found
    refused = None
    for root in roots:
        try:
            return _make(root, networks, about)
        except (InputError, OSError) as error:
            if _is_of_the_model(error):
                raise
            refused = error
    with _writing, disk_errors(tempfile.gettempdir()):
        try:
            return _write(_temporary_folder(), networks, about)
        except OSError as error:
            raise InputError(f"no folder for a static graph: {refused or error}") from error


def shortest(networks, name):
    """The shortest input that a network's static graph takes: a beam needs as many tokens."""
    task = networks.task
    if name != "task" or task["kind"] != "qa" or not task.get("joint_prediction", True):
        return 1
    return min(task.get("beam_size", 20), networks.config.max_position_embeddings)


def write_graph(layer, path):
    """Write a network as Paddle's static graph, for any number of rows and tokens.

    Args:
        layer: a network of `networks`, which this changes: it is of no use afterwards.
        path: of the files without their endings.
    Returns:
        (program file, file of weights).
    """
    layer.eval()
    prepare(layer)
    inputs = [paddle.static.InputSpec([None, None], "int64", name) for name in INPUTS]
    with kernels.reference():
        graph = paddle.jit.to_static(layer, input_spec=inputs, full_graph=True)
        paddle.jit.save(graph, str(path))
    files = _files(Path(path))
    _check_whole(files, layer)
    return files


def _files(path):
    """(program file, file of weights); Paddle 2 names the first otherwise."""
    programs = [path.with_name(path.name + ending) for ending in (".json", ".pdmodel")]
    program = next((file for file in programs if file.is_file()), programs[0])
    return program, path.with_name(path.name + ".pdiparams")


def _key(networks, name, weights):
    parts = {
        "format": [FORMAT, __version__, paddle.__version__],
        "networks": type(networks).__qualname__,
        "network": name,
        "config": networks.config.to_dict(),
        "task": networks.task,
        "weights": weights,
    }
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def _weights_digest(networks):
    """A digest of both halves' weights: of their checksums where their file has some."""
    digest = hashlib.sha256()
    for half in (networks.checkpoint.discriminator, networks.checkpoint.generator):
        digest.update(_half_digest(half).encode())
    return digest.hexdigest()


def _half_digest(tensors):
    if tensors is None:
        return "none"
    if checksums := getattr(tensors, "checksums", None):
        specs = [(n, str(s.dtype), s.shape, checksums[n]) for n, s in tensors.specs.items()]
        return hashlib.sha256(json.dumps(sorted(specs)).encode()).hexdigest()
    digest = hashlib.sha256()
    for name in sorted(tensors):
        array = tensors[name]
        digest.update(f"{name} {array.dtype} {array.shape} ".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _roots(checkpoint):
    """Folders for graphs, the best first."""
    roots = []
    folder = Path(checkpoint.vocab_file).parent
    if checkpoint.format == "native" and checkpoint.keep is None and not is_shipped(folder):
        roots.append(folder / BESIDE)
    if (cache := cache_folder("graphs")) is not None:
        roots.append(cache)
    return roots


def _is_of_the_model(error):
    """Is it the model that is wrong, rather than a folder?"""
    return isinstance(error, InputError) and not isinstance(error.__cause__, OSError)


def _make(root, networks, about):
    """Write a graph into ``root``, unless another process has done so by now."""
    folder = root / about["key"]
    with _writing, only_writer(root, _PATIENCE):
        clean_up(root)
        if found := _sound(folder):
            return found
        with atomic_directory(folder) as temporary:
            _write(temporary, networks, about)
        _tidy(root, about)
    return _files(folder / _GRAPH)


def _write(folder, networks, about):
    """Write a graph and what is known of it; networks of its own, as tracing changes them."""
    try:
        layer = type(networks)(networks.checkpoint).layer(about["network"])
    except OSError as error:  # not to be taken for one of the folder
        raise InputError(f"{networks.source}: cannot be read: {error}") from None
    files = write_graph(layer, folder / _GRAPH)
    sums = {file.name: _checksum(file) for file in files}
    write_json(folder / _ABOUT, {**about, "crc32": sums})
    return files


def _check_whole(files, layer):
    """Raise `OSError` for a graph that is cut off: Paddle does not look whether it was written."""
    program, weights = files
    try:
        text = program.read_bytes()  # which may keep a weight as another tensor than the layer's
        named = (tensor for tensor in layer.parameters() if f'"{tensor.name}"'.encode() in text)
        expected = sum(tensor.size * tensor.element_size() for tensor in named)
        if program.suffix == ".json":
            read_json(program)
        whole = weights.stat().st_size >= expected
    except (InputError, OSError):
        whole = False
    if not whole:
        raise OSError(errno.ENOSPC, "the static graph could not be written as a whole")


def _sound(folder):
    """The files of a graph, or None when there is none or it is damaged."""
    try:
        sums = read_json(folder / _ABOUT, keys=["key", "crc32"])["crc32"]
        files = _files(folder / _GRAPH)
        if sums != {file.name: _checksum(file) for file in files}:
            return None
    except (InputError, OSError):
        return None
    with contextlib.suppress(OSError):  # of a folder that one may only read
        os.utime(folder / _ABOUT)  # `_tidy` keeps what was used last
    return files


def _checksum(path):
    total = 0
    with open(path, "rb") as handle:
        while block := handle.read(1 << 20):
            total = zlib.crc32(block, total)
    return f"{total:08x}"


def _tidy(root, newest):
    """Delete graphs of weights that are no more, and in the user's cache the least used."""
    found = []
    for file in root.glob(f"{'[0-9a-f]' * _DIGITS}/{_ABOUT}"):
        with contextlib.suppress(OSError, InputError):
            about = read_json(file, keys=["key", "weights"])
            size = sum(part.stat().st_size for part in file.parent.iterdir())
            found.append((file.stat().st_mtime_ns, size, file.parent, about))
    total = sum(size for _, size, _, _ in found)
    for _, size, folder, about in sorted(found, key=lambda entry: entry[0]):
        beside_others = root.name == BESIDE and about["weights"] != newest["weights"]
        too_much = root.name != BESIDE and total > LIMIT_BYTES
        if about["key"] != newest["key"] and (beside_others or too_much):
            with contextlib.suppress(OSError):
                remove_directory(folder)
            total -= size


def _temporary_folder():
    """A folder that goes at the end of this process; not at that of a forked one."""
    folder, owner = tempfile.mkdtemp(prefix="paddle-electra-"), os.getpid()
    atexit.register(lambda: os.getpid() == owner and shutil.rmtree(folder, ignore_errors=True))
    return Path(folder)
