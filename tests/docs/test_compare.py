"""What counts as the same when a document shows what a program prints, and what does not."""

from __future__ import annotations

import pytest

from pages.compare import differs

LAST = "f.iso: 8.0 MiB in 2.1 s, 3.8 MiB/s, from example.org over 5 connections, sha256 matches the origin's"


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        (LAST, LAST),
        (LAST, "f.iso: 8.0 MiB in 80 ms, 101 MiB/s, from example.org, sha256 matches the origin's\n"),
        ("...\nlast", "one\ntwo\nlast\n"),
        ("first\n...", "first\ntwo\n"),
        ("first ... end", "first and second end\n"),
        ("the file has 9f86d081…", "the file has 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"),
        ("it is 2026-11-21 10:00", "it is 2027-01-02 23:59:59"),
        ("", "\n"),
    ],
)
def test_the_same(shown: str, printed: str) -> None:
    assert differs(shown, printed) is None


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        (LAST, LAST.replace("the origin's", "the given one")),
        (LAST, LAST.replace("example.org", "example.com")),
        (LAST, "f.iso exists"),
        (LAST, ""),
        ("", LAST),
        ("exit 7", "exit 0"),
        ("HTTP 404 Not Found", "HTTP 403 Not Found"),
        ("one\ntwo", "two\none"),
        ("one\nthree", "one\ntwo\nthree"),
        ("one", "one\ntwo"),
        ("...\nlast", "one\nlast\nmore"),
    ],
)
def test_not_the_same(shown: str, printed: str) -> None:
    assert differs(shown, printed) is not None
