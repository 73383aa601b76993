"""The shell in virtual time: engine/attempt.py, transfer.py and download.py, line by line, without threads (the
workers: worker.py).

Whoever changes the one changes the other.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from fastdl.core.orders import Abort, Fetch, Finish, GiveUp, Instruction, Read, Restart
from fastdl.core.ranges import RangeSet
from fastdl.core.response import Verdict
from fastdl.core.scheduler import Scheduler
from fastdl.core.state import Limits, Phase
from fastdl.errors import FastdlError, ObjectChanged
from simulation.checks import Watch
from simulation.clock import Clock, Steps, Task
from simulation.content import Disk
from simulation.network import Network
from simulation.parts import Claims, Place, Pool, Settings
from simulation.pieces import Checker
from simulation.worker import Worker

TICK = 0.05
RESTARTS = 3
JOIN = 0.3
OVERLAP = 64 * 1024


class Attempt:
    """engine/attempt.py: one Scheduler and its workers, until Finish, Restart or GiveUp."""

    def __init__(
        self,
        clock: Clock,
        network: Network,
        pool: Pool,
        disk: Disk,
        places: list[Place],
        settings: Settings,
        limits: Limits,
        chance: random.Random,
    ) -> None:
        self.clock = clock
        self.network = network
        self.pool = pool
        self.disk = disk
        self.settings = settings
        self.chance = chance
        self.places = [place for place in places if not place.mapped]
        self.waiting = sorted((place for place in places if place.mapped), key=lambda place: place.joins)
        self.core = Scheduler([place.server.host for place in self.places], limits, chance.random)
        self.watch = Watch(self.core, clock, disk, limits)
        self.stopping = False
        self.resumed = False
        self.accepted: int | None = None
        self.begun = False
        self.emitted = 0
        self._strains = sorted(settings.short_of_memory)
        self.outcome: Finish | Restart | GiveUp | None = None
        self.workers: dict[int, Worker] = {}
        self._runner: Task | None = None

    def hesitate(self) -> Steps[None]:
        """A point where the machine may run another thread first."""
        if self.settings.hesitation and self.chance.random() < self.settings.hesitation:
            yield self.chance.random() * self.settings.longest

    def run(self) -> Steps[None]:
        """The running thread: a tick now and then."""
        for since, share in self.settings.shares:
            if since <= 0:
                self.core.host_share = share
        while self.outcome is None:
            quiet = all(w.phase is Phase.IDLE for w in self.core.workers.values())
            yield TICK if not quiet else 2 * TICK
            now = self.clock.now
            for since, share in self.settings.shares:
                if since <= now:
                    self.core.host_share = share
            for since, held in self.settings.others:
                if since <= now:
                    self.pool.others = held
            while self._strains and self._strains[0] <= now:
                self._strains.pop(0)
                self.core.shrink()
            self.post("tick", lambda core, now: core.tick(now))
            self._join()

    def _join(self) -> None:
        """engine/sourcing.py decides when; here it is the scenario."""
        while self.waiting and self.waiting[0].joins <= self.clock.now and self.outcome is None:
            place = self.waiting.pop(0)
            self.places.append(place)
            what = f"{place.server.host} joins as source {len(self.places) - 1}"
            self.post(what, lambda core, now, place=place: core.join(place.server.host, now))  # type: ignore[misc]

    def post(self, what: str, event: Callable[[Scheduler, float], list[Instruction]]) -> None:
        """Tell the scheduler something and carry out what it answers. `what` is for whoever reads a replay."""
        if self.stopping:
            return
        instructions = event(self.core, self.clock.now)
        if self.settings.log is not None:
            self.settings.log(self, what, instructions)
        self.watch.step(instructions)
        for instruction in instructions:
            self._carry_out(instruction)

    def _carry_out(self, instruction: Instruction) -> None:
        if isinstance(instruction, Fetch | Read):
            worker = self.workers.get(instruction.worker)
            if worker is None:
                worker = self.workers[instruction.worker] = Worker(self, instruction.worker)
                worker.task = self.clock.spawn(worker.run())
            worker.put(instruction)
        elif isinstance(instruction, Abort):
            self.workers[instruction.worker].abort()
        else:
            assert self.outcome is None, f"{instruction} after {self.outcome}"
            self.outcome = instruction

    def accept(self, verdict: Verdict) -> None:
        """The first usable head settles the target."""
        if self.begun:
            return
        self.begun = True
        self.accepted = verdict.size
        if not self.resumed:
            self.disk.begin()

    def same(self, start: int, end: int, version: int) -> bool:
        """Whether bytes that came again are those that came first; what is out on stdout cannot be compared."""
        if self.settings.window is not None:
            validators = self.places[0].validators
            return validators is not None and bool(validators.etag or validators.last_modified)
        return self.disk.same(start, end, version)

    def conflict(self, source: int, start: int, end: int) -> bool:
        """Whether to go on though a source's bytes differ from those that are stored: where one of them was mapped, the
        digests decide in the end who was wrong."""
        stored = {number for _, _, number in self.disk.within(self.disk.by_source, start, end)}
        return any(self.places[index].mapped for index in {source, *stored} if index < len(self.places))

    def emit(self) -> None:
        """Output in order: the front has moved."""
        first = self.disk.written.at(0)
        front = first.end if first is not None else 0
        waiting, window = self.disk.written.total - front, self.settings.window or 0
        without = any(source.ranges is False for source in self.core.sources)  # who cannot be told where to stop
        assert waiting <= window or without, f"{waiting} bytes wait in memory for their turn, {window} may"
        if front > self.emitted:
            self.emitted = front
            self.core.horizon = front + (self.settings.window or 0)

    def stop(self) -> None:
        """End the workers; connections without work stay usable."""
        self.stopping = True
        idle = {w.id for w in self.core.workers.values() if w.phase is Phase.IDLE}
        for worker in self.workers.values():
            if worker.number not in idle:
                worker.abort()
            worker.put(None)


@dataclass(slots=True)
class Outcome:
    """How a download ended: without an error, with what is on the disk; `attempts` as the scheduler left them."""

    error: FastdlError | None
    seconds: float
    events: int
    size: int | None
    attempts: list[Attempt]
    network: Network
    disk: Disk
    mended: int = 0  # bytes that the check of pieces found wrong at the end


def download(
    clock: Clock,
    network: Network,
    places: list[Place],
    settings: Settings,
    chance: random.Random,
    claims: Claims | None = None,
    *,
    most_seconds: float = 1e5,
    most_events: int = 400_000,
) -> Outcome:
    """engine/download.py and transfer.py: attempts, restarts, the end."""
    network.timeout = settings.timeout
    pool = Pool(settings.limits.per_host)
    disk = Disk()
    attempts: list[Attempt] = []
    error: FastdlError | None = ObjectChanged("The file kept changing during the download")
    size: int | None = None
    mended = 0
    if claims is not None:
        for start, end in claims.done:
            disk.write(start, end, claims.version, 0)
        places[0].validators = claims.validators
    for restart in range(RESTARTS + 1):
        last = restart == RESTARTS
        limits = settings.limits
        if last:
            limits = Limits(1, limits.per_host, limits.min_split, limits.retries)
        attempt = Attempt(clock, network, pool, disk, places[:1] if last else places, settings, limits, chance)
        attempts.append(attempt)
        _begin(attempt, claims, last)
        runner = clock.spawn(attempt.run())
        checker = Checker(attempt) if settings.piece is not None else None
        clock.run(
            lambda attempt=attempt: (  # type: ignore[misc]
                attempt.outcome is not None or clock.now > most_seconds or clock.events > most_events
            )
        )
        outcome = attempt.outcome
        assert outcome is not None, f"it still waits after {clock.now:.0f} s and {clock.events} events"
        runner.stop()
        if checker is not None:
            checker.stop()
        size = attempt.core.size
        attempt.stop()
        until = clock.now + JOIN
        clock.run(lambda attempt=attempt, until=until: clock.now > until or _all_done(attempt))  # type: ignore[misc]
        if checker is not None and isinstance(outcome, Finish):
            checker.finish()
            mended = checker.mended
        attempt.watch.end(outcome, attempt.accepted)
        for worker in attempt.workers.values():
            worker.task.stop()
            worker._drop()
        if isinstance(outcome, Finish):
            error = None
            break
        if isinstance(outcome, GiveUp):
            error = outcome.error
            break
        if attempt.emitted > 0:
            error = ObjectChanged("The file changed during the download")
            break
        claims = None
        for place in places:
            place.validators, place.found = None, False
    return Outcome(error, clock.now, clock.events, size, attempts, network, disk, mended)


def _all_done(attempt: Attempt) -> bool:
    return all(worker.task.done for worker in attempt.workers.values())


def _begin(attempt: Attempt, claims: Claims | None, last: bool) -> None:
    attempt.core.single = last
    attempt.core.sources[0].last_resort = attempt.settings.prefer and not last
    if attempt.settings.window is not None:
        attempt.core.horizon = attempt.settings.window

    def begin(core: Scheduler, now: float) -> list[Instruction]:
        if claims is None:
            return core.start(now)
        attempt.resumed = True
        core.overlap = 0 if claims.validators.strong else OVERLAP
        done = RangeSet((start, end) for start, end in claims.done)
        return core.start(now, claims.size, done)

    attempt.post("start", begin)
