"""What the rate limit does to connections, and the thread that measures the delay."""

from __future__ import annotations

import gc
import socket
import sys
import threading
import weakref

import pytest

from fastdl.core.ledbat import STARTING_RATE, DelayLimit
from fastdl.core.limit import MOST_BLOCK
from fastdl.core.urls import parse_url
from fastdl.errors import ConnectFailed
from fastdl.io import window
from fastdl.io.delay import DelayProbe
from fastdl.io.http import HttpSession
from fastdl.io.session import BLOCK, Session
from fastdl.io.throttle import FREE_WINDOW, HEADROOM, LEAST_PIECE, LEAST_WINDOW, PIECE, Throttle
from fastdl.settings import Settings


class Connection:
    """A channel, as far as the limit knows one."""

    def __init__(self, rtt: float = 0.05, left: int | None = 1000) -> None:
        self.rtt = rtt
        self.body_left = left
        self.held: list[int] = []

    def hold_window(self, size: int) -> None:
        self.held.append(size)


def test_without_a_limit_nothing_is_counted() -> None:
    session = Session(Settings())
    try:
        assert session.block() == BLOCK
        assert session.pause_for(1 << 40) == 0.0
        assert session.share("a.test") == Settings().per_host
        session.give_way(parse_url("http://127.0.0.1:9/"))
        assert not [thread for thread in threading.enumerate() if thread.name == "fastdl-delay"]
    finally:
        session.close()


def test_under_a_limit_no_block_passes_by_this_process() -> None:
    """Bytes that go from socket to file inside the kernel are taken in larger pieces than a limit can bear."""
    session = Session(Settings(limit_rate=1 << 40))
    try:
        with session.crowd("a.test"):
            assert session.block() == MOST_BLOCK < BLOCK
    finally:
        session.close()


def test_blocks_are_smaller_where_more_downloads_run() -> None:
    session = Session(Settings(limit_rate=10 << 20))
    try:
        with session.crowd("a.test"):
            one = session.block()
            with session.crowd("b.test"), session.crowd("c.test"), session.crowd("d.test"):
                assert session.block() * 3 < one
            assert session.block() == one
    finally:
        session.close()


@pytest.mark.parametrize(("rate", "share"), [(10_000, 1), (100_000, 3), (10 << 20, 8)])
def test_a_low_rate_is_for_few_connections(rate: int, share: int) -> None:
    session = Session(Settings(limit_rate=rate))
    try:
        assert session.share("a.test") == share
    finally:
        session.close()


def test_heads_are_read_in_small_pieces_under_a_low_rate() -> None:
    """With a head comes part of the body: 16 KiB are more than a second's worth of 10 kB/s."""
    assert Throttle(10_000).piece() == LEAST_PIECE
    assert Throttle(1 << 30).piece() == PIECE


def test_a_low_rate_holds_the_window_of_each_connection() -> None:
    slow, fast = Connection(), Connection()
    Throttle(20_000).adopt(slow)
    Throttle(10 << 20).adopt(fast)
    assert slow.held == [8 * 1024]
    assert fast.held == []


def test_auto_shares_one_window_among_the_bodies_that_flow() -> None:
    throttle = Throttle("auto")
    assert throttle.auto is not None
    flowing, idle, unknown = Connection(), Connection(left=0), Connection(left=None)
    for connection in (flowing, idle, unknown):
        throttle.adopt(connection)
    total = STARTING_RATE * (0.05 + throttle.auto.target)
    assert flowing.held[-1] == unknown.held[-1] == int(total / 2)
    assert idle.held == []


def test_no_window_is_too_small_for_a_segment() -> None:
    throttle = Throttle("auto")
    connections = [Connection(rtt=0.0001) for _ in range(8)]
    for connection in connections:
        throttle.adopt(connection)
    assert all(connection.held[-1] >= LEAST_WINDOW for connection in connections)


def test_closed_connections_are_forgotten() -> None:
    throttle = Throttle("auto")
    gone, here = Connection(), Connection()
    throttle.adopt(gone)
    throttle.adopt(here)
    before = here.held[-1]
    del gone
    throttle.adopt(Connection(left=0))
    assert here.held[-1] == pytest.approx(2 * before, abs=2)


def probed(limit: DelayLimit, rtts: list[float | None], apply_counts: int) -> list[float]:
    """The rates that a probe applies; None in `rtts` is a connection that failed."""
    rates: list[float] = []
    ended = threading.Event()
    values = iter(rtts)

    def round_trip() -> float:
        rtt = next(values)
        if rtt is None:
            raise ConnectFailed("no connection")
        return rtt

    def apply(rate: float) -> None:
        rates.append(rate)
        if len(rates) == apply_counts:
            probe.stop()
            ended.set()

    probe = DelayProbe(limit, round_trip, lambda: 0, apply)
    probe.start()
    assert ended.wait(30)
    probe.join(30)
    assert not probe.is_alive()
    return rates


class Hurried(DelayLimit):
    """Samples without waiting."""

    interval = 0.0


def test_a_failed_measurement_is_no_sample() -> None:
    limit = Hurried()
    assert len(probed(limit, [0.05, None, 0.05], 2)) == 2


def test_of_two_measurements_the_lower_counts() -> None:
    limit = Hurried()
    probed(limit, [0.05, 0.5, 0.051], 2)
    assert limit.delay == pytest.approx(0.001)


