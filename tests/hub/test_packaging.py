import ast
import functools
import importlib.metadata
import json
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
from tiny_checkpoint import SPECIAL, make_checkpoint

from paddle_electra import checkpoint
from paddle_electra.checkpoint import native, shipped
from paddle_electra.cli import main
from paddle_electra.errors import InputError
from paddle_electra.files import sha256
from paddle_electra.hub import manifest, packaging, rendering
from paddle_electra.hub.import_graph import imports_of
from paddle_electra.hub.loading import load_predictor
from paddle_electra.inference.predictor import Predictor
from paddle_electra.modeling.config import ElectraConfig
from paddle_electra.modeling.electra import ElectraDiscriminator, ElectraGenerator

NAME = "chinese-electra-tiny"
HUB_MODULES = Path(__file__).parents[2] / "hub_modules"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "tuned"
    return make_checkpoint(folder, ["bad", "good"], generator=True)


@pytest.fixture(scope="module")
def built(model, tmp_path_factory):
    return packaging.build_module(model, NAME, tmp_path_factory.mktemp("dist"), author="O'Neill \\")


def files_in(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_the_folder_holds_the_module(built):
    folder, archive = built
    assert folder.name == "chinese_electra_tiny"
    assert archive.name == "chinese_electra_tiny.tar.gz"
    names = files_in(folder)
    assert {"__init__.py", "module.py", "README.md", "requirements.txt", "manifest.json"} <= names
    assert {f"assets/{name}" for name in (native.CONFIG, native.TASK, native.VOCAB)} <= names
    assert {f"assets/{name}" for name in (native.DISCRIMINATOR, native.GENERATOR)} <= names
    assert "electra_runtime/hub/module.py" in names
    assert {f"electra_runtime/page/{name}" for name in ("index.html", "page.js")} <= names
    carried = [name for name in names if name.startswith("electra_runtime/")]
    for part in ("/training/", "/pretraining/", "/finetuning/", "/hub/packaging", "/cli"):
        assert not [name for name in carried if name.startswith(f"electra_runtime{part}")]


def test_paddlehub_can_read_the_information_without_importing(built):
    tree = ast.parse((built[0] / "module.py").read_text("utf-8"))
    (cls,) = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    (decorator,) = cls.decorator_list
    assert decorator.func.id == "moduleinfo"
    info = {keyword.arg: keyword.value.value for keyword in decorator.keywords}
    assert info["name"] == NAME
    assert info["version"] == "1.0.0"
    assert info["author"] == "O'Neill \\"
    assert "2 layers of 32" in info["summary"]


def test_the_archive_holds_the_same_files_and_the_same_bytes_each_time(built, model, tmp_path):
    folder, archive = built
    with tarfile.open(archive) as tar:
        members = {member.name: tar.extractfile(member).read() for member in tar.getmembers()}
    files = {f"{folder.name}/{name}": (folder / name).read_bytes() for name in files_in(folder)}
    assert members == files
    again = packaging.build_module(model, NAME, tmp_path, author="O'Neill \\")
    assert sha256(again[1]) == sha256(archive)


def test_the_manifest_covers_every_file(built):
    sums = json.loads((built[0] / manifest.FILE_NAME).read_text("utf-8"))["sha256"]
    files = {
        path.relative_to(built[0]).as_posix() for path in built[0].rglob("*") if path.is_file()
    }
    assert set(sums) == files - {manifest.FILE_NAME}
    manifest.verify(built[0])


def test_a_changed_or_missing_file_is_named(model, tmp_path):
    folder, _ = packaging.build_module(model, NAME, tmp_path)
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "module.pyc").write_bytes(b"made by Python")
    manifest.verify(folder)
    weights = folder / "assets" / native.DISCRIMINATOR
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with pytest.raises(InputError, match=r"discriminator\.safetensors: not the file .* built"):
        manifest.verify(folder)
    weights.unlink()
    with pytest.raises(InputError, match=r"discriminator\.safetensors: this file .* missing"):
        manifest.verify(folder)
    (folder / manifest.FILE_NAME).unlink()
    with pytest.raises(InputError, match=r"manifest\.json: no such file"):
        manifest.verify(folder)


