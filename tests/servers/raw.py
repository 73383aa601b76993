"""A threaded loopback server on raw sockets, where a test decides about every byte.

HTTP libraries cannot break HTTP. Here each connection runs a handler function that is given a `Connection`; what it
sends goes out as it is. The server logs every request and counts the body bytes that the kernel really took.
"""

from __future__ import annotations

import contextlib
import re
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType

Handler = Callable[["Connection"], None]
_MAX_HEAD = 1 << 20
_BURST = 0.01  # seconds that a paced connection may lag behind and catch up
_WITHOUT_WAITING = getattr(socket, "MSG_DONTWAIT", 0)
_CLOSE_WITHIN = 10.0  # seconds that threads get to end when the server closes


class Gone(OSError):
    """The client went away, or the server is closing; handlers let it pass."""


@dataclass(frozen=True, slots=True)
class Request:
    """A parsed request head: header names are lower-case, values are latin-1 text; `raw` is what came."""

    method: str
    target: str
    version: str
    headers: tuple[tuple[str, str], ...]
    raw: bytes

    def get(self, name: str) -> str | None:
        """The first value of a header, or None."""
        return next((value for key, value in self.headers if key == name.lower()), None)

    @property
    def range(self) -> tuple[int, int | None] | None:
        """(start, end exclusive or None) of a single `bytes=a-b` or `bytes=a-`; None for anything else."""
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.get("range") or "")
        if match is None:
            return None
        return int(match[1]), int(match[2]) + 1 if match[2] else None


@dataclass(slots=True)
class Exchange:
    """One line of the log. `body` counts the body bytes that the kernel took for this request so far."""

    connection: int
    request: Request
    local_port: int
    status: int = 0
    body: int = 0

    @property
    def range(self) -> tuple[int, int | None] | None:
        """The range that was asked for."""
        return self.request.range


def parse_request(raw: bytes) -> Request:
    """Parse a request head leniently: the clients under test are judged by what they sent, not by this parser."""
    lines = raw.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, _, rest = lines[0].partition(" ")
    target, _, version = rest.rpartition(" ")
    fields = tuple(
        (name.strip().lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines[1:])
    )
    return Request(method, target, version, fields, raw)


