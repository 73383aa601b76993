"""Which connections are opened: the first contact, then as many as are allowed and find work."""

from __future__ import annotations

from collections.abc import Sequence

from fastdl.core import plan
from fastdl.core.flow import ByteFlow
from fastdl.core.orders import Finish, Instruction
from fastdl.core.ranges import RangeSet
from fastdl.core.state import UNKNOWN_END, Lease, Limits, Phase, Source


class Dispatch(ByteFlow):
    """Gives requests to idle workers."""

    def __init__(self, hosts: Sequence[str], limits: Limits) -> None:
        super().__init__(hosts, limits)
        self.confirmed = False  # a source has shown which object this is

    def start(self, now: float, size: int | None = None, done: RangeSet | None = None) -> list[Instruction]:
        """Begin, with what an earlier run left if it left something."""
        self.size = size
        self.done = done or RangeSet()
        self.doubtful = RangeSet(self.done) if self.overlap else RangeSet()
        if size is not None:
            self.pool = self.done.missing(size)
            if not self.pool:
                self.over = True
                return [Finish()]
        return self.contact(now)

    def contact(self, now: float) -> list[Instruction]:
        """Ask the next source which object there is; the range asked for is useful in itself."""
        if self.resting:
            return []
        if not self.single and self.no_ranges_left():
            self.single = True
        busy = list(self.busy())
        if busy and (self.single or len(busy) >= (self.limits.connections or plan.MOST_CONNECTIONS)):
            return []
        for source in self.sources:
            if self._may_contact(source, now):
                worker = self.idle_worker(source)
                gap = self.pool.first()
                if self.single:
                    return [self.ask_whole(worker, source, now)]
                if self.size is not None and (gap is None or self.doubtful):
                    for rival in busy:  # the same range as the one who does not answer
                        if rival.lease is not None:
                            return [self.ask(worker, source, rival.lease, rival.lease.end, now)]
                if gap is None:
                    start, end = 0, None
                else:
                    size = plan.guided(source.rate, self.pool.total, 0.25, self.limits.min_split or plan.MIN_SPLIT)
                    start, end = gap.start, min(gap.end, gap.start + size)
                    if self.limits.connections == 1:
                        end = gap.end
                    if source.mapped:
                        end = min(end, start + plan.TRIAL)
                lease = Lease(start, UNKNOWN_END if end is None else end, start)
                if end is not None:
                    self.pool.remove(start, end)
                return [self.ask(worker, source, lease, end, now)]
        return []

    def _may_contact(self, source: Source, now: float) -> bool:
        """Whether a source may be asked which object there is."""
        if source.error is not None or now < source.ready or (source.ranges is False and not self.single):
            return False
        active = [w for w in self.workers.values() if w.phase is not Phase.IDLE]
        on_host = sum(1 for w in active if self.sources[w.source].host == source.host)
        return on_host < self.host_share and all(w.source != source.id for w in active)

    def expand(self, now: float) -> list[Instruction]:
        """Give work to idle workers, and open connections as far as they are allowed and find work."""
        if self.over or self.resting:
            return []
        if not self.confirmed:
            return [] if any(True for _ in self.busy()) else self.contact(now)
        if self.single:
            return self._expand_single(now)
        instructions: list[Instruction] = []
        allowed = self.growth.allowed if self.growth is not None else 1
        useless: set[int] = set()  # the best source may find nothing to do where another one does
        while self.in_use(now) < allowed and (source := self.free_source(now, but=useless)) is not None:
            fetch = self.work_for(source, now)
            if fetch is None:
                useless.add(source.id)
            else:
                instructions.append(fetch)
        instructions += self._try_out(now)
        if not instructions and not any(True for _ in self.busy()) and self.no_ranges_left():
            self.single = True
            return self._expand_single(now)
        return instructions

    def _try_out(self, now: float) -> list[Instruction]:
        """Mapped sources that nobody has met yet are asked beside the connections that are allowed."""
        instructions: list[Instruction] = []
        while self.limits.connections is None and (source := self.free_source(now, trials=True)) is not None:
            fetch = self.work_for(source, now)
            if fetch is None:
                break
            instructions.append(fetch)
        return instructions

    def _expand_single(self, now: float) -> list[Instruction]:
        if any(w.phase is not Phase.IDLE for w in self.workers.values()):
            return []
        for source in self.sources:
            if source.error is None and now >= source.ready:
                return [self.ask_whole(self.idle_worker(source), source, now)]
        return []

    # --- what changes who may be asked ---------------------------------------------------------------------

    def join(self, host: str, now: float) -> list[Instruction]:
        """A mapped source may be used from now on. It is tried with a small range that is useful anyway, and gets more
        by the rate that it shows."""
        self.sources.append(Source(len(self.sources), host, mapped=True))
        return self.expand(now) if self.confirmed else []

    def wake(self, overlap: int, now: float) -> list[Instruction]:
        """Whoever was `resting` goes on. `overlap` is 0 where a strong validator tells whether it is still the same
        file; else so many bytes before each gap come again, and have to be those that are stored."""
        self.resting = False
        self.overlap = overlap
        self.doubtful = RangeSet(self.done) if overlap else RangeSet()
        return self.expand(now)

    def recall(self, source: int, connections: int, now: float) -> None:
        """An earlier download has met the limit of this source. It is believed for a while, then tried again."""
        known = self.sources[source]
        known.limit = min(known.limit, connections)
        known.again = max(known.again, now + plan.RECALLED)
