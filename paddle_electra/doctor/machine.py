"""Platform, processor, threads, memory and disk."""

import math
import os
import platform
import re
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

from ..cache_folder import cache_folder
from ..runtime import cores
from .findings import ERROR, OK, WARNING, Finding

_GIB = 1 << 30
_LITTLE_MEMORY, _LITTLE_DISK, _NO_DISK = 2 * _GIB, _GIB, 50 << 20  # bytes


class Threads(NamedTuple):
    """What decides over threads.

    Attributes:
        cores: that this process may use.
        total: cores of the machine.
        quota: CPUs that a container may use on average, or None.
        omp: OMP_NUM_THREADS, or None.
    """

    cores: int
    total: int
    quota: float | None
    omp: str | None


def check(has_gpu):
    """Findings about this machine; ``has_gpu``: is there one that paddle may use?"""
    memory = _read("/proc/meminfo")
    return [
        check_platform(platform.system(), platform.machine()),
        *check_processor(_read("/proc/cpuinfo"), platform.machine()),
        *check_threads(find_threads(), has_gpu),
        *check_memory(memory, memory_limit()),
        *check_folders(),
    ]


def _read(path):
    try:
        return Path(path).read_text("utf-8", "replace")
    except OSError:
        return ""


def check_platform(system, machine):
    """`Finding` on the operating system and the kind of processor."""
    what = f"{system} {machine}"
    if (system, machine) == ("Linux", "x86_64"):
        return Finding(OK, "platform", what)
    cure = "use Linux on x86-64, also in Docker or WSL, if something fails here"
    return Finding(WARNING, "platform", f"{what}: only Linux x86_64 is tested", cure)


def check_processor(text, machine="x86_64"):
    """Findings on the text of ``/proc/cpuinfo``."""
    flags = set(_field(text, "flags").split())
    if not flags or machine not in ("x86_64", "AMD64"):
        return []
    name = _field(text, "model name") or "processor"
    if "avx" not in flags:
        cure = "use another machine; a virtual one must hand on its host's flags (cpu host)"
        return [Finding(ERROR, "processor", f"{name} has no AVX, which paddle's CPU needs", cure)]
    sets = [label for flag, label in _SETS.items() if flag in flags]
    # The rule of inference.engine.has_bfloat16, which imports paddle.
    half = "avx512_bf16" in flags or "amx_bf16" in flags
    note = "--precision bfloat16 is for inference" if half else "no bfloat16: float32 only"
    if _field(text, "vendor_id") == "AuthenticAMD":
        value = os.environ.get("MKL_DEBUG_CPU_TYPE")
        note += f"; AMD: MKL_DEBUG_CPU_TYPE={value} makes paddle's MKL fast, set unless you set it"
    what = f"{name}: {', '.join(sets)}; {note}"
    if "avx2" in flags:
        return [Finding(OK, "processor", what)]
    return [Finding(WARNING, "processor", f"{what}; without AVX2 it is slow", "use a newer one")]


_SETS = {
    "avx": "AVX",
    "avx2": "AVX2",
    "avx512f": "AVX512",
    "avx512_vnni": "VNNI",
    "avx512_bf16": "AVX512_BF16",
    "amx_bf16": "AMX",
}


def _field(text, name):
    found = re.search(rf"^{name}\s*:\s*(.*)$", text, re.MULTILINE)
    return found[1].strip() if found else ""


def find_threads():
    """The `Threads` of this process."""
    return Threads(
        cores(), os.cpu_count() or 1, cpu_quota(), os.environ.get("OMP_NUM_THREADS") or None
    )


def check_threads(threads, has_gpu):
    """Findings on `Threads`."""
    usable = threads.cores
    what = f"{usable} of {threads.total} cores"
    if threads.quota is not None and threads.quota < usable:
        usable = max(1, math.ceil(threads.quota))
        what += f", a container's quota of {threads.quota:g}"
    export = f"export OMP_NUM_THREADS={usable}"
    if threads.omp is not None:
        what += f"; OMP_NUM_THREADS={threads.omp}"
        if not threads.omp.isdigit() or int(threads.omp) < 1:
            return [Finding(WARNING, "threads", f"{what} is no number of threads", export)]
        if int(threads.omp) > usable:
            return [Finding(WARNING, "threads", f"{what} is more than there are", export)]
        return [Finding(OK, "threads", what)]
    if usable < threads.cores:
        what += f"; inference takes {threads.cores} threads, which get in each other's way"
        return [Finding(WARNING, "threads", what, export)]
    if usable > 1 and not has_gpu:
        what += "; OMP_NUM_THREADS is unset: inference takes all, paddle trains with 1 thread"
        return [Finding(WARNING, "threads", what, f"{export} (or several processes of 1)")]
    return [Finding(OK, "threads", what)]


