"""Sets of byte ranges, against plain sets of integers."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from fastdl.core.ranges import Range, RangeSet

TOP = 40
PIECE = st.tuples(st.integers(0, TOP), st.integers(0, TOP))
STEPS = st.lists(st.tuples(st.booleans(), PIECE), max_size=25)


def built(steps: list[tuple[bool, tuple[int, int]]]) -> tuple[RangeSet, set[int]]:
    ranges, model = RangeSet(), set[int]()
    for put, (start, end) in steps:
        if put:
            ranges.add(start, end)
            model |= set(range(start, end))
        else:
            ranges.remove(start, end)
            model -= set(range(start, end))
    return ranges, model


def bytes_of(ranges: RangeSet) -> set[int]:
    return {offset for start, end in ranges for offset in range(start, end)}


@settings(deadline=None)
@given(STEPS)
def test_adding_and_removing_is_that_of_sets(steps: list[tuple[bool, tuple[int, int]]]) -> None:
    ranges, model = built(steps)
    assert bytes_of(ranges) == model
    assert ranges.total == len(model)
    assert bool(ranges) is bool(model)


@settings(deadline=None)
@given(STEPS)
def test_the_form_is_the_only_one_for_its_bytes(steps: list[tuple[bool, tuple[int, int]]]) -> None:
    """Sorted, none empty, none touching: so equal sets are equal lists."""
    ranges, model = built(steps)
    pieces = list(ranges)
    assert all(start < end for start, end in pieces)
    assert all(left.end < right.start for left, right in pairwise(pieces))
    assert len(ranges) == len(pieces)
    assert ranges == RangeSet((offset, offset + 1) for offset in sorted(model, reverse=True))


@settings(deadline=None)
@given(STEPS, PIECE)
def test_questions(steps: list[tuple[bool, tuple[int, int]]], piece: tuple[int, int]) -> None:
    ranges, model = built(steps)
    start, end = piece
    asked = set(range(start, end))
    assert ranges.holds(start, end) is (asked <= model)
    assert ranges.overlaps(start, end) is bool(asked & model)
    at = ranges.at(start)
    assert (at is not None) is (start in model)
    if at is not None:
        assert set(range(*at)) <= model and at.start - 1 not in model and at.end not in model and at in list(ranges)
    first = ranges.first()
    assert (first.start if first is not None else None) == min(model, default=None)


@settings(deadline=None)
@given(STEPS, st.integers(0, TOP))
def test_done_and_missing_add_up_to_the_file(steps: list[tuple[bool, tuple[int, int]]], size: int) -> None:
    """Invariant 4: no byte in both, none in neither."""
    ranges, model = built(steps)
    missing = ranges.missing(size)
    assert bytes_of(missing) == set(range(size)) - model
    assert not any(ranges.overlaps(start, end) for start, end in missing)


def test_offsets_beyond_32_bits() -> None:
    ranges = RangeSet([(0, 2**40), (2**41, 2**62)])
    assert ranges.missing(2**62).total == 2**40
    assert list(ranges.missing(2**62)) == [Range(2**40, 2**41)]
    assert Range(2**40, 2**41).size == 2**40


def test_other_things_are_no_sets_of_ranges() -> None:
    assert RangeSet([(1, 2)]) != [(1, 2)]
    assert repr(RangeSet([(1, 2), (2, 3)])) == "RangeSet([(1, 3)])"
