"""What is said of GPUs, with made-up GPUs and paddles."""

import pytest

from paddle_electra.doctor import gpu
from paddle_electra.doctor.findings import ERROR, OK, SKIPPED, WARNING
from paddle_electra.doctor.gpu import Gpu, Wheel
from paddle_electra.doctor.imports import FAILS, IMPORTS, Trial

H100 = Gpu("NVIDIA H100 80GB HBM3", (9, 0), "535.104.05", "81559 MiB")
A100 = Gpu("NVIDIA A100-SXM4-80GB", (8, 0), "535.104.05", "81920 MiB")
V100 = Gpu("Tesla V100-SXM2-32GB", (7, 0), "535.104.05", "32768 MiB")
P100 = Gpu("Tesla P100-PCIE-16GB", (6, 0), "535.104.05", "16384 MiB")
RTX_4090 = Gpu("NVIDIA GeForce RTX 4090", (8, 9), "550.54.14", "24564 MiB")
RTX_5090 = Gpu("NVIDIA GeForce RTX 5090", (12, 0), "575.57.08", "32607 MiB")
CPU = Wheel("3.3.1", None)
OLD = Wheel("2.6.2", "11.8", None, 1)  # does not say what it has code for
NEW = Wheel("3.3.1", "12.6", (70, 75, 80, 86, 90), 1)
SILENT = Wheel("3.0.0", "12.6", None, 1)


def only(findings):
    (finding,) = findings
    return finding


@pytest.mark.parametrize(
    ("card", "wheel", "half"),
    [
        (H100, NEW, "bf16"),
        (A100, NEW, "bf16"),
        (A100, OLD, "bf16"),
        (V100, NEW, "fp16"),
        (V100, OLD, "fp16"),
        (RTX_4090, NEW, "bf16"),  # runs code for 8.6
        (RTX_4090, OLD, "bf16"),
    ],
)
def test_a_gpu_that_the_wheel_has_code_for(card, wheel, half):
    finding = only(gpu.check([card], wheel))
    assert (finding.level, finding.cure) == (OK, None)
    assert card.name in finding.what
    assert card.memory in finding.what
    assert f"--precision {half}" in finding.what


@pytest.mark.parametrize(
    ("card", "wheel", "cure"),
    [
        (H100, OLD, "CUDA 12 or newer"),
        (RTX_5090, OLD, "CUDA 12.8 or newer"),
        (RTX_5090, NEW, "CUDA 12.8 or newer"),
        (RTX_5090, SILENT, "CUDA 12.8 or newer"),  # its compiler does not know such a GPU
        (H100, SILENT._replace(cuda="11.7"), "CUDA 12 or newer"),
        (V100, SILENT._replace(cuda="13.0"), "CUDA 11.8 or 12 "),
        (V100, NEW._replace(architectures=(80, 90)), "CUDA 11.8 or 12 "),
        (P100, OLD, "compile Paddle"),
    ],
)
def test_a_gpu_that_the_wheel_has_no_code_for(card, wheel, cure):
    finding = gpu.check([card], wheel)[0]
    assert finding.level == ERROR
    assert card.name in finding.what
    assert "compute capability " + ".".join(map(str, card.capability)) in finding.what
    assert f"paddle {wheel.version} for CUDA {wheel.cuda} has no code for it" in finding.what
    assert cure in finding.cure
    assert "or compute on the CPU: export CUDA_VISIBLE_DEVICES=" in finding.cure


def test_the_h100_is_told_what_the_old_wheel_has():
    assert "code for 6.1, 7.0, 7.5, 8.0, 8.6" in only(gpu.check([H100], OLD)).what


@pytest.mark.parametrize(
    ("card", "wheel"), [(H100, SILENT), (A100._replace(capability=None), NEW)], ids=["list", "card"]
)
def test_what_is_not_known_is_not_called_wrong(card, wheel):
    finding = only(gpu.check([card], wheel))
    assert finding.level == SKIPPED
    assert "run_check" in finding.cure


