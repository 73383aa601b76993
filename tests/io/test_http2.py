"""HTTP/2, by a small server on the h2 library: bodies, insistence, fallback, hostile frames."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import pytest

from fastdl.core.urls import parse_url
from fastdl.errors import ConnectionLost, NetworkError, ProtocolViolation, TlsFailed
from fastdl.io.channel import Request
from fastdl.io.dial import Dialer
from fastdl.io.dns import Resolver
from fastdl.io.http import HttpSession
from fastdl.io.http_channel import HttpChannel
from fastdl.settings import Settings
from servers.raw import Connection, RawServer
from servers.tls import Certificates

BODY = bytes(range(256)) * 2000  # 500 KiB: beyond the first flow-control window

Reply = Callable[[h2.connection.H2Connection, int, dict[str, str]], bytes]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def session(certificates: Certificates) -> Iterator[Callable[..., HttpSession]]:
    def make(**options: Any) -> HttpSession:
        settings = Settings(**{"timeout": 10.0, "use_proxy": False, "cacert": str(certificates.ca), **options})
        return HttpSession(settings, Dialer(settings, Resolver()))

    yield make


def tls(certificates: Certificates, *protocols: str) -> ssl.SSLContext:
    context = certificates.context()
    context.set_alpn_protocols(list(protocols))
    return context


class Server:
    """Speaks HTTP/2 where it was negotiated, else HTTP/1.1; `reply` queues the answer's head and gives its body."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.seen: list[dict[str, str]] = []

    def __call__(self, connection: Connection) -> None:
        assert isinstance(connection.sock, ssl.SSLSocket)
        if connection.sock.selected_alpn_protocol() != "h2":
            connection.receive()
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            connection.hold()
            return
        h2c = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, validate_outbound_headers=False))
        h2c.initiate_connection()
        left: dict[int, bytes] = {}
        connection.send(h2c.data_to_send())
        # An answer that ends the connection makes whatever still comes from the client an error.
        with contextlib.suppress(h2.exceptions.ProtocolError):
            while data := connection.sock.recv(65536):
                for event in h2c.receive_data(data):
                    if isinstance(event, h2.events.RequestReceived):
                        fields = {name.decode(): value.decode("latin-1") for name, value in event.headers or []}
                        self.seen.append(fields)
                        left[event.stream_id] = self.reply(h2c, event.stream_id, fields)
                for stream in list(left):
                    left[stream] = self.flow(h2c, stream, left[stream])
                    if not left[stream]:
                        del left[stream]
                connection.send(h2c.data_to_send())

    @staticmethod
    def flow(h2c: h2.connection.H2Connection, stream: int, body: bytes) -> bytes:
        while body:
            count = min(len(body), h2c.local_flow_control_window(stream), h2c.max_outbound_frame_size)
            if count <= 0:
                return body
            h2c.send_data(stream, body[:count], end_stream=count == len(body))
            body = body[count:]
        return b""


def ranges(h2c: h2.connection.H2Connection, stream: int, fields: dict[str, str]) -> bytes:
    start, _, end = fields["range"].removeprefix("bytes=").partition("-")
    body = BODY[int(start) : int(end) + 1 if end else None]
    h2c.send_headers(stream, [(":status", "206"), ("content-length", str(len(body))), ("x-a", "1"), ("x-a", "2")])
    return body


def ask(channel: HttpChannel, url: str, start: int = 0, end: int | None = None) -> Any:
    channel.send(Request(parse_url(url), start, end, True, None, (("User-Agent", "me/1"), ("X-Own", "\xc3\xa4"))))
    return channel.receive_head()


def read(channel: HttpChannel) -> bytes:
    body = bytearray()
    view = memoryview(bytearray(100_000))
    while count := channel.read_into(view):
        body += view[:count]
    return bytes(body)


@pytest.mark.parametrize(
    ("option", "protocols", "version"),
    [
        ("2", ["h2", "http/1.1"], "HTTP/2"),
        ("2", ["http/1.1"], "HTTP/1.1"),  # falls back, as curl does
        ("2", [], "HTTP/1.1"),
        ("auto", ["h2", "http/1.1"], "HTTP/1.1"),  # HTTP/2 only where a server insists
        ("1.1", ["h2", "http/1.1"], "HTTP/1.1"),
    ],
)
def test_the_version_that_is_spoken(
    session: Callable[..., HttpSession], certificates: Certificates, option: str, protocols: list[str], version: str
) -> None:
    with RawServer(Server(ranges), tls=tls(certificates, *protocols)) as server:
        channel = session(http=option).open(parse_url(server.url()))
        assert ask(channel, server.url()).version == version
        channel.close()


