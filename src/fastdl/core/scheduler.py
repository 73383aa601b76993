"""The work-stealing queue: which connection fetches which bytes, and what happens when one of them fails.

A pure state machine. The shell reports what happened (`opened`, `arrived`, `stored`, `ended`, `failed`, `tick`) with
the clock's value, and carries out the instructions that come back. Nothing here waits, reads a clock or touches a
socket, so a whole download runs in a simulator with a virtual clock (tests/simulation).

A *lease* is a range that one worker fetches (two, while it is hedged). Its frontier is the first byte that nobody has
taken charge of yet: every byte below it is stored or just being stored, whoever brought it, so bytes that come twice
are seen when they come. Stealing lowers the end of a lease; the victim stops there by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum

from fastdl.core import plan, retry
from fastdl.core.ranges import Range, RangeSet
from fastdl.errors import FastdlError, NetworkError

UNKNOWN_END = 1 << 62  # the end of a lease while the size of the file is not known
FOREVER = float("inf")
FORGIVEN = 3  # whole answers in a row, without a byte between, from a source that did serve ranges before


class Fault(Enum):
    """Why a fetch ended without its bytes."""

    LOST = "lost"  # connection, time-out, broken answer, 5xx: may pass
    BUSY = "busy"  # 429, 503: fewer connections, later
    DENIED = "denied"  # 401, 403, 404, 410 from the URL itself
    EXPIRED = "expired"  # the same from a redirect's target: resolve again from the first URL
    REFUSED = "refused"  # final
    BAD_RANGE = "bad range"  # an answer to a range request that cannot be used as one
    NO_RANGES = "no ranges"
    CHANGED = "changed"
    NO_SLOT = "no slot"  # other downloads hold all connections to this host
    ABORTED = "aborted"  # the shell carried out an Abort
    FATAL = "fatal"  # disk, usage: nothing to retry


@dataclass(frozen=True, slots=True)
class Failure:
    """A fault with its error for the user and, if the server named one, the seconds to wait."""

    fault: Fault
    error: FastdlError
    wait: float | None = None


# --- instructions ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fetch:
    """Ask `source` for [start, end); end None: to the end of the file; not `ranged`: the whole file, plainly."""

    worker: int
    source: int
    start: int
    end: int | None
    ranged: bool


@dataclass(frozen=True, slots=True)
class Read:
    """Go on with the connection: the same body (`fresh` false: its range grew) or the answer to the queued request."""

    worker: int
    fresh: bool


@dataclass(frozen=True, slots=True)
class Abort:
    """Make the worker's connection fail; it then reports ABORTED."""

    worker: int


@dataclass(frozen=True, slots=True)
class Restart:
    """The object is another one by now: throw everything away and begin again."""

    why: str


@dataclass(frozen=True, slots=True)
class Finish:
    """Every byte is stored."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """No source is left."""

    error: FastdlError


Instruction = Fetch | Read | Abort | Restart | Finish | GiveUp

# --- state -----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Source:
    """What is known of one source during this download."""

    id: int
    host: str
    limit: int = plan.MOST_CONNECTIONS  # connections that it seems to allow
    ranges: bool | None = None
    rate: float | None = None  # bytes a second of one connection
    rtt: float = 0.05  # seconds
    fails: int = 0  # in a row, without a new byte
    bad_ranges: int = 0  # in a row
    ready: float = 0.0  # not asked before this time
    more: float = 0.0  # no further connection beside those that flow before this time
    failed: float = -1.0  # when it last failed without serving anybody
    hold: float = plan.FIRST_HOLD  # seconds after a refusal until one connection more is tried
    relented: bool = False  # one more was tried, and no refusal has come since
    again: float = 0.0  # when that will be
    stumbles: int = 0  # requests sent before the body in front had ended, and lost
    served: bool = False
    error: FastdlError | None = None  # set: not used any more


@dataclass(slots=True)
class Lease:
    """A range in flight; see the module's text. `pending` counts blocks that are being stored."""

    start: int
    end: int
    frontier: int
    holders: list[int] = field(default_factory=list)
    pending: int = 0
    settled: int = 0  # every byte below it is stored

    def __post_init__(self) -> None:
        self.settled = self.frontier

    @property
    def left(self) -> int:
        return self.end - self.frontier


class Phase(Enum):
    IDLE = "idle"
    ASKED = "asked"  # request sent, no head yet
    FLOWING = "flowing"
    STOPPING = "stopping"  # an Abort is on its way


