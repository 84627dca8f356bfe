"""Data parallelism over any number of processes, which Paddle's launcher starts:

    python -m paddle.distributed.launch --nproc_per_node 2 paddle-electra pretrain ...

Every process (rank) computes the gradients of its part of a batch; their sum is exchanged once a
step, after the last micro-step.  Backends are fleet's: nccl between GPUs, gloo between CPUs.
"""

import contextlib
import functools
import os
import signal
import socket
import stat
import time

import paddle
import paddle.distributed as dist

from ..errors import InputError
from .interrupts import SIGNALS
from .pulse import BROKEN, Pulse, reason_of

BUCKET = 32 * 2**20  # numbers exchanged at once: 128 MB of float32
# The launcher looks once a second for the process that died; those that only lost their partner
# wait, so that it is the dead one's log that it names.
_GRACE = 6.0
# A launcher that was killed ends nobody; this long its processes wait for one another.
_PATIENCE = 30.0
_UNANSWERED = 60  # seconds until a connection whose other end is silent is given up
_MEETING, _PARTING = "paddle-electra/meeting", "paddle-electra/parting"


class World:
    """The processes of a job.  ``rank`` counts from 0; rank 0 writes files and messages.

    One process alone is a world of size 1, in which nothing is exchanged.

    Args:
        store: Paddle's, by which the processes meet.
        pulse: the `Pulse` of this process, or None.
    """

    def __init__(self, rank=0, size=1, store=None, pulse=None):
        self.rank, self.size = rank, size
        self._store, self._pulse = store, pulse
        self._met = self._parted = 0
        self._parent = os.getppid()

    @property
    def is_main(self):
        """Is this the rank that writes?"""
        return self.rank == 0

    @property
    def is_deserted(self):
        """Has the launcher of this job been killed?  Then nobody else would end it."""
        launched = "PADDLE_LOG_DIR" in os.environ  # and not started by hand
        return self.size > 1 and launched and os.getppid() != self._parent

    def sum(self, numbers):
        """The element-wise sums, as floats, of a list of numbers of every rank."""
        if self.size == 1:
            return [float(number) for number in numbers]
        tensor = paddle.to_tensor([float(number) for number in numbers], dtype="float64")
        self._exchange(dist.all_reduce, tensor)
        return tensor.tolist()

    @paddle.no_grad()
    def sum_gradients(self, parameters):
        """Replace every gradient by its sum over the ranks, in buckets; missing ones are zeros.

        All are float32, also those of weights in half precision: every rank must exchange the same.
        """
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = paddle.zeros(parameter.shape, "float32")
            elif parameter.grad.dtype != paddle.float32:
                parameter.grad = parameter.grad.astype("float32")
        if self.size == 1:
            return
        for bucket in _buckets([parameter.grad for parameter in parameters]):
            flat = paddle.concat([gradient.flatten() for gradient in bucket])
            self._exchange(dist.all_reduce, flat)
            pieces = flat.split([gradient.size for gradient in bucket])
            for gradient, piece in zip(bucket, pieces, strict=True):
                paddle.assign(piece.reshape(gradient.shape), gradient)

    def gather(self, value):
        """[value of rank 0, of rank 1, ...] of any object, on every rank."""
        if self.size == 1:
            return [value]
        values = []
        self._exchange(dist.all_gather_object, values, value)
        return values

    def wait(self):
        """Return when every rank has called this, however long one takes.

        Between CPUs all exchanges begin so: gloo gives up a partner that is late by 30 seconds,
        which no setting changes.
        """
        if self.size == 1:
            return
        with _partners():
            self._met += 1
            self._add(_MEETING, 1)
            began = time.monotonic()
            while not self._reached(_MEETING, self._met * self.size):
                if self.is_deserted and time.monotonic() - began > _PATIENCE:
                    raise OSError("and so has the launcher")

    def leave(self):
        """End this process's part in the job: rank 0, by which all meet, is the last to go."""
        if self.size == 1:
            return
        if self._pulse is not None:
            self._pulse.stop()
        with _partners():
            if not self.is_main:
                self._add(_PARTING, 1)
                return
            self._parted += self.size - 1
            began = time.monotonic()
            while time.monotonic() - began < _PATIENCE:
                if self._reached(_PARTING, self._parted):
                    return

    def _reached(self, key, count, seconds=0.05):
        """Whether a counter of the job is, within some time, at ``count``."""
        pause, end = 0.0005, time.monotonic() + seconds
        while self._add(key, 0) < count:
            if time.monotonic() > end:
                return False
            time.sleep(pause)
            pause = min(2 * pause, 0.02)
        return True

    def _add(self, key, number):
        """Add to a counter of the job; returns where it is then."""
        with _signals_held():
            return self._store.add(key, number)

    def _exchange(self, function, *arguments):
        """Call one of Paddle's collectives when all are ready for it."""
        if not paddle.device.get_device().startswith("gpu"):
            self.wait()
        with _partners(), _signals_held():
            function(*arguments)

    def check_same(self, make, what):
        """Raise `InputError` if ``make()``, a text, is not the same on every rank."""
        if self.size == 1:
            return
        values = self.gather(make())
        for rank, other in enumerate(values):
            if other != values[0]:
                raise InputError(
                    f"{what} of process {rank} is not that of process 0; every process of the job "
                    f"must be given the same command and see the same files"
                )


