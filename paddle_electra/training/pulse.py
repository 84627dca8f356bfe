"""Signs of life between the processes of a job.

A launcher ends the processes of its own machine when one of them dies.  Those of other machines
would wait without end, in Paddle's store or inside a collective of the GPUs.
"""

import os
import sys
import threading

INTERVAL = 5.0  # seconds between signs
# Two minutes: a process that computes, reads or is paused for a moment shall not be taken for dead.
MISSES = 24
_SIGNS, _DEATHS = "paddle-electra/pulse/{}", "paddle-electra/deaths"
_EXIT_CODE = 2
BROKEN = (RuntimeError, OSError, ValueError)  # what Paddle raises when a partner is gone


def reason_of(error):
    """What one of `BROKEN` says: the last line, below Paddle's own stack."""
    return (str(error).strip() or type(error).__name__).splitlines()[-1]


class Pulse:
    """A thread that signs for this process and ends it when another one signs no more.

    Every process watches the next one; who misses it tells all.  A paused job does not count as
    silent: signs are counted in the intervals that the watching process lived through.

    Args:
        rank, size: as of `World`.
        connect: function that gives a connection to the job's store for this thread alone.
        grace: seconds between finding a death and ending, in which the launcher or the main thread
            may end the process with a better message.
    """

    def __init__(self, rank, size, connect, grace):
        self.rank, self.watched = rank, (rank + 1) % size
        self._connect, self._grace = connect, grace
        self._stopped = threading.Event()
        threading.Thread(target=self._run, daemon=True, name="pulse").start()

    def stop(self):
        """This process takes part no longer and minds no other."""
        self._stopped.set()

    def _run(self):
        try:
            found = self._watch(self._connect())
        except BROKEN as error:
            found = f"lost the connection to process 0: {reason_of(error)}"
        if found is not None:
            self._end(found)

    def _watch(self, store):
        """What was found to have ended; None if `stop` was called before."""
        reached, missed = None, 0
        while not self._stopped.wait(INTERVAL):
            store.add(_SIGNS.format(self.rank), 1)
            if store.add(_DEATHS, 0):
                return "another process of this job has ended"
            now = store.add(_SIGNS.format(self.watched), 0)
            missed = missed + 1 if now == reached else 0
            reached = now
            if missed >= MISSES:
                store.add(_DEATHS, 1)
                seconds = missed * INTERVAL
                return f"process {self.watched} has given no sign of life for {seconds:.0f} seconds"
        return None

    def _end(self, found):
        """End the process from outside of the main thread, which may hang in a collective."""
        if self._stopped.wait(self._grace):
            return
        print(
            f"paddle-electra: {found}; look at the logs of its machine. The same commands resume "
            f"from the last checkpoint",
            file=sys.stderr,
            flush=True,
        )
        os._exit(_EXIT_CODE)
