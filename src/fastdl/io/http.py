"""The network's connections to origins: directly or through a proxy, for the raw reader or for httpx's engine.

One session serves a run. `dial` gives a connected socket for HTTP/1.1 (io/wire.py goes on with it); `open` gives a
channel for everything else. httpcore is only imported by the second.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

from fastdl.core.hints import TYPE_CHECKING
from fastdl.core.plain import dataclass
from fastdl.errors import NetworkError, ProxyFailed
from fastdl.io import phases
from fastdl.io.proxy import ProxyChoice, ProxyRules

if TYPE_CHECKING:
    from fastdl.core.urls import Url
    from fastdl.io.dial import Dialer
    from fastdl.io.digest import DigestLogin
    from fastdl.io.http_channel import HttpChannel
    from fastdl.settings import Settings

HTTP11 = ("http/1.1",)
HTTP2 = ("h2", "http/1.1")


@dataclass(frozen=True, slots=True)
class Link:
    """A connection to an origin, by whatever way, ready for requests."""

    sock: socket.socket  # an ssl.SSLSocket for https
    rtt: float  # seconds
    peer: str  # the address that was connected to: the proxy's where there is one
    absolute_form: bool  # requests carry the whole URL (plain http through an HTTP proxy; RFC 9112, section 3.2.2)
    proxy_headers: tuple[tuple[str, str], ...]  # to add to each request then


class HttpSession:
    """What the HTTP connections of a run share: settings, proxies, cookies. Safe for threads. Raises UsageError for a
    proxy URL, a --cacert, --cert or --key that cannot be used."""

    def __init__(self, settings: Settings, dialer: Dialer) -> None:
        self.settings = settings
        self.dialer = dialer
        self._proxies = ProxyRules(settings)

    def proxy_for(self, url: Url) -> ProxyChoice | None:
        """The proxy that requests to `url` go through; None: directly."""
        return self._proxies.choose(url)

    def open(
        self,
        url: Url,
        *,
        digest: DigestLogin | None = None,
        http2: bool | None = None,
        turn: int = 0,
        prefer: str | None = None,
        avoid: frozenset[str] = frozenset(),
        on_close: Callable[[], None] | None = None,
    ) -> HttpChannel:
        """A channel to the origin of `url`, which connects with its first request. `digest` answers digest challenges
        (and no other Authorization is sent then); `http2` None does as --http says. `turn`,
        `prefer` and `avoid` choose among the host's addresses (Dialer.connect). `on_close` is called once, by
        close()."""
        from fastdl.io.http_channel import HttpChannel

        way = Way(self, url, turn, prefer, avoid)
        wanted = self.settings.http == "2" if http2 is None else http2
        return HttpChannel(self, way, digest, http2=wanted and url.scheme == "https", on_close=on_close)

    def dial(
        self,
        url: Url,
        *,
        turn: int = 0,
        prefer: str | None = None,
        avoid: frozenset[str] = frozenset(),
        cancelled: Callable[[], bool] | None = None,
    ) -> Link | None:
        """A connection for HTTP/1.1 to the origin of `url` without httpx: direct, tunnelled or to the proxy itself.
        None where there cannot be a plain socket (TLS inside the TLS of an https proxy): use `open`."""
        way = Way(self, url, turn, prefer, avoid)
        if way.nested:
            return None
        if url.scheme == "https":
            from fastdl.io import trust_store

            context = trust_store.client_context(self.settings, HTTP11)  # which may fail: no socket is open yet
            sock = way.connect(cancelled)
            sock = trust_store.wrap(sock, url.host, context, way.deadline, cancelled=cancelled)
        else:
            sock = way.connect(cancelled)
        sock.setblocking(True)
        return Link(sock, way.rtt, way.peer, way.absolute_form, way.proxy_headers)

    def round_trip(self, url: Url) -> float:
        """How long a packet takes to the server (or proxy) of `url` and back, in seconds. Raises NetworkError."""
        proxy = self.proxy_for(url)
        host, port = (proxy.host, proxy.port) if proxy is not None else (url.host, url.port)
        sock, rtt, _ = self.dialer.connect(host, port, timeout=self.settings.connect_timeout, mapped=proxy is None)
        sock.close()
        return rtt


class Way:
    """How one connection gets to its origin."""

    def __init__(self, session: HttpSession, url: Url, turn: int, prefer: str | None, avoid: frozenset[str]) -> None:
        self._session = session
        self.url = url
        self.proxy = session.proxy_for(url)
        self._choice = (turn, prefer, avoid)
        self._target = session.dialer.target_of(url.host, url.port)
        # Like curl: what --connect-to moves goes through a tunnel, since the proxy could not be told otherwise.
        forwarded = url.scheme == "http" and self._target == (url.host, url.port)
        self.absolute_form = self.proxy is not None and not self.proxy.socks and forwarded
        self.proxy_headers = self.proxy.headers if self.proxy is not None and self.absolute_form else ()
        self.nested = self.proxy is not None and self.proxy.scheme == "https" and url.scheme == "https"
        self.deadline = 0.0
        self.rtt = 0.0
        self.peer = ""

    def connect(self, cancelled: Callable[[], bool] | None) -> socket.socket:
        """The socket on which the origin (or, in absolute form, the proxy) is asked; the origin's TLS comes next, in
        the same time limit."""
        settings = self._session.settings
        self.deadline = time.monotonic() + settings.connect_timeout
        turn, prefer, avoid = self._choice
        if self.proxy is None:
            sock, self.rtt, self.peer = self._session.dialer.connect(
                self.url.host, self.url.port, timeout=settings.connect_timeout, prefer=prefer, avoid=avoid, turn=turn,
                cancelled=cancelled,
            )  # fmt: skip
            return sock
        sock = self._connect_proxy(self.proxy, cancelled)
        try:
            self._ask_proxy(self.proxy, sock, turn, cancelled)
        except BaseException:
            sock.close()
            raise
        return sock

    def _connect_proxy(self, proxy: ProxyChoice, cancelled: Callable[[], bool] | None) -> socket.socket:
        settings = self._session.settings
        context = None
        if proxy.scheme == "https":
            from fastdl.io import trust_store

            context = trust_store.client_context(settings, HTTP11)
        try:
            sock, self.rtt, self.peer = self._session.dialer.connect(
                proxy.host, proxy.port, timeout=settings.connect_timeout, mapped=False, cancelled=cancelled
            )
        except NetworkError as error:
            failed = ProxyFailed(f"the proxy {proxy.name} cannot be reached", error.why or error.what)
            failed.retryable = error.retryable
            raise failed from None
        if context is None:
            return sock
        return trust_store.wrap(sock, proxy.host, context, self.deadline, cancelled=cancelled)

    @phases.timed("proxy")
    def _ask_proxy(
        self, proxy: ProxyChoice, sock: socket.socket, turn: int, cancelled: Callable[[], bool] | None
    ) -> None:
        from fastdl.io import tunnel

        host, port = self._target
        if proxy.scheme == "socks5":
            left = max(0.001, self.deadline - time.monotonic())
            addresses = self._session.dialer.resolver.resolve(host, port, left, cancelled=cancelled)
            tunnel.connect_socks(sock, proxy, addresses[turn % len(addresses)], port, self.deadline, cancelled)
        elif proxy.scheme == "socks5h":
            tunnel.connect_socks(sock, proxy, host, port, self.deadline, cancelled)
        elif not self.absolute_form:
            tunnel.connect_tunnel(sock, proxy, host, port, self.deadline, cancelled)
