"""Channels on httpcore: what goes out, what comes back, how it ends; servers on raw sockets."""

from __future__ import annotations

import hashlib
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fastdl.core.urls import parse_url
from fastdl.errors import (
    ConnectFailed,
    ConnectionLost,
    NetworkError,
    ProtocolViolation,
    TimedOut,
    TlsFailed,
    UsageError,
)
from fastdl.io.channel import Request
from fastdl.io.dial import Dialer
from fastdl.io.digest import DigestLogin
from fastdl.io.dns import Resolver
from fastdl.io.http import HttpSession
from fastdl.io.http_channel import HttpChannel
from fastdl.io.wire import WireChannel
from fastdl.settings import Settings
from ports import refusing
from servers.raw import Connection, RawServer
from servers.tls import Certificates

BODY = bytes(range(256)) * 800  # 200 KiB: more than one read


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def session() -> Iterator[Callable[..., HttpSession]]:
    def make(**options: Any) -> HttpSession:
        settings = Settings(**{"timeout": 10.0, "use_proxy": False, **options})
        return HttpSession(settings, Dialer(settings, Resolver()))

    yield make


def ask(
    channel: HttpChannel | WireChannel, url: str, start: int = 0, end: int | None = None,
    headers: tuple[tuple[str, str], ...] = (), **more: Any,
) -> Any:  # fmt: skip
    channel.send(Request(parse_url(url), start, end, more.get("ranged", True), more.get("if_range"), headers))
    return channel.receive_head()


def read(channel: HttpChannel | WireChannel, step: int = 50_000) -> bytes:
    body = bytearray()
    view = memoryview(bytearray(step))
    while count := channel.read_into(view):
        body += view[:count]
    return bytes(body)


def serve_ranges(connection: Connection) -> None:
    while (request := connection.receive()) is not None:
        start, end = request.range or (0, None)
        part = BODY[start:end]
        place = b"bytes %d-%d/%d" % (start, start + len(part) - 1, len(BODY))
        connection.send(b"HTTP/1.1 206 Partial Content\r\nContent-Length: %d\r\nX-A: 1\r\n" % len(part))
        connection.send(b"Content-Range: " + place + b"\r\nx-a: \xe4\r\n\r\n")
        connection.body(part)


def say(*pieces: bytes, close: bool = True) -> Callable[[Connection], None]:
    """A server that answers the first request with `pieces` and then closes, or holds the connection open."""

    def handler(connection: Connection) -> None:
        connection.receive()
        for piece in pieces:
            connection.send(piece)
        if not close:
            connection.hold()

    return handler


# --- requests and responses ------------------------------------------------------------------------------


@pytest.mark.parametrize("tls", [False, True])
def test_ranges_over_one_connection(session: Callable[..., HttpSession], certificates: Certificates, tls: bool) -> None:
    with RawServer(serve_ranges, tls=certificates.context() if tls else None) as server:
        url = server.url()
        channel = session(cacert=str(certificates.ca)).open(parse_url(url))
        assert channel.reusable
        head = ask(channel, url)
        assert (head.status, head.reason, head.version) == (206, "Partial Content", "HTTP/1.1")
        assert head.get("content-length") == str(len(BODY))
        assert head.all("x-a") == ["1", "\xe4"]
        assert channel.peer == "127.0.0.1"
        assert channel.rtt > 0
        assert not channel.reusable
        assert channel.body_left == len(BODY)
        assert read(channel) == BODY
        assert channel.read_into(memoryview(bytearray(9))) == 0
        assert channel.reusable
        ask(channel, url, 10, 100)
        assert read(channel, 7) == BODY[10:100]
        assert channel.answered == 2
        assert server.accepted == 1
        channel.close()
        assert not channel.reusable


