import os
import subprocess
import sys
import threading

import pytest

from paddle_electra.forking import Lock

SCRIPT = """
import os, threading
from paddle_electra.forking import Lock, renew_after_fork
locks = [Lock(), Lock(threading.RLock), Lock(lambda: threading.BoundedSemaphore(1))]
holder = threading.Thread(target=lambda: [lock.acquire() for lock in locks])
holder.start()
holder.join()
free = [lock.acquire(timeout=0.1) for lock in locks]
child = os.fork()
if child == 0:
    free = [lock.acquire(timeout=5) for lock in locks]
    os._exit(0 if all(free) else 1)
print(free, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_it_locks():
    lock = Lock()
    with lock:
        assert not lock.acquire(blocking=False)
    assert lock.acquire(blocking=False)
    lock.release()
    with Lock(threading.RLock) as nothing:
        assert nothing is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs POSIX")
def test_in_a_forked_process_it_is_free():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split("\n")[0] == "[False, False, False] 0", done.stderr
