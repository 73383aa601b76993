"""Channels on httpcore: what goes out, what comes back, how it ends; servers on raw sockets."""

from __future__ import annotations

import hashlib
import re
import socket
import ssl
from collections.abc import Callable

import pytest

from channels import BODY, HEAD, ask, read, say, serve_ranges
from channels import certificates as certificates
from channels import session as session
from fastdl.core.urls import parse_url
from fastdl.errors import (
    ConnectFailed,
    ConnectionLost,
    NetworkError,
    ProtocolViolation,
    TimedOut,
    TlsFailed,
)
from fastdl.io.digest import DigestLogin
from fastdl.io.http import HttpSession
from ports import refusing
from servers.raw import Connection, RawServer
from servers.tls import Certificates

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
