"""A well-behaved file server over `RawServer`: the ground that misbehaviours are made from.

`FileApp.reply` makes the right answer to a request as data (`Reply`); a test may change any field of it before
`FileApp.send` puts it on the wire. So a misbehaviour is written as its difference from the right answer.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import partial

from .content import content, digest
from .raw import Connection, Handler, Request

OLD_DATE = "Tue, 02 Jan 2024 03:04:05 GMT"
_CHUNK = 1 << 18
_REASONS = {200: "OK", 206: "Partial Content", 304: "Not Modified", 404: "Not Found", 405: "Method Not Allowed"}
_REASONS |= {412: "Precondition Failed", 416: "Range Not Satisfiable", 429: "Too Many Requests"}
_REASONS |= {301: "Moved Permanently", 302: "Found", 307: "Temporary Redirect", 503: "Service Unavailable"}


@dataclass(slots=True)
class Reply:
    """An answer before it is sent: the body is bytes [start, end) of the app's file, or `literal`."""

    status: int = 200
    reason: str | None = None
    headers: list[tuple[str, str]] = field(default_factory=list)
    start: int = 0
    end: int = 0
    literal: bytes | None = None
    seed: int | None = None  # another file's bytes
    version: str = "HTTP/1.1"
    rate: float | None = None  # bytes a second; None: the app's
    close: bool = False

    def get(self, name: str) -> str | None:
        """The first value of a header, or None."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def set(self, name: str, value: str | None) -> Reply:
        """Replace a header (None removes it)."""
        self.headers = [pair for pair in self.headers if pair[0].lower() != name.lower()]
        if value is not None:
            self.headers.append((name, value))
        return self

    def add(self, name: str, value: str) -> Reply:
        """One more header, even where one of that name is there."""
        self.headers.append((name, value))
        return self

    @property
    def length(self) -> int:
        """Bytes of body."""
        return len(self.literal) if self.literal is not None else self.end - self.start

    def head(self) -> bytes:
        """The head as it goes out; header values may be any latin-1 text."""
        reason = _REASONS.get(self.status, "Whatever") if self.reason is None else self.reason
        lines = [f"{self.version} {self.status:03d} {reason}", *(f"{name}: {value}" for name, value in self.headers)]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


Hook = Callable[[Connection, Request, Reply], Reply | None]


@dataclass(slots=True)
class FileApp:
    """Serves one file: single ranges, If-Range, If-None-Match, HEAD, keep-alive, pipelined requests.

    `rate` is bytes a second per connection; `head_delay` seconds before each head; of `most` requests at a time more
    are answered with `over` (429, 503, 0 for a reset, None for no answer ever) and `retry_after`. `hook` may change an
    answer, or send its own and return None."""

    size: int = 100_000
    seed: int = 1
    etag: str | None = '"v1"'
    last_modified: str | None = OLD_DATE
    ranges: bool = True
    conditional: bool = True  # If-None-Match and If-Modified-Since mean something to it
    rate: float | None = None
    head_delay: float = 0.0
    most: int | None = None
    over: int | None = 429
    retry_after: str | None = None
    extra: tuple[tuple[str, str], ...] = ()
    hook: Hook | None = None
    data: bytes | None = None  # the file itself, instead of the seed's
    memory: dict[str, int] = field(default_factory=dict)  # what a misbehaviour has to remember
    versions: list[bytes] = field(default_factory=list)  # earlier contents, each right as a whole
    served: set[Connection] = field(default_factory=set)  # those who are being answered
    peak: int = 0
    met: int = 0  # how often a misbehaviour was really shown
    count: int = 0  # requests so far
    lock: threading.RLock = field(default_factory=threading.RLock)

    def bytes(self, start: int = 0, end: int | None = None) -> bytes:
        """Bytes [start, end) of the file."""
        if self.data is not None:
            return self.data[start:end]
        return content(self.seed, start, self.size if end is None else end)

    def sha256(self) -> str:
        """Its digest in hex."""
        return digest(self.seed, self.size)

    def change(self, *, size: int | None = None, etag: str | None = None) -> None:
        """The file becomes another one (of another size) under the same name."""
        self.versions.append(self.bytes())
        self.seed += 1000
        self.size = size or self.size
        self.etag = etag or (self.etag and f'"v{self.seed}"')

    # --- the right answer --------------------------------------------------------------------------------

    def reply(self, request: Request) -> Reply:
        """The answer that RFC 9110 asks for."""
        reply = Reply(200, end=self.size)
        reply.add("Date", formatdate(usegmt=True)).add("Content-Type", "application/octet-stream")
        if self.etag is not None:
            reply.add("ETag", self.etag)
        if self.last_modified is not None:
            reply.add("Last-Modified", self.last_modified)
        for name, value in self.extra:
            reply.add(name, value)
        if request.method not in ("GET", "HEAD"):
            return self.short(405)
        if self.conditional and self._unchanged(request):
            reply.status, reply.end = 304, 0
            return reply
        if self.ranges:
            reply.add("Accept-Ranges", "bytes")
            self._apply_range(request, reply)
        reply.add("Content-Length", str(reply.length))
        return reply

    def _unchanged(self, request: Request) -> bool:
        """RFC 9110 13.2.2: If-None-Match decides; If-Modified-Since only where it is absent."""
        tag, since = request.get("if-none-match"), request.get("if-modified-since")
        if tag is not None:
            return self.etag is not None and self.etag in (part.strip() for part in tag.split(","))
        return since is not None and since == self.last_modified

    def _apply_range(self, request: Request, reply: Reply) -> None:
        asked, condition = request.range, request.get("if-range")
        if asked is None or (condition is not None and condition not in (self.etag, self.last_modified)):
            return
        start, end = asked[0], min(self.size, asked[1] or self.size)
        if start >= self.size or end <= start:
            reply.status, reply.end = 416, 0
            reply.set("Content-Range", f"bytes */{self.size}")
            return
        reply.status, reply.start, reply.end = 206, start, end
        reply.set("Content-Range", f"bytes {start}-{end - 1}/{self.size}")

    def short(self, status: int, text: bytes = b"no\n", *headers: tuple[str, str], kind: str = "text/plain") -> Reply:
        """A short text answer."""
        fields = [("Content-Type", kind), *headers, ("Content-Length", str(len(text)))]
        return Reply(status, headers=fields, literal=text)

    # --- on the wire -------------------------------------------------------------------------------------

    def pieces(self, reply: Reply, step: int = _CHUNK) -> Iterator[bytes]:
        """The body in pieces."""
        if reply.literal is not None:
            yield reply.literal
            return
        seed = self.seed if reply.seed is None else reply.seed
        for at in range(reply.start, reply.end, step):
            end = min(reply.end, at + step)
            yield content(seed, at, end) if self.data is None else self.data[at:end]

    def send(self, connection: Connection, reply: Reply, *, body: bool = True, limit: int | None = None) -> None:
        """Send an answer; `limit` stops after so many bytes of body."""
        if connection.current is not None:
            connection.current.status = reply.status
        connection.send(reply.head())
        if body:
            self.send_body(connection, reply, limit)
        if reply.close:
            connection.finish()

    def send_body(self, connection: Connection, reply: Reply, limit: int | None = None) -> None:
        """Send the body alone."""
        left = reply.length if limit is None else min(limit, reply.length)
        for piece in self.pieces(reply):
            if left <= 0:
                return
            rate = self.rate if reply.rate is None else reply.rate
            # Who has the whole answer may ask again before this thread gets any further.
            last = len(piece) >= left
            connection.body(piece[:left], rate, partial(self._leave, connection) if last else lambda: None)
            left -= len(piece)

    @contextlib.contextmanager
    def _place(self, connection: Connection) -> Iterator[bool]:
        with self.lock:
            self.served = {each for each in self.served if each.there} | {connection}
            self.peak = max(self.peak, len(self.served))
            free = self.most is None or len(self.served) <= self.most
        try:
            yield free
        finally:
            self._leave(connection)

    def _leave(self, connection: Connection) -> None:
        with self.lock:
            self.served.discard(connection)

    def meet(self) -> int:
        """Count that the misbehaviour was shown; gives the count so far, from 1."""
        with self.lock:
            self.met += 1
            return self.met

    def answer(self, connection: Connection, request: Request) -> None:
        """Answer one request rightly, with the app's pace, limits and hook."""
        with self.lock:
            self.count += 1
        connection.pause(self.head_delay)
        with self._place(connection) as free:
            if not free:
                self.meet()
                return self._refuse(connection)
            reply: Reply | None = self.reply(request)
            if self.hook is not None and reply is not None:
                reply = self.hook(connection, request, reply)
            if reply is not None and connection.open:
                self.send(connection, reply, body=request.method != "HEAD")
        if (request.get("connection") or "").lower() == "close" and connection.open:
            connection.finish()

    def _refuse(self, connection: Connection) -> None:
        if self.over is None:
            self._leave(connection)
            return connection.hold()
        if not self.over:
            return connection.reset()
        headers = [("Retry-After", self.retry_after)] if self.retry_after is not None else []
        self.send(connection, self.short(self.over, b"too many\n", *headers))

    def handle(self, connection: Connection) -> None:
        """The handler to give to RawServer."""
        serve(connection, self.answer)


Answer = Callable[[Connection, Request], None]


def serve(connection: Connection, answer: Answer) -> None:
    """Answer requests until one side closes."""
    while connection.open and (request := connection.receive()) is not None:
        answer(connection, request)


def site(routes: dict[str, Answer]) -> Handler:
    """A handler that knows several paths (the query is ignored; a key ending in `/` takes all below it); else 404."""
    nowhere = FileApp()

    def answer(connection: Connection, request: Request) -> None:
        path = request.target.partition("?")[0]
        found = routes.get(path) or next(
            (to for key, to in routes.items() if key.endswith("/") and path.startswith(key)), None
        )
        if found is not None:
            return found(connection, request)
        nowhere.send(connection, nowhere.short(404))

    return lambda connection: serve(connection, answer)
