"""What becomes of the bytes that come: where they belong, which of them are new, how fast they come, and when the next
request may go out. `core/scheduler` decides what follows from it."""

from __future__ import annotations

from collections.abc import Sequence

from fastdl.core import plan
from fastdl.core.orders import Placement
from fastdl.core.ranges import Range, RangeSet
from fastdl.core.sharing import WorkSharing
from fastdl.core.state import UNKNOWN_END, Lease, Limits, Phase, Worker


class ByteFlow(WorkSharing):
    """The work queue with its connections' bodies."""

    def __init__(self, hosts: Sequence[str], limits: Limits) -> None:
        super().__init__(hosts, limits)
        self.over = False
        self.heard = 0.0  # when a byte last came, on whatever connection

    def arrived(self, worker_id: int, count: int, now: float) -> Placement:
        """`count` body bytes came; the answer says which of them to store, and takes charge of those."""
        worker = self.workers[worker_id]
        lease = worker.lease
        offset = worker.offset
        worker.offset = offset + count
        if now - worker.last > plan.PAUSE:
            worker.paused(now - worker.last)
        worker.last = self.heard = now
        worker.counted += count
        self.compared(worker)
        if lease is None or worker.phase is not Phase.FLOWING:
            self.wasted += count
            return Placement(offset, 0, 0, False)
        if offset + count >= lease.end:
            self.read_on(worker, lease, now)
        if offset + count > lease.end:
            self._stretch(worker, lease, offset + count)
        end = min(offset + count, lease.end)
        known = max(0, min(end, lease.frontier) - offset)
        keep = max(0, end - max(offset, lease.frontier))
        if known and len(lease.holders) > 1 and self.repeated + known > plan.rescue_budget(self.size or 0):
            lease.holders.remove(worker_id)  # the one that was as good as silent has woken up: one of them is enough
            worker.lease = None
            self.wasted += count
            return Placement(offset, 0, 0, False)
        self.wasted += count - keep
        self.repeated += known if lease.shared else 0
        # What went out in order cannot be compared, and a hedge alone is no reason to doubt it.
        ordered = self.horizon != UNKNOWN_END
        comparable = lease.pending == 0 and not (ordered and lease.shared)
        if known and offset < lease.start:  # what was found to be wrong meanwhile is no standard
            comparable = comparable and self.done.holds(offset, min(end, lease.start))
        worker.comparing = bool(self.doubtful) and known > 0 and comparable and offset < lease.start
        if keep:
            lease.frontier += keep
            lease.pending += 1
            source = self.sources[worker.source]
            if worker.since >= source.failed:  # an older body says nothing about new requests
                source.fails = 0
            source.served = True
            worker.progressed = True
        return Placement(offset, known, keep, comparable)

    def compared(self, worker: Worker) -> None:
        """The worker goes on: bytes that it compared were the same, and vouch for what an earlier run left."""
        if worker.comparing:
            worker.comparing = False
            self.doubtful = RangeSet()

    def _stretch(self, worker: Worker, lease: Lease, reached: int) -> None:
        """A block goes beyond the end of its lease: it takes what is behind it along, if nobody else has that."""
        piece = self.pool.at(lease.end)
        kept = self.kept_from(self.sources[worker.source], lease.end, reached)
        if piece is not None and lease.holders == [worker.id] and lease.end < self.horizon and not kept:
            stop = min(piece.end, reached)
            self.pool.remove(lease.end, stop)
            lease.end = stop

    def stored(self, worker_id: int) -> bool:
        """The last placement's bytes are on disk; true when that completes the worker's lease."""
        self.compared(self.workers[worker_id])
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
        if self.over or source.error is not None or self.surplus(worker):
            return None
        piece = self.take(worker, source)
        if piece is None:
            return None
        worker.queued = Lease(piece.start, piece.end, piece.start, [worker_id])
        return piece

    def first_rate(self, worker: Worker, now: float) -> None:
        """A range that was over before the first tick tells a rate too."""
        lease = worker.lease
        if lease is not None and not worker.rate and lease.holders == [worker.id]:
            worker.rate = (lease.frontier - lease.start) / max(now - worker.since, 0.001)
            source = self.sources[worker.source]
            if source.mapped and source.rate is None and worker.rate:
                source.rate = worker.rate

    def measure(self, now: float) -> None:
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
            lease = worker.lease
            if lease is not None and 0 < lease.left < worker.rate * plan.NEAR_END:
                lease.due = min(lease.due, now + lease.left / worker.rate)
            source = self.sources[worker.source]
            if current > 0:
                source.rate = current if source.rate is None else source.rate + 0.2 * (worker.rate - source.rate)