@dataclass(slots=True)
class Worker:
    """One connection slot. `offset` is where the next body byte belongs, `asked_end` where the body ends."""

    id: int
    source: int = -1
    phase: Phase = Phase.IDLE
    lease: Lease | None = None
    queued: Lease | None = None
    offset: int = 0
    asked_end: int | None = None
    since: float = 0.0
    begun: float = 0.0  # when the first body came on this connection
    last: float = 0.0
    gap: float = 0.0  # the longest usual pause between blocks, seconds
    rate: float | None = None
    counted: int = 0  # bytes since `measured`
    measured: float = 0.0
    progressed: bool = False  # kept a byte since its last request
    connected: bool = False  # holds a connection, as far as is known here
    hurried: bool = False  # its request was sent before the body in front had ended


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a block of body goes: the first `known` bytes were there already (`comparable`: they are on disk and can be
    compared), the next `keep` bytes are to be stored at `offset + known`, what follows lies beyond the lease."""

    offset: int
    known: int
    keep: int
    comparable: bool


@dataclass(frozen=True, slots=True)
class Limits:
    """What the user allows: connections (None: auto), connections a host, smallest split (bytes; None: adaptive),
    retries without progress."""

    connections: int | None = None
    per_host: int = 8
    min_split: int | None = None
    retries: int = 8


class Scheduler:
    """One attempt at one file. `jitter` gives uniform numbers in [0, 1)."""

    def __init__(self, hosts: Sequence[str], limits: Limits, jitter: Callable[[], float]) -> None:
        self.sources = [Source(index, host) for index, host in enumerate(hosts)]
        self.workers: dict[int, Worker] = {}
        self.limits = limits
        self.size: int | None = None
        self.done = RangeSet()
        self.pool = RangeSet()
        self.horizon = UNKNOWN_END  # nothing is asked for beyond it (output in order)
        self.host_share = limits.per_host  # this download's part of the connections to one host
        self.wasted = 0
        self.growth: plan.Growth | None = None
        self.confirmed = False  # a source has shown which object this is
        self.single = False  # one plain stream from byte 0: no source serves ranges
        self.over = False
        self.overlap = 0  # bytes fetched again before the first gap, to compare: no validator vouches for the rest
        self._jitter = jitter
        self._cuts: list[tuple[float, int]] = []  # when, and to which source, a connection was closed in mid-body
        self._heard = 0.0  # when a byte last came, on whatever connection
        self._hedged = 0

    # --- beginning ---------------------------------------------------------------------------------------

    def start(self, now: float, size: int | None = None, done: RangeSet | None = None) -> list[Instruction]:
        """Begin, with what an earlier run left if it left something."""
        self.size = size
        self.done = done or RangeSet()
        if size is not None:
            self.pool = self.done.missing(size)
            if not self.pool:
                self.over = True
                return [Finish()]
        return self._contact(now)

    def _contact(self, now: float) -> list[Instruction]:
        """Ask the next source which object there is; the range asked for is useful in itself."""
        if not self.single and self._no_ranges_left():
            self.single = True
        busy = list(self._busy())
        if busy and (self.single or len(busy) >= (self.limits.connections or plan.MOST_CONNECTIONS)):
            return []
        for source in self.sources:
            if self._may_contact(source, now):
                worker = self._slot()
                gap = self.pool.first()
                if self.single:
                    return [self._ask_whole(worker, source, now)]
                if gap is None:
                    start, end = 0, None
                else:
                    size = plan.guided(source.rate, self.pool.total, 0.25, self.limits.min_split or plan.MIN_SPLIT)
                    start, end = gap.start, min(gap.end, gap.start + size)
                    if self.limits.connections == 1:
                        end = gap.end
                lease = Lease(start, UNKNOWN_END if end is None else end, start)
                if end is not None:
                    self.pool.remove(start, end)
                fetch = self._ask(worker, source, lease, end, now)
                before = self.done.at(start - 1) if start else None
                if self.overlap and before is not None:
                    worker.offset = max(before.start, start - self.overlap)
                    fetch = Fetch(worker.id, source.id, worker.offset, end, True)
                return [fetch]
        return []

    def _may_contact(self, source: Source, now: float) -> bool:
        """Whether a source may be asked which object there is."""
        if source.error is not None or now < source.ready or (source.ranges is False and not self.single):
            return False
        active = [w for w in self.workers.values() if w.phase is not Phase.IDLE]
        on_host = sum(1 for w in active if self.sources[w.source].host == source.host)
        return on_host < self.host_share and all(w.source != source.id for w in active)

    def _slot(self) -> Worker:
        """A worker that has nothing to do, a new one if there is none."""
        for worker in self.workers.values():
            if worker.phase is Phase.IDLE:
                return worker
        worker = Worker(len(self.workers))
        self.workers[worker.id] = worker
        return worker

    def _ask(self, worker: Worker, source: Source, lease: Lease, end: int | None, now: float) -> Fetch:
        if worker.source != source.id:
            worker.rate = None
            worker.gap = 0.0
        worker.source = source.id
        worker.phase = Phase.ASKED
        worker.lease = lease
        worker.offset = lease.frontier
        worker.asked_end = end
        worker.since = worker.last = now
        worker.progressed = worker.hurried = False
        lease.holders.append(worker.id)
        return Fetch(worker.id, source.id, lease.frontier, end, True)

    def _ask_whole(self, worker: Worker, source: Source, now: float) -> Fetch:
        """A plain stream from byte 0. Bytes that are stored up to the first gap are kept and compared as they pass."""
        front = self._front()
        end = self.size if self.size is not None else UNKNOWN_END
        self.wasted += self.done.total - front
        self.done = RangeSet()
        self.pool = RangeSet()
        self._ask(worker, source, Lease(0, end, front), None, now)
        worker.offset = 0
        return Fetch(worker.id, source.id, 0, None, False)

    def _front(self) -> int:
        """The first byte of the file that is not stored."""
        first = self.done.at(0)
        return first.end if first is not None else 0

    # --- events ------------------------------------------------------------------------------------------

    def opened(
        self, worker_id: int, now: float, *, size: int | None, end: int | None, ranged: bool | None, rtt: float = 0.05
    ) -> list[Instruction]:
        """The head was judged usable: its body is the file from the worker's offset to `end` (None: unknown) of a file
        of `size` bytes (None: unknown); `ranged` says whether the source serves ranges (None: it says so, unproved)."""
        worker = self.workers[worker_id]
        source = self.sources[worker.source]
        lease = worker.lease
        if worker.phase is not Phase.ASKED or lease is None:
            return []
        worker.phase = Phase.FLOWING
        worker.connected = True
        worker.last = now
        if not worker.hurried:
            worker.counted, worker.measured = 0, now
        if worker.rate is None:
            worker.begun = now
        source.rtt = rtt
        source.ranges = ranged if ranged is not None else source.ranges
        source.bad_ranges = 0
        worker.asked_end = end if end is not None else worker.asked_end
        if not self.confirmed:
            return self._confirm(worker, source, lease, size, ranged, now)
        return []

    def _confirm(
        self, worker: Worker, source: Source, lease: Lease, size: int | None, ranged: bool | None, now: float
    ) -> list[Instruction]:
        self.confirmed = True
        hosts = {s.host for s in self.sources if s.error is None}
        self.growth = plan.Growth.begin(source.rtt, self.limits.connections, self.limits.per_host, len(hosts), now)
        if size is None:
            self.single = True
        elif self.size is None:
            self.size = size
            lease.end = size
            wanted = min(self.growth.allowed, max(1, size // (self.limits.min_split or plan.MIN_SPLIT)))
            if ranged and source.rtt >= plan.LOW_LATENCY:
                lease.end = min(size, plan.first_territory(size, wanted, self.limits.min_split), self.horizon)
            if lease.end < size:
                self.pool.add(lease.end, size)
        elif lease.end == UNKNOWN_END:
            lease.end = self.size
        # A rival first contact was asked before the size was known: its answer goes by the same rules from here on.
        others: list[Instruction] = []
        for rival in self.workers.values():
            if rival is not worker and rival.phase is Phase.ASKED and rival.lease is not None:
                self._release(rival)
                rival.phase = Phase.STOPPING
                others.append(Abort(rival.id))
        return others + self._expand(now)

    def arrived(self, worker_id: int, count: int, now: float) -> Placement:
        """`count` body bytes came; the answer says which of them to store, and takes charge of those."""
        worker = self.workers[worker_id]
        lease = worker.lease
        offset = worker.offset
        worker.offset = offset + count
        worker.gap = max(now - worker.last, worker.gap * 0.95)
        worker.last = self._heard = now
        worker.counted += count
        if lease is None or worker.phase is not Phase.FLOWING:
            self.wasted += count
            return Placement(offset, 0, 0, False)
        end = min(offset + count, lease.end)
        known = max(0, min(end, lease.frontier) - offset)
        keep = max(0, end - max(offset, lease.frontier))
        self.wasted += count - keep
        comparable = lease.pending == 0
        if keep:
            lease.frontier += keep
            lease.pending += 1
            source = self.sources[worker.source]
            if worker.since >= source.failed:  # an older body says nothing about new requests
                source.fails = 0
            source.served = True
            worker.progressed = True
        return Placement(offset, known, keep, comparable)

    def stored(self, worker_id: int) -> bool:
        """The last placement's bytes are on disk; true when that completes the worker's lease."""
        lease = self.workers[worker_id].lease
        if lease is None:
            return True
        lease.pending -= 1
        if lease.pending == 0:
            lease.settled = lease.frontier
        return lease.frontier >= lease.end and lease.pending == 0

    def satisfied(self, worker_id: int) -> bool:
        """Whether the worker has nothing more to read for its lease."""
        lease = self.workers[worker_id].lease
        return lease is None or (lease.frontier >= lease.end and lease.pending == 0)

    def wants_next(self, worker_id: int) -> bool:
        """Whether it is time to send the next request on this connection: the rest of the current body will take less
        than two round trips."""
        worker = self.workers[worker_id]
        lease = worker.lease
        if lease is None or worker.queued is not None or worker.asked_end != lease.end or len(lease.holders) > 1:
            return False
        source = self.sources[worker.source]
        if source.stumbles >= plan.STUMBLES:
            return False
        return lease.end - worker.offset < (worker.rate or 0.0) * 2 * source.rtt + plan.SMALLEST

    def queue_next(self, worker_id: int, now: float) -> Range | None:
        """Reserve the range for the request that goes out before the current body ends; None if there is none."""
        worker = self.workers[worker_id]
        source = self.sources[worker.source]
        if self.over or source.error is not None or self._surplus(worker):
            return None
        piece = self._take(worker, source)
        if piece is None:
            return None
        worker.queued = Lease(piece.start, piece.end, piece.start, [worker_id])
        return piece

    def ended(self, worker_id: int, now: float, *, whole: bool = False) -> list[Instruction]:
        """The worker's lease is complete, or its body ended. `whole`: the body was the rest of a file of unknown size,
        which is known now."""
        worker = self.workers[worker_id]
        lease = worker.lease
        if lease is not None and whole and lease.end == UNKNOWN_END:
            lease.end = self.size = lease.frontier
        stopping = worker.phase is Phase.STOPPING
        self._first_rate(worker, now)
        instructions = self._settle(worker)
        if stopping:
            worker.phase = Phase.IDLE
        if self._complete():
            worker.phase = Phase.IDLE
            return instructions + self._finish()
        if not stopping:
            instructions += self._go_on(worker, now)
        return instructions + self._expand(now)

    def _first_rate(self, worker: Worker, now: float) -> None:
        """A range that was over before the first tick tells a rate too."""
        lease = worker.lease
        if lease is not None and not worker.rate and lease.holders == [worker.id]:
            worker.rate = (lease.frontier - lease.start) / max(now - worker.since, 0.001)

    def _settle(self, worker: Worker) -> list[Instruction]:
        """Book what the worker's lease has brought and take the lease from it; a hedging partner is stopped."""
        lease = worker.lease
        instructions: list[Instruction] = []
        if lease is None:
            return instructions
        if lease.left <= 0 and not lease.pending:  # else the partner is storing the last block: the lease is its own
            for holder in lease.holders:
                other = self.workers[holder]
                if other is not worker and other.lease is lease:
                    other.lease = None
                    if other.phase in (Phase.ASKED, Phase.FLOWING):
                        other.phase = Phase.STOPPING
                        instructions.append(Abort(other.id))
            lease.holders = [worker.id]
        self._release(worker)
        return instructions

    def _release(self, worker: Worker) -> None:
        """Take all leases from a worker: what is stored is done, the rest goes back to the queue."""
        for lease in (worker.lease, worker.queued):
            if lease is None:
                continue
            if worker.id in lease.holders:
                lease.holders.remove(worker.id)
            if not lease.holders:
                self.done.add(lease.start, lease.frontier)
                if lease.end != UNKNOWN_END:
                    self.pool.add(lease.frontier, lease.end)
        worker.lease = worker.queued = None

    def _go_on(self, worker: Worker, now: float) -> list[Instruction]:
        """After a complete lease: the queued answer, a longer body, or (by `_expand`) new work."""
        end, asked_end = worker.offset, worker.asked_end
        source = self.sources[worker.source]
        open_end = self.size if asked_end is None else asked_end
        if open_end is not None and open_end > end and not self._surplus(worker):
            piece = self.pool.at(end)
            if piece is not None:
                size = self._chunk(worker, source, piece)
                stop = min(piece.end, end + size, open_end)
                self.pool.remove(end, stop)
                worker.lease = Lease(end, stop, end, [worker.id])
                return [Read(worker.id, fresh=False)]
        worker.phase = Phase.IDLE
        if open_end is None or open_end > end:
            self._cuts.append((now, source.id))
            worker.connected = False
            return []
        if self.single or self.over or now < source.ready or source.error is not None or self._surplus(worker):
            return []
        best = max((s.rate or 0.0 for s in self.sources if s.error is None), default=0.0)
        if (source.rate or best) < best / 8:
            return []
        # Staying on a connection that is open and warm beats a slightly better source: no new slow start.
        fetch = self._work_for(source, now, worker)
        return [fetch] if fetch is not None else []

    def follow(self, worker_id: int, now: float) -> list[Instruction]:
        """The current lease is complete and the answer to the queued request comes next."""
        worker = self.workers[worker_id]
        queued = worker.queued
        if queued is None:  # it was taken back: the worker is being stopped
            return self.ended(worker_id, now)
        worker.queued = None
        stopping = worker.phase is Phase.STOPPING
        self._first_rate(worker, now)
        instructions = self._settle(worker)
        if stopping:
            self.pool.add(queued.start, queued.end)
            worker.phase = Phase.IDLE
            return instructions + self._expand(now)
        worker.lease = queued
        worker.phase = Phase.ASKED
        worker.offset = queued.start
        worker.asked_end = queued.end
        worker.since = now
        worker.progressed = False
        worker.hurried = True
        return [*instructions, Read(worker_id, fresh=True)]

    def failed(self, worker_id: int, failure: Failure, now: float) -> list[Instruction]:
        """The worker's fetch ended without (all of) its bytes."""
        worker = self.workers[worker_id]
        stopping = worker.phase is Phase.STOPPING
        progressed = worker.progressed
        if worker.lease is not None and failure.fault is Fault.FATAL:
            worker.lease.pending = 0
        self._release(worker)
        worker.phase = Phase.IDLE
        worker.connected = False
        worker.rate = None
        worker.gap = 0.0
        if self.over:
            return []
        if failure.fault is Fault.FATAL:
            self.over = True
            return [GiveUp(failure.error)]
        if failure.fault is Fault.CHANGED:
            self.over = True
            return [Restart(failure.error.what)]
        if not stopping and failure.fault is not Fault.ABORTED:
            self._blame(worker, failure, progressed, now)
        if self._complete():
            return self._finish()
        if all(s.error is not None for s in self.sources):
            self.over = True
            return [GiveUp(self.sources[0].error or failure.error)]
        return self._expand(now)

    def _blame(self, worker: Worker, failure: Failure, progressed: bool, now: float) -> None:
        """What a failure says about its source: fewer connections, a pause, or not to be used any more."""
        source = self.sources[worker.source]
        others = [w for w in self._busy() if w.source == source.id]
        flowing = sum(1 for w in others if w.phase is Phase.FLOWING)
        fault = failure.fault
        if fault is Fault.NO_SLOT:
            source.more = now + 0.1
            source.ready = source.ready if others else now + 0.1
            return
        if fault is Fault.BAD_RANGE:
            source.bad_ranges += 1
            if source.bad_ranges >= min(plan.BAD_RANGES, self.limits.retries):
                fault = Fault.NO_RANGES  # what it calls ranges is of no use; a plain stream may be
        patience = min(FORGIVEN, self.limits.retries)
        if fault is Fault.NO_RANGES and (not source.ranges or source.fails >= patience):
            source.ranges = False  # as one plain stream it may still serve, when nobody else is left
            if flowing:
                source.limit = flowing
            elif self._no_ranges_left():
                self.single = True
            return
        final = fault is Fault.REFUSED or (fault is Fault.DENIED and not source.served)
        if final or not getattr(failure.error, "retryable", True):
            source.error = failure.error
            return
        if self.limits.retries == 0:
            if flowing:
                source.limit, source.again = len(others), FOREVER
            else:
                source.error = failure.error
            return
        if progressed:
            source.ready = max(source.ready, now + (failure.wait or 0.0))
            return
        if worker.hurried and fault is Fault.LOST and isinstance(failure.error, NetworkError):
            source.stumbles += 1
            return
        if worker.since < source.failed:
            return  # it was under way when another one failed, and tells nothing new
        if flowing and fault is not Fault.EXPIRED:
            pause = failure.wait if failure.wait is not None else retry.backoff(1, self._jitter())
            source.more = max(source.more, now + min(pause, retry.LONGEST_RETRY_AFTER))
            self._refused(source, len(others), now)
            return
        source.fails += 1
        source.failed = now
        if source.fails > self.limits.retries or (failure.wait or 0.0) > retry.LONGEST_RETRY_AFTER:
            source.error = failure.error
            return
        if fault is Fault.BUSY:
            source.limit = 1
            source.again = now + source.hold
        pause = 0.0 if fault is Fault.EXPIRED and source.fails == 1 else retry.backoff(source.fails, self._jitter())
        source.ready = now + (failure.wait if failure.wait is not None else pause)

    def _refused(self, source: Source, served: int, now: float) -> None:
        """The source serves `served` connections at this moment, and not one more."""
        source.limit = max(1, served)
        if source.relented:
            source.hold = min(source.hold * 2, plan.LONGEST_HOLD)
        source.relented = False
        source.again = max(source.more, now + source.hold)

    def _complete(self) -> bool:
        return self.size is not None and not self.over and self.done.total == self.size

    def _finish(self) -> list[Instruction]:
        self.over = True
        aborts: list[Instruction] = [
            Abort(w.id) for w in self.workers.values() if w.phase in (Phase.ASKED, Phase.FLOWING)
        ]
        return [*aborts, Finish()]

    def tick(self, now: float) -> list[Instruction]:
        """Time passed: rates, stalls, growth, new work. Call it every 50 to 100 ms."""
        if self.over:
            return []
        self._measure(now)
        instructions: list[Instruction] = []
        if not self.confirmed:
            waiting = [w for w in self.workers.values() if w.phase is Phase.ASKED]
            if not waiting or now - max(w.since for w in waiting) > 1.5:
                instructions += self._contact(now)
            return instructions
        instructions += self._replace_stalled(now)
        self._relent(now)
        if self.growth is not None:
            total = sum(w.rate or 0.0 for w in self._busy())
            self.growth.review(total, len(list(self._busy())), now)
        return instructions + self._expand(now)

    def _relent(self, now: float) -> None:
        """A refusal does not hold for ever: allow a source more connections, ever more rarely where that fails."""
        for source in self.sources:
            if source.limit < plan.MOST_CONNECTIONS and not source.fails and now >= source.again:
                if source.relented:  # and the last one more was well received
                    source.hold = max(source.hold / 2, plan.FIRST_HOLD)
                source.relented = True
                source.limit += max(1, source.limit // 2)
                source.again = now + source.hold

    def front(self) -> int:
        """Every byte below it is stored: how far digests and ordered output may go."""
        front = self._front()
        for worker in self.workers.values():
            if worker.lease is not None and worker.lease.start <= front < worker.lease.settled:
                return worker.lease.settled
        return front

    def stored_bytes(self) -> int:
        """Bytes of the file that are stored, or just being stored."""
        leases = {id(w.lease): w.lease for w in self.workers.values() if w.lease is not None}
        return self.done.total + sum(lease.frontier - lease.start for lease in leases.values())

    # --- rates and stalls --------------------------------------------------------------------------------

    def _busy(self) -> Iterator[Worker]:
        return (w for w in self.workers.values() if w.phase in (Phase.ASKED, Phase.FLOWING))

    def _measure(self, now: float) -> None:
        """The mean rate of what has come so far, and after a while that of the last 0.7 s, the newest counting most."""
        for worker in self.workers.values():
            span = now - worker.measured
            if worker.phase is not Phase.FLOWING or span < 0.02 or (worker.rate is None and not worker.counted):
                continue
            current = worker.counted / span
            worker.counted, worker.measured = 0, now
            if worker.rate is None:
                worker.rate = current
            else:
                weight = span / min(0.7, now - worker.begun) if now - worker.begun > span else 1.0
                worker.rate += min(1.0, weight) * (current - worker.rate)
            source = self.sources[worker.source]
            if current > 0:
                source.rate = current if source.rate is None else source.rate + 0.2 * (worker.rate - source.rate)

    def _replace_stalled(self, now: float) -> list[Instruction]:
        """A connection that is silent while others flow gives its range back and is closed."""
        instructions: list[Instruction] = []
        for worker in list(self._busy()):
            silent = now - max(worker.last, worker.since)
            patience = max(plan.STALL, 4 * min(worker.gap, 5.0))
            if worker.phase is Phase.ASKED and not worker.hurried:
                patience = plan.LATE_HEAD
            if silent <= patience or worker.lease is None or worker.lease.pending or self.single:
                continue
            if self._heard < max(worker.last, worker.since) + 0.5:
                continue  # nobody has heard anything since: it is not this connection's fault
            if worker.phase is Phase.ASKED:
                self._blame_unanswered(worker, now)
            self._release(worker)
            worker.phase = Phase.STOPPING
            instructions.append(Abort(worker.id))
        return instructions

    def _blame_unanswered(self, worker: Worker, now: float) -> None:
        """A request got no answer while others were served: too hasty, or one connection too many."""
        source = self.sources[worker.source]
        if worker.hurried:
            source.stumbles += 1
        else:
            self._refused(source, sum(1 for w in self._busy() if w.source == source.id) - 1, now)

    # --- giving out work ---------------------------------------------------------------------------------

    def _surplus(self, worker: Worker) -> bool:
        """Whether there are more connections to the worker's source than it may have by now."""
        source = self.sources[worker.source]
        busy = list(self._busy())
        mine = sum(1 for w in busy if w.source == source.id)
        on_host = sum(1 for w in busy if self.sources[w.source].host == source.host)
        allowed = self.growth.allowed if self.growth is not None else 1
        own = 0 if worker.phase in (Phase.ASKED, Phase.FLOWING) else 1
        return mine + own > source.limit or on_host + own > self.host_share or len(busy) + own > allowed

    def _free_source(self, now: float) -> Source | None:
        """The source for one more connection: the one whose connections bring most, after those not tried yet."""
        busy = [w for w in self.workers.values() if w.phase is not Phase.IDLE]  # who is being stopped counts
        cut = self._cut_lately(now)
        best: tuple[float, int] | None = None
        for source in self.sources:
            if source.error is not None or now < source.ready or source.ranges is False:
                continue
            mine = sum(1 for w in busy if w.source == source.id)
            on_host = sum(1 for w in busy if self.sources[w.source].host == source.host)
            on_host += sum(1 for id_ in cut if self.sources[id_].host == source.host)
            if mine >= source.limit or on_host >= self.host_share or (mine and (source.fails or now < source.more)):
                continue  # who is in doubt (`fails`) is asked by one connection until a byte comes
            worth = (source.rate if source.rate is not None else 1e12) / (mine + 1)
            if best is None or worth > best[0]:
                best = (worth, source.id)
        return self.sources[best[1]] if best is not None else None

    def _in_use(self, now: float) -> int:
        """Connections that are in use, or that a server may still count."""
        active = sum(1 for worker in self.workers.values() if worker.phase is not Phase.IDLE)
        return active + len(self._cut_lately(now))

    def _cut_lately(self, now: float) -> list[int]:
        """Sources of connections that were closed in mid-body a moment ago: the server may not know it yet, and would
        see more connections than it was promised."""
        self._cuts = [cut for cut in self._cuts if now - cut[0] < plan.LINGER]
        return [source for _, source in self._cuts]

    def _expand(self, now: float) -> list[Instruction]:
        """Give work to idle workers, and open connections as far as they are allowed and find work."""
        if self.over:
            return []
        if not self.confirmed:
            return [] if any(True for _ in self._busy()) else self._contact(now)
        if self.single:
            return self._expand_single(now)
        instructions: list[Instruction] = []
        allowed = self.growth.allowed if self.growth is not None else 1
        while self._in_use(now) < allowed:
            source = self._free_source(now)
            if source is None:
                break
            fetch = self._work_for(source, now)
            if fetch is None:
                break
            instructions.append(fetch)
        if not instructions and not any(True for _ in self._busy()) and self._no_ranges_left():
            self.single = True
            return self._expand_single(now)
        return instructions

    def _no_ranges_left(self) -> bool:
        return all(s.error is not None or s.ranges is False for s in self.sources)

    def _expand_single(self, now: float) -> list[Instruction]:
        if any(w.phase is not Phase.IDLE for w in self.workers.values()):
            return []
        for source in self.sources:
            if source.error is None and now >= source.ready:
                return [self._ask_whole(self._slot(), source, now)]
        return []

    def _idle_worker(self, source: Source) -> Worker:
        """An idle worker: the nearer its connection leads to this source the better, and one that has a connection is
        better than one that has none. A host's connections are counted, those of idle workers too: a fresh worker might
        wait for a place for ever while they hold all of them."""

        def far(worker: Worker) -> int:
            if not worker.connected:
                return 3
            if worker.source == source.id:
                return 0
            return 1 if self.sources[worker.source].host == source.host else 2

        idle = [w for w in self.workers.values() if w.phase is Phase.IDLE]
        return min(idle, key=far) if idle else self._slot()

    def _work_for(self, source: Source, now: float, worker: Worker | None = None) -> Fetch | None:
        worker = worker or self._idle_worker(source)
        held = worker.source == source.id
        probe = Worker(worker.id, source.id, rate=worker.rate if held else None)
        piece = self._take(probe, source)
        if piece is not None:
            return self._ask(worker, source, Lease(piece.start, piece.end, piece.start), piece.end, now)
        latency = source.rtt * (1 if held else 3)
        stolen = self._steal(source, latency, now)
        if stolen is not None:
            return self._ask(worker, source, stolen, stolen.end, now)
        lease = self._hedge(source, latency, now)
        if lease is not None:
            return self._ask(worker, source, lease, lease.end, now)
        return None

    def _take(self, worker: Worker, source: Source) -> Range | None:
        """Cut the worker's next range off the front of the queue."""
        piece = self.pool.first()
        if piece is None or piece.start >= self.horizon or source.ranges is False:
            return None
        size = self._chunk(worker, source, piece)
        end = min(piece.end, piece.start + size, max(self.horizon, piece.start + 1))
        self.pool.remove(piece.start, end)
        return Range(piece.start, end)

    def _chunk(self, worker: Worker, source: Source, piece: Range) -> int:
        rate = worker.rate or source.rate
        busy = list(self._busy())
        sources = [w.rate for w in busy if w.rate is not None and w.id != worker.id]
        count = max(len(busy), self.growth.allowed if self.growth is not None else 1)
        mean = sum(sources) / len(sources) if sources else rate
        share = 1 / count
        if rate and mean:
            share = min(1.0, rate / (rate + mean * (count - 1)))
        floor = self.limits.min_split or (plan.floor_for(rate, None) if rate else plan.MIN_SPLIT)
        size = plan.guided(rate, self.pool.total, share, floor)
        return piece.size if piece.size - size < floor else size

    def _rate_of(self, source: Source) -> float | None:
        if source.rate is not None:
            return source.rate
        rates = [w.rate for w in self._busy() if w.rate is not None]
        return sum(rates) / len(rates) if rates else None

    def _victims(self, now: float) -> list[tuple[float, Worker, Lease]]:
        """Workers that hold a range alone, with the seconds they still need for it, the longest first."""
        found = []
        for worker in self._busy():
            lease = worker.lease
            if lease is None or lease.end == UNKNOWN_END or len(lease.holders) != 1:
                continue
            if worker.rate is None and worker.phase is Phase.FLOWING and now - worker.last < plan.FIRST_BYTE:
                continue
            found.append((lease.left / max(worker.rate or 0.0, 1.0), worker, lease))
        return sorted(found, key=lambda item: -item[0])

    def _steal(self, source: Source, latency: float, now: float) -> Lease | None:
        """Part of the range of the worker that needs longest, cut where both will end at the same time."""
        rate = self._rate_of(source)
        if rate is None or rate <= 0:
            return None
        for seconds, victim, lease in self._victims(now):
            if victim.phase is not Phase.FLOWING or victim.queued is not None:
                continue  # who has sent its next request must read this body to its end
            slow = max(victim.rate or 0.0, 1.0)
            part = plan.split(lease.left, slow, rate, latency)
            floor = plan.floor_for(min(rate, slow * 8), self.limits.min_split)
            if lease.left < 2 * floor:
                continue
            part = min(max(part, floor), lease.left - floor)
            if seconds - max((lease.left - part) / slow, latency + part / rate) < max(0.05, 2 * latency):
                continue
            cut = lease.end - part
            stolen = Lease(cut, lease.end, cut)
            lease.end = cut
            return stolen
        return None

    def _hedge(self, source: Source, latency: float, now: float) -> Lease | None:
        """The range of a worker that would need at least twice as long as this source for its rest."""
        rate = self._rate_of(source)
        if rate is None or self.size is None:
            return None
        budget = plan.waste_budget(self.size) - self._hedged
        for seconds, victim, lease in self._victims(now):
            if victim.phase is Phase.ASKED and now - victim.since < max(0.5, 4 * latency):
                continue
            if seconds > max(0.2, 2 * (latency + lease.left / max(rate, 1.0))) and lease.left <= budget:
                self._hedged += lease.left
                return lease
        return None
