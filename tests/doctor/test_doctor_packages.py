"""The table of conflicts, and what is said of Python and packages."""

from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from paddle_electra.doctor import imports, known_conflicts, packages
from paddle_electra.doctor.findings import ERROR, OK, SKIPPED, WARNING
from paddle_electra.doctor.imports import CRASHES, FAILS, IMPORTS, Trial

ROOT = Path(__file__).resolve().parents[2]
GOOD = {"paddlepaddle": "3.3.1", "scipy": "1.17.1", "paddlenlp": "2.8.1", "paddlehub": "2.4.0"}
WORKS = {name: Trial(IMPORTS) for name in ("paddle", "scipy", "paddlenlp", "paddlehub")}


def pins():
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    wanted = [Requirement(line) for line in lines if line.strip()]
    return {canonicalize_name(each.name): each.specifier for each in wanted if not each.marker}


def test_the_table_and_the_constraints_agree():
    for row in known_conflicts.CONFLICTS:
        (pin,) = pins()[canonicalize_name(row.package)]
        if pin.operator == "==":
            assert known_conflicts.within(pin.version, row.allowed), row
        else:
            assert str(pin) == row.allowed


def test_what_the_table_is_about_is_what_is_pinned():
    known = {name: pin.version for name, specifier in pins().items() for pin in specifier}
    known["setuptools"] = "80.0"
    for row in known_conflicts.CONFLICTS:
        beside = Requirement(row.beside)
        if beside.name in known:
            assert known_conflicts.within(known[beside.name], beside.specifier), row
    assert known_conflicts.conflicts(known, "3.11.7") == []


@pytest.mark.parametrize(
    ("package", "version", "cure"),
    [
        ("protobuf", "5.29.3", "pip install 'protobuf>=3.20.2,<4'"),
        ("huggingface-hub", "0.26.0", "pip install 'huggingface_hub<0.26'"),
        ("aistudio-sdk", "0.3.0", "pip install 'aistudio-sdk<0.3'"),
        ("numpy", "2.0.0", "pip install 'numpy<2'"),
        ("numpy", "2.0.0rc1", "pip install 'numpy<2'"),
        ("pyarrow", "20.0.0", "pip install 'pyarrow<20'"),
        ("datasets", "3.0.0", "pip install 'datasets<3'"),
        ("pandas", "3.0.0", "pip install 'pandas<3'"),
        ("setuptools", "82.0.0", "pip install 'setuptools<81'"),
        ("opencv-python", "5.0.0.93", "pip install 'opencv-python<5'"),
        ("matplotlib", "3.10.0", "pip install 'matplotlib<3.10'"),
        ("flask", "3.1.0", "pip install 'flask<3'"),
        ("werkzeug", "3.1.3", "pip install 'werkzeug<3'"),
    ],
)
def test_a_package_that_hub_modules_do_not_go_with(package, version, cure):
    (row,) = known_conflicts.conflicts({**GOOD, package: version}, "3.11.7")
    assert row.cure == cure
    core = {"paddlepaddle": "3.3.1", package: version}
    assert known_conflicts.conflicts(core, "3.11.7") == []


def test_old_paddle_and_scipy():
    old = {**GOOD, "paddlepaddle": "2.6.2"}
    serious = [row for row in known_conflicts.conflicts(old, "3.11.7") if row.serious]
    assert [row.importing for row in serious] == ["scipy"]
    assert not any(row.serious for row in known_conflicts.conflicts(old, "3.10.13"))


def check(versions, trials=WORKS, python="3.11.7"):
    found = packages.check(versions, [], python, ">=3.10,<3.13", trials)
    return {finding.topic: finding for finding in found}


def test_a_conflict_that_an_import_did_not_confirm_is_a_warning():
    versions = {**GOOD, "numpy": "2.2.6"}
    finding = check(versions)["conflict"]
    assert finding.level == WARNING
    assert "numpy 2.2.6 beside paddlenlp 2.8.1: tested with <2" in finding.what
    assert finding.cure == "pip install 'numpy<2'"
    failed = {**WORKS, "paddlenlp": Trial(FAILS, "ImportError: numpy.core.multiarray failed")}
    assert check(versions, failed)["conflict"].level == ERROR
    assert check(versions, {})["conflict"].level == ERROR


@pytest.mark.parametrize(
    ("name", "message", "cure"),
    [
        # What the packages really say, but for the paths.
        (
            "scipy",
            "zlib.error: Error -2 while decompressing data: inconsistent stream state",
            "paddlepaddle>=3.0",
        ),
        (
            "paddlehub",
            "TypeError: Descriptors cannot be created directly.\nIf this call came from a _pb2.py",
            "protobuf>=3.20.2,<4",
        ),
        (
            "paddlenlp",
            "ImportError: cannot import name 'repo_type_and_id_from_hf_id' from 'huggingface_hub' "
            "(/site-packages/huggingface_hub/__init__.py)",
            "huggingface_hub<0.26",
        ),
        (
            "paddlenlp",
            "ImportError: cannot import name 'download' from 'aistudio_sdk.hub' (/hub.py)",
            "aistudio-sdk<0.3",
        ),
        ("paddlehub", "ModuleNotFoundError: No module named 'pkg_resources'", "setuptools<81"),
    ],
)
def test_messages_of_imports_and_their_cures(name, message, cure):
    finding = check(GOOD, {**WORKS, name: Trial(FAILS, message)})[f"import {name}"]
    assert finding.level == ERROR
    assert finding.what == f"fails: {message.splitlines()[0]}"
    assert finding.cure == f"pip install '{cure}'"


