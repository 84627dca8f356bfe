import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import paddle
import pytest
from tiny_checkpoint import TEXTS, make_checkpoint

from paddle_electra import checkpoint as checkpoints
from paddle_electra.checkpoint import native
from paddle_electra.errors import InputError
from paddle_electra.inference import graphs
from paddle_electra.inference.graphs import find_or_make
from paddle_electra.inference.networks import Networks
from paddle_electra.inference.predictor import Predictor

LABELS = ["bad", "good"]


@pytest.fixture
def folder(tmp_path):
    return make_checkpoint(tmp_path / "model", LABELS)


@pytest.fixture
def writes(monkeypatch):
    """The names of the networks whose graphs were really written; by a quick stand-in."""
    written = []

    def write(layer, path):
        written.append(type(layer).__name__)
        files = graphs._files(path)
        for file in files:
            file.write_bytes(b"graph")
        return files

    monkeypatch.setattr(graphs, "write_graph", write)
    return written


def find(folder, name="task"):
    return find_or_make(Networks(checkpoints.load(folder)), name)


def test_a_graph_is_made_once_beside_the_weights(folder, writes):
    program, weights = find(folder)
    assert program.parent.parent == weights.parent.parent == folder / ".graphs"
    assert find(folder) == (program, weights)
    assert len(writes) == 1
    assert find(folder, "encoder") != (program, weights)
    assert len(writes) == 2
    assert len(list((folder / ".graphs").iterdir())) == 2


def test_other_weights_have_another_graph_and_the_old_one_goes(folder, writes):
    program, _ = find(folder)
    tensors = native.read_tensors(folder / native.DISCRIMINATOR)
    tensors["classifier.bias"] = tensors["classifier.bias"] + 1
    native.write_tensors(folder / native.DISCRIMINATOR, tensors)
    changed, _ = find(folder)
    assert changed != program
    assert not program.exists()


def test_other_labels_or_another_paddle_have_another_graph(folder, writes, monkeypatch):
    program, _ = find(folder)
    networks = Networks(checkpoints.load(folder))
    networks.task = {**networks.task, "beam_size": 3}
    assert find_or_make(networks, "task")[0] != program
    monkeypatch.setattr(graphs.paddle, "__version__", "0.0")
    assert find(folder)[0] != program
    assert program.exists(), "it may still serve"


@pytest.mark.parametrize("damage", ["cut", "changed", "missing", "no about", "no JSON"])
def test_a_damaged_graph_is_made_again(folder, writes, damage):
    program, weights = find(folder)
    about = program.with_name("about.json")
    if damage == "cut":
        weights.write_bytes(b"gra")
    elif damage == "changed":
        weights.write_bytes(b"grape")
    elif damage == "missing":
        program.unlink()
    elif damage == "no about":
        about.unlink()
    else:
        about.write_text("{", "utf-8")
    assert find(folder) == (program, weights)
    assert len(writes) == 2
    assert weights.read_bytes() == b"graph"


def test_what_killed_processes_left_goes(folder, writes):
    leftover = folder / ".graphs" / ".0123.77.tmp"
    leftover.mkdir(parents=True)
    (leftover / "graph.pdiparams").write_bytes(b"half")
    find(folder)
    assert not leftover.exists()


@pytest.fixture
def read_only(folder, monkeypatch):
    """A folder where nothing can be made, for root as well."""
    true = graphs.only_writer

    def only_writer(root, patience):
        if folder in Path(root).parents:
            raise InputError(f"{root}: cannot write here") from PermissionError(13, "denied")
        return true(root, patience)

    monkeypatch.setattr(graphs, "only_writer", only_writer)
    return folder


def test_of_a_read_only_folder_the_graph_is_in_the_users_cache(
    read_only, writes, tmp_path, monkeypatch
):
    monkeypatch.setenv("PADDLE_ELECTRA_CACHE", str(tmp_path / "cache"))
    program, weights = find(read_only)
    assert program.parent.parent == tmp_path / "cache" / "graphs"
    assert find(read_only) == (program, weights)
    assert len(writes) == 1
    assert not (read_only / ".graphs").exists()


def test_without_a_cache_it_is_in_a_temporary_folder(read_only, writes):
    program, _ = find(read_only)
    assert program.read_bytes() == b"graph"
    assert not (read_only / ".graphs").exists()
    shutil.rmtree(program.parent)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_permissions_are_no_error(folder, writes):
    folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    program, _ = find(folder)
    folder.chmod(stat.S_IRWXU)
    shutil.rmtree(program.parent)


