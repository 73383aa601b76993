"""Pieces checked behind the writers."""

from __future__ import annotations

import hashlib
import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import partials
from fastdl.core.digests.base import Pieces
from fastdl.core.pieces import PieceMap
from fastdl.core.ranges import Range, RangeSet
from fastdl.engine.piece_check import PieceChecker
from fastdl.errors import DiskError, Interrupted
from fastdl.io.partial import Partial

LENGTH = 70_000
DATA = random.Random(3).randbytes(LENGTH * 20 + 123)
SIZE = len(DATA)
PIECES = Pieces("sha1", LENGTH, tuple(hashlib.sha1(DATA[i : i + LENGTH]).digest() for i in range(0, SIZE, LENGTH)))
WHOLE = RangeSet([(0, SIZE)])


class FakePartial:
    """The stored bytes. `gate` holds readers up, `short` cuts reads."""

    def __init__(self) -> None:
        self.data = bytearray(DATA)
        self.gate = threading.Event()
        self.gate.set()
        self.reading = threading.Event()
        self.short = 10**9
        self.error: BaseException | None = None
        self.most = 0
        self.read = RangeSet()

    def read_into(self, offset: int, view: memoryview) -> int:
        self.reading.set()
        assert self.gate.wait(10)
        if self.error is not None:
            raise self.error
        self.most = max(self.most, len(view))
        piece = self.data[offset : offset + min(len(view), self.short)]
        view[: len(piece)] = piece
        self.read.add(offset, offset + len(piece))
        return len(piece)

    def alter(self, index: int, by: int = 1) -> None:
        self.data[index * LENGTH + 5] ^= by

    def mend(self) -> None:
        self.data[:] = DATA


class Rig:
    """A download and its checker. `told` is what on_bad got; by default it takes those bytes out of `stored`."""

    def __init__(self) -> None:
        self.partial = FakePartial()
        self.pieces = PieceMap(PIECES, SIZE)
        self.stored = RangeSet()
        self.told: list[list[Range]] = []
        self.changed = threading.Condition()
        self.then: Callable[[], None] = lambda: None
        self.checker = PieceChecker(self.partial, self.pieces, self.on_bad)  # type: ignore[arg-type]

    def on_bad(self, ranges: list[Range]) -> None:
        with self.changed:
            for bad in ranges:
                self.stored.remove(*bad)
            self.told.append(ranges)
            self.then()
            self.changed.notify_all()

    def put(self, *indices: int) -> None:
        with self.changed:
            for index in indices:
                self.stored.add(*self.pieces.range_of(index))

    def look(self) -> None:
        """What the watch does ten times a second."""
        with self.changed:
            stored = RangeSet(self.stored)
        self.checker.advance(stored)

    def until(self, met: Callable[[], bool]) -> None:
        """Let the watch look until the checker has got there."""
        for _ in range(2000):
            self.look()
            with self.changed:
                if self.changed.wait_for(met, 0.005):
                    return
        raise AssertionError("it does not get there")

    def right(self) -> int:
        with self.checker._wake:
            return self.pieces.right().total


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig()
    yield made
    made.partial.gate.set()
    made.checker.stop()
    assert not any(thread.name == "fastdl-pieces" for thread in threading.enumerate())


def test_all_is_right(rig: Rig) -> None:
    order = list(range(21))
    random.Random(1).shuffle(order)
    for index in order:
        rig.put(index)
        rig.look()
    rig.until(lambda: rig.right() == SIZE)
    assert rig.checker.front == SIZE
    assert rig.checker.finish() == [] and rig.told == []


def test_only_what_is_stored_is_read(rig: Rig) -> None:
    rig.stored = RangeSet([(10, LENGTH * 3 - 1), (LENGTH * 5, SIZE)])
    rig.until(lambda: rig.right() == LENGTH + SIZE - LENGTH * 5)
    assert list(rig.partial.read) == [Range(LENGTH, LENGTH * 2), Range(LENGTH * 5, SIZE)]
    assert rig.checker.front == 0


@pytest.mark.parametrize("short", [10**9, 1000])
def test_a_wrong_piece_is_told_once_and_checked_again_after_it_came_again(rig: Rig, short: int) -> None:
    rig.partial.short = short
    rig.partial.alter(4)
    rig.put(*range(8))
    rig.until(lambda: len(rig.told) == 1)
    rig.until(lambda: rig.right() == 7 * LENGTH)
    assert rig.checker.front == 4 * LENGTH
    for _ in range(5):
        rig.look()
    assert rig.told == [[Range(4 * LENGTH, 5 * LENGTH)]]
    rig.partial.alter(4, 3)  # wrong in another way
    rig.put(4)
    rig.until(lambda: len(rig.told) == 2)
    rig.partial.mend()
    rig.put(4)
    rig.until(lambda: rig.right() == 8 * LENGTH)
    assert rig.told == [[Range(4 * LENGTH, 5 * LENGTH)]] * 2
    rig.put(*range(21))
    assert rig.checker.finish() == []