class Connection:
    """One accepted connection, used by one thread; `number` counts from 1, `served` is the number of requests read."""

    def __init__(self, server: RawServer, sock: socket.socket, number: int, local_port: int) -> None:
        self.server = server
        self.sock = sock
        self.number = number
        self.local_port = local_port
        self.served = 0
        self.open = True
        self.current: Exchange | None = None
        self._buffer = b""
        self._due = 0.0

    def receive(self) -> Request | None:
        """The next request head; None when the client has closed, or the server closes."""
        while b"\r\n\r\n" not in self._buffer:
            if not self.open or len(self._buffer) > _MAX_HEAD:
                return None
            try:
                data = self.sock.recv(65536)
            except OSError:
                return None
            if not data:
                return None
            self._buffer += data
        raw, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        request = parse_request(raw)
        self.served += 1
        self.current = Exchange(self.number, request, self.local_port)
        self.server.note(self.current)
        return request

    def skip(self, count: int) -> None:
        """Read and drop the body of a request."""
        while len(self._buffer) < count and self.open:
            data = self.sock.recv(65536)
            if not data:
                break
            self._buffer += data
        self._buffer = self._buffer[count:]

    def pending(self) -> bool:
        """Whether the client has already sent (the beginning of) another request."""
        return bool(self._buffer) or bool(select.select([self.sock], [], [], 0)[0])

    @property
    def there(self) -> bool:
        """Whether the client's end is open; what it has sent stays unread.

        Never waits, but on Windows: the connection's own thread may read what has been there a moment ago, and whoever
        looks then waits for the client's next word, and everybody who wants the same lock with it."""
        try:
            if not _WITHOUT_WAITING and not select.select([self.sock], [], [], 0)[0]:
                return True
            return bool(socket.socket.recv(self.sock, 1, socket.MSG_PEEK | _WITHOUT_WAITING))
        except BlockingIOError:
            return True
        except (OSError, ValueError):  # broken, or closed here
            return False

    def send(self, data: bytes) -> None:
        """Send bytes that are not counted as body. Raises Gone."""
        self._push(memoryview(data), counted=False)

    def body(self, data: bytes, rate: float | None = None, before_last: Callable[[], None] = lambda: None) -> None:
        """Send body bytes, paced to `rate` bytes a second over the whole connection. `before_last` is called before
        the client can have all of them. Raises Gone."""
        if rate is None:
            before_last()
            self._push(memoryview(data), counted=True)
            return
        step = max(1, min(65536, int(rate / 200)))
        for at in range(0, len(data), step):
            if at + step >= len(data):
                before_last()
            piece = memoryview(data)[at : at + step]
            self._push(piece, counted=True)
            self._due = max(self._due, time.monotonic() - _BURST) + len(piece) / rate
            self.pause(self._due - time.monotonic())

    def _push(self, view: memoryview, *, counted: bool) -> None:
        while len(view):
            try:
                sent = self.sock.send(view)
            except OSError as error:
                self.open = False
                raise Gone(str(error)) from error
            if counted and self.current is not None:
                self.current.body += sent
                self.server.count(sent)
            view = view[sent:]

    def pause(self, seconds: float) -> None:
        """Wait, but no longer than the server lives. Raises Gone when it closes meanwhile."""
        if seconds > 0 and self.server.stopping.wait(seconds):
            raise Gone("the server closes")

    def hold(self) -> None:
        """Say nothing more until the client gives up (or the server closes)."""
        while self.open and not self.server.stopping.is_set():
            try:
                if not self.sock.recv(65536):
                    break
            except OSError:
                break
        self.open = False

    def reset(self) -> None:
        """Close with RST: the client sees ECONNRESET."""
        self.open = False
        with contextlib.suppress(OSError):
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with contextlib.suppress(OSError):
            self.sock.close()

    def finish(self) -> None:
        """Close in order: FIN first, then read what the client still sends, so that no RST destroys bytes in flight."""
        self.open = False
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)
            self.sock.settimeout(2.0)
            while not self.server.stopping.is_set() and self.sock.recv(65536):
                pass
        with contextlib.suppress(OSError):
            self.sock.close()


@dataclass(slots=True)
class _State:
    log: list[Exchange] = field(default_factory=list)
    connections: set[Connection] = field(default_factory=set)
    threads: list[threading.Thread] = field(default_factory=list)
    alarms: list[tuple[int, threading.Event]] = field(default_factory=list)
    accepted: int = 0
    sent: int = 0


