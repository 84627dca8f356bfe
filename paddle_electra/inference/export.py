"""A network as a static graph for other programs: Paddle's format, or ONNX."""

import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path

from .. import __version__
from .. import checkpoint as checkpoints
from ..checkpoint import native
from ..errors import InputError
from ..files import atomic_directory, write_json
from ..wording import extra
from .graphs import INPUTS, shortest, write_graph
from .networks import Networks

ABOUT, ONNX = "export.json", "model.onnx"
OPSET = 17
_GRAPH = "model"
_BEAM = ("starts", "start_scores", "ends", "end_scores", "answerable")
# paddle2onnx ends the whole process where it cannot go on.  Its default way to fold constants has
# pip install what it lacks, and with it another numpy, into the user's environment.
_CONVERTER = """
import sys, paddle2onnx
options = {"opset_version": int(sys.argv[4]), "optimize_tool": "None", "verbose": False}
paddle2onnx.export(*sys.argv[1:4], **options)
"""


def run(options):
    """The command ``export``; takes `ExportOptions`."""
    folder = export(options.model, options.output, options.network, options.format)
    names = ", ".join(sorted(path.name for path in folder.iterdir()))
    print(f"{folder}: {names}")


def export(source, output, network=None, format="paddle"):
    """Write a network with what its user needs: ``config.json``, ``vocab.txt``, ``task.json`` of a
    fine-tuned model, and ``export.json`` (inputs, outputs in their order, labels).

    Args:
        source: a model of any format, or a `Checkpoint`.
        output: the folder; one that is there is replaced if it is an export.
        network: of `networks.NAMES`; default "task" for a fine-tuned model, else "encoder".
            "generator" gives the vocabulary's logits of every position.
        format: "paddle" (``model.json`` and ``model.pdiparams``) or "onnx" (``model.onnx``); both
            take any number of rows and tokens, (batch, length) int64 each.
    Returns:
        the folder.
    Raises:
        InputError: no such model or network, a folder that would be lost, or paddle2onnx is not
            installed or cannot express the network.
    """
    output = Path(output)
    if output.exists() and not (output / ABOUT).is_file() and _has_content(output):
        raise InputError(
            f"{output}: exists and is not an export; it would be replaced: give another --output"
        )
    if format == "onnx":
        _need_converter()
    is_path = not isinstance(source, native.Checkpoint)
    networks = Networks(checkpoints.load(source) if is_path else source)
    name = network or ("encoder" if networks.task is None else "task")
    layer = networks.layer(name)
    if name == "generator":
        layer = layer.generator
    names = output_names(networks, name)
    with atomic_directory(output) as folder:
        if format == "onnx":
            _write_onnx(layer, folder / ONNX, names)
        else:
            write_graph(layer, folder / _GRAPH)
        _write_about(folder, networks, name, format, names)
    return output


def output_names(networks, name):
    """What a network gives, in its order."""
    if name == "encoder":
        return ("hidden_states", "pooled")
    if name != "task" or networks.task["kind"] != "qa":
        return ("logits",)
    joint = networks.task.get("joint_prediction", True)
    return _BEAM if joint else ("start_logits", "end_logits", "answerable")


def _has_content(path):
    return not path.is_dir() or any(path.iterdir())


def _write_about(folder, networks, name, format, names):
    vocab = networks.checkpoint.vocab_file
    native.write_files(folder, networks.config, vocab, discriminator=None, task=networks.task)
    about = {
        "paddle_electra": __version__,
        "network": name,
        "format": format,
        "inputs": INPUTS,
        "outputs": names,
        "shortest_input": shortest(networks, name),
        "longest_input": networks.config.max_position_embeddings,
        "labels": networks.labels if name == "task" else None,
    }
    write_json(folder / ABOUT, about)


def _need_converter():
    for package in ("paddle2onnx", "onnx"):
        if importlib.util.find_spec(package) is None:
            raise InputError(f"--format onnx needs the package {package}: {extra('onnx')}")


def _write_onnx(layer, path, names):
    import onnx

    with tempfile.TemporaryDirectory() as folder:
        files = write_graph(layer, Path(folder) / _GRAPH)
        raw = Path(folder) / ONNX
        command = [sys.executable, "-c", _CONVERTER, *map(str, files), str(raw), str(OPSET)]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace")
        if done.returncode or not raw.is_file():
            raise InputError(f"paddle2onnx cannot write this network as ONNX: {_reason(done)}")
        model = onnx.load(str(raw))
    _rename_outputs(model.graph, names)
    for tensor in model.graph.input:
        for place, size in enumerate(("batch", "length")):
            tensor.type.tensor_type.shape.dim[place].dim_param = size
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def _reason(done):
    lines = (done.stderr + done.stdout).splitlines()
    said = [line for line in lines if "ERROR" in line or "Error" in line]
    return (said or lines or [f"it ended with {done.returncode}"])[0][:200]


def _rename_outputs(graph, names):
    new = {tensor.name: name for tensor, name in zip(graph.output, names, strict=True)}
    for tensor in graph.output:
        tensor.name = new[tensor.name]
    for node in graph.node:
        for names_of in (node.input, node.output):
            for place, name in enumerate(names_of):
                names_of[place] = new.get(name, name)
