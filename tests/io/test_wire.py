"""The HTTP/1.1 reader (RFC 9112) against a peer that sends whatever a test wants."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastdl.core.urls import parse_url
from fastdl.errors import ConnectionLost, ProtocolViolation, TimedOut
from fastdl.io import wire
from fastdl.io.channel import Request
from fastdl.io.heads import MOST_FIELDS, parse_head
from fastdl.io.wire import MOST_HEAD, MOST_INTERIM, WireChannel

URL = parse_url("http://example.org:8080/dir/file?x=1")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: \"v\"\r\n\r\n"


def request(start: int = 0, end: int | None = None, **more: Any) -> Request:
    return Request(URL, start, end, more.get("ranged", True), more.get("if_range"), more.get("headers", ()))


class Line:
    """A channel and the other end of its connection."""

    def __init__(self, **options: Any) -> None:
        near, self.far = socket.socketpair()
        self.far.settimeout(10)
        self.closed = 0
        self.channel = WireChannel(near, rtt=0.01, peer="192.0.2.1", timeout=10, on_close=self._count, **options)

    def _count(self) -> None:
        self.closed += 1

    def says(self, data: bytes, *, end: bool = False) -> WireChannel:
        """The server sends `data` (at once, or from a thread where it is much), and closes if `end`."""
        if len(data) < 32 * 1024:
            self.far.sendall(data)
            if end:
                self.far.shutdown(socket.SHUT_WR)
        else:
            threading.Thread(target=self._push, args=(data, end), daemon=True).start()
        return self.channel

    def _push(self, data: bytes, end: bool) -> None:
        try:
            self.far.sendall(data)
            if end:
                self.far.shutdown(socket.SHUT_WR)
        except OSError:
            return

    def heard(self) -> bytes:
        return self.far.recv(65536)

    def close(self) -> None:
        self.channel.close()
        self.far.close()


@pytest.fixture
def line() -> Iterator[Line]:
    made = Line()
    yield made
    made.close()


def body(channel: WireChannel, window: int = 4096) -> bytes:
    view, out = memoryview(bytearray(window)), b""
    while count := channel.read_into(view):
        out += bytes(view[:count])
    return out


# --- requests ----------------------------------------------------------------------------------------------


def test_what_goes_out(line: Line) -> None:
    line.channel.send(request(100, 200, if_range='"v"', headers=(("User-Agent", "x"),)))
    assert line.heard() == (
        b"GET /dir/file?x=1 HTTP/1.1\r\nHost: example.org:8080\r\nUser-Agent: x\r\n"
        b'Range: bytes=100-199\r\nIf-Range: "v"\r\n\r\n'
    )
    line.channel.send(request(7))
    assert b"Range: bytes=7-\r\n" in line.heard()
    line.channel.send(request(ranged=False, headers=(("host", "other.example"),)))
    assert line.heard() == b"GET /dir/file?x=1 HTTP/1.1\r\nhost: other.example\r\n\r\n"


def test_through_a_proxy() -> None:
    line = Line(absolute_form=True, extra_headers=(("Proxy-Authorization", "Basic eA=="),))
    line.channel.send(request(ranged=False))
    assert line.heard() == (
        b"GET http://example.org:8080/dir/file?x=1 HTTP/1.1\r\nHost: example.org:8080\r\n"
        b"Proxy-Authorization: Basic eA==\r\n\r\n"
    )
    line.close()


def test_sending_on_a_dead_connection(line: Line) -> None:
    line.far.close()
    with pytest.raises(ConnectionLost):
        for _ in range(3):
            line.channel.send(request())


# --- heads -------------------------------------------------------------------------------------------------


def test_a_head_cut_at_every_byte(line: Line) -> None:
    for cut in range(1, len(OK)):
        line.channel.send(request())
        line.far.sendall(OK[:cut])
        got: list[Any] = []
        reader = threading.Thread(target=lambda got=got: got.append(line.channel.receive_head()))
        reader.start()
        line.far.sendall(OK[cut:] + b"hello")
        reader.join(10)
        assert got[0].status == 200
        assert got[0].headers == (("content-length", "5"), ("etag", '"v"'))
        assert body(line.channel) == b"hello"
        assert line.channel.reusable


@pytest.mark.parametrize("lead", [b"", b"\r\n", b"\n", b"\r\n\r\n", b"\n\r\n\n"])
def test_empty_lines_before_a_head(line: Line, lead: bytes) -> None:
    assert line.says(lead + OK).receive_head().status == 200


@pytest.mark.parametrize("lead", [b"\r\n", b"\n", b"\r"])
def test_endless_empty_lines(line: Line, lead: bytes) -> None:
    line.says(lead * 10_000 + OK)
    with pytest.raises(ProtocolViolation):
        line.channel.receive_head()


@pytest.mark.parametrize(
    ("raw", "reason", "version"),
    [
        (b"HTTP/1.1 200 OK", "OK", "HTTP/1.1"),
        (b"HTTP/1.1 200 Very much OK", "Very much OK", "HTTP/1.1"),
        (b"HTTP/1.1 200 ", "", "HTTP/1.1"),
        (b"HTTP/1.1 200", "", "HTTP/1.1"),
        (b"HTTP/1.0 200 OK", "OK", "HTTP/1.0"),
        (b"HTTP/1.7 200 OK", "OK", "HTTP/1.1"),
        (b"HTTP/1.1 200 \xe9", "\xe9", "HTTP/1.1"),
    ],
)
def test_status_lines(raw: bytes, reason: str, version: str) -> None:
    head = parse_head(raw + b"\r\nA: b\r")
    assert (head.status, head.reason, head.version, head.headers) == (200, reason, version, (("a", "b"),))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"hello",
        b"HTTP/0.9 200 OK",
        b"HTTP/2.0 200 OK",
        b"HTTP/2 200",
        b"HTTP/1.10 200 OK",
        b"HTTP/11 200 OK",
        b"http/1.1 200 OK",
        b"HTTP/1.1  200 OK",
        b"HTTP/1.1\t200 OK",
        b"HTTP/1.1 20 OK",
        b"HTTP/1.1 2000 OK",
        b"HTTP/1.1 099 OK",
        b"HTTP/1.1 +20 OK",
        b"HTTP/1.1 2\xb20 OK",
        b"HTTP/1.1",
        b"ICY 200 OK",
        b"HTTP/1.1 200 OK\r\nA: b\0c",  # NUL
        b"HTTP/1.1 200 OK\r\nA: b\rc",  # bare CR (RFC 9112, section 2.2)
        b"HTTP/1.1 200 OK\r\nA: b\r\r\nC: d",
        b"HTTP/1.1 200 \rOK",
        b"HTTP/1.1 200 OK\r\nA: b\r\n c",  # folded (section 5.2)
        b"HTTP/1.1 200 OK\r\nA: b\r\n\tc",
        b"HTTP/1.1 200 OK\r\n A: b",
        b"HTTP/1.1 200 OK\r\nA : b",  # white space before the colon (section 5.1)
        b"HTTP/1.1 200 OK\r\n: b",
        b"HTTP/1.1 200 OK\r\nA",
        b"HTTP/1.1 200 OK\r\nA(b): c",
        b"HTTP/1.1 200 OK\r\n\xe9: c",
        b"HTTP/1.1 200 OK" + b"\r\nA: b" * (MOST_FIELDS + 1),
    ],
)
def test_broken_heads(raw: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        parse_head(raw)


def test_fields() -> None:
    head = parse_head(b"HTTP/1.1 200 OK\nA:b\r\nA: \t c d \t\nX-Y:\r\nlocation: /caf\xc3\xa9:x")
    assert head.headers == (("a", "b"), ("a", "c d"), ("x-y", ""), ("location", "/caf\xc3\xa9:x"))
    assert len(parse_head(b"HTTP/1.1 200 OK" + b"\r\nA: b" * MOST_FIELDS).headers) == MOST_FIELDS


BITS = st.sampled_from(
    [b"HTTP/1.1 ", b"HTTP/1.0 200 OK", b"200", b" ", b"\r\n", b"\n", b"\r", b"A: b", b":", b"\0", b"\t", b"\xff", b"x"]
)


@given(st.lists(BITS, max_size=12).map(b"".join) | st.binary(max_size=60))
def test_any_bytes_are_a_head_or_a_violation(raw: bytes) -> None:
    try:
        head = parse_head(raw)
    except ProtocolViolation:
        return
    assert 100 <= head.status <= 999
    for name, value in head.headers:
        assert name == name.lower() and name.isascii() and name.strip() == name != ""
        assert not set(value) & set("\r\n\0")


@given(st.lists(BITS, max_size=20).map(b"".join), st.lists(st.integers(1, 9), min_size=1, max_size=5))
def test_a_stream_is_read_alike_however_it_is_cut(raw: bytes, steps: list[int]) -> None:
    """Byte by byte or at once: the same heads, the same end."""

    class Pieces:
        """What WireChannel needs of a socket."""

        def __init__(self, steps: list[int]) -> None:
            self.rest, self.steps = raw, steps

        def settimeout(self, seconds: float) -> None:
            return

        def recv(self, count: int) -> bytes:
            self.steps = [*self.steps[1:], self.steps[0]]
            piece, self.rest = self.rest[: self.steps[0]], self.rest[self.steps[0] :]
            return piece

    def outcome(steps: list[int]) -> list[Any]:
        channel = WireChannel(Pieces(steps), rtt=0, peer="", timeout=1)  # type: ignore[arg-type]
        seen: list[Any] = []
        try:
            while True:
                seen.append(channel.receive_head())
                if channel.body_left != 0:
                    return seen
        except (ProtocolViolation, ConnectionLost) as error:
            return [*seen, type(error)]

    assert outcome(steps)[:-1] == outcome([10**6])[:-1]
    if raw.endswith(b"\n\r\n"):
        assert outcome(steps)[-1:] == outcome([10**6])[-1:]


def test_a_head_of_64_kb_is_the_limit(line: Line) -> None:
    start = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nA: "
    fits = start + b"x" * (MOST_HEAD - len(start)) + b"\r\n\r\n"
    assert line.says(fits[:-5] + b"\r\n\r\n").receive_head().status == 200
    line.says(start + b"x" * MOST_HEAD * 2 + b"\r\n\r\n")
    with pytest.raises(ProtocolViolation, match="65536"):
        line.channel.receive_head()


def test_an_endless_head(line: Line) -> None:
    line.says(b"HTTP/1.1 200 OK\r\nA: " + b"x" * (4 * MOST_HEAD))
    with pytest.raises(ProtocolViolation):
        line.channel.receive_head()


@pytest.mark.parametrize("raw", [b"SSH-2.0-OpenSSH", b"<html>", b"220 ftp", b"H", b"HTTQ"])
def test_another_protocol_is_noticed_at_once(line: Line, raw: bytes) -> None:
    """And what only looks like the beginning is waited for."""
    line.says(raw, end=raw == b"H")
    with pytest.raises(ConnectionLost if raw == b"H" else ProtocolViolation):
        line.channel.receive_head()


def test_the_server_closes_before_or_in_a_head() -> None:
    for raw in (b"", OK[:9], OK[:-1]):
        line = Line()
        line.says(raw, end=True)
        with pytest.raises(ConnectionLost):
            line.channel.receive_head()
        line.close()


def test_interim_answers_are_skipped(line: Line) -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
    assert line.says(interim + OK).receive_head().status == 200
    assert line.channel.answered == 1


def test_interim_answers_are_bounded(line: Line) -> None:
    line.says(b"HTTP/1.1 100 Continue\r\n\r\n" * MOST_INTERIM + OK)
    with pytest.raises(ProtocolViolation, match="1xx"):
        line.channel.receive_head()


def test_switching_protocols(line: Line) -> None:
    line.says(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n")
    with pytest.raises(ProtocolViolation, match="101"):
        line.channel.receive_head()


# --- framing -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        b"Content-Length: 5\r\nContent-Length: 6",
        b"Content-Length: 5, 6",
        b"Content-Length: -5",
        b"Content-Length: 5x",
        b"Content-Length:",
        b"Content-Length: 99999999999999999999",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: gzip, chunked",
        b"Transfer-Encoding: chunked, gzip",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: xchunked",
        b"Transfer-Encoding:",
    ],
)
def test_doubtful_framing(line: Line, fields: bytes) -> None:
    line.says(b"HTTP/1.1 200 OK\r\n" + fields + b"\r\n\r\nhello")
    with pytest.raises(ProtocolViolation):
        line.channel.receive_head()


def test_chunked_in_http_1_0(line: Line) -> None:
    line.says(b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
    with pytest.raises(ProtocolViolation):
        line.channel.receive_head()


def test_equal_lengths(line: Line) -> None:
    line.says(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5, 5\r\n\r\nhello").receive_head()
    assert line.channel.body_left == 5
    assert body(line.channel) == b"hello"


@pytest.mark.parametrize("window", [1, 3, 4096])
def test_a_body_of_known_length(line: Line, window: int) -> None:
    line.says(OK + b"hello").receive_head()
    assert not line.channel.reusable
    assert body(line.channel, window) == b"hello"
    assert line.channel.reusable and line.channel.body_left == 0
    assert line.channel.read_into(memoryview(bytearray(5))) == 0


def test_a_short_body(line: Line) -> None:
    line.says(OK + b"hel", end=True).receive_head()
    view = memoryview(bytearray(10))
    assert line.channel.read_into(view) == 3
    with pytest.raises(ConnectionLost):
        line.channel.read_into(view)
    assert not line.channel.reusable


def test_more_than_announced(line: Line) -> None:
    """The rest of what came is no answer to anything: the connection is not used again."""
    line.says(OK + b"hello world").receive_head()
    assert body(line.channel) == b"hello"
    assert not line.channel.reusable


@pytest.mark.parametrize(
    ("answer", "keeps"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: x, Close\r\n\r\n", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: Keep-Alive\r\n\r\n", True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", True),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n", True),
    ],
)
def test_whether_the_connection_stays(line: Line, answer: bytes, keeps: bool) -> None:
    """And that nothing more is sent where it does not (RFC 9112, section 9.6)."""
    line.says(answer).receive_head()
    assert line.channel.read_into(memoryview(bytearray(1))) == 0
    assert line.channel.reusable is keeps
    assert line.channel.pipelines is keeps


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_a_body_until_the_end(line: Line, version: bytes) -> None:
    line.says(b"HTTP/" + version + b" 200 OK\r\n\r\nhello", end=True).receive_head()
    assert line.channel.body_left is None and not line.channel.pipelines
    assert body(line.channel, 2) == b"hello"
    assert not line.channel.reusable
    assert line.channel.read_into(memoryview(bytearray(5))) == 0


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n"


def test_a_chunked_body_cut_at_every_byte(line: Line) -> None:
    coded = b"5;x=y\r\nhello\r\nA\r\n 0123 5678\r\n0\r\nTrailer: x\r\n\r\n"
    for cut in range(len(coded)):
        line.says(CHUNKED + coded[:cut]).receive_head()
        got: list[bytes] = []
        reader = threading.Thread(target=lambda got=got: got.append(body(line.channel, 3)))
        reader.start()
        line.far.sendall(coded[cut:])
        reader.join(10)
        assert got == [b"hello 0123 5678"]
        assert line.channel.reusable


def test_a_chunked_body_that_ends_early(line: Line) -> None:
    line.says(CHUNKED + b"5\r\nhello\r\n", end=True).receive_head()
    with pytest.raises(ConnectionLost):
        body(line.channel)


def test_a_chunked_body_that_is_broken(line: Line) -> None:
    line.says(CHUNKED + b"5\r\nhelloworld\r\n").receive_head()
    with pytest.raises(ProtocolViolation):
        body(line.channel)


def test_no_room_is_no_end(line: Line) -> None:
    line.says(OK + b"hello").receive_head()
    assert line.channel.read_into(memoryview(b"")) == 0
    assert body(line.channel) == b"hello"


# --- pipelining --------------------------------------------------------------------------------------------


def part(start: int, end: int, total: int = 10) -> bytes:
    return (
        f"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {start}-{end - 1}/{total}\r\n"
        f"Content-Length: {end - start}\r\n\r\n"
    ).encode() + b"0123456789"[start:end]


def test_two_answers_in_one_piece(line: Line) -> None:
    line.channel.send(request(0, 5))
    line.channel.send(request(5, 10))
    line.says(part(0, 5) + part(5, 10))
    for start in (0, 5):
        assert line.channel.receive_head().get("content-range") == f"bytes {start}-{start + 4}/10"
        assert not line.channel.reusable
        assert body(line.channel) == b"0123456789"[start : start + 5]
    assert line.channel.reusable
    assert line.channel.answered == 2


def test_a_second_request_before_the_first_body_ends(line: Line) -> None:
    line.channel.send(request(0, 5))
    line.says(part(0, 5)[:-2]).receive_head()
    view = memoryview(bytearray(10))
    assert line.channel.read_into(view) == 3
    assert line.channel.pipelines
    line.channel.send(request(5, 10))
    line.says(b"34" + part(5, 10))
    assert body(line.channel) == b"34"
    assert not line.channel.reusable  # an answer is due
    line.channel.receive_head()
    assert body(line.channel) == b"56789"


def test_the_last_chunk_lies_between_two_answers(line: Line) -> None:
    """Whoever counts bytes stops before the last chunk: it is no part of the next head."""
    line.channel.send(request(0, 5))
    line.channel.send(request(5, 10))
    line.says(CHUNKED + b"5\r\n01234\r\n0\r\n\r\n" + part(5, 10)).receive_head()
    view = memoryview(bytearray(5))
    assert line.channel.read_into(view) == 5
    assert line.channel.receive_head().status == 206
    assert body(line.channel) == b"56789"


@pytest.mark.parametrize("first", [part(0, 5), CHUNKED + b"6\r\n01234X\r\n0\r\n\r\n"])
def test_a_head_is_not_looked_for_inside_a_body(line: Line, first: bytes) -> None:
    line.channel.send(request(0, 5))
    line.channel.send(request(5, 10))
    line.says(first + part(5, 10)).receive_head()
    assert line.channel.read_into(memoryview(bytearray(4))) == 4
    with pytest.raises(ProtocolViolation):
        line.channel.receive_head()


# --- taking a response over --------------------------------------------------------------------------------


def test_goes_on_where_another_client_stopped() -> None:
    line = Line(leftover=b"01")
    head = parse_head(b"HTTP/1.1 206 x\r\nContent-Length: 5\r\nContent-Range: bytes 0-4/10")
    line.channel.adopt(head)
    assert line.channel.answered == 1
    line.far.sendall(b"234" + part(5, 10))
    assert body(line.channel) == b"01234"
    assert line.channel.receive_head().status == 206
    line.close()


# --- idle connections --------------------------------------------------------------------------------------


def test_an_idle_connection_is_quiet(line: Line) -> None:
    assert line.channel.quiet()
    line.says(OK + b"hello").receive_head()
    assert not line.channel.quiet()  # in the middle of a body
    body(line.channel)
    assert line.channel.quiet()
    line.says(OK + b"again").receive_head()
    assert body(line.channel) == b"again"


@pytest.mark.parametrize("event", ["farewell", "stray", "closed here", "shut down here", "reset"])
def test_an_idle_connection_that_is_of_no_use(line: Line, event: str) -> None:
    if event == "farewell":
        line.far.shutdown(socket.SHUT_WR)
    elif event == "stray":
        line.far.sendall(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
    elif event == "closed here":
        line.channel.close()
    elif event == "shut down here":
        line.channel.abort()
    else:
        line.channel.send(request())
        line.far.close()
    assert not line.channel.quiet()


# --- ends --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["head", "body"])
def test_abort_wakes_a_blocked_call(line: Line, call: str) -> None:
    if call == "body":
        line.says(OK).receive_head()
    entered = threading.Event()
    caught: list[BaseException] = []

    def work() -> None:
        entered.set()
        try:
            line.channel.receive_head() if call == "head" else body(line.channel)
        except BaseException as error:
            caught.append(error)

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    assert entered.wait(10)
    line.channel.abort()
    worker.join(9)  # the time-out of the socket is ten seconds
    assert not worker.is_alive()
    assert [type(error) for error in caught] == [ConnectionLost]


def test_abort_and_close_do_no_harm_twice(line: Line) -> None:
    line.channel.abort()
    line.channel.abort()
    line.channel.close()
    line.channel.close()
    line.channel.abort()
    assert line.closed == 1
    assert not line.channel.reusable
    with pytest.raises(ConnectionLost):
        line.channel.send(request())


def test_silence_is_a_time_out() -> None:
    near, far = socket.socketpair()
    channel = WireChannel(near, rtt=0, peer="", timeout=0.01)
    with pytest.raises(TimedOut):
        channel.receive_head()
    far.sendall(OK)
    channel.receive_head()
    with pytest.raises(TimedOut):
        channel.read_into(memoryview(bytearray(5)))
    channel.close()
    far.close()


def test_a_head_that_drips_is_a_time_out(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte comes in time, the head never does."""
    clock = iter(range(0, 10**6, 9))
    monkeypatch.setattr(wire.time, "monotonic", lambda: next(clock))
    line.channel._sock = Drip(line.channel._sock)  # type: ignore[assignment]
    with pytest.raises(TimedOut):
        line.channel.receive_head()


