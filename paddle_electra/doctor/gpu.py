"""GPUs, their driver, and whether the installed paddle has code for them."""

import re
import subprocess
from typing import NamedTuple

from packaging.version import InvalidVersion, Version

from . import imports
from .findings import ERROR, OK, SKIPPED, WARNING, Finding, one_line

# Capabilities that Paddle's wheels have machine code for, where `paddle.version.cuda_archs()` is
# missing or empty: CUDA 11.8 is that of paddlepaddle-gpu 2.6.2, listed from its libraries.
_ARCHITECTURES = {"11.8": (61, 70, 75, 80, 86)}
# NVIDIA's release notes: the first CUDA whose compiler knows a generation of GPUs, and the lowest
# capability that a CUDA still makes code for.
_FIRST_CUDA = {7: "9.0", 8: "11.0", 9: "11.8", 10: "12.8", 11: "13.0", 12: "12.8"}
_LOWEST = {12: (5, 0), 13: (7, 5)}
_LOWEST_OF_WHEELS = (6, 1)
# NVIDIA's "CUDA compatibility", minor version compatibility: least driver of a major version.
_DRIVERS = {11: "450.80.02", 12: "525.60.13", 13: "580"}
_FIELDS = "name,compute_cap,driver_version,memory.total"
_RUN_CHECK = "python -c 'import paddle; paddle.utils.run_check()'"
_GUIDE = "from Paddle's own package index, which Paddle's installation guide names"
_ON_CPU = "compute on the CPU: export CUDA_VISIBLE_DEVICES="


class Gpu(NamedTuple):
    """A GPU: its name, compute capability such as (8, 0) or None, driver, memory as printed."""

    name: str
    capability: tuple | None
    driver: str
    memory: str = ""


class Wheel(NamedTuple):
    """The installed paddle.

    Attributes:
        version: such as "2.6.2".
        cuda: version of the CUDA that it was built with; None for a CPU wheel.
        architectures: capabilities times ten that it has machine code for; None if not known.
        visible: how many GPUs it sees; None if not known.
    """

    version: str
    cuda: str | None
    architectures: tuple | None = None
    visible: int | None = None


def find_gpus(command="nvidia-smi"):
    """(list of `Gpu`, None) or (empty list, what is wrong with ``nvidia-smi``)."""
    done = _ask(command, _FIELDS)
    if done is None:
        return [], None
    if done.returncode and "compute_cap" in done.stdout + done.stderr:  # before driver 470
        done = _ask(command, _FIELDS.replace("compute_cap", "name"))
    if done is None or done.returncode:
        return [], one_line(done and (done.stdout or done.stderr)) or "it gave no answer"
    return [gpu for gpu in map(read_line, done.stdout.splitlines()) if gpu], None


