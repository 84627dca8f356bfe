"""A model that is served: from the fields of a request to its results."""

import os
import re
import threading
import time

from ..errors import InputError
from ..forking import Lock
from .checks import FIELDS, HEAVY, read_request
from .collector import Busy, Collector
from .settings import ServingSettings

# How messages of the predictor name what a request calls 'data', and its other fields.
_TEXTS = re.compile(r"^(texts|questions|data)\b")
_FIELD = re.compile(rf"^({'|'.join(FIELDS)})\b")
_LIMITS = ("max_items", "max_characters", "max_request_characters", "max_heavy_characters")
_LIMITS += ("max_answers", "max_body_bytes", "queue", "wait_seconds")


LARGE_AT_ONCE = 4  # requests whose replies take many times the memory of their texts


class Service:
    """Answers requests of many threads.

    Args:
        name, version: of the model.
        operations: its `Operations`.
        settings: `ServingSettings`.
    """

    def __init__(self, name, version, operations, settings=None):
        self.name, self.version, self.operations = name, version, operations
        self.settings = settings or ServingSettings()
        self.collector = Collector(
            operations.run,
            self.settings.queue,
            self.settings.wait_seconds,
            self.settings.window_ms / 1000,
            self.settings.batch_items,
        )
        self._large = Lock(lambda: threading.BoundedSemaphore(LARGE_AT_ONCE))
        self._started, self._lock = time.time(), Lock()
        self._counts = {"answered": 0, "refused": 0, "busy": 0, "failed": 0}

    def make_room(self, fields):
        """Wait until a request may be answered and its reply written: few large ones at once.

        Returns:
            the function to call when the reply has been sent or given up.
        Raises:
            Busy: no room within the time that a request may wait.
        """
        if (fields.get("task") or self.operations.default) not in HEAVY:
            return _nothing
        if not self._large.acquire(timeout=self.settings.wait_seconds):
            raise Busy("busy: other requests for large answers go first; try again")
        return self._large.release

    def answer(self, fields):
        """The results of a request, one an item of ``data``.

        Args:
            fields: dict of the request; see `checks.FIELDS`.
        Raises:
            InputError: naming the field that is wrong.
            Busy: the queue is full.
        """
        outcome = "failed"
        try:
            results = self._answer(fields)
            outcome = "answered"
            return results
        except InputError as error:
            outcome = "refused"
            message = str(error).replace("max_seq_length", "max_seq_len")
            message = _FIELD.sub(r"'\1'", _TEXTS.sub("data", message))
            raise InputError(message) from None
        except Busy:
            outcome = "busy"
            raise
        finally:
            with self._lock:
                self._counts[outcome] += 1

    def _answer(self, fields):
        operations = self.operations
        asked = read_request(fields, operations.tasks, operations.default, self.settings)
        operations.check(asked.call)
        answers = self.collector.ask(asked.call, asked.items)
        return [operations.form(asked.call, answer, asked.return_prob) for answer in answers]

    def health(self):
        """What a health answer says; computes nothing."""
        operations = self.operations
        return {
            "name": self.name,
            "version": self.version,
            "kind": operations.kind,
            "tasks": list(operations.tasks),
            "labels": next(iter(operations.labels_of.values()), None),
            "labels_of": operations.labels_of,
            "engine": operations.engine,
            "precision": operations.precision,
            "process": os.getpid(),
            "uptime_seconds": round(time.time() - self._started, 1),
            "requests": dict(self._counts),
            "batches": self.collector.batches,
            "waiting": len(self.collector),
            "limits": {name: getattr(self.settings, name) for name in _LIMITS},
        }

    def close(self):
        """Answer what waits, then take no more."""
        self.collector.close()


def _nothing():
    pass
