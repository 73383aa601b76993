"""Stopwatches: phases add up to a thread's life, and nothing changes where nobody profiles."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastdl.io import phases
from fastdl.io.phases import OTHER, RECEIVE, STALL, STALL_NS, Recorder, Stopwatch


class Clock:
    """Nanoseconds that a test sets."""

    def __init__(self) -> None:
        self.now = 5_000

    def __call__(self) -> int:
        return self.now


STEPS = st.lists(
    st.one_of(
        st.sampled_from(["a", "b", RECEIVE, "leave"]),
        st.integers(0, 3),
        st.integers(0, 2 * STALL_NS).map(lambda count: ("pass", count)),
    )
)


@given(steps=STEPS)
def test_phases_add_up_to_the_life(steps: list[str | int | tuple[str, int]]) -> None:
    clock = Clock()
    stopwatch = Stopwatch(Recorder(), clock)
    clock.now += 77  # before it runs: not its life
    depth = 0
    with stopwatch.running():
        began = clock.now
        for step in steps:
            if isinstance(step, tuple):
                clock.now += step[1]
            elif isinstance(step, int):
                stopwatch.at_source(step)
            elif step != "leave":
                stopwatch.enter(step)
                depth += 1
            elif depth:
                stopwatch.leave()
                depth -= 1
            assert sum(stopwatch.spent().values()) == clock.now - began, "also in the middle"
        for _ in range(depth):
            stopwatch.leave()
    life = clock.now - began
    clock.now += 1000
    assert sum(stopwatch.spent().values()) == life
    assert min(stopwatch.spent().values()) >= 0


def test_time_belongs_to_the_innermost_phase_and_to_the_source() -> None:
    clock = Clock()
    stopwatch = Stopwatch(Recorder(), clock)
    with stopwatch.running():
        clock.now += 1
        stopwatch.at_source(4)
        stopwatch.enter("outer")
        clock.now += 10
        stopwatch.enter("inner")
        clock.now += 100
        stopwatch.leave()
        clock.now += 1000
        stopwatch.leave()
        clock.now += 10000
    assert stopwatch.spent() == {(-1, OTHER): 1, (4, "outer"): 1010, (4, "inner"): 100, (4, OTHER): 10000}


@pytest.mark.parametrize(("waited", "phase"), [(STALL_NS - 1, RECEIVE), (STALL_NS, STALL)])
def test_a_read_that_waits_long_is_a_stall(waited: int, phase: str) -> None:
    clock = Clock()
    stopwatch = Stopwatch(Recorder(), clock)
    with stopwatch.running():
        stopwatch.at_source(2)
        stopwatch.enter(RECEIVE)
        clock.now += waited
        stopwatch.leave()
    assert stopwatch.spent()[2, phase] == waited
    assert stopwatch.stalls[2] == (phase == STALL)


class Thing:
    def work(self, value: int) -> int:
        if value < 0:
            raise ValueError("no")
        return value + 1


@phases.timed("named")
def named(value: int) -> int:
    """A function with a phase."""
    return value * 2


def test_without_a_stopwatch_nothing_changes() -> None:
    thing = Thing()
    phases.instrument(thing, work="work")
    assert vars(thing) == {}
    assert type(phases.new_lock()) is type(threading.Lock())
    assert (phases.watch(), phases.recorder(), named(4)) == (None, None, 8)
    phases.at_source(3)


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    recorder = Recorder()
    with recorder.steps.running():
        yield recorder
    assert phases.watch() is None


def test_methods_and_functions_are_timed(recorder: Recorder) -> None:
    thing = Thing()
    phases.instrument(thing, work="work")
    assert thing.work(1) == 2
    with pytest.raises(ValueError, match="no"):
        thing.work(-1)
    assert named(2) == 4
    assert named.__doc__ == "A function with a phase."
    assert {phase for _, phase in recorder.steps.spent()} == {OTHER, "work", "named"}
    assert phases.recorder() is recorder


def test_a_worker_has_a_stopwatch_of_its_own(recorder: Recorder) -> None:
    seen = []

    class Worker(threading.Thread):
        def run(self) -> None:
            seen.append(phases.watch())
            self.rest()
            phases.at_source(7)
            named(1)

        def rest(self) -> None:
            """What the worker does in between."""

    worker = Worker()
    recorder.worker(worker, 3, rest="idle")
    worker.start()
    worker.join()
    ((number, stopwatch),) = recorder.workers
    assert (number, seen) == (3, [stopwatch])
    assert {(-1, "idle"), (7, "named")} <= set(stopwatch.spent())
    assert phases.watch() is recorder.steps
    helper = threading.Thread(target=lambda: seen.append(phases.recorder()))
    recorder.helper(helper, "digest")
    helper.start()
    helper.join()
    assert seen[1] is recorder
    assert recorder.helpers[0][0] == "digest"


def test_waits_for_a_lock_are_taken(recorder: Recorder) -> None:
    lock = phases.new_lock()
    with lock:
        assert lock.locked()
        assert not lock.acquire(False)
        assert not lock.acquire(timeout=0.001)
    assert recorder.steps.spent()[-1, "lock"] >= 1_000_000 // 2
    assert not lock.locked()
    other = threading.Condition(lock)
    with other:
        other.notify_all()
        assert not other.wait(0.001)
    assert lock.acquire()
    lock.release()


def test_a_stopwatch_that_still_runs_tells_so_far() -> None:
    clock = Clock()
    stopwatch = Stopwatch(Recorder(), clock)
    with stopwatch.running():
        stopwatch.enter("disk")
        clock.now += 30
        assert stopwatch.spent() == {(-1, OTHER): 0, (-1, "disk"): 30}
        stopwatch.leave()
