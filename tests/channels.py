"""Channels on httpcore, and servers on raw sockets for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fastdl.core.urls import parse_url
from fastdl.io.channel import Request
from fastdl.io.dial import Dialer
from fastdl.io.dns import Resolver
from fastdl.io.http import HttpSession
from fastdl.io.http_channel import HttpChannel
from fastdl.io.wire import WireChannel
from fastdl.settings import Settings
from servers.raw import Connection
from servers.tls import Certificates

BODY = bytes(range(256)) * 800  # 200 KiB: more than one read
HEAD = b"HTTP/1.1 200 OK\r\n"


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