def test_several_are_told_at_once_and_each_for_itself(rig: Rig) -> None:
    for index in (2, 3, 7):
        rig.partial.alter(index)
    rig.put(*range(21))
    rig.until(lambda: bool(rig.told))
    assert rig.told == [[rig.pieces.range_of(index) for index in (2, 3, 7)]]
    assert rig.checker.finish() == [Range(2 * LENGTH, 4 * LENGTH), Range(7 * LENGTH, 8 * LENGTH)]


def test_right_pieces_speak_for_their_senders(rig: Rig) -> None:
    rig.partial.alter(1)
    rig.put(0, 1, 2, 4)
    rig.until(lambda: rig.right() == 3 * LENGTH)
    assert list(rig.checker.right()) == [Range(0, LENGTH), Range(2 * LENGTH, 3 * LENGTH), Range(4 * LENGTH, 5 * LENGTH)]


def test_a_snapshot_from_before_is_not_believed(rig: Rig) -> None:
    """The watch took it, then the piece was found to be wrong, then the watch handed it over."""
    rig.partial.alter(1)
    rig.put(0, 1)
    before = RangeSet(rig.stored)
    rig.checker.advance(before)
    with rig.changed:
        assert rig.changed.wait_for(lambda: bool(rig.told), 10)
    rig.checker.advance(before)
    rig.put(2)
    rig.until(lambda: rig.right() == 2 * LENGTH)  # 0 and 2
    assert len(rig.told) == 1 and not rig.checker.doubted


def test_fetched_again_between_two_looks(rig: Rig) -> None:
    """No snapshot ever shows that the piece was away."""

    def at_once() -> None:
        rig.partial.mend()
        rig.stored.add(LENGTH, 2 * LENGTH)

    rig.then = at_once
    rig.partial.alter(1)
    rig.put(0, 1)
    rig.until(lambda: rig.right() == 2 * LENGTH)
    assert len(rig.told) == 1


def test_bytes_that_are_gone_from_a_snapshot_are_checked_again(rig: Rig) -> None:
    """A plain stream from the first byte on writes over all that is behind its front."""
    rig.put(0, 1, 2)
    rig.until(lambda: rig.right() == 3 * LENGTH)
    rig.stored.remove(LENGTH + 10, 2 * LENGTH)
    rig.look()
    rig.partial.alter(1)
    rig.put(1)
    rig.until(lambda: bool(rig.told))
    assert rig.told == [[Range(LENGTH, 2 * LENGTH)]] and rig.right() == 2 * LENGTH


def test_bytes_that_go_while_they_are_read(rig: Rig) -> None:
    rig.partial.alter(0)
    rig.put(0)
    rig.partial.gate.clear()
    rig.look()
    assert rig.partial.reading.wait(10)
    rig.stored.remove(0, LENGTH)
    rig.look()
    rig.partial.gate.set()
    rig.put(1)
    rig.until(lambda: rig.right() == LENGTH)
    assert rig.told == []


def test_what_was_not_checked_is_at_the_end(rig: Rig) -> None:
    """Without a thread, and without telling anybody but the caller; again after it was mended."""
    rig.partial.alter(3)
    rig.partial.alter(20)
    assert rig.checker.finish() == [Range(3 * LENGTH, 4 * LENGTH), Range(20 * LENGTH, SIZE)]
    assert rig.told == []
    rig.partial.read = RangeSet()
    rig.partial.mend()
    assert rig.checker.finish() == []
    assert list(rig.partial.read) == [Range(3 * LENGTH, 4 * LENGTH), Range(20 * LENGTH, SIZE)]


def test_what_was_told_and_not_mended_is_told_at_the_end(rig: Rig) -> None:
    rig.partial.alter(3)
    rig.put(*range(6))
    rig.until(lambda: bool(rig.told))
    assert rig.checker.finish() == [Range(3 * LENGTH, 4 * LENGTH)]


def test_a_list_that_two_fetches_contradict(rig: Rig) -> None:
    """Each piece comes again with the same bytes: the list is wrong, and the whole digest decides."""
    rig.then = lambda: rig.stored.add(0, SIZE)
    for index in range(21):
        rig.partial.alter(index)
    rig.put(*range(21))
    rig.until(lambda: rig.checker.doubted)
    assert rig.checker.front == SIZE and rig.checker.finish() == []
    assert len(rig.told) == 1  # of the first eight


