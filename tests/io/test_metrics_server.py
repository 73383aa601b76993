"""The endpoint of --metrics: right answers, and bounds for clients that are slow, many or hostile."""

from __future__ import annotations

import contextlib
import errno
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from fastdl.core.endpoint import Endpoint
from fastdl.core.exposition import CONTENT_TYPE
from fastdl.errors import UsageError
from fastdl.io import metrics_server
from fastdl.io.metrics_server import MOST_CLIENTS, MOST_HEAD, MetricsServer, answer
from waiting import wait_for

LIMIT = 20.0  # seconds until a test that hangs fails


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine that is held up a client of these tests may be slow."""
    monkeypatch.setattr(metrics_server, "PATIENCE", LIMIT)
    monkeypatch.setattr(metrics_server, "JOIN", LIMIT)


@contextmanager
def serving(text: Callable[[], str] = lambda: "m 1\n", host: str = "127.0.0.1") -> Iterator[MetricsServer]:
    with closing(MetricsServer(Endpoint(host, 0), text)) as server:
        yield server


def connect(server: MetricsServer) -> socket.socket:
    return socket.create_connection((server.host, server.port), LIMIT)


def everything(sock: socket.socket) -> bytes:
    data = b""
    while part := sock.recv(65536):
        data += part
    return data


def ask(server: MetricsServer, request: bytes) -> tuple[int, bytes, bytes]:
    """(status, head, body) of the answer; the connection is closed by the server."""
    with connect(server) as sock:
        sock.sendall(request)
        head, _, body = everything(sock).partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), head, body


def get(
    server: MetricsServer, target: str = "/metrics", method: str = "GET", more: str = ""
) -> tuple[int, bytes, bytes]:
    return ask(server, f"{method} {target} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n{more}\r\n".encode())


def answered(server: MetricsServer, target: str = "/metrics") -> int:
    """The status of the answer; asked for again where this test was slower than the server's patience."""
    until = time.monotonic() + LIMIT
    while time.monotonic() < until:
        with contextlib.suppress(IndexError, OSError):
            return get(server, target)[0]
    raise AssertionError("no answer")


def test_metrics() -> None:
    with serving(lambda: 'm{l="ä"} 1\n') as server:
        status, head, body = get(server)
    assert status == 200
    assert body.decode() == 'm{l="ä"} 1\n'
    fields = head.decode().split("\r\n")[1:]
    assert f"Content-Type: {CONTENT_TYPE}" in fields
    assert f"Content-Length: {len(body)}" in fields
    assert "Connection: close" in fields
    assert CONTENT_TYPE == "text/plain; version=0.0.4; charset=utf-8"


def test_head_has_the_fields_of_get_and_no_body() -> None:
    with serving() as server:
        assert get(server, method="HEAD") == (200, get(server)[1], b"")


def test_a_query_is_allowed() -> None:
    with serving() as server:
        assert get(server, "/metrics?name[]=x")[0] == 200


@pytest.mark.parametrize(
    "target", ["/", "/metrics/", "/metricsx", "/../metrics", "metrics", "*", "http://127.0.0.1/metrics"]
)
def test_other_paths(target: str) -> None:
    with serving() as server:
        assert get(server, target)[0] == 404
        assert get(server, target, method="HEAD")[::2] == (404, b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "get"])
def test_other_methods(method: str) -> None:
    with serving() as server:
        status, head, _ = get(server, method=method, more="Content-Length: 0\r\n")
    assert status == 405
    assert b"\r\nAllow: GET, HEAD\r\n" in head + b"\r\n"


@pytest.mark.parametrize(
    "request_", [b"\r\n\r\n", b"GET /metrics\r\n\r\n", b"\x16\x03\x01\0\n\n", b"GET  /metrics HTTP/1.1\r\n\r\n"]
)
def test_what_is_no_request(request_: bytes) -> None:
    with serving() as server:
        assert ask(server, request_)[0] == 400


def test_too_long_a_request_is_answered_and_not_read_on() -> None:
    with serving() as server, connect(server) as sock:
        sock.sendall(b"GET /metrics HTTP/1.1\r\nX: " + b"a" * 3 * MOST_HEAD)
        assert everything(sock).startswith(b"HTTP/1.1 431 ")


def test_a_request_that_comes_in_pieces() -> None:
    with serving() as server, connect(server) as sock:
        for byte in b"GET /metrics HTTP/1.0\n\n":
            sock.sendall(bytes([byte]))
        assert everything(sock).endswith(b"\r\n\r\nm 1\n")


@pytest.mark.parametrize("host", ["evil.example.org", "evil.example.org:80", "192.0.2.1"])
def test_a_page_in_a_browser_that_lead_its_name_here_reads_nothing(host: str) -> None:
    status = int(answer(f"GET /metrics HTTP/1.1\r\nHost: {host}\r\n\r\n".encode(), lambda: "m 1\n").split(b" ")[1])
    assert status == 403