def cpu_quota(root="/sys/fs/cgroup", own="/proc/self/cgroup"):
    """CPUs that the control groups of this process allow on average, or None."""
    quotas = []
    for folder in _groups(root, own, "cpu"):
        words = _read(folder / "cpu.max").split() or [
            _read(folder / "cpu.cfs_quota_us").strip(),
            _read(folder / "cpu.cfs_period_us").strip(),
        ]
        if len(words) == 2 and all(word.isdigit() and int(word) for word in words):
            quotas.append(int(words[0]) / int(words[1]))
    return min(quotas, default=None)


def memory_limit(root="/sys/fs/cgroup", own="/proc/self/cgroup"):
    """Bytes that the control groups of this process allow, or None."""
    limits = []
    for folder in _groups(root, own, "memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            word = _read(folder / name).strip()
            if word.isdigit() and int(word) < 1 << 60:  # version 1 says "none" so
                limits.append(int(word))
    return min(limits, default=None)


def _groups(root, own, controller):
    """Folders of the control groups that a process is in, of both versions, upward."""
    for line in _read(own).splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controllers and controller not in controllers.split(","):
            continue
        base = Path(root, controllers) if controllers else Path(root)
        if controllers and not base.is_dir():
            base = Path(root, controller)
        place = base / path.strip("/")
        yield from [place, *(up for up in place.parents if up.is_relative_to(base))]


def check_memory(text, limit):
    """Findings on the text of ``/proc/meminfo`` and a container's limit in bytes, or None."""
    found = {
        name: int(number) * 1024
        for name, number in re.findall(r"^(MemTotal|MemAvailable):\s+(\d+) kB", text, re.MULTILINE)
    }
    if len(found) != 2:
        return []
    total, free = found["MemTotal"], found["MemAvailable"]
    what = f"{free / _GIB:.1f} GiB free of {total / _GIB:.1f}"
    if limit is not None and limit < total:
        free = min(free, limit)
        what += f", a container's limit of {limit / _GIB:.1f}"
    if free >= _LITTLE_MEMORY:
        return [Finding(OK, "memory", what)]
    cure = "end other programs, or take small batches; `paddle-electra plan` says what a run needs"
    return [Finding(WARNING, "memory", what, cure)]


def check_folders():
    """Findings on free disk and permissions where the toolkit writes."""
    return [
        *check_folder("this folder", Path.cwd(), "change to a folder that you may write to"),
        *check_folder("temporary", _temporary(), "export TMPDIR=FOLDER_WITH_ROOM"),
        *_check_cache(cache_folder("")),
    ]


def _temporary():
    try:
        return Path(tempfile.gettempdir())
    except OSError:  # there is none that can be written
        return Path(os.environ.get("TMPDIR") or "/tmp")


def _check_cache(folder):
    if folder is None:
        return [Finding(OK, "cache", "none: PADDLE_ELECTRA_CACHE is empty, or there is no home")]
    cure = "export PADDLE_ELECTRA_CACHE=FOLDER, or leave it empty for no cache"
    return [
        # Without a cache everything is computed anew.
        finding._replace(level=WARNING) if finding.level == ERROR else finding
        for finding in check_folder("cache", folder, cure)
    ]


def check_folder(topic, folder, cure):
    """Findings on free disk and permission to write in a folder that need not exist yet."""
    there = next(place for place in [folder, *folder.parents] if os.path.lexists(place))
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
        free = shutil.disk_usage(there).free
    except OSError as error:
        what = f"{folder}: cannot be written ({error.strerror or error})"
        return [Finding(ERROR, topic, what, cure)]
    what = f"{folder}: {free / _GIB:.1f} GiB free"
    if free < _LITTLE_DISK:
        level = ERROR if free < _NO_DISK else WARNING
        return [Finding(level, topic, what, f"free some space, or {cure}")]
    return [Finding(OK, topic, what)]
