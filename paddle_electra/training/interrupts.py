"""Ctrl-C and SIGTERM while training: finish the step, save, stop."""

import contextlib
import signal
import threading

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def interrupts():
    """A list that is non-empty once SIGINT or SIGTERM has come, so that a step is finished first.

    A second Ctrl-C acts at once; further SIGTERMs do not, since launchers and schedulers send
    several.  Outside of the main thread, which alone gets signals, the list stays empty.
    """
    received = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return

    def remember(number, _frame):
        if number == signal.SIGINT and number in received:
            raise KeyboardInterrupt
        received.append(number)

    before = {number: signal.signal(number, remember) for number in SIGNALS}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