@pytest.mark.parametrize("field", ["", "Host: localhost:9180\r\n", "Host: [::1]:9180\r\n", "HOST:127.0.0.1\r\n"])
def test_own_names_and_old_clients(field: str) -> None:
    assert answer(f"GET /metrics HTTP/1.0\r\n{field}\r\n".encode(), lambda: "m 1\n").startswith(b"HTTP/1.1 200 ")


def test_a_fault_of_the_program_is_an_answer() -> None:
    def fail() -> str:
        raise RuntimeError("no")

    with serving(fail) as server:
        assert get(server)[0] == 500
        assert get(server, "/")[0] == 404, "it goes on"


def test_a_silent_client_holds_nobody_up() -> None:
    with serving() as server, connect(server), connect(server) as slow:
        slow.sendall(b"GET /met")
        assert get(server)[0] == 200


def test_clients_that_take_too_long_are_parted_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as may be are silent: the next one waits only until their time is over."""
    monkeypatch.setattr(metrics_server, "PATIENCE", 0.3)
    with serving() as server:
        silent = [connect(server) for _ in range(MOST_CLIENTS)]
        try:
            assert answered(server) == 200
            assert all(everything(sock) == b"" for sock in silent)
        finally:
            for sock in silent:
                sock.close()


def test_a_client_that_reads_nothing_is_parted_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_server, "PATIENCE", 0.3)
    with serving(lambda: "m 1\n" * 5_000_000) as server, connect(server) as sock:
        sock.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        assert answered(server, "/") == 404
        wait_for(lambda: not server._clients, LIMIT)
        with pytest.raises(ConnectionError):
            while sock.recv(1 << 20):
                pass
            raise ConnectionError  # ended early without a reset: as good


def test_a_client_that_goes_away() -> None:
    with serving() as server:
        for request in (b"", b"GET", b"GET /metrics HTTP/1.1\r\n\r\n"):
            with connect(server) as sock:
                sock.sendall(request)
        assert get(server)[0] == 200
        wait_for(lambda: not server._clients, LIMIT)


def test_many_one_after_the_other() -> None:
    with serving() as server:
        assert [get(server)[0] for _ in range(100)] == [200] * 100


class Short:
    """A listener that has a free descriptor for so many clients; whoever waits makes it ready all the same."""

    def __init__(self, listener: socket.socket, free: int) -> None:
        self._listener = listener
        self.free = free
        self.refused = 0
        self.refusals = threading.Semaphore(0)

    def accept(self) -> Any:
        if not self.free:
            self.refused += 1
            self.refusals.release()
            raise OSError(errno.EMFILE, "Too many open files")
        self.free -= 1
        return self._listener.accept()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._listener, name)


@contextmanager
def short_of_descriptors(monkeypatch: pytest.MonkeyPatch, free: int, pause: float) -> Iterator[tuple[Any, Short]]:
    monkeypatch.setattr(metrics_server, "PAUSE", pause)
    short = Short(metrics_server._listener(Endpoint("127.0.0.1", 0)), free)
    monkeypatch.setattr(metrics_server, "_listener", lambda endpoint: short)
    with serving() as server:
        yield server, short


def test_without_a_free_descriptor_it_does_not_spin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits is not asked for again and again: the client that was there is served meanwhile."""
    with short_of_descriptors(monkeypatch, 1, 2 * LIMIT) as (server, short), connect(server) as first:
        wait_for(lambda: len(server._clients) == 1, LIMIT)
        with connect(server):
            assert short.refusals.acquire(timeout=LIMIT)
            first.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
            assert everything(first).endswith(b"m 1\n")
            assert short.refused == 1


def test_when_a_descriptor_is_free_again_who_waits_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    with short_of_descriptors(monkeypatch, 0, 0.05) as (server, short), connect(server) as sock:
        sock.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        assert all(short.refusals.acquire(timeout=LIMIT) for _ in range(2))
        short.free = 1
        assert everything(sock).endswith(b"m 1\n")


def closed_and_begun_again() -> bool:
    """Whether the port was to be had; another program on this machine may have been given it in between."""
    with serving() as server, connect(server) as sock:
        get(server)
        port, thread = server.port, server._thread
        server.close()
        assert not thread.is_alive()
        assert sock.recv(1) == b""
        with contextlib.suppress(UsageError), closing(MetricsServer(Endpoint("127.0.0.1", port), lambda: "")) as again:
            return again.port == port
    return False


def test_closing_ends_the_thread_and_frees_the_port() -> None:
    assert any(closed_and_begun_again() for _ in range(3))


def test_a_port_in_use() -> None:
    with serving() as server, pytest.raises(UsageError, match="another program has this port") as caught:
        MetricsServer(Endpoint("127.0.0.1", server.port), lambda: "")
    assert f"127.0.0.1:{server.port}" in str(caught.value)


def test_localhost() -> None:
    with serving(host="localhost") as server:
        assert server.host in ("127.0.0.1", "::1")
        assert server.url == f"http://{server.host}:{server.port}/metrics"
        assert get(server)[0] == 200


def test_ipv6() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    with serving(host="::1") as server:
        assert server.url == f"http://[::1]:{server.port}/metrics"
        assert get(server)[0] == 200
