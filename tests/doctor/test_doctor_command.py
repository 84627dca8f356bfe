"""The whole command in a process of its own, with made-up packages."""

import json
import re

import pytest
from made_modules import make

PROBE = """
import json, sys
from paddle_electra.cli import main
try:
    code = main(["doctor", "--json"])
except SystemExit as stop:
    code = stop.code
print(json.dumps([code, sorted({name.partition(".")[0] for name in sys.modules})]), file=sys.stderr)
"""


def test_nothing_installed(site):
    code, found = site.findings()
    assert code == 1
    assert found["paddle"][0]["level"] == "error"
    for name in ("paddle", "visualdl", "paddlenlp", "paddlehub"):
        assert found[f"import {name}"][0]["level"] == "skipped"
    assert found["modules"][0]["what"].startswith("PaddleHub is not installed; only PaddleHub")
    assert list(site.home.iterdir()) == []


def test_a_sound_machine(site):
    site.paddle()
    site.package("scipy")
    done = site.run()
    assert done.returncode == 0, done.stdout
    lines = done.stdout.splitlines()
    assert any(re.match(r"ok +import paddle +works", line) for line in lines)
    assert lines[-1].startswith("fit (")
    assert done.stderr == ""  # no bar in a pipe
    assert all(re.match(r"(ok|warning|skipped) +|         +cure: ", line) for line in lines[:-1])


def test_no_judged_package_is_imported_here(site):
    site.paddle()
    for name in ("scipy", "visualdl", "paddlenlp", "paddlehub"):
        site.package(name)
    done = site.run(code=PROBE)
    code, loaded = json.loads(done.stderr.splitlines()[-1])
    assert code == 0, done.stdout
    assert "paddle_electra" in loaded
    judged = {"paddle", "paddlehub", "paddlenlp", "visualdl", "scipy", "numpy"}
    assert not judged & set(loaded)
    assert json.loads(done.stdout)["summary"].startswith("fit (")


def test_conflicts_broken_imports_and_a_damaged_module(site):
    site.paddle()
    for name, version in {
        "paddlehub": "2.4.0",
        "paddlenlp": "2.8.1",
        "protobuf": "5.29.3",
        "numpy": "2.2.6",
        "flask": "3.1.0",
    }.items():
        site.distribution(name, version)
    site.package("paddlehub", "raise TypeError('Descriptors cannot be created directly.\\nIf')")
    site.package("paddlenlp")
    site.package("visualdl", "import os; os.abort()")
    folder = make(site.home / ".paddlehub" / "modules", "my-electra")
    (folder / "assets" / "vocab.txt").write_text("other\n")
    code, found = site.findings()
    assert code == 1
    conflicts = {finding["what"].split()[0]: finding for finding in found["conflict"]}
    assert {name: finding["level"] for name, finding in conflicts.items()} == {
        "protobuf": "error",
        "numpy": "warning",  # PaddleNLP imports here
        "flask": "error",
    }
    assert conflicts["flask"]["cure"] == "pip install 'flask<3'"
    report = json.loads(site.run("--json", "--no-imports").stdout)
    together = report["cure_together"]
    assert together["command"] == (
        "pip install 'protobuf>=3.20.2,<4' 'numpy<2' 'flask<3' 'paddlehub==2.4.0' "
        "'paddlenlp==2.8.1'"
    )
    assert report["summary"].endswith("; cure them together, with one command")
    *_, said, command, _, in_a_clone, summary = site.run("--no-imports").stdout.splitlines()
    assert said.startswith("cure them together (in turn they undo each other")
    assert [command.strip(), in_a_clone.strip()] == list(together.values())
    assert summary == report["summary"]
    (hub,) = found["import paddlehub"]
    assert hub["what"] == "fails: TypeError: Descriptors cannot be created directly."
    assert hub["cure"] == conflicts["protobuf"]["cure"] == "pip install 'protobuf>=3.20.2,<4'"
    assert found["import paddlenlp"][0]["level"] == "ok"
    assert "signal 6 (abort)" in found["import visualdl"][0]["what"]
    (module,) = found["module"]
    assert module["level"] == "error"
    assert "vocab.txt" in module["what"]


