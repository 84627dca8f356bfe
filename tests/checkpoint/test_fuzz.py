"""Broken and hostile checkpoints: a fixed sample of what `benchmarks/fuzz_checkpoints.py` tries."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from fuzz_zips import ESCAPES
from fuzzing import FAILURE, KINDS, REFUSED, Fuzzer
from models import random_checkpoint

from paddle_electra import checkpoint
from paddle_electra.checkpoint import conversion, safetensors_file, torch_file
from paddle_electra.errors import InputError

SEED, MUTATIONS = 20, 60
RUNNING = {  # pickles that touch a file when they are really loaded
    "REDUCE": b"\x80\x02cos\nsystem\n(U{size}{command}tR.",
    "INST": b"(U{size}{command}ios\nsystem\n.",
    "OBJ": b"(cos\nsystem\nU{size}{command}o.",
    "NEWOBJ": b"\x80\x02cos\nsystem\n(U{size}{command}t\x81.",
    "BUILD": b"\x80\x02ccollections\nOrderedDict\n)R(U{size}{command}cos\nsystem\nRb.",
}


@pytest.fixture(scope="module")
def fuzzer(tmp_path_factory):
    return Fuzzer(tmp_path_factory.mktemp("fuzz"))


@pytest.mark.parametrize("kind", KINDS)
def test_mutations_give_the_right_tensors_or_one_clear_error(fuzzer, kind):
    results = []
    for number in range(MUTATIONS):
        outcome = fuzzer.run(SEED, kind, number)
        assert outcome.result != FAILURE, f"{kind} {number}: {outcome.what}: {outcome.message}"
        results.append(outcome.result)
    assert results.count(REFUSED) > MUTATIONS // 4


def test_the_samples_themselves_are_read_right(fuzzer):
    for kind, targets in fuzzer.originals.items():
        for target, data in targets.items():
            assert fuzzer.judge(kind, target, data).result == "right", kind


def pickle_that_runs(form, marker):
    command = f"touch {marker}".encode()
    return RUNNING[form].replace(b"{size}", bytes([len(command)])).replace(b"{command}", command)


@pytest.mark.parametrize("form", RUNNING)
@pytest.mark.parametrize("layout", ["zip", "legacy", "pdparams"])
def test_no_pickle_runs_anything(tmp_path, form, layout):
    marker = tmp_path / "ran"
    data = pickle_that_runs(form, marker)
    if layout == "zip":
        with zipfile.ZipFile(tmp_path / "pytorch_model.bin", "w") as archive:
            archive.writestr("archive/data.pkl", data)
    else:
        name = "pytorch_model.bin" if layout == "legacy" else "model_state.pdparams"
        (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError):
        checkpoint.load(tmp_path)
    assert not marker.exists()


@pytest.mark.parametrize("name", [*ESCAPES, "../outside.index", "a/../../outside.index"])
def test_a_zip_writes_nothing_outside(tmp_path, name):
    path = tmp_path / "inner" / "model.zip"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, b"x")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match=r"outside the archive's folder|no model in this archive"):
        checkpoint.load(path)
    assert sorted(tmp_path.rglob("*")) == before


def test_links_and_bombs_in_a_zip(tmp_path):
    link = zipfile.ZipInfo("vocab.txt")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(InputError, match=r"member 'vocab\.txt' is a link"):
        checkpoint.load(tmp_path / "link.zip")
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.index", bytes(80 << 20))
    with pytest.raises(InputError, match=r"not part of a checkpoint|would unpack to"):
        checkpoint.load(tmp_path / "bomb.zip")


MEASURE = """
import resource, sys
from paddle_electra import checkpoint
from paddle_electra.errors import InputError
import paddle_electra.checkpoint.folders, paddle_electra.checkpoint.original
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    loaded = checkpoint.load(sys.argv[1])
    for half in (loaded.discriminator, loaded.generator):
        for name in half or ():
            half[name]
    print("read", end=" ")
except InputError:
    print("refused", end=" ")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def memory_of_reading(path):
    """("read" or "refused", KB above what the imports took) in a process of its own."""
    root = Path(__file__).resolve().parents[2]
    line = [sys.executable, "-c", MEASURE, str(path)]
    done = subprocess.run(line, capture_output=True, text=True, cwd=root, timeout=60)
    assert done.returncode == 0, done.stderr
    result, memory = done.stdout.split()
    return result, int(memory)


def claims_of_much(folder, kind):
    """A folder whose file claims tensors of gigabytes."""
    model = random_checkpoint(folder)
    (folder / "m").mkdir()
    column = "paddlenlp" if kind == "pdparams" else "huggingface"
    conversion._WRITERS[column](folder / "m", model)
    place = folder / "m" / "discriminator"
    if kind == "safetensors":
        path = place / "model.safetensors"
        data = path.read_bytes()
        path.write_bytes((1 << 40).to_bytes(8, "little") + data[8:])
    elif kind == "pdparams":
        path = place / "model_state.pdparams"
        data = bytearray(path.read_bytes())
        at = data.index(b"\x8e") + 1  # BINBYTES8 and its length
        data[at : at + 8] = (1 << 40).to_bytes(8, "little")
        path.write_bytes(data)
    else:  # a pickle that asks for a memo of two thousand million places
        tensors = dict(safetensors_file.read(place / "model.safetensors").items())
        (place / "model.safetensors").unlink()
        torch_file.write(place / "pytorch_model.bin", tensors)
        with zipfile.ZipFile(place / "pytorch_model.bin") as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        pickled = members["archive/data.pkl"]
        members["archive/data.pkl"] = pickled[:3] + b"r\xff\xff\xff\x7f" + pickled[3:]
        with zipfile.ZipFile(place / "pytorch_model.bin", "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
    return place


@pytest.mark.parametrize("kind", ["safetensors", "pdparams", "bin"])
def test_a_file_that_claims_much_takes_little(tmp_path, kind):
    _, memory = memory_of_reading(claims_of_much(tmp_path, kind))
    assert memory < 30_000  # KB; the claims are of terabytes and gigabytes
