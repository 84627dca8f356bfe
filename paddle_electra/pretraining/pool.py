"""Work on units in several processes that stop together, with progress shown by the parent."""

import contextlib
import multiprocessing
import os
import signal
import threading
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool

from ..errors import InputError

_worker = None  # in a worker process: what `_Worker` holds


class _Worker:
    def __init__(self, make, arguments, consumed, stop):
        self.builder = make(*arguments)
        self._consumed = consumed
        self._stop = stop

    def report(self, size):
        with self._consumed.get_lock():
            self._consumed.value += size
        if self._stop.is_set():
            raise InputError("stopped because another process failed")


def _start_worker(make, arguments, consumed, stop):
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _worker = _Worker(make, arguments, consumed, stop)


def _end_with_parent():
    multiprocessing.parent_process().join()
    os._exit(1)


def _build_in_worker(number, unit):
    return _worker.builder.build(number, unit, _worker.report)


def run_units(make, arguments, units, processes, report):
    """Work off ``units`` {number: unit} and return {number: result}.

    Args:
        make: a class of which each process makes an object for itself, with ``arguments``; its
            ``build(number, unit, report)`` does the work on a unit.
        processes: at most so many; with one, or one unit, all happens in this process.
        report: called with bytes of input worked off.
    Raises:
        InputError: the first that a worker raised, or a worker that died; the other workers
            are stopped, shards that were finished stay.
    """
    if min(processes, len(units)) <= 1:
        builder = make(*arguments)
        return {number: builder.build(number, unit, report) for number, unit in units.items()}
    # "spawn": a forked child of a process that runs threads (paddle, a notebook) may hang.
    context = multiprocessing.get_context("spawn")
    consumed, stop = context.Value("q", 0), context.Event()
    pool = ProcessPoolExecutor(
        min(processes, len(units)), context, _start_worker, (make, arguments, consumed, stop)
    )
    try:
        with _interrupts_held():
            futures = {pool.submit(_build_in_worker, *item): item[0] for item in units.items()}
        return _collect(futures, consumed, report)
    except BrokenProcessPool:
        raise InputError(
            "a worker process died (out of memory, or killed); finished shards are kept: "
            "run the same command again, perhaps with fewer --processes"
        ) from None
    finally:
        stop.set()
        with contextlib.suppress(BrokenProcessPool):
            pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _interrupts_held():
    """Hold Ctrl-C back while workers are started, so that they inherit it held.

    Else a worker interrupted before its first line of ours would print a traceback.  The parent
    gets what came meanwhile at the end.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _collect(futures, consumed, report):
    records, pending, reported = {}, set(futures), 0
    while pending:
        done, pending = wait(pending, timeout=0.5, return_when=FIRST_COMPLETED)
        now = consumed.value
        report(now - reported)
        reported = now
        for future in done:
            records[futures[future]] = future.result()
    return records
