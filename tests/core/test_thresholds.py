"""`stats --check`: the arithmetic of rules over a history."""

from __future__ import annotations

import math
import statistics
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastdl.core import thresholds
from fastdl.core.history import Entry
from fastdl.core.thresholds import DAY, METRICS, NOT_COUNTED, Rule, concerns, fell, judge, median, rose

NOW = 1_800_000_000.0
MIB = 1 << 20


def entry(days_ago: float = 1.0, rate: float = 1e6, **more: Any) -> Entry:
    """A download of 20 seconds, `rate` in bytes a second."""
    facts = {"url": "https://a.example.org/f", "seconds": 20.0, "bytes_per_second": rate}
    received = round(rate * more.get("seconds", 20.0))
    facts["sources"] = (("a.example.org", "origin", received),)
    facts["faults"] = (0,)
    return Entry(NOW - days_ago * DAY, **(facts | more))


def history(recent: list[float], earlier: list[float]) -> list[Entry]:
    """Throughputs of the last 7 days, and of the 30 before."""
    return [entry(2, rate) for rate in recent] + [entry(20, rate) for rate in earlier]


FELL = Rule("throughput", fell_by=0.3, smallest=0)


@pytest.mark.parametrize(
    ("recent", "earlier", "status"),
    [
        ([70.0] * 5, [100.0] * 5, "fail"),
        ([71.0] * 5, [100.0] * 5, "ok"),
        ([200.0] * 5, [100.0] * 5, "ok"),
        ([1.0, 1.0, 100.0, 100.0, 1e9], [100.0] * 9, "ok"),  # the median is not moved by a few
        ([1.0] * 4, [100.0] * 5, "no data"),
        ([1.0] * 5, [100.0] * 4, "no data"),
        ([], [], "no data"),
    ],
)
def test_throughput_fell(recent: list[float], earlier: list[float], status: str) -> None:
    finding = judge(FELL, history(recent, earlier), NOW)
    assert finding.status == status
    assert (finding.seen, finding.seen_before) == (len(recent), len(earlier))


def test_spans_have_no_gap_and_no_overlap() -> None:
    edges = [0.0, 6.99, 7.0, 7.01, 36.99, 37.0, 37.01, -0.01]
    finding = judge(FELL._replace(least=1), [entry(days) for days in edges], NOW)
    assert (finding.seen, finding.seen_before) == (3, 3)


def test_small_downloads_say_nothing_of_throughput_but_may_fail() -> None:
    small = [entry(1, 1000.0) for _ in range(20)]
    assert judge(Rule("throughput", below=1e9), small, NOW).status == "no data"
    assert judge(Rule("throughput", below=1e9, smallest=20_000), small, NOW).status == "fail"
    assert judge(Rule("failures", above=0.0), small, NOW).status == "ok"


def test_failed_downloads_say_nothing_of_throughput() -> None:
    lost = [entry(1, 1.0, exit_code=3) for _ in range(20)]
    assert judge(Rule("throughput", below=1e9, smallest=0), lost, NOW).seen == 0
    assert judge(Rule("duration", above=1.0), lost, NOW).seen == 0


@pytest.mark.parametrize("code", NOT_COUNTED)
def test_what_the_user_ended_counts_nowhere(code: int) -> None:
    entries = [entry(1)] * 5 + [entry(1, exit_code=code)] * 50
    for metric in METRICS:
        assert judge(Rule(metric, above=0.0, least=1), entries, NOW).seen == 5


def test_failures() -> None:
    entries = [entry(1)] * 19 + [entry(1, exit_code=4)]
    assert judge(Rule("failures", above=0.05), entries, NOW).status == "ok"
    assert judge(Rule("failures", above=0.0499), entries, NOW).status == "fail"
    assert judge(Rule("failures", above=0.05), entries, NOW).value == 0.05


def test_errors_are_those_of_all_sources_of_a_download() -> None:
    sources = (("a.example.org", "origin", 1), ("b.example.org", "official", 1))
    entries = [entry(1, sources=sources, faults=(2, 1)), entry(1, sources=sources, faults=(0, 0))]
    uncounted = [entry(1, sources=sources, faults=()) for _ in range(9)]  # of an earlier fastdl
    finding = judge(Rule("errors", above=1.4, least=2), entries + uncounted, NOW)
    assert (finding.status, finding.value, finding.seen) == ("fail", 1.5, 2)


def test_waste_is_what_came_and_was_not_kept() -> None:
    sources = (("a.example.org", "origin", 1000),)
    entries = [entry(1, sources=sources, seconds=10.0, bytes_per_second=90.0) for _ in range(5)]
    assert judge(Rule("waste", above=0.05), entries, NOW).value == pytest.approx(0.1)


def test_no_download_at_all_is_an_answer_for_downloads() -> None:
    assert judge(Rule("downloads", days=1, below=1), [], NOW).status == "fail"
    assert judge(Rule("downloads", days=1, below=1), [entry(0.5)], NOW).status == "ok"
    assert judge(Rule("volume", days=1, below=1), [entry(20)], NOW).status == "fail"
    assert judge(Rule("downloads", fell_by=0.9), [entry(20) for _ in range(5)], NOW).status == "fail"


