"""Rate limits under a virtual clock."""

from __future__ import annotations

import heapq

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastdl.core.limit import (
    ALL_BLOCKS,
    BURST,
    CATCH_UP,
    LATE,
    LEAST_BLOCK,
    MOST_BLOCK,
    USUAL_WINDOW,
    TokenBucket,
    block_for,
    connections_for,
    window_for,
)
from fastdl.core.plan import STALL

Event = tuple[float, int]  # time, bytes
START = 1000.0


def run(
    rate: float, blocks: list[int], seconds: float, pause: float = 0.0, late: list[float] | None = None
) -> list[Event]:
    """One taker for each of `blocks`, who takes so many bytes a time, waits as told and takes again. `pause`: nothing
    comes for so long at first. `late`: how much longer than told each taker waits, one after the other, over again."""
    bucket = TokenBucket(rate, START)
    events: list[Event] = []
    turns = [(START + pause, number) for number in range(len(blocks))]
    while turns:
        now, number = heapq.heappop(turns)
        if now >= START + pause + seconds:
            continue
        events.append((now, blocks[number]))
        extra = late[len(events) % len(late)] if late else 0.0
        heapq.heappush(turns, (now + bucket.take(blocks[number], now) + extra, number))
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


def total_of(events: list[Event]) -> int:
    return sum(amount for _, amount in events)


RATES = [10_000, 64 * 1024, 500 * 1024, 2 * 1024**2, 100 * 1024**2]


@pytest.mark.parametrize("rate", [*RATES, 1536 * 1024**2])
@pytest.mark.parametrize("takers", [1, 4, 16, 64])
def test_no_second_is_a_tenth_over_the_rate(rate: int, takers: int) -> None:
    blocks = [block_for(rate, takers)] * takers
    for pause in (0.0, 60.0):  # after a pause too, when all of them come at once
        events = run(rate, blocks, 4.0, pause=pause)
        assert busiest_second(events) <= 1.1 * rate
        assert total_of(events) >= 0.99 * rate * 4


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("takers", [1, 8, 32])
@pytest.mark.parametrize("pause", [0.0, 0.2])
def test_the_mean_is_within_two_percent_from_the_start_on(rate: int, takers: int, pause: float) -> None:
    """What was missed while nothing came yet is made up for, and no second shows it."""
    events = run(rate, [block_for(rate, takers)] * takers, 10.0 - pause, pause=pause)
    assert total_of(events) == pytest.approx(10 * rate, rel=0.02)
    assert busiest_second(events) <= 1.1 * rate


@settings(deadline=None, max_examples=50)
@given(
    st.integers(20_000, 10**8),
    st.integers(1, 40),
    st.lists(st.floats(0, 0.05), min_size=1, max_size=7),
)
def test_waits_that_take_too_long_cost_nothing(rate: int, takers: int, late: list[float]) -> None:
    """A busy machine wakes everybody late: as long as the takers can keep up at all, the mean holds."""
    block = block_for(rate, takers)
    mean_late = sum(late) / len(late)
    events = run(rate, [block] * takers, 4.0, late=late)
    possible = takers * block / (mean_late + 1e-9) > 2 * rate
    if possible:
        assert total_of(events) >= 0.98 * 4 * rate - takers * block
    assert busiest_second(events) <= 1.1 * rate


@settings(deadline=None)
@given(
    st.integers(20_000, 10**8),
    st.lists(st.floats(0.0005, 0.005), min_size=1, max_size=12),
)
def test_the_mean_is_exact_for_blocks_of_any_size(rate: int, shares: list[float]) -> None:
    """However unequal the blocks: what went through is the rate times the time, up to one block a taker."""
    blocks = [max(1, int(rate * share)) for share in shares]
    events = run(rate, blocks, 3.0)
    slack = sum(blocks) + len(blocks)
    assert abs(total_of(events) - 3.0 * rate) <= slack


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1000, 10**9),
    st.lists(st.tuples(st.floats(0, 0.3), st.floats(0, 0.01)), min_size=1, max_size=300),
)
def test_no_order_of_takers_gets_more_than_the_bound(rate: int, moves: list[tuple[float, float]]) -> None:
    """One taker who obeys, whatever gaps and blocks: in no span t more than 1.03 t, a burst and a block."""
    bucket = TokenBucket(rate, 0.0)
    now, events = 0.0, []
    for gap, share in moves:
        now += gap
        amount = int(rate * share)
        events.append((now, amount))
        now += bucket.take(amount, now)
    for first in range(0, len(events), 7):
        total = 0
        for at, amount in events[first:]:
            total += amount
            span = at - events[first][0]
            assert total <= rate * (CATCH_UP * span + BURST + 0.01) * (1 + 1e-9) + 2


