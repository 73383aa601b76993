"""Where bytes go: data before journal, the journal not too often and not too seldom, stdout in order."""

from __future__ import annotations

import hashlib
import io
import random
import threading
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastdl.engine import sinks
from fastdl.engine.sinks import RECORD_BYTES, RECORD_SECONDS, PartialSink, StreamSink
from fastdl.errors import DiskError, NoSpace

Claim = tuple[int, int, int, int]  # slot, start, end, source


class FakePartial:
    """Keeps what is written; refuses a claim of bytes that are not there (invariant 2)."""

    def __init__(self, size: int = 1 << 24) -> None:
        self.data = bytearray(size)
        self.there = bytearray(size)
        self.claims: list[Claim] = []
        self.slots: list[tuple[int, int]] = []
        self.ended: list[int] = []
        self.full = False

    def write(self, offset: int, view: memoryview) -> None:
        if self.full:
            raise NoSpace("full")
        self.data[offset : offset + len(view)] = view
        self.there[offset : offset + len(view)] = b"\1" * len(view)

    def run(self, start: int, source: int) -> int:
        self.slots.append((start, source))
        return len(self.slots) - 1

    def end_run(self, slot: int) -> None:
        self.ended.append(slot)

    def record(self, slot: int, start: int, end: int, source: int) -> None:
        assert self.slots[slot] == (start, source) and slot not in self.ended
        assert all(self.there[start:end]) and start < end
        self.claims.append((slot, start, end, source))

    def read_into(self, offset: int, view: memoryview) -> int:
        piece = self.data[offset : offset + min(len(view), 1000)]
        view[: len(piece)] = piece
        return len(piece)

    @property
    def claimed(self) -> dict[int, tuple[int, int, int]]:
        """The last claim of each slot."""
        return {slot: (start, end, source) for slot, start, end, source in self.claims}


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(sinks, "time", made)
    return made


def sink_of(partial: FakePartial, ids: list[int] | None = None) -> PartialSink:
    return PartialSink(partial, ids or [0, 1])  # type: ignore[arg-type]


def test_the_first_block_is_claimed_at_once_then_now_and_then(clock: Clock) -> None:
    partial = FakePartial()
    sink = sink_of(partial)
    for number in range(10):
        sink.write(1, number * 100, memoryview(bytes(100)), 0)
    assert [end for _, _, end, _ in partial.claims] == [100]
    clock.now += RECORD_SECONDS * 1.01
    sink.write(1, 1000, memoryview(bytes(100)), 0)
    assert partial.claims[-1] == (0, 0, 1100, 0)
    sink.write(1, 1100, memoryview(bytes(RECORD_BYTES)), 0)
    assert partial.claims[-1] == (0, 0, 1100 + RECORD_BYTES, 0)
    assert len(partial.slots) == 1


def test_settling_claims_the_rest(clock: Clock) -> None:
    partial = FakePartial()
    sink = sink_of(partial)
    sink.settle(1)
    for number in range(3):
        sink.write(1, number * 100, memoryview(bytes(100)), 0)
    sink.settle(1)
    sink.settle(1)
    assert [claim[1:3] for claim in partial.claims] == [(0, 100), (0, 300)]


def test_another_place_or_source_is_another_run(clock: Clock) -> None:
    """And what the old one had is claimed first."""
    partial = FakePartial()
    sink = sink_of(partial, [4, 9])
    for offset, source in ((0, 0), (100, 0), (500, 0), (600, 0), (700, 1), (800, 1)):
        sink.write(1, offset, memoryview(bytes(100)), source)
    sink.settle(1)
    assert partial.claimed == {0: (0, 200, 4), 1: (500, 700, 4), 2: (700, 900, 9)}


def test_workers_have_runs_of_their_own(clock: Clock) -> None:
    partial = FakePartial()
    sink = sink_of(partial)
    for number in range(5):
        sink.write(1, number * 10, memoryview(bytes(10)), 0)
        sink.write(2, 1000 + number * 10, memoryview(bytes(10)), 1)
    sink.settle(1)
    sink.settle(2)
    assert partial.claimed == {0: (0, 50, 0), 1: (1000, 1050, 1)}


def test_a_write_that_fails_is_not_claimed(clock: Clock) -> None:
    partial = FakePartial()
    sink = sink_of(partial)
    sink.write(1, 0, memoryview(bytes(10)), 0)
    sink.write(1, 10, memoryview(bytes(10)), 0)
    partial.full = True
    for offset in (20, 500):
        with pytest.raises(NoSpace):
            sink.write(1, offset, memoryview(bytes(10)), 0)
    sink.settle(1)
    assert partial.claimed == {0: (0, 20, 0)}


STEPS = st.lists(
    st.tuples(st.integers(0, 2), st.booleans(), st.integers(1, 50), st.integers(0, 1), st.floats(0, 0.03)), max_size=40
)