def test_exactly_our_headers_go_out(session: Callable[..., HttpSession]) -> None:
    with RawServer(serve_ranges) as server:
        url = server.url("/a%20b/../c;x?q=[1]&r='%41'")
        channel = session().open(parse_url(url))
        ask(channel, url, 5, 9, (("User-Agent", "me/1"), ("X-K", "\xc3\xa4"), ("X-K", "2")), if_range='"tag"')
        lines = server.log[0].request.raw.split(b"\r\n")
        assert lines[0] == f"GET {parse_url(url).target} HTTP/1.1".encode()
        assert sorted(lines[1:]) == sorted(
            [b"Host: 127.0.0.1:%d" % server.port, b"User-Agent: me/1", b"X-K: \xc3\xa4", b"X-K: 2", b"Range: bytes=5-8",
             b'If-Range: "tag"']
        )  # fmt: skip
        channel.close()


def test_no_range_and_another_host_header(session: Callable[..., HttpSession]) -> None:
    with RawServer(serve_ranges) as server:
        channel = session().open(parse_url(server.url()))
        ask(channel, server.url(), ranged=False, headers=(("Host", "virtual.example"),))
        request = server.log[0].request
        assert request.get("range") is None
        assert [value for name, value in request.headers if name == "host"] == ["virtual.example"]
        channel.close()


def test_redirects_are_not_followed_whatever_they_say(session: Callable[..., HttpSession]) -> None:
    answer = b"HTTP/1.1 302 Found\r\nLocation: http://[broken\r\nSet-Cookie: a=b; Expires=nonsense\r\n"
    with RawServer(say(answer, b"Content-Length: 0\r\n\r\n")) as server:
        channel = session().open(parse_url(server.url()))
        head = ask(channel, server.url())
        assert (head.status, head.get("location")) == (302, "http://[broken")
        channel.close()


