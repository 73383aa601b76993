"""The HTTP/1.1 reader (RFC 9112): requests, framing of bodies, pipelining."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from fastdl.errors import ConnectionLost, ProtocolViolation
from fastdl.io.heads import parse_head
from wires import OK, Line, body, request


@pytest.fixture
def line() -> Iterator[Line]:
    made = Line()
    yield made
    made.close()


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
