"""What tests look at of their own servers is so at the moment when they look, however late a thread is."""

from __future__ import annotations

import socket
import ssl
import threading
from typing import Any

import pytest

from servers.files import FileApp
from servers.raw import Connection, RawServer
from servers.tls import Certificates


def connect(server: RawServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), 10)


def test_who_waits_to_be_served_counts() -> None:
    server = RawServer(Connection.hold)  # nobody accepts
    try:
        with connect(server):
            assert server.active == 1
    finally:
        server.close()


def test_whom_its_client_has_left_is_not_connected() -> None:
    noticed = threading.Event()
    with RawServer(lambda connection: connection.receive() and noticed.wait(10)) as server:  # type: ignore[arg-type]
        with connect(server) as client:
            client.sendall(b"GET / HTTP/1.1\r\n\r\n")
            server.until(lambda: bool(server.log), 10)
            assert (server.active, server.connected) == (1, 1)
        assert (server.active, server.connected) == (1, 0)
        noticed.set()


@pytest.mark.skipif(not hasattr(socket, "MSG_DONTWAIT"), reason="Windows has no such flag")
def test_looking_whether_a_client_is_there_never_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what is so, even when what was there a moment ago has been read since."""
    seen: list[bool] = []
    with RawServer(Connection.hold) as server, connect(server):
        server.until(lambda: server.accepted == 1, 10)
        (connection,) = server._state.connections
        with monkeypatch.context() as patched:
            patched.setattr("select.select", lambda reading, *_: (reading, [], []))
            looking = threading.Thread(target=lambda: seen.append(connection.there), daemon=True)
            looking.start()
            looking.join(5)
        assert seen == [True]


@pytest.mark.parametrize("rate", [None, 1e6])
def test_who_has_the_whole_answer_may_ask_again(rate: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """On another connection too, before the thread that has sent it is any further."""
    app = FileApp(size=300_000, most=1, rate=rate)
    real, sent = Connection._push, []

    def push(self: Connection, view: memoryview, *, counted: bool) -> None:
        sent.append((len(view) if counted else 0, len(app.served)))
        real(self, view, counted=counted)

    monkeypatch.setattr(Connection, "_push", push)
    with RawServer(app.handle) as server, connect(server) as client:
        client.sendall(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
        while client.recv(1 << 20):
            pass
    assert sum(count for count, _ in sent) == app.size
    assert [places for _, places in sent] == [1] * (len(sent) - 1) + [0]


def test_a_client_that_was_left_takes_no_place() -> None:
    app = FileApp(most=1)
    held, first = threading.Event(), threading.Event()
    with RawServer(lambda connection: None) as server:

        def late(connection: Connection) -> None:
            with app._place(connection) as free:
                assert free
                first.set()
                held.wait(10)

        server.handler = late
        with connect(server):
            assert first.wait(10)
        server.handler = app.handle
        with connect(server) as client:
            client.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert client.recv(12) == b"HTTP/1.1 200"
        held.set()


def test_closing_breaks_a_handshake(certificates: Certificates) -> None:
    server = RawServer(Connection.hold, tls=certificates.context()).__enter__()
    with connect(server):  # and says nothing
        server.until(lambda: server.accepted == server.active == 1, 10)
        server.close()


def test_closing_breaks_a_handshake_that_is_about_to_begin(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The socket has gone over into TLS, and `close` knows the old one."""
    gone_over, tried = threading.Event(), threading.Event()
    context = certificates.context()
    wrap, shutdown = context.wrap_socket, socket.socket.shutdown

    def wrap_slowly(*words: Any, **named: Any) -> ssl.SSLSocket:
        wrapped = wrap(*words, **named)
        gone_over.set()
        assert tried.wait(10)
        return wrapped

    def shut(sock: socket.socket, how: int) -> None:
        try:
            shutdown(sock, how)
        finally:
            tried.set()

    monkeypatch.setattr(context, "wrap_socket", wrap_slowly)
    server = RawServer(Connection.hold, tls=context).__enter__()
    with connect(server):
        assert gone_over.wait(10)
        monkeypatch.setattr(socket.socket, "shutdown", shut)
        server.close()