def _ask(command, fields):
    """The finished process; None where there is no such program."""
    try:
        return subprocess.run(
            [command, f"--query-gpu={fields}", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=60,
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "no answer after 60 seconds", "")
    except OSError:
        return None


def read_line(line):
    """A line of nvidia-smi's answer as a `Gpu`, or None."""
    parts = [part.strip() for part in line.split(",")]
    if len(parts) != 4:
        return None
    found = re.fullmatch(r"(\d+)\.(\d+)", parts[1])
    capability = (int(found[1]), int(found[2])) if found else None
    return Gpu(parts[0], capability, parts[2], parts[3])


def wheel_of(trial):
    """The `Wheel` of a `Trial` of importing paddle; None where it cannot be imported."""
    if trial is None or trial.state != imports.IMPORTS:
        return None
    about = trial.about
    architectures = tuple(int(number) for number in re.findall(r"\d+", about.get("archs") or ""))
    return Wheel(
        about.get("version", ""), about.get("cuda"), architectures or None, about.get("gpus")
    )


def check(gpus, wheel, problem=None):
    """Findings about GPUs and the paddle that is to use them; touches neither.

    Args:
        gpus: list of `Gpu`.
        wheel: `Wheel`, or None where paddle could not be asked.
        problem: what is wrong with nvidia-smi, or None.
    """
    if problem is not None:
        cure = "mend the NVIDIA driver: `nvidia-smi` must list the GPU; in Docker use --gpus all"
        return [Finding(WARNING, "GPU", f"nvidia-smi does not answer: {problem}", cure)]
    if not gpus:
        return [_without_gpu(wheel)]
    findings = []
    for gpu in dict.fromkeys(gpus):
        number = gpus.count(gpu)
        findings += _check_one(gpu, wheel, f"{number} x {gpu.name}" if number > 1 else gpu.name)
    if wheel is not None and wheel.cuda and wheel.visible == 0:
        cure = "see that CUDA_VISIBLE_DEVICES is unset or names a GPU, and the driver's cure above"
        findings.append(Finding(WARNING, "GPU", "paddle sees none of the GPUs", cure))
    return findings


def _without_gpu(wheel):
    if wheel is not None and wheel.cuda:
        what = f"none found, though paddle {wheel.version} is a build for CUDA {wheel.cuda}"
        cure = "nothing for a CPU; else `nvidia-smi` must list the GPU (driver, Docker's --gpus)"
        return Finding(WARNING, "GPU", what, cure)
    return Finding(OK, "GPU", "no NVIDIA GPU found; everything runs on the CPU")


def _check_one(gpu, wheel, name):
    if gpu.capability is None:
        named = f"{name} (compute capability not known, driver {gpu.driver})"
    else:
        named = f"{name} (compute capability {_dotted(gpu.capability)}, driver {gpu.driver})"
    if wheel is None:
        cure = "make `import paddle` work first"
        return [Finding(SKIPPED, "GPU", f"{named}: paddle could not be asked", cure)]
    if not wheel.cuda:
        what = f"{named} is idle: paddle {wheel.version} is the CPU build"
        cure = f"pip uninstall paddlepaddle, then install paddlepaddle-gpu {_GUIDE}"
        return [Finding(WARNING, "GPU", what, cure)]
    return [_code_for(gpu, wheel, named), *_driver_for(gpu, wheel)]


def _code_for(gpu, wheel, named):
    built = f"paddle {wheel.version} for CUDA {wheel.cuda}"
    has = None if gpu.capability is None else has_code(gpu.capability, wheel)
    if has is None:
        what = f"{named}: it is not known whether {built} has code for it"
        return Finding(SKIPPED, "GPU", what, _RUN_CHECK)
    if not has:
        known = wheel.architectures or _ARCHITECTURES.get(wheel.cuda)
        only = ""
        if known:
            only = f" (it has code for {', '.join(_dotted(divmod(each, 10)) for each in known)})"
        what = f"{named}: {built} has no code for it{only}; its first kernel would fail"
        return Finding(ERROR, "GPU", what, _cure_for(gpu.capability))
    half = "bf16" if gpu.capability >= (8, 0) else "fp16"
    memory = f", {gpu.memory}" if gpu.memory else ""
    return Finding(OK, "GPU", f"{named}{memory}; {built}; half precision: --precision {half}")


def has_code(capability, wheel):
    """Does a wheel have code for a GPU?  None: not known.

    Machine code runs on GPUs of its own major capability and the same or a higher minor one.
    """
    known = wheel.architectures or _ARCHITECTURES.get(wheel.cuda)
    if known:
        major, minor = capability
        return any(each // 10 == major and each % 10 <= minor for each in known)
    cuda = _version(wheel.cuda)
    if cuda is None:
        return None
    first = _FIRST_CUDA.get(capability[0])
    if (first and cuda < Version(first)) or capability < _LOWEST.get(cuda.major, (0, 0)):
        return False
    return None


def _cure_for(capability):
    if capability < _LOWEST_OF_WHEELS:
        return f"compile Paddle for this GPU, or {_ON_CPU}"
    builds = "CUDA 11.8 or 12"
    if capability >= (10, 0):
        builds = f"CUDA {_FIRST_CUDA.get(capability[0], '13.0')} or newer"
    elif capability >= (7, 5):
        builds = "CUDA 12 or newer"
    return f"install paddlepaddle-gpu for {builds} {_GUIDE}, or {_ON_CPU}"


def _driver_for(gpu, wheel):
    cuda, driver = _version(wheel.cuda), _version(gpu.driver)
    least = _DRIVERS.get(cuda.major) if cuda else None
    if least is None or driver is None or driver >= Version(least):
        return []
    what = f"driver {gpu.driver} is too old for CUDA {wheel.cuda}, which needs {least} or newer"
    cure = "update the NVIDIA driver, or install the paddlepaddle-gpu build for an older CUDA"
    return [Finding(WARNING, "GPU driver", what, cure)]


def _version(text):
    try:
        return Version(text)
    except (InvalidVersion, TypeError):
        return None


def _dotted(capability):
    return ".".join(map(str, capability))
