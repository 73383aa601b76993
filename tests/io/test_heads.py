"""Response heads (RFC 9112, sections 2 to 5): whole or cut anywhere, broken, endless, not HTTP at all."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastdl.errors import ConnectionLost, ProtocolViolation
from fastdl.io.heads import MOST_FIELDS, parse_head
from fastdl.io.wire import MOST_HEAD, MOST_INTERIM, WireChannel
from wires import OK, Line, body, request


@pytest.fixture
def line() -> Iterator[Line]:
    made = Line()
    yield made
    made.close()


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


@settings(deadline=None)
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


@settings(deadline=None)
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
