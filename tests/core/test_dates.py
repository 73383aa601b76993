"""HTTP dates: our reader of the usual form agrees with the standard library's, and never raises."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastdl.core.dates import http_date

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@given(st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2999, 12, 31)))
def test_the_usual_form(moment: datetime) -> None:
    moment = moment.replace(microsecond=0, tzinfo=timezone.utc)
    assert http_date(format_datetime(moment, usegmt=True)) == (moment - EPOCH) / timedelta(seconds=1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Sun, 06 Nov 1994 08:49:37 GMT", 784111777.0),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 784111777.0),
        ("Sun Nov  6 08:49:37 1994", 784111777.0),
        ("Sun, 06 Nov 1994 08:49:37 +0100", 784108177.0),
        ("Thu, 29 Feb 2024 00:00:00 GMT", 1709164800.0),
    ],
)
def test_forms(text: str, expected: float) -> None:
    assert http_date(text) == expected


@pytest.mark.parametrize(
    "text", [None, "", "0", "soon", "Sun, 99 Nov 1994 08:49:37 GMT", "Sun, 06 Foo 1994 08:49:37 GMT"]
)
def test_nonsense(text: str | None) -> None:
    assert http_date(text) is None


@given(st.text())
def test_never_raises(text: str) -> None:
    assert http_date(text) is None or isinstance(http_date(text), float)