def test_a_large_block_is_paid_for_afterwards() -> None:
    bucket = TokenBucket(1000.0, 0.0)
    assert bucket.take(0, 0.0) == 0.0
    assert bucket.take(5000, 0.0) == 5.0
    assert bucket.take(0, 2.0) == 3.0
    assert bucket.take(1000, 5.0) == 1.0


def test_a_pause_earns_no_more_than_a_burst_at_once() -> None:
    bucket = TokenBucket(1000.0, 0.0)
    assert bucket.take(int(1000 * BURST), 3600.0) == 0.0
    assert bucket.take(1, 3600.0) > 0.0


def test_a_pause_is_made_up_for_up_to_a_bound() -> None:
    bucket = TokenBucket(1000.0, 0.0)
    now, taken = 3600.0, 0
    while now < 3700.0:
        taken += 2
        now += bucket.take(2, now)
    assert taken == pytest.approx(1000 * (100 + LATE), rel=0.001)


def test_clocks_that_come_out_of_order_cost_nothing() -> None:
    """A taker that read the clock earlier may come later: time is not counted backwards."""
    bucket = TokenBucket(1000.0, 10.0)
    bucket.take(20, 10.5)
    assert bucket.take(1000, 10.5) == bucket.take(0, 10.2)
    assert bucket.take(0, 11.5) == 0.0


def test_the_rate_may_change() -> None:
    bucket = TokenBucket(1000.0, 0.0)
    bucket.take(2000, 0.0)
    bucket.set_rate(4000.0, 1.0)
    assert bucket.take(0, 1.0) == pytest.approx(1.0), "a second's worth of debt is left"
    assert bucket.take(4000, 2.0) == pytest.approx(1.0)


def test_debt_of_a_high_rate_is_no_debt_for_minutes_under_a_low_one() -> None:
    bucket = TokenBucket(1e8, 0.0)
    for _ in range(16):
        bucket.take(256 * 1024, 0.0)
    owed = bucket.take(0, 0.0)
    bucket.set_rate(16 * 1024, 0.0)
    assert bucket.take(0, 0.0) == pytest.approx(owed)
    assert owed < 0.1


@settings(deadline=None)
@given(st.floats(1, 1e12), st.integers(0, 500))
def test_a_block_is_within_bounds(rate: float, takers: int) -> None:
    block = block_for(rate, takers)
    assert 1 <= block <= MOST_BLOCK
    if block > LEAST_BLOCK:
        assert takers * block <= rate * ALL_BLOCKS + 1


@pytest.mark.parametrize(("rate", "rtt"), [(1e4, 0.001), (1e5, 0.2), (3e5, 0.05), (1e6, 0.6), (1e9, 0.0)])
def test_a_held_window_is_no_limit_of_its_own(rate: float, rtt: float) -> None:
    window = window_for(rate, rtt)
    if window is None:
        assert rate * (2 * rtt + 0.1) >= USUAL_WINDOW
    else:
        assert window >= 2 * rtt * rate
        assert window < USUAL_WINDOW


def test_a_low_rate_is_for_few_connections() -> None:
    assert connections_for(1) == 1
    assert connections_for(100_000) == 3
    assert connections_for(1e9) > 100


@pytest.mark.parametrize("rate", [4_000, *RATES])
@pytest.mark.parametrize("takers", [1, 8, 64])
def test_nobody_waits_so_long_as_to_seem_silent(rate: int, takers: int) -> None:
    """A connection that waits for its turn is not heard of meanwhile: it must be far from what is called a stall."""
    bucket = TokenBucket(rate, 0.0)
    block = block_for(rate, takers)
    turns = [(0.0, number) for number in range(takers)]
    longest = 0.0
    for _ in range(4000):
        now, number = heapq.heappop(turns)
        wait = bucket.take(block, now)
        longest = max(longest, wait)
        heapq.heappush(turns, (now + wait, number))
    assert longest < STALL / 8
