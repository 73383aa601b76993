"""A server on loopback that sends as fast as it may and writes down what has arrived when.

What a client's rate limit does is judged by what reaches its machine: bytes that were handed to a socket, without
those that the client's side has not acknowledged yet (Linux tells; elsewhere the small send buffers bound the error).
The client's own receive buffers count as arrived, as they would on a real link.
"""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import sys
import threading
import time
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

_EVERY = 0.01  # seconds between two samples
_SEND_BUFFER = 64 * 1024
_PIECE = 16 * 1024
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


@dataclass(frozen=True, slots=True)
class Arrivals:
    """What had arrived in all (`counts`, bytes) at which `times` (seconds, ascending)."""

    times: Sequence[float]
    counts: Sequence[int]

    def at(self, time: float) -> int:
        """Bytes that had arrived at `time`."""
        place = bisect_right(self.times, time)
        return self.counts[place - 1] if place else 0

    def mean(self) -> float:
        """Bytes a second from the last sample before the first byte to the sample that saw the last one."""
        first = max((at for at, count in enumerate(self.counts) if count == 0), default=0)
        last = next(at for at, count in enumerate(self.counts) if count == self.counts[-1])
        took = self.times[last] - self.times[first]
        return (self.counts[last] - self.counts[first]) / took if took > 0 else 0.0

    def largest(self, window: float) -> float:
        """The most bytes that came within `window` seconds, a second."""
        return max(count - self.at(time - window) for time, count in zip(self.times, self.counts, strict=True)) / window


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that gives a connection up is nothing to report."""


class Metered:
    """`with Metered(size) as server`: every path is a file of `size` zero bytes, until the block ends."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._sockets: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._sent = 0
        self._samples: list[tuple[float, int]] = []
        self._stop = threading.Event()
        self._http = _Server(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self._threads = [
            threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True),
            threading.Thread(target=self._sample, daemon=True),
        ]

    def url(self, name: str) -> str:
        """The address of a file; any name will do."""
        return f"http://127.0.0.1:{self._http.server_address[1]}/{name}"

    def __enter__(self) -> Metered:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._http.shutdown()
        self._http.server_close()
        for thread in self._threads:
            thread.join()

    def reset(self) -> None:
        """Forget what has arrived until now."""
        with self._lock:
            self._sent = 0
            self._samples = [(time.monotonic(), 0)]

    def arrivals(self) -> Arrivals:
        """All since the last reset."""
        self._take()
        with self._lock:
            return Arrivals([at for at, _ in self._samples], [count for _, count in self._samples])

    def send(self, connection: socket.socket, data: memoryview) -> None:
        """Send and count all of `data`."""
        while data:
            sent = connection.send(data)
            data = data[sent:]
            with self._lock:
                self._sent += sent

    def hold(self, connection: socket.socket, *, there: bool) -> None:
        """A connection has come, or is over."""
        with self._lock:
            (self._sockets.add if there else self._sockets.discard)(connection)

    def _sample(self) -> None:
        while not self._stop.wait(_EVERY):
            self._take()

    def _take(self) -> None:
        with self._lock:
            waiting = sum(_unacknowledged(connection) for connection in self._sockets)
            before = self._samples[-1][1] if self._samples else 0
            self._samples.append((time.monotonic(), max(before, self._sent - waiting)))


def _unacknowledged(connection: socket.socket) -> int:
    if sys.platform != "linux":
        return 0
    import fcntl
    import termios

    try:
        return int(struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, b"\0\0\0\0"))[0])
    except (OSError, ValueError):
        return 0  # it has just been closed


def _handler(server: Metered) -> type[BaseHTTPRequestHandler]:
    zeros = memoryview(bytes(_PIECE))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
            server.hold(self.connection, there=True)

        def finish(self) -> None:
            server.hold(self.connection, there=False)
            with contextlib.suppress(OSError):
                super().finish()

        def do_HEAD(self) -> None:
            self._head()

        def do_GET(self) -> None:
            start, end = self._head()
            with contextlib.suppress(OSError):
                while start < end:
                    count = min(_PIECE, end - start)
                    server.send(self.connection, zeros[:count])
                    start += count
                return
            self.close_connection = True

        def _head(self) -> tuple[int, int]:
            asked = _RANGE.fullmatch(self.headers.get("Range", ""))
            start = int(asked[1]) if asked else 0
            end = min(int(asked[2]) + 1, server.size) if asked and asked[2] else server.size
            self.send_response(206 if asked else 200)
            if asked:
                self.send_header("Content-Range", f"bytes {start}-{end - 1}/{server.size}")
            for name, value in (("Content-Length", str(end - start)), ("Accept-Ranges", "bytes"), ("ETag", '"zeros"')):
                self.send_header(name, value)
            self.end_headers()
            return start, end

        def log_message(self, *args: Any) -> None:
            """Nothing is logged: it would be measured too."""

    return Handler
