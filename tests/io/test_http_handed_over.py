"""Channels on httpcore: given up from another thread, or their socket handed to the raw reader."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from channels import BODY, HEAD, ask, read, say, serve_ranges
from channels import certificates as certificates
from channels import session as session
from fastdl.core.urls import parse_url
from fastdl.errors import (
    ConnectionLost,
    NetworkError,
    UsageError,
)
from fastdl.io.http import HttpSession
from fastdl.io.http_channel import HttpChannel
from fastdl.io.wire import WireChannel
from servers.raw import Connection, RawServer
from servers.tls import Certificates

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
