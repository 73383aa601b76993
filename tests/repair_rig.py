"""A file whose bytes came from several sources, some of which lie, and its repair."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from fastdl.core.ranges import RangeSet
from fastdl.engine.repair import Mender
from fastdl.engine.sinks import PartialSink
from fastdl.errors import ConnectionLost
from fastdl.io.partial import Partial
from partials import HEADER

KIB = 1024
MIB = 1024 * KIB
TRUTH = random.Random(5).randbytes(4 * MIB)

Run = tuple[int, int, str]  # start, end, source


class Rig:
    """A file of several sources' bytes that is complete, and those sources. `sent[name]` is what a source sends of the
    file; `names` are the journal's sources; `today` those that may be asked, the origin first."""

    def __init__(
        self,
        folder: str | Path,
        runs: Iterable[Run],
        sent: dict[str, bytes],
        *,
        truth: bytes = TRUTH,
        names: Sequence[str] = (),
        today: Sequence[str] = (),
        block: int = 50_000,
        rank: Callable[[str], int] = lambda name: 0,
    ) -> None:
        self.truth = truth
        self.names = list(names or sent)
        self.today = list(today or self.names)
        self.sent = sent
        self.lied = dict.fromkeys(sent, 0)  # altered bytes that a source has sent by now
        self.asked: list[tuple[RangeSet, list[str]]] = []  # what was fetched, and from whom it might have been
        self.delivered = 0
        self.dies_after: int | None = None  # bytes, over all fetches
        self.error: BaseException = ConnectionLost("the origin is gone")
        self.plain = False  # the origin serves no ranges
        self._block = block
        self._turn = 0
        self.checks = 0
        self.final = str(Path(folder) / "file")
        self.partial = Partial.open(self.final)
        self.partial.begin(replace(HEADER, size=len(truth), sources=self.names))
        for start, end, name in runs:
            self._count(name, start, end)
            self.partial.write(start, memoryview(sent[name])[start:end])
            slot = self.partial.run(start, self.names.index(name))
            self.partial.record(slot, start, end, self.names.index(name))
            self.partial.end_run(slot)
        ids = [self.names.index(name) for name in self.today]
        self.mender = Mender(self.partial, ids, len(truth), lambda id_: rank(self.names[id_]), self.fetch, self.right)

    def close(self) -> None:
        self.partial.close()

    # --- what the mender is given ------------------------------------------------------------------------

    def fetch(self, missing: RangeSet, sources: frozenset[int], sink: PartialSink) -> None:
        assert 0 in sources, "the origin can always be asked"
        names = [self.today[number] for number in sorted(sources)]
        self.asked.append((RangeSet(missing), names))
        if self.plain and names == [self.today[0]]:
            missing = RangeSet([(0, len(self.truth))])
        for start, end in missing:
            for at in range(start, end, self._block):
                name = names[self._turn % len(names)]
                self._turn += 1
                self._deliver(sink, at, min(end, at + self._block), name)
        for number in sources:
            sink.settle(number)

    def _deliver(self, sink: PartialSink, start: int, end: int, name: str) -> None:
        if self.dies_after is not None and self.delivered + end - start > self.dies_after:
            for number in range(len(self.today)):
                sink.settle(number)
            raise self.error
        self.delivered += end - start
        self._count(name, start, end)
        number = self.today.index(name)
        sink.write(number, start, memoryview(self.sent[name])[start:end], number)

    def _count(self, name: str, start: int, end: int) -> None:
        if self.sent[name][start:end] != self.truth[start:end]:
            pairs = zip(self.sent[name][start:end], self.truth[start:end], strict=True)
            self.lied[name] += sum(one != other for one, other in pairs)

    def right(self) -> bool:
        self.checks += 1
        return self.data == self.truth

    # --- what is to be seen ------------------------------------------------------------------------------

    @property
    def data(self) -> bytes:
        buffer, at = memoryview(bytearray(len(self.truth))), 0
        while count := self.partial.read_into(at, buffer[at:]):
            at += count
        return bytes(buffer)

    @property
    def named(self) -> set[str]:
        return {self.names[id_] for id_ in self.mender.liars}

    @property
    def claims(self) -> list[Run]:
        return [(claim.start, claim.end, self.names[claim.source]) for claim in self.partial.provenance()]

    def amount(self, name: str) -> int:
        """Bytes that are said to have been altered by a source."""
        return self.mender.findings.altered[self.names.index(name)]

    def claimed_wrongly(self) -> list[Run]:
        """Claims of a source's bytes that are not this source's."""
        data = self.data
        return [run for run in self.claims if data[run[0] : run[1]] != self.sent[run[2]][run[0] : run[1]]]

    def check_whole(self) -> None:
        """Every byte is right and claimed once, by a source that sends it."""
        assert self.data == self.truth
        at = 0
        for start, end, _ in self.claims:
            assert start == at
            at = end
        assert at == len(self.truth)
        assert self.claimed_wrongly() == []


def altered(places: Iterable[int]) -> bytes:
    """The file with the bytes at these places altered."""
    out = bytearray(TRUTH)
    for at in places:
        out[at] ^= 1
    return bytes(out)


NOISE = random.Random(6).randbytes(len(TRUTH))
ONE_BYTE = altered([400_000])
EACH_RANGE = altered(range(100 * KIB, len(TRUTH), 256 * KIB))  # one byte of each 256 KiB

LIES = {"everything": NOISE, "a byte of each range": EACH_RANGE, "one byte": ONE_BYTE}


def interleaved(names: Sequence[str], length: int = 256 * KIB, size: int = len(TRUTH)) -> list[Run]:
    """Runs of equal length, the sources taking turns."""
    starts = range(0, size, length)
    return [(at, min(size, at + length), names[number % len(names)]) for number, at in enumerate(starts)]


@contextmanager
def rig(folder: str | Path, *args: object, **more: object) -> Iterator[Rig]:
    made = Rig(folder, *args, **more)  # type: ignore[arg-type]
    try:
        yield made
    finally:
        made.close()
