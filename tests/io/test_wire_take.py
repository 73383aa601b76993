"""Taking a body as a whole: all of it at once, or nothing and no byte lost."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from fastdl.errors import ConnectionLost
from fastdl.io import wire
from fastdl.io.wire import WireChannel
from wires import OK, Line, body

_NOW = 0.01  # seconds, for what does not come
_LONG = 20.0  # seconds, for what comes


@pytest.fixture
def line() -> Iterator[Line]:
    made = Line()
    yield made
    made.close()


def taken(channel: WireChannel, size: int = 5, seconds: float = _LONG) -> bytes | None:
    view = channel.take(size, seconds)
    return None if view is None else bytes(view)


def test_a_body_that_came_with_its_head(line: Line) -> None:
    line.says(OK + b"hello").receive_head()
    assert taken(line.channel, seconds=0.0) == b"hello"
    assert line.channel.reusable and line.channel.body_left == 0
    assert line.channel.read_into(memoryview(bytearray(5))) == 0
    line.says(OK + b"again").receive_head()
    assert taken(line.channel) == b"again"


def test_a_body_in_pieces(line: Line) -> None:
    line.says(OK + b"he").receive_head()
    pieces = iter([b"l", b"lo"])

    def push() -> None:
        for piece in pieces:
            line.far.sendall(piece)

    threading.Thread(target=push, daemon=True).start()
    assert taken(line.channel) == b"hello"
    assert line.channel.quiet()


def test_a_body_larger_than_any_buffer(line: Line) -> None:
    size = 250_000
    data = bytes(range(250)) * (size // 250)
    line.says(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (size, data)).receive_head()
    assert taken(line.channel, size) == data


def test_an_empty_body(line: Line) -> None:
    line.says(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").receive_head()
    assert taken(line.channel, 0, 0.0) == b""
    assert line.channel.quiet()


@pytest.mark.parametrize("here", [b"", b"h", b"hell"])
@pytest.mark.parametrize("window", [1, 3, 4096])
def test_a_slow_body_is_read_from_its_first_byte(line: Line, here: bytes, window: int) -> None:
    line.says(OK + here).receive_head()
    assert taken(line.channel, seconds=_NOW) is None
    assert line.channel.body_left == 5
    assert not line.channel.reusable
    line.far.sendall(b"hello"[len(here) :])
    assert body(line.channel, window) == b"hello"
    assert line.channel.quiet()


class Still:
    """A clock that stands: what is there is read before the time is over, however slow this machine is."""

    def monotonic(self) -> float:
        return 0.0


def test_a_slow_body_that_was_read_from_the_socket(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not only what came with the head."""
    monkeypatch.setattr(wire, "time", Still())
    line.says(OK).receive_head()
    line.far.sendall(b"hel")
    assert taken(line.channel, seconds=_NOW) is None
    assert not line.channel.splices, "what comes next is in memory"
    line.far.sendall(b"lo")
    assert body(line.channel) == b"hello"


def test_it_can_be_tried_again(line: Line) -> None:
    line.says(OK + b"he").receive_head()
    assert taken(line.channel, seconds=_NOW) is None
    line.far.sendall(b"llo")
    assert taken(line.channel) == b"hello"


def test_the_time_out_of_the_connection_stays(line: Line) -> None:
    line.says(OK + b"he").receive_head()
    before = line.channel._sock.gettimeout()
    assert taken(line.channel, seconds=_NOW) is None
    assert line.channel._sock.gettimeout() == before
    line.far.sendall(b"llo")
    assert taken(line.channel) == b"hello"
    assert line.channel._sock.gettimeout() == before


def test_a_body_that_is_cut_short(line: Line) -> None:
    """None first, then the bytes that came, then the fault."""
    line.says(OK + b"hel", end=True).receive_head()
    assert taken(line.channel) is None
    view = memoryview(bytearray(10))
    assert line.channel.read_into(view) == 3
    assert view[:3] == b"hel"
    with pytest.raises(ConnectionLost):
        line.channel.read_into(view)
    assert not line.channel.reusable


def test_a_connection_that_breaks(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    line.says(OK + b"h").receive_head()
    real = line.channel._sock

    class Breaking:
        def recv_into(self, view: memoryview, count: int = 0) -> int:
            if len(view) < 4 or count == 1:
                raise ConnectionResetError(104, "reset")
            view[:2] = b"el"
            return 2

        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

    monkeypatch.setattr(line.channel, "_sock", Breaking())
    assert taken(line.channel) is None
    view = memoryview(bytearray(10))
    assert line.channel.read_into(view) == 3
    assert view[:3] == b"hel"
    with pytest.raises(ConnectionLost, match="broke"):
        line.channel.read_into(view)


@pytest.mark.parametrize(
    ("answer", "size"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 5),
        (b"HTTP/1.1 200 OK\r\n\r\nhello", 5),
        (OK + b"hello", 4),
        (OK + b"hello", 6),
        (OK + b"hello", 0),
    ],
)
def test_another_length_than_was_said(line: Line, answer: bytes, size: int) -> None:
    line.says(answer, end=b"Length" not in answer).receive_head()
    assert taken(line.channel, size) is None
    assert body(line.channel) == b"hello"


def test_a_part_of_it_was_read_already(line: Line) -> None:
    line.says(OK + b"hello").receive_head()
    assert line.channel.read_into(memoryview(bytearray(2))) == 2
    assert taken(line.channel, 5) is None
    assert taken(line.channel, 3) == b"llo"


def test_more_than_announced(line: Line) -> None:
    """What follows is no answer to anything."""
    line.says(OK + b"hello world").receive_head()
    assert taken(line.channel) == b"hello"
    assert not line.channel.reusable
    assert not line.channel.quiet()


@pytest.mark.parametrize("how", ["abort", "close"])
def test_it_is_given_up_from_another_thread(line: Line, how: str) -> None:
    line.says(OK + b"he").receive_head()
    if how == "abort":
        timer = threading.Thread(target=line.channel.abort, daemon=True)
        timer.start()
        assert taken(line.channel) is None
        timer.join(10)
    else:
        line.channel.close()
        assert taken(line.channel) is None
    with pytest.raises(ConnectionLost):
        body(line.channel)


@pytest.mark.parametrize("cut", [False, True])
def test_in_tls(certificates: Any, cut: bool) -> None:
    """Records that come later, and an end without a farewell."""
    sock, server, _ = certificates.pair()
    channel = WireChannel(sock, rtt=0, peer="", timeout=10)
    try:
        server.sendall(OK + b"he")
        channel.receive_head()
        assert taken(channel, seconds=_NOW) is None
        server.sendall(b"l")
        assert taken(channel, seconds=_NOW) is None
        if not cut:
            server.sendall(b"lo")
            assert taken(channel) == b"hello"
            assert channel.quiet()
            return
        socket.socket.shutdown(server, socket.SHUT_RDWR)
        assert taken(channel) is None
        view = memoryview(bytearray(10))
        assert channel.read_into(view) == 3
        assert view[:3] == b"hel"
        with pytest.raises(ConnectionLost):
            channel.read_into(view)
    finally:
        channel.close()
        server.close()
