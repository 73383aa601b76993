"""Pieces: which can be checked, which are wrong, and when their list is not believed. Against plain sets."""

from __future__ import annotations

import hashlib
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastdl.core import pieces as module
from fastdl.core.digests.base import Pieces
from fastdl.core.pieces import MOST_AWAY, MOST_CONTRADICTIONS, MOST_FETCHES, PieceMap, guilty, unusable
from fastdl.core.ranges import Range, RangeSet


def digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def right(index: int) -> bytes:
    return digest(f"piece {index}")


def listed(size: int, length: int) -> Pieces:
    return Pieces("sha256", length, tuple(right(index) for index in range(-(-size // length))))


def made(size: int, length: int) -> PieceMap:
    return PieceMap(listed(size, length), size)


@pytest.mark.parametrize(
    ("pieces", "size", "why"),
    [
        (listed(100, 10), 100, ""),
        (listed(91, 10), 91, ""),
        (listed(1, 10), 1, ""),
        (Pieces("md5", 10, ()), 0, ""),
        (listed(100, 10), 101, "do not make 101 bytes"),
        (listed(100, 10), 90, "10 pieces of 10 bytes do not make 90 bytes"),
        (Pieces("sha256", 10, ()), 1, "0 pieces"),
        (Pieces("sha256", 0, (right(0),)), 1, "no length"),
        (Pieces("sha256", -1, ()), 0, "no length"),
        (Pieces("sha256", 10, ()), -1, "no length"),
        (Pieces("crc32", 10, (b"1234",)), 10, "not known"),
        (Pieces("sha1", 10, (b"1" * 20, b"1" * 16)), 20, "not every digest of its pieces is a sha1"),
    ],
)
def test_what_is_usable(pieces: Pieces, size: int, why: str) -> None:
    assert (why in unusable(pieces, size)) and bool(why) is bool(unusable(pieces, size))
    if why:
        with pytest.raises(ValueError, match=why):
            PieceMap(pieces, size)
    else:
        PieceMap(pieces, size)


def test_an_algorithm_whose_package_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "blake3", None)
    assert "blake3" in unusable(Pieces("blake3", 10, (b"1" * 32,)), 10)


SIZE = st.integers(0, 60)
LENGTH = st.integers(1, 12)
RANGES = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=8)


@settings(deadline=None)
@given(SIZE, LENGTH)
def test_pieces_tile_the_file(size: int, length: int) -> None:
    pieces = made(size, length)
    ranges = [pieces.range_of(index) for index in pieces.not_right()]
    assert [offset for start, end in ranges for offset in range(start, end)] == list(range(size))
    assert all(piece.size == length for piece in ranges[:-1]) and all(0 < piece.size <= length for piece in ranges)


@settings(deadline=None)
@given(SIZE, LENGTH, RANGES, st.sets(st.integers(0, 60)), st.integers(0, 30))
def test_what_is_ready(size: int, length: int, ranges: list[tuple[int, int]], passed: set[int], most: int) -> None:
    pieces = made(size, length)
    count = len(listed(size, length).values)
    for index in passed & set(range(count)):
        pieces.passed(index)
    stored = RangeSet((start, min(end, size)) for start, end in ranges)
    have = {offset for start, end in stored for offset in range(start, end)}
    expected = [i for i in range(count) if i not in passed and set(range(*pieces.range_of(i))) <= have]
    assert pieces.ready(stored, most) == expected[: min(most, MOST_AWAY)]


class Download(list[str]):
    """A file in which each piece is "right", something else, or "" where it is not stored."""

    def stored(self, pieces: PieceMap) -> RangeSet:
        return RangeSet(pieces.range_of(index) for index, what in enumerate(self) if what)

    def look(self, pieces: PieceMap, index: int) -> None:
        """What the checker does with one ready piece."""
        what = self[index]
        found = right(index) if what == "right" else digest(what)
        if pieces.is_right(index, found):
            pieces.passed(index)
        elif pieces.failed(index, found):
            self[index] = ""


STEP = st.tuples(st.integers(0, 19), st.sampled_from(["right", "right", "altered", "broken", "dropped"]))


@settings(deadline=None, max_examples=300)
@given(st.integers(1, 20), LENGTH, st.lists(STEP, max_size=80), st.integers(1, 20))
def test_any_run_of_events(count: int, length: int, steps: list[tuple[int, str]], away: int) -> None:
    """A piece that is right is never asked for again, one that is wrong is (within its budget), none is forgotten."""
    size = count * length - (length - 1 if count % 2 else 0)
    pieces = made(size, length)
    file = Download([""] * count)
    good: set[int] = set()
    fetches = [0] * count
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MOST_AWAY", away)
        for number, (place, what) in enumerate(steps):
            index = place % count
            if what == "dropped":
                file[index] = ""
                good.discard(index)
                pieces.dropped(*pieces.range_of(index))
            elif not file[index]:
                file[index] = what if what != "broken" else f"broken {number}"
            ready = pieces.ready(file.stored(pieces))
            assert not good & set(ready) and all(file[i] for i in ready) and len(ready) <= away
            for i in ready:
                file.look(pieces, i)
                fetches[i] += not file[i]
                if file[i] == "right":
                    good.add(i)
            expected = RangeSet(pieces.range_of(i) for i in range(count) if i not in good)
            assert pieces.right().missing(size) == expected
            assert list(pieces.not_right()) == [i for i in range(count) if i not in good]
            assert pieces.doubted or pieces.front <= size
            assert "dropped" in [w for _, w in steps] or max(fetches) < MOST_FETCHES


def test_a_wrong_piece_is_looked_at_again_when_it_was_fetched_again() -> None:
    pieces = made(40, 10)
    assert pieces.ready(RangeSet([(0, 25)])) == [0, 1]
    pieces.passed(0)
    assert pieces.failed(1, digest("altered"))
    assert pieces.front == 10
    assert pieces.ready(RangeSet([(0, 10), (20, 25)])) == []
    assert pieces.ready(RangeSet([(0, 10), (10, 30)])) == [1, 2]
    pieces.passed(1)
    assert pieces.front == 20
    assert list(pieces.right()) == [Range(0, 20)]


def test_two_fetches_that_agree_against_the_list() -> None:
    """The piece is not fetched a third time; with some more of its kind the list is believed no more."""
    pieces = made(1000, 10)
    whole = RangeSet([(0, 1000)])
    for index in range(MOST_CONTRADICTIONS):
        assert not pieces.doubted
        assert pieces.failed(index, digest("same"))
        assert not pieces.failed(index, digest("same"))
        assert index not in pieces.ready(whole)
        assert index in pieces.not_right()
    assert pieces.doubted and pieces.ready(whole) == [] and pieces.front == 1000
    assert not pieces.failed(50, digest("same"))


def test_fetches_that_differ_every_time_are_the_sources_fault() -> None:
    pieces = made(1000, 10)
    for index in range(10):
        outcomes = [pieces.failed(index, digest(f"try {number}")) for number in range(MOST_FETCHES)]
        assert outcomes == [True] * (MOST_FETCHES - 1) + [False]
    assert not pieces.doubted and pieces.front == 100 and not pieces.right()


def test_a_wrong_list_does_not_throw_away_the_file() -> None:
    pieces = made(10_000, 10)
    stored = RangeSet([(0, 10_000)])
    lost = 0
    while ready := pieces.ready(stored, 5):
        for index in ready:
            assert pieces.failed(index, digest("x"))
            stored.remove(*pieces.range_of(index))
            lost += 1
    assert lost == MOST_AWAY
    stored.add(*pieces.range_of(MOST_AWAY - 1))
    assert pieces.ready(stored) == [MOST_AWAY - 1]
    pieces.passed(MOST_AWAY - 1)
    assert pieces.ready(stored) == [MOST_AWAY]


def test_dropped_bytes_are_open_again() -> None:
    pieces = made(95, 10)
    whole = RangeSet([(0, 95)])
    for index in range(10):
        pieces.passed(index)
    assert pieces.ready(whole) == [] and pieces.front == 95
    pieces.dropped(19, 31)
    assert pieces.ready(whole) == [1, 2, 3] and pieces.front == 10
    pieces.dropped(94, 200)
    assert pieces.ready(whole) == [1, 2, 3, 9]


ORIGIN, HONEST, LIAR, OTHER = range(4)


@pytest.mark.parametrize(
    ("runs", "found"),
    [
        ([(0, 10, LIAR)], {LIAR}),
        ([(0, 5, ORIGIN), (5, 20, LIAR)], {LIAR}),
        ([(0, 5, LIAR), (5, 10, HONEST), (40, 50, HONEST)], {LIAR}),
        ([(0, 5, LIAR), (5, 10, HONEST), (20, 40, HONEST)], set()),  # it has sent nothing that was checked
        ([(0, 5, LIAR), (5, 10, HONEST), (40, 50, HONEST), (50, 55, LIAR)], set()),  # it alters a byte now and then
        ([(0, 10, LIAR), (40, 50, LIAR)], {LIAR}),
        ([(0, 10, ORIGIN)], set()),
        ([(0, 3, HONEST), (3, 6, OTHER), (6, 10, LIAR), (40, 45, HONEST), (45, 50, OTHER)], {LIAR}),
        ([(10, 40, LIAR)], set()),
        ([], set()),
    ],
)
def test_who_sent_a_wrong_piece(runs: list[tuple[int, int, int]], found: set[int]) -> None:
    assert guilty([Range(0, 10)], RangeSet([(40, 60)]), runs, {ORIGIN}) == found


def test_each_piece_has_its_own_sender() -> None:
    runs = [(0, 10, LIAR), (10, 20, OTHER), (20, 30, HONEST)]
    assert guilty([Range(0, 10), Range(10, 20)], RangeSet(), runs) == {LIAR, OTHER}
