"""Digests of pieces (RFC 5854, section 4.1.3): which part of a file is wrong, known before the rest of it is there.

A piece that is right proves nothing about the file where its algorithm is weak, and a list of pieces can be wrong while
the file is right. So the digest of the whole file always decides at the end. Pieces say early what to fetch again, and
they are believed only as long as two fetches of a piece do not contradict the list with the same bytes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import islice

from fastdl.core.digests.base import Pieces
from fastdl.core.ranges import Range, RangeSet
from fastdl.core.verify import LENGTHS, new_hasher
from fastdl.errors import UsageError

MOST_AWAY = 8  # pieces that are fetched again at a time: a wrong list must not throw away a whole file
MOST_FETCHES = 3  # of one piece
MOST_CONTRADICTIONS = 3  # pieces of which two fetches agreed against the list, until it is believed no more


def unusable(pieces: Pieces, size: int) -> str:
    """Why these pieces say nothing about a file of `size` bytes, half a sentence; "" where they do."""
    if pieces.length <= 0 or size < 0:
        return "its pieces have no length"
    if len(pieces.values) != -(-size // pieces.length):
        return f"{len(pieces.values)} pieces of {pieces.length} bytes do not make {size} bytes"
    if pieces.algorithm not in LENGTHS:
        return "the algorithm of its pieces is not known"
    if any(len(value) != LENGTHS[pieces.algorithm] for value in pieces.values):
        return f"not every digest of its pieces is a {pieces.algorithm}"
    try:
        new_hasher(pieces.algorithm)
    except UsageError as error:
        return error.what
    return ""


def guilty(
    bad: Iterable[Range], right: RangeSet, runs: Iterable[tuple[int, int, int]], trusted: Collection[int] = ()
) -> set[int]:
    """Who has sent the wrong bytes of `bad` pieces, as far as that can be told. `runs` say which bytes came from which
    source (start, end, source), `right` are the bytes of right pieces; `trusted` sources cannot be guilty.

    Pieces seldom come from one source alone. Of several, one is to blame where all others have sent right pieces too:
    whoever alters all that passes has sent none."""
    known = list(runs)
    proven = {source for start, end, source in known if right.overlaps(start, end)}
    found = set[int]()
    for first, last in bad:
        senders = {source for start, end, source in known if start < last and end > first} - set(trusted)
        doubtful = senders if len(senders) == 1 else senders - proven
        if len(doubtful) == 1:
            found |= doubtful
    return found


class PieceMap:
    """Which pieces of one file are right, and which are to be looked at next.

    A piece is open until it is right or given up. One that was wrong is away until all of it is stored once more."""

    def __init__(self, pieces: Pieces, size: int) -> None:
        """`size` is that of the file in bytes. Raises ValueError with the reason of `unusable`."""
        if why := unusable(pieces, size):
            raise ValueError(why)
        self.algorithm = pieces.algorithm
        self.size = size
        self.doubted = False  # the list is not to be believed: nothing is ready any more, and the whole digest decides
        self._length = pieces.length
        self._values = pieces.values
        self._right = RangeSet()  # indices, not bytes; here and below
        self._open = RangeSet([(0, len(pieces.values))])
        self._away: set[int] = set()
        self._wrong: dict[int, list[bytes]] = {}  # the digests that the fetches of a piece had
        self._contradictions = 0

    def range_of(self, index: int) -> Range:
        """The bytes of a piece."""
        start = index * self._length
        return Range(start, min(start + self._length, self.size))

    def is_right(self, index: int, found: bytes) -> bool:
        """Whether the digest that a piece has is the one of the list."""
        return found == self._values[index]

    def ready(self, stored: RangeSet, most: int = MOST_AWAY) -> list[int]:
        """Open pieces of which every byte is in `stored`, the lowest first: at most `most`, and never more than may
        still turn out wrong. None where the list is doubted."""
        if self.doubted:
            return []
        away = sum(not stored.holds(*self.range_of(index)) for index in self._away)
        return list(islice(self._whole(stored), min(most, MOST_AWAY - away)))

    def _whole(self, stored: RangeSet) -> Iterator[int]:
        """Both sets are sorted, so one walk along them finds what they share."""
        open_runs = iter(self._open)
        run = next(open_runs, None)
        for start, end in stored:
            first = -(-start // self._length)
            last = len(self._values) if end >= self.size else end // self._length
            while run is not None and run.start < last:
                yield from range(max(run.start, first), min(run.end, last))
                if run.end > last:
                    break
                run = next(open_runs, None)

    def passed(self, index: int) -> None:
        """The piece is right."""
        self._right.add(index, index + 1)
        self._close(index)

    def failed(self, index: int, found: bytes) -> bool:
        """The piece has the digest `found`, which is not that of the list. Whether it is to be fetched again; if not,
        it is given up, and maybe the whole list with it."""
        if self.doubted:
            return False
        digests = self._wrong.setdefault(index, [])
        same = found in digests
        digests.append(found)
        if not same and len(digests) < MOST_FETCHES:
            self._away.add(index)
            return True
        self._close(index)
        self._contradictions += same
        if self._contradictions >= MOST_CONTRADICTIONS:
            self.doubted = True
            self._away.clear()
            self._wrong.clear()
        return False

    def dropped(self, start: int, end: int) -> None:
        """The bytes of [start, end) will be fetched again for another reason: their pieces are open once more."""
        first, last = start // self._length, min(-(-end // self._length), len(self._values))
        self._right.remove(first, last)
        self._open.add(first, last)

    def not_right(self) -> Iterator[int]:
        """All pieces that are not known to be right, open or given up."""
        for run in self._right.missing(len(self._values)):
            yield from range(run.start, run.end)

    @property
    def front(self) -> int:
        """The bytes up to the first open piece: none of them will be asked for again."""
        first = None if self.doubted else self._open.first()
        return self.size if first is None else first.start * self._length

    def right(self) -> RangeSet:
        """The bytes of all pieces that are known to be right."""
        return RangeSet((run.start * self._length, min(run.end * self._length, self.size)) for run in self._right)

    def _close(self, index: int) -> None:
        self._open.remove(index, index + 1)
        self._away.discard(index)
        self._wrong.pop(index, None)
