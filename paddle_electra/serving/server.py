"""A threaded HTTP server with a bound on its threads, which ends without breaking off answers."""

import errno
import os
import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler

from ..errors import InputError

_LOOK = 0.2  # seconds between two looks at whether the server was stopped
_BACKLOG = 512  # connections that the system keeps until there is a thread for them


class Server(BaseWSGIServer):
    """Serves a WSGI application.

    A connection is one request and has one thread.

    Args:
        app: the application.
        host, port: where to listen; port 0 takes a free one, ``port`` says which.
        threads: requests read and answered at once; more connections wait to be read.
        read_seconds: how long a client may send nothing.
    Raises:
        InputError: the address cannot be had.
    """

    multithread = True

    def __init__(self, app, host, port, threads=256, read_seconds=30.0):
        handler = type("Handler", (_Handler,), {"timeout": read_seconds})
        with _listen(host, port) as listening:
            super().__init__(host, port, app, handler, fd=listening.fileno())
        self._free, self._stopped = threading.Semaphore(threads), threading.Event()
        self._pool = ThreadPoolExecutor(threads, "request")

    def process_request(self, request, client_address):
        """Hand a connection to a thread, when there is one."""
        while not self._free.acquire(timeout=_LOOK):
            if self._stopped.is_set():
                self.shutdown_request(request)
                return
        self._pool.submit(self._handle, request, client_address)

    def _handle(self, request, client_address):
        try:
            self.finish_request(request, client_address)
        except Exception:
            self.handle_error(request, client_address)
        finally:
            self.shutdown_request(request)
            self._free.release()

    def stop(self):
        """Accept nothing more; `run` returns when what was accepted is answered."""
        self._stopped.set()
        threading.Thread(target=self.shutdown, daemon=True).start()

    def run(self):
        """Serve until `stop`, and answer what was accepted."""
        try:
            self.serve_forever(_LOOK)
        finally:
            self._stopped.set()
            self.server_close()
            self._pool.shutdown()

    def run_until_told(self):
        """`run` until SIGTERM or Ctrl-C; a second one ends the process at once.

        In another thread than the main one, which signals do not reach, just `run`.
        """
        if threading.current_thread() is not threading.main_thread():
            self.run()
            return
        signals, owner = (signal.SIGTERM, signal.SIGINT), os.getpid()

        def told(number, frame):
            for one in signals:
                signal.signal(one, signal.SIG_DFL)
            if os.getpid() == owner:
                self.stop()
            else:  # a forked process, which this server does not run in
                os.kill(os.getpid(), number)

        before = {one: signal.signal(one, told) for one in signals}
        try:
            self.run()
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)


class _Handler(WSGIRequestHandler):
    def log_request(self, code="-", size="-"):
        """Not a line for every request."""

    def version_string(self):
        return "paddle-electra"


def _listen(host, port):
    if not host:
        raise InputError("host: empty, which would be every address; name one, such as 127.0.0.1")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, int(port)), family=family, backlog=_BACKLOG)
    except OverflowError:
        raise InputError(f"port {port}: expected 0 to 65535") from None
    except OSError as error:
        what = "in use" if error.errno == errno.EADDRINUSE else error.strerror
        raise InputError(f"{host}, port {port}: cannot listen there: {what}") from None