def test_what_was_there_is_replaced_as_a_whole(model, tmp_path):
    folder, archive = packaging.build_module(model, NAME, tmp_path)
    (folder / "stale.txt").write_text("old", "utf-8")
    packaging.build_module(model, NAME, tmp_path, version="1.0.1")
    assert not (folder / "stale.txt").exists()
    assert 'version="1.0.1"' in (folder / "module.py").read_text("utf-8").replace("'", '"')
    assert sorted(path.name for path in tmp_path.iterdir()) == [folder.name, archive.name]


def test_a_failed_build_leaves_what_was_there(model, tmp_path, monkeypatch):
    folder, archive = packaging.build_module(model, NAME, tmp_path)
    before = sha256(folder / manifest.FILE_NAME), sha256(archive)
    monkeypatch.setattr(packaging, "_add_file", lambda *_: (_ for _ in ()).throw(OSError(28, "")))
    with pytest.raises(InputError, match="the disk is full"):
        packaging.build_module(model, NAME, tmp_path, version="2.0.0")
    assert (sha256(folder / manifest.FILE_NAME), sha256(archive)) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == [folder.name, archive.name]


def test_folders_of_other_programs_stay(model, tmp_path):
    folder = tmp_path / "my_app"
    folder.mkdir()
    (folder / "manifest.json").write_text('{"name": "a web app"}')
    with pytest.raises(InputError, match="exists and is not a module"):
        packaging.build_module(model, "my-app", tmp_path)
    assert [path.name for path in folder.iterdir()] == ["manifest.json"]


def test_a_manifest_speaks_of_its_own_files(tmp_path):
    for name in ("../secret", "/etc/hostname"):
        (tmp_path / manifest.FILE_NAME).write_text(json.dumps({"sha256": {name: "0"}}))
        with pytest.raises(InputError, match="outside of the module"):
            manifest.verify(tmp_path)


@pytest.mark.parametrize(
    "name", ["", "Chinese", "a_b", "a b", "../a", "a--b", "-a", "a-", "1a", "a/b", "中文", "a\n"]
)
def test_bad_names_are_refused(name):
    with pytest.raises(InputError, match=r"--name: .*a-z, 0-9"):
        packaging.check_name(name)


@pytest.mark.parametrize(
    "name", ["json", "requests", "numpy", "paddle", "paddlehub", "paddle-electra"]
)
def test_a_name_that_would_hide_a_package_is_refused(name):
    with pytest.raises(InputError, match="would hide the Python package"):
        packaging.check_name(name)


