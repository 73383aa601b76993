"""How many connections a host has, and the idle ones."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from fastdl.io.pool import ConnectionPool
from fastdl.io.wire import WireChannel
from fastdl.settings import Settings

HTTP = ("http", "example.org", 80)
HTTPS = ("https", "example.org", 443)
OTHER = ("http", "example.com", 80)


class Maker:
    """Makes real channels over socket pairs, and counts how many of a host are open."""

    def __init__(self, pool: ConnectionPool) -> None:
        self.pool = pool
        self.far: list[socket.socket] = []

    def __call__(self, host: str) -> WireChannel:
        near, far = socket.socketpair()
        self.far.append(far)
        return WireChannel(near, rtt=0, peer="", timeout=5, on_close=lambda: self.pool.leave(host))

    def close(self) -> None:
        for far in self.far:
            far.close()


@pytest.fixture
def pool() -> ConnectionPool:
    return ConnectionPool(2)


@pytest.fixture
def make(pool: ConnectionPool) -> Iterator[Maker]:
    maker = Maker(pool)
    yield maker
    pool.close()
    maker.close()


def test_so_many_and_no_more(pool: ConnectionPool) -> None:
    assert pool.admit("example.org") and pool.admit("example.org")
    assert not pool.admit("example.org")
    assert pool.admit("example.com")
    pool.leave("example.org")
    assert pool.admit("example.org")
    assert not pool.admit("example.org")


def test_an_idle_one_comes_back_to_its_origin_alone(pool: ConnectionPool, make: Maker) -> None:
    assert pool.admit("example.org")
    channel = make("example.org")
    pool.keep(HTTP, channel)
    assert pool.take_idle(HTTPS) is None
    assert pool.take_idle(OTHER) is None
    assert pool.take_idle(HTTP) is channel
    assert pool.take_idle(HTTP) is None
    channel.close()


def test_an_idle_one_gives_its_place_to_another_port(pool: ConnectionPool, make: Maker) -> None:
    assert pool.admit("example.org") and pool.admit("example.org")
    busy, idle = make("example.org"), make("example.org")
    pool.keep(HTTP, idle)
    assert pool.admit("example.org")
    assert not idle.reusable
    assert pool.take_idle(HTTP) is None
    assert not pool.admit("example.org")
    busy.close()


def test_an_idle_one_of_another_host_stays(pool: ConnectionPool, make: Maker) -> None:
    for host in ("example.org", "example.org", "example.com"):
        assert pool.admit(host)
    channel = make("example.com")
    pool.keep(OTHER, channel)
    assert not pool.admit("example.org")
    assert pool.take_idle(OTHER) is channel
    channel.close()


def test_dead_ones_are_closed_when_they_are_asked_for(pool: ConnectionPool, make: Maker) -> None:
    """And their places are free again."""
    channels = []
    for _ in range(2):
        assert pool.admit("example.org")
        channels.append(make("example.org"))
        pool.keep(HTTP, channels[-1])
    make.far[0].close()
    make.far[1].sendall(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
    assert pool.take_idle(HTTP) is None
    assert pool.admit("example.org") and pool.admit("example.org")


def test_one_in_the_middle_of_an_answer_is_not_kept(pool: ConnectionPool, make: Maker) -> None:
    assert pool.admit("example.org")
    channel = make("example.org")
    make.far[0].sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
    channel.receive_head()
    pool.keep(HTTP, channel)
    assert pool.take_idle(HTTP) is None
    assert pool.admit("example.org") and pool.admit("example.org")


def test_idle_ones_are_bounded(make: Maker, pool: ConnectionPool) -> None:
    for number in range(70):
        host = f"h{number}.example.org"
        assert pool.admit(host)
        pool.keep(("http", host, 80), make(host))
    kept = [pool.take_idle(("http", f"h{number}.example.org", 80)) for number in range(70)]
    assert sum(channel is not None for channel in kept) == 64
    for channel in kept:
        if channel is not None:
            channel.close()


def test_nothing_is_kept_after_the_end(pool: ConnectionPool, make: Maker) -> None:
    """A worker that ends late must not leave a connection behind that nobody closes."""
    assert pool.admit("example.org") and pool.admit("example.org")
    first, late = make("example.org"), make("example.org")
    pool.keep(HTTP, first)
    pool.close()
    pool.keep(HTTP, late)
    assert not first.reusable and not late.reusable
    assert make.far[0].recv(1) == make.far[1].recv(1) == b""


def test_never_more_than_allowed_however_many_threads_ask() -> None:
    """Random comings and goings: the count of open connections is never passed, and in the end all places are free."""
    pool = ConnectionPool(3)
    lock = threading.Lock()
    opened = most = 0
    faults: list[str] = []
    origins = [("http", "example.org", 80), ("https", "example.org", 443), ("http", "example.org", 8080)]

    class Fake:
        """A connection that counts itself."""

        def __init__(self) -> None:
            nonlocal opened, most
            self.reusable = True
            with lock:
                opened += 1
                most = max(most, opened)
                if opened > 3:
                    faults.append(f"{opened} open")

        def quiet(self) -> bool:
            return random.random() < 0.8

        def close(self) -> None:
            nonlocal opened
            with lock:
                opened -= 1
                if not self.reusable:
                    faults.append("closed twice")
                self.reusable = False
            pool.leave("example.org")

    def work(seed: int) -> None:
        rng = random.Random(seed)
        for _ in range(300):
            origin = rng.choice(origins)
            channel: Any = pool.take_idle(origin)
            if channel is None:
                if not pool.admit("example.org"):
                    continue
                channel = Fake()
            if rng.random() < 0.7:
                pool.keep(origin, channel)
            else:
                channel.close()

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pool.close()
    assert not faults and opened == 0 and most == 3
    assert [pool.admit("example.org") for _ in range(4)] == [True, True, True, False]


def test_a_place_is_given_back_where_no_connection_came(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever fails between the place and the connection, on the usual way and on that of digest authentication."""
    from fastdl.core.urls import parse_url
    from fastdl.io.session import Session

    session = Session(Settings(use_proxy=False, per_host=1))

    def fail(*args: Any, **more: Any) -> Any:
        raise RuntimeError("no")

    monkeypatch.setattr(session._http, "dial", fail)
    monkeypatch.setattr(session._http, "open", fail)
    url = parse_url("http://example.org/")
    for _ in range(3):
        with pytest.raises(RuntimeError):
            session.channel(url, cancelled=lambda: False)
        with pytest.raises(RuntimeError):
            session.digest_channel(url, ("me", "secret"))
    assert session.pool.admit("example.org")
    session.close()
