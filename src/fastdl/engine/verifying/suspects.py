"""Which bytes of a damaged file are probably the wrong ones.

Digests of pieces tell it exactly. Without them a cut tail and holes are likely, which a crash leaves behind; everything
else is found only by comparing the whole file.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from fastdl.core.digests.base import Pieces
from fastdl.core.ranges import RangeSet
from fastdl.core.verify import new_hasher

HOLE = 4096  # bytes of zeros that count as a hole
MOST_RANGES = 4096  # holes beyond this number are the file's own zeros
NEAR = 64 * 1024  # bytes between two suspects below which they are fetched by one request
_CELL = HOLE // 2  # any run of HOLE zeros covers a whole cell of this size that begins at a multiple of it
_ZEROS = bytes(_CELL)
_BLOCK = 1024 * 1024

Read = Callable[[int, int], bytes]  # offset, at most so many bytes


def wrong_pieces(read: Read, size: int, pieces: Pieces) -> RangeSet:
    """The bytes of all pieces whose digest differs; `pieces` fit the size. `read` may raise."""
    wrong = RangeSet()
    for number, value in enumerate(pieces.values):
        start = number * pieces.length
        end = min(start + pieces.length, size)
        hasher = new_hasher(pieces.algorithm)
        for block in _blocks(read, start, end):
            hasher.update(block)
        if hasher.digest() != value:
            wrong.add(start, end)
    return wrong


def holes(read: Read, size: int) -> RangeSet:
    """Runs of at least HOLE zeros, those that lie near each other joined; empty where there are too many to be
    holes."""
    runs = RangeSet()
    at = 0
    for block in _blocks(read, 0, size):
        for cell in range(0, len(block) - _CELL + 1, _CELL):
            if block.startswith(_ZEROS, cell):
                runs.add(at + cell, at + cell + _CELL)
        at += len(block)
    found = RangeSet()
    for start, end in runs:
        first, last = _widened(read, start, end, size)
        if last - first >= HOLE:
            found.add(first, last)
    return joined(found) if len(found) <= MOST_RANGES else RangeSet()


def joined(ranges: RangeSet) -> RangeSet:
    """Ranges that lie near each other made one."""
    result = RangeSet()
    previous: int | None = None
    for start, end in ranges:
        result.add(start if previous is None or start - previous > NEAR else previous, end)
        previous = end
    return result


def _widened(read: Read, start: int, end: int, size: int) -> tuple[int, int]:
    """A run of zero cells with the zeros on both sides of it."""
    before = read(max(0, start - _CELL), min(start, _CELL))
    after = read(end, min(_CELL, size - end))
    return start - (len(before) - len(before.rstrip(b"\0"))), end + len(after) - len(after.lstrip(b"\0"))


def _blocks(read: Read, start: int, end: int) -> Iterator[bytes]:
    """[start, end) in blocks that begin at multiples of the block's size after `start`."""
    while start < end:
        block = _exactly(read, start, min(_BLOCK, end - start))
        if not block:
            return
        yield block
        start += len(block)


def _exactly(read: Read, offset: int, count: int) -> bytes:
    """`count` bytes, fewer only at the end: blocks must not lose their alignment."""
    block = read(offset, count)
    while 0 < len(block) < count:
        more = read(offset + len(block), count - len(block))
        if not more:
            break
        block += more
    return block


def trace_of(path: str) -> tuple[int, int]:
    """What shows that nobody wrote to a file meanwhile: its size in bytes and its time in nanoseconds."""
    state = os.stat(path)
    return state.st_size, state.st_mtime_ns
