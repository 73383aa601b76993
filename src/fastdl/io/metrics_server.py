"""The endpoint of `get --metrics ADDR:PORT`: one thread that answers GET /metrics on the loopback.

Clients are few and may be slow or hostile: every one of them has a bound on the bytes of its request, on its time, and
there is a bound on how many there are at once. None of them can hold up another one, or the downloads.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import sys
import threading
import time
from collections.abc import Callable

from fastdl.core.endpoint import Endpoint, is_loopback_host
from fastdl.core.exposition import CONTENT_TYPE
from fastdl.errors import UsageError

PATH = "/metrics"
MOST_CLIENTS = 16
MOST_HEAD = 8192  # bytes of a request
PATIENCE = 5.0  # seconds from a client's first byte to its answer's last one
JOIN = 1.0  # seconds that the thread gets to end
PAUSE = 0.5  # seconds without a further client after one that could not be taken

_TEXT = "text/plain; charset=utf-8"
_HINT = "Choose another port; 0 takes any free one."


class MetricsServer:
    """Answers from its start until `close`. `port` is the one that is bound."""

    def __init__(self, endpoint: Endpoint, text: Callable[[], str]) -> None:
        """`text` gives the metrics; it is called in the server's thread. Raises UsageError if the address cannot be
        bound."""
        self._text = text
        self._listener = _listener(endpoint)
        self.host, self.port = self._listener.getsockname()[:2]
        self._wake, self._woken = socket.socketpair()
        self._woken.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._clients: dict[socket.socket, _Client] = {}
        self._closing = False
        self._deaf = False
        self._deaf_until = 0.0
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._serve, name="fastdl-metrics", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://{Endpoint(self.host, self.port).netloc}{PATH}"

    def close(self) -> None:
        """Answer nobody any more."""
        self._closing = True
        with contextlib.suppress(OSError):
            self._wake.send(b"\0")
        self._thread.join(JOIN)

    # --- the thread ----------------------------------------------------------------------------------------

    def _serve(self) -> None:
        try:
            while not self._closing:
                ready = self._selector.select(self._wait())
                for key, _ in ready:
                    if key.fileobj is self._listener:
                        self._accept()
                    elif isinstance(key.data, _Client):
                        self._step(key.data)
                self._part(time.monotonic())
        finally:
            for client in list(self._clients.values()):
                self._drop(client)
            self._selector.close()
            for sock in (self._listener, self._wake, self._woken):
                sock.close()

    def _wait(self) -> float | None:
        """Seconds until something is to be done without anybody's asking; None if nothing is."""
        moments = [client.until for client in self._clients.values()]
        moments += [self._deaf_until] if self._deaf_until else []
        return max(0.0, min(moments) - time.monotonic()) if moments else None

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError:
            # Gone again, or no descriptor is free: the downloads need them more. Who waits is still there, so asking
            # again at once would take a whole processor.
            self._deaf_until = time.monotonic() + PAUSE
            self._listen()
            return
        sock.setblocking(False)
        client = self._clients[sock] = _Client(sock, time.monotonic() + PATIENCE)
        self._selector.register(sock, selectors.EVENT_READ, client)
        self._listen()

    def _step(self, client: _Client) -> None:
        try:
            if client.answer is None:
                self._read(client)
            elif client.answer:
                self._send(client)
            elif not client.sock.recv(MOST_HEAD):  # it has the answer, and has closed too
                client.done = True
            if client.done:
                self._drop(client)
        except BlockingIOError:
            return
        except OSError:
            self._drop(client)

    def _read(self, client: _Client) -> None:
        data = client.sock.recv(MOST_HEAD + 1 - len(client.head))
        client.head += data
        if not data:
            client.done = True
        elif b"\r\n\r\n" in client.head or b"\n\n" in client.head or len(client.head) > MOST_HEAD:
            client.answer = memoryview(answer(bytes(client.head), self._text))
            self._selector.modify(client.sock, selectors.EVENT_WRITE, client)
            self._send(client)

    def _send(self, client: _Client) -> None:
        """Send what the connection takes. Its end is the client's to close: closed from here, with something unread, it
        would be reset, and the answer lost (RFC 9112, 9.6)."""
        assert client.answer is not None
        client.answer = client.answer[client.sock.send(client.answer) :]
        if not client.answer:
            client.sock.shutdown(socket.SHUT_WR)
            self._selector.modify(client.sock, selectors.EVENT_READ, client)

    def _part(self, now: float) -> None:
        """From clients whose time is over."""
        for client in list(self._clients.values()):
            if now >= client.until:
                self._drop(client)
        if self._deaf_until and now >= self._deaf_until:
            self._deaf_until = 0.0
            self._listen()

    def _drop(self, client: _Client) -> None:
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(client.sock)
        self._clients.pop(client.sock, None)
        client.sock.close()
        self._listen()

    def _listen(self) -> None:
        """Further clients wait in the system's queue while there are as many as may be, or none can be taken."""
        deaf = len(self._clients) >= MOST_CLIENTS or self._deaf_until > 0
        if deaf != self._deaf and not self._closing:
            self._deaf = deaf
            if deaf:
                self._selector.unregister(self._listener)
            else:
                self._selector.register(self._listener, selectors.EVENT_READ)


