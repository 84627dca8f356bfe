"""What is said of the processor, threads, memory and folders, with made-up machines."""

import pytest

from paddle_electra.doctor import machine
from paddle_electra.doctor.findings import ERROR, OK, WARNING
from paddle_electra.doctor.machine import Threads

CPUINFO = "processor\t: 0\nvendor_id\t: {vendor}\nmodel name\t: Some CPU\nflags\t\t: fpu {flags}\n"
GIB = 1 << 30


def processor(flags, vendor="GenuineIntel"):
    (finding,) = machine.check_processor(CPUINFO.format(flags=flags, vendor=vendor))
    return finding


@pytest.mark.parametrize(
    ("system", "kind", "level"),
    [("Linux", "x86_64", OK), ("Linux", "aarch64", WARNING), ("Darwin", "x86_64", WARNING)],
)
def test_the_platform(system, kind, level):
    finding = machine.check_platform(system, kind)
    assert finding.level == level
    assert bool(finding.cure) == (level != OK)


def test_processors():
    assert processor("sse4_2").level == ERROR
    assert processor("avx").level == WARNING
    finding = processor("avx avx2 avx512f")
    assert finding.level == OK
    assert "AVX, AVX2, AVX512; no bfloat16" in finding.what
    assert "--precision bfloat16" in processor("avx avx2 amx_bf16").what
    assert "--precision bfloat16" in processor("avx avx2 avx512_bf16").what
    assert "MKL_DEBUG_CPU_TYPE" not in finding.what
    assert "MKL_DEBUG_CPU_TYPE" in processor("avx avx2", "AuthenticAMD").what
    assert machine.check_processor("") == []


@pytest.mark.parametrize(
    ("threads", "has_gpu", "level", "cure"),
    [
        (Threads(8, 8, None, "8"), False, OK, None),
        (Threads(8, 16, None, "4"), False, OK, None),
        (Threads(8, 16, None, "16"), False, WARNING, "OMP_NUM_THREADS=8"),
        (Threads(8, 8, 2.5, "8"), False, WARNING, "OMP_NUM_THREADS=3"),
        (Threads(8, 8, 2.5, None), True, WARNING, "OMP_NUM_THREADS=3"),
        (Threads(8, 8, 0.5, None), True, WARNING, "OMP_NUM_THREADS=1"),
        (Threads(8, 8, 16.0, None), True, OK, None),
        (Threads(8, 8, None, None), False, WARNING, "OMP_NUM_THREADS=8"),  # paddle would take 1
        (Threads(8, 8, None, None), True, OK, None),
        (Threads(1, 8, None, None), False, OK, None),
        (Threads(8, 8, None, "many"), False, WARNING, "OMP_NUM_THREADS=8"),
    ],
)
def test_threads(threads, has_gpu, level, cure):
    (finding,) = machine.check_threads(threads, has_gpu)
    assert finding.level == level
    assert cure is None or f"export {cure}" in finding.cure


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_the_quota_of_control_groups(tmp_path):
    own, root = tmp_path / "cgroup", tmp_path / "fs"
    write(own, "0::/docker/abc\n")
    assert machine.cpu_quota(root, own) is None
    write(root / "docker/abc/cpu.max", "max 100000\n")
    assert machine.cpu_quota(root, own) is None
    write(root / "docker/cpu.max", "150000 100000\n")
    assert machine.cpu_quota(root, own) == 1.5
    write(root / "docker/abc/memory.max", "max\n")
    assert machine.memory_limit(root, own) is None
    write(root / "docker/memory.max", f"{GIB}\n")
    assert machine.memory_limit(root, own) == GIB
    assert machine.cpu_quota(root, tmp_path / "none") is None


def test_control_groups_of_the_first_version(tmp_path):
    own, root = tmp_path / "cgroup", tmp_path / "fs"
    write(own, "3:cpu,cpuacct:/a\n2:memory:/a\n1:name=systemd:/\n0::/\n")
    write(root / "cpu,cpuacct/a/cpu.cfs_quota_us", "50000\n")
    write(root / "cpu,cpuacct/a/cpu.cfs_period_us", "100000\n")
    write(root / "cpu,cpuacct/cpu.cfs_quota_us", "-1\n")
    write(root / "cpu,cpuacct/cpu.cfs_period_us", "100000\n")
    write(root / "memory/memory.limit_in_bytes", "9223372036854771712\n")
    assert machine.cpu_quota(root, own) == 0.5
    assert machine.memory_limit(root, own) is None
    write(root / "memory/a/memory.limit_in_bytes", f"{GIB}\n")
    assert machine.memory_limit(root, own) == GIB


def test_memory():
    text = f"MemTotal:       {16 << 20} kB\nMemFree: 1 kB\nMemAvailable:   {8 << 20} kB\n"
    (finding,) = machine.check_memory(text, None)
    assert (finding.level, finding.what) == (OK, "8.0 GiB free of 16.0")
    assert machine.check_memory(text, GIB)[0].level == WARNING
    assert machine.check_memory(text.replace(f"{8 << 20}", f"{1 << 20}"), None)[0].level == WARNING
    assert machine.check_memory("", None) == []


def test_a_folder_that_is_not_there_yet(tmp_path):
    (finding,) = machine.check_folder("cache", tmp_path / "a" / "b", "cure")
    assert finding.level in (OK, WARNING)  # WARNING: this machine's disk is nearly full
    assert str(tmp_path / "a" / "b") in finding.what
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_place_of_a_folder(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    (finding,) = machine.check_folder("cache", tmp_path / "file" / "a", "move away")
    assert (finding.level, finding.cure) == (ERROR, "move away")
    assert "cannot be written" in finding.what
    monkeypatch.setenv("PADDLE_ELECTRA_CACHE", str(tmp_path / "file"))
    cache = machine.check_folders()[-1]
    assert (cache.topic, cache.level) == ("cache", WARNING)
    assert "PADDLE_ELECTRA_CACHE" in cache.cure


@pytest.mark.parametrize(("free", "level"), [(5 * GIB, OK), (GIB // 2, WARNING), (1000, ERROR)])
def test_little_room(tmp_path, monkeypatch, free, level):
    usage = machine.shutil.disk_usage(tmp_path)._replace(free=free)
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda place: usage)
    assert machine.check_folder("temporary", tmp_path, "cure")[0].level == level
