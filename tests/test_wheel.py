"""What is installed from a wheel works outside the clone, with all that belongs to it."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def run(words, folder, **environment):
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def tracked():
    """Paths of the files that git knows, from the clone's root."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("needs a git clone, to know which files belong to the project")
    return [name for name in listed.stdout.split("\0") if (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def wheel(tracked, tmp_path_factory):
    """The wheel that ``python -m build`` makes from those files."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in tracked:
        if not name.startswith(("tests/", "benchmarks/", "docs/")):
            (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / "source" / name).write_bytes((ROOT / name).read_bytes())
    # Without --wheel, it is made from the source distribution that is made first.
    build = ["-m", "build", "--no-isolation", "--outdir", str(folder), "source"]
    run(build, folder)
    (found,) = folder.glob("*.whl")
    return found


@pytest.mark.slow
def test_the_wheel_has_configurations_samples_and_weights(wheel, tracked):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert not [name for name in names if name.startswith(("tests/", "build/", "hub_modules/"))]
    for name in tracked:
        if name.startswith("configs/"):
            assert f"paddle_electra/{name}" in names
        elif name.startswith(("paddle_electra/assets/", "paddle_electra/page/")):
            assert name in names


@pytest.mark.slow
def test_it_works_where_there_is_no_clone(wheel, tmp_path):
    """Installed into a folder of its own, which comes before the clone on Python's path."""
    site = tmp_path / "site"
    run(
        ["-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", site, wheel], tmp_path
    )
    electra = ["-m", "paddle_electra"]
    where = "import paddle_electra; print(paddle_electra.__file__)"
    assert str(site) in run(["-c", where], tmp_path, PYTHONPATH=str(site))
    sample = site / "paddle_electra" / "assets" / "sample" / "corpus"
    made = [*electra, "vocab", "--input", str(sample), "--output", "vocab.txt"]
    run([*made, "--min-frequency", "1"], tmp_path, PYTHONPATH=str(site))
    build = ["data", "build", "--input", str(sample), "--vocab", "vocab.txt", "--output", "shards"]
    run([*electra, *build], tmp_path, PYTHONPATH=str(site))
    pretrain = ["pretrain", "--hparams", "configs/pretraining/tiny.json", "--data", "shards"]
    dry = [*electra, *pretrain, "--output", "run", "--dry-run"]
    assert "4 x 128" in run(dry, tmp_path, PYTHONPATH=str(site))
    fill = [*electra, "fill-mask", "--model", "chinese-electra-tiny", "--input", "texts.txt"]
    (tmp_path / "texts.txt").write_text("公民有依照[MASK]律纳税的义务。\n", "utf-8")
    assert '"filled": ' in run(fill, tmp_path, PYTHONPATH=str(site))