class _Client:
    """One connection: the bytes of its request so far, and what is left to send."""

    def __init__(self, sock: socket.socket, until: float) -> None:
        self.sock = sock
        self.until = until
        self.head = bytearray()
        self.answer: memoryview | None = None
        self.done = False


def answer(head: bytes, text: Callable[[], str]) -> bytes:
    """The response to the head of a request (RFC 9110, RFC 9112); the connection is closed after it."""
    lines = head.decode("latin-1").replace("\r\n", "\n").split("\n\n")[0].split("\n")
    words = lines[0].split(" ")
    if len(head) > MOST_HEAD:
        return _response(431, "Request Header Fields Too Large", "the request is too long\n")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        return _response(400, "Bad Request", "a request by HTTP/1.1 is expected\n")
    method, target, _ = words
    hosts = [line.partition(":")[2].strip() for line in lines[1:] if line.lower().startswith("host:")]
    if any(not is_loopback_host(host) for host in hosts):
        # A page in a browser could lead a name of its own here and read what is not meant for it.
        return _response(403, "Forbidden", "only this machine's own addresses are answered\n")
    body = method != "HEAD"
    if target.partition("?")[0] != PATH:
        return _response(404, "Not Found", f"the metrics are at {PATH}\n", body=body)
    if method not in ("GET", "HEAD"):
        return _response(405, "Method Not Allowed", "GET or HEAD is expected\n", more="Allow: GET, HEAD\r\n")
    try:
        told = text()
    except Exception as error:  # a bug; the scraper sees it, and the downloads go on
        return _response(500, "Internal Server Error", f"a bug of fastdl: {error!r}\n", body=body)
    return _response(200, "OK", told, CONTENT_TYPE, body=body)


def _response(status: int, reason: str, text: str, kind: str = _TEXT, *, body: bool = True, more: str = "") -> bytes:
    content = text.encode("utf-8", "replace")
    head = (
        f"HTTP/1.1 {status} {reason}\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\n"
        f"Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n{more}Connection: close\r\n\r\n"
    )
    return head.encode("ascii") + (content if body else b"")


def _listener(endpoint: Endpoint) -> socket.socket:
    """A bound socket. "localhost" is 127.0.0.1, or ::1 on a machine without IPv4. Raises UsageError."""
    hosts = ["127.0.0.1", "::1"] if endpoint.host == "localhost" else [endpoint.host]
    for host in hosts:
        try:
            return _bound(host, endpoint.port)
        except OSError as error:
            failure = failure_of(error)
            if host == hosts[-1] or failure == _TAKEN:
                raise UsageError(f"--metrics: cannot listen at {endpoint.netloc}", failure, _HINT) from error
    raise AssertionError  # the last one has raised


def _bound(host: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        if sys.platform == "win32":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # after another run, a moment ago
        sock.bind((host, port))
        sock.listen(MOST_CLIENTS)
        sock.setblocking(False)
        return sock
    except BaseException:
        sock.close()
        raise


_TAKEN = "another program has this port"


def failure_of(error: OSError) -> str:
    """Why an address could not be bound, in words."""
    import errno

    number = getattr(error, "winerror", None) or error.errno
    if number in (errno.EADDRINUSE, 10048):
        return _TAKEN
    if number in (errno.EACCES, 10013):
        return "no permission for this port"
    if number in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, 10049, 10047):
        return "this machine has no such address"
    return (error.strerror or type(error).__name__).lower()
