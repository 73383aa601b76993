"""Files with holes in a tar archive: it has what lies between the holes, and a map of where that belongs.

There are four ways of writing the map: GNU's own header, and its versions 0.0, 0.1 and 1.0 in extended headers. What
bsdtar writes of a file with holes is the last of them. The holes count as bytes: a map is the shortest of all bombs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from fastdl.errors import UnsafeArchive

Segment = tuple[int, int]  # where it belongs, its bytes
Numbers = Callable[[bytes], int | None]  # how a number in a header is read

KEYS = frozenset(f"GNU.sparse.{key}" for key in ("major", "minor", "name", "realsize", "size", "map"))
PAIRS = ("GNU.sparse.offset", "GNU.sparse.numbytes")  # version 0.0 has these once for each segment
_MOST = 100_000  # segments
_BLOCK = 512
_LONGEST = 19  # digits of a number below 2**63


def is_sparse(records: Mapping[str, bytes]) -> bool:
    """Whether an extended header speaks of a file with holes."""
    return not KEYS.isdisjoint(records)


def old_map(header: bytes, more: Callable[[], bytes], number: Numbers) -> tuple[int, list[Segment]]:
    """The size and the segments in a header of GNU's own kind; `more` gives the block behind it, where the rest of a
    long map is. Raises UnsafeArchive."""
    size = number(header[483:495])
    pairs, further = header[386:482], header[482]
    segments: list[Segment] = []
    while True:
        for at in range(0, len(pairs), 24):
            start, length = number(pairs[at : at + 12]), number(pairs[at + 12 : at + 24])
            if not any(pairs[at + 12 : at + 24]):
                break
            if start is None or length is None:
                raise _damaged()
            segments.append((start, length))
        if not further:
            break
        if len(segments) > _MOST:
            raise _damaged()
        block = more()
        pairs, further = block[:504], block[504]
    if size is None:
        raise _damaged()
    return size, segments


def pax_map(records: Mapping[str, bytes], take: Callable[[int], bytes]) -> tuple[int, list[Segment]]:
    """The size and the segments by extended headers; of version 1.0 they are what the member begins with, which `take`
    gives. Raises UnsafeArchive."""
    size = _number(records.get("GNU.sparse.realsize", records.get("GNU.sparse.size", b"")))
    if "GNU.sparse.map" in records:
        numbers = [_number(each) for each in records["GNU.sparse.map"].split(b",")]
    elif records.get("GNU.sparse.major") == b"1" and records.get("GNU.sparse.minor") == b"0":
        numbers = _leading(take)
    else:
        raise _damaged()
    if len(numbers) % 2:
        raise _damaged()
    return size, list(zip(numbers[::2], numbers[1::2], strict=True))


def _leading(take: Callable[[int], bytes]) -> list[int]:
    """The map at the beginning of a member: how many segments, then their numbers, each in a line, in whole blocks."""
    text, wanted = b"", 1
    while text.count(b"\n") < wanted:
        block = take(_BLOCK)
        if len(block) < _BLOCK:
            raise _damaged()
        if not text:
            count = _number(block.partition(b"\n")[0])
            if count > _MOST:
                raise _damaged()
            wanted = 1 + 2 * count
        text += block
    return [_number(line) for line in text.split(b"\n")[1:wanted]]


def _number(digits: bytes) -> int:
    if not digits.isdigit() or len(digits) > _LONGEST:
        raise _damaged()
    return int(digits)


class Holes:
    """The bytes of a file with holes, in their order."""

    def __init__(self, size: int, segments: Sequence[Segment], stored: int, take: Callable[[int], bytes]) -> None:
        """`size`: bytes of the file; `stored`: of what the archive has of it, which `take` gives. Raises UnsafeArchive
        where the segments do not follow each other, or do not make up what is stored."""
        end = 0
        for start, length in segments:
            if start < end:
                raise _damaged()
            end = start + length
        if end > size or sum(length for _, length in segments) != stored:
            raise _damaged()
        self.size = size
        self._segments = iter([*segments, (size, 0)])
        self._start, self._end = 0, 0
        self._at = 0
        self._take = take

    def take(self, count: int) -> bytes:
        """The next bytes, at most `count`; none at the end."""
        while self._at == self._end < self.size:
            start, length = next(self._segments)
            self._start, self._end = start, start + length
            if self._at < start:
                break
        if self._at < self._start:
            data = bytes(min(count, self._start - self._at))
        else:
            data = self._take(min(count, self._end - self._at))
        self._at += len(data)
        return data


def _damaged() -> UnsafeArchive:
    return UnsafeArchive("the archive is damaged", "the map of a sparse file is not valid")
