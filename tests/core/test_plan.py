"""The arithmetic of the scheduler."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastdl.core import plan
from fastdl.core.plan import MIB, Growth

RATES = st.floats(0, 1e10)
SIZES = st.integers(0, 2**50)


@settings(deadline=None)
@given(RATES, st.none() | st.integers(1, 2**40))
def test_the_floor(rate: float, min_split: int | None) -> None:
    floor = plan.floor_for(rate, min_split)
    assert floor == min_split if min_split is not None else plan.SMALLEST <= floor <= plan.MIN_SPLIT


@settings(deadline=None)
@given(st.none() | RATES, SIZES, st.floats(0, 1), st.integers(1, 2**30))
def test_a_guided_range(rate: float | None, remaining: int, share: float, floor: int) -> None:
    """Never below the floor, else never more than a second's worth or half of the worker's share."""
    taken = plan.guided(rate, remaining, share, floor)
    assert taken >= floor
    if taken > floor:
        assert taken <= remaining * share / 2
        assert taken <= (rate or plan.FIRST_RANGE)


@settings(deadline=None)
@given(SIZES, st.integers(1, 64), st.none() | st.integers(1, 2**30))
def test_the_first_response_runs_within_the_file(size: int, connections: int, min_split: int | None) -> None:
    first = plan.first_territory(size, connections, min_split)
    assert 0 <= first <= size
    assert first == size or connections > 1
    if first < size and (min_split or 0) <= 64 * MIB:
        assert min_split is None or first >= min_split


def test_one_connection_is_one_plain_stream() -> None:
    assert plan.first_territory(10**12, 1, None) == 10**12


@settings(deadline=None)
@given(SIZES, st.floats(1, 1e10), st.floats(1, 1e10), st.floats(0, 100))
def test_a_split_lets_both_end_together(remaining: int, victim: float, thief: float, latency: float) -> None:
    taken = plan.split(remaining, victim, thief, latency)
    assert 0 <= taken <= remaining
    if taken:
        stays, goes = (remaining - taken) / victim, latency + taken / thief
        assert stays == pytest.approx(goes, rel=1e-6, abs=2 / victim + 2 / thief)
    else:
        assert latency * thief * victim >= remaining * thief - (victim + thief) or remaining == 0


def test_a_split_of_what_does_not_flow() -> None:
    """A victim that stands still gives everything, a thief that stands still would get nothing."""
    assert plan.split(1000, 0.0, 5.0, 0.1) == 1000
    assert plan.split(1000, 5.0, 0.0, 0.1) == 0


@settings(deadline=None)
@given(SIZES)
def test_the_waste_budget(size: int) -> None:
    """A rescue may waste more than a hedge, and neither more than the file and 2 % of it or 4 MiB."""
    hedge, rescue = plan.waste_budget(size), plan.rescue_budget(size)
    assert hedge <= rescue <= max(min(size, 4 * MIB), int(size * 0.02))
    assert hedge <= max(size // 8, int(size * 0.02))


@pytest.mark.parametrize(("size", "budget"), [(0, 0), (16 * 1024, 327), (MIB, MIB // 8), (64 * MIB, 4 * MIB)])
def test_small_files_waste_little(size: int, budget: int) -> None:
    assert plan.waste_budget(size) == budget


def test_patience_is_that_of_tcp_where_nothing_is_known() -> None:
    assert plan.patience(0.0, 0.0, 0.0, 1.0) == plan.STALL
    assert plan.patience(0.0, 0.0, 0.4, 1.0) == pytest.approx(1.8)


def test_patience_grows_with_pauses_and_doubt() -> None:
    assert plan.patience(2.0, 0.5, 0.05, 1.0) == 4.0
    assert plan.patience(0.0, 0.0, 0.0, 2.0) == 2 * plan.STALL
    assert plan.patience(60.0, 9.0, 0.05, 1.0) == plan.LONGEST_PATIENCE


# --- how many connections ----------------------------------------------------------------------------------


def test_what_the_user_says_holds() -> None:
    growth = Growth.begin(0.1, 3, 8, 1, 0.0)
    growth.review(1e9, 3, 100.0)
    assert (growth.allowed, growth.settled) == (3, True)


@pytest.mark.parametrize(
    ("rtt", "per_host", "hosts", "first", "most"),
    [(0.0001, 8, 1, 2, 8), (0.05, 8, 1, 8, 8), (0.05, 8, 3, 16, 16), (0.05, 1, 1, 1, 1), (0.0001, 1, 1, 1, 1)],
)
def test_where_it_begins(rtt: float, per_host: int, hosts: int, first: int, most: int) -> None:
    growth = Growth.begin(rtt, None, per_host, hosts, 0.0)
    assert (growth.allowed, growth.most, growth.settled) == (first, most, first == most)


def test_grows_while_it_pays() -> None:
    growth = Growth.begin(0.0001, None, 8, 4, 0.0)
    growth.review(100e6, 2, 0.1)
    assert growth.allowed == 2  # too early to tell
    growth.review(100e6, 1, 0.3)
    assert growth.allowed == 2  # not all of them work yet
    growth.review(100e6, 2, 0.3)
    assert growth.allowed == 4
    growth.review(150e6, 4, 0.9)
    assert growth.allowed == 8
    growth.review(220e6, 8, 1.5)
    assert (growth.allowed, growth.settled) == (16, True)


def test_stays_where_it_no_longer_pays() -> None:
    growth = Growth.begin(0.0001, None, 8, 4, 0.0)
    growth.review(100e6, 2, 0.3)
    growth.review(104e6, 4, 0.9)
    assert (growth.allowed, growth.settled) == (4, True)
    growth.review(900e6, 4, 9.0)
    assert growth.allowed == 4


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1e9), st.integers(0, 40), st.floats(0, 10)), max_size=30), st.integers(1, 30))
def test_never_more_than_allowed(steps: list[tuple[float, int, float]], per_host: int) -> None:
    growth, now = Growth.begin(0.0001, None, per_host, 1, 0.0), 0.0
    for rate, busy, passed in steps:
        now += passed
        growth.review(rate, busy, now)
        assert 1 <= growth.allowed <= growth.most == min(plan.MOST_CONNECTIONS, per_host)


def test_a_strained_machine_gets_no_more_connections() -> None:
    growth = Growth.begin(0.0001, None, 8, 1, 0.0)
    before = growth.allowed
    growth.hold()
    growth.review(1e9, before, 10.0)
    assert growth.allowed == before


def test_a_machine_without_memory_gets_half_and_at_least_one() -> None:
    growth = Growth.begin(0.1, None, 8, 1, 0.0)
    for expected in (4, 2, 1, 1):
        growth.shrink()
        growth.review(1e9, growth.allowed, 10.0)
        assert growth.allowed == expected