def test_the_command_answers_mistakes_with_one_line(model, tmp_path, capsys):
    build = ["module", "build", "--output", str(tmp_path), "--name"]
    assert main([*build, "Bad", "--model", str(model)]) == 2
    assert main([*build, NAME, "--model", str(tmp_path / "absent")]) == 2
    assert main([*build, NAME, "--model", str(model), "--version", "one"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert "'Bad'" in lines[0]
    assert "absent" in lines[1]
    assert "'one'" in lines[2]
    assert list(tmp_path.iterdir()) == []
    assert main([*build, NAME, "--model", str(model)]) == 0
    said = capsys.readouterr().out
    assert f"next: PIP_NO_INDEX=1 hub install {tmp_path / 'chinese_electra_tiny'}\n" in said
    assert f'hub.Module(name="{NAME}", task="seq-cls")' in said


def test_the_folders_of_the_sizes_are_what_the_templates_give():
    published = rendering.published_sizes()
    assert len(published) == 5
    for folder, texts in published.items():
        there = {path.name: path.read_text("utf-8") for path in (HUB_MODULES / folder).glob("*.*")}
        again = "write them anew: python -m paddle_electra.hub.rendering hub_modules"
        assert there == texts, again


@pytest.mark.slow
def test_a_built_module_has_the_same_texts_and_the_weights(tmp_path):
    """From a zip as HFL's, a TensorFlow checkpoint in it, with the sizes of "tiny"."""
    config = ElectraConfig.from_size("tiny", rendering.CHINESE_VOCABULARY)
    tokens = [*SPECIAL, *(f"t{number}" for number in range(config.vocab_size - len(SPECIAL)))]
    (tmp_path / "vocab.txt").write_text("".join(f"{token}\n" for token in tokens), "utf-8")
    halves = ElectraDiscriminator(config), None
    generator = ElectraGenerator(config, halves[0].electra.embeddings)
    native.save(tmp_path / "native", config, tmp_path / "vocab.txt", halves[0], generator)
    checkpoint.convert(tmp_path / "native", tmp_path / "tf", "tensorflow")
    shutil.make_archive(tmp_path / "chinese_electra_tiny", "zip", tmp_path / "tf")
    zipped = tmp_path / "chinese_electra_tiny.zip"
    folder, _ = packaging.build_module(zipped, "chinese-electra-tiny", tmp_path / "dist")
    about = rendering.about_module("chinese-electra-tiny", config)
    for name, text in rendering.render(about, rendering.Contents(config)).items():
        assert (folder / name).read_text("utf-8") == text
    built, original = (Predictor.load(path) for path in (folder / "assets", tmp_path / "native"))
    np.testing.assert_array_equal(built.embed(["t7 t8"])[0], original.embed(["t7 t8"])[0])


@pytest.fixture
def with_head(tmp_path):
    """A pretrained model with a trained head for its reviews beside it."""
    model = make_checkpoint(tmp_path / "model", generator=True)
    make_checkpoint(model / native.HEADS / "seq-cls", ["bad", "good"], seed=8)
    (model / native.HEADS / "seq-cls-vocab.txt").unlink()
    return model


def test_a_module_takes_the_heads_beside_its_model(with_head, tmp_path):
    head = with_head / native.HEADS / "seq-cls"
    folder, _ = packaging.build_module(with_head, NAME, tmp_path / "dist")
    texts = ["今天天气真好", "太失望了"]
    answers = {
        "own head": load_predictor(folder / "assets", "seq-cls").predict(texts, return_prob=True),
        "the head": Predictor.load(head).predict(texts, return_prob=True),
    }
    assert answers["own head"][0] == answers["the head"][0]
    np.testing.assert_array_equal(*(shares for _, shares in answers.values()))
    readme = (folder / "README.md").read_text("utf-8")
    assert '| Trained head | classes bad, good, for task="seq-cls" |' in readme
    pretrained = load_predictor(folder / "assets")
    np.testing.assert_array_equal(
        pretrained.embed(texts)[0], Predictor.load(with_head).embed(texts)[0]
    )


@pytest.mark.parametrize(
    ("task", "named"),
    [
        ("seq-cls", {"num_classes": 2}),
        ("seq-cls", {"label_map": {0: "x", 1: "y"}}),
        ("pair-cls", {}),
    ],
)
def test_labels_or_another_task_ask_for_a_new_head(with_head, tmp_path, task, named):
    folder, _ = packaging.build_module(with_head, NAME, tmp_path / "dist")
    with pytest.warns(UserWarning, match="starts with a random"):
        predictor = load_predictor(folder / "assets", task, **named)
    assert predictor.labels == list(named.get("label_map", {0: 0, 1: 1}).values())


def test_a_head_is_named_and_must_fit(model, tmp_path):
    pretrained = make_checkpoint(tmp_path / "pretrained", generator=True)
    build = functools.partial(packaging.build_module, name=NAME, output=tmp_path / "dist")
    folder, _ = build(pretrained, head=model)
    assert load_predictor(folder / "assets", "seq-cls").labels == ["bad", "good"]
    with pytest.raises(InputError, match=r"--head: .*pretrained has no head"):
        build(pretrained, head=pretrained)
    with pytest.raises(InputError, match=r"--head: .*tuned is fine-tuned and has a head already"):
        build(model, head=model)
    other = make_checkpoint(tmp_path / "other", ["bad", "good"], num_hidden_layers=1)
    with pytest.raises(InputError, match=r"--head: .*other: num_hidden_layers is 1"):
        build(pretrained, head=other)


def test_an_installed_folder_of_hub_modules_is_completed(with_head, tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, "ASSETS", tmp_path)
    monkeypatch.setattr(shipped, "SHIPPED", {NAME: "model"})
    texts = rendering.published_sizes()["chinese_electra_tiny"]
    assert "complete(HERE" in texts["module.py"]
    assert "hub install hub_modules/chinese_electra_tiny" in texts["README.md"]
    installed = tmp_path / "home" / "chinese_electra_tiny"
    installed.mkdir(parents=True)
    for name, text in texts.items():
        (installed / name).write_text(text, "utf-8")
    packaging.complete(installed, NAME)
    manifest.verify(installed)
    assert load_predictor(installed / "assets", "seq-cls").labels == ["bad", "good"]
    with pytest.raises(InputError, match="chinese-electra-small: no such folder or checkpoint"):
        packaging.complete(installed, "chinese-electra-small")


def test_broken_weights_do_not_become_a_module(tmp_path):
    for half in (native.DISCRIMINATOR, native.GENERATOR):
        broken = make_checkpoint(tmp_path / half, generator=True)
        tensors = native.read_tensors(broken / half)
        del tensors["head.dense.bias"]
        native.write_tensors(broken / half, tensors)
        with pytest.raises(InputError, match=r"tensor 'head\.dense\.bias' is missing"):
            packaging.build_module(broken, NAME, tmp_path / "dist")
        assert not (tmp_path / "dist" / "chinese_electra_tiny").exists()


@pytest.mark.reference
def test_a_checkpoint_of_the_original_code_becomes_a_module(oracle, tmp_path):
    folders = sorted(path.parent for path in oracle.glob("electra_*/checkpoint"))
    assert folders
    for source in folders:
        folder, _ = packaging.build_module(source, NAME, tmp_path / source.name)
        texts = ["今天天气真好", "一二三四五"]
        built, original = Predictor.load(folder / "assets"), Predictor.load(source)
        np.testing.assert_array_equal(built.embed(texts)[0], original.embed(texts)[0])
        assert native.load(folder / "assets").generator


def test_requirements_are_those_of_setup():
    stated = {
        line for line in importlib.metadata.requires("paddle-electra") or () if ";" not in line
    }
    assert set(packaging.REQUIREMENTS.values()) <= stated


def test_imports_are_followed(tmp_path):
    files = {
        "__init__.py": "",
        "a/__init__.py": "from .one import f",
        "a/one.py": "import numpy as np\nfrom ..b import two\n",
        "b/__init__.py": "",
        "b/two.py": "def f():\n    from tokenizers.models import X\n    from . import three\n",
        "b/three.py": "import os.path\nfrom .two import f\n",
        "b/four.py": "import torch\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    imports = imports_of(tmp_path, "a")
    assert {file.as_posix() for file in imports.files} == set(files) - {"b/four.py"}
    assert imports.external == {"numpy", "tokenizers"}


def test_a_folder_that_is_no_module_is_not_replaced(tmp_path):
    model = make_checkpoint(tmp_path / "my_electra", ["bad", "good"])
    with pytest.raises(InputError, match="is not a module"):
        packaging.build_module(model, "my-electra", tmp_path)
    assert (tmp_path / "my_electra" / "discriminator.safetensors").is_file()
