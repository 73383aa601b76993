"""What must hold at every step of a download, whatever the network does (invariants: docs/architecture.md)."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from fastdl.core import plan, retry
from fastdl.core.orders import Abort, Failure, Fault, Fetch, Finish, GiveUp, Instruction, Placement, Restart
from fastdl.core.ranges import Range, RangeSet
from fastdl.core.scheduler import Scheduler
from fastdl.core.state import UNKNOWN_END, Limits, Phase, Source, Worker
from fastdl.errors import NetworkError

if TYPE_CHECKING:
    from simulation.clock import Clock
    from simulation.content import Disk

_BUSY = (Phase.ASKED, Phase.FLOWING)


class Watch:
    """Stands between the simulated shell and the scheduler, and looks at every event. Raises AssertionError."""

    def __init__(self, core: Scheduler, clock: Clock, disk: Disk, limits: Limits) -> None:
        self.core = core
        self.clock = clock
        self.disk = disk
        self.limits = limits
        self.fetches = 0  # requests, pipelined ones excepted
        self.pipelined = 0
        self.connects: Counter[int] = Counter()  # by source
        self.aborts = 0
        self.not_before: dict[int, float] = {}  # by source: the end of its Retry-After
        self.stopping: set[int] = set()
        self._done, self._pool = RangeSet(), RangeSet()  # as they were at the last look
        self._leases: list[Range] = []
        self.in_vain: Counter[int] = Counter()  # by source: failures since its last new byte
        self.beside: Counter[int] = Counter()  # the same while others were served
        self.faults: Counter[Fault] = Counter()
        self.hedge_waste = 0  # bytes that two fetched
        self.abort_waste = 0  # bytes that came after nobody wanted them
        self.overrun_waste = 0  # bytes behind the end of a lease that was cut
        self.compared = 0  # bytes fetched again on purpose
        self.out: set[int] = set()  # mapped sources whose trial has failed
        self.dropped = 0  # bytes of pieces that were wrong

    # --- blocks ------------------------------------------------------------------------------------------

    def arrived(self, worker_id: int, count: int, at: int) -> Placement:
        """A block that begins at byte `at` of the file came."""
        core = self.core
        worker = core.workers[worker_id]
        lease, flows = worker.lease, worker.phase is Phase.FLOWING
        shared = lease is not None and len(lease.holders) > 1
        placement = core.arrived(worker_id, count, self.clock.now)
        assert not flows or placement.offset == at, f"byte {at} was taken for byte {placement.offset}"
        assert placement.known >= 0 and placement.keep >= 0
        assert placement.known + placement.keep <= count
        if lease is None or not flows:
            assert placement.keep == 0, "a block was stored that belongs to no lease"
            self.abort_waste += count
            return placement
        assert lease.settled <= lease.frontier <= lease.end, f"the frontier left its lease: {lease}"
        self.overrun_waste += count - placement.known - placement.keep
        if shared:
            self.hedge_waste += placement.known
        else:
            self.compared += placement.known
        if placement.keep:
            self.in_vain[worker.source] = self.beside[worker.source] = 0
        return placement

    def stored(self, worker_id: int) -> bool:
        """The block is on the disk."""
        complete = self.core.stored(worker_id)
        lease = self.core.workers[worker_id].lease
        if lease is not None:
            assert lease.pending >= 0, f"more blocks stored than came: {lease}"
        return complete

    # --- other events ------------------------------------------------------------------------------------

    def queue_next(self, worker_id: int) -> Range | None:
        """A worker asks for its next range before the current one is over."""
        piece = self.core.queue_next(worker_id, self.clock.now)
        if piece is not None:
            assert piece.size > 0, "an empty range was queued"
            self.pipelined += 1
            self._adds_up()
        return piece

    def connected(self, source: int) -> None:
        """A connection was opened."""
        self.connects[source] += 1

    def failed(self, worker_id: int, source: int, failure: Failure) -> None:
        """A worker is about to report a failure."""
        self.faults[failure.fault] += 1
        if failure.fault in (Fault.ABORTED, Fault.NO_SLOT, Fault.CHANGED):
            return
        worker = self.core.workers[worker_id]
        if failure.wait is not None and not any(w.source == source and w is not worker for w in self._busy()):
            wait = min(failure.wait, retry.LONGEST_RETRY_AFTER)
            self.not_before[source] = max(self.not_before.get(source, 0.0), self.clock.now + wait)
        if worker.phase is Phase.STOPPING or worker.progressed or self.core.over:
            return
        if self.core.sources[source].mapped and not self.core.sources[source].served:
            self.out.add(source)
        if worker.hurried and isinstance(failure.error, NetworkError):
            return  # the server cannot do with requests that come early, which says nothing about the others
        beside = any(w.source == source and w.phase is Phase.FLOWING for w in self.core.workers.values())
        counter = self.beside if beside else self.in_vain
        counter[source] += 1
        # Connections that were under way when the first of them failed may fail as well; a redirect's target that has
        # expired is looked up again at once. While others are served, one more is tried ever more rarely.
        most = self.limits.per_host + (8 if beside else self.limits.retries + 2)
        assert counter[source] <= most, f"source {source} failed {counter[source]} times without a new byte"

    def _busy(self) -> list[Worker]:
        return [worker for worker in self.core.workers.values() if worker.phase in _BUSY]

    def step(self, instructions: list[Instruction]) -> None:
        """The scheduler has answered an event."""
        core = self.core
        assert all(core.sources[source].error is not None for source in self.out), "a mirror on trial failed and stays"
        stopping = {w.id for w in core.workers.values() if w.phase is Phase.STOPPING}
        told = {instruction.worker for instruction in instructions if isinstance(instruction, Abort)}
        assert stopping - self.stopping <= told, f"workers {stopping - self.stopping - told} are not told to stop"
        self.stopping = stopping
        for index, instruction in enumerate(instructions):
            if isinstance(instruction, Fetch):
                self._fetch(instruction)
            elif isinstance(instruction, Abort):
                self.aborts += 1
                assert core.workers[instruction.worker].phase is Phase.STOPPING or core.over
            elif isinstance(instruction, Finish | GiveUp | Restart):
                assert index == len(instructions) - 1, f"{instruction} is not the last word: {instructions}"
                assert core.over, f"{instruction}, and yet it is not over"
                if isinstance(instruction, Finish):
                    self._whole()
                else:
                    return  # what a worker had taken charge of when it found that the file is another one is lost
        self._adds_up()

    def _fetch(self, fetch: Fetch) -> None:
        core = self.core
        worker = core.workers[fetch.worker]
        source = core.sources[fetch.source]
        self.fetches += 1
        assert worker.phase is Phase.ASKED and worker.source == fetch.source
        assert fetch.end is None or fetch.end > fetch.start, f"an empty range: {fetch}"
        assert source.error is None, f"a source is asked that was given up: {fetch}"
        assert self.clock.now >= source.ready, f"a source is asked before its time: {fetch}"
        busy = self._busy()
        most = core.growth.allowed if core.growth is not None else self.limits.connections or plan.MOST_CONNECTIONS
        if source.on_trial and self.limits.connections is None:
            most += sum(1 for each in core.sources if each.mapped)  # whoever is on trial is asked beside the others
        counted = [w for w in busy if self.limits.connections is not None or not core.sources[w.source].on_trial]
        assert len(counted) <= most, f"{len(counted)} connections where {most} are allowed"
        if source.on_trial:
            asking = [w.id for w in busy if w.source == source.id]
            assert asking == [worker.id], f"{source.host} has not answered yet and is asked again"
            assert fetch.end is None or fetch.end - fetch.start <= plan.TRIAL + core.overlap or self._beside(worker), (
                f"{fetch}"
            )
        if source.last_resort and fetch.ranged and core.confirmed:
            assert not self._served_well(source), f"the last resort is asked though another source serves: {fetch}"
        on_host = sum(1 for w in busy if core.sources[w.source].host == source.host)
        assert on_host <= core.host_share, f"{on_host} connections to {source.host} where {core.host_share} are allowed"
        assert self.clock.now >= self.not_before.get(fetch.source, 0.0), f"asked before its Retry-After: {fetch}"
        if core.confirmed and fetch.ranged and fetch.end is not None:
            assert fetch.end <= max(core.horizon, fetch.start + 1), f"{fetch} goes beyond {core.horizon}"
        if not fetch.ranged:
            self.disk.keep_only(core.workers[fetch.worker].lease.frontier)  # type: ignore[union-attr]

    def _served_well(self, last_resort: Source) -> bool:
        """Whether another source brings bytes at this moment, and not at a crawl."""
        now = self.clock.now
        flowing = [w for w in self.core.workers.values() if w.phase is Phase.FLOWING and now - w.last < 0.5]
        others = [w for w in flowing if not self.core.sources[w.source].last_resort]
        return any((worker.rate or 0.0) >= max(1.0, last_resort.rate or 0.0) for worker in others)

    def _beside(self, worker: Worker) -> bool:
        """Whether a worker was sent after the range of another one."""
        return worker.lease is not None and len(worker.lease.holders) > 1

    # --- pieces ------------------------------------------------------------------------------------------

    def wrong(self, senders: list[int], bad: list[Range]) -> list[Instruction]:
        """Pieces are wrong: they are no longer stored, and missing again."""
        for start, end in bad:
            for begin, stop in [] if self.core.over else list(self.core.done):
                begin, stop = max(begin, start), min(stop, end)
                if begin < stop:
                    self.dropped += stop - begin
                    self.disk.forget(begin, stop)
        return self.core.distrust(senders, bad, self.clock.now)

    # --- the ranges --------------------------------------------------------------------------------------

    def _adds_up(self) -> None:
        """Done, in flight and missing are the file, without overlap; what is done is on the disk."""
        core = self.core
        leases: list[Range] = []
        seen: set[int] = set()
        for worker in core.workers.values():
            for lease in (worker.lease, worker.queued):
                if lease is None or id(lease) in seen:
                    continue
                seen.add(id(lease))
                assert worker.phase is not Phase.IDLE, f"worker {worker.id} does nothing and holds {lease}"
                assert worker.id in lease.holders, f"worker {worker.id} does not hold its lease {lease}"
                assert lease.settled <= lease.frontier <= lease.end, f"the frontier left its lease: {lease}"
                leases.append(Range(lease.start, lease.end))
        front = core.front()
        assert self.disk.written.holds(0, front), f"the front is at {front}, and not all below it is on the disk"
        same = core.done == self._done
        if not same:
            self._done = RangeSet(core.done)
            for start, end in core.done:
                assert self.disk.written.holds(start, end), f"bytes {start}-{end} count as done and are not on the disk"
        if same and core.pool == self._pool and leases == self._leases:
            return  # nothing has moved since the last look
        self._pool, self._leases = RangeSet(core.pool), leases
        if core.size is None or any(end == UNKNOWN_END for _, end in leases):
            return
        reached = 0
        for start, end in sorted([*core.done, *core.pool, *leases]):
            if start != end:
                assert start == reached, f"bytes {min(start, reached)}-{max(start, reached)} are lost or held twice"
                reached = end
        assert reached == core.size, f"the ranges end at {reached}, the file at {core.size}"

    def _whole(self) -> None:
        core = self.core
        assert core.size is not None and core.done.total == core.size, "it ends before all is done"
        if core.size:
            assert self.disk.written.holds(0, core.size), "it ends before all is on the disk"

    def end(self, outcome: Finish | Restart | GiveUp, accepted: int | None) -> None:
        """The attempt is over."""
        core, disk = self.core, self.disk
        if not isinstance(outcome, Finish):
            return
        size = core.size
        assert size is not None
        assert accepted in (None, size), f"the file was laid out for {accepted} bytes and has {size}"
        if size == 0:
            return
        assert disk.written.missing(size).total == 0, "bytes are missing"
        assert disk.of_known_source().holds(0, size), "there are bytes of unknown source"
        versions = {number for number, pieces in disk.by_version.items() if pieces.overlaps(0, size)}
        assert len(versions) == 1, f"the file is mixed of the versions {sorted(versions)}"
        budget = plan.rescue_budget(size)
        assert self.hedge_waste <= budget, f"hedging wasted {self.hedge_waste} of {size} bytes"
