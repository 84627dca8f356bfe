"""Requests of several threads that arrive together share a batch."""

import collections
import threading
import time

from ..forking import renew_after_fork
from ..runtime import give_back_memory

_SECONDS_BETWEEN = 5  # giving memory back


class Busy(Exception):
    """The queue is full, a request waited too long, or the server is being stopped."""


class _Job:
    """One request's part: what it asks, and its answers or its error."""

    def __init__(self, key, items):
        self.key, self.items = key, items
        self.done = threading.Event()
        self.answers = self.error = None


class Collector:
    """Answers of a function for the requests of many threads, in batches.

    One thread of its own calls ``run``.  While that is at work requests gather; those with the
    same key as the oldest are answered next, in one call.  A request that finds nothing at work
    is answered at once; only when the batch before held several is there a wait of ``window``
    seconds, reckoned from that batch's end, for as many to come again.  A forked process begins
    with an empty queue and a thread of its own.

    Args:
        run: function from (key, items) to a list of one answer an item.  It is called by one
            thread only.  When it raises for a batch of several requests, each is run alone, so
            that an error reaches its own request only.
        queue: most requests that wait.
        wait: seconds that a request waits for its turn.
        window: see above.
        batch_items: most items of a batch; one request with more is a batch of its own.
    """

    def __init__(self, run, queue=128, wait=30.0, window=0.005, batch_items=256):
        self.run, self.queue, self.wait = run, queue, wait
        self.window, self.batch_items = window, batch_items
        self.renew()
        renew_after_fork(self)

    def renew(self):
        """Begin with nothing that waits; in a forked process too."""
        self._waiting = collections.deque()
        self._changed = threading.Condition()
        self._worker, self._closed = None, False
        self._companions, self._ended = 1, 0.0  # size and end of the batch before
        self.batches = 0

    def __len__(self):
        """Requests that wait for their turn."""
        return len(self._waiting)

    def ask(self, key, items):
        """The answers for ``items``, a list with one for each.

        Raises:
            Busy: no room in the queue, or no turn within the time.
            Exception: what ``run`` raised for these items.
        """
        job = _Job(key, items)
        with self._changed:
            if self._closed:
                raise Busy("busy: this server is being stopped")
            if len(self._waiting) >= self.queue:
                raise Busy(f"busy: {self.queue} requests are waiting already; try again")
            if self._worker is None:
                worker = threading.Thread(target=self._work, name="answers", daemon=True)
                worker.start()
                self._worker = worker
            self._waiting.append(job)
            self._changed.notify_all()
        if not job.done.wait(self.wait) and self._give_up(job):
            raise Busy(f"busy: no turn within {self.wait:g} seconds; try again")
        job.done.wait()  # of a batch that is at work
        if job.error is not None:
            raise job.error
        return job.answers

    def close(self):
        """Answer what waits, take nothing more, and end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            worker = self._worker
        if worker is not None:
            worker.join()

    def _give_up(self, job):
        with self._changed:
            if job not in self._waiting:
                return False
            self._waiting.remove(job)
            return True

    def _work(self):
        given_back = time.monotonic()
        while batch := self._next():
            self._answer(batch)
            with self._changed:
                self.batches += 1
                self._companions, self._ended = len(batch), time.monotonic()
            for job in batch:
                job.done.set()
            del batch, job  # not kept until the next
            if self._ended - given_back > _SECONDS_BETWEEN:
                give_back_memory()
                given_back = self._ended

    def _next(self):
        """The jobs of the next batch; none when closed."""
        with self._changed:
            while True:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                left = self._ended + self.window - time.monotonic()
                if left > 0 and not self._closed:
                    self._changed.wait_for(self._is_enough, left)
                if self._waiting:
                    return self._take()
                if self._closed:
                    return []

    def _is_enough(self):
        """Need no more be waited for?"""
        items = sum(len(job.items) for job in self._waiting)
        many = len(self._waiting) >= self._companions
        return many or items >= self.batch_items or self._closed

    def _take(self):
        key, batch, items, rest = self._waiting[0].key, [], 0, []
        for job in self._waiting:
            fits = not batch or items + len(job.items) <= self.batch_items
            if job.key == key and fits:
                batch.append(job)
                items += len(job.items)
            else:
                rest.append(job)
        self._waiting = collections.deque(rest)
        return batch

    def _answer(self, batch):
        try:
            answers = self.run(batch[0].key, [item for job in batch for item in job.items])
            if len(answers) != sum(len(job.items) for job in batch):
                raise RuntimeError(f"got {len(answers)} answers for a batch of another size")
        except BaseException as error:  # the thread must live, and somebody waits for this
            if len(batch) > 1:
                for job in batch:
                    self._answer([job])
            else:
                batch[0].error = error
            return
        start = 0
        for job in batch:
            job.answers = answers[start : start + len(job.items)]
            start += len(job.items)
