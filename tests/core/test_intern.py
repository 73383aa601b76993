"""The table of strings is bounded and gives back what was put in."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastdl.core.intern import Interner


def test_equal_texts_are_one_object() -> None:
    table = Interner(10)
    assert table.keep("".join(["a", "b"])) is table.keep("".join(["a", "b"]))
    table.keep("mirror.example.org")
    assert len(table) == 2 and "ab" in table and "c" not in table
    assert table.held() == ["ab", "mirror.example.org"]


def test_the_oldest_gives_way() -> None:
    table = Interner(2)
    for text in ("a", "b", "a", "c"):
        table.keep(text)
    assert table.held() == ["b", "c"]


def test_no_room() -> None:
    with pytest.raises(ValueError, match="room"):
        Interner(0)


@given(st.lists(st.text(max_size=3)), st.integers(1, 5))
def test_bounded_whatever_comes(texts: list[str], limit: int) -> None:
    table = Interner(limit)
    for text in texts:
        assert table.keep(text) == text
        assert text in table and len(table) <= limit


@pytest.fixture
def switching() -> Iterator[None]:
    """Threads take turns as often as they can."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("switching")
def test_threads_never_get_each_others_texts() -> None:
    """A host that is taken for another one is asked for another one's file."""
    table, wrong = Interner(3), []

    def feed(who: int) -> None:
        for n in range(60000):
            text = f"{who}-{n % 7}"
            if table.keep(text) != text:
                wrong.append(text)

    threads = [threading.Thread(target=feed, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong and len(table) <= 3 + len(threads)
