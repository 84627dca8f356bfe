import json

import numpy as np
import pytest
from test_engine import LABELS, batch, compare_beams, make_task_checkpoint
from tiny_checkpoint import make_checkpoint

from paddle_electra import checkpoint as checkpoints
from paddle_electra import cli
from paddle_electra.errors import InputError
from paddle_electra.inference import export as exporting
from paddle_electra.inference.engine import EagerEngine, StaticEngine
from paddle_electra.inference.export import export
from paddle_electra.inference.networks import Networks

SHAPES = [(1, 20), (3, 33), (2, 64)]


def expected(folder, name, arrays):
    return EagerEngine(Networks(checkpoints.load(folder)).layer(name)).run(*arrays)


def test_a_paddle_export_has_all_that_its_user_needs(tmp_path, capsys):
    folder = make_checkpoint(tmp_path / "model", LABELS)
    command = ["export", "--model", str(folder), "--output", str(tmp_path / "out")]
    assert cli.main(command) == 0
    out = tmp_path / "out"
    about = json.loads((out / "export.json").read_text("utf-8"))
    assert about["network"] == "task"
    assert about["inputs"] == ["input_ids", "token_type_ids", "attention_mask"]
    assert about["outputs"] == ["logits"]
    assert about["labels"] == LABELS
    assert about["longest_input"] == 64
    for name in ("config.json", "vocab.txt", "task.json"):
        assert (out / name).read_bytes() == (folder / name).read_bytes()
    engine = StaticEngine(lambda: (out / "model.json", out / "model.pdiparams"))
    arrays = batch(3, 33)
    np.testing.assert_allclose(
        engine.run(*arrays)[0], expected(folder, "task", arrays)[0], atol=1e-5
    )


def test_an_export_replaces_an_export_and_nothing_else(tmp_path):
    folder = make_checkpoint(tmp_path / "model", generator=True)
    out = tmp_path / "out"
    out.mkdir()
    export(folder, out, "discriminator")
    export(folder, out, "generator")
    assert json.loads((out / "export.json").read_text("utf-8"))["network"] == "generator"
    before = sorted(path.name for path in folder.iterdir())
    with pytest.raises(InputError, match=r"model: exists and is not an export"):
        export(folder, folder)
    assert sorted(path.name for path in folder.iterdir()) == before


def test_what_cannot_be_exported_is_named_and_leaves_nothing(tmp_path, monkeypatch, capsys):
    folder = make_checkpoint(tmp_path / "model")
    with pytest.raises(InputError, match="no head for a task"):
        export(folder, tmp_path / "out", "task")
    monkeypatch.setattr(exporting.importlib.util, "find_spec", lambda name: None)
    command = ["export", "--model", str(folder), "--output", str(tmp_path / "out")]
    assert cli.main([*command, "--format", "onnx"]) == 2
    assert "--format onnx needs the package paddle2onnx: pip install" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["encoder", "generator", "discriminator"])
def test_onnx_gives_the_same(tmp_path, name):
    folder = make_checkpoint(tmp_path / "model", generator=True)
    found = run_onnx(folder, tmp_path / "out", name)
    for arrays, outputs in found:
        wanted = expected(folder, name, arrays)
        if name == "generator":
            table, bias = Networks(checkpoints.load(folder)).output_table()
            wanted = [wanted[0] @ table.T + bias]
        assert len(outputs) == len(wanted)
        for one, other in zip(outputs, wanted, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("seq-cls", {}),
        ("token-cls", {}),
        ("qa", {"beam_size": 5}),
        ("qa", {"joint_prediction": False}),
    ],
)
def test_onnx_of_heads_gives_the_same(tmp_path, kind, settings):
    labels = None if kind == "qa" else LABELS
    folder = make_task_checkpoint(tmp_path / "model", kind, labels, **settings)
    for arrays, outputs in run_onnx(folder, tmp_path / "out", "task"):
        wanted = expected(folder, "task", arrays)
        if len(wanted) == 5:
            compare_beams(outputs, wanted)
            continue
        for one, other in zip(outputs, wanted, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5, rtol=1e-5)


@pytest.mark.slow
def test_onnx_leaves_the_environment_alone(tmp_path, monkeypatch):
    """The package by which paddle2onnx folds constants has pip install what it lacks."""
    (tmp_path / "site" / "polygraphy").mkdir(parents=True)
    (tmp_path / "site" / "polygraphy" / "__init__.py").write_text("open('imported', 'w')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    monkeypatch.chdir(tmp_path)
    run_onnx(make_checkpoint(tmp_path / "model"), tmp_path / "out", "encoder")
    assert not (tmp_path / "imported").exists()


def run_onnx(folder, out, name):
    """[(arrays, outputs of ONNX Runtime)]; skips where it is not installed."""
    pytest.importorskip("paddle2onnx", reason="install the extra `onnx`")
    runtime = pytest.importorskip("onnxruntime", reason="install the extra `bench`")
    export(folder, out, name, "onnx")
    about = json.loads((out / "export.json").read_text("utf-8"))
    session = runtime.InferenceSession(str(out / "model.onnx"), providers=["CPUExecutionProvider"])
    assert [tensor.name for tensor in session.get_inputs()] == about["inputs"]
    assert [tensor.shape for tensor in session.get_inputs()] == [["batch", "length"]] * 3
    cases = []
    for shape in SHAPES:
        arrays = batch(*shape)
        fed = dict(zip(about["inputs"], arrays, strict=True))
        cases.append((arrays, session.run(about["outputs"], fed)))
    return cases
