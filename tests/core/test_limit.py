"""Rate limits under a virtual clock."""

from __future__ import annotations

import heapq

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastdl.core.limit import DelayLimit, TokenBucket, block_for, burst_for

Event = tuple[float, int]  # time, bytes


def run(rate: float, blocks: list[int], seconds: float, start: float = 1000.0, pause: float = 0.0) -> list[Event]:
    """One taker for each of `blocks`, who takes so many bytes a time, waits as told, and takes again."""
    bucket = TokenBucket(rate, burst_for(rate))
    bucket.take(0, start)
    events: list[Event] = []
    turns = [(start + pause, number) for number in range(len(blocks))]
    while turns:
        now, number = heapq.heappop(turns)
        if now >= start + pause + seconds:
            continue
        events.append((now, blocks[number]))
        heapq.heappush(turns, (now + bucket.take(blocks[number], now), number))
    return events


def busiest_second(events: list[Event]) -> int:
    """The most bytes in any half-open window of a second."""
    most = total = tail = 0
    for now, amount in events:
        total += amount
        while events[tail][0] <= now - 1.0:
            total -= events[tail][1]
            tail += 1
        most = max(most, total)
    return most


@pytest.mark.parametrize("rate", [64 * 1024, 500 * 1024, 2 * 1024**2, 100 * 1024**2, 1536 * 1024**2])
@pytest.mark.parametrize("takers", [1, 4, 16])
def test_no_second_is_a_tenth_over_the_rate(rate: int, takers: int) -> None:
    blocks = [block_for(rate)] * takers
    for pause in (0.0, 60.0):  # after a pause too, when all of them come at once
        events = run(rate, blocks, 4.0, pause=pause)
        assert busiest_second(events) <= 1.1 * rate
        assert sum(amount for _, amount in events) >= 0.99 * rate * 4


@settings(deadline=None)
@given(
    st.integers(20_000, 10**8),
    st.lists(st.floats(0.0005, 0.005), min_size=1, max_size=12),
)
def test_the_mean_is_exact_for_blocks_of_any_size(rate: int, shares: list[float]) -> None:
    """However unequal the blocks: what went through is the rate times the time, up to one block a taker."""
    blocks = [max(1, int(rate * share)) for share in shares]
    events = run(rate, blocks, 3.0)
    total, slack = sum(amount for _, amount in events), sum(blocks) + burst_for(rate) + len(blocks)
    assert abs(total - 3.0 * rate) <= slack


def test_a_large_block_is_paid_for_afterwards() -> None:
    bucket = TokenBucket(1000.0, burst_for(1000.0))
    assert bucket.take(0, 0.0) == 0.0
    assert bucket.take(5000, 0.0) == 5.0
    assert bucket.take(0, 2.0) == 3.0
    assert bucket.take(1000, 5.0) == 1.0


def test_a_pause_earns_no_more_than_a_burst() -> None:
    bucket = TokenBucket(1000.0, burst_for(1000.0))
    bucket.take(0, 0.0)
    assert bucket.take(20, 3600.0) == 0.0
    assert bucket.take(1, 3600.0) > 0.0


def test_clocks_that_come_out_of_order_cost_nothing() -> None:
    """A taker that read the clock earlier may come later: time is not counted backwards."""
    bucket = TokenBucket(1000.0, 1000.0)
    bucket.take(0, 10.0)
    assert bucket.take(1000, 10.5) == 0.5
    assert bucket.take(0, 10.2) == 0.5
    assert bucket.take(0, 11.0) == 0.0


def test_the_rate_may_change() -> None:
    bucket = TokenBucket(1000.0, burst_for(1000.0))
    bucket.take(0, 0.0)
    bucket.take(2000, 0.0)
    bucket.set_rate(4000.0, 1.0)  # 1000 bytes of debt are left
    assert bucket.take(0, 1.0) == 0.25
    assert bucket.burst == burst_for(4000.0)


@settings(deadline=None)
@given(st.floats(1, 1e12))
def test_a_block_is_within_bounds(rate: float) -> None:
    assert 1 <= block_for(rate) <= 256 * 1024


# --- the delay-based limit ---------------------------------------------------------------------------------


def settled(limit: DelayLimit, rtt: float, capacity: float, steps: int, now: float) -> float:
    """Half a second a step; what flows is what the limit lets through, or the link's capacity."""
    for step in range(steps):
        limit.sample(rtt, min(limit.rate, capacity), now + step * 0.5)
    return now + steps * 0.5


def test_gives_way_when_the_delay_grows_and_comes_back() -> None:
    limit = DelayLimit(1024 * 1024)
    now = settled(limit, 0.020, 8e6, 40, 0.0)
    alone = limit.rate
    assert alone >= 8e6  # does not hold the link back
    now = settled(limit, 0.300, 8e6, 10, now)
    assert limit.rate < alone / 4
    now = settled(limit, 0.300, 8e6, 60, now)
    assert limit.rate == limit.floor
    settled(limit, 0.020, 8e6, 60, now)
    assert limit.rate >= 8e6


def test_stays_where_the_delay_is_on_target() -> None:
    limit = DelayLimit(1e6)
    limit.sample(0.010, 1e6, 0.0)
    rate = limit.rate
    limit.starting = False
    assert limit.sample(0.010 + limit.target, rate, 0.5) == pytest.approx(rate)


def test_a_slow_path_is_no_queue() -> None:
    """What counts is the delay above the lowest one seen: a satellite's 600 ms are nobody's traffic."""
    limit = DelayLimit(1e6)
    settled(limit, 0.600, 8e6, 20, 0.0)
    assert limit.rate >= 8e6


def test_the_lowest_delay_is_that_of_the_last_minutes() -> None:
    """A path that became longer for good counts as a queue for ten minutes at most (RFC 6817, section 4.2)."""
    limit = DelayLimit(1e6)
    now = settled(limit, 0.020, 8e6, 10, 0.0)
    now = settled(limit, 0.200, 8e6, 20, now)
    assert limit.rate < 1e6
    now = settled(limit, 0.200, 8e6, 12 * 120, now)
    settled(limit, 0.200, 8e6, 40, now)
    assert limit.rate >= 8e6


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 1e12)), max_size=60))
def test_the_rate_is_always_a_rate(samples: list[tuple[float, float]]) -> None:
    limit = DelayLimit(1024 * 1024)
    for step, (rtt, achieved) in enumerate(samples):
        rate = limit.sample(rtt, achieved, step * 7.0)
        assert limit.floor <= rate <= max(2 * achieved, 2 * limit.floor)
