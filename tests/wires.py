"""One end of a connection in the hands of a test, the raw reader at the other."""

from __future__ import annotations

import socket
import threading
from typing import Any

from fastdl.core.urls import parse_url
from fastdl.io.channel import Request
from fastdl.io.wire import WireChannel

URL = parse_url("http://example.org:8080/dir/file?x=1")
OK = b'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: "v"\r\n\r\n'


def request(start: int = 0, end: int | None = None, **more: Any) -> Request:
    return Request(URL, start, end, more.get("ranged", True), more.get("if_range"), more.get("headers", ()))


class Line:
    """A channel and the other end of its connection."""

    def __init__(self, **options: Any) -> None:
        near, self.far = socket.socketpair()
        self.far.settimeout(10)
        self.closed = 0
        self._pushing: list[threading.Thread] = []
        self.channel = WireChannel(near, rtt=0.01, peer="192.0.2.1", timeout=10, on_close=self._count, **options)

    def _count(self) -> None:
        self.closed += 1

    def says(self, data: bytes, *, end: bool = False) -> WireChannel:
        """The server sends `data` (at once, or from a thread where it is much), and closes if `end`."""
        if len(data) < 32 * 1024:
            self.far.sendall(data)
            if end:
                self.far.shutdown(socket.SHUT_WR)
        else:
            self._pushing.append(threading.Thread(target=self._push, args=(data, end), daemon=True))
            self._pushing[-1].start()
        return self.channel

    def _push(self, data: bytes, end: bool) -> None:
        try:
            self.far.sendall(data)
            if end:
                self.far.shutdown(socket.SHUT_WR)
        except OSError:
            return

    def heard(self) -> bytes:
        return self.far.recv(65536)

    def close(self) -> None:
        self.channel.close()
        for pushing in self._pushing:
            pushing.join(10)  # else it might go on with a descriptor that is another test's by then
        self.far.close()


def body(channel: WireChannel, window: int = 4096) -> bytes:
    view, out = memoryview(bytearray(window)), b""
    while count := channel.read_into(view):
        out += bytes(view[:count])
    return out
