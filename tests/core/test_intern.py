"""The table of strings is bounded and gives back what was put in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastdl.core.intern import Interner


def test_a_text_has_one_number_and_one_object() -> None:
    table = Interner(10)
    first = table.number("mirror.example.org")
    assert table.number("mirror." + "example.org") == first
    assert table.text(first) == "mirror.example.org"
    assert table.keep("".join(["a", "b"])) is table.keep("".join(["a", "b"]))
    assert len(table) == 2 and "ab" in table and "c" not in table


def test_the_oldest_gives_way() -> None:
    table = Interner(2)
    for text in ("a", "b", "c"):
        table.number(text)
    assert "a" not in table and "b" in table and "c" in table and len(table) == 2
    assert table.number("c") == 0  # the number of "a" is used anew


def test_unknown_numbers_and_no_room() -> None:
    with pytest.raises(KeyError):
        Interner(1).text(0)
    with pytest.raises(KeyError):
        Interner(1).text(-1)
    with pytest.raises(ValueError, match="room"):
        Interner(0)


@given(st.lists(st.text(max_size=3)), st.integers(1, 5))
def test_bounded_whatever_comes(texts: list[str], limit: int) -> None:
    table = Interner(limit)
    for text in texts:
        number = table.number(text)
        assert 0 <= number < table.limit
        assert table.text(number) == text
        assert len(table) <= limit
    kept = [text for text in set(texts) if text in table]
    assert len({table.number(text) for text in kept}) == len(kept)
