"""A Python of its own with nothing installed but what a test puts there."""

import json
import os
import subprocess
import venv
from importlib.util import find_spec
from pathlib import Path

import pytest

import paddle_electra

NEEDED = ("json5", "packaging", "tqdm")  # to start the command line
PADDLE = """
import types
__version__ = "{version}"
version = types.SimpleNamespace(cuda=lambda: {cuda!r}, cuda_archs=lambda: {archs})
cuda = types.SimpleNamespace(device_count=lambda: {gpus})
device = types.SimpleNamespace(is_compiled_with_cuda=lambda: {cuda!r} is not None, cuda=cuda)
"""


@pytest.fixture(scope="session")
def bare_python(tmp_path_factory):
    """(the program, a folder for PYTHONPATH with paddle_electra and what it needs to start)."""
    root = tmp_path_factory.mktemp("bare")
    venv.create(root / "environment", with_pip=False, symlinks=True)
    (root / "site").mkdir()
    for name in NEEDED:
        (root / "site" / name).symlink_to(Path(find_spec(name).origin).parent)
    (root / "site" / "paddle_electra").symlink_to(Path(paddle_electra.__file__).parent)
    return root / "environment" / "bin" / "python", root / "site"


class Site:
    """A made-up set of installed packages, and the doctor that looks at it."""

    def __init__(self, python, needed, root):
        self.python, self.needed, self.root = python, needed, root
        self.packages, self.programs, self.home = root / "site", root / "bin", root / "home"
        for folder in (self.packages, self.programs, self.home):
            folder.mkdir()

    def distribution(self, name, version, *lines):
        """Say that a package is installed, without its code."""
        folder = self.packages / f"{name.replace('-', '_')}-{version}.dist-info"
        folder.mkdir()
        about = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *lines]
        (folder / "METADATA").write_text("\n".join(about) + "\n", "utf-8")

    def package(self, name, code=""):
        """Put a package there that runs ``code`` when it is imported."""
        (self.packages / name).mkdir()
        (self.packages / name / "__init__.py").write_text(code, "utf-8")

    def paddle(self, version="3.3.1", cuda=None, archs=None, gpus=0, distribution="paddlepaddle"):
        """A paddle that answers what the doctor asks it."""
        self.distribution(distribution, version)
        self.package("paddle", PADDLE.format(version=version, cuda=cuda, archs=archs, gpus=gpus))

    def nvidia_smi(self, *lines):
        """A program that lists GPUs."""
        program = self.programs / "nvidia-smi"
        program.write_text("#!/bin/sh\n" + "".join(f"echo '{line}'\n" for line in lines))
        program.chmod(0o755)

    def run(self, *arguments, code=None):
        """The finished process of the doctor, or of ``code``."""
        start = ["-c", code] if code else ["-m", "paddle_electra", "doctor"]
        environment = {
            "PATH": str(self.programs),
            "PYTHONPATH": os.pathsep.join([str(self.packages), str(self.needed)]),
            "HOME": str(self.home),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUTF8": "1",
        }
        return subprocess.run(
            [self.python, *start, *arguments],
            capture_output=True,
            text=True,
            encoding="utf-8",
            env=environment,
            cwd=self.root,
        )

    def findings(self, *arguments):
        """(exit code, {topic: list of findings}) of the doctor's JSON."""
        done = self.run("--json", *arguments)
        found = {}
        for finding in json.loads(done.stdout)["findings"]:
            found.setdefault(finding["topic"], []).append(finding)
        return done.returncode, found


@pytest.fixture
def site(bare_python, tmp_path):
    """A `Site` with nothing in it."""
    return Site(*bare_python, tmp_path)