def test_ranges_over_one_connection(session: Callable[..., HttpSession], certificates: Certificates) -> None:
    made = Server(ranges)
    with RawServer(made, tls=tls(certificates, "h2")) as server:
        url = server.url("/a%20b?c=[d]")
        channel = session(http="2").open(parse_url(url))
        head = ask(channel, url)
        assert (head.status, head.version, head.all("x-a")) == (206, "HTTP/2", ["1", "2"])
        assert channel.take_over() is None
        assert read(channel) == BODY
        assert channel.reusable
        ask(channel, url, 10, 100)
        assert read(channel) == BODY[10:100]
        assert server.accepted == 1
        channel.close()
        assert made.seen[1] == {
            ":method": "GET", ":authority": f"127.0.0.1:{server.port}", ":scheme": "https",
            ":path": parse_url(url).target, "user-agent": "me/1", "x-own": "\xc3\xa4", "range": "bytes=10-99",
        }  # fmt: skip


def insists(connection: Connection) -> None:
    """A server that closes with the alert no_application_protocol unless h2 is offered (RFC 7301, section 3.2)."""
    connection.sock.recv(4096)
    connection.send(bytes((21, 3, 3, 0, 2, 2, 120)))


def test_a_server_that_insists_on_http2(session: Callable[..., HttpSession], certificates: Certificates) -> None:
    context = tls(certificates, "h2")
    refused: list[int] = []

    def handler(connection: Connection) -> None:
        hello = connection.sock.recv(65536, socket.MSG_PEEK)
        if b"\x02h2" not in hello:
            refused.append(1)
            insists(connection)
            return
        connection.sock = context.wrap_socket(connection.sock, server_side=True)
        Server(ranges)(connection)

    with RawServer(handler) as server:
        url = f"https://127.0.0.1:{server.port}/"
        channel = session().open(parse_url(url))
        assert ask(channel, url, 5, 9).version == "HTTP/2"
        assert read(channel) == BODY[5:9]
        channel.close()
        assert refused == [1]
        with pytest.raises(TlsFailed, match="HTTP version"):
            ask(session(http="1.1").open(parse_url(url)), url)


def reset(h2c: h2.connection.H2Connection, stream: int, fields: dict[str, str]) -> bytes:
    h2c.send_headers(stream, [(":status", "200"), ("content-length", "9")])
    h2c.send_data(stream, b"hello")
    h2c.reset_stream(stream)
    return b""


def reset_at_once(h2c: h2.connection.H2Connection, stream: int, fields: dict[str, str]) -> bytes:
    h2c.reset_stream(stream)
    return b""


def go_away(h2c: h2.connection.H2Connection, stream: int, fields: dict[str, str]) -> bytes:
    h2c.send_headers(stream, [(":status", "200"), ("content-length", "9")])
    h2c.close_connection(error_code=2)
    return b""


def short(h2c: h2.connection.H2Connection, stream: int, fields: dict[str, str]) -> bytes:
    h2c.send_headers(stream, [(":status", "200"), ("content-length", "9")])
    h2c.send_data(stream, b"hello", end_stream=True)
    return b""


def smuggle(h2c: h2.connection.H2Connection, stream: int, fields: dict[str, str]) -> bytes:
    h2c.send_headers(stream, [(":status", "200"), ("x", "a\r\nlocation: b")])
    return b"hello"


def no_status(h2c: h2.connection.H2Connection, stream: int, fields: dict[str, str]) -> bytes:
    h2c.send_headers(stream, [(":status", "none"), ("x", "y")])
    return b"hello"


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (reset, ConnectionLost),
        (reset_at_once, ConnectionLost),
        (go_away, ConnectionLost),
        (short, NetworkError),
        (smuggle, ProtocolViolation),
        (no_status, ProtocolViolation),
    ],
)
def test_broken_answers(
    session: Callable[..., HttpSession], certificates: Certificates, reply: Reply, error: type[NetworkError]
) -> None:
    with RawServer(Server(reply), tls=tls(certificates, "h2")) as server:
        channel = session(http="2").open(parse_url(server.url()))
        with pytest.raises(error) as caught:
            ask(channel, server.url())
            read(channel)
        assert str(caught.value).isprintable()
        assert not channel.reusable
        channel.close()


@pytest.mark.parametrize(
    "frames",
    [
        b"",
        b"HTTP/1.1 200 OK\r\n\r\n",
        bytes(9) * 50,
        b"\xff" * 100,
        b"\0\0\4\1\4\0\0\0\1\xff\xff\xff\xff",  # HEADERS that cannot be decompressed
        b"\0\0\1\0\1\0\0\0\7x",  # DATA of a stream that nobody opened
        b"\0\0\4\x08\0\0\0\0\0\0\0\0\0",  # WINDOW_UPDATE by nothing
        b"\0\0\6\4\0\0\0\0\0\0\3\0\0\0\0" * 200,  # SETTINGS: no streams allowed, again and again
        b"\0\0\x08\6\0\0\0\0\0pingpong" * 200_000,  # a flood of PINGs
    ],
)
def test_hostile_frames(session: Callable[..., HttpSession], certificates: Certificates, frames: bytes) -> None:
    def handler(connection: Connection) -> None:
        connection.sock.recv(65536)
        connection.send(b"\0\0\0\4\0\0\0\0\0" + frames)

    with RawServer(handler, tls=tls(certificates, "h2")) as server:
        channel = session(http="2").open(parse_url(server.url()))
        with pytest.raises(NetworkError):
            ask(channel, server.url())
        channel.close()
