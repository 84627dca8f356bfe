import socket
import sys

import pytest

from paddle_electra.training.parallel import send_at_once


@pytest.mark.skipif(sys.platform != "linux", reason="lists its files in /proc")
def test_small_messages_to_other_processes_do_not_wait_for_company():
    """Each of the store's many small pieces would wait for the one before it to be acknowledged."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as ours,
        server.accept()[0] as theirs,
    ):
        ends = (ours, theirs)
        assert not any(end.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) for end in ends)
        send_at_once()
        assert all(end.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) for end in ends)
        ours.sendall(b"still open")
        assert theirs.recv(10) == b"still open"
