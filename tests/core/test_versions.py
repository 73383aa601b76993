"""The order of versions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastdl.core.versions import parse_version

# PEP 440's own order, and what lies between
ORDERED = [
    *("1.dev0", "1.0.dev456", "1.0a1", "1.0a2.dev456", "1.0a12.dev456", "1.0a12", "1.0b1.dev456", "1.0b2"),
    *("1.0b2.post345.dev456", "1.0b2.post345", "1.0rc1.dev456", "1.0rc1", "1.0", "1.0.post456.dev34", "1.0.post456"),
    *("1.0.1", "1.1.dev1", "1.2", "1.10", "1.10.0.1", "2", "2026.11", "1!0.1"),
]


def test_the_order() -> None:
    parsed = [parse_version(text) for text in ORDERED]
    assert None not in parsed
    for place, one in enumerate(parsed):
        for other in parsed[place + 1 :]:
            assert one is not None and other is not None
            assert one < other, (one, other)


@pytest.mark.parametrize(
    ("one", "same"),
    [
        ("1.0", "v1.0.0"),
        ("1.0", "1"),
        ("1.0rc1", "1.0-rc.1"),
        ("1.0a1", "1.0.alpha1"),
        ("1.0.post1", "1.0-1"),
        ("1.0", "1.0+local.7"),
        ("1.0.dev0", "1.0-dev"),
        ("0.2.0", " V0.2.0\n"),
        ("1.0rc1", "1.0PRE1"),
    ],
)
def test_spellings_of_one_version(one: str, same: str) -> None:
    assert parse_version(one) == parse_version(same) is not None


@pytest.mark.parametrize(
    "text", ["", "v", "latest", "1.x", "1..2", "nightly-2026", "1.0 beta", "1.0-", "\u0661.0", "1" * 40]
)
def test_what_is_no_version(text: str) -> None:
    assert parse_version(text) is None


@pytest.mark.parametrize(
    ("text", "final"), [("1.2", True), ("1.2.post1", True), ("1.2rc1", False), ("1.2.dev3", False)]
)
def test_which_are_final(text: str, final: bool) -> None:
    version = parse_version(text)
    assert version is not None and version.final is final


@given(st.text(max_size=30))
def test_any_text_is_read_or_not(text: str) -> None:
    version = parse_version(text)
    assert version is None or version == version._replace()
