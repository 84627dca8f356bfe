"""Every command block of the READMEs runs, and prints what is shown under it."""

import contextlib
import io
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import paddle
import pytest
from readme_blocks import missing_line, read_blocks

from paddle_electra import checkpoint
from paddle_electra.checkpoint import native
from paddle_electra.cli import main
from paddle_electra.modeling.config import ElectraConfig
from paddle_electra.modeling.electra import ElectraDiscriminator, ElectraGenerator

ROOT = Path(__file__).resolve().parents[1]
BLOCKS = read_blocks(ROOT / "README.md")
TOLERANCE = 0.05  # of probabilities, after a fine-tuning on another processor
_PIPED = re.compile(r"echo '([^']*)' \| (paddle-electra .*)")


def test_both_readmes_have_the_same_commands():
    english, chinese = (read_blocks(ROOT / name) for name in ("README.md", "README_CN.md"))
    assert english == chinese


def test_links_of_the_documents_lead_somewhere():
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("hub_modules/**/*.md")):
        text = path.read_text("utf-8")
        for target in re.findall(r"\]\((?!https?:)([^)\s]*)\)", text):
            file, _, anchor = target.partition("#")
            linked = (path.parent / file).resolve() if file else path
            assert linked.exists(), f"{path.name}: {target}"
            if anchor and linked.suffix == ".md":
                headings = re.findall(r"^#+ (.*)$", linked.read_text("utf-8"), re.MULTILINE)
                assert anchor in [_anchor(heading) for heading in headings], f"{path}: {target}"


def _anchor(heading):
    """GitHub's name of a heading."""
    kept = "".join(c for c in heading.lower() if c.isalnum() or c in " -_")
    return kept.replace(" ", "-")


class Place:
    """A folder that looks like a clone, in which blocks run."""

    def __init__(self, folder):
        self.folder = folder
        for name in ("paddle_electra", "configs", "hub_modules", "tools", "benchmarks"):
            (folder / name).symlink_to(ROOT / name)
        self.environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HUB_HOME": str(folder / "hub"),
            "PIP_NO_INDEX": "1",
            "PIP_DRY_RUN": "1",  # `hub install` calls pip; other tests run from this environment
            "PYTHONWARNINGS": "ignore",
            "ELECTRA_SERVING_HOST": "127.0.0.1",
        }
        self.ports, self.servers = {}, []

    def run(self, block):
        """What a block prints."""
        text = block.text
        if block.instead is not None and block.instead.startswith("with "):
            make_small_zip(self.folder / block.instead.removeprefix("with "))
        elif block.instead == "serve":
            return self.serve(text.strip())
        elif block.instead is not None:
            text = block.instead
        for port, free in self.ports.items():
            text = text.replace(port, free)
        if block.kind == "python":
            return self._process([sys.executable, "-c", text])
        lines = text.replace("\\\n", " ").splitlines()
        return "".join(self._line(line) for line in lines if line.strip())

    def _line(self, line):
        """A command of ours runs in this process, which saves the imports; others in bash."""
        piped = _PIPED.fullmatch(line.strip())
        if piped is None and not line.startswith("paddle-electra "):
            return self._process(["bash", "-euo", "pipefail", "-c", line])
        given, command = piped.groups() if piped else ("", line)
        printed = io.StringIO()
        stdin, sys.stdin = sys.stdin, io.TextIOWrapper(io.BytesIO(f"{given}\n".encode()), "utf-8")
        try:
            with contextlib.redirect_stdout(printed):
                code = main(shlex.split(command, comments=True)[1:])
        finally:
            sys.stdin = stdin
        assert code == 0, f"{command}\n{printed.getvalue()}"
        return printed.getvalue()

    def _process(self, words):
        done = subprocess.run(
            words,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr[-3000:]}"
        return done.stdout

    def serve(self, command):
        """Start a server, at a free port in place of the one named; wait until it listens."""
        (named,) = re.findall(r"\b88\d\d\b", command)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.ports[named] = str(port)
        words = ["bash", "-c", f"exec {command.replace(named, str(port))}"]
        log = open(self.folder / f"{port}.log", "w+", encoding="utf-8")  # noqa: SIM115
        server = subprocess.Popen(
            words, cwd=self.folder, env=self.environment, stdout=log, stderr=log
        )
        self.servers.append((server, log))
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return ""
            assert server.poll() is None, Path(log.name).read_text("utf-8")
            time.sleep(0.2)
        raise AssertionError(f"{command}: does not listen")

    def close(self):
        for server, log in self.servers:
            server.terminate()
            server.wait(30)
            log.close()


def make_small_zip(path):
    """Like HFL's zip: a folder with a TensorFlow checkpoint and no configs; smaller."""
    folder = path.parent / "runs" / "zip"
    folder.mkdir(parents=True)
    words = (ROOT / "paddle_electra" / "assets" / "tiny" / native.VOCAB).read_text("utf-8")
    (folder / native.VOCAB).write_text(words, "utf-8")
    config = ElectraConfig.from_size("tiny", len(words.splitlines()))
    paddle.seed(1)
    discriminator = ElectraDiscriminator(config)
    generator = ElectraGenerator(config, discriminator.electra.embeddings)
    native.save(folder / "native", config, folder / native.VOCAB, discriminator, generator)
    checkpoint.convert(folder / "native", folder / "tf", "tensorflow")
    shutil.make_archive(path.with_suffix(""), "zip", folder / "tf")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = Place(tmp_path_factory.mktemp("clone"))
    yield place
    place.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    "block",
    [
        pytest.param(block, id=block.text.split("\n")[0][:40])
        for block in BLOCKS
        if not block.skipped
    ],
)
def test_a_block_runs_and_prints_what_is_shown(block, place, monkeypatch):
    for name in ("HUB_HOME", "PIP_NO_INDEX", "PIP_DRY_RUN", "PYTHONWARNINGS"):
        monkeypatch.setenv(name, place.environment[name])
    monkeypatch.chdir(place.folder)
    printed = place.run(block)
    missing = missing_line(block.expected, printed, TOLERANCE)
    assert missing is None, f"{missing!r} is not in\n{printed}"
