"""Sizes, rates and times, read and written."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastdl.core.quantity import (
    MAX_SECONDS,
    MAX_SIZE,
    format_rate,
    format_seconds,
    format_size,
    parse_rate,
    parse_seconds,
    parse_size,
)
from fastdl.core.shown import UNSAFE
from fastdl.errors import UsageError


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("1024", 1024),
        ("500k", 500 * 1024),
        ("500K", 500 * 1024),
        ("2M", 2 << 20),
        ("1.5G", 3 << 29),
        ("0.5k", 512),
        ("0.0001k", 0),
        ("1t", 1 << 40),
        ("10MB", 10 << 20),
        ("10MiB", 10 << 20),
        ("10mib", 10 << 20),
        ("12B", 12),
        (" 7 M ", 7 << 20),
        (str(MAX_SIZE), MAX_SIZE),
        ("9007199254740993", 9007199254740993),
        ("8388607.9T", 8388607 * (1 << 40) + (9 << 40) // 10),
    ],
)
def test_parse_size(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "k", "-1", "+1", "1.5", "1.5B", "1.", ".5k", "1,5M", "1e3", "1kk", "1X", "1iM", "0x10", "inf", "nan",
        "1 0", "\u0661", "1M\x1b[2J", "auto", "8388608T", str(MAX_SIZE + 1), "9" * 31,
    ],
)  # fmt: skip
def test_bad_sizes_are_named(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_size(text, "--max-size")
    assert "--max-size" in str(caught.value)
    assert not UNSAFE.search(str(caught.value))
    with pytest.raises(UsageError):
        parse_rate(text if text != "auto" else "automatic")


def test_parse_rate() -> None:
    assert parse_rate("auto") == "auto"
    assert parse_rate(" AUTO ") == "auto"
    assert parse_rate("500k") == 500 * 1024
    assert parse_rate("2M/s") == 2 << 20
    assert parse_rate("2MiB/sec") == 2 << 20
    assert parse_rate("0") == 0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30", 30), ("0.5", 0.5), (".5", 0.5), ("2.", 2), ("90s", 90), ("5m", 300), ("1.5H", 5400), (" 3 ", 3)],
)
def test_parse_seconds(text: str, seconds: float) -> None:
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "0", "0.0", "-1", "inf", "nan", "1e3", "1d", "s", ".", "4000001", "2000h", "9" * 16]
)
def test_bad_times_are_named(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_seconds(text, "--timeout")
    assert "--timeout" in str(caught.value)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        ((1 << 20) - 1, "1.0 MiB"),
        (15 * 1024 * 1024 + 314573, "15.3 MiB"),
        (1 << 30, "1.0 GiB"),
        (1 << 40, "1.0 TiB"),
        (1 << 50, "1.0 PiB"),
        (-2048, "-2.0 KiB"),
    ],
)
def test_format_size(size: int, text: str) -> None:
    assert format_size(size) == text
    assert format_rate(size) == f"{text}/s"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (0.44, "0.4 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1:00"),
        (185, "3:05"),
        (3599.7, "1:00:00"),
        (3723, "1:02:03"),
        (86400 * 2 + 3 * 3600, "2 d 03:00"),
        (math.inf, "--:--"),
        (math.nan, "--:--"),
        (-1, "--:--"),
    ],
)
def test_format_seconds(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text


@given(st.integers(0, MAX_SIZE), st.sampled_from(["", "k", "M", "G", "T"]))
def test_sizes_are_exact(number: int, unit: str) -> None:
    size = number * 1024 ** " kMGT".find(unit or " ")
    if size <= MAX_SIZE:
        assert parse_size(f"{number}{unit}") == size
        assert parse_size(f"{number}{unit.lower()}iB") == size


@given(st.text())
def test_any_text_is_a_quantity_or_a_usage_error(text: str) -> None:
    for candidate in (text, f"1{text}", f"{text}M"):
        for parse in (parse_size, parse_rate, parse_seconds):
            try:
                value = parse(candidate)
            except UsageError as error:
                assert not UNSAFE.search(str(error))
            else:
                assert value == "auto" or 0 <= float(value) <= max(MAX_SIZE, MAX_SECONDS)


@given(st.integers(0, MAX_SIZE))
def test_a_shown_size_is_within_its_last_digit(size: int) -> None:
    number, unit = format_size(size).split()
    power = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"].index(unit)
    assert abs(float(number) * 1024**power - size) <= 0.0500001 * 1024**power
    assert float(number) < 1024 or unit == "PiB"
