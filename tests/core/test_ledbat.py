"""The delay-based limit, sample by sample. tests/simulation/test_give_way.py has whole lines."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastdl.core.ledbat import CALM, FREE, HISTORY, SOON, USUAL, DelayLimit

BASE = 0.040


def steady(limit: DelayLimit, rtt: float, capacity: float, samples: int, now: float = 0.0) -> float:
    """Samples half a second apart; what flows is what the limit lets through, or the line's capacity."""
    for _ in range(samples):
        limit.sample(rtt, min(limit.window / rtt if limit.window else capacity, capacity), now)
        now += 0.5
    return now


def settled(capacity: float = 8e6) -> tuple[DelayLimit, float]:
    """A limit that knows the line, and the time."""
    limit = DelayLimit()
    now = steady(limit, BASE, capacity, 30)
    now = steady(limit, BASE + 0.8 * limit.target, capacity, 3, now)
    return limit, now


def test_gives_way_while_the_delay_stays_and_comes_back() -> None:
    limit, now = settled()
    alone = limit.window
    assert alone >= 8e6 * BASE, "does not hold the line back"
    now = steady(limit, 0.300, 8e6, 4, now)
    assert limit.window < alone / 4
    now = steady(limit, 0.300, 8e6, 60, now)
    assert limit.rate == limit.floor
    steady(limit, BASE, 8e6, 60, now)
    assert limit.window >= 8e6 * BASE


def test_grows_fast_until_the_first_sign_of_a_queue() -> None:
    limit = DelayLimit()
    limit.heard(BASE, 0.0)
    first = limit.window
    limit.sample(BASE, first / BASE, 0.0)
    limit.sample(BASE, limit.window / BASE, 0.2)
    assert limit.window == pytest.approx(first * 1.5**2)
    assert limit.interval == SOON
    limit.sample(BASE + 0.6 * limit.target, limit.window / BASE, 0.4)
    assert limit.starting, "one long round trip may be the burst with which connections begin"
    limit.sample(BASE + 0.6 * limit.target, limit.window / BASE, 0.6)
    assert not limit.starting
    assert limit.interval == USUAL


def test_growth_never_leads_past_the_target_on_a_full_line() -> None:
    """The queue that a window causes on a line for itself is what of it is beyond the round trip's worth."""
    limit, now = settled()
    capacity = 8e6
    limit.window = capacity * BASE
    worst = 0.0
    for _ in range(100):
        delay = max(0.0, limit.window / capacity - BASE)
        worst = max(worst, delay)
        limit.sample(BASE + delay, capacity, now)
        now += 0.5
    assert worst <= limit.target * 1.01
    assert limit.window >= capacity * BASE


def test_the_first_cut_is_what_the_line_carries() -> None:
    limit, now = settled()
    limit.window = 8e6 * (BASE + 0.015)
    limit.sample(BASE + 0.015, 8e6, now)
    assert 8e6 * BASE <= limit.window < 8e6 * (BASE + 0.015)


def test_a_falling_delay_is_not_cut_twice() -> None:
    limit, now = settled()
    limit.sample(BASE + 0.060, 8e6, now)
    cut = limit.window
    limit.sample(BASE + 0.020, 8e6, now + 0.5)
    assert limit.window == cut, "the queue is emptying"
    limit.sample(BASE + 0.020, limit.window / BASE, now + 1.0)
    assert limit.window == pytest.approx(cut / 2), "it is somebody else's"


def test_what_was_sent_under_older_windows_is_no_reason_to_cut() -> None:
    limit, now = settled()
    limit.window = 100_000.0
    limit.sample(BASE + 0.030, 8e6, now)
    assert limit.window == 100_000


def test_a_lost_packet_is_a_sign() -> None:
    limit, now = settled()
    assert not limit.doubtful(BASE + 1.0)
    before = limit.window
    limit.sample(BASE + 1.0, limit.window / (2 * BASE), now)
    assert limit.window < before


def test_who_has_met_others_grows_more_slowly_until_the_line_is_free() -> None:
    limit, now = settled()
    steady(limit, BASE + 0.030, 8e6, 5, now)
    polite = limit.window
    limit.sample(BASE + 0.25 * limit.target, polite / BASE, now + 3)
    assert limit.window / polite < 1.03
    fresh, later = settled()
    fresh.window = polite
    fresh.sample(BASE + 0.25 * fresh.target, polite / BASE, later)
    assert fresh.window / polite > 1.1
    now = steady(limit, BASE, 8e6, CALM + 1, now + 4)
    assert not limit.starting
    steady(limit, BASE, 8e6, FREE, now)
    assert limit.starting


def test_a_download_that_others_hold_back_gets_no_window_for_later() -> None:
    """A server that sends 100 kB/s says nothing about the line."""
    limit = DelayLimit()
    steady(limit, BASE, 1e5, 100)
    assert limit.rate <= 2 * 1024 * 1024


def test_one_long_round_trip_is_measured_again() -> None:
    limit = DelayLimit()
    assert not limit.doubtful(5.0), "nothing is known yet"
    limit.heard(BASE, 0.0)
    assert not limit.doubtful(BASE + 0.5 * limit.target)
    assert limit.doubtful(BASE + 2 * limit.target)


def test_a_slow_path_is_no_queue() -> None:
    """What counts is the delay above the lowest one seen: a satellite's 600 ms are nobody's traffic."""
    limit = DelayLimit()
    steady(limit, 0.600, 8e6, 60)
    assert limit.rate >= 8e6


def test_the_lowest_delay_is_that_of_the_last_minutes() -> None:
    """A path that became longer for good counts as a queue for ten minutes at most (RFC 6817, section 4.2)."""
    limit, now = settled()
    now = steady(limit, 0.200, 8e6, 20, now)
    assert limit.rate < 1e6
    now = steady(limit, 0.200, 8e6, HISTORY * 120, now)
    steady(limit, 0.200, 8e6, 60, now)
    assert limit.rate >= 8e6


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 1e12)), max_size=60))
def test_the_rate_is_always_a_rate(samples: list[tuple[float, float]]) -> None:
    limit = DelayLimit()
    for step, (rtt, achieved) in enumerate(samples):
        before = limit.window
        rate = limit.sample(rtt, achieved, step * 7.0)
        assert limit.floor <= rate < float("inf")
        assert 0 < limit.window < float("inf")
        if before and not limit.starting:
            assert limit.window <= 1.6 * max(before, achieved * max(rtt, 0.05), limit.floor * (rtt + limit.target))
