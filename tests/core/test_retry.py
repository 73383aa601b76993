"""When to try again: back-off and Retry-After (RFC 9110, sections 10.2.3 and 5.6.7)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastdl.core.dates import http_date
from fastdl.core.retry import FIRST_WAIT, LONGEST_WAIT, backoff, retry_after

NOW = 784111777.0 - 100  # a hundred seconds before the RFC's example date


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 120\t", 120.0),
        ("0000000000000007", 7.0),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 100.0),  # IMF-fixdate
        ("Sunday, 06-Nov-94 08:49:37 GMT", 100.0),  # RFC 850
        ("Sun Nov  6 08:49:37 1994", 100.0),  # asctime: in UTC as well
        ("Sun, 06 Nov 1994 08:49:37 -0000", 100.0),
        ("Sun, 06 Nov 1994 09:49:37 +0100", 100.0),
        ("Sun, 06 Nov 1994 08:40:00 GMT", 0.0),  # past
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
    ],
)
def test_what_is_asked_for(value: str, seconds: float) -> None:
    assert retry_after(value, NOW) == seconds


@pytest.mark.parametrize(
    "value",
    [None, "", "   ", "-5", "+5", "1.5", "5s", "soon", "\u0665", "\xb2", "0x10", "1e3", "5, 6", "Sun", "Sun, 99 Foo"],
)
def test_nonsense_asks_for_nothing(value: str | None) -> None:
    assert retry_after(value, NOW) is None


@pytest.mark.parametrize("digits", [13, 400, 64 * 1024])
def test_an_absurd_number_stays_absurd_and_harmless(digits: int) -> None:
    wait = retry_after("9" * digits, NOW)
    assert wait is not None and 1e9 < wait < float("inf")


@settings(deadline=None)
@given(st.text(max_size=80) | st.from_regex(r"[A-Z][a-z]{2}, \d{1,3} [A-Z][a-z]{2} \d{1,6} \d+:\d+:\d+ .{0,8}"))
def test_any_text_gives_seconds_or_nothing(value: str) -> None:
    wait = retry_after(value, NOW)
    assert wait is None or wait >= 0
    http_date(value)


def test_a_long_date_is_none() -> None:
    """No parser of dates is let loose on 64 kB."""
    assert http_date("Sun, 06 Nov 1994 08:49:37 GMT" + " " * 100) is None


@settings(deadline=None)
@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_back_off_grows_to_a_bound_and_is_never_zero(failures: int, jitter: float) -> None:
    wait = backoff(failures, jitter)
    assert FIRST_WAIT / 2 <= wait <= LONGEST_WAIT
    assert backoff(failures + 1, jitter) >= wait
    assert backoff(failures, 0.0) <= wait <= 2 * backoff(failures, 0.0)


def test_back_off_doubles() -> None:
    assert [backoff(n, 0.0) * 2 for n in range(1, 8)] == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0]
