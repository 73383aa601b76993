"""Digests behind the writer."""

from __future__ import annotations

import hashlib
import random
import threading
from collections.abc import Iterator

import pytest

from fastdl.engine.digesting import FollowingDigest
from fastdl.errors import DiskError, IntegrityError

DATA = random.Random(1).randbytes(3_000_000)
MIB = 1024 * 1024


class FakePartial:
    """The stored bytes; `front` is how far they may be read, `gate` holds readers up, `short` cuts reads."""

    def __init__(self, short: int = 10**9) -> None:
        self.front = 0
        self.gate = threading.Event()
        self.gate.set()
        self.reading = threading.Event()
        self.short = short
        self.error: BaseException | None = None
        self.end = len(DATA)

    def read_into(self, offset: int, view: memoryview) -> int:
        self.reading.set()
        assert self.gate.wait(10)
        if self.error is not None:
            raise self.error
        assert len(view) <= MIB and offset + len(view) <= self.front
        piece = DATA[offset : min(self.end, offset + min(len(view), self.short))]
        view[: len(piece)] = piece
        return len(piece)


class Rig:
    def __init__(self, short: int = 10**9, algorithms: tuple[str, ...] = ("sha256", "md5")) -> None:
        self.partial = FakePartial(short)
        self.hashers = [hashlib.new(name) for name in algorithms]
        self.digest = FollowingDigest(self.partial, self.hashers)  # type: ignore[arg-type]

    def advance(self, front: int) -> None:
        self.partial.front = max(front, self.partial.front)
        self.digest.advance(front)

    def finish(self, size: int = len(DATA)) -> None:
        self.partial.front = size
        self.digest.finish(size)

    def right(self, size: int = len(DATA)) -> bool:
        return all(h.digest() == hashlib.new(h.name, DATA[:size]).digest() for h in self.hashers)


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig()
    yield made
    made.partial.gate.set()
    made.digest.stop()


def followers() -> int:
    return sum(thread.name == "fastdl-digest" for thread in threading.enumerate())


@pytest.mark.parametrize(
    "fronts", [[], [1], [len(DATA)], [10, 5, 10, 2_000_000, 2_999_999], list(range(0, 10**6, 997))]
)
@pytest.mark.parametrize("short", [10**9, 70_001])
def test_follows_and_finishes(fronts: list[int], short: int) -> None:
    rig = Rig(short)
    for front in fronts:
        rig.advance(front)
    rig.finish()
    assert rig.right()
    assert followers() == 0


def test_it_works_while_the_download_does(rig: Rig) -> None:
    """The front is hashed before anybody asks for the result."""
    rig.advance(1000)
    with rig.digest._wake:
        assert rig.digest._wake.wait_for(lambda: rig.digest._done == 1000, 10)
    rig.finish()
    assert rig.right()


@pytest.mark.parametrize("size", [0, 1, MIB, MIB + 1])
def test_sizes(size: int) -> None:
    for followed in (False, True):
        rig = Rig()
        if followed:
            rig.advance(size)
        rig.finish(size)
        assert rig.right(size)


def test_nothing_to_hash() -> None:
    rig = Rig(algorithms=())
    rig.advance(100)
    rig.finish()
    assert not rig.partial.reading.is_set() and followers() == 0


@pytest.mark.parametrize("followed", [True, False])
def test_an_error_reaches_whoever_waits(rig: Rig, followed: bool) -> None:
    rig.partial.error = IntegrityError("the disk is ill")
    if followed:
        rig.advance(1000)
    with pytest.raises(IntegrityError, match="ill"):
        rig.finish()


@pytest.mark.parametrize("followed", [True, False])
def test_a_file_that_was_shortened(rig: Rig, followed: bool) -> None:
    rig.partial.end = 5000
    if followed:
        rig.advance(6000)
    with pytest.raises(DiskError, match="shorter"):
        rig.finish()


def test_after_an_error_it_is_over_but_does_no_harm(rig: Rig) -> None:
    rig.partial.error = OSError("gone")
    rig.advance(1000)
    thread = rig.digest._thread
    assert thread is not None
    thread.join(10)
    rig.advance(2000)
    rig.digest.stop()
    with pytest.raises(OSError, match="gone"):
        rig.finish()


def test_stopping_ends_the_thread_and_twice_is_fine(rig: Rig) -> None:
    rig.partial.gate.clear()
    rig.advance(2_000_000)
    assert rig.partial.reading.wait(10)
    rig.digest.interrupt()  # in the middle of the first block
    rig.partial.gate.set()
    rig.digest.stop()
    rig.digest.stop()
    assert followers() == 0
    assert rig.digest._done <= MIB


def test_stopped_before_it_began() -> None:
    rig = Rig()
    rig.digest.stop()
    rig.advance(0)
    assert followers() == 0


def test_a_digest_of_a_part_is_never_taken_for_the_whole(rig: Rig) -> None:
    """Stopped (Ctrl-C) while somebody waits for the result: that is no result."""
    rig.partial.gate.clear()
    rig.advance(2_000_000)
    assert rig.partial.reading.wait(10)
    caught: list[BaseException] = []

    def wait() -> None:
        try:
            rig.finish()
        except BaseException as error:
            caught.append(error)

    waiter = threading.Thread(target=wait, daemon=True)
    waiter.start()
    threading.Thread(target=rig.digest.stop, daemon=True).start()
    with rig.digest._wake:
        assert rig.digest._wake.wait_for(lambda: rig.digest._stop, 10)
    rig.partial.gate.set()
    waiter.join(10)
    assert not rig.right() and len(caught) == 1