class Drip:
    """Gives a byte of a head that never ends, each time that it is asked."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.rest = iter(b"HTTP/1.1 200 OK\r\nA: " + b"x" * 30_000)

    def recv(self, count: int) -> bytes:
        return bytes([next(self.rest)])

    def close(self) -> None:
        self.sock.close()


# --- TLS ---------------------------------------------------------------------------------------------------


@dataclass
class Secure:
    channel: WireChannel
    server: ssl.SSLSocket
    raw: socket.socket


@pytest.fixture
def secure(certificates: Any) -> Iterator[Callable[..., Secure]]:
    made: list[Secure] = []

    def connect(version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> Secure:
        context = ssl.create_default_context(cafile=str(Path(certificates.ca)))
        context.maximum_version = version
        near, far = socket.socketpair()
        far.settimeout(10)
        near.settimeout(10)
        ends: list[ssl.SSLSocket] = []
        thread = threading.Thread(
            target=lambda: ends.append(certificates.context().wrap_socket(far, server_side=True)), daemon=True
        )
        thread.start()
        sock = context.wrap_socket(near, server_hostname="localhost", suppress_ragged_eofs=False)
        thread.join(10)
        made.append(Secure(WireChannel(sock, rtt=0, peer="", timeout=10), ends[0], far))
        return made[-1]

    yield connect
    for one in made:
        one.channel.close()
        one.server.close()


def test_session_tickets_are_no_stray_data(secure: Callable[..., Secure]) -> None:
    """TLS 1.3 sends them whenever it likes; they are no reason to give a connection up."""
    one = secure()
    assert one.channel.quiet()
    one.server.sendall(OK + b"hello")
    one.channel.receive_head()
    assert body(one.channel) == b"hello"
    assert one.channel.quiet()
    one.server.sendall(b"x")
    assert not one.channel.quiet()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_cut_connection_is_no_end_of_a_body(secure: Callable[..., Secure], version: ssl.TLSVersion) -> None:
    """Without the farewell of TLS anybody on the way could cut a body short (RFC 9112, section 9.8)."""
    one = secure(version)
    one.server.sendall(b"HTTP/1.1 200 OK\r\n\r\nhello")
    socket.socket.shutdown(one.server, socket.SHUT_RDWR)
    one.channel.receive_head()
    with pytest.raises(ConnectionLost):
        body(one.channel)


def test_a_farewell_is_the_end_of_a_body(secure: Callable[..., Secure]) -> None:
    one = secure()
    one.server.sendall(b"HTTP/1.1 200 OK\r\n\r\nhello")
    one.channel.receive_head()
    threading.Thread(target=lambda: _farewell(one.server), daemon=True).start()
    assert body(one.channel) == b"hello"


def _farewell(server: ssl.SSLSocket) -> None:
    try:
        server.unwrap()
    except OSError:
        return


def test_a_farewell_or_a_cut_on_an_idle_connection(secure: Callable[..., Secure]) -> None:
    one, other = secure(), secure()
    threading.Thread(target=lambda: _farewell(one.server), daemon=True).start()
    with pytest.raises(ConnectionLost):
        one.channel.receive_head()
    assert not one.channel.quiet()
    socket.socket.shutdown(other.server, socket.SHUT_RDWR)
    assert not other.channel.quiet()


def test_abort_wakes_a_blocked_tls_read(secure: Callable[..., Secure]) -> None:
    one = secure()
    caught: list[BaseException] = []
    entered = threading.Event()

    def work() -> None:
        entered.set()
        try:
            one.channel.receive_head()
        except BaseException as error:
            caught.append(error)

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    assert entered.wait(10)
    one.channel.abort()
    worker.join(9)
    assert [type(error) for error in caught] == [ConnectionLost]


def test_broken_records(secure: Callable[..., Secure]) -> None:
    one = secure()
    one.raw = socket.socket(fileno=one.server.detach())
    one.raw.sendall(b"\x17\x03\x03\x00\x20" + b"garbage!" * 4)
    with pytest.raises(ConnectionLost, match="TLS"):
        one.channel.receive_head()
    one.raw.close()
