"""What a forked process must have anew: it lacks the threads that held its parent's locks."""

import os
import threading
import weakref

_things = weakref.WeakSet()


def renew_after_fork(thing):
    """Call ``thing.renew()`` in every process that is forked from this one while it exists."""
    _things.add(thing)


def _renew():
    for thing in list(_things):
        thing.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)


class Lock:
    """A lock that is free in a forked process, whoever held it in the parent.

    Args:
        make: what makes it: `threading.Lock`, or another that has acquire and release.
    """

    def __init__(self, make=threading.Lock):
        self._make = make
        self.renew()
        renew_after_fork(self)

    def renew(self):
        """Forget who holds it."""
        self._lock = self._make()

    def acquire(self, **options):
        """As `threading.Lock.acquire`."""
        return self._lock.acquire(**options)

    def release(self):
        """As `threading.Lock.release`."""
        self._lock.release()

    def __enter__(self):
        self.acquire()

    def __exit__(self, *error):
        self.release()