def test_downloads_are_for_each_day_and_an_unknown_past_counts_for_nothing() -> None:
    """Two a day, for ten days: the thirty days before the last seven are known for three."""
    entries = [entry(days / 2 + 0.1) for days in range(20)]
    finding = judge(Rule("downloads", fell_by=0.5), entries, NOW)
    assert finding.status == "ok"
    assert finding.value == pytest.approx(2, rel=0.1)
    assert finding.before == pytest.approx(2, rel=0.2)


def test_two_conditions_have_to_be_met_both() -> None:
    entries = history([50.0] * 5, [100.0] * 5)
    assert judge(FELL._replace(below=60.0), entries, NOW).status == "fail"
    assert judge(FELL._replace(below=40.0), entries, NOW).status == "ok"
    assert judge(FELL._replace(fell_by=0.6, below=60.0), entries, NOW).status == "ok"


def test_from_nothing_any_rise_is_infinite_and_a_fall_impossible() -> None:
    entries = [entry(20) for _ in range(5)] + [entry(1, exit_code=3)] + [entry(1) for _ in range(9)]
    finding = judge(Rule("failures", rose_by=5.0), entries, NOW)
    assert (finding.status, finding.before, finding.change) == ("fail", 0.0, None)
    assert judge(Rule("failures", rose_by=5.0, above=0.2), entries, NOW).status == "ok"
    assert judge(Rule("failures", fell_by=0.1), entries, NOW).status == "ok"
    calm = [entry(20) for _ in range(5)] + [entry(1) for _ in range(9)]
    assert judge(Rule("failures", rose_by=0.01), calm, NOW).status == "ok"


@pytest.mark.parametrize(
    ("host", "fits"),
    [
        ("", True),
        ("a.example.org", True),
        ("A.EXAMPLE.org", True),
        ("*.example.org", True),
        ("example.org", False),
        ("*example.org", True),
        ("m.example.net", True),
        ("m.example.net:8443", True),
        ("*:8443", True),
        ("idle.example.net", False),
        ("[2001:db8::1]", True),
        ("*.com", False),
    ],
)
def test_which_downloads_a_host_concerns(host: str, fits: bool) -> None:
    sources = (("m.example.net:8443", "official", 5), ("idle.example.net", "official", 0), ("[2001:db8::1]:80", "x", 1))
    assert concerns(Entry(NOW, "https://a.example.org/f?x=y", sources=sources), host) is fits


def test_a_download_that_reached_nobody_is_its_own_hosts() -> None:
    lost = Entry(NOW, "https://a.example.org:444/***", exit_code=3)
    assert concerns(lost, "a.example.org") and concerns(lost, "a.example.org:444")
    assert not concerns(lost, "b.example.org")


@given(st.lists(st.floats(0, 1e15), min_size=1, max_size=20))
def test_the_median_is_that_of_the_library(values: list[float]) -> None:
    assert median(values) == pytest.approx(statistics.median(values), rel=1e-9)
    assert min(values) <= median(values) <= max(values)


def test_the_median_of_nothing() -> None:
    with pytest.raises(ValueError):
        median([])


@given(st.floats(0, 1e15), st.floats(0, 1e15))
def test_falling_and_rising_exclude_each_other(before: float, value: float) -> None:
    assert 0 <= fell(before, value) <= 1
    assert rose(before, value) >= 0
    assert min(fell(before, value), rose(before, value)) == 0
    assert (rose(before, value) == math.inf) == (before == 0 < value) or value > before * 1e300


ENTRIES = st.lists(
    st.builds(
        lambda days, rate, code, faults: entry(days, rate, exit_code=code, faults=(faults,)),
        st.floats(0, 45),
        st.floats(0, 1e10),
        st.sampled_from([0, 0, 0, 3, 5, 130]),
        st.integers(0, 5),
    ),
    max_size=30,
)
RULES = st.builds(
    lambda metric, days, against, one, least: Rule(metric, days, against, least=least, **one),
    st.sampled_from(METRICS),
    st.floats(0.5, 20),
    st.floats(0.5, 30),
    st.one_of(
        st.floats(0.01, 1).map(lambda part: {"fell_by": part}),
        st.floats(0.01, 9).map(lambda part: {"rose_by": part}),
        st.floats(0, 1e7).map(lambda value: {"below": value}),
        st.floats(0, 1e7).map(lambda value: {"above": value}),
    ),
    st.integers(1, 8),
)


@given(RULES, ENTRIES)
def test_what_holds_of_every_finding(rule: Rule, entries: list[Entry]) -> None:
    finding = judge(rule, entries, NOW)
    assert finding.value is None or (finding.value >= 0 and math.isfinite(finding.value))
    assert finding == judge(rule, entries[::-1], NOW), "the order does not matter"
    if finding.status == "no data":
        assert min(finding.seen, finding.seen_before if rule.compares else finding.seen) < rule.least
    else:
        assert finding.value is not None
        assert not rule.compares or (finding.before is not None and finding.seen_before >= rule.least)
        assert rule.metric in thresholds.ALWAYS or finding.seen >= rule.least
    if rule.metric in thresholds.SHARES and finding.value is not None:
        assert finding.value <= 1


@given(ENTRIES, st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_a_stricter_rule_fails_where_a_lenient_one_does(entries: list[Entry], one: float, other: float) -> None:
    lenient, strict = (Rule("throughput", fell_by=part, least=1) for part in (max(one, other), min(one, other)))
    if judge(lenient, entries, NOW).status == "fail":
        assert judge(strict, entries, NOW).status == "fail"