def test_graphs_of_other_formats_are_in_the_users_cache(folder, writes, tmp_path, monkeypatch):
    monkeypatch.setenv("PADDLE_ELECTRA_CACHE", str(tmp_path / "cache"))
    plain = make_checkpoint(tmp_path / "plain")
    checkpoints.convert(plain, tmp_path / "torch", to="huggingface", half="discriminator")
    before = sorted(path.name for path in (tmp_path / "torch").iterdir())
    program, _ = find(tmp_path / "torch", "encoder")
    assert find(tmp_path / "torch", "encoder")[0] == program
    assert len(writes) == 1
    assert program.parent.parent == tmp_path / "cache" / "graphs"
    assert sorted(path.name for path in (tmp_path / "torch").iterdir()) == before


def test_the_users_cache_keeps_what_was_used_last(tmp_path, writes, monkeypatch):
    monkeypatch.setenv("PADDLE_ELECTRA_CACHE", str(tmp_path / "cache"))
    plain = make_checkpoint(tmp_path / "plain", generator=True)
    checkpoints.convert(plain, tmp_path / "torch", to="huggingface")
    programs = {}
    for age, name in enumerate(("encoder", "discriminator")):
        programs[name], _ = find(tmp_path / "torch", name)
        os.utime(programs[name].with_name("about.json"), (1000 - age, 1000 - age))
    used, _ = find(tmp_path / "torch", "discriminator")
    entry = sum(path.stat().st_size for path in used.parent.iterdir())
    monkeypatch.setattr(graphs, "LIMIT_BYTES", 2 * entry + 64)
    newest, _ = find(tmp_path / "torch", "generator")
    assert newest.exists()
    assert used.exists()
    assert not programs["encoder"].exists()


def test_wrong_weights_are_the_models_error_not_the_folders(folder, writes):
    tensors = native.read_tensors(folder / native.DISCRIMINATOR)
    del tensors["classifier.bias"]
    native.write_tensors(folder / native.DISCRIMINATOR, tensors)
    with pytest.raises(InputError, match=r"tensor 'classifier\.bias' is missing"):
        find(folder)
    assert not list(folder.glob(".graphs/*"))


def test_weights_that_are_gone_are_the_models_error_too(folder, writes):
    networks = Predictor.load(folder, engine="eager").networks
    find_or_make(networks, "task")  # reads the digest
    shutil.rmtree(folder / ".graphs")
    (folder / native.DISCRIMINATOR).unlink()
    with pytest.raises(InputError, match=r"discriminator\.safetensors"):
        find_or_make(networks, "task")


@pytest.mark.parametrize("ending", [".json", ".pdiparams"])
def test_a_graph_that_was_cut_off_is_not_kept(folder, monkeypatch, ending):
    """Paddle does not say that a file could not be written to its end."""
    save = paddle.jit.save

    def cut_off(layer, path, **options):
        save(layer, path, **options)
        file = next(Path(path).parent.glob(f"*{ending}"))
        os.truncate(file, file.stat().st_size // 2)

    monkeypatch.setattr(paddle.jit, "save", cut_off)
    with pytest.raises(InputError, match="disk is full"):
        find(folder)
    assert not list(folder.glob(".graphs/*/*"))
    monkeypatch.undo()
    assert all(file.is_file() for file in find(folder))


STARTING = """
import sys
from paddle_electra.runtime import prepare_environment
prepare_environment()
from paddle_electra.inference.predictor import Predictor
print(Predictor.load(sys.argv[1], engine="static").predict(sys.argv[2:], return_prob=True)[1].sum())
"""


@pytest.mark.slow
def test_several_processes_may_start_at_once(folder):
    command = [sys.executable, "-c", STARTING, str(folder), *TEXTS]
    quiet = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    started = [subprocess.Popen(command, **quiet) for _ in range(3)]
    for process in started:
        out, err = process.communicate(timeout=300)
        assert abs(float(out.splitlines()[-1]) - len(TEXTS)) < 1e-5, err
    assert len(list((folder / ".graphs").iterdir())) == 1


def test_the_networks_are_as_before(folder):
    predictor = Predictor.load(folder, engine="eager")
    before = predictor.predict(TEXTS, return_prob=True)[1]
    find_or_make(predictor.networks, "task")
    np.testing.assert_array_equal(predictor.predict(TEXTS, return_prob=True)[1], before)
