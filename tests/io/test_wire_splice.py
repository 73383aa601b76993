"""A body that goes through a pipe has the same bytes, the same end and the same faults as one that is read."""

from __future__ import annotations

import random
import socket
import ssl
import sys
import threading
from collections.abc import Iterator

import pytest

from fastdl.errors import ConnectionLost, TimedOut
from fastdl.io.pipe import Pipe, open_pipe
from fastdl.io.wire import WireChannel
from wires import Line, request

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="splice is a call of Linux")
BODY = random.Random(3).randbytes(500_000)


@pytest.fixture
def line() -> Iterator[Line]:
    made = Line()
    yield made
    made.close()


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = open_pipe()
    assert made is not None
    yield made
    made.close()


def begun(line: Line, head: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 500000\r\n\r\n") -> WireChannel:
    line.channel.send(request())
    line.says(head).receive_head()
    return line.channel


def contents(pipe: Pipe) -> bytes:
    view = memoryview(bytearray(pipe.held))
    count = pipe.read(view)
    return bytes(view[:count])


def test_a_body_and_the_next_head(line: Line, pipe: Pipe) -> None:
    channel = begun(line)
    channel.send(request())
    line.says(BODY + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    got = b""
    while channel.body_left:
        assert channel.spliceable and channel.splices
        assert channel.splice(pipe, 70_000) == pipe.held <= 70_000
        got += contents(pipe)
    assert got == BODY, "not a byte of the next answer"
    assert not channel.splices
    assert channel.receive_head().status == 200


def test_what_came_with_the_head_is_read_first(line: Line, pipe: Pipe) -> None:
    line.channel.send(request())
    line.says(b"HTTP/1.1 200 OK\r\nContent-Length: 500000\r\n\r\n" + BODY[:100]).receive_head()
    assert line.channel.spliceable and not line.channel.splices
    view = memoryview(bytearray(1000))
    assert bytes(view[: line.channel.read_into(view)]) == BODY[:100]
    assert line.channel.splices


def test_bytes_that_come_later_are_waited_for(line: Line, pipe: Pipe) -> None:
    channel = begun(line)
    waiting = threading.Event()
    real = pipe.fill
    sender = threading.Thread(target=lambda: (waiting.wait(10), line.far.sendall(b"late")))
    sender.start()

    class Noticed(Pipe):
        def fill(self, sock: int, most: int) -> int:
            try:
                return real(sock, most)
            except BlockingIOError:
                waiting.set()
                raise

    slow = Noticed(pipe._reader, pipe._writer, pipe.room)
    assert channel.splice(slow, 1000) == 4
    sender.join()
    pipe.held = 4
    assert contents(pipe) == b"late"


def test_what_cannot_be_spliced_goes_by_memory(line: Line, pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    channel = begun(line)
    line.says(b"urgent")

    def refuse(self: Pipe, sock: int, most: int) -> int:
        raise BlockingIOError

    monkeypatch.setattr(Pipe, "fill", refuse)
    assert channel.splice(pipe, 1000) == 6 == pipe.held
    assert contents(pipe) == b"urgent"


def test_silence(pipe: Pipe) -> None:
    near, far = socket.socketpair()
    channel = WireChannel(near, rtt=0.0, peer="", timeout=0.02)
    with near, far:
        channel.send(request())
        far.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
        channel.receive_head()
        with pytest.raises(TimedOut, match="silent"):
            channel.splice(pipe, 1000)


def test_an_end_too_soon(line: Line, pipe: Pipe) -> None:
    channel = begun(line)
    line.says(BODY[:10], end=True)
    assert channel.splice(pipe, 1000) == 10
    contents(pipe)
    with pytest.raises(ConnectionLost, match="closed"):
        channel.splice(pipe, 1000)


def test_abort_ends_a_wait(line: Line, pipe: Pipe) -> None:
    channel = begun(line)
    stopper = threading.Thread(target=channel.abort)
    stopper.start()
    with pytest.raises(ConnectionLost):
        channel.splice(pipe, 1000)
    stopper.join()


@pytest.mark.parametrize(
    "head",
    [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 204 No\r\n\r\n"],
)
def test_bodies_without_a_length_are_read(line: Line, head: bytes) -> None:
    assert not begun(line, head).spliceable


def test_nor_does_tls_come_in_the_clear(monkeypatch: pytest.MonkeyPatch, line: Line) -> None:
    channel = begun(line)
    monkeypatch.setattr(ssl, "SSLSocket", socket.socket)
    assert not channel.spliceable