def test_requirements_that_are_not_met_beside_paddlehub(site):
    site.paddle()
    site.distribution("huggingface-hub", "0.25.2")
    site.distribution("numpy", "1.26.4")
    site.distribution(
        "onnx",
        "1.19.0",
        "Requires-Dist: numpy>=1.22",
        "Requires-Dist: ml-dtypes>=0.5",
        "Requires-Dist: never; python_version < '3'",
        "Requires-Dist: pillow; extra == 'reference'",
    )
    site.distribution("unrelated", "1.0", "Requires-Dist: numpy>=2")
    assert "requires" not in site.findings("--no-imports")[1]
    site.distribution("paddlehub", "2.4.0", "Requires-Dist: onnx>=1.16")
    code, found = site.findings("--no-imports")
    (finding,) = found["requires"]
    assert code == 0
    assert finding["level"] == "warning"
    assert finding["what"] == "onnx 1.19.0 wants ml-dtypes>=0.5 (not installed)"
    assert finding["cure"] == "pip install 'ml-dtypes>=0.5'"


def test_pip_after_what_pip_cannot_cure(site):
    site.distribution("paddlehub", "2.4.0")
    site.distribution("flask", "3.1.0")
    site.distribution("werkzeug", "3.1.0")
    last = site.run("--no-imports").stdout.splitlines()[-1]
    assert last.endswith("; begin with the first error, then cure the others together")


def test_an_old_paddle_on_an_h100(site):
    site.paddle("2.6.2", cuda="11.8", gpus=1, distribution="paddlepaddle-gpu")
    site.nvidia_smi("NVIDIA H100 80GB HBM3, 9.0, 535.104.05, 81559 MiB")
    done = site.run()
    assert done.returncode == 1
    (line,) = [line for line in done.stdout.splitlines() if re.match(r"error +GPU ", line)]
    assert "H100 80GB HBM3 (compute capability 9.0" in line
    assert "paddle 2.6.2 for CUDA 11.8 has no code for it" in line
    assert re.match(r"not fit as it is \(.*\b1 error", done.stdout.splitlines()[-1])


def test_without_imports(site):
    site.paddle()
    code, found = site.findings("--no-imports")
    assert code == 0
    assert found["imports"][0]["level"] == "skipped"
    assert not [topic for topic in found if topic.startswith("import ")]


def test_json_has_what_a_bug_report_needs(site):
    site.paddle("3.2.0")
    site.distribution("paddle-electra", "0.1.0", "Requires-Dist: numpy>=1.24")
    report = json.loads(site.run("--json").stdout)
    assert report["packages"]["paddlepaddle"] == "3.2.0"
    assert report["packages"]["numpy"] is None
    assert {"paddle_electra", "python", "platform", "summary", "findings"} <= set(report)
    missing = [each for each in report["findings"] if each["what"] == "numpy is missing"]
    assert missing[0]["cure"] == "pip install 'numpy>=1.24'"


@pytest.mark.parametrize("arguments", [["--jsno"], ["--import-timeout", "0"], ["place"]])
def test_wrong_use(site, arguments):
    done = site.run(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("paddle-electra: error: doctor: ")


def test_imports_have_no_network_and_leave_the_home_alone(site):
    site.paddle()
    site.package(
        "visualdl",
        "import os, socket, pathlib\n"
        "pathlib.Path('~/.visualdl').expanduser().mkdir()\n"
        "socket.create_connection(('127.0.0.1', 9))",
    )
    code, found = site.findings()
    assert code == 1
    assert "without a network" in found["import visualdl"][0]["what"]
    assert list(site.home.iterdir()) == []
