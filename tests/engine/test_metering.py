"""What --metrics counts: running and ended downloads, by host, without growing and without going down."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastdl.core import tracker
from fastdl.core.tracker import Tracker
from fastdl.core.urls import parse_url
from fastdl.engine import metering as module
from fastdl.engine.download import Download
from fastdl.engine.metering import OTHER, Metering
from fastdl.engine.profile import Profile
from fastdl.errors import ConnectionLost, DigestMismatch
from fastdl.events import Ended, Named, Started
from fastdl.io.contact import Place
from fastdl.io.pool import ConnectionPool
from fastdl.result import DigestReport, Result

Conclude = Callable[[], Result]


class FakeSession:
    def __init__(self) -> None:
        self.pool = ConnectionPool(8)


class FakeDownload:
    """A download whose own thread does `work`, and which ends when it is told to."""

    def __init__(
        self, host: str = "example.org", work: Callable[[FakeDownload], object] = lambda self: None, error: bool = False
    ) -> None:
        self.result = Result(f"http://{host}/f", error=ConnectionLost("lost") if error else None)
        self.counters = Tracker()
        self.places = [Place(parse_url(f"http://{host}/f"))]
        self.session = FakeSession()
        self.main = None
        self.entry = None
        self.work = work
        self.ended: Callable[[Conclude], None] | None = None

    def count(self, **amounts: int) -> None:
        for name, amount in amounts.items():
            self.counters.row(0, 0).add(tracker.FIELDS.index(name), amount)

    def run(self) -> Result:
        self.work(self)
        return self.result

    def run_then(self, ended: Callable[[Conclude], None]) -> None:
        self.work(self)
        self.ended = ended

    def conclude(self) -> None:
        assert self.ended is not None
        self.ended(lambda: self.result)


def faked(download: FakeDownload) -> Download:
    return cast(Download, download)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_running_download_counts_and_an_ended_one_counts_once() -> None:
    metering = Metering()
    seen = []

    def work(self: FakeDownload) -> None:
        self.count(bytes=100, wasted=7, requests=3, errors=2, retries=1, connections=2)
        assert self.session.pool.admit("example.org")
        seen.append(metering.counts())

    download = FakeDownload(work=work)
    metering.run(faked(download))
    (during,), after = seen, metering.counts()
    assert (during.running, after.running) == (1, 0)
    assert during.connections == {"example.org": 1}
    assert after.connections == {}
    for counts in (during, after):
        (traffic,) = counts.traffic.values()
        assert list(counts.traffic) == [("example.org", "origin")]
        assert (traffic.received, traffic.wasted, traffic.requests) == (107, 7, 3)
        assert (traffic.errors, traffic.retries, traffic.opened) == (2, 1, 2)


def test_one_file_of_many_runs_until_it_has_its_name() -> None:
    metering, results = Metering(), []
    download = FakeDownload(work=lambda self: self.count(bytes=5))
    metering.run_then(faked(download), lambda conclude: results.append(conclude()))
    assert metering.counts().running == 1
    download.conclude()
    assert metering.counts().running == 0
    assert results == [download.result]
    assert metering.counts().traffic[("example.org", "origin")].received == 5


def test_a_crash_is_over_too() -> None:
    def crash(self: FakeDownload) -> None:
        self.count(bytes=5)
        raise RuntimeError("bug")

    metering = Metering()
    with pytest.raises(RuntimeError):
        metering.run(faked(FakeDownload(work=crash)))
    with pytest.raises(RuntimeError):
        metering.run_then(faked(FakeDownload(work=crash)), lambda conclude: None)
    counts = metering.counts()
    assert counts.running == 0
    assert counts.traffic[("example.org", "origin")].received == 10


def test_a_profile_gets_the_same_downloads() -> None:
    profile = Profile()
    metering = Metering(profile)
    metering.run(faked(FakeDownload()))
    download = FakeDownload()
    metering.run_then(faked(download), lambda conclude: conclude() and None)
    assert (profile.report()["count"], metering.counts().running) == (1, 1)
    download.conclude()
    assert (profile.report()["count"], metering.counts().running) == (2, 0)


def test_how_downloads_ended_is_taken_from_their_events() -> None:
    metering = Metering()
    good = Result("u", seconds=1.5, resumed_bytes=10, digest=DigestReport("sha256", "00", "user", verified=True))
    unchecked = Result("u", seconds=0.5, digest=DigestReport("sha256", "00", "user", verified=False))
    lost = Result("u", error=ConnectionLost("lost"), resumed_bytes=5)
    wrong = Result("u", error=DigestMismatch("wrong"), digest=DigestReport("sha256", "00", "user"))
    metering.handle(Started(0, "u"))
    metering.handle(Named(0, "f", 3))
    for result in (good, unchecked, lost, wrong):
        metering.handle(Ended(0, result))
    counts = metering.counts()
    assert counts.ended == {0: 2, 3: 1, 5: 1}
    assert counts.digests == {"verified": 1, "none": 1, "failed": 1}
    assert (counts.seconds, counts.resumed) == (2.0, 15)


def test_further_hosts_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_HOSTS", 3)
    metering = Metering()
    for number in range(50):
        metering.run(faked(FakeDownload(f"h{number}.example.org", lambda self: self.count(bytes=1))))
    traffic = metering.counts().traffic
    assert {host: each.received for (host, _), each in traffic.items()} == {
        "h0.example.org": 1, "h1.example.org": 1, "h2.example.org": 1, OTHER: 47,
    }  # fmt: skip
    assert not metering._running


def test_memory_does_not_grow_with_the_files() -> None:
    metering = Metering()
    for _ in range(2000):
        metering.run(faked(FakeDownload(work=lambda self: self.count(bytes=1))))
        metering.handle(Ended(0, Result("u")))
        metering.counts()
    assert len(metering._over) == len(metering._told) == len(metering._hosts) == 1
    assert len(metering._looks) < 20


def test_ports_tell_servers_apart_and_secrets_do_not_get_in() -> None:
    metering = Metering()
    for host in ("a.example.org:8080", "A.example.org", "name:secret@b.example.org"):
        metering.run(faked(FakeDownload(host, lambda self: self.count(requests=1))))
    assert [host for host, _ in metering.counts().traffic] == ["a.example.org", "a.example.org:8080", "b.example.org"]


@given(st.lists(st.tuples(st.sampled_from(["arrive", "waste", "look", "end"]), st.integers(0, 1000)), max_size=40))
def test_no_counter_goes_down(steps: list[tuple[str, int]]) -> None:
    """Kept bytes become wasted ones, while somebody looks, in two steps that nothing holds together."""
    metering = Metering()
    download = FakeDownload()
    metering._begin(faked(download))
    told = 0
    for what, amount in steps:
        if what == "arrive":
            download.count(bytes=amount)
        elif what == "waste":
            download.count(wasted=amount)
            first = metering.counts().traffic
            download.count(bytes=-amount)
            told = max(told, *(each.received for each in first.values()), 0)
        elif what == "end":
            metering._end(faked(download))
            download = FakeDownload()
            metering._begin(faked(download))
        for traffic in metering.counts().traffic.values():
            assert traffic.received >= told
            told = traffic.received


def test_the_speed_is_that_of_the_last_seconds() -> None:
    clock = Clock()
    metering = Metering(clock=clock)
    download = FakeDownload()
    metering._begin(faked(download))
    for _ in range(100):
        clock.now += 0.25
        download.count(bytes=1000)
        speed = metering.counts().speed
    assert speed == pytest.approx(4000, rel=0.01)
    for _ in range(30):  # a stall
        clock.now += 0.25
        speed = metering.counts().speed
    assert speed == 0
    clock.now += 60  # somebody who looks once a minute
    download.count(bytes=60_000)
    assert metering.counts().speed == pytest.approx(1000, rel=0.1)
    metering._end(faked(download))
    assert metering.counts().speed == 0


def test_looks_from_several_threads_while_downloads_come_and_go() -> None:
    metering, wrong = Metering(), []
    over = threading.Event()

    def look() -> None:
        before = 0
        while not over.is_set():
            total = sum(each.received for each in metering.counts().traffic.values())
            if total < before:
                wrong.append((before, total))
            before = total

    lookers = [threading.Thread(target=look) for _ in range(2)]
    for thread in lookers:
        thread.start()

    def work() -> None:
        for _ in range(300):
            metering.run(faked(FakeDownload(work=lambda self: self.count(bytes=10))))

    workers = [threading.Thread(target=work) for _ in range(3)]
    for thread in workers:
        thread.start()
    for thread in workers:
        thread.join()
    over.set()
    for thread in lookers:
        thread.join()
    assert not wrong
    assert metering.counts().traffic[("example.org", "origin")].received == 3 * 300 * 10
