"""Ctrl-C and SIGTERM while training: finish the step, save, stop."""

import contextlib
import signal
import threading

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def interrupts():
    """A list that is non-empty once SIGINT or SIGTERM has come, so that a step is finished first.

    A second signal acts at once.  Outside of the main thread, which alone gets signals, the list
    stays empty.
    """
    received = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return

    def remember(number, _frame):
        if received:
            raise KeyboardInterrupt
        received.append(number)

    before = {number: signal.signal(number, remember) for number in _SIGNALS}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
