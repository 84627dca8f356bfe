"""The table of conflicts, and what is said of Python and packages."""

import shlex
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from paddle_electra.doctor import imports, known_conflicts, packages, report
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
        ("opencv-python", "4.12.0.88", "pip install 'opencv-python<4.12'"),
        ("opencv-python", "5.0.0.93", "pip install 'opencv-python<4.12'"),
        ("matplotlib", "3.10.0", "pip install 'matplotlib<3.10'"),
        ("flask", "3.1.0", "pip install 'flask<3'"),
        ("werkzeug", "3.1.3", "pip install 'werkzeug<3'"),
        (
            "gradio",
            "6.0.1",  # with what goes together with an older one only
            "pip install 'gradio<5.2' 'fastapi<0.116' 'starlette<0.42' 'pydantic<2.11'",
        ),
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


def test_one_command_for_all_that_pip_cures():
    newest = dict.fromkeys(map(canonicalize_name, known_conflicts.packages()), "99")
    versions = {**newest, **GOOD, "numpy": "2.4.6"}
    found = packages.check(versions, [], "3.11.7", "", {})
    command, in_a_clone = report.cure_together(found, versions)
    assert command.startswith("pip install 'protobuf>=3.20.2,<4' 'huggingface_hub<0.26' ")
    assert command.endswith(" 'paddlehub==2.4.0' 'paddlenlp==2.8.1'")
    wanted = [Requirement(each) for each in shlex.split(command)[2:]]
    assert len({each.name for each in wanted}) == len(wanted) == len(newest) + 1  # not paddle
    for each in wanted:  # so that pip finds a set: the tested one
        (pin,) = pins()[canonicalize_name(each.name)]
        assert pin.operator != "==" or each.specifier.contains(pin.version), each
    assert in_a_clone == 'pip install -c constraints.txt -e ".[cpu,hub]"'
    gpu = {**versions, "paddlepaddle": None, "paddlepaddle-gpu": "3.3.1"}
    assert report.cure_together(found, gpu).in_a_clone.endswith('".[gpu,hub]"')


def test_one_cure_needs_no_other():
    trials = {**WORKS, "paddlenlp": Trial(FAILS, "numpy.core.multiarray failed to import")}
    versions = {**GOOD, "numpy": "2.4.6"}
    found = packages.check(versions, [], "3.11.7", "", trials)
    assert [each.cure for each in found if each.level == ERROR] == ["pip install 'numpy<2'"] * 2
    assert report.cure_together(found, versions) is None


def unmet(package, requirement, found):
    return packages.Unmet(package, "1.0", Requirement(requirement), found)


@pytest.mark.parametrize(
    ("requirement", "found", "words", "cure"),
    [
        ("pillow<11.0,>=8.0", "12.0", "pillow<11.0,>=8.0 (here is 12.0)", "pillow<11.0,>=8.0"),
        ("tomlkit", None, "tomlkit (not installed)", "tomlkit"),
        ("fsspec[http]<=2024", "2025", "fsspec[http]<=2024 (here is 2025)", "fsspec[http]<=2024"),
        ("numpy>=1.26", "1.24.0", "numpy>=1.26 (here is 1.24.0)", "numpy>=1.26,<2"),
        ("Werkzeug", None, "Werkzeug (not installed)", "Werkzeug<3"),
        ("huggingface-hub>=1", "0.25.2", "huggingface-hub>=1 (here is 0.25.2)", None),
    ],
)
def test_an_unmet_requirement(requirement, found, words, cure):
    (finding,) = packages.check_unmet([unmet("datasets", requirement, found)])
    assert finding.level == WARNING
    assert finding.what == f"datasets 1.0 wants {words}"
    assert finding.cure == (f"pip install '{cure}'" if cure else packages._ALL_PINNED)


def test_unmet_requirements_are_a_line_a_package_and_told_once():
    rows = [
        unmet("gradio", "pillow<11", "12.0"),
        unmet("gradio", "tomlkit==0.12.0", None),
        unmet("gradio-client", "websockets<13", "15.0"),
    ]
    both, client = packages.check_unmet(rows)
    assert both.cure == "pip install 'pillow<11' 'tomlkit==0.12.0'"
    assert client.what.startswith("gradio-client 1.0 wants websockets<13")
    assert packages.check_unmet(rows, {"gradio"}) == []


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
