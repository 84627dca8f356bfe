"""What is said of installed PaddleHub modules; the modules are made up, and never run."""

import json

import pytest
from made_modules import make

from paddle_electra.doctor import modules
from paddle_electra.doctor.findings import ERROR, OK, SKIPPED, WARNING
from paddle_electra.hub import manifest
from paddle_electra.hub.carried import RUNTIME


def only(root):
    (finding,) = modules.check_modules(root)
    return finding


def test_a_sound_module(tmp_path):
    make(tmp_path, "chinese-electra-small")
    (tmp_path / "__pycache__").mkdir()
    finding = only(tmp_path)
    assert (finding.level, finding.cure) == (OK, None)
    assert finding.what == "chinese-electra-small 1.0.0: ours, every file as it was built"


def changed(folder):
    (folder / "assets" / "vocab.txt").write_text("[PAD]!\n")


def missing(folder):
    (folder / RUNTIME / "files.py").unlink()


def without_manifest(folder):
    (folder / manifest.FILE_NAME).unlink()


def cut_manifest(folder):
    path = folder / manifest.FILE_NAME
    path.write_text(path.read_text()[:-9])


def cut_module(folder):
    (folder / "module.py").write_text("@moduleinfo(")


@pytest.mark.parametrize(
    ("damage", "name"),
    [
        (changed, "vocab.txt"),
        (missing, "files.py"),
        (without_manifest, "manifest.json"),
        (cut_manifest, "manifest.json"),
        (cut_module, "module.py"),
    ],
)
def test_a_damaged_module(tmp_path, damage, name):
    damage(make(tmp_path, "my-electra"))
    finding = only(tmp_path)
    assert finding.level == ERROR
    assert "electra" in finding.what
    assert "damaged" in finding.what
    assert name in finding.what
    assert "hub install" in finding.cure


def test_one_that_was_not_built(tmp_path):
    make(tmp_path, "chinese-electra-base", built=False)
    finding = only(tmp_path)
    assert finding.level == ERROR
    assert finding.what == "chinese-electra-base 1.0.0: ours, but without weights"
    assert "hub install" in finding.cure


def test_modules_of_others(tmp_path):
    make(tmp_path, "chinese-electra-base", "2.0.2", author="paddlepaddle", built=False)
    folder = make(tmp_path, "lac", "2.4.0", author="baidu-nlp", built=False)
    (folder / "manifest.json").write_text(json.dumps({"anything": 1}))
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "module_desc.pb").write_bytes(b"\1")
    (tmp_path / "rest").mkdir()
    published, other, old, rest = modules.check_modules(tmp_path)
    assert published.level == OK
    assert "chinese-electra-base 2.0.2: PaddleHub's" in published.what
    assert "module build --name chinese-electra-base` makes one that takes" in published.what
    assert (other.level, other.what) == (OK, "lac 2.4.0: not ours, not looked into")
    assert old.level == SKIPPED
    assert rest.level == WARNING
    assert "rm -r" in rest.cure


def test_no_modules(tmp_path):
    assert only(tmp_path).level == OK
    assert only(tmp_path / "nowhere").level == OK


def test_paddlehubs_folder(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HUB_HOME", str(tmp_path / "file"))
    (finding,) = modules.check(installed=True)
    assert finding.level == ERROR
    assert "HUB_HOME" in finding.cure
    monkeypatch.setenv("HUB_HOME", str(tmp_path / "hub"))
    make(tmp_path / "hub" / "modules", "my-electra")
    assert [finding.topic for finding in modules.check(installed=True)] == ["PaddleHub", "module"]
    monkeypatch.delenv("HUB_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert modules.hub_home() == tmp_path / ".paddlehub"


def test_without_paddlehub():
    (finding,) = modules.check(installed=False)
    assert finding.level == SKIPPED
    assert "only PaddleHub modules need it" in finding.what
