"""Through proxies of our own: forwarding, CONNECT, TLS to the proxy, SOCKS 5; what happens when they refuse."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fastdl.core.urls import parse_url
from fastdl.errors import ConnectionLost, NetworkError, ProxyFailed, TlsFailed
from fastdl.io.channel import Request
from fastdl.io.dial import Dialer
from fastdl.io.dns import Resolver
from fastdl.io.http import HttpSession
from fastdl.io.http_channel import HttpChannel
from fastdl.io.wire import WireChannel
from fastdl.settings import Settings
from ports import refusing
from servers.raw import Connection, RawServer
from servers.tls import Certificates

BODY = bytes(range(256)) * 400


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def session(certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., HttpSession]]:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)

    def make(**options: Any) -> HttpSession:
        settings = Settings(**{"timeout": 10.0, "cacert": str(certificates.ca), **options})
        return HttpSession(settings, Dialer(settings, Resolver()))

    yield make


def serve_ranges(connection: Connection) -> None:
    while (request := connection.receive()) is not None:
        start, end = request.range or (0, None)
        part = BODY[start:end]
        connection.send(b"HTTP/1.1 206 Partial Content\r\nContent-Length: %d\r\n" % len(part))
        connection.send(b"Content-Range: bytes %d-%d/%d\r\n\r\n" % (start, start + len(part) - 1, len(BODY)))
        connection.body(part)


def pump(connection: Connection, port: int) -> None:
    """Carry bytes between a client and a loopback port until one of them ends."""
    with socket.create_connection(("127.0.0.1", port)) as upstream:
        pairs = {connection.sock: upstream, upstream: connection.sock}
        while not connection.server.stopping.is_set():
            waiting = isinstance(connection.sock, ssl.SSLSocket) and connection.sock.pending()
            ready = [connection.sock] if waiting else select.select(list(pairs), [], [])[0]
            for source in ready:
                data = source.recv(65536)
                if not data:
                    return
                pairs[source].sendall(data)


def http_proxy(*, refuse: int = 0, answer: bytes = b"", port: int | None = None) -> Callable[[Connection], None]:
    """An HTTP proxy for tunnels. It refuses with a status, says `answer` instead of its own, or leads to `port`
    whatever it is asked for."""

    def handler(connection: Connection) -> None:
        request = connection.receive()
        if request is None:
            return
        if refuse or answer:
            connection.send(answer or b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % refuse)
            return
        assert request.method == "CONNECT"
        connection.send(b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n")
        with contextlib.suppress(OSError):
            pump(connection, port or int(request.target.rpartition(":")[2]))

    return handler


def ask(channel: HttpChannel | WireChannel, url: str, start: int = 0, end: int | None = None) -> Any:
    channel.send(Request(parse_url(url), start, end, True, None, (("X-Own", "1"),)))
    return channel.receive_head()


def read(channel: HttpChannel | WireChannel) -> bytes:
    body = bytearray()
    view = memoryview(bytearray(30_000))
    while count := channel.read_into(view):
        body += view[:count]
    return bytes(body)


def raw(made: HttpSession, url: str) -> WireChannel:
    link = made.dial(parse_url(url))
    assert link is not None
    return WireChannel(
        link.sock, rtt=link.rtt, peer=link.peer, timeout=10, absolute_form=link.absolute_form,
        extra_headers=link.proxy_headers,
    )  # fmt: skip


def both(made: HttpSession, url: str) -> None:
    """Fetch two ranges of `url` by httpcore, by a socket that was taken over, and by the raw reader."""
    channel = made.open(parse_url(url))
    for part in (slice(0, None), slice(5, 50)):
        assert ask(channel, url, part.start, part.stop).status == 206
        assert read(channel) == BODY[part]
    head = ask(channel, url)
    taken = channel.take_over()
    assert taken is not None
    wire = WireChannel(
        taken[0], rtt=channel.rtt, peer=channel.peer, timeout=10, leftover=taken[1],
        absolute_form=channel.absolute_form, extra_headers=channel.proxy_headers,
    )  # fmt: skip
    wire.adopt(head)
    assert read(wire) == BODY
    for again in (wire, raw(made, url)):
        ask(again, url, 7, 70)
        assert read(again) == BODY[7:70]
        again.close()


# --- HTTP proxies ----------------------------------------------------------------------------------------


def test_plain_http_is_forwarded(session: Callable[..., HttpSession]) -> None:
    with RawServer(serve_ranges) as proxy:
        url = "http://origin.test:8080/a?b=c"
        both(session(proxy=f"http://ann:p%40w@127.0.0.1:{proxy.port}"), url)
        for exchange in proxy.log:
            assert exchange.request.target == url
            assert exchange.request.get("host") == "origin.test:8080"
            assert exchange.request.get("proxy-authorization") == "Basic YW5uOnBAdw=="
            assert exchange.request.get("x-own") == "1"


def test_plain_http_over_tls_to_the_proxy(session: Callable[..., HttpSession], certificates: Certificates) -> None:
    with RawServer(serve_ranges, tls=certificates.context()) as proxy:
        both(session(proxy=f"https://localhost:{proxy.port}"), "http://origin.test/a")
        assert proxy.log[0].request.target == "http://origin.test/a"


def test_https_goes_through_a_tunnel(session: Callable[..., HttpSession], certificates: Certificates) -> None:
    with RawServer(serve_ranges, tls=certificates.context()) as origin, RawServer(http_proxy()) as proxy:
        url = origin.url(host="localhost")
        both(session(proxy=f"ann:pw@127.0.0.1:{proxy.port}"), url)
        request = proxy.log[0].request
        assert (request.method, request.target) == ("CONNECT", f"localhost:{origin.port}")
        assert request.get("host") == f"localhost:{origin.port}"
        assert request.get("proxy-authorization") == "Basic YW5uOnB3"
        assert request.get("x-own") is None  # what the origin is told is not the proxy's business
        assert all(exchange.request.get("proxy-authorization") is None for exchange in origin.log)


def test_tls_inside_tls(session: Callable[..., HttpSession], certificates: Certificates) -> None:
    context = certificates.context()
    with RawServer(serve_ranges, tls=context) as origin, RawServer(http_proxy(), tls=context) as proxy:
        made = session(proxy=f"https://localhost:{proxy.port}")
        url = origin.url(host="localhost")
        assert made.dial(parse_url(url)) is None
        channel = made.open(parse_url(url))
        for part in (slice(0, None), slice(5, 50)):
            ask(channel, url, part.start, part.stop)
            assert read(channel) == BODY[part]
        ask(channel, url)
        assert channel.take_over() is None
        channel.close()
        assert proxy.accepted == 1


def test_tls_inside_tls_checks_the_origin_too(session: Callable[..., HttpSession], certificates: Certificates) -> None:
    context = certificates.context()
    with RawServer(serve_ranges, tls=context) as origin, RawServer(http_proxy(port=origin.port), tls=context) as proxy:
        channel = session(proxy=f"https://localhost:{proxy.port}").open(parse_url("https://wrong.example/"))
        with pytest.raises(TlsFailed, match="another host"):
            ask(channel, "https://wrong.example/")
        channel.close()


def test_abort_inside_tls_inside_tls(session: Callable[..., HttpSession], certificates: Certificates) -> None:
    reached = threading.Event()

    def silent(connection: Connection) -> None:
        connection.receive()
        reached.set()
        connection.hold()

    context = certificates.context()
    with RawServer(silent, tls=context) as origin, RawServer(http_proxy(), tls=context) as proxy:
        url = origin.url(host="localhost")
        channel = session(proxy=f"https://localhost:{proxy.port}", timeout=600.0).open(parse_url(url))
        aborter = threading.Thread(target=lambda: reached.wait(10) and channel.abort())
        aborter.start()
        with pytest.raises(ConnectionLost):
            ask(channel, url)
        aborter.join(10)
        channel.close()


def test_what_connect_to_moves_is_tunnelled(session: Callable[..., HttpSession]) -> None:
    with RawServer(serve_ranges) as origin, RawServer(http_proxy()) as proxy:
        rules = [("origin.test", "80", "moved.test", str(origin.port))]
        made = session(proxy=f"http://127.0.0.1:{proxy.port}", connect_to=rules)
        both(made, "http://origin.test/a")
        assert proxy.log[0].request.target == f"moved.test:{origin.port}"
        assert origin.log[0].request.target == "/a"
        assert origin.log[0].request.get("host") == "origin.test"


def test_no_proxy_goes_directly(session: Callable[..., HttpSession], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.0/8")
    with RawServer(serve_ranges) as origin:
        both(session(proxy="http://127.0.0.1:9"), origin.url())


def failure(made: HttpSession, url: str) -> list[NetworkError]:
    """The errors by both ways."""
    errors: list[NetworkError] = []
    channel = made.open(parse_url(url))
    with pytest.raises(NetworkError) as caught:
        ask(channel, url)
    channel.close()
    errors.append(caught.value)
    with pytest.raises(NetworkError) as caught:
        made.dial(parse_url(url))
    return [*errors, caught.value]


@pytest.mark.parametrize(("status", "retryable"), [(407, False), (403, False), (502, True), (503, True), (302, False)])
def test_a_tunnel_that_is_refused(session: Callable[..., HttpSession], status: int, retryable: bool) -> None:
    with RawServer(http_proxy(refuse=status)) as proxy:
        for error in failure(session(proxy=f"http://u:hush@127.0.0.1:{proxy.port}"), "https://origin.test/"):
            assert isinstance(error, ProxyFailed)
            assert f"127.0.0.1 port {proxy.port}" in str(error)
            assert str(status) in str(error)
            assert "hush" not in str(error)
            assert error.retryable is retryable


def test_407_to_a_forwarded_request(session: Callable[..., HttpSession]) -> None:
    with RawServer(http_proxy(refuse=407)) as proxy:
        url = "http://origin.test/"
        channel = session(proxy=f"http://127.0.0.1:{proxy.port}").open(parse_url(url))
        with pytest.raises(ProxyFailed, match="407"):
            ask(channel, url)
        channel.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nmore",
        b"HTTP/1.1 2x0 OK\r\n\r\n",
        b"HTTP/1.1 200 " + b"x" * 100_000,
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 103 Hints\r\n\r\n" * 20_000,
    ],
)
def test_a_proxy_that_talks_nonsense(session: Callable[..., HttpSession], answer: bytes) -> None:
    with RawServer(http_proxy(answer=answer)) as proxy:
        for error in failure(session(proxy=f"http://127.0.0.1:{proxy.port}"), "https://origin.test/"):
            assert isinstance(error, ProxyFailed)
            assert str(error).isprintable()


def test_interim_answers_and_bare_line_ends_of_a_proxy(session: Callable[..., HttpSession]) -> None:
    def handler(connection: Connection) -> None:
        connection.receive()
        connection.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\n\n")
        with contextlib.suppress(OSError):
            pump(connection, origin.port)

    with RawServer(serve_ranges) as origin, RawServer(handler) as proxy:
        rules = [("origin.test", "80", "moved.test", "1")]
        both(session(proxy=f"http://127.0.0.1:{proxy.port}", connect_to=rules), "http://origin.test/a")


def silent_proxy(connection: Connection) -> None:
    connection.hold()


@pytest.mark.parametrize("scheme", ["http", "socks5h"])
def test_a_silent_proxy_ends_in_time(session: Callable[..., HttpSession], scheme: str) -> None:
    with RawServer(silent_proxy) as proxy:
        made = session(proxy=f"{scheme}://127.0.0.1:{proxy.port}", connect_timeout=0.05)
        assert all(isinstance(error, ProxyFailed) for error in failure(made, "https://origin.test/"))


@pytest.mark.parametrize("scheme", ["http", "https", "socks5", "socks5h"])
def test_a_proxy_that_is_not_there(session: Callable[..., HttpSession], scheme: str) -> None:
    with refusing() as port:
        errors = failure(session(proxy=f"{scheme}://127.0.0.1:{port}"), "http://127.0.0.1:1/")
    for error in errors:
        assert isinstance(error, ProxyFailed)
        assert "refused" in error.why
        assert "--proxy" in error.hint


@pytest.mark.parametrize("scheme", ["http", "socks5h"])
def test_giving_up_ends_the_wait_for_a_proxy(session: Callable[..., HttpSession], scheme: str) -> None:
    with RawServer(silent_proxy) as proxy:
        made = session(proxy=f"{scheme}://127.0.0.1:{proxy.port}", connect_timeout=3600.0)
        with pytest.raises(NetworkError):
            made.dial(parse_url("https://origin.test/"), cancelled=lambda: proxy.accepted > 0)


# --- SOCKS -----------------------------------------------------------------------------------------------


class Socks:
    """A SOCKS 5 server; what it was asked for stands in `asked`."""

    def __init__(self, port: int, *, login: tuple[bytes, bytes] | None = None, reply: int = 0, kind: int = 1) -> None:
        self.port = port
        self.login = login
        self.reply = reply
        self.kind = kind
        self.asked: list[tuple[int, bytes, int]] = []

    def __call__(self, connection: Connection) -> None:
        sock = connection.sock
        version, count = self.take(sock, 2)
        methods = self.take(sock, count)
        wanted = 0 if self.login is None else 2
        sock.sendall(bytes((version, wanted if wanted in methods else 255)))
        if wanted not in methods:
            return
        if self.login is not None:
            name = self.take(sock, self.take(sock, 2)[1])
            password = self.take(sock, self.take(sock, 1)[0])
            sock.sendall(bytes((1, (name, password) != self.login)))
        _, _, _, kind = self.take(sock, 4)
        host = self.take(sock, {1: 4, 4: 16}[kind] if kind != 3 else self.take(sock, 1)[0])
        self.asked.append((kind, host, int.from_bytes(self.take(sock, 2), "big")))
        bound = {1: bytes(4), 3: b"\x05proxy", 4: bytes(16), 9: b""}[self.kind]
        for byte in bytes((5, self.reply, 0, self.kind)) + bound + bytes(2):
            sock.sendall(bytes((byte,)))  # one at a time: an answer may come in any pieces
        if not self.reply:
            with contextlib.suppress(OSError):
                pump(connection, self.port)

    @staticmethod
    def take(sock: socket.socket, count: int) -> bytes:
        data = b""
        while len(data) < count:
            piece = sock.recv(count - len(data))
            if not piece:
                raise ConnectionError
            data += piece
        return data


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("kind", [1, 3, 4])
def test_socks5h_leaves_the_name_to_the_proxy(
    session: Callable[..., HttpSession], certificates: Certificates, tls: bool, kind: int
) -> None:
    with RawServer(serve_ranges, tls=certificates.context() if tls else None) as origin:
        socks = Socks(origin.port, kind=kind)
        with RawServer(socks) as proxy:
            both(session(proxy=f"socks5h://127.0.0.1:{proxy.port}"), origin.url(host="origin.test"))
        assert set(socks.asked) == {(3, b"origin.test", origin.port)}
        assert origin.log[0].request.target == "/file.bin"


def test_socks5_resolves_here(session: Callable[..., HttpSession]) -> None:
    with RawServer(serve_ranges) as origin:
        socks = Socks(origin.port)
        with RawServer(socks) as proxy:
            both(session(proxy=f"socks5://127.0.0.1:{proxy.port}", family=4), origin.url(host="localhost"))
        assert set(socks.asked) == {(1, bytes((127, 0, 0, 1)), origin.port)}


@pytest.mark.parametrize(
    ("host", "asked"), [("127.0.0.1", (1, bytes((127, 0, 0, 1)))), ("::1", (4, bytes(15) + b"\1"))]
)
@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_socks_with_an_address(
    session: Callable[..., HttpSession], scheme: str, host: str, asked: tuple[int, bytes]
) -> None:
    with RawServer(serve_ranges) as origin:
        socks = Socks(origin.port)
        with RawServer(socks) as proxy:
            named = f"[{host}]" if ":" in host else host
            wire = raw(session(proxy=f"{scheme}://127.0.0.1:{proxy.port}"), f"http://{named}:8/a")
            wire.close()
        assert socks.asked == [(*asked, 8)]


def test_socks_login(session: Callable[..., HttpSession]) -> None:
    with RawServer(serve_ranges) as origin:
        socks = Socks(origin.port, login=(b"ann", "p\u00e4ss".encode()))
        with RawServer(socks) as proxy:
            url = origin.url(host="origin.test")
            both(session(proxy=f"socks5h://ann:p%C3%A4ss@127.0.0.1:{proxy.port}"), url)
            for userinfo in ("", "ann:hush@", f"ann:{'x' * 300}@"):
                for error in failure(session(proxy=f"socks5h://{userinfo}127.0.0.1:{proxy.port}"), url):
                    assert isinstance(error, ProxyFailed)
                    assert not error.retryable
                    assert "hush" not in str(error)


@pytest.mark.parametrize(
    ("reply", "why", "retryable"),
    [(1, "fault", True), (2, "forbid", False), (4, "host cannot be reached", True), (5, "refused", True),
     (99, "99", True)],
)  # fmt: skip
def test_socks_refusals(session: Callable[..., HttpSession], reply: int, why: str, retryable: bool) -> None:
    with RawServer(Socks(1, reply=reply)) as proxy:
        for error in failure(session(proxy=f"socks5h://127.0.0.1:{proxy.port}"), "http://origin.test/"):
            assert isinstance(error, ProxyFailed)
            assert why in error.why
            assert error.retryable is retryable


@pytest.mark.parametrize("answer", [b"", b"\x05", b"HTTP/1.1 400\r\n\r\n", b"\x04\x00", b"\x05\x07"])
def test_a_socks_server_that_is_none(session: Callable[..., HttpSession], answer: bytes) -> None:
    def handler(connection: Connection) -> None:
        connection.sock.recv(64)
        connection.send(answer)

    with RawServer(handler) as proxy:
        for error in failure(session(proxy=f"socks5h://127.0.0.1:{proxy.port}"), "http://origin.test/"):
            assert isinstance(error, ProxyFailed)


def test_an_unknown_address_kind_in_the_reply(session: Callable[..., HttpSession]) -> None:
    with RawServer(Socks(1, kind=9)) as proxy:
        for error in failure(session(proxy=f"socks5h://127.0.0.1:{proxy.port}"), "http://origin.test/"):
            assert isinstance(error, ProxyFailed)
