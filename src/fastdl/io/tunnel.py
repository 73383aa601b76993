"""Through a proxy to a host: CONNECT (RFC 9110, section 9.3.6) and SOCKS 5 (RFC 1928, RFC 1929).

Both run on a connected socket before anything else does, and leave it as if it had been connected to the host itself.
So the raw reader and httpx use proxied connections alike. What a proxy says is bounded and never shown as it came.
"""

from __future__ import annotations

import functools
import socket
import ssl
import time
from collections.abc import Callable

from fastdl import __version__
from fastdl.core.hints import TypeVar
from fastdl.core.pattern import pattern
from fastdl.errors import ProxyFailed
from fastdl.io.dns import Address
from fastdl.io.proxy import ProxyChoice

_T = TypeVar("_T")

LOOK = 0.1  # seconds between two looks at `cancelled`
MOST_HEAD = 64 * 1024  # bytes of a proxy's answer

_HEAD = pattern(rb"(?s).*?\r?\n\r?\n")

_SOCKS_REPLIES = {
    1: "it has a fault of its own",
    2: "its rules forbid the connection",
    3: "the network cannot be reached from it",
    4: "the host cannot be reached from it",
    5: "the host refused the connection",
    6: "the host is too far away",
    7: "it does not make connections",
    8: "it does not take this kind of address",
}
_FINAL_REPLIES = frozenset({2, 7, 8})


