"""The work-stealing queue: which connection fetches which bytes, and what happens when one of them fails.

A pure state machine. The shell reports what happened (`opened`, `arrived`, `stored`, `ended`, `failed`, `tick`) with
the clock's value, and carries out the instructions that come back. Nothing here waits, reads a clock or touches a
socket, so a whole download runs in a simulator with a virtual clock (tests/simulation).

A *lease* is a range that one worker fetches (two, while it is hedged). Its frontier is the first byte that nobody has
taken charge of yet: every byte below it is stored or just being stored, whoever brought it, so bytes that come twice
are seen when they come. Stealing lowers the end of a lease; the victim stops there by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fastdl.core import health, plan
from fastdl.core.dispatch import Dispatch
from fastdl.core.orders import Abort, Failure, Fault, Finish, GiveUp, Instruction, Read, Restart
from fastdl.core.ranges import Range, RangeSet
from fastdl.core.state import UNKNOWN_END, Lease, Limits, Phase, Source, Worker
from fastdl.errors import DigestMismatch


class Scheduler(Dispatch):
    """One attempt at one file. `jitter` gives uniform numbers in [0, 1)."""

    def __init__(self, hosts: Sequence[str], limits: Limits, jitter: Callable[[], float]) -> None:
        super().__init__(hosts, limits)
        self.confirmed_by = 0  # which one
        self._jitter = jitter

    # --- heads -----------------------------------------------------------------------------------------------

    def opened(
        self, worker_id: int, now: float, *, size: int | None, end: int | None, ranged: bool | None, rtt: float = 0.05
    ) -> list[Instruction]:
        """The head was judged usable: its body is the file from the worker's offset to `end` (None: unknown) of a file
        of `size` bytes (None: unknown); `ranged` says whether the source serves ranges (None: it says so, unproved)."""
        worker = self.workers[worker_id]
        source = self.sources[worker.source]
        lease = worker.lease
        if worker.phase is not Phase.ASKED:
            return []
        worker.phase = Phase.FLOWING  # also where its range went to another one just now: it may go on from there
        worker.connected = True
        worker.last = now
        if not worker.hurried:
            worker.counted, worker.measured = 0, now
        if worker.rate is None:
            worker.begun = now
        source.rtt = rtt
        if not worker.hurried:
            source.delay = now - worker.since
            source.longest = max(source.longest, source.delay)
        source.ranges = ranged if ranged is not None else source.ranges
        source.bad_ranges = 0
        flowing = sum(1 for w in self.busy() if w.source == source.id and w.phase is Phase.FLOWING)
        source.most = max(source.most, flowing)
        first, source.met = not source.met, True
        worker.asked_end = end if end is not None else worker.asked_end
        if not self.confirmed and lease is not None:
            return self._confirm(worker, source, lease, size, ranged, now)
        if first and source.mapped:
            self._met(source, now)
            return self.expand(now)
        return []

    def _confirm(
        self, worker: Worker, source: Source, lease: Lease, size: int | None, ranged: bool | None, now: float
    ) -> list[Instruction]:
        self.confirmed = True
        self.confirmed_by = source.id
        hosts = {s.host for s in self.sources if s.error is None}
        self.growth = plan.Growth.begin(source.rtt, self.limits.connections, self.limits.per_host, len(hosts), now)
        if size is None:
            self.single = True
        elif self.size is None:
            self.size = size
            lease.end = size
            wanted = min(self.growth.allowed, max(1, size // (self.limits.min_split or plan.MIN_SPLIT)))
            if ranged and source.rtt >= plan.LOW_LATENCY:
                lease.end = min(size, plan.first_territory(size, wanted, self.limits.min_split))
            if ranged:
                lease.end = min(lease.end, self.horizon)
            if lease.end < size:
                self.pool.add(lease.end, size)
        elif lease.end == UNKNOWN_END:
            lease.end = self.size
        # A rival first contact was asked before the size was known: its answer goes by the same rules from here on.
        others: list[Instruction] = []
        for rival in self.workers.values():
            if rival is not worker and rival.phase is Phase.ASKED and rival.lease is not None:
                others.append(self._call_off(rival))
        return others + self.expand(now)

    def _met(self, source: Source, now: float) -> None:
        """A mapped source has shown that it serves."""
        if self.growth is not None:
            self.growth.join(source.rtt, self.limits.per_host)
        for worker in self.busy():
            if self.sources[worker.source].last_resort:
                self.cut_short(worker)  # whoever is the last resort does not go on to the end

    # --- ends ------------------------------------------------------------------------------------------------

    def ended(self, worker_id: int, now: float, *, whole: bool = False) -> list[Instruction]:
        """The worker's lease is complete, or its body ended. `whole`: the body was the rest of a file of unknown size,
        which is known now."""
        worker = self.workers[worker_id]
        lease = worker.lease
        if lease is not None and whole and lease.end == UNKNOWN_END:
            lease.end = self.size = lease.frontier
        stopping = worker.phase is Phase.STOPPING
        self.compared(worker)
        self.first_rate(worker, now)
        instructions = self._settle(worker)
        if stopping:
            worker.phase = Phase.IDLE
        if self._complete():
            worker.phase = Phase.IDLE
            return instructions + self._finish()
        if not stopping:
            instructions += self._go_on(worker, now)
        return instructions + self.expand(now)

    def _settle(self, worker: Worker) -> list[Instruction]:
        """Book what the worker's lease has brought and take the lease from it; a hedging partner is stopped."""
        lease = worker.lease
        instructions: list[Instruction] = []
        if lease is None:
            self.release(worker)  # what it had asked for early goes back
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
        self.release(worker)
        return instructions

    def _go_on(self, worker: Worker, now: float) -> list[Instruction]:
        """After a complete lease: the queued answer, a longer body, or (by `expand`) new work."""
        end, asked_end = worker.offset, worker.asked_end
        source = self.sources[worker.source]
        open_end = self.size if asked_end is None else asked_end
        # Who serves no ranges could not be asked for the rest later, so its body is read on beyond the horizon.
        horizon = self.horizon if source.ranges else UNKNOWN_END
        if open_end is not None and horizon > end and open_end > end and not self.surplus(worker):
            piece = self.pool.at(end)
            if piece is not None and not self.kept_from(source, end, piece.end):
                size = self.chunk(worker, source, piece)
                stop = min(piece.end, end + size, open_end, horizon)
                self.pool.remove(end, stop)
                worker.lease = Lease(end, stop, end, [worker.id])
                return [Read(worker.id, fresh=False)]
        worker.phase = Phase.IDLE
        if open_end is None or open_end > end:
            self.cuts.append((now, source.id))
            worker.connected = False
            return []
        if self.single or self.over or now < source.ready or source.error is not None or self.surplus(worker):
            return []
        if self.spared(source, now) or self._outrun(source, now):
            return []
        # Staying on a connection that is open and warm beats a slightly better source: no new slow start.
        fetch = self.work_for(source, now, worker)
        return [fetch] if fetch is not None else []

    def _outrun(self, source: Source, now: float) -> bool:
        """Whether the place of one of this source's connections is worth more to another source: to any that is eight
        times as fast, or, where all places are taken, to one that is twice as fast and waits for one."""
        others = [s for s in self.sources if s is not source and s.error is None and s.ranges is not False]
        best = max((s.rate or 0.0 for s in others), default=0.0)
        rate = source.rate or best
        if rate < best / 8:
            return True
        waiting = self.free_source(now) if any(s.mapped for s in others) else None
        if waiting is None or waiting is source or waiting.error is not None:
            return False
        full = self.growth is not None and self.in_use(now) + 1 > self.growth.allowed
        return full and (waiting.rate is None or rate < waiting.rate / 2)

    def follow(self, worker_id: int, now: float) -> list[Instruction]:
        """The current lease is complete and the answer to the queued request comes next."""
        worker = self.workers[worker_id]
        queued = worker.queued
        if queued is None:  # it was taken back: the worker is being stopped
            return self.ended(worker_id, now)
        worker.queued = None
        stopping = worker.phase is Phase.STOPPING
        self.compared(worker)
        self.first_rate(worker, now)
        instructions = self._settle(worker)
        if stopping:
            self.pool.add(queued.start, queued.end)
            worker.phase = Phase.IDLE
            return instructions + self.expand(now)
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
        if failure.fault is not Fault.CHANGED:
            self.compared(worker)
        if worker.lease is not None and failure.fault is Fault.FATAL:
            worker.lease.pending = 0
        self.release(worker)
        worker.phase = Phase.IDLE
        worker.connected = False
        worker.forget()
        if self.over:
            return []
        if failure.fault is Fault.FATAL:
            self.over = True
            return [GiveUp(failure.error)]
        if failure.fault is Fault.CHANGED:
            self.over = True
            return [Restart(failure.error.what)]
        if not stopping and failure.fault is not Fault.ABORTED:
            health.blame(self, worker, failure, progressed, now, self._jitter)
        elif self.sources[worker.source].on_trial:  # another one was faster: it need not be asked at once again
            health.wait(self.sources[worker.source], max(plan.TRIAL_HEAD, failure.wait or 0.0), now)
        elif failure.wait:
            health.wait(self.sources[worker.source], failure.wait, now)
        if self._complete():
            return self._finish()
        if all(s.error is not None for s in self.sources):
            self.over = True
            return [GiveUp(self.sources[0].error or failure.error)]
        return self.expand(now)

    def _complete(self) -> bool:
        if self.size is None or self.over or any(worker.comparing for worker in self.workers.values()):
            return False
        return self.done.total == self.size

    def _finish(self) -> list[Instruction]:
        self.over = True
        aborts: list[Instruction] = [
            Abort(w.id) for w in self.workers.values() if w.phase in (Phase.ASKED, Phase.FLOWING)
        ]
        return [*aborts, Finish()]

    def _call_off(self, worker: Worker) -> Abort:
        """What the worker was to fetch goes back; its connection is closed."""
        self.release(worker)
        worker.phase = Phase.STOPPING
        return Abort(worker.id)

    def distrust(self, sources: Sequence[int], ranges: Sequence[Range], now: float) -> list[Instruction]:
        """What is stored in `ranges` is wrong, and missing again as far as it still counts as done; `sources` have sent
        wrong bytes, and get no more work."""
        if self.over:
            return []
        for number in sources:
            self.sources[number].error = DigestMismatch("it sent altered bytes")
        aborts: list[Instruction] = []
        for worker in list(self.busy()):
            if worker.source in sources and worker.lease is not None and not worker.lease.pending:
                aborts.append(self._call_off(worker))
        for start, end in ranges:
            wrong = RangeSet([(start, end)])
            for gap in self.done.missing(end):  # a plain stream may have begun meanwhile: it fetches them anyway
                wrong.remove(*gap)
            for piece in wrong:
                self.done.remove(*piece)
                self.doubtful.remove(*piece)
                if not sources:  # nobody is known to have lied, so nobody but the origin is asked
                    self.disputed.add(*piece)
                self.pool.add(*piece)
        return aborts + self.expand(now)

    # --- time ------------------------------------------------------------------------------------------------

    def tick(self, now: float) -> list[Instruction]:
        """Time passed: rates, stalls, growth, new work. Call it every 50 to 100 ms."""
        if self.over:
            return []
        self.measure(now)
        instructions: list[Instruction] = []
        if not self.confirmed:
            waiting = [w for w in self.workers.values() if w.phase is Phase.ASKED]
            if not waiting or now - max(w.since for w in waiting) > 1.5:
                instructions += self.contact(now)
            return instructions
        instructions += self._replace_stalled(now)
        instructions += self._drop_unneeded()
        health.relent(self, now)
        if self.growth is not None:
            total = sum(w.rate or 0.0 for w in self.busy())
            self.growth.review(total, len(list(self.busy())), now)
        return instructions + self.expand(now)

    def _drop_unneeded(self) -> list[Instruction]:
        """Requests whose ranges another one's body brings."""
        instructions: list[Instruction] = []
        for worker in self.unneeded:
            if worker.phase is Phase.ASKED and worker.lease is None:
                worker.phase = Phase.STOPPING
                instructions.append(Abort(worker.id))
        self.unneeded = []
        return instructions

    def _replace_stalled(self, now: float) -> list[Instruction]:
        """A connection that is silent while others flow gives its range back and is closed."""
        instructions: list[Instruction] = []
        for worker in [] if self.single else health.silent(self, self.heard, now):
            if worker.phase is Phase.ASKED:
                health.blame_unanswered(self, worker, now)
            else:
                health.blame_silent(self, worker, now)
            instructions.append(self._call_off(worker))
        if not self.single:
            instructions += [self._call_off(worker) for worker in health.jammed(self, now)]
        return instructions
