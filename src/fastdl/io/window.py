"""How far a server may run ahead of its reader: the receive window of one connection."""

from __future__ import annotations

import contextlib
import socket
import sys


def hold(sock: socket.socket, size: int) -> None:
    """Let the server send at most about `size` bytes before more is read, from now on, but two segments in any case;
    what it was promised before it still may send. Does nothing on a closed socket."""
    with contextlib.suppress(OSError):
        # A window of less than a full segment lets a sender wait for its timer (RFC 9293, section 3.8.6.2.1). Between
        # processes of one machine a segment has 32 or 64 KiB: 12 KB five times a second was all that came.
        size = max(size, 2 * _segment(sock))
        # Linux caps a buffer that is asked for, far below what long and fast lines need, but not this.
        if sys.platform == "linux":
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_WINDOW_CLAMP, size)
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)


def _segment(sock: socket.socket) -> int:
    """Bytes that one packet of the connection can carry, as far as the system tells; else 0."""
    option = getattr(socket, "TCP_MAXSEG", None)  # not on every Windows
    return sock.getsockopt(socket.IPPROTO_TCP, option) if option is not None else 0
