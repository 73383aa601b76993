"""One attempt at one file: the scheduler, its worker threads and the lock between them.

Cold events (a head, the end of a range, a failure) go through `post`. Blocks take a short path of their own (`arrived`,
`stored`): two short holds of the lock a block, no queue, no object beyond the placement.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from fastdl.core.hints import TYPE_CHECKING
from fastdl.core.orders import Abort, Failure, Fetch, Finish, GiveUp, Instruction, Placement, Read, Restart
from fastdl.core.ranges import Range, RangeSet
from fastdl.core.response import Verdict
from fastdl.core.scheduler import Scheduler
from fastdl.core.state import Limits, Phase
from fastdl.core.tracker import Tracker
from fastdl.engine.sinks import STDOUT_WINDOW, Sink
from fastdl.engine.worker import Rest, WorkerThread
from fastdl.io import phases
from fastdl.io.contact import Answer, Place
from fastdl.io.session import Session
from fastdl.io.strain import Strain

if TYPE_CHECKING:
    from fastdl.core.news import News
    from fastdl.core.outlook import Outlook
    from fastdl.engine.first import FirstAnswer

TICK = 0.05  # seconds
RESTING_TICK = 1.0  # seconds, while nothing is asked for
JOIN = 0.3  # seconds that workers get to end after they were aborted


class Attempt:
    """Runs until the scheduler says Finish, Restart or GiveUp."""

    sink: Sink

    def __init__(
        self,
        session: Session,
        places: list[Place],
        limits: Limits,
        counters: Tracker,
        *,
        accept: Callable[[Attempt, Place, Answer, Verdict], None],
        not_modified: Callable[[], None],
        on_tick: Callable[[Attempt, float], None],
        on_failure: Callable[[Place, Failure], None],
        on_conflict: Callable[[int, int, memoryview], bool] = lambda source, offset, view: False,
        extra_headers: tuple[tuple[str, str], ...] = (),
        resumed: bool = False,
        first: FirstAnswer | None = None,
        wanted: Callable[[], bool] = lambda: True,
    ) -> None:
        """`accept` is called with each usable head, before its bytes are stored; at the first it sets `sink`.
        `on_conflict` gets bytes of a source that are not those stored at the offset, and says whether to go on.
        `not_modified` is called for a 304 to `extra_headers`, `on_tick` by the running thread, about twenty times a
        second, without the lock. `first`: the answer to the first request, if that was made already; `wanted` is asked
        now and then whether to go on."""
        self.session = session
        self.places = places
        self.tracker = counters
        self.core = Scheduler([place.given.host for place in places], limits, _chance)
        self.stopping = False
        self.resting = False
        self.halted = False  # one of the two: no byte is wanted
        self._begun = False
        self._rested = 0.0  # seconds, of earlier rests: the scheduler's clock stands still meanwhile
        self._since = 0.0  # on time.monotonic's clock, when this rest began
        self.resumed = resumed
        self.outcome: Finish | Restart | GiveUp | None = None
        self.error: BaseException | None = None
        self._accept = accept
        self.not_modified = not_modified
        self._on_tick = on_tick
        self.on_failure = on_failure
        self.conflict = on_conflict
        self._extra = extra_headers
        self._first = first
        self._wanted = wanted
        self._recorder = phases.recorder()
        self._lock = phases.new_lock()
        self._changed = threading.Condition(self._lock)
        self.accepting = threading.Lock()
        self._pausing = threading.Event()
        self._threads: dict[int, WorkerThread] = {}
        self._news: News | None = None

    # --- the running thread ------------------------------------------------------------------------------

    @phases.timed("transfer")
    def run(
        self,
        begin: Callable[[Scheduler, float], list[Instruction]],
        deadline: float | None,
        begun: Callable[[], None] = lambda: None,
    ) -> None:
        """Run to the end. `deadline` is on time.monotonic's clock; past it the outcome stays None. `begun` is called
        when the first request is on its way. Raises what a worker crashed with, and KeyboardInterrupt."""
        try:
            self._begin(begin)
            begun()
            while not self._over():
                with self._lock:
                    if not self._over():
                        self._changed.wait(TICK if not self.resting else RESTING_TICK)
                if self._over() or not self._wanted() or (deadline is not None and self.now() >= deadline):
                    break
                if self.resting:
                    continue
                self.post(lambda core, now: core.tick(now))
                self._on_tick(self, self.now())
        finally:
            self.stop()
        if self.error is not None:
            raise self.error

    def _over(self) -> bool:
        return self.outcome is not None or self.error is not None or self.stopping

    def _begin(self, begin: Callable[[Scheduler, float], list[Instruction]]) -> None:
        with self._lock:
            while self.resting and not self._over() and self._wanted():
                self._changed.wait(RESTING_TICK)
            if self._over() or self.resting:
                return
            self._begun = True
            for instruction in begin(self.core, self.now()):
                self._carry_out(instruction)

    def now(self) -> float:
        """The scheduler's clock, in seconds: time.monotonic's less the time of rests."""
        return (self._since if self.resting else time.monotonic()) - self._rested

    def stop(self) -> None:
        """End the workers, and wait for them for a moment; idle connections go back to the pool if the attempt ended by
        itself."""
        threads = self.halt()
        until = time.monotonic() + JOIN
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, until - time.monotonic()))

    def halt(self) -> list[WorkerThread]:
        """From any thread: end the workers soon. Gives them."""
        with self._lock:
            idle, busy = self._by_duty()
            self.stopping = self.halted = True
            self._changed.notify_all()
        self._pausing.set()
        for thread in busy:
            thread.abort()
        for thread in (*idle, *busy):
            thread.inbox.put(None)
        return [*idle, *busy]

    def _by_duty(self) -> tuple[list[WorkerThread], list[WorkerThread]]:
        """The threads that have nothing to do, and the others."""
        idle: list[WorkerThread] = []
        busy: list[WorkerThread] = []
        for number, thread in self._threads.items():
            (idle if self.core.workers[number].phase is Phase.IDLE else busy).append(thread)
        return idle, busy

    def let_go(self) -> None:
        """It is over: part what knows each other in a circle (see Download.let_go)."""
        with self._lock:
            self._threads.clear()

    def rest(self) -> None:
        """From any thread: end all connections soon and ask for nothing until `wake`. What has come is kept."""
        with self._lock:
            if self.halted:
                return
            self._since = time.monotonic()
            self.resting = self.halted = self.core.resting = True
            idle, busy = self._by_duty()
            for thread in idle:
                thread.inbox.put(Rest())
        for thread in busy:
            thread.abort()
        self._pausing.set()

    def wake(self, overlap: int) -> float:
        """From any thread: go on after `rest`, which has taken so many seconds; for `overlap` see Scheduler.wake."""
        with self._lock:
            if not self.resting:
                return 0.0
            rested = time.monotonic() - self._since
            self._rested += rested
            self.resting = False
            self.halted = self.stopping
            if not self.stopping:
                self._pausing.clear()
            self._changed.notify_all()
            if not self._begun:
                self.core.resting = False
            elif not self._over():
                for instruction in self.core.wake(overlap, self.now()):
                    self._carry_out(instruction)
            return rested

    def hurry(self) -> None:
        """From any thread: whoever waits for the rate limit looks again."""
        with self._lock:
            if not self.halted:
                self._pausing.set()
                self._pausing.clear()

    def post(self, event: Callable[[Scheduler, float], list[Instruction]]) -> None:
        """Tell the scheduler something and carry out what it answers."""
        with self._lock:
            if self.stopping:
                return
            for instruction in event(self.core, self.now()):
                self._carry_out(instruction)

    def _carry_out(self, instruction: Instruction) -> None:
        if isinstance(instruction, Fetch | Read):
            thread = self._threads.get(instruction.worker)
            if thread is None:
                thread = self._threads[instruction.worker] = WorkerThread(self, instruction.worker, self._first)
                self._first = None
                if self._recorder is not None:
                    self._recorder.worker(thread, instruction.worker, _next_order="idle", _fill=phases.RECEIVE)
                thread.start()
            thread.inbox.put(instruction)
        elif isinstance(instruction, Abort):
            self._threads[instruction.worker].abort()
        else:
            self.outcome = instruction
            self._changed.notify_all()

    def crash(self, error: BaseException) -> None:
        """A worker met something unforeseen."""
        with self._lock:
            self.error = self.error or error
            self._changed.notify_all()

    # --- what workers ask --------------------------------------------------------------------------------

    def accept(self, place: Place, answer: Answer, verdict: Verdict) -> None:
        """A usable head came. One at a time: the first one settles name, size and target."""
        with self.accepting:
            self._accept(self, place, answer, verdict)

    def join(self, place: Place, introduce: Callable[[Place], None]) -> None:
        """A source more. `introduce` makes it known to whoever stores, before any byte of it may come."""
        with self.accepting:
            introduce(place)
            self.places.append(place)
        self.post(lambda core, now: core.join(place.given.host, now))

    def front_moved(self, front: int) -> None:
        """Output in order has come to `front`: more may be asked for."""
        self.core.horizon = front + STDOUT_WINDOW

    def extra_headers(self, place: Place) -> tuple[tuple[str, str], ...]:
        """Fields of the first request to the origin beyond the usual ones (conditions of -N)."""
        return self._extra if not place.mirror and not self.core.confirmed else ()

    def sink_settle(self, worker: int) -> None:
        """The worker's run has ended."""
        sink = getattr(self, "sink", None)
        if sink is not None:
            sink.settle(worker)

    @phases.timed("limiter")
    def pause(self, seconds: float) -> None:
        """Wait for the rate limit."""
        self._pausing.wait(seconds)

    def arrived(self, worker: int, count: int) -> Placement:
        """See Scheduler."""
        with self._lock:
            return self.core.arrived(worker, count, self.now())

    def stored(self, worker: int) -> bool:
        """See Scheduler."""
        with self._lock:
            return self.core.stored(worker)

    def satisfied(self, worker: int) -> bool:
        """See Scheduler."""
        with self._lock:
            return self.core.satisfied(worker)

    def queue_next(self, worker: int) -> Range | None:
        """See Scheduler."""
        with self._lock:
            return None if self.halted else self.core.queue_next(worker, self.now())

    def spare(self, strain: Strain) -> None:
        """The machine is short of something: open no more connections, or do with fewer and smaller blocks."""
        self.session.short_of_memory = strain.memory
        if strain.memory:
            with self._lock:
                self.core.shrink()
        elif strain.processor:
            self.hold()

    def hold(self) -> None:
        """No more connections than there are: they would bring no more."""
        with self._lock:
            if self.core.growth is not None:
                self.core.growth.hold()

    def recall(self, source: int, connections: int) -> None:
        """See Scheduler."""
        with self._lock:
            self.core.recall(source, connections, self.now())

    # --- what others look at -----------------------------------------------------------------------------

    def done(self) -> RangeSet:
        """The ranges that are stored and complete."""
        with self._lock:
            return RangeSet(self.core.done)

    def outlook(self) -> Outlook:
        """How it stands at this moment."""
        from fastdl.core.outlook import outlook

        with self._lock:
            return outlook(self.core)

    def facts(self) -> tuple[int, int | None, int, int, int]:
        """(bytes stored, size, connections, sources, contiguous front) at this moment."""
        from fastdl.core.outlook import facts

        with self._lock:
            return facts(self.core)

    def news(self, *, last: bool = False) -> list[tuple[Place, str]]:
        """What has become of the sources since this was asked before, in half sentences. `last`: it is over."""
        if self._news is None:
            if last:
                return []  # it was so short that nobody has looked
            from fastdl.core.news import News

            self._news = News()
        with self._lock:
            told = self._news.look(self.core.sources, self.core.limits.retries, self.now())
            return [(self.places[number], text) for number, text in told]


def _chance() -> float:
    """A random number in [0, 1): only waiting after failures asks for one, and `random` is slow to import."""
    import random

    return random.random()