def test_every_known_message_has_a_row():
    table = known_conflicts.packages()
    assert all(message.package in table for message in known_conflicts.MESSAGES)


def test_an_unknown_message_gets_the_tested_set():
    finding = check(GOOD, {**WORKS, "paddlehub": Trial(FAILS, "KeyError: 'x'")})["import paddlehub"]
    assert "KeyError: 'x'" in finding.what
    assert finding.cure == packages._ALL_PINNED
    missing = Trial(FAILS, "ModuleNotFoundError: No module named 'decorator'")
    finding = check(GOOD, {**WORKS, "paddle": missing})["import paddle"]
    assert finding.cure.startswith("pip install decorator")


@pytest.mark.parametrize("name", ["scipy", "paddlenlp", "paddlehub"])
def test_a_crash_of_scipy_after_an_old_paddle(name):
    trials = {**WORKS, name: Trial(CRASHES, "ended by signal 11")}
    found = check({**GOOD, "paddlepaddle": "2.6.2"}, trials)
    assert found[f"import {name}"].cure == "pip install 'paddlepaddle>=3.0'"
    assert found[f"import {name}"].level == ERROR
    assert "constraints.txt" in check(GOOD, trials)[f"import {name}"].cure


@pytest.mark.parametrize(
    ("versions", "level", "words"),
    [
        ({}, ERROR, "not installed"),
        ({"paddlepaddle": "3.3.1"}, OK, "paddlepaddle 3.3.1"),
        ({"paddlepaddle-gpu": "2.6.2"}, OK, "paddlepaddle-gpu 2.6.2"),
        ({"paddlepaddle": "3.3.1", "paddlepaddle-gpu": "2.6.2"}, ERROR, "both installed"),
    ],
)
def test_which_paddle(versions, level, words):
    finding = packages.check_paddle(versions)
    assert finding.level == level
    assert words in finding.what
    assert bool(finding.cure) == (level == ERROR)


def test_the_range_of_python():
    assert check(GOOD)["Python"].level == OK
    assert check(GOOD, python="3.13.0")["Python"].level == ERROR
    assert check(GOOD, python="3.12.0rc2")["Python"].level == OK


def test_the_ranges_of_setup_py():
    wanted = [
        Requirement(line)
        for line in (
            "numpy>=1.24",
            "nltk<3.9.3,>=3.5",
            "json5>=0.9",
            'tomli>=2; python_version < "3"',
            'paddlepaddle>=2.6; extra == "cpu"',
            'flask<3,>=2.2; extra == "serve"',
            'jieba>=0.42; extra == "words"',
        )
    ]
    good = {"numpy": "1.26.4", "nltk": "3.9.2", "json5": "0.9", "paddlepaddle": "2.6.2"}
    (finding,) = packages.check_requirements(good, wanted)
    assert finding.level == OK
    assert "the 3 " in finding.what
    bad = {"numpy": "1.26.4", "nltk": "3.9.3", "paddlepaddle": "2.5.0", "flask": "3.0.0"}
    found = packages.check_requirements(bad, wanted)
    assert {(finding.level, finding.what.split()[0]) for finding in found} == {
        (ERROR, "nltk"),
        (ERROR, "json5"),
        (ERROR, "paddlepaddle"),
        (WARNING, "flask"),
    }
    assert "pip install 'nltk<3.9.3,>=3.5'" in [finding.cure for finding in found]
    assert len(packages.check_requirements(bad, wanted, known={"flask"})) == 3
    assert packages.check_requirements(good, [])[0].level == SKIPPED


def test_a_version_that_is_none():
    found = check({**GOOD, "numpy": "unreadable (KeyError)"})
    assert found["conflict"].level == WARNING
    assert "unreadable" in found["conflict"].what


def test_an_import_that_never_ends(tmp_path, monkeypatch):
    (tmp_path / "sleeper.py").write_text("import time; time.sleep(60)")
    (tmp_path / "thrower.py").write_text("raise KeyboardInterrupt")
    (tmp_path / "crasher.py").write_text("import os; print('noise'); os.kill(os.getpid(), 11)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert imports.try_imports(["sleeper"], 1.5)["sleeper"].state == imports.HANGS
    assert imports.try_imports(["thrower"], 60)["thrower"].state == imports.FAILS
    found = imports.try_imports(["json", "crasher", "nothing"], 60)
    assert found["json"].state == imports.IMPORTS
    assert found["crasher"].state == imports.CRASHES
    assert "signal 11 (segmentation fault)" in found["crasher"].message
    assert imports.try_imports(["no_such_package"], 60)["no_such_package"].state == imports.ABSENT
