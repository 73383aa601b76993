"""How a host may answer for a file: well, slowly, falsely, or not at all. Each gives an answer for `World.put`."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from internet.world import Throttle
from servers.files import Answer, FileApp, Reply
from servers.raw import Connection, Request

PIECE = 32 * 1024
CHALLENGE = b"<!doctype html><html><title>Just a moment...</title>" + b"<p>checking your browser</p>" * 40 + b"</html>"
MIDDLE = 128 * 1024  # bytes of an answer from which on a cautious liar lies

Alter = Callable[[Reply, int, bytes], bytes]


@dataclass(slots=True)
class Served(FileApp):
    """A file at one host: its own ETag, its own line (`throttle`), and what it does to the bytes (`alter`)."""

    throttle: Throttle | None = None
    alter: Alter | None = None
    dies_after: int | None = None  # bytes of body, over all connections
    dead: threading.Event = field(default_factory=threading.Event)
    sent: int = 0

    def answer(self, connection: Connection, request: Request) -> None:
        """As FileApp, but for the dead."""
        if self.dead.is_set():
            return connection.reset()
        FileApp.answer(self, connection, request)

    def send_body(self, connection: Connection, reply: Reply, limit: int | None = None) -> None:
        """Piece by piece, at the pace of the line."""
        at, left = reply.start, reply.length if limit is None else min(limit, reply.length)
        for whole in self.pieces(reply, PIECE):
            piece = whole[:left]
            if not piece:
                return
            if self.alter is not None and reply.literal is None:
                piece = self.alter(reply, at, piece)
            if self.throttle is not None:
                self.throttle.pass_through(connection, len(piece))
            if self._dies(len(piece)):
                return connection.reset()
            connection.body(piece)
            at, left = at + len(piece), left - len(piece)

    def _dies(self, count: int) -> bool:
        with self.lock:
            self.sent += count
            if self.dies_after is not None and self.sent > self.dies_after:
                self.dead.set()
        return self.dead.is_set()


def honest(data: bytes, etag: str = '"mirror-1"', *, throttle: Throttle | None = None) -> Served:
    """The right bytes, with ranges."""
    return Served(size=len(data), data=data, etag=etag, throttle=throttle)


def dying(data: bytes, after: int) -> Served:
    """Resets every connection once it has sent so many bytes, and from then on."""
    return Served(size=len(data), data=data, etag='"mirror-2"', dies_after=after)


def altering(data: bytes, how: str, *, throttle: Throttle | None = None) -> Served:
    """Lies: "first" (the first byte of each answer), "all", or "middle" (bytes inside of large answers only)."""
    return Served(size=len(data), data=data, etag='"mirror-3"', alter=ALTER[how], throttle=throttle)


def _first(reply: Reply, at: int, piece: bytes) -> bytes:
    return bytes([piece[0] ^ 1]) + piece[1:] if at == reply.start else piece


def _all(reply: Reply, at: int, piece: bytes) -> bytes:
    return piece.translate(_FLIPPED)


def _middle(reply: Reply, at: int, piece: bytes) -> bytes:
    inside = reply.start + MIDDLE // 2 - at
    if reply.length < MIDDLE or not 0 <= inside < len(piece):
        return piece
    return piece[:inside] + bytes([piece[inside] ^ 0x20]) + piece[inside + 1 :]


_FLIPPED = bytes(value ^ 0xFF for value in range(256))
ALTER: dict[str, Alter] = {"first": _first, "all": _all, "middle": _middle}


def text(body: bytes | str, status: int = 200, kind: str = "application/json", *fields: tuple[str, str]) -> Answer:
    """One and the same text for every request, whatever its range, the answer to POST included."""
    literal = body.encode() if isinstance(body, str) else body
    app = FileApp()

    def answer(connection: Connection, request: Request) -> None:
        connection.skip(int(request.get("content-length") or 0))
        reply = app.short(status, literal, *fields, kind=kind)
        app.send(connection, reply, body=request.method != "HEAD")

    return answer


def challenge(status: int) -> Answer:
    """A page for browsers, in place of the file."""
    return text(CHALLENGE, status, "text/html; charset=utf-8")


def redirecting(location: str, status: int = 302, *fields: tuple[str, str]) -> Answer:
    """Sends everybody elsewhere."""
    return text(b"", status, "text/plain", ("Location", location), *fields)


def silent(connection: Connection, request: Request) -> None:
    """Takes the request and never says a word."""
    connection.hold()


def head_only(data: bytes) -> Answer:
    """A right head, and then nothing."""
    app = Served(size=len(data), data=data, etag='"mirror-4"')

    def answer(connection: Connection, request: Request) -> None:
        reply = app.reply(request)
        app.send(connection, reply, body=False)
        connection.hold()

    return answer


def endless(kind: str = "application/json") -> Answer:
    """Bytes without an end, and no Content-Length."""

    def answer(connection: Connection, request: Request) -> None:
        connection.send(f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nConnection: close\r\n\r\n".encode())
        while connection.open:
            connection.body(b" " * PIECE)

    return answer


def noticed(answer: Answer) -> tuple[Answer, threading.Event]:
    """The same answer, and an event that is set when it is first asked for."""
    met = threading.Event()

    def noting(connection: Connection, request: Request) -> None:
        met.set()
        answer(connection, request)

    return noting, met