def test_memory_is_bounded() -> None:
    length = 40 * 1024 * 1024
    data = bytes(length)
    partial = FakePartial()
    partial.data = bytearray(data)
    checker = PieceChecker(
        partial,  # type: ignore[arg-type]
        PieceMap(Pieces("md5", length, (hashlib.md5(data).digest(),)), length),
        lambda _: None,
    )
    assert checker.finish() == [] and partial.most == 1024 * 1024


@pytest.mark.parametrize("followed", [True, False])
def test_an_error_reaches_whoever_waits(rig: Rig, followed: bool) -> None:
    rig.partial.error = DiskError("the disk is ill")
    if followed:
        rig.put(0)
        rig.look()
        assert rig.partial.reading.wait(10)
    with pytest.raises(DiskError, match="ill"):
        rig.checker.finish()
    rig.put(1)
    rig.look()  # does no harm
    rig.checker.stop()


@pytest.mark.parametrize("followed", [True, False])
def test_a_file_that_was_shortened(rig: Rig, followed: bool) -> None:
    del rig.partial.data[SIZE - 5 :]
    if followed:
        rig.put(20)
        rig.look()
        assert rig.partial.reading.wait(10)
    with pytest.raises(DiskError, match="shorter"):
        rig.checker.finish()


def test_what_the_listener_raises_is_not_lost(rig: Rig) -> None:
    def fail() -> None:
        raise DiskError("the journal cannot be written")

    rig.then = fail
    rig.partial.alter(0)
    rig.put(0)
    rig.until(lambda: bool(rig.told))
    with pytest.raises(DiskError, match="journal"):
        rig.checker.finish()


def test_interrupted_while_it_reads(rig: Rig) -> None:
    rig.partial.short = 1000
    rig.partial.gate.clear()
    rig.put(*range(21))
    rig.look()
    assert rig.partial.reading.wait(10)
    rig.checker.interrupt()
    rig.partial.gate.set()
    with pytest.raises(Interrupted):
        rig.checker.finish()
    assert rig.partial.read.total <= 1000 and rig.told == []


def test_interrupted_while_somebody_waits(rig: Rig) -> None:
    rig.partial.gate.clear()
    caught: list[BaseException] = []

    def wait() -> None:
        try:
            rig.checker.finish()
        except BaseException as error:
            caught.append(error)

    waiter = threading.Thread(target=wait, daemon=True)
    waiter.start()
    assert rig.partial.reading.wait(10)
    rig.checker.interrupt()
    rig.partial.gate.set()
    waiter.join(10)
    assert [type(error) for error in caught] == [Interrupted]


def test_stopped_it_is_quiet_and_can_still_finish(rig: Rig) -> None:
    rig.partial.alter(2)
    rig.partial.gate.clear()
    rig.put(*range(21))
    rig.look()
    assert rig.partial.reading.wait(10)
    stopper = threading.Thread(target=rig.checker.stop, daemon=True)
    stopper.start()
    with rig.checker._wake:
        assert rig.checker._wake.wait_for(lambda: rig.checker._end, 10)
    rig.partial.gate.set()
    stopper.join(10)
    assert rig.told == []
    assert rig.checker.finish() == [Range(2 * LENGTH, 3 * LENGTH)]


def test_nothing_stored_no_thread(rig: Rig) -> None:
    rig.look()
    assert rig.checker._thread is None
    rig.checker.stop()
    rig.checker.stop()


def test_an_empty_file() -> None:
    checker = PieceChecker(FakePartial(), PieceMap(Pieces("sha1", 10, ()), 0), lambda _: None)  # type: ignore[arg-type]
    assert checker.finish() == [] and checker.front == 0


def test_a_real_partial_file(tmp_path: Path) -> None:
    content, length = partials.CONTENT, 4096
    pieces = [hashlib.sha256(content[at : at + length]).digest() for at in range(0, len(content), length)]
    partial = Partial.open(str(tmp_path / "file"))
    try:
        partial.begin(partials.HEADER)
        partials.put(partial, 0, partials.SIZE)
        partial.write(5 * length, memoryview(b"altered"))
        listed = Pieces("sha256", length, tuple(pieces))
        checker = PieceChecker(partial, PieceMap(listed, partials.SIZE), lambda _: None)
        assert checker.finish() == [Range(5 * length, 6 * length)]
        partial.write(5 * length, memoryview(content)[5 * length : 5 * length + 7])
        assert checker.finish() == []
    finally:
        partial.close()
