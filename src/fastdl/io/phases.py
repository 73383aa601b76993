"""Where the time of a thread goes: what stands behind `get --profile`.

Each thread of a download that is profiled has a stopwatch; whoever does something that takes time says which phase that
is. Phases nest, and time is booked to the innermost one, so that the phases of a thread add up to its life, with no
second counted twice. Nothing here is felt where nobody profiles: functions that are called now and then look for a
stopwatch (`timed`), and what is called for every block is wrapped when its object is made (`instrument`), so that
otherwise it stays as it is.
"""

from __future__ import annotations

import contextlib
import functools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator

from fastdl.core.hints import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from typing import TypeVar

    from fastdl.io.timeline import Timeline

    _F = TypeVar("_F", bound=Callable[..., Any])

OTHER = "other"
RECEIVE = "receive"
STALL = "stall"
STALL_NS = 1_000_000_000  # one read that waits so long is a stall
ON_ITS_OWN = -1  # the source where a thread works for none

_here = threading.local()


class Stopwatch:
    """The time of one thread in nanoseconds, by source and phase. Only that thread enters and leaves; any looks."""

    def __init__(self, recorder: Recorder, clock: Callable[[], int] = time.perf_counter_ns) -> None:
        from fastdl.io.timeline import Timeline  # of no use where nobody profiles

        self.recorder = recorder
        self.timeline = Timeline()
        self.source = ON_ITS_OWN
        self.stalls: Counter[int] = Counter()  # by source
        self.cpu_ns = 0
        self._clock = clock
        self._spent: dict[tuple[int, str], int] = {}
        self._stack: list[str] = [OTHER]
        self._at = self.began = clock()  # nanoseconds on that clock
        self._ended = False

    def enter(self, phase: str) -> None:
        """From now on time belongs to `phase`."""
        self._book(self._stack[-1])
        self._stack.append(phase)

    def leave(self) -> None:
        """The innermost phase is over."""
        phase = self._stack.pop()
        if phase == RECEIVE and self._clock() - self._at >= STALL_NS:
            phase = STALL
            self.stalls[self.source] += 1
        self._book(phase)

    def at_source(self, source: int) -> None:
        """From now on time belongs to this source of the scheduler."""
        self._book(self._stack[-1])
        self.source = source

    def _book(self, phase: str) -> None:
        now = self._clock()
        key = (self.source, phase)
        self._spent[key] = self._spent.get(key, 0) + now - self._at
        self.timeline.add(self.source, phase, self._at, now)
        self._at = now

    def spent(self) -> dict[tuple[int, str], int]:
        """Nanoseconds by (source, phase), up to now where the thread is still at work."""
        spent = dict(self._spent)
        if not self._ended:
            key = (self.source, self._stack[-1])
            spent[key] = spent.get(key, 0) + max(0, self._clock() - self._at)
        return spent

    def book_rest(self, phase: str) -> None:
        """From the thread that takes the file over when this one has ended: what passed since then was `phase`."""
        if self._ended:
            self._book(phase)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """While it lasts, this thread's time is taken. A stopwatch runs once."""
        before = watch()
        began = thread_cpu_ns()
        self._at = self.began = self._clock()
        _here.watch = self
        try:
            yield
        finally:
            _here.watch = before
            self._book(self._stack[-1])
            self._ended = True
            self.cpu_ns = thread_cpu_ns() - began


class Recorder:
    """The stopwatches of one file: that of its steps, one for each life of a worker, and those of helpers by name."""

    def __init__(self) -> None:
        from fastdl.io.timeline import STEPS, Timeline

        self.steps = Stopwatch(self)
        self.steps.timeline = Timeline(STEPS)
        self.workers: list[tuple[int, Stopwatch]] = []
        self.helpers: list[tuple[str, Stopwatch]] = []

    def worker(self, thread: threading.Thread, number: int, **phases: str) -> None:
        """Take the time of a worker that has not been started; `phases` as in `instrument`."""
        stopwatch = Stopwatch(self)
        self.workers.append((number, stopwatch))
        _follow(thread, stopwatch, phases)
        for name in (name for name, phase in phases.items() if phase == RECEIVE):
            setattr(thread, name, _counted(getattr(thread, name), stopwatch.timeline))

    def helper(self, thread: threading.Thread, name: str) -> None:
        """Take the time of a thread that helps, and has not been started."""
        stopwatch = Stopwatch(self)
        self.helpers.append((name, stopwatch))
        _follow(thread, stopwatch, {})


def _follow(thread: threading.Thread, stopwatch: Stopwatch, phases: dict[str, str]) -> None:
    run = thread.run

    def taken() -> None:
        with stopwatch.running():
            run()

    setattr(thread, "run", taken)  # noqa: B010 (to the type checker a method is no attribute)
    _wrap(thread, phases)


# --- what the others call --------------------------------------------------------------------------------


def watch() -> Stopwatch | None:
    """This thread's stopwatch; None where nobody profiles."""
    return getattr(_here, "watch", None)


def recorder() -> Recorder | None:
    """Who takes the times of the file that this thread works for."""
    running = watch()
    return running.recorder if running is not None else None


def timed(phase: str) -> Callable[[_F], _F]:
    """The time of the decorated function belongs to `phase`. For functions that are not called for every block."""

    def decorate(function: _F) -> _F:
        @functools.wraps(function)
        def taken(*args: Any, **named: Any) -> Any:
            running = watch()
            if running is None:
                return function(*args, **named)
            running.enter(phase)
            try:
                return function(*args, **named)
            finally:
                running.leave()

        return cast("_F", taken)

    return decorate


def instrument(thing: object, **phases: str) -> None:
    """The time of these methods of `thing` belongs to these phases, if its maker is profiled; else nothing changes."""
    if watch() is not None:
        _wrap(thing, phases)


def _wrap(thing: object, phases: dict[str, str]) -> None:
    for name, phase in phases.items():
        setattr(thing, name, timed(phase)(getattr(thing, name)))


def _counted(receive: Callable[[], int], timeline: Timeline) -> Callable[[], int]:
    """The same, with the bytes that it returns noted."""

    def counted() -> int:
        count = receive()
        timeline.came(count)
        return count

    return counted


def came(count: int) -> None:
    """Bytes that this thread has received otherwise than by a method that its worker's maker knows."""
    running = watch()
    if running is not None:
        running.timeline.came(count)


def at_source(source: int) -> None:
    """This thread now works for this source of the scheduler."""
    running = watch()
    if running is not None:
        running.at_source(source)


def new_lock() -> threading.Lock:
    """A lock; the time that threads wait for it is taken where its maker is profiled."""
    return cast(threading.Lock, TimedLock()) if watch() is not None else threading.Lock()


class TimedLock:
    """A lock whose waits belong to the phase `lock`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.release = self._lock.release
        self.locked = self._lock.locked

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """See threading.Lock."""
        if self._lock.acquire(False):
            return True
        return self._wait(timeout) if blocking else False

    @timed("lock")
    def _wait(self, timeout: float) -> bool:
        return self._lock.acquire(True, timeout)

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def thread_cpu_ns() -> int:
    """Nanoseconds of processor time that this thread has had; 0 where the system does not tell."""
    tell = getattr(time, "thread_time_ns", None)
    return int(tell()) if tell is not None else 0