@pytest.mark.parametrize(
    ("head", "pieces", "reusable"),
    [
        (b"Transfer-Encoding: chunked", [b"5\r\nhello\r\n", b"0\r\n\r\n"], True),
        (b"Transfer-Encoding: chunked", [b"2;x=y\r\nhe\r\n3\r\nllo\r\n0\r\nTrailer: t\r\n\r\n"], True),
        (b"Content-Length: 5", [b"he", b"llo"], True),
        (b"Content-Length: 5\r\nConnection: close", [b"hello"], False),
        (b"X: y", [b"hel", b"lo"], False),
    ],
)
def test_bodies(session: Callable[..., HttpSession], head: bytes, pieces: list[bytes], reusable: bool) -> None:
    with RawServer(say(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n", *pieces, close=not reusable)) as server:
        channel = session().open(parse_url(server.url()))
        ask(channel, server.url())
        assert read(channel) == b"hello"
        assert channel.reusable is reusable
        channel.close()


def test_interim_answers_are_skipped(session: Callable[..., HttpSession]) -> None:
    with RawServer(say(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * 3, b"HTTP/1.1 200 OK\r\n\r\nhi")) as server:
        channel = session().open(parse_url(server.url()))
        assert ask(channel, server.url()).status == 200
        assert read(channel) == b"hi"
        channel.close()


# --- failures --------------------------------------------------------------------------------------------

HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("pieces", "error"),
    [
        ([], ConnectionLost),
        ([b"HTTP/1.1 20"], ConnectionLost),
        ([HEAD + b"Content-Length: 9\r\n\r\nhello"], ConnectionLost),
        ([HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"], ConnectionLost),
        ([HEAD + b"Transfer-Encoding: chunked\r\n\r\nfive\r\nhello\r\n"], ProtocolViolation),
        ([HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"], ProtocolViolation),
        ([HEAD + b"Content-Length: five\r\n\r\nhello"], ProtocolViolation),
        ([b"SSH-2.0-x\r\n\r\n"], ProtocolViolation),
        ([HEAD + b"X: \0\r\n\r\n"], ProtocolViolation),
        ([HEAD + b"X: " + b"a" * 200_000 + b"\r\n\r\n"], ProtocolViolation),
        ([b"HTTP/1.1 102 Processing\r\n\r\n" * 60_000], ProtocolViolation),
    ],
)
def test_broken_answers(session: Callable[..., HttpSession], pieces: list[bytes], error: type[NetworkError]) -> None:
    with RawServer(say(*pieces)) as server:
        channel = session().open(parse_url(server.url()))
        with pytest.raises(error) as caught:
            ask(channel, server.url())
            read(channel)
        assert type(caught.value) is error
        assert str(caught.value).isprintable()
        assert not channel.reusable
        channel.close()


@pytest.mark.parametrize("head", [b"", HEAD + b"Content-Length: 9\r\n\r\nhello"])
def test_silence_ends_in_time(session: Callable[..., HttpSession], head: bytes) -> None:
    with RawServer(say(head, close=False)) as server:
        channel = session(timeout=0.05).open(parse_url(server.url()))
        with pytest.raises(TimedOut, match=r"0\.05 s"):
            ask(channel, server.url())
            read(channel)
        channel.close()


def test_a_body_cut_without_a_tls_farewell_is_not_whole(
    session: Callable[..., HttpSession], certificates: Certificates
) -> None:
    def cut(connection: Connection) -> None:
        connection.receive()
        connection.send(HEAD + b"\r\nhello")
        assert isinstance(connection.sock, ssl.SSLSocket)
        connection.sock = socket.socket(fileno=connection.sock.detach())

    with RawServer(cut, tls=certificates.context()) as server:
        channel = session(cacert=str(certificates.ca)).open(parse_url(server.url()))
        ask(channel, server.url())
        with pytest.raises(ConnectionLost):
            read(channel)
        channel.close()


def test_an_untrusted_server(session: Callable[..., HttpSession], certificates: Certificates) -> None:
    with RawServer(serve_ranges, tls=certificates.context()) as server:
        channel = session().open(parse_url(server.url()))
        with pytest.raises(TlsFailed, match="--insecure"):
            ask(channel, server.url())
        channel.close()
        assert server.log == []


def test_nobody_listens(session: Callable[..., HttpSession]) -> None:
    with refusing() as port:
        url = f"http://127.0.0.1:{port}/"
        channel = session().open(parse_url(url))
        with pytest.raises(ConnectFailed, match="refused"):
            ask(channel, url)
        channel.close()


def test_an_answer_that_came_before_the_request_was_read_counts(session: Callable[..., HttpSession]) -> None:
    def early(connection: Connection) -> None:
        connection.receive()
        connection.send(b"HTTP/1.1 431 Too Large\r\nContent-Length: 2\r\n\r\nno")

    with RawServer(early) as server:
        channel = session().open(parse_url(server.url()))
        assert ask(channel, server.url(), headers=(("X-Big", "x" * 20_000),)).status == 431
        assert read(channel) == b"no"
        channel.close()


# --- abort -----------------------------------------------------------------------------------------------


def abort_during(channel: HttpChannel, url: str, reached: threading.Event, whole: bool = True) -> NetworkError:
    """The error of a worker that is aborted from another thread once `reached` is set."""
    errors: list[NetworkError] = []

    def work() -> None:
        try:
            ask(channel, url)
            read(channel)
        except NetworkError as error:
            errors.append(error)

    worker = threading.Thread(target=work)
    worker.start()
    assert reached.wait(10)
    channel.abort()
    worker.join(10)
    assert not worker.is_alive()
    channel.close()
    return errors[0]


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("sent", [b"", HEAD + b"Content-Length: 9\r\n\r\nhello"])
def test_abort(session: Callable[..., HttpSession], certificates: Certificates, tls: bool, sent: bytes) -> None:
    reached = threading.Event()

    def handler(connection: Connection) -> None:
        connection.receive()
        connection.send(sent)
        reached.set()
        connection.hold()

    with RawServer(handler, tls=certificates.context() if tls else None) as server:
        channel = session(cacert=str(certificates.ca), timeout=600.0).open(parse_url(server.url()))
        error = abort_during(channel, server.url(), reached)
        assert isinstance(error, ConnectionLost)
        assert "given up" in error.what


def test_abort_in_the_tls_handshake(session: Callable[..., HttpSession]) -> None:
    reached = threading.Event()

    def handler(connection: Connection) -> None:
        connection.sock.recv(1)
        reached.set()
        connection.hold()

    with RawServer(handler) as server:
        url = server.url().replace("http:", "https:")
        channel = session(connect_timeout=600.0).open(parse_url(url))
        assert isinstance(abort_during(channel, url, reached), ConnectionLost)


def test_abort_before_the_connect(session: Callable[..., HttpSession]) -> None:
    with RawServer(serve_ranges) as server:
        channel = session().open(parse_url(server.url()))
        channel.abort()
        with pytest.raises(NetworkError):
            ask(channel, server.url())
        channel.close()


def test_on_close_is_called_once(session: Callable[..., HttpSession]) -> None:
    called: list[int] = []
    with RawServer(serve_ranges) as server:
        channel = session().open(parse_url(server.url()), on_close=lambda: called.append(1))
        ask(channel, server.url())
        assert called == []
        channel.close()
        channel.close()
        assert called == [1]


# --- take_over -------------------------------------------------------------------------------------------


def go_on(channel: HttpChannel, url: str, head: Any) -> WireChannel:
    taken = channel.take_over()
    assert taken is not None
    sock, leftover = taken
    wire = WireChannel(
        sock, rtt=channel.rtt, peer=channel.peer, timeout=10, leftover=leftover, absolute_form=channel.absolute_form,
        extra_headers=channel.proxy_headers,
    )  # fmt: skip
    wire.adopt(head)
    channel.close()
    return wire


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("end", [None, 10])
def test_take_over(session: Callable[..., HttpSession], certificates: Certificates, tls: bool, end: int | None) -> None:
    called: list[int] = []
    with RawServer(serve_ranges, tls=certificates.context() if tls else None) as server:
        url = server.url()
        channel = session(cacert=str(certificates.ca)).open(parse_url(url), on_close=lambda: called.append(1))
        wire = go_on(channel, url, ask(channel, url, 0, end))
        assert read(wire) == BODY[:end]
        for part in (range(5, 50), range(1000, 100_000)):
            ask(wire, url, part.start, part.stop)
            assert read(wire) == BODY[part.start : part.stop]
        wire.close()
        assert server.accepted == 1
        assert called == []


def test_take_over_does_not_wait_for_a_body_that_has_not_come(session: Callable[..., HttpSession]) -> None:
    with RawServer(say(HEAD + b"Content-Length: 5\r\n\r\n", close=False)) as server:
        channel = session(timeout=600.0).open(parse_url(server.url()))
        ask(channel, server.url())
        taken = channel.take_over()
        assert taken is not None
        assert taken[1] == b""
        taken[0].close()


@pytest.mark.parametrize(
    "head",
    [
        HEAD + b"Transfer-Encoding: chunked",
        HEAD + b"X: no length",
        HEAD + b"Content-Length: 5\r\nContent-Encoding: gzip",
        b"HTTP/1.0 200 OK\r\nContent-Length: 5",
        b"HTTP/1.1 302 Found\r\nContent-Length: 5",
    ],
)
def test_what_cannot_be_taken_over(session: Callable[..., HttpSession], head: bytes) -> None:
    with RawServer(say(head + b"\r\n\r\nhello", close=False)) as server:
        channel = session().open(parse_url(server.url()))
        ask(channel, server.url())
        assert channel.take_over() is None
        channel.close()


def test_a_channel_that_was_aborted_is_not_taken_over(session: Callable[..., HttpSession]) -> None:
    with RawServer(serve_ranges) as server:
        channel = session().open(parse_url(server.url()))
        ask(channel, server.url())
        channel.abort()
        with pytest.raises(ConnectionLost):
            channel.take_over()


def test_a_body_that_was_begun_is_not_taken_over(session: Callable[..., HttpSession]) -> None:
    with RawServer(serve_ranges) as server:
        channel = session().open(parse_url(server.url()))
        assert channel.take_over() is None
        ask(channel, server.url())
        channel.read_into(memoryview(bytearray(1)))
        assert channel.take_over() is None
        channel.close()


# --- digest authentication -------------------------------------------------------------------------------


def digest_server(seen: list[str], *, junk: int = 0, algorithm: str = "SHA-256") -> Callable[[Connection], None]:
    def handler(connection: Connection) -> None:
        while (request := connection.receive()) is not None:
            given = request.get("authorization") or ""
            seen.append(given)
            fields = dict(re.findall(r'(\w+)="?([^",]*)"?', given))
            if fields and fields["response"] == expected(fields, request.target):
                connection.send(HEAD + b"Content-Length: 2\r\n\r\nok")
                continue
            challenge = f'Digest realm="r", nonce="n{len(seen)}", qop="auth", algorithm={algorithm}'
            connection.send(
                f"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=x\r\nWWW-Authenticate: {challenge}\r\n"
                f"Content-Length: {junk}\r\n\r\n".encode()
                + bytes(junk)
            )

    def expected(fields: dict[str, str], target: str) -> str:
        def h(text: str) -> str:
            return hashlib.sha256(text.encode()).hexdigest()

        ha1, ha2 = h("ann:r:p\u00e4ss"), h(f"GET:{target}")
        return h(f"{ha1}:{fields['nonce']}:{fields['nc']}:{fields['cnonce']}:{fields['qop']}:{ha2}")

    return handler


@pytest.mark.parametrize("junk", [0, 1000, 300_000])
def test_digest(session: Callable[..., HttpSession], junk: int) -> None:
    seen: list[str] = []
    with RawServer(digest_server(seen, junk=junk)) as server:
        url = server.url("/a/../b%2Fc?x=[1]")
        channel = session().open(parse_url(url), digest=DigestLogin("ann", "p\u00e4ss"))
        for _ in range(2):
            assert ask(channel, url, headers=(("Authorization", "Basic hush"),)).status == 200
            assert read(channel) == b"ok"
        assert len(seen) == 3  # the second request answers the known challenge at once
        assert not any("Basic" in value for value in seen)
        assert server.accepted == (1 if junk < 65536 else 2)
        assert channel.take_over() is None
        channel.close()


@pytest.mark.parametrize("algorithm", ["ROT13", '"SHA-256"; broken', "SHA-256"])
def test_digest_that_is_not_accepted_leaves_the_401(session: Callable[..., HttpSession], algorithm: str) -> None:
    seen: list[str] = []
    with RawServer(digest_server(seen, algorithm=algorithm)) as server:
        channel = session().open(parse_url(server.url()), digest=DigestLogin("ann", "wrong"))
        assert ask(channel, server.url()).status == 401
        assert len(seen) <= 2
        channel.close()


# --- dial ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tls", [False, True])
def test_dial_gives_a_socket_for_the_raw_reader(
    session: Callable[..., HttpSession], certificates: Certificates, tls: bool
) -> None:
    with RawServer(serve_ranges, tls=certificates.context() if tls else None) as server:
        link = session(cacert=str(certificates.ca)).dial(parse_url(server.url()))
        assert link is not None
        assert (link.peer, link.absolute_form, link.proxy_headers) == ("127.0.0.1", False, ())
        wire = WireChannel(link.sock, rtt=link.rtt, peer=link.peer, timeout=10)
        ask(wire, server.url(), 3, 9)
        assert read(wire) == BODY[3:9]
        wire.close()


def test_connect_to_keeps_names_and_certificates(
    session: Callable[..., HttpSession], certificates: Certificates
) -> None:
    with RawServer(serve_ranges, tls=certificates.context()) as server:
        rules = [("origin.test", "443", "127.0.0.1", str(server.port))]
        made = session(cacert=str(certificates.ca), connect_to=rules)
        url = "https://origin.test/file"
        channel = made.open(parse_url(url))
        ask(channel, url, 0, 5)
        assert read(channel) == BODY[:5]
        assert server.log[0].request.get("host") == "origin.test"
        channel.close()


@pytest.mark.parametrize("proxied", [False, True])
def test_a_trust_store_that_cannot_be_used_leaves_no_socket_open(
    session: Callable[..., HttpSession], tmp_path: Path, proxied: bool
) -> None:
    bad = tmp_path / "bad.pem"
    bad.write_text("no certificate\n")
    with RawServer(lambda connection: None) as server:
        port = server.url("/").split(":")[2].strip("/")
        proxy = {"use_proxy": True, "proxy": f"https://127.0.0.1:{port}"} if proxied else {}
        url = parse_url("http://origin.test/f" if proxied else f"https://127.0.0.1:{port}/f")
        with pytest.raises(UsageError):
            session(cacert=str(bad), **proxy).dial(url)
        assert server.accepted == 0
