"""The servers of `fastdl demo`: they speak just enough HTTP to serve one generated file, in ranges and at a set rate.

The file is never held or written: every byte follows from its offset, so that 48 MiB cost one, and three servers have
the same file without sharing anything. One of them may lie: what it sends has the right length and the wrong bytes.
The benches use the same servers, each in a process of its own.
"""

from __future__ import annotations

import hashlib
import random
import re
import threading
import time
from collections.abc import Callable, Iterator
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from fastdl.core.hints import Any

BLOCK = 1024 * 1024
PIECE = 16 * 1024
LIE = 64 * 1024  # a liar alters one byte in every so many
GRACE = 0.05  # seconds that a sender may wake up late without loss of rate
RANGE = re.compile(r"bytes=(\d{1,18})-(\d{0,18})")  # one range with a first position is all that fastdl asks for


class Content:
    """`size` bytes that look random and are the same for every instance. Block i is one random block turned by i
    bytes, so no two blocks are alike and any piece is a slice."""

    def __init__(self, size: int) -> None:
        self.size = size
        block = random.Random(20240229).randbytes(BLOCK)
        self.twice = memoryview(block + block)

    def pieces(self, start: int, end: int) -> Iterator[memoryview]:
        """The bytes [start, end) in pieces of PIECE at most."""
        while start < end:
            block, offset = divmod(start, BLOCK)
            length = min(PIECE, end - start, BLOCK - offset)
            at = offset + block % BLOCK
            yield self.twice[at : at + length]
            start += length

    @cached_property
    def sha256(self) -> str:
        digest = hashlib.sha256()
        for piece in self.pieces(0, self.size):
            digest.update(piece)
        return digest.hexdigest()


def honest(pieces: Iterator[memoryview], start: int, end: int) -> Iterator[memoryview]:
    """The bytes as they are."""
    return pieces


def altering(pieces: Iterator[memoryview], start: int, end: int) -> Iterator[memoryview]:
    """One byte altered in every LIE bytes of the file, wherever an answer begins: size and head give no sign."""
    for piece in pieces:
        at = -(start + 1) % LIE  # from here to the last byte of this stretch of LIE bytes
        yield _altered(piece, at) if at < len(piece) else piece
        start += len(piece)


def sparse(pieces: Iterator[memoryview], start: int, end: int) -> Iterator[memoryview]:
    """One byte altered in each answer, somewhere in its first MiB; where exactly follows from where it begins."""
    at = start * 2654435761 % min(BLOCK, end - start)
    for piece in pieces:
        yield _altered(piece, at) if 0 <= at < len(piece) else piece
        at -= len(piece)


def _altered(piece: memoryview, at: int) -> memoryview:
    changed = bytearray(piece)
    changed[at] ^= 1
    return memoryview(changed)


Conduct = Callable[[Iterator[memoryview], int, int], Iterator[memoryview]]


class Pace:
    """Lets `rate` bytes a second pass, for any number of threads together; None lets all pass."""

    def __init__(self, rate: float | None) -> None:
        self.rate = rate
        self.lock = threading.Lock()
        self.free_at = time.monotonic()

    def wait(self, count: int, stop: threading.Event) -> None:
        """Returns when `count` bytes may go, or when `stop` is set."""
        if self.rate is None:
            return
        with self.lock:
            now = time.monotonic()
            start = max(now - GRACE, self.free_at)
            self.free_at = start + count / self.rate
        if start > now:
            stop.wait(start - now)


class DemoServer:
    """One server on loopback with a thread for each connection; `rate` (bytes a second, None: no limit) holds for all
    connections together, and one connection gets the part `share` of it at most. `conduct` says what becomes of the
    bytes on their way out, `handler` what it answers."""

    def __init__(
        self,
        content: Content,
        rate: float | None,
        share: float = 0.5,
        conduct: Conduct = honest,
        handler: type[Handler] | None = None,
        port: int = 0,
    ) -> None:
        self.content = content
        self.conduct = conduct
        self.stop = threading.Event()
        self.pace = Pace(rate)
        self.share = None if rate is None or share >= 1 else rate * share
        own = type("Handler", (handler or Handler,), {"server_of_demo": self})
        self.http = _Server(("127.0.0.1", port), own)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/demo.bin"
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    def close(self) -> None:
        """Ends the server and its connections."""
        self.stop.set()
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in mid-answer is nothing to report."""


class Handler(BaseHTTPRequestHandler):
    """One connection: GET of the one file, whole or in one range."""

    protocol_version = "HTTP/1.1"
    server_version = "fastdl-demo"
    timeout = 60
    disable_nagle_algorithm = True
    server_of_demo: DemoServer
    marks: tuple[tuple[str, str], ...] = (("ETag", '"demo-1"'),)

    def do_GET(self) -> None:
        demo = self.server_of_demo
        size = demo.content.size
        start, end, status = 0, size, 200
        asked = RANGE.fullmatch(self.headers.get("Range", ""))
        if asked is not None:
            start, end, status = int(asked[1]), min(size, int(asked[2] or size - 1) + 1), 206
        if start >= end:
            self._head(416, 0, f"bytes */{size}")
            return
        self._head(status, end - start, f"bytes {start}-{end - 1}/{size}" if status == 206 else None)
        self._send(start, end)

    def _send(self, start: int, end: int) -> None:
        """The bytes of one answer, as fast as they may go."""
        demo = self.server_of_demo
        own = Pace(demo.share)
        for piece in demo.conduct(demo.content.pieces(start, end), start, end):
            own.wait(len(piece), demo.stop)
            demo.pace.wait(len(piece), demo.stop)
            if demo.stop.is_set():
                self.close_connection = True
                return
            self.wfile.write(piece)

    def _head(self, status: int, length: int, content_range: str | None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(length))
        self.send_header("Accept-Ranges", "bytes")
        for name, value in self.marks:
            self.send_header(name, value)
        if content_range is not None:
            self.send_header("Content-Range", content_range)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Keeps quiet: the screen belongs to the demo."""