class _Talk:
    """Bounded reading and writing with a proxy: one deadline (time.monotonic()) for the whole conversation."""

    def __init__(
        self, sock: socket.socket, proxy: ProxyChoice, deadline: float, cancelled: Callable[[], bool] | None
    ) -> None:
        self._sock = sock
        self._proxy = proxy
        self._deadline = deadline
        self._cancelled = cancelled

    def send(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[self._patiently(functools.partial(self._sock.send, view)) :]

    def receive(self, count: int) -> bytes:
        """At least one byte and at most `count`."""
        data = self._patiently(lambda: self._sock.recv(count))
        if not data:
            raise self.failed("it closed the connection")
        return data

    def receive_exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            data += self.receive(count - len(data))
        return data

    def failed(self, why: str, *, retryable: bool = True) -> ProxyFailed:
        error = ProxyFailed(f"the proxy {self._proxy.name} made no connection", why)
        error.retryable = retryable
        return error

    def _patiently(self, call: Callable[[], _T]) -> _T:
        while True:
            if self._cancelled is not None and self._cancelled():
                raise self.failed("it is no longer needed")
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise self.failed("it gave no answer in time")
            try:
                self._sock.settimeout(min(LOOK, left))
                return call()
            except (TimeoutError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                continue
            except OSError as error:
                raise self.failed((error.strerror or "the connection broke").lower()) from None


def connect_tunnel(
    sock: socket.socket,
    proxy: ProxyChoice,
    host: str,
    port: int,
    deadline: float,
    cancelled: Callable[[], bool] | None = None,
) -> None:
    """Ask an HTTP proxy for a tunnel to `host`, `port`. Raises ProxyFailed."""
    talk = _Talk(sock, proxy, deadline, cancelled)
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    fields = [("Host", target), ("User-Agent", f"fastdl/{__version__}"), *proxy.headers]
    lines = [f"CONNECT {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields), "", ""]
    talk.send("\r\n".join(lines).encode("latin-1"))
    status = _read_final_status(talk)
    if status >= 300:
        raise refusal(proxy, status)


def refusal(proxy: ProxyChoice, status: int) -> ProxyFailed:
    """What an HTTP proxy's own refusal means; 5xx may pass, the others do not."""
    why = {
        407: "it wants another user name and password: status 407"
        if proxy.username is not None
        else "it wants a user name and a password: status 407",
        403: "it forbids this connection: status 403",
    }.get(status, f"status {status}")
    hint = "Put NAME:PASSWORD@ into the proxy's URL, before its host." if status == 407 else None
    error = ProxyFailed(f"the proxy {proxy.name} refused", why, hint)
    error.retryable = status >= 500 or status in (408, 429)
    return error


def _read_final_status(talk: _Talk) -> int:
    """The status of the first head that is not an interim one. Nothing may follow it: the host behind the tunnel waits
    for us to speak first."""
    data = b""
    received = 0
    while True:
        head = _HEAD.match(data)
        if head is None:
            piece = talk.receive(4096)
            received += len(piece)
            if received > MOST_HEAD:
                raise talk.failed("its answer is too long")
            data += piece
            continue
        data = data[head.end() :]
        version, _, rest = head[0].partition(b" ")
        if not version.startswith(b"HTTP/1.") or not rest[:3].isdigit() or rest[:1] == b"0":
            raise talk.failed("it does not speak HTTP")
        status = int(rest[:3])
        if status < 200:
            continue
        if status < 300 and data:
            raise talk.failed("it sent data that was not asked for")
        return status


def connect_socks(
    sock: socket.socket,
    proxy: ProxyChoice,
    host: str | Address,
    port: int,
    deadline: float,
    cancelled: Callable[[], bool] | None = None,
) -> None:
    """Ask a SOCKS 5 proxy for a connection to a name (which it resolves) or an address. Raises ProxyFailed."""
    talk = _Talk(sock, proxy, deadline, cancelled)
    methods = b"\x00" if proxy.username is None else b"\x00\x02"
    talk.send(bytes((5, len(methods))) + methods)
    version, method = talk.receive_exactly(2)
    if version != 5:
        raise talk.failed("it does not speak SOCKS 5")
    if method == 2 and proxy.username is not None:
        _socks_login(talk, proxy)
    elif method != 0:
        error = talk.failed(
            "it wants a user name and a password" if proxy.username is None else "it takes no user name and password",
            retryable=False,
        )
        error.hint = "Put NAME:PASSWORD@ into the proxy's URL, before its host."
        raise error
    talk.send(b"\x05\x01\x00" + _socks_target(talk, host) + port.to_bytes(2, "big"))
    version, reply, _, kind = talk.receive_exactly(4)
    if version != 5:
        raise talk.failed("it does not speak SOCKS 5")
    if reply != 0:
        raise talk.failed(_SOCKS_REPLIES.get(reply, f"reply {reply}"), retryable=reply not in _FINAL_REPLIES)
    length = {1: 4, 4: 16}.get(kind)
    if length is None:
        if kind != 3:
            raise talk.failed("it broke the protocol")
        length = talk.receive_exactly(1)[0]
    talk.receive_exactly(length + 2)  # the address that it uses for us: of no interest


def _socks_login(talk: _Talk, proxy: ProxyChoice) -> None:
    name = (proxy.username or "").encode("utf-8", "surrogateescape")
    password = (proxy.password or "").encode("utf-8", "surrogateescape")
    if not name or max(len(name), len(password)) > 255:
        raise talk.failed("the user name or the password is longer than SOCKS allows, or empty", retryable=False)
    talk.send(b"\x01" + bytes((len(name),)) + name + bytes((len(password),)) + password)
    if talk.receive_exactly(2)[1] != 0:
        raise talk.failed("it does not take the user name and password", retryable=False)


def _socks_target(talk: _Talk, host: str | Address) -> bytes:
    if isinstance(host, Address):
        packed = socket.inet_pton(host.family, host.text.partition("%")[0])
        return (b"\x01" if len(packed) == 4 else b"\x04") + packed
    for family, kind in ((socket.AF_INET, b"\x01"), (socket.AF_INET6, b"\x04")):
        try:
            return kind + socket.inet_pton(family, host)
        except OSError:
            continue
    name = host.encode("ascii")
    if len(name) > 255:
        raise talk.failed("the host's name is too long for it", retryable=False)
    return b"\x03" + bytes((len(name),)) + name
