"""What is done, in flight and missing, and which connections may be opened.

`core/sharing` gives idle connections their work, `core/plan` has the arithmetic, `core/scheduler` the events.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from fastdl.core import plan
from fastdl.core.orders import Fetch
from fastdl.core.ranges import RangeSet
from fastdl.core.state import UNKNOWN_END, Lease, Limits, Phase, Source, Worker


class WorkQueue:
    """Ranges done, in flight and missing, and the workers that fetch them."""

    def __init__(self, hosts: Sequence[str], limits: Limits) -> None:
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
        self.resting = False  # nothing is asked for until `wake`
        self.single = False  # one plain stream from byte 0: no source serves ranges
        self.cuts: list[tuple[float, int]] = []  # when, and to which source, a connection was closed in mid-body
        self.unneeded: list[Worker] = []  # another one's body brings what they have asked for
        self.overlap = 0  # bytes before a gap that are fetched again, to compare: no validator vouches for the rest
        self.doubtful = RangeSet()  # what an earlier run left, as long as nothing has been compared
        self.disputed = RangeSet()  # somebody sent wrong bytes there: the origin is asked again, and no mapped source
        self.repeated = 0  # bytes that came twice because two fetched them

    # --- the state of the file -------------------------------------------------------------------------------

    def front(self) -> int:
        """Every byte below it is stored: how far digests and ordered output may go."""
        front = self._front()
        for worker in self.workers.values():
            if worker.lease is not None and worker.lease.start <= front < worker.lease.settled:
                return worker.lease.settled
        return front

    def _front(self) -> int:
        """The first byte of the file that is not stored."""
        first = self.done.at(0)
        return first.end if first is not None else 0

    def stored_bytes(self) -> int:
        """Bytes of the file that are stored, or just being stored."""
        leases = {id(w.lease): w.lease for w in self.workers.values() if w.lease is not None}
        return self.done.total + sum(lease.frontier - lease.start for lease in leases.values())

    def release(self, worker: Worker) -> None:
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

    # --- connections -----------------------------------------------------------------------------------------

    def busy(self) -> Iterator[Worker]:
        return (w for w in self.workers.values() if w.phase in (Phase.ASKED, Phase.FLOWING))

    def wait_of(self, worker: Worker, now: float) -> float:
        """Seconds until the head of its answer comes, most likely: as usual, or, where it is late, as long again."""
        return abs(worker.since + self.sources[worker.source].delay - now) if worker.phase is Phase.ASKED else 0.0

    def slot(self) -> Worker:
        """A worker that has nothing to do, a new one if there is none."""
        for worker in self.workers.values():
            if worker.phase is Phase.IDLE:
                return worker
        worker = Worker(len(self.workers))
        self.workers[worker.id] = worker
        return worker

    def idle_worker(self, source: Source) -> Worker:
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
        return min(idle, key=far) if idle else self.slot()

    def surplus(self, worker: Worker) -> bool:
        """Whether there are more connections to the worker's source than it may have by now."""
        source = self.sources[worker.source]
        busy = list(self.busy())
        mine = sum(1 for w in busy if w.source == source.id)
        on_host = sum(1 for w in busy if self.sources[w.source].host == source.host)
        allowed = self.growth.allowed if self.growth is not None else 1
        own = 0 if worker.phase in (Phase.ASKED, Phase.FLOWING) else 1
        count = sum(1 for w in busy if not self._extra(w))
        return mine + own > source.limit or on_host + own > self.host_share or count + own > allowed

    def _extra(self, worker: Worker) -> bool:
        """Whether a connection does not count: a mapped source on trial, unless the user said how many there may be."""
        return self.limits.connections is None and self.sources[worker.source].on_trial

    def spared(self, source: Source, now: float) -> bool:
        """Whether a source is a last resort, and others serve: bytes come, or will soon, and not far too few."""
        if not source.last_resort:
            return False
        others = [
            worker
            for worker in self.busy()
            if not self.sources[worker.source].last_resort
            and self.sources[worker.source].served
            and now - max(worker.last, worker.since) < plan.QUIET
        ]
        rates = [worker.rate for worker in others if worker.rate is not None]
        return bool(others) and (len(rates) < len(others) or sum(rates) >= (source.rate or 0.0) * source.most / 8)

    def free_source(self, now: float, *, trials: bool = False, but: Collection[int] = ()) -> Source | None:
        """The source for one more connection: the one whose connections bring most, after those not tried yet.
        `trials`: only one whose connection does not count; `but`: none of these."""
        busy = [w for w in self.workers.values() if w.phase is not Phase.IDLE]  # who is being stopped counts
        cut = self._cut_lately(now)
        best: tuple[float, int] | None = None
        for source in self.sources:
            if source.error is not None or now < source.ready or source.ranges is False or self.spared(source, now):
                continue
            if (trials and not source.on_trial) or source.id in but:
                continue
            mine = sum(1 for w in busy if w.source == source.id)
            on_host = sum(1 for w in busy if self.sources[w.source].host == source.host)
            on_host += sum(1 for id_ in cut if self.sources[id_].host == source.host)
            unproved = source.mapped and source.rate is None  # a head alone brings nothing
            in_doubt = source.fails or not source.met or unproved or now < source.more
            if mine >= source.limit or on_host >= self.host_share or (mine and in_doubt):
                continue  # whom nobody knows, or who has failed, is asked by one connection until it answers
            if self._is_full(source, now):
                continue
            worth = (source.rate if source.rate is not None else 1e12) / (mine + 1)
            if best is None or worth > best[0]:
                best = (worth, source.id)
        return self.sources[best[1]] if best is not None else None

    def is_late(self, worker: Worker, now: float) -> bool:
        """Whether the answer should have come long ago, by all answers of its source so far and by what connecting,
        TLS and asking take. Where one takes a second, the next may take three."""
        source = self.sources[worker.source]
        patience = max(plan.LATE, 4 * source.longest, 6 * source.rtt)
        return worker.phase is Phase.ASKED and not worker.hurried and now - worker.since > patience

    def _is_full(self, source: Source, now: float) -> bool:
        """Whether a connection waits in vain for its answer while as many as ever are served: one more would too."""
        mine = [worker for worker in self.busy() if worker.source == source.id]
        late = sum(1 for worker in mine if self.is_late(worker, now))
        return late > 0 and len(mine) - late >= source.most

    def in_use(self, now: float) -> int:
        """Connections that are in use, or that a server may still count."""
        active = sum(1 for w in self.workers.values() if w.phase is not Phase.IDLE and not self._extra(w))
        return active + len(self._cut_lately(now))

    def _cut_lately(self, now: float) -> list[int]:
        """Sources of connections that were closed in mid-body a moment ago: the server may not know it yet, and would
        see more connections than it was promised."""
        self.cuts = [cut for cut in self.cuts if now - cut[0] < plan.LINGER]
        return [source for _, source in self.cuts]

    def no_ranges_left(self) -> bool:
        return all(s.error is not None or s.ranges is False for s in self.sources)

    # --- requests --------------------------------------------------------------------------------------------

    def ask(self, worker: Worker, source: Source, lease: Lease, end: int | None, now: float) -> Fetch:
        if worker.source != source.id:
            worker.forget()
        worker.source = source.id
        worker.phase = Phase.ASKED
        worker.lease = lease
        worker.offset = lease.frontier
        worker.asked_end = end
        worker.since = worker.last = now
        worker.progressed = worker.hurried = False
        lease.shared = lease.shared or bool(lease.holders)
        lease.holders.append(worker.id)
        before = self.doubtful.at(lease.frontier - 1) if lease.frontier else None
        if before is not None:
            worker.offset = max(before.start, lease.frontier - self.overlap)
        return Fetch(worker.id, source.id, worker.offset, end, True)

    def ask_whole(self, worker: Worker, source: Source, now: float) -> Fetch:
        """A plain stream from byte 0. Bytes that are stored up to the first gap are kept and compared as they pass."""
        front = self._front()
        end = self.size if self.size is not None else UNKNOWN_END
        self.wasted += self.done.total - front
        self.done = RangeSet()
        self.pool = RangeSet()
        self.ask(worker, source, Lease(0, end, front), None, now)
        worker.offset = 0
        return Fetch(worker.id, source.id, 0, None, False)
