"""How far a server may run ahead of its reader: the receive window of one connection."""

from __future__ import annotations

import contextlib
import socket
import sys


def hold(sock: socket.socket, size: int) -> None:
    """Let the server send at most about `size` bytes before more is read, from now on; what it was promised before it
    still may send. Does nothing on a closed socket."""
    with contextlib.suppress(OSError):
        # Linux caps a buffer that is asked for, far below what long and fast lines need, but not this.
        if sys.platform == "linux":
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_WINDOW_CLAMP, size)
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
