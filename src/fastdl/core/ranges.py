"""Half-open byte ranges and sets of them.

Everything that fastdl knows about a file's bytes (done, in flight, missing) is a set of such ranges; invariant 4 of
docs/architecture.md (they add up to the file, without overlap) is a statement about three `RangeSet`s.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

from fastdl.core.record import Record


class Range(Record):
    """The bytes `start <= offset < end`; offsets and lengths are bytes."""

    start: int
    end: int

    @property
    def size(self) -> int:
        """Length in bytes."""
        return self.end - self.start


class RangeSet:
    """A set of bytes kept as sorted, disjoint, non-adjacent ranges."""

    __slots__ = ("_ends", "_starts")

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        for start, end in ranges:
            self.add(start, end)

    def __iter__(self) -> Iterator[Range]:
        return (Range(start, end) for start, end in zip(self._starts, self._ends, strict=True))

    def __len__(self) -> int:
        return len(self._starts)

    def __bool__(self) -> bool:
        return bool(self._starts)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RangeSet):
            return NotImplemented
        return self._starts == other._starts and self._ends == other._ends

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"RangeSet({[tuple(r) for r in self]})"

    @property
    def total(self) -> int:
        """How many bytes are in the set."""
        return sum(self._ends) - sum(self._starts)

    def add(self, start: int, end: int) -> None:
        """Put the bytes of [start, end) into the set; ranges that touch become one."""
        if start >= end:
            return
        low = bisect_left(self._ends, start)
        high = bisect_right(self._starts, end)
        if low < high:
            start = min(start, self._starts[low])
            end = max(end, self._ends[high - 1])
        self._starts[low:high] = [start]
        self._ends[low:high] = [end]

    def remove(self, start: int, end: int) -> None:
        """Take the bytes of [start, end) out of the set."""
        if start >= end:
            return
        low = bisect_right(self._ends, start)
        high = bisect_left(self._starts, end)
        if low >= high:
            return
        left, right = self._starts[low], self._ends[high - 1]
        kept = [piece for piece in ((left, start), (end, right)) if piece[0] < piece[1]]
        self._starts[low:high] = [piece[0] for piece in kept]
        self._ends[low:high] = [piece[1] for piece in kept]

    def first(self) -> Range | None:
        """The lowest range, or None if the set is empty."""
        return Range(self._starts[0], self._ends[0]) if self._starts else None

    def at(self, offset: int) -> Range | None:
        """The range that holds `offset`, or None."""
        index = bisect_right(self._starts, offset) - 1
        if index >= 0 and offset < self._ends[index]:
            return Range(self._starts[index], self._ends[index])
        return None

    def holds(self, start: int, end: int) -> bool:
        """Whether every byte of [start, end) is in the set."""
        found = self.at(start)
        return start >= end or (found is not None and found.end >= end)

    def overlaps(self, start: int, end: int) -> bool:
        """Whether any byte of [start, end) is in the set."""
        index = bisect_right(self._ends, start)
        return start < end and index < len(self._starts) and self._starts[index] < end

    def missing(self, size: int) -> RangeSet:
        """The bytes of [0, size) that are not in the set."""
        gaps = RangeSet([(0, size)])
        for start, end in self:
            gaps.remove(start, end)
        return gaps
