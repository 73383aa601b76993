"""The arithmetic of the page: days, shares, rates. Plain data in, plain data out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from fastdl.core.history import Entry
from fastdl.core.record import Record
from fastdl.io.profiles import Stretch

BODY = ("receive", "stall")


class Day(Record):
    """The downloads of one local day: how many, of these failed, their bytes over the network and seconds together."""

    name: str
    downloads: int
    failed: int
    bytes: float
    seconds: float

    @property
    def rate(self) -> float:
        """Bytes a second; 0 where nothing took time."""
        return self.bytes / self.seconds if self.seconds > 0 else 0.0


class Share(Record):
    """A part of the bytes of all downloads. `fraction` of the whole, from 0 to 1."""

    name: str
    bytes: int
    fraction: float


def days(entries: Iterable[Entry], day: Callable[[float], str | None]) -> list[Day]:
    """The days on which something was downloaded, the oldest first. `day` names the day of a Unix time."""
    found: dict[str, Day] = {}
    for entry in entries:
        name = day(entry.when)
        if name is not None:
            old = found.get(name) or Day(name, 0, 0, 0.0, 0.0)
            came = max(0.0, entry.bytes_per_second * entry.seconds)
            failed = old.failed + (entry.exit_code != 0)
            found[name] = Day(name, old.downloads + 1, failed, old.bytes + came, old.seconds + max(0.0, entry.seconds))
    return [found[name] for name in sorted(found)]


def shares(entries: Iterable[Entry], of: Callable[[tuple[str, str, int]], str]) -> list[Share]:
    """How much of all bytes came from each; the largest first. `of` names what a source (host, trust, bytes) counts
    for."""
    sums: dict[str, int] = {}
    for entry in entries:
        for source in entry.sources:
            sums[of(source)] = sums.get(of(source), 0) + max(0, source[2])
    whole = sum(sums.values()) or 1
    return [Share(name, count, count / whole) for name, count in sorted(sums.items(), key=lambda item: -item[1])]


def cut(parts: Sequence[Share], most: int) -> list[Share]:
    """At most `most` of the shares, and the sum of the others as one more."""
    rest = parts[most:]
    if len(rest) < 2:
        return list(parts)
    name = f"{len(rest):,} others together".replace(",", " ")
    return [*parts[:most], Share(name, sum(part.bytes for part in rest), sum(part.fraction for part in rest))]


def rates(spans: Iterable[Stretch], seconds: float, slots: int) -> list[dict[int, float]]:
    """Bytes a second by source in each of `slots` equal parts of a download. The bytes of a span count as if they had
    come evenly while it lasted."""
    width = seconds / slots
    told: list[dict[int, float]] = [{} for _ in range(slots)]
    for span in spans:
        if span.phase not in BODY or not span.bytes or span.source is None:
            continue
        length = max(span.end - span.start, 1e-9)
        for slot in range(_slot(span.start, width, slots), _slot(span.end, width, slots) + 1):
            begin, end = max(span.start, slot * width), min(span.end, (slot + 1) * width)
            part = max(end - begin, 0.0) / length if span.end > span.start else 1.0
            if slot == slots - 1 and span.end > seconds:
                part = max(span.end - begin, 0.0) / length
            told[slot][span.source] = told[slot].get(span.source, 0.0) + span.bytes * part / width
    return told


def _slot(moment: float, width: float, slots: int) -> int:
    return min(slots - 1, max(0, int(moment / width)))


def top(values: Iterable[float]) -> float:
    """The end of an axis that begins at 0: a round number of bytes, not below any value."""
    most = max(values, default=0.0)
    step = 1.0
    while most / step > 1000:
        step *= 1024
    for factor in (
        1,
        2,
        4,
        5,
        8,
        10,
        16,
        20,
        32,
        40,
        50,
        64,
        80,
        100,
        128,
        160,
        200,
        256,
        320,
        400,
        512,
        640,
        800,
        1000,
    ):
        if factor * step >= most:
            return factor * step
    return 1024 * step
