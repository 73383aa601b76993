"""How an idle connection gets its work.

It takes a range off the front of the queue; when the queue is empty it steals from the worker that needs longest, and
when there is nothing to steal it fetches the last pieces of a slow one as well (a hedge).
"""

from __future__ import annotations

from collections.abc import Iterator

from fastdl.core import health, plan
from fastdl.core.orders import Fetch
from fastdl.core.queue import WorkQueue
from fastdl.core.ranges import Range, RangeSet
from fastdl.core.state import UNKNOWN_END, Lease, Phase, Source, Worker


class WorkSharing(WorkQueue):
    """The work queue with its three ways to get at work."""

    def work_for(self, source: Source, now: float, worker: Worker | None = None) -> Fetch | None:
        worker = worker or self.idle_worker(source)
        held = worker.source == source.id
        probe = Worker(worker.id, source.id, rate=worker.rate if held else None)
        piece = self.take(probe, source)
        if piece is None and held and worker.connected and health.reclaim(self, source, now):
            piece = self.take(probe, source)
        if piece is not None:
            return self.ask(worker, source, Lease(piece.start, piece.end, piece.start), piece.end, now)
        latency = max(source.rtt * (1 if held else 3), source.delay)
        stolen = self._steal(source, latency, now)
        if stolen is not None:
            return self.ask(worker, source, stolen, stolen.end, now)
        lease = self._hedge(source, latency, now)
        if lease is not None:
            return self.ask(worker, source, lease, lease.end, now)
        return None

    # --- off the queue ---------------------------------------------------------------------------------------

    def take(self, worker: Worker, source: Source) -> Range | None:
        """Cut the worker's next range off the front of the queue."""
        piece = self._gap(source)
        if piece is None or piece.start >= self.horizon or source.ranges is False:
            return None
        size = self.chunk(worker, source, piece)
        end = min(piece.end, piece.start + size, max(self.horizon, piece.start + 1))
        self.pool.remove(piece.start, end)
        return Range(piece.start, end)

    def _gap(self, source: Source) -> Range | None:
        """The first missing range that a source may fetch."""
        if not self.kept_from(source, 0, UNKNOWN_END):
            return self.pool.first()
        for piece in self.pool:
            open_to_all = RangeSet([piece])
            for start, end in self.disputed:
                open_to_all.remove(start, end)
            if open_to_all:
                return open_to_all.first()
        return None

    def kept_from(self, source: Source, start: int, end: int) -> bool:
        """Whether part of [start, end) is for the origin alone; while it is of no use, for anybody."""
        origin = self.sources[0]
        usable = origin.error is None and origin.ranges is not False
        return source.mapped and usable and self.disputed.overlaps(start, end)

    def chunk(self, worker: Worker, source: Source, piece: Range) -> int:
        rate = worker.rate or source.rate
        if source.mapped and rate is None:
            return plan.TRIAL
        busy = list(self.busy())
        sources = [w.rate for w in busy if w.rate is not None and w.id != worker.id]
        count = max(len(busy), self._usable())
        if count == 1:
            return piece.size  # nobody to share it with; who comes later may steal
        mean = sum(sources) / len(sources) if sources else rate
        share = 1 / count
        if rate and mean:
            share = min(1.0, rate / (rate + mean * (count - 1)))
        floor = self.limits.min_split or (plan.floor_for(rate, None) if rate else plan.MIN_SPLIT)
        size = plan.guided(rate, self.pool.total, share, floor)
        return piece.size if piece.size - size < floor else size

    def _usable(self) -> int:
        """How many connections there may be at once, by all limits together."""
        hosts: dict[str, int] = {}
        for source in self.sources:
            if source.error is None and source.ranges is not False:
                hosts[source.host] = min(hosts.get(source.host, 0) + source.limit, self.host_share)
        return min(sum(hosts.values()), self.growth.allowed if self.growth is not None else 1)

    def _rate_of(self, source: Source) -> float | None:
        if source.rate is not None:
            return source.rate
        rates = [w.rate for w in self.busy() if w.rate is not None]
        return sum(rates) / len(rates) if rates else None

    # --- from others -----------------------------------------------------------------------------------------

    def _victims(self, now: float) -> list[tuple[float, Worker, Lease]]:
        """Workers that hold a range alone, with the seconds they still need for it, the longest first. A rate falls
        slowly where a connection is suddenly slow; who is late already will need as long again, most likely."""
        found = []
        for worker in self.busy():
            lease = worker.lease
            if lease is None or lease.end == UNKNOWN_END or lease.left <= 0 or len(lease.holders) != 1:
                continue
            if worker.rate is None and worker.phase is Phase.FLOWING and now - worker.last < plan.FIRST_BYTE:
                continue
            seconds = self.wait_of(worker, now) + lease.left / max(worker.rate or 0.0, 1.0)
            found.append((max(seconds, now - lease.due), worker, lease))
        return sorted(found, key=lambda item: -item[0])

    def _steal(self, source: Source, latency: float, now: float) -> Lease | None:
        """Part of the range of the worker that needs longest, cut where both will end at the same time."""
        rate = self._rate_of(source)
        if rate is None or rate <= 0:
            return None
        for seconds, victim, lease in self._victims(now):
            if victim.queued is not None or lease.end > self.horizon:
                continue  # who has sent its next request must read this body to its end
            if not self._may_help(source, victim, latency, now) or self.kept_from(source, lease.start, lease.end):
                continue
            slow = max(victim.rate or 0.0, 1.0)
            if victim.phase is Phase.FLOWING and now - victim.begun < source.thought:
                continue  # what it has shown so far is its slow start
            if source.on_trial:
                part = min(plan.TRIAL, lease.left // 4)
                if part < plan.SMALLEST:
                    continue
                return self._cut(lease, part)
            part = plan.split(lease.left, slow, rate, latency)
            # Between equals a small steal costs a connection and gains little; off a slow one it empties the tail.
            floor = plan.floor_for(0.0 if rate > 2 * slow else min(rate, slow * 8), self.limits.min_split)
            if lease.left < 2 * floor:
                continue
            part = min(max(part, floor), lease.left - floor)
            if seconds - max((lease.left - part) / slow, latency + part / rate) < max(0.05, 2 * latency):
                continue
            return self._cut(lease, part)
        return None

    def _may_help(self, source: Source, victim: Worker, latency: float, now: float) -> bool:
        """Whether a worker flows, or has been waited for long enough, by a source that is known to do better."""
        if victim.phase is Phase.FLOWING:
            return True
        asked = self.sources[victim.source]
        waited = now - victim.since
        if source.rate is None or waited < (plan.TRIAL_RIVAL if asked.on_trial else max(0.5, 4 * latency)):
            return False
        return waited > 2 * asked.delay or asked.delay - waited > 2 * latency

    def read_on(self, worker: Worker, lease: Lease, now: float) -> None:
        """A worker is at the end of its range, and its body goes on. If that brings the next range no later than
        whoever has asked for it and has no answer yet, that one is not needed."""
        if lease.shared or worker.queued is not None or self.surplus(worker):
            return
        for other in self.busy():
            if other.phase is Phase.ASKED and other.lease is not None and other.lease.start == lease.end:
                kept = self.kept_from(self.sources[worker.source], other.lease.start, other.lease.end)
                if not kept and self._is_sooner(worker, other, other.lease, now):
                    self.release(other)
                    self.unneeded.append(other)
                return

    def _is_sooner(self, worker: Worker, other: Worker, beyond: Lease, now: float) -> bool:
        end = self.size if worker.asked_end is None else worker.asked_end
        if beyond.shared or beyond.frontier != beyond.start or other.hurried or end is None or beyond.end > end:
            return False
        source = self.sources[other.source]
        if not source.met:
            return False  # its answer tells more than its range is worth
        rate = max(worker.rate or worker.counted / max(now - worker.measured, 0.001), 1.0)
        return beyond.left / rate <= self.wait_of(other, now) + beyond.left / max(source.rate or rate, 1.0)

    def _cut(self, lease: Lease, part: int) -> Lease:
        """The last `part` bytes of a lease as a lease of their own."""
        stolen = Lease(lease.end - part, lease.end, lease.end - part)
        lease.end -= part
        return stolen

    def _hedge(self, source: Source, latency: float, now: float) -> Lease | None:
        """The range of a worker that would need at least twice as long as this source for its rest."""
        rate = self._rate_of(source)
        if rate is None or self.size is None:
            return None
        if rate * 4 < max((s.rate or 0.0 for s in self.sources if s.error is None), default=0.0):
            return None  # a lease has two holders at most: a place beside a slow one is for a fast one
        spent = self.repeated + sum(self._at_risk())
        for seconds, victim, lease in self._victims(now):
            if not self._may_help(source, victim, latency, now) or self.kept_from(source, lease.start, lease.end):
                continue
            silent = victim.silence(now) > plan.STALL
            budget = plan.rescue_budget(self.size) if silent else plan.waste_budget(self.size)
            needed = latency + lease.left / max(rate, 1.0)
            twice = float(lease.left)
            if victim.rate is not None and victim.rate * plan.CRAWL < rate:  # it brings next to nothing meanwhile
                twice = min(twice, 2 * victim.rate * needed)
            if seconds > max(0.2, 2 * needed) and twice <= budget - spent:
                return lease
        return None

    def _at_risk(self) -> Iterator[int]:
        """For each range that two fetch: how many bytes may still come twice."""
        for lease in {id(w.lease): w.lease for w in self.workers.values() if w.lease is not None}.values():
            if len(lease.holders) > 1:
                yield max(0, lease.end - min(self.workers[holder].offset for holder in lease.holders))

    # --- giving back ----------------------------------------------------------------------------------------

    def shrink(self) -> None:
        """The machine is short of memory: half of the connections. Who is beyond that ends soon, the slowest first."""
        if self.growth is None:
            return
        self.growth.shrink()
        busy = sorted(self.busy(), key=lambda worker: worker.rate or 0.0)
        for worker in busy[: max(0, len(busy) - self.growth.allowed)]:
            self.cut_short(worker)

    def cut_short(self, worker: Worker) -> None:
        """All but the next piece of the worker's range goes back to the queue."""
        lease = worker.lease
        if lease is None or worker.queued or lease.shared:
            return
        stop = lease.frontier + plan.TRIAL
        if worker.phase is Phase.FLOWING and lease.end != UNKNOWN_END and stop < lease.end:
            self.pool.add(stop, lease.end)
            lease.end = stop
