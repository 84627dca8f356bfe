import os
import subprocess
import sys

import pytest

from paddle_electra.runtime import fast_products

SCRIPT = """
import paddle
from paddle_electra.runtime import default_threads, share_cores
cores = default_threads()
share_cores(2)
print(cores, default_threads())
"""


@pytest.mark.parametrize("given", [None, "1", "3"])
def test_the_threads_that_paddle_sets_are_not_taken_for_the_users(given):
    cores = len(os.sched_getaffinity(0))
    environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    environment |= {} if given is None else {"OMP_NUM_THREADS": given}
    command = [sys.executable, "-W", "ignore", "-c", SCRIPT]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    expected = f"{cores} {max(1, cores // 2)}" if given is None else f"{given} {given}"
    assert done.stdout.split("\n")[-2] == expected


_HOLES = """
from paddle_electra.runtime import give_back_memory, share_one_heap

def resident():
    with open("/proc/self/statm") as handle:
        return int(handle.read().split()[1]) * 4096

share_one_heap()
blocks = [bytearray(60_000) for _ in range(2000)]
kept = blocks[::50]
del blocks
before = resident()
give_back_memory()
print(before - resident(), len(kept))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's malloc")
def test_holes_in_the_heap_are_given_back():
    done = subprocess.run(
        [sys.executable, "-c", _HOLES], capture_output=True, text=True, check=True
    )
    assert int(done.stdout.split()[0]) > 80_000_000


ZEN2 = "avx avx2"
ZEN5 = f"{ZEN2} avx512f avx512dq avx512cd avx512bw avx512vl avx512_bf16"


@pytest.mark.parametrize(
    ("vendor", "flags", "expected"),
    [
        ("AuthenticAMD", ZEN2, "5"),
        ("AuthenticAMD", ZEN5, "7"),
        ("AuthenticAMD", ZEN5.replace("avx512vl", ""), "5"),
        ("GenuineIntel", ZEN5, None),
    ],
)
def test_products_take_the_widest_path_that_the_processor_has(vendor, flags, expected):
    text = f"processor\t: 0\nvendor_id\t: {vendor}\nflags\t\t: fpu {flags}\nbugs\t\t: none\n"
    assert fast_products(text) == expected
