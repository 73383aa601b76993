"""Connections of one lane: no more than its part, as the server sees it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from fastdl.cluster import lane_pool
from fastdl.cluster.lane_pool import LINGER, LanePool
from fastdl.core.urls import parse_url
from fastdl.io.channel import Request
from fastdl.io.session import Session
from fastdl.settings import Settings
from servers.clusters import Crowd
from servers.raw import Serve


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Time for the pool alone; `now` is seconds."""
    made = SimpleNamespace(now=100.0)
    monkeypatch.setattr(lane_pool, "time", SimpleNamespace(monotonic=lambda: made.now))
    return made


def test_the_place_of_one_that_was_closed_midway_is_taken_for_a_while(clock: SimpleNamespace) -> None:
    pool = LanePool(8, lambda: None)
    pool.share({"h": 1})
    assert pool.admit("h")
    pool.leave("h", midway=True)
    assert not pool.admit("h") and pool.counts() == {"h": 1}
    clock.now += LINGER
    assert pool.counts() == {"h": 0} and pool.admit("h")
    pool.leave("h")
    assert pool.admit("h")


@pytest.mark.parametrize("ending", ["unanswered", "midway", "read"])
def test_a_server_that_may_still_be_sending_counts(ending: str, serve: Serve, clock: SimpleNamespace) -> None:
    server = serve(Crowd(rate=1000 if ending == "midway" else None).handle)  # type: ignore[arg-type]
    url = parse_url(server.url(f"/{Crowd.name(1, 50_000)}"))
    session = Session(Settings(history=False))
    session.pool = pool = LanePool(8, lambda: None)
    pool.share({url.host: 1})
    try:
        channel = session.channel(url, cancelled=lambda: False)
        channel.send(Request(url, 0, None, False, None, ()))
        if ending != "unanswered":
            assert channel.receive_head().status == 200
        while ending == "read" and channel.read_into(memoryview(bytearray(65536))):
            pass
        channel.close()
        assert pool.counts() == {url.host: 0 if ending == "read" else 1}
    finally:
        session.close()