class RawServer:
    """Listens on a free loopback port (and on as many more as `listeners` says) while used as a context manager."""

    def __init__(
        self,
        handler: Handler,
        *,
        host: str = "127.0.0.1",
        tls: ssl.SSLContext | None = None,
        listeners: int = 1,
        send_buffer: int | None = None,
    ) -> None:
        self.handler = handler
        self.host = host
        self.tls = tls
        self.stopping = threading.Event()
        self.failures: list[BaseException] = []
        self._state = _State()
        self._changed = threading.Condition()
        self._send_buffer = send_buffer
        self._wake, self._woken = socket.socketpair()
        self._listeners = [self._listen() for _ in range(listeners)]
        self.ports = [listener.getsockname()[1] for listener in self._listeners]
        self.port = self.ports[0]
        self._acceptor = threading.Thread(target=self._accept, daemon=True)

    def _listen(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        if self._send_buffer:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._send_buffer)
        listener.bind((self.host, 0))
        listener.listen(128)
        listener.setblocking(False)  # who waited may be gone again: `_take` must not wait for the next one
        return listener

    # --- for tests ---------------------------------------------------------------------------------------

    def url(self, path: str = "/file.bin", *, host: str | None = None, port: int | None = None) -> str:
        """The URL of `path`; `host` may be another name of the same machine, such as "localhost"."""
        name = host or (f"[{self.host}]" if ":" in self.host else self.host)
        return f"{'https' if self.tls else 'http'}://{name}:{port or self.port}{path}"

    @property
    def log(self) -> list[Exchange]:
        """All requests so far, in the order in which they were read."""
        with self._changed:
            return list(self._state.log)

    @property
    def body_sent(self) -> int:
        """Body bytes that the kernel took, over all requests."""
        return sum(exchange.body for exchange in self.log)

    def alarm(self, total: int) -> threading.Event:
        """An event that is set when the kernel has taken `total` body bytes, over all requests."""
        event = threading.Event()
        with self._changed:
            self._state.alarms.append((total, event))
        self.count(0)
        return event

    def count(self, sent: int) -> None:
        """Count body bytes (called by Connection)."""
        with self._changed:
            self._state.sent += sent
            for total, event in self._state.alarms:
                if self._state.sent >= total:
                    event.set()

    def until(self, holds: Callable[[], bool], limit: float) -> None:
        """Return when something of the log, the connections or their number makes it hold; fails after `limit`
        seconds."""
        with self._changed:
            assert self._changed.wait_for(holds, limit)

    @property
    def accepted(self) -> int:
        """Connections accepted so far."""
        return self._state.accepted

    @property
    def active(self) -> int:
        """Connections that are being served right now, and those that wait to be."""
        with self._changed:
            waiting = 0 if self.stopping.is_set() else len(select.select(self._listeners, [], [], 0)[0])
            return len(self._state.connections) + waiting

    @property
    def connected(self) -> int:
        """Connections that no client has ended, whatever their threads have noticed of it."""
        with self._changed:
            return sum(connection.there for connection in self._state.connections)

    def note(self, exchange: Exchange) -> None:
        """Append to the log (called by Connection)."""
        with self._changed:
            self._state.log.append(exchange)
            self._changed.notify_all()

    # --- life --------------------------------------------------------------------------------------------

    def __enter__(self) -> RawServer:
        self._acceptor.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        if error is None and self.failures:
            raise self.failures[0]

    def close(self) -> None:
        """Stop listening, break every connection, and wait for the threads to end."""
        self.stopping.set()
        self._wake.send(b"x")
        if self._acceptor.ident is not None:
            self._acceptor.join(_CLOSE_WITHIN)
        for listener in self._listeners:
            listener.close()
        with self._changed:
            connections, threads = list(self._state.connections), list(self._state.threads)
        for connection in connections:
            with contextlib.suppress(OSError):
                # Of an SSLSocket too: its own would take the TLS from under a thread that is about to use it.
                socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)
        for thread in threads:
            thread.join(_CLOSE_WITHIN)
        self._wake.close()
        self._woken.close()
        left = [thread.name for thread in threads if thread.is_alive()]
        if left:
            raise RuntimeError(f"handlers that did not end: {left}")

    def _accept(self) -> None:
        while not self.stopping.is_set():
            ready, _, _ = select.select([*self._listeners, self._woken], [], [])
            for listener in ready:
                if listener is self._woken:
                    return
                self._take(listener)

    def _take(self, listener: socket.socket) -> None:
        """One connection; at no moment it neither waits nor is served."""
        with self._changed:
            with contextlib.suppress(OSError):
                sock, _ = listener.accept()
                self._start(sock, listener.getsockname()[1])
            self._changed.notify_all()

    def _start(self, sock: socket.socket, local_port: int) -> None:
        sock.setblocking(True)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._changed:
            self._state.accepted += 1
            connection = Connection(self, sock, self._state.accepted, local_port)
            self._state.connections.add(connection)
            thread = threading.Thread(target=self._run, args=(connection,), daemon=True)
            self._state.threads = [known for known in self._state.threads if known.is_alive()] + [thread]
            thread.start()

    def _run(self, connection: Connection) -> None:
        try:
            if self.tls is not None:
                # The handshake comes after: `close` must be able to break it.
                connection.sock = self.tls.wrap_socket(connection.sock, server_side=True, do_handshake_on_connect=False)
                if self.stopping.is_set():  # and what `close` broke was the hull that is left of the socket
                    return
                connection.sock.do_handshake()
            self.handler(connection)
            if connection.open:
                connection.finish()
        except OSError:
            pass  # Gone, a broken handshake, a socket closed under us: the client's right
        except BaseException as error:
            self.failures.append(error)
        finally:
            connection.open = False
            with contextlib.suppress(OSError):
                connection.sock.close()
            with self._changed:
                self._state.connections.discard(connection)
                self._changed.notify_all()


Serve = Callable[..., RawServer]  # the fixture of that name: serve(app or handler, **options)