def test_reads_are_paced_closely_only_where_no_window_can_be_held() -> None:
    free, held = Throttle("auto"), Throttle("auto")
    connection = Connection()
    held.adopt(connection)
    free._apply(2e6)
    held._apply(2e6)
    assert free._bucket.rate == 2e6
    assert held._bucket.rate == HEADROOM * 2e6


@pytest.mark.skipif(sys.platform != "linux", reason="the clamp is Linux's")
def test_the_window_is_really_held() -> None:

    def clamp(size: int | None) -> int:
        server = socket.create_server(("127.0.0.1", 0))
        with server, socket.socket() as reader:
            reader.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1448)
            reader.connect(server.getsockname())
            if size is not None:
                window.hold(reader, size)
            return reader.getsockopt(socket.IPPROTO_TCP, socket.TCP_WINDOW_CLAMP)

    assert clamp(8192) == 8192 < clamp(None)


@pytest.mark.skipif(sys.platform != "linux", reason="the clamp is Linux's")
def test_no_window_is_smaller_than_two_segments() -> None:
    """A sender waits for its timer then: 12 KB five times a second was all that came from the same machine."""
    server = socket.create_server(("127.0.0.1", 0))
    with server, socket.create_connection(server.getsockname()) as reader:
        segment = reader.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)
        window.hold(reader, 8192)
        assert segment > 8192
        assert reader.getsockopt(socket.IPPROTO_TCP, socket.TCP_WINDOW_CLAMP) == 2 * segment


def test_a_closed_socket_is_left_alone() -> None:
    sock = socket.socket()
    sock.close()
    window.hold(sock, 4096)


# --- limits that change ----------------------------------------------------------------------------------------


class Clock:
    """Stands in for the module `time`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr("fastdl.io.throttle.time", self)

    def monotonic(self) -> float:
        return self.now


def let_through(session: Session, clock: Clock, seconds: float) -> int:
    """Bytes that one reader gets in so many seconds, who waits as it is told."""
    until, came = clock.now + seconds, 0
    while clock.now < until:
        count = min(session.block(), 1 << 16)
        came += count
        clock.now += max(session.pause_for(count), 0.0001)
    return came


def test_a_limit_that_changes_holds_from_then_on(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    session = Session(Settings(limit_rate=100_000))
    try:
        session.steerable()
        with session.crowd("a.test"):
            assert let_through(session, clock, 10) == pytest.approx(1_000_000, rel=0.05)
            session.limit(10_000)  # down
            assert let_through(session, clock, 10) == pytest.approx(100_000, rel=0.05)
            session.limit(1_000_000)  # up
            assert let_through(session, clock, 10) == pytest.approx(10_000_000, rel=0.05)
            session.limit(None)  # off
            assert session.block() == BLOCK
            assert session.pause_for(1 << 40) == 0.0
            session.limit(50_000)  # and on again
            assert let_through(session, clock, 10) == pytest.approx(500_000, rel=0.05)
    finally:
        session.close()


def test_connections_that_are_open_follow_the_limit() -> None:
    session = Session(Settings())
    old = Connection()
    session.steerable()._channels.add(old)  # type: ignore[arg-type]
    try:
        session.limit(10_000)
        assert old.held == [8 * 1024]
        session.limit(20_000_000)
        assert old.held[1] == FREE_WINDOW
        session.limit(10_000)
        session.limit(None)
        assert old.held[2:] == [8 * 1024, FREE_WINDOW]
    finally:
        session.close()


def test_auto_is_measured_from_the_moment_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = threading.Event()
    session = Session(Settings())
    monkeypatch.setattr(session._http, "round_trip", lambda url: asked.set() or 0.01)
    session.steerable()
    try:
        session.give_way(parse_url("http://127.0.0.1:9/"))  # there is no limit: nothing is measured
        assert "fastdl-delay" not in [thread.name for thread in threading.enumerate()]
        session.limit("auto")
        assert asked.wait(30)
        session.rest(True)
        session.rest(False)
        session.limit(1000)
    finally:
        session.close()


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="reference counts are CPython's")
@pytest.mark.parametrize("rate", [None, 1000, "auto"])
def test_a_session_whose_limit_may_change_is_no_garbage(
    monkeypatch: pytest.MonkeyPatch, rate: int | str | None
) -> None:
    """The API has one for each download: what knows itself in a circle waits until Python looks for such things."""
    monkeypatch.setattr(HttpSession, "round_trip", lambda http, url: 0.01)
    session = Session(Settings())
    held = weakref.ref(session)
    gc.disable()
    try:
        session.steerable()
        session.limit(rate)
        session.give_way(parse_url("http://127.0.0.1:9/"))
        session.close()
        del session
        assert held() is None
    finally:
        gc.enable()


class Hasty(DelayLimit):
    """Wants to be told all the time."""

    @property
    def interval(self) -> float:
        return 0.001


def test_a_probe_that_rests_asks_nobody() -> None:
    limit = Hasty()
    turns = threading.Semaphore(0)
    probe = DelayProbe(limit, lambda: turns.release() or 0.01, lambda: 0, lambda rate: None)
    probe.rest(True)
    probe.start()
    try:
        assert not turns.acquire(timeout=0.05)
        probe.rest(False)
        assert turns.acquire(timeout=30)
    finally:
        probe.stop()
        probe.join(30)
