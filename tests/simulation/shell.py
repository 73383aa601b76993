"""The shell in virtual time: what engine/worker.py, attempt.py and download.py do, line by line, without threads.

Where the real shell blocks or lets another thread in, the simulated one sleeps, for no time or, by chance, for long.
Whoever changes the one changes the other.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from fastdl.core.orders import Abort, Failure, Fault, Fetch, Finish, GiveUp, Instruction, Read, Restart
from fastdl.core.ranges import RangeSet
from fastdl.core.response import Action, Ask, Head, Known, Validators, Verdict, judge, validators_of
from fastdl.core.scheduler import Scheduler
from fastdl.core.state import UNKNOWN_END, Limits, Phase
from fastdl.errors import (
    ConnectionLost,
    FastdlError,
    HttpStatus,
    NetworkError,
    ObjectChanged,
    ProtocolViolation,
    Refused,
    SizeMismatch,
)
from simulation.checks import Watch
from simulation.clock import Clock, Steps, Task
from simulation.content import Disk
from simulation.network import Channel, Network, Request, Server

TICK = 0.05
RESTARTS = 3
JOIN = 0.3
OVERLAP = 64 * 1024


class Aborted(Exception):
    """The scheduler no longer wants this fetch."""


class NoSlot(Exception):
    """Other downloads have all connections to the host."""


class DifferentBytes(ObjectChanged):
    """Bytes that came twice differ."""


@dataclass(slots=True)
class Place:
    """A source: its server and, before it, whatever redirects there."""

    server: Server
    front: Server | None = None
    mirror: bool = False
    token: tuple[float, int] | None = None  # the redirect's target, as far as it is known
    found: bool = False
    validators: Validators | None = None
    content_type: str | None = None


@dataclass(slots=True)
class Claims:
    """What an earlier run left."""

    done: RangeSet
    size: int
    validators: Validators
    version: int


@dataclass(slots=True)
class Settings:
    """The part of the settings that matters here, and how the machine behaves."""

    limits: Limits
    timeout: float = 30.0
    window: int | None = None  # output in order: how many bytes may wait for their turn
    hesitation: float = 0.0  # chance that a thread is held up at a point where another may run
    longest: float = 0.01  # seconds that it is held up
    disk: float = 0.0  # seconds that a write may take
    shares: list[tuple[float, int]] = field(default_factory=list)  # from when on how many connections a host
    others: list[tuple[float, int]] = field(default_factory=list)  # from when on how many slots others hold
    log: Callable[[Attempt, str, list[Instruction]], None] | None = None


class Pool:
    """io/pool.py: connections a host, idle ones kept."""

    def __init__(self, per_host: int) -> None:
        self.per_host = per_host
        self.others = 0
        self.open: Counter[str] = Counter()
        self._idle: dict[int, list[Channel]] = {}

    def take_idle(self, server: Server) -> Channel | None:
        """An idle connection that still works."""
        waiting = self._idle.get(id(server), [])
        while waiting:
            channel = waiting.pop()
            if channel.quiet():
                return channel
            self.close(channel)
        return None

    def admit(self, host: str) -> bool:
        """Claim a place."""
        if self.open[host] + self.others >= self.per_host:
            spare = next((c for c in self._idle.values() if c and c[0].server.host == host), None)
            if spare is None:
                return False
            self.close(spare.pop(0))
        self.open[host] += 1
        return True

    def close(self, channel: Channel) -> None:
        """Close a connection and give its place back."""
        if not channel.closed:
            channel.close()
            self.open[channel.server.host] -= 1

    def keep(self, channel: Channel) -> None:
        """Keep a connection for whoever needs it next."""
        if channel.reusable:
            self._idle.setdefault(id(channel.server), []).append(channel)
        else:
            self.close(channel)


class Worker:
    """engine/worker.py: carries out orders for one connection slot."""

    def __init__(self, attempt: Attempt, number: int) -> None:
        self.number = number
        self.attempt = attempt
        self.inbox: deque[Fetch | Read | None] = deque()
        self.aborted = False
        self.channel: Channel | None = None
        self.waits = False
        self.task: Task
        self._place = attempt.places[0]
        self._source = 0
        self._ask = Ask(0, None, True)
        self._queued: Ask | None = None

    def put(self, order: Fetch | Read | None) -> None:
        """Into the inbox."""
        self.inbox.append(order)
        if self.waits:
            self.task.wake()

    def abort(self) -> None:
        """From anywhere: the current fetch is to end soon."""
        self.aborted = True
        if self.channel is not None:
            self.channel.abort()

    def _cancelled(self) -> bool:
        return self.aborted or self.attempt.stopping

    def run(self) -> Steps[None]:
        """Carry out orders until None comes."""
        while True:
            if not self.inbox and self.channel is not None and not self.channel.reusable:
                self._drop()
            while not self.inbox:
                self.waits = True
                yield None
                self.waits = False
            yield from self.attempt.hesitate()
            order = self.inbox.popleft()
            if order is None:
                break
            try:
                yield from self._carry_out(order)
            except Aborted:
                yield from self._fail(Failure(Fault.ABORTED, ConnectionLost("The connection was given up")))
            except NoSlot:
                yield from self._fail(Failure(Fault.NO_SLOT, ConnectionLost("All connections are in use")))
            except NetworkError as error:
                yield from self._fail(Failure(Fault.LOST, error))
            except DifferentBytes as error:
                yield from self._fail(Failure(Fault.CHANGED, error))
            except Refused as error:
                yield from self._fail(Failure(Fault.REFUSED, error))
            except FastdlError as error:
                yield from self._fail(Failure(Fault.FATAL, error))
        if not self.aborted:
            self._leave()
        self._drop()

    def _fail(self, failure: Failure) -> Steps[None]:
        if self._cancelled() and failure.fault is Fault.LOST:
            failure = Failure(Fault.ABORTED, failure.error)
        self._drop()
        self._queued = None
        yield from self.attempt.hesitate()
        watch = self.attempt.watch
        watch.failed(self.number, self._source, failure)
        what = f"failed {self.number}, {failure.fault.value}: {failure.error}"
        self.attempt.post(what, lambda core, now: core.failed(self.number, failure, now))

    def _carry_out(self, order: Fetch | Read) -> Steps[None]:
        if isinstance(order, Fetch):
            self.aborted = False
            self._source = order.source
            self._place = self.attempt.places[order.source]
            self._ask = Ask(order.start, order.end, order.ranged)
            head = yield from self._contact(order.start, order.end, order.ranged)
            yield from self._receive(head)
        elif order.fresh:
            assert self.channel is not None and self._queued is not None
            self._ask, self._queued = self._queued, None
            head = yield from self.channel.receive_head()
            yield from self._receive(head)
        else:
            yield from self._pump()

    # --- io/contact.py -----------------------------------------------------------------------------------

    def _contact(self, start: int, end: int | None, ranged: bool) -> Steps[Head]:
        place = self._place
        if place.front is not None and not place.found:
            head = yield from self._exchange(place.front, Request(start, end, ranged))
            if head.status != 302:
                return head
            assert self.channel is not None
            yield from self.channel.read()
            place.token = (self.attempt.clock.now, place.front.requests)
            place.found = True
        if_range = place.validators.strong if place.validators is not None and start > 0 else None
        return (yield from self._exchange(place.server, Request(start, end, ranged, if_range, place.token)))

    def _exchange(self, server: Server, request: Request) -> Steps[Head]:
        used = yield from self._connect(server)
        while True:
            channel = self.channel
            assert channel is not None
            try:
                channel.send(request)
                return (yield from channel.receive_head())
            except ConnectionLost:
                if not used or self._cancelled():
                    raise
                self._drop()
                used = yield from self._connect(server)

    def _connect(self, server: Server) -> Steps[bool]:
        if self.channel is not None:
            if self.channel.server is server and self.channel.reusable:
                return True
            self._leave()
        pool = self.attempt.pool
        channel = pool.take_idle(server)
        if channel is None:
            if not pool.admit(server.host):
                raise NoSlot
            try:
                channel = yield from self.attempt.network.connect(server, self._cancelled)
            except NetworkError:
                pool.open[server.host] -= 1
                raise
            self.attempt.watch.connected(self._source)
        channel.task = self.task
        self.channel = channel
        if self._cancelled():
            raise ConnectionLost("The connection was given up")
        return channel.answered > 0

    def _leave(self) -> None:
        channel, self.channel = self.channel, None
        if channel is not None:
            self.attempt.pool.keep(channel)

    def _drop(self) -> None:
        channel, self.channel = self.channel, None
        if channel is not None:
            self.attempt.pool.close(channel)

    # --- heads -------------------------------------------------------------------------------------------

    def _receive(self, head: Head) -> Steps[None]:
        if self._cancelled():
            raise Aborted
        place, core = self._place, self.attempt.core
        verdict = judge(self._ask, head, Known(core.size, place.validators, place.content_type), 0.0)
        if verdict.action not in (Action.USE, Action.WHOLE, Action.EMPTY):
            yield from self._reject(head, verdict)
            return
        yield from self.attempt.hesitate()
        self.attempt.accept(verdict)
        if place.validators is None:
            place.validators = validators_of(head)
            place.content_type = head.get("content-type") or ""
        end = verdict.start + verdict.length if verdict.length is not None else None
        offered = "bytes" in (head.get("accept-ranges") or "").lower() and verdict.size is not None
        ranged = True if verdict.action is Action.USE else (None if offered else False)
        assert self.channel is not None
        rtt = self.channel.rtt
        self.attempt.post(
            f"opened {self.number} to {end} of {verdict.size}, ranges {ranged}",
            lambda core, now: core.opened(self.number, now, size=verdict.size, end=end, ranged=ranged, rtt=rtt),
        )
        yield from self._pump()

    def _reject(self, head: Head, verdict: Verdict) -> Steps[None]:
        place, action = self._place, verdict.action
        error: FastdlError
        if action is Action.CHANGED:
            if place.mirror:
                error, fault = SizeMismatch("The mirror has another file", verdict.why), Fault.REFUSED
            else:
                error, fault = ObjectChanged("The file changed during the download", verdict.why), Fault.CHANGED
        elif action is Action.NO_RANGES:
            error, fault = Refused("The server serves no ranges", verdict.why), Fault.NO_RANGES
        elif verdict.broken:
            error = ProtocolViolation("The server sent a broken answer", verdict.why)
            fault = Fault.BAD_RANGE if action is Action.BAD_RANGE else Fault.LOST
        else:
            error = HttpStatus("The server refused", verdict.why, status=head.status)
            faults = {Action.BUSY: Fault.BUSY, Action.DENIED: Fault.DENIED, Action.REFUSED: Fault.REFUSED}
            fault = faults.get(action, Fault.LOST)
            if action is Action.DENIED and place.found and place.front is not None:
                place.found = False
                if self.attempt.core.sources[self._source].served or self.attempt.resumed:
                    fault = Fault.EXPIRED
        yield from self._fail(Failure(fault, error, verdict.wait))

    # --- bodies ------------------------------------------------------------------------------------------

    def _pump(self) -> Steps[None]:
        attempt, number, core = self.attempt, self.number, self.attempt.core
        channel = self.channel
        assert channel is not None
        while not core.satisfied(number):
            yield from attempt.hesitate()
            count = yield from channel.read()
            if self._cancelled():
                raise Aborted
            if count == 0:
                yield from self._body_ended()
                return
            if (yield from self._store(channel, count)):
                break
            if self._queued is None and core.wants_next(number):
                yield from attempt.hesitate()
                self._send_next(channel)
        yield from attempt.hesitate()
        if self._cancelled():
            raise Aborted
        yield from attempt.hesitate()
        if self._queued is not None:
            attempt.post(f"follow {number}", lambda core, now: core.follow(number, now))
            return
        self._check_end(channel)
        attempt.post(f"ended {number}", lambda core, now: core.ended(number, now))

    def _store(self, channel: Channel, count: int) -> Steps[bool]:
        attempt, number = self.attempt, self.number
        assert channel.version is not None
        version = channel.version.number
        placement = attempt.watch.arrived(number, count, channel.at)
        start = placement.offset + placement.known
        if placement.known and placement.comparable and not attempt.same(placement.offset, start, version):
            raise DifferentBytes("Bytes that came twice differ")
        if not placement.keep:
            return False
        if attempt.settings.disk:
            yield attempt.chance.random() * attempt.settings.disk
        attempt.disk.write(start, start + placement.keep, version, self._source)
        if attempt.settings.window is not None:
            attempt.emit()
        return attempt.watch.stored(number)

    def _body_ended(self) -> Steps[None]:
        state = self.attempt.core.workers[self.number]
        whole = state.lease is not None and state.lease.end == UNKNOWN_END
        over = state.asked_end is None or state.offset >= state.asked_end
        if not whole and (not self._ask.ranged or not over):
            raise ConnectionLost("The server closed the connection")
        yield from self.attempt.hesitate()
        what = f"body of {self.number} over"
        self.attempt.post(what, lambda core, now: core.ended(self.number, now, whole=whole))

    def _check_end(self, channel: Channel) -> None:
        if channel.reusable:
            return
        state = self.attempt.core.workers[self.number]
        if state.asked_end is None or state.offset >= state.asked_end:
            self._drop()

    def _send_next(self, channel: Channel) -> None:
        attempt, place = self.attempt, self._place
        piece = None if attempt.stopping else attempt.watch.queue_next(self.number)
        if attempt.settings.log is not None:
            attempt.settings.log(attempt, f"queue_next {self.number}: {piece}", [])
        if piece is None:
            return
        self._queued = Ask(piece.start, piece.end, True)
        if_range = place.validators.strong if place.validators is not None and piece.start > 0 else None
        channel.send(Request(piece.start, piece.end, True, if_range, place.token))


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
        self.places = places
        self.settings = settings
        self.chance = chance
        self.core = Scheduler([place.server.host for place in places], limits, chance.random)
        self.watch = Watch(self.core, clock, disk, limits)
        self.stopping = False
        self.resumed = False
        self.accepted: int | None = None
        self.begun = False
        self.emitted = 0
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
            self.post("tick", lambda core, now: core.tick(now))

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
    """engine/download.py: attempts, restarts, the end."""
    network.timeout = settings.timeout
    pool = Pool(settings.limits.per_host)
    disk = Disk()
    attempts: list[Attempt] = []
    error: FastdlError | None = ObjectChanged("The file kept changing during the download")
    size: int | None = None
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
        clock.run(
            lambda attempt=attempt: (  # type: ignore[misc]
                attempt.outcome is not None or clock.now > most_seconds or clock.events > most_events
            )
        )
        outcome = attempt.outcome
        assert outcome is not None, f"it still waits after {clock.now:.0f} s and {clock.events} events"
        runner.stop()
        size = attempt.core.size
        attempt.stop()
        until = clock.now + JOIN
        clock.run(lambda attempt=attempt, until=until: clock.now > until or _all_done(attempt))  # type: ignore[misc]
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
    return Outcome(error, clock.now, clock.events, size, attempts, network, disk)


def _all_done(attempt: Attempt) -> bool:
    return all(worker.task.done for worker in attempt.workers.values())


def _begin(attempt: Attempt, claims: Claims | None, last: bool) -> None:
    attempt.core.single = last
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
