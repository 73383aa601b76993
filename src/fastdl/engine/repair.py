"""Mending a file whose digest is wrong, by the provenance of its bytes.

The journal knows which source sent each run. What the origin sent is believed; everything else is a suspect. First a
small sample of each suspect is held against the origin, which finds whoever alters much; a liar's bytes are replaced
from all others. Then each suspect that is left is held against all others, and where two differ the origin decides.
Last of all everything that is not the origin's is fetched from the origin. After each step the digest is asked again.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator

from fastdl.core.hints import Protocol
from fastdl.core.journal import Claim
from fastdl.core.plain import dataclass, field
from fastdl.core.ranges import RangeSet
from fastdl.engine.sinks import PartialSink
from fastdl.io.partial import Partial

SAMPLE = 64 * 1024  # bytes of one sample
SAMPLES = 8  # of one source
GRAIN = 4096  # bytes that count as one where they differ


class Fetch(Protocol):
    """Runs one attempt for the missing ranges, from the sources with these indices alone, into `sink`. Raises what ends
    the download: a dead origin, Ctrl-C, a file that changed."""

    def __call__(self, missing: RangeSet, sources: frozenset[int], sink: Comparing) -> None: ...


@dataclass(slots=True)
class Findings:
    """Who sent other bytes than the origin: index of the source in the journal, bytes in grains that differed.
    `fetched`: bytes that came for the comparison, by the source of the scheduler."""

    altered: Counter[int] = field(default_factory=Counter)
    fetched: Counter[int] = field(default_factory=Counter)


class Comparing(PartialSink):
    """Holds what comes against what is stored. `replace`: what differs is stored in its place, and its former source
    is noted; else it is only disputed."""

    def __init__(
        self,
        partial: Partial,
        ids: list[int],
        owners: list[Claim],
        findings: Findings,
        *,
        replace: bool,
        asked: RangeSet | None = None,
    ) -> None:
        """`asked`: the ranges that are fetched; nothing in them is claimed any more where they are replaced."""
        super().__init__(partial, ids)
        self._asked = asked or RangeSet()
        self._owners = owners
        self._starts = [claim.start for claim in owners]
        self._findings = findings
        self._replace = replace
        self._guard = threading.Lock()
        self.disputed = RangeSet()
        self.challengers: Counter[int] = Counter()

    @property
    def splices(self) -> bool:
        """Everything has to be seen here."""
        return False

    @property
    def enough(self) -> bool:
        """Whether one difference is known: the origin can say now who lies, and the rest need not be compared."""
        return self.disputed.total > 0

    def write(self, worker: int, offset: int, view: memoryview, source: int) -> None:
        """See Sink."""
        stored = self.stored(offset, len(view))
        with self._guard:
            self._findings.fetched[source] += len(view)
            if stored != view:
                self._note(offset, view, stored, source)
        if self._replace:
            if not self._asked.holds(offset, offset + len(view)):  # an origin without ranges sends all that it has
                self._partial.forget(offset, offset + len(view))
            super().write(worker, offset, view, source)

    def _note(self, offset: int, view: memoryview, stored: memoryview, source: int) -> None:
        for start, end in _differing(view, stored):
            if self._replace:
                for owner, first, last in self._owned(offset + start, offset + end):
                    if view[first - offset : last - offset] != stored[first - offset : last - offset]:
                        self._findings.altered[owner] += last - first
            else:
                self.disputed.add(offset + start, offset + end)
                self.challengers[self.ids[source]] += end - start

    def _owned(self, start: int, end: int) -> Iterator[tuple[int, int, int]]:
        """(source, start, end) of the parts of runs in [start, end): a grain may be of two sources."""
        for claim in self._owners[max(0, bisect_right(self._starts, start) - 1) :]:
            if claim.start >= end:
                return
            first, last = max(start, claim.start), min(end, claim.end)
            if first < last:
                yield claim.source, first, last


def _differing(one: memoryview, other: memoryview) -> Iterator[tuple[int, int]]:
    for start in range(0, len(one), GRAIN):
        end = min(start + GRAIN, len(one))
        if one[start:end] != other[start:end]:
            yield start, end


class Mender:
    """Mends one file."""

    def __init__(
        self,
        partial: Partial,
        ids: list[int],
        size: int,
        rank: Callable[[int], int],
        fetch: Fetch,
        right: Callable[[], bool],
    ) -> None:
        """`ids`: for each source of the scheduler its index in the journal; the origin is the first. `rank` of such an
        index: the less it is proved the smaller. `right` computes the digests anew and says whether all agree."""
        self._partial = partial
        self._ids = ids
        self._size = size
        self._rank = rank
        self._fetch = fetch
        self._right = right
        self.findings = Findings()

    @property
    def liars(self) -> list[int]:
        """Indices, in the journal, of the sources that altered bytes."""
        return [source for source in self.findings.altered if source != self._ids[0]]

    def suspects(self) -> list[int]:
        """Indices, in the journal, of the sources beside the origin whose bytes are in the file; the least proved
        first."""
        found = {claim.source for claim in self._partial.provenance()} - {self._ids[0]}
        return sorted(found, key=self._rank)

    def mend(self, bad: RangeSet) -> bool:
        """Whether the file is right now. `bad`: bytes that are known to be wrong."""
        if bad:
            self._replaced(bad, {self._ids[0]})
            if self._right():
                return True
        if not self.suspects() and self._unclaimed().total == 0:
            return False
        if self.suspects():
            self._replaced(self._samples(), {self._ids[0]})
            if self.liars and self._from_others():
                return True
            for source in self.suspects():
                while source not in self.liars and self._challenged(source):  # each time somebody more is found out
                    if self._right() or self._from_others():
                        return True
        rest = RangeSet((claim.start, claim.end) for claim in self._runs(self.suspects()))
        for piece in self._unclaimed():
            rest.add(piece.start, piece.end)
        if rest.total:
            self._replaced(rest, {self._ids[0]})
        return self._right()

    # --- steps -------------------------------------------------------------------------------------------

    def _samples(self) -> RangeSet:
        """A few places of each suspect: the beginning of some of its runs, the end of others."""
        chosen = RangeSet()
        for source in self.suspects():
            runs = self._runs([source])
            for number in range(SAMPLES):
                run = runs[number * len(runs) // SAMPLES]
                room = max(0, run.end - run.start - SAMPLE)
                start = run.start + room * number // (SAMPLES - 1)
                chosen.add(start, min(run.end, start + SAMPLE))
        return chosen

    def _from_others(self) -> bool:
        """Replace all that the liars sent by what the others send."""
        liars = set(self.liars)
        ranges = RangeSet((claim.start, claim.end) for claim in self._runs(list(liars)))
        if ranges.total:
            self._replaced(ranges, set(self._ids) - liars)
        return self._right()

    def _challenged(self, source: int) -> bool:
        """Hold one suspect's bytes against all others', the origin deciding where they differ. Whether bytes were
        mended."""
        others = set(self._ids) - {source, *self.liars}
        ranges = RangeSet((claim.start, claim.end) for claim in self._runs([source]))
        sink = Comparing(self._partial, self._ids, self._partial.provenance(), self.findings, replace=False)
        self._fetch(ranges, self._indices(others), sink)
        if not sink.disputed.total:
            return False
        before = self.findings.altered.total()
        self._replaced(sink.disputed, {self._ids[0]})
        if source not in self.findings.altered:  # then those who contradicted it have lied
            for challenger in sink.challengers:
                if challenger != self._ids[0]:
                    self.findings.altered[challenger] += sink.challengers[challenger]
        return self.findings.altered.total() > before

    def _replaced(self, ranges: RangeSet, sources: set[int]) -> None:
        """Fetch ranges anew from these sources, over what is stored there."""
        owners = self._partial.provenance()
        for piece in list(ranges):
            self._partial.forget(piece.start, piece.end)
        sink = Comparing(self._partial, self._ids, owners, self.findings, replace=True, asked=ranges)
        self._fetch(ranges, self._indices(sources), sink)
        sink.end()

    # --- who sent what -----------------------------------------------------------------------------------

    def _runs(self, sources: list[int]) -> list[Claim]:
        return [claim for claim in self._partial.provenance() if claim.source in sources]

    def _unclaimed(self) -> RangeSet:
        claimed = RangeSet((claim.start, claim.end) for claim in self._partial.provenance())
        return claimed.missing(self._size)

    def _indices(self, sources: set[int]) -> frozenset[int]:
        """Sources of the scheduler for indices of the journal."""
        return frozenset(number for number, source in enumerate(self._ids) if source in sources)
