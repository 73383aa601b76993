"""httpcore's network, on our own connections.

Everything that httpx sends goes through here, so that addresses, --connect-to, --interface, proxies, trust and
time-outs hold there as they do on the raw wire, and another thread can break a blocked call. All errors are leaves of
ours already; httpcore and httpx let them pass.
"""

from __future__ import annotations

import contextlib
import functools
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable

import httpcore

from fastdl.core.hints import Any, TypeVar
from fastdl.errors import ConnectionLost, NetworkError, ProtocolViolation, TimedOut
from fastdl.io import trust_store

_T = TypeVar("_T")

LOOK = 0.25  # seconds between two looks at the abort flag: for systems where shutdown() wakes no reader
# Until the final head, and between two pieces of a body: bounds floods of 1xx, of HTTP/2's PINGs and empty frames,
# which httpcore swallows without end.
MOST_READS = 1024
MOST_BYTES = 1024 * 1024
_RECORD = 16 * 1024


class Detached(Exception):
    """The socket now belongs to somebody else, and the parser's buffer is empty."""


class Guard:
    """What the worker's calls on one channel share with abort() from another thread."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.aborted = False
        self.detached = False
        self._lock = threading.Lock()
        self._sock: socket.socket | None = None
        self._reads = 0
        self._bytes = 0
        self._deadline = 0.0

    def hold(self, sock: socket.socket | None) -> None:
        """`sock` is the one to break on abort()."""
        with self._lock:
            self._sock = sock

    def abort(self) -> None:
        """Break the connection, from any thread."""
        with self._lock:
            self.aborted = True
            if self._sock is not None and not self.detached:
                with contextlib.suppress(OSError):
                    # Not SSLSocket.shutdown: it would drop the TLS state under the reader's feet.
                    socket.socket.shutdown(self._sock, socket.SHUT_RDWR)

    def expect(self, seconds: float) -> None:
        """A head or a piece of a body is awaited: bound what may come before it, and how long that may take."""
        self._reads = self._bytes = 0
        self._deadline = time.monotonic() + seconds

    def count(self, received: int) -> None:
        """Raises ProtocolViolation or TimedOut where much comes and nothing of it is what was awaited."""
        self._reads += 1
        self._bytes += received
        if self._reads > MOST_READS or self._bytes > MOST_BYTES:
            raise ProtocolViolation(f"{self.host} sent a broken answer", "much that is neither head nor body")
        if time.monotonic() > self._deadline:
            raise TimedOut(f"{self.host} sent nothing of use in time")

    def check(self) -> None:
        """Raises ConnectionLost if the channel was aborted."""
        if self.aborted:
            raise ConnectionLost(f"the connection to {self.host} was given up", "it is no longer needed")


class SocketStream(httpcore.NetworkStream):
    """One socket, plain or TLS."""

    def __init__(self, sock: socket.socket, guard: Guard, start_tls: Callable[[socket.socket], SocketStream]) -> None:
        self.sock = sock
        self._guard = guard
        self._start_tls = start_tls
        self.closed = False
        guard.hold(sock)
        if guard.aborted:
            self.close()
            guard.check()

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """See httpcore. Raises Detached, TimedOut, ConnectionLost, TlsFailed."""
        if self._guard.detached:
            raise Detached
        data = self._patiently(lambda: self.sock.recv(max_bytes), timeout)
        self._guard.count(len(data))
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """See httpcore. A broken connection is httpcore.WriteError: the server may have answered before it closed."""
        view = memoryview(buffer)
        while view:
            try:
                view = view[self._patiently(functools.partial(self.sock.send, view), timeout) :]
            except ConnectionLost as error:
                self._guard.check()
                raise httpcore.WriteError(error.what) from None

    def close(self) -> None:
        self.closed = True
        if not self._guard.detached:
            self._guard.hold(None)
            self.sock.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """TLS as our own settings have it; the context that httpcore offers is not used."""
        return self._start_tls(self.sock)

    def get_extra_info(self, info: str) -> Any:
        if info == "ssl_object":
            return self.sock if isinstance(self.sock, ssl.SSLSocket) else None
        if info == "is_readable":
            return trust_store.wait_ready(self.sock, False, 0)
        return self.sock if info == "socket" else None

    def _patiently(self, call: Callable[[], _T], timeout: float | None) -> _T:
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            self._guard.check()
            left = LOOK if deadline is None else deadline - time.monotonic()
            try:
                self.sock.settimeout(max(0.001, min(LOOK, left)))
                return call()
            except (TimeoutError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                if deadline is not None and time.monotonic() >= deadline:
                    raise TimedOut(f"{self._guard.host} went silent", f"no byte for {timeout:g} s") from None
            except (OSError, ValueError) as error:
                self._guard.check()
                raise lost(error, self._guard.host) from None


class NestedTlsStream(SocketStream):
    """TLS inside the TLS of an https proxy: Python has no socket for that, so the records pass through memory."""

    def __init__(self, outer: ssl.SSLSocket, guard: Guard, context: ssl.SSLContext, host: str, deadline: float) -> None:
        super().__init__(outer, guard, _no_third_layer)
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=trust_store.provable(host))
        try:
            self._turn(self.tls.do_handshake, max(0.001, deadline - time.monotonic()))
        except ssl.SSLError as error:
            self.close()
            raise trust_store.tls_error(error, host) from None
        except BaseException:
            self.close()
            raise

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """See SocketStream."""
        try:
            data = self._turn(lambda: self.tls.read(max_bytes), timeout)
        except ssl.SSLZeroReturnError:
            return b""
        except ssl.SSLError as error:
            raise lost(error, self._guard.host) from None
        self._guard.count(len(data))
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """See SocketStream."""
        view = memoryview(buffer)
        while view:
            try:
                view = view[self._turn(functools.partial(self.tls.write, view), timeout) :]
            except ssl.SSLError as error:
                raise httpcore.WriteError(str(error.reason)) from None

    def get_extra_info(self, info: str) -> Any:
        if info == "ssl_object":
            return self.tls
        return None if info == "socket" else super().get_extra_info(info)

    def _turn(self, step: Callable[[], _T], timeout: float | None) -> _T:
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                self._flush(timeout)
                data = self._patiently(lambda: self.sock.recv(_RECORD), timeout)
                if data:
                    self._incoming.write(data)
                else:
                    self._incoming.write_eof()
                continue
            self._flush(timeout)
            return result

    def _flush(self, timeout: float | None) -> None:
        if self._outgoing.pending:
            super().write(self._outgoing.read(), timeout)


class Backend(httpcore.NetworkBackend):
    """Connects by `connect`, wherever httpcore believes it goes: the channel knows the way."""

    def __init__(self, connect: Callable[[], SocketStream]) -> None:
        self._connect = connect

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        return self._connect()


def lost(error: Exception, host: str) -> NetworkError:
    """A failure of reading or writing on a connection that stood."""
    if isinstance(error, ssl.SSLEOFError):
        return ConnectionLost(f"{host} closed the connection", "without a TLS farewell")
    if isinstance(error, ssl.SSLError):
        return trust_store.tls_error(error, host)
    why = error.strerror if isinstance(error, OSError) else None
    return ConnectionLost(f"the connection to {host} broke", (why or "it was closed").lower())


def _no_third_layer(sock: socket.socket) -> SocketStream:
    raise ProtocolViolation("TLS inside TLS inside TLS is not possible")
