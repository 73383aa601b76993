"""Text that is safe and fits."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastdl.errors import UsageError
from fastdl.ui.text import columns, counted, encodable, error_line, pad, safe, shorten


def test_safe_masks_and_cleans() -> None:
    text = safe("get https://me:hunter2@example.org/f?token=hunter2\x1b[2J\r\nnext\u202e")
    assert "hunter2" not in text
    assert text.isprintable()


def test_error_line() -> None:
    assert error_line(UsageError("a", "b", "C.")) == "fastdl: error: a (b). C."
    assert error_line(UsageError("a", "", ""), "file\n") == "fastdl: error: file : a."


CELLS = [
    ("abc", 3), ("日本", 4), ("e\u0301", 1), ("ü", 1), ("", 0), ("a\u200bb", 2), ("\u2764\ufe0f", 2), ("\u00ad", 1),
    ("\u1112\u1161\u11ab", 2),
]  # fmt: skip


@pytest.mark.parametrize(("text", "cells"), CELLS)
def test_columns(text: str, cells: int) -> None:
    assert columns(text) == cells


def test_shorten_leaves_the_middle_out() -> None:
    assert shorten("a-very-long-name-indeed.tar.gz", 16) == "a-very-...tar.gz"
    assert shorten("short", 5) == "short"
    assert shorten("abcdef", 3) == "abc"
    assert shorten("abcdefghij", 6, "\u2026") == "abc\u2026ij"
    assert shorten("x" * 9 + "e\u0301" + "yz", 8) == "xxx...yz", "an accent does not stand on the dots"


@settings(deadline=None)
@given(st.text(), st.integers(0, 30))
def test_shortened_text_fits(text: str, width: int) -> None:
    assert columns(shorten(text, width)) <= width or columns(text) <= width
    assert columns(pad(shorten(text, width), width)) == max(width, columns(shorten(text, width)))


@settings(deadline=None)
@given(st.text(), st.sampled_from(["utf-8", "ascii", "cp437", "cp932", "latin-1", None, "no-such"]))
def test_encodable_text_can_be_written(text: str, encoding: str | None) -> None:
    name = encoding if encoding not in (None, "no-such") else "ascii"
    encodable(text, encoding).encode(name or "ascii")


def test_counted() -> None:
    assert (counted(1, "file"), counted(0, "file"), counted(2, "file")) == ("1 file", "0 files", "2 files")