def _buckets(gradients):
    bucket, size = [], 0
    for gradient in gradients:
        if bucket and (size + gradient.size > BUCKET or gradient.dtype != bucket[0].dtype):
            yield bucket
            bucket, size = [], 0
        bucket.append(gradient)
        size += gradient.size
    if bucket:
        yield bucket


@contextlib.contextmanager
def _signals_held():
    """Let Ctrl-C and SIGTERM wait: Paddle takes a call that a signal falls into for a lost
    connection."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _partners():
    """Turn a broken connection to the other processes into an `InputError`."""
    try:
        yield
    except BROKEN as error:
        time.sleep(_GRACE)
        logs = os.environ.get("PADDLE_LOG_DIR", "log")
        raise InputError(
            f"another process of this job has ended ({reason_of(error)}); its log is among "
            f"{logs}/workerlog.*. The same command resumes from the last checkpoint"
        ) from error


def set_connections():
    """Set the TCP connections that this process has: prompt, and broken when a machine vanishes.

    Paddle's store sends a request in pieces of a few bytes; with Nagle's algorithm every request
    waits some 40 ms for an acknowledgement, which is half of a small model's step.  A partner whose
    machine is gone answers nothing, and Linux tries for a quarter of an hour.
    """
    folder = "/proc/self/fd"
    for name in os.listdir(folder) if os.path.isdir(folder) else ():
        with contextlib.suppress(OSError):  # closed meanwhile, or of another kind
            if not stat.S_ISSOCK(os.stat(f"{folder}/{name}").st_mode):
                continue
            with socket.socket(fileno=os.dup(int(name))) as connection:
                if connection.family in (socket.AF_INET, socket.AF_INET6):
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _UNANSWERED)
                    connection.setsockopt(
                        socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 1000 * _UNANSWERED
                    )


def place_on_machine():
    """(number of this process, how many there are) among the job's processes on this machine."""
    variables = ("PADDLE_TRAINERS_NUM", 1), ("PADDLE_LOCAL_RANK", 0), ("PADDLE_LOCAL_SIZE", 1)
    job, rank, size = (int(os.environ.get(*variable)) for variable in variables)
    return (rank, size) if job > 1 and rank < size else (0, 1)


@functools.cache
def join_world():
    """The one `World` of this process, as the launcher's environment describes it; joins it
    through fleet.

    Raises:
        InputError: the other processes cannot be reached.
    """
    size = int(os.environ.get("PADDLE_TRAINERS_NUM", "1"))
    if size == 1:
        return World()
    if not dist.is_initialized():
        from paddle.distributed import fleet

        if paddle.device.get_device() == "cpu":
            # Else a Paddle for GPUs takes them, whatever device was chosen.
            os.environ.setdefault("PADDLE_DISTRI_BACKEND", "gloo")
        with _partners():
            fleet.init(is_collective=True, log_level="WARNING")
    store = paddle.base.core.create_or_get_global_tcp_store()
    set_connections()
    rank, size = dist.get_rank(), dist.get_world_size()
    return World(rank, size, store, Pulse(rank, size, _another_connection, _GRACE))


def _another_connection():
    """To the job's store, where Paddle's own finds it; one for a thread of its own."""
    first = os.environ.get("PADDLE_TRAINER_ENDPOINTS", "").split(",")[0]
    host, _, port = os.environ.get("PADDLE_MASTER", first).rpartition(":")
    store = paddle.base.core.TCPStore(host, int(port), False, 0, int(_PATIENCE))
    set_connections()
    return store