def test_a_gpu_beside_a_cpu_wheel():
    finding = only(gpu.check([A100], CPU))
    assert finding.level == WARNING
    assert "is the CPU build" in finding.what
    assert finding.cure.startswith("pip uninstall paddlepaddle, then install paddlepaddle-gpu")


def test_no_gpu():
    assert only(gpu.check([], CPU)).level == OK
    assert only(gpu.check([], None)).level == OK
    finding = only(gpu.check([], NEW))
    assert finding.level == WARNING
    assert "build for CUDA 12.6" in finding.what


def test_paddle_that_cannot_be_asked():
    finding = only(gpu.check([A100], None))
    assert finding.level == SKIPPED
    assert A100.name in finding.what


def test_cards_of_one_kind_are_one_line():
    findings = gpu.check([A100, A100, V100], NEW)
    assert [finding.level for finding in findings] == [OK, OK]
    assert findings[0].what.startswith("2 x NVIDIA A100")


def test_hidden_gpus():
    first, second = gpu.check([A100], NEW._replace(visible=0))
    assert first.level == OK
    assert second.level == WARNING
    assert "CUDA_VISIBLE_DEVICES" in second.cure


@pytest.mark.parametrize(
    ("driver", "cuda", "old"),
    [
        ("525.60.13", "12.6", False),
        ("525.60.11", "12.6", True),
        ("470.223.02", "12.0", True),
        ("470.223.02", "11.8", False),
        ("450.51.06", "11.8", True),
        ("575.57.08", "13.0", True),
        ("580.65.06", "13.0", False),
        ("[N/A]", "12.6", False),
    ],
)
def test_an_old_driver(driver, cuda, old):
    wheel = NEW._replace(cuda=cuda)
    _, *more = gpu.check([A100._replace(driver=driver)], wheel)
    assert [finding.level for finding in more] == [WARNING] * old
    if old:
        assert f"driver {driver} is too old for CUDA {cuda}" in more[0].what


def test_the_lines_of_nvidia_smi():
    assert gpu.read_line("NVIDIA H100 80GB HBM3, 9.0, 535.104.05, 81559 MiB") == H100
    assert gpu.read_line("A, [N/A], 1, [N/A]") == Gpu("A", None, "1", "[N/A]")
    assert gpu.read_line("") is None


def program(tmp_path, text):
    path = tmp_path / "nvidia-smi"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_no_nvidia_smi(tmp_path):
    assert gpu.find_gpus(str(tmp_path / "nothing")) == ([], None)


def test_nvidia_smi_without_a_driver(tmp_path):
    gpus, problem = gpu.find_gpus(program(tmp_path, "echo; echo NVIDIA-SMI has failed; exit 9"))
    assert (gpus, problem) == ([], "NVIDIA-SMI has failed")
    finding = only(gpu.check(gpus, NEW, problem))
    assert finding.level == WARNING
    assert "NVIDIA-SMI has failed" in finding.what


def test_an_nvidia_smi_that_knows_no_capabilities(tmp_path):
    old = 'case "$1" in *compute_cap*) echo "Field \\"compute_cap\\" is not valid"; exit 2;; esac'
    gpus, problem = gpu.find_gpus(program(tmp_path, f"{old}\necho 'T4, T4, 450.80.02, 15109 MiB'"))
    assert (gpus, problem) == ([Gpu("T4", None, "450.80.02", "15109 MiB")], None)


def test_what_paddle_says_of_itself():
    about = {"version": "3.3.1", "cuda": "12.6", "archs": "[70, 90]", "gpus": 2}
    assert gpu.wheel_of(Trial(IMPORTS, "", about)) == Wheel("3.3.1", "12.6", (70, 90), 2)
    about = {"version": "2.6.2", "cuda": None, "archs": None, "gpus": 0}
    assert gpu.wheel_of(Trial(IMPORTS, "", about)) == Wheel("2.6.2", None, None, 0)
    assert gpu.wheel_of(Trial(FAILS, "ImportError")) is None
    assert gpu.wheel_of(None) is None
