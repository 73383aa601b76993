"""The check of pieces in virtual time: engine/piece_check.py, line by line, without its thread.

Whoever changes the one changes the other. A piece's digest says which version each of its bytes is of.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from fastdl.core.digests.base import Pieces
from fastdl.core.pieces import PieceMap
from fastdl.core.pieces import guilty as pieces_guilty
from fastdl.core.ranges import Range, RangeSet
from simulation.clock import Steps, Task

if TYPE_CHECKING:
    from simulation.shell import Attempt

LOOK = 0.1  # seconds between two looks of the watch


def digest_of(parts: list[tuple[int, int, int]]) -> bytes:
    """A digest of bytes that are given by their versions."""
    joined: list[tuple[int, int, int]] = []
    for start, end, version in parts:
        if joined and joined[-1][1:] == (start, version):
            joined[-1] = (joined[-1][0], end, version)
        else:
            joined.append((start, end, version))
    return hashlib.md5(repr(joined).encode()).digest()


class Checker:
    """engine/piece_check.py and the part of engine/watch.py and download.py that has to do with it."""

    def __init__(self, attempt: Attempt) -> None:
        self.attempt = attempt
        self.map: PieceMap | None = None
        self.mended = 0  # bytes that were still wrong at the end
        self._stored = RangeSet()
        self._looks = self._fresh = 0
        self._waits = False
        self._watch = attempt.clock.spawn(self._look())
        self._check: Task | None = None

    def stop(self) -> None:
        """End both tasks."""
        for task in (self._watch, self._check):
            if task is not None:
                task.stop()

    def finish(self, right: int = 1) -> None:
        """The digest of the whole file is that of version `right`. Where it is wrong, what was not checked is, and what
        is wrong is mended from the origin (engine/repair.py)."""
        disk, size = self.attempt.disk, self.attempt.core.size
        pieces = self.map or self._begin()
        if pieces is None or size is None or disk.versions() == [right]:
            return
        for index in pieces.not_right():
            start, end = pieces.range_of(index)
            if not pieces.is_right(index, self._digest(pieces.range_of(index))):
                self.mended += end - start
                disk.forget(start, end)
                disk.write(start, end, right, 0)

    def _begin(self) -> PieceMap | None:
        size, length = self.attempt.core.size, self.attempt.settings.piece
        if size is None or not length or size != self.attempt.settings.size:
            return None
        ranges = [(start, min(start + length, size)) for start in range(0, size, length)]
        version = self.attempt.settings.listed
        values = tuple(digest_of([(start, end, version)]) for start, end in ranges)
        return PieceMap(Pieces("md5", length, values), size)

    def _look(self) -> Steps[None]:
        while True:
            yield LOOK
            if self.map is None:
                self.map = self._begin()
                if self.map is not None:
                    self._check = self.attempt.clock.spawn(self._follow(self.map))
                continue
            stored = RangeSet(self.attempt.core.done)
            yield from self.attempt.hesitate()
            self._looks += 1
            gone, self._stored = self._stored, stored
            for piece in stored:
                gone.remove(*piece)
            for piece in gone:
                self.map.dropped(*piece)
                self._fresh = max(self._fresh, self._looks)
            if self._waits and self._check is not None:
                self._check.wake()

    def _follow(self, pieces: PieceMap) -> Steps[None]:
        while True:
            indices = pieces.ready(self._stored) if self._looks >= self._fresh else []
            if not indices:
                self._waits = True
                yield None
                self._waits = False
                continue
            bad: list[Range] = []
            fresh = self._fresh
            for index in indices:
                piece = pieces.range_of(index)
                yield piece.size / self.attempt.settings.hashing
                found = self._digest(piece)
                if fresh != self._fresh:
                    break
                if pieces.is_right(index, found):
                    pieces.passed(index)
                elif pieces.failed(index, found):
                    bad.append(piece)
            if bad:
                self._tell(bad)
                self._fresh = self._looks + 2

    def _digest(self, piece: Range) -> bytes:
        disk = self.attempt.disk
        if not disk.written.holds(*piece):
            return b"torn"  # a plain stream from the first byte on has begun since the last look
        return digest_of(disk.within(disk.by_version, *piece))

    def _tell(self, bad: list[Range]) -> None:
        """What the shell does about it: fetch it again, and not from whoever brought it alone."""
        attempt = self.attempt
        runs = attempt.disk.within(attempt.disk.by_source, 0, self.attempt.settings.size)
        assert self.map is not None
        guilty = set[int]()
        if attempt.settings.bans:
            given = {number for number, place in enumerate(attempt.places) if not place.mapped}
            guilty = pieces_guilty(bad, self.map.right(), runs, given)
        what = f"{list(RangeSet(bad))} are wrong, by {sorted(guilty)}"
        attempt.post(what, lambda _core, _now: attempt.watch.wrong(sorted(guilty), list(RangeSet(bad))))
