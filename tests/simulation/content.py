"""What the simulated files hold, and the disk that they are stored on.

A byte is known by the version of the file that it comes from and by its offset; comparing those is as strict as
comparing bytes of files that differ everywhere, and costs nothing. The disk remembers both, and who sent every byte.
"""

from __future__ import annotations

from dataclasses import dataclass

from fastdl.core.ranges import RangeSet


@dataclass(frozen=True, slots=True)
class Version:
    """One state of a file on a server. `etag` as it stands in the field; `modified` an HTTP date."""

    number: int
    size: int
    etag: str | None = None
    modified: str | None = None


class Disk:
    """The partial file: for every byte its version and its source."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """An empty file."""
        self.written = RangeSet()
        self.by_version: dict[int, RangeSet] = {}
        self.by_source: dict[int, RangeSet] = {}

    def keep_only(self, end: int) -> None:
        """What lies behind `end` counts for nothing any more and may be written again."""
        for pieces in (self.written, *self.by_version.values(), *self.by_source.values()):
            pieces.remove(end, 1 << 62)

    def forget(self, start: int, end: int) -> None:
        """What lies in [start, end) is wrong and will be written again."""
        for pieces in (self.written, *self.by_version.values(), *self.by_source.values()):
            pieces.remove(start, end)

    def within(self, found: dict[int, RangeSet], start: int, end: int) -> list[tuple[int, int, int]]:
        """The parts of [start, end) by what brought them (`by_version` or `by_source`): where from, where to, which."""
        parts = [
            (max(start, begin), min(end, stop), number)
            for number, pieces in found.items()
            for begin, stop in pieces
            if begin < end and stop > start
        ]
        return sorted(parts)

    def write(self, start: int, end: int, version: int, source: int) -> None:
        """Store bytes. Each byte is written once: AssertionError if it was there already."""
        assert not self.written.overlaps(start, end), f"bytes {start}-{end} are written a second time"
        self.written.add(start, end)
        self.by_version.setdefault(version, RangeSet()).add(start, end)
        self.by_source.setdefault(source, RangeSet()).add(start, end)

    def same(self, start: int, end: int, version: int) -> bool:
        """Whether the stored bytes are those of this version. All of them must be there."""
        assert self.written.holds(start, end), f"bytes {start}-{end} are to be compared and are not on the disk"
        pieces = self.by_version.get(version)
        return pieces is not None and pieces.holds(start, end)

    def versions(self) -> list[int]:
        """The versions that bytes of the file come from."""
        return sorted(number for number, pieces in self.by_version.items() if pieces)

    def of_known_source(self) -> RangeSet:
        """The bytes whose source is known."""
        known = RangeSet()
        for pieces in self.by_source.values():
            for start, end in pieces:
                known.add(start, end)
        return known
