"""How knowledge of a server grows, fades and is forgotten."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastdl.core.servers import (
    DAY,
    FULL_WEIGHT,
    HALF_LIFE,
    LEAST_WEIGHT,
    LIE_LASTS,
    MOST_CONNECTIONS,
    MOST_WEIGHT,
    Memory,
    Report,
    Server,
    lasts,
    recall,
    remember,
)

NOW = 1_800_000_000.0
HOST = "files.example.org"


def told(*reports: Report, every: float = 0.0) -> Memory:
    """What is stored after reports that came `every` seconds, the last one NOW."""
    memory = None
    for number, report in enumerate(reports):
        memory = remember(memory, report, NOW - every * (len(reports) - 1 - number))
    assert memory is not None
    return memory


def known(*reports: Report, after: float = 0.0, every: float = 0.0) -> Server:
    """What is known some seconds after the last report."""
    return recall(told(*reports, every=every), NOW + after)


def full(rate: float, **more: object) -> Report:
    """A transfer that is long enough to say all about a rate."""
    return Report(HOST, FULL_WEIGHT, rate, **more)


def test_one_report_is_known_as_it_was() -> None:
    server = known(Report(HOST, 5 << 20, 2e6, 0.05, 6, 0, True, 1))
    assert server == Server(HOST, 2e6, 0.05, 6, 0.0, True, 1.0, 1, NOW, 5 << 20)


def test_nothing_measured_is_unknown() -> None:
    server = known(Report(HOST))
    assert (server.rate, server.latency, server.connections, server.ranges) == (None, None, 0, None)


def test_equal_reports_are_a_mean() -> None:
    assert known(full(1e6), full(3e6)).rate == pytest.approx(2e6)
    assert known(Report(HOST, latency=0.1), Report(HOST, latency=0.3)).latency == pytest.approx(0.2)


def test_a_report_of_a_week_ago_counts_half() -> None:
    assert known(full(1e6), full(4e6), every=HALF_LIFE).rate == pytest.approx((0.5 * 1e6 + 4e6) / 1.5)


def test_a_short_transfer_says_less_of_the_rate() -> None:
    short = Report(HOST, FULL_WEIGHT // 8, 10e6)
    assert known(full(1e6), short).rate == pytest.approx((1e6 + 10e6 / 8) / 1.125)
    assert known(full(1e6), Report(HOST, 0, 10e6)).rate == 1e6


def test_the_newest_counts_for_a_fifth_however_many_there_were() -> None:
    server = known(*[full(1e6)] * 1000, full(11e6))
    assert server.rate == pytest.approx((MOST_WEIGHT * 1e6 + 11e6) / (MOST_WEIGHT + 1))


def test_time_makes_unknown_not_slow() -> None:
    gone = HALF_LIFE * math.log2(1 / LEAST_WEIGHT)
    assert known(full(1e6, latency=0.1), after=gone - 60).rate == 1e6
    server = known(full(1e6, latency=0.1), after=gone + 60)
    assert (server.rate, server.latency) == (None, None)
    assert server.downloads == 1


def test_a_refusal_shows_a_limit() -> None:
    assert known(full(1e6, connections=8)).connections == 8
    assert known(full(1e6, connections=8), full(1e6, connections=3)).connections == 8, "three were enough, no limit"
    limited = known(full(1e6, connections=8), full(1e6, connections=3, busy=2))
    assert (limited.connections, limited.busy) == (3, 2)
    assert known(Report(HOST, busy=1)).connections == 1, "one may always ask"


def test_a_limit_is_lifted_by_being_passed() -> None:
    assert known(full(1e6, connections=3, busy=2), full(1e6, connections=5)).connections == 5


def test_refusals_fade_in_days_errors_in_weeks() -> None:
    report = full(1e6, connections=4, busy=4, errors=4)
    assert known(report, after=DAY).busy == pytest.approx(2)
    assert known(report, after=HALF_LIFE).errors == pytest.approx(2)
    assert known(report, after=60 * DAY).busy == 0
    assert known(report, after=60 * DAY).errors == 0


def test_connections_go_back_to_one() -> None:
    report = full(1e6, connections=9)
    assert known(report, after=HALF_LIFE).connections == 5
    assert known(report, after=50 * HALF_LIFE).connections == 1


def test_what_was_seen_of_ranges_is_kept_until_seen_otherwise() -> None:
    assert known(full(1e6, ranges=True), full(1e6)).ranges is True
    assert known(full(1e6, ranges=True), full(1e6, ranges=False)).ranges is False
    assert known(full(1e6, ranges=False), after=4 * HALF_LIFE - 60).ranges is False
    assert known(full(1e6, ranges=False), after=4 * HALF_LIFE).ranges is None
    stale = known(full(1e6, ranges=False), *[full(1e6)] * 9, every=HALF_LIFE / 2)
    assert stale.ranges is None, "the other reports did not see it again"


def test_one_that_was_given_up() -> None:
    server = known(Report(HOST, failed=True))
    assert (server.errors, server.downloads) == (1, 0)
    assert known(Report(HOST, errors=3, failed=True)).errors == 3


@pytest.mark.parametrize("rate", [0.0, -1.0, math.nan, math.inf, 1e18])
def test_a_rate_that_makes_no_sense(rate: float) -> None:
    assert known(full(1e6), full(rate)).rate == 1e6


@pytest.mark.parametrize("latency", [0.0, -1.0, math.nan, 1e9])
def test_a_latency_that_makes_no_sense(latency: float) -> None:
    assert known(Report(HOST, latency=0.1), Report(HOST, latency=latency)).latency == 0.1


def test_a_clock_that_was_set_back() -> None:
    later = remember(told(full(1e6, errors=2, busy=2)), full(3e6), NOW - 365 * DAY)
    assert later.seen == NOW - 365 * DAY
    server = recall(later, NOW - 365 * DAY)
    assert (server.rate, server.errors, server.busy) == (2e6, 2, 2)


def test_a_lie_lasts_thirty_days() -> None:
    assert lasts(NOW, NOW)
    assert lasts(NOW - LIE_LASTS + 1, NOW)
    assert not lasts(NOW - LIE_LASTS, NOW)
    assert not lasts(NOW + 10 * LIE_LASTS, NOW), "a clock was wrong once"


NUMBERS = st.floats(allow_nan=True, allow_infinity=True) | st.none()
COUNTS = st.integers(-5, 2**70)
REPORTS = st.builds(
    Report,
    st.just(HOST),
    COUNTS,
    NUMBERS,
    NUMBERS,
    COUNTS,
    st.integers(-5, 1000),
    st.sampled_from([True, False, None]),
    st.integers(-5, 1000),
    st.booleans(),
)


@given(st.lists(st.tuples(REPORTS, st.floats(-DAY, 400 * DAY)), min_size=1, max_size=12))
def test_any_reports_leave_sound_numbers(reports: list[tuple[Report, float]]) -> None:
    memory, now = None, NOW
    for report, later in reports:
        now += later
        memory = remember(memory, report, now)
        server = recall(memory, now)
        assert all(math.isfinite(value) and value >= 0 for value in memory[1:8])
        assert memory.rate_weight <= MOST_WEIGHT
        assert memory.latency_weight <= MOST_WEIGHT
        assert 0 <= server.connections <= MOST_CONNECTIONS
        assert server.rate is None or server.rate > 0
        assert 0 <= server.bytes < 2**63
        seen = [one.rate for one, _ in reports if one.rate is not None and 0 < one.rate <= 1e15]
        assert server.rate is None or min(seen) * 0.999 <= server.rate <= max(seen) * 1.001