@settings(deadline=None)
@given(STEPS)
def test_claims_are_exactly_what_was_written(steps: list[tuple[int, bool, int, int, float]]) -> None:
    """Whatever the workers do: in the end every byte is claimed once, by the source that it came from."""
    partial, clock, places = FakePartial(1 << 16), Clock(), [0, 20_000, 40_000]
    sink = sink_of(partial)
    wanted: dict[int, int] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sinks, "time", clock)
        for worker, jump, length, source, passed in steps:
            clock.now += passed
            places[worker] += 7 if jump else 0
            sink.write(worker, places[worker], memoryview(bytes(length)), source)
            wanted |= dict.fromkeys(range(places[worker], places[worker] + length), source)
            places[worker] += length
        for worker in range(3):
            sink.settle(worker)
    claimed = [(byte, source) for start, end, source in partial.claimed.values() for byte in range(start, end)]
    assert sorted(claimed) == sorted(wanted.items())


def test_bytes_that_come_again_are_compared() -> None:
    partial = FakePartial(5000)
    sink = sink_of(partial)
    data = random.Random(1).randbytes(4000)
    sink.write(1, 500, memoryview(data), 0)
    assert sink.same(500, memoryview(data))
    assert sink.same(1500, memoryview(data)[1000:])
    assert not sink.same(501, memoryview(data))
    assert not sink.same(500, memoryview(data[:-1] + bytes([data[-1] ^ 1])))
    assert not sink.same(4500, memoryview(bytes(1000)))  # the file is shorter
    assert sink.same(500, memoryview(b""))


# --- stdout ------------------------------------------------------------------------------------------------


class Broken(io.BytesIO):
    def write(self, data: Any) -> int:
        raise BrokenPipeError(32, "Broken pipe")

    def flush(self) -> None:
        raise BrokenPipeError(32, "Broken pipe")


def stream_sink(buffer: Any, moved: Callable[[int], None] = lambda front: None, *hashers: Any) -> StreamSink:
    return StreamSink(buffer, list(hashers), moved, lambda: True)


def test_out_of_order_in_in_order_out() -> None:
    data = random.Random(2).randbytes(10_000)
    cuts = [0, *sorted(random.Random(3).sample(range(1, 10_000), 40)), 10_000]
    blocks = list(pairwise(cuts))
    random.Random(4).shuffle(blocks)
    out, fronts, hasher = io.BytesIO(), list[int](), hashlib.sha256()
    sink = stream_sink(out, fronts.append, hasher)
    buffer = memoryview(bytearray(10_000))
    for start, end in blocks:
        buffer[: end - start] = data[start:end]  # the worker's buffer is used again at once
        sink.write(1, start, buffer[: end - start], 0)
        assert out.getvalue() == data[: sink.front]
    assert out.getvalue() == data and sink.front == 10_000
    assert hasher.digest() == hashlib.sha256(data).digest()
    assert fronts == sorted(set(fronts)) and fronts[-1] == 10_000
    assert not sink._waiting
    sink.flush()


def test_threads_write_in_order_too() -> None:
    data = random.Random(5).randbytes(64_000)
    out, fronts = io.BytesIO(), list[int]()
    sink = stream_sink(out, fronts.append)
    starts = list(range(0, 64_000, 500))
    random.Random(6).shuffle(starts)

    def work(mine: list[int]) -> None:
        for start in mine:
            sink.write(1, start, memoryview(data)[start : start + 500], 0)

    threads = [threading.Thread(target=work, args=(starts[n::4],)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert out.getvalue() == data
    assert max(fronts) == 64_000


def test_the_front_never_goes_back() -> None:
    """While one worker says how far it came, another must not overtake it: the window would shrink."""
    fronts: list[int] = []
    other: list[threading.Thread] = []

    def moved(front: int) -> None:
        if front == 10:
            other.append(threading.Thread(target=lambda: sink.write(2, 10, memoryview(bytes(10)), 0), daemon=True))
            other[0].start()
            other[0].join(0.2)  # it has to wait for its turn, and would be through long before otherwise
        fronts.append(front)

    sink = stream_sink(io.BytesIO(), moved)
    sink.write(1, 0, memoryview(bytes(10)), 0)
    other[0].join(10)
    assert fronts == [10, 20]


def test_a_reader_that_went_away() -> None:
    sink = stream_sink(Broken())
    with pytest.raises(DiskError) as error:
        sink.write(1, 0, memoryview(b"x"), 0)
    assert error.value.code == 6 and sink.front == 0
    with pytest.raises(DiskError):
        sink.flush()


def test_what_went_out_cannot_be_compared() -> None:
    """A validator has to vouch for it."""
    vouched = [True, False]
    sink = StreamSink(io.BytesIO(), [], lambda front: None, vouched.pop)
    sink.settle(1)
    assert not sink.same(0, memoryview(b"x"))
    assert sink.same(0, memoryview(b"x"))
