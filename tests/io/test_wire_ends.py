"""How connections end: idle ones, aborts, time-outs, TLS with and without its farewell."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from fastdl.errors import ConnectionLost, TimedOut
from fastdl.io import wire
from fastdl.io.wire import WireChannel
from wires import OK, Line, body, request


@pytest.fixture
def line() -> Iterator[Line]:
    made = Line()
    yield made
    made.close()


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
    monkeypatch.setattr(wire, "time", Hours())
    line.channel._sock = Drip(line.channel._sock)  # type: ignore[assignment]
    with pytest.raises(TimedOut):
        line.channel.receive_head()


class Hours:
    """A clock that moves on by nine seconds whenever it is looked at."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        self.now += 9
        return self.now


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
    parting: threading.Thread | None = None

    def say_farewell(self) -> None:
        """The server's end of TLS, from a thread: it waits for the answer."""
        self.parting = threading.Thread(target=self._farewell, daemon=True)
        self.parting.start()

    def _farewell(self) -> None:
        with contextlib.suppress(OSError):
            self.server.unwrap()

    def close(self) -> None:
        self.channel.close()
        if self.parting is not None:
            # OpenSSL knows the bare number of a descriptor: it would read from the next connection that is given it.
            self.parting.join(10)
        self.server.close()


@pytest.fixture
def secure(certificates: Any) -> Iterator[Callable[..., Secure]]:
    made: list[Secure] = []

    def connect(version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> Secure:
        sock, server, far = certificates.pair(version)
        made.append(Secure(WireChannel(sock, rtt=0, peer="", timeout=10), server, far))
        return made[-1]

    yield connect
    for one in made:
        one.close()


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
    one.say_farewell()
    assert body(one.channel) == b"hello"


def test_a_farewell_or_a_cut_on_an_idle_connection(secure: Callable[..., Secure]) -> None:
    one, other = secure(), secure()
    one.say_farewell()
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


def test_a_connection_is_parted_from_when_its_server_has_noticed() -> None:
    near, far = socket.socketpair()
    noticed: list[bytes] = []

    def server() -> None:
        with far:
            far.sendall(b"late")
            noticed.append(far.recv(100))

    thread = threading.Thread(target=server)
    thread.start()
    channel = WireChannel(near, rtt=0.0, peer="", timeout=1.0)
    channel.part(30.0)
    assert noticed == [b""]
    thread.join()


def test_a_server_that_does_not_notice_is_not_waited_for() -> None:
    near, far = socket.socketpair()
    with far:
        channel = WireChannel(near, rtt=0.0, peer="", timeout=1.0)
        channel.part(0.01)
        assert near.fileno() == -1
