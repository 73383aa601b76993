"""What is known of a server from earlier runs: how a report is added to it, and how it fades.

A server changes: a mirror moves, a limit is lifted, a line gets busy. So nothing is kept as a plain mean. A measured
value carries a weight that halves with time and is bounded, which makes the newest report count for a fifth at least;
once the weight is next to nothing, the value is unknown again. Counts (errors, refusals) halve themselves. The clock
is an argument; one that was set back only makes things fade later.
"""

from __future__ import annotations

from math import isfinite

from fastdl.core.record import Record

DAY = 86_400.0  # seconds
HALF_LIFE = 7 * DAY  # of measurements, errors and the connections that a server took
BUSY_HALF_LIFE = DAY  # of refusals: 429 and 503 are about the hour more than about the server
FORGOTTEN = 180 * DAY  # a server that was not met for so long is dropped
LIE_LASTS = 30 * DAY  # for so long a source that sent altered bytes is not asked again

FULL_WEIGHT = 1 << 20  # bytes: a transfer of this size says all about a rate that one transfer can say
MOST_WEIGHT = 4.0  # older reports together count for no more than so many new ones
LEAST_WEIGHT = 0.05  # below this a value is unknown
MOST_CONNECTIONS = 256
MOST_BYTES = 2**62
_MOST_LATENCY = 600.0  # seconds; more is no latency but a fault


class Report(Record):
    """What one download learned of one server. `host`: "host" or "host:port"; `bytes`: of bodies that it sent; `rate`:
    bytes a second of one connection; `latency`: seconds from request to head; `connections`: the most at once that it
    served; `busy`: answers 429 and 503, and connections too many that it let hang; `ranges`: whether it serves ranges,
    None if that was not seen; `errors`: other faults; `failed`: it was given up."""

    host: str
    bytes: int = 0
    rate: float | None = None
    latency: float | None = None
    connections: int = 0
    busy: int = 0
    ranges: bool | None = None
    errors: int = 0
    failed: bool = False


class Server(Record):
    """What is known of a server now, decayed. None is unknown; units as in Report. `connections`: how many it is
    believed to serve at once, 0 if unknown; with `busy` above 0 that is a limit which it has shown. `busy` and `errors`
    are decayed counts; `downloads` and `bytes` are plain totals; `seen` is the Unix time of the last report."""

    host: str
    rate: float | None
    latency: float | None
    connections: int
    busy: float
    ranges: bool | None
    errors: float
    downloads: int
    seen: float
    bytes: int = 0


class Memory(Record):
    """One server as it is stored: values as of `seen` (Unix time), with the weights of the measured ones."""

    host: str
    rate: float = 0.0
    rate_weight: float = 0.0
    latency: float = 0.0
    latency_weight: float = 0.0
    connections: float = 0.0
    busy: float = 0.0
    errors: float = 0.0
    ranges: bool | None = None
    ranges_seen: float = 0.0
    downloads: int = 0
    bytes: int = 0
    seen: float = 0.0


def remember(before: Memory | None, report: Report, now: float) -> Memory:
    """What is to be stored after a report. `now`: Unix time."""
    old = faded(before, now) if before is not None else Memory(report.host, seen=now)
    weight = min(max(report.bytes, 0) / FULL_WEIGHT, 1.0)
    rate, rate_weight = _mixed(old.rate, old.rate_weight, _sound(report.rate, 1e15), weight)
    latency, latency_weight = _mixed(old.latency, old.latency_weight, _sound(report.latency, _MOST_LATENCY), 1.0)
    return Memory(
        report.host,
        rate,
        rate_weight,
        latency,
        latency_weight,
        _connections(old, report),
        old.busy + max(report.busy, 0),
        old.errors + max(report.errors, int(report.failed), 0),  # to be given up is a fault, if no other was counted
        old.ranges if report.ranges is None else report.ranges,
        old.ranges_seen if report.ranges is None else now,
        old.downloads + (not report.failed),
        min(old.bytes + max(report.bytes, 0), MOST_BYTES),
        now,
    )


def faded(memory: Memory, now: float) -> Memory:
    """The same as of `now`. The number of connections goes back towards one; what was seen of ranges is forgotten
    after four half-lives."""
    age = max(now - memory.seen, 0.0)
    slow, quick = 0.5 ** (age / HALF_LIFE), 0.5 ** (age / BUSY_HALF_LIFE)
    connections = memory.connections
    return memory._replace(
        rate_weight=memory.rate_weight * slow,
        latency_weight=memory.latency_weight * slow,
        connections=1 + (connections - 1) * slow if connections > 1 else connections,
        busy=_counted(memory.busy * quick),
        errors=_counted(memory.errors * slow),
        ranges=memory.ranges if now - memory.ranges_seen < 4 * HALF_LIFE else None,
        seen=min(memory.seen, now),
    )


def recall(memory: Memory, now: float) -> Server:
    """What is known now. `now`: Unix time."""
    old = faded(memory, now)
    return Server(
        old.host,
        old.rate if old.rate_weight >= LEAST_WEIGHT else None,
        old.latency if old.latency_weight >= LEAST_WEIGHT else None,
        round(old.connections),
        old.busy,
        old.ranges,
        old.errors,
        old.downloads,
        old.seen,
        old.bytes,
    )


def lasts(lie: float, now: float) -> bool:
    """Whether a lie of that Unix time still counts. One that the clock puts far into the future does not."""
    return abs(now - lie) < LIE_LASTS


def _connections(old: Memory, report: Report) -> float:
    """Refusals show where the limit is, lower than what was believed before; otherwise more was shown or nothing."""
    served = float(min(max(report.connections, 0), MOST_CONNECTIONS))
    if report.busy > 0:
        return max(served, 1.0)
    return max(old.connections, served)


def _mixed(value: float, weight: float, new: float | None, new_weight: float) -> tuple[float, float]:
    if new is None or new_weight <= 0:
        return value, weight
    together = weight + new_weight
    return (value * weight + new * new_weight) / together, min(together, MOST_WEIGHT)


def _sound(value: float | None, most: float) -> float | None:
    return value if value is not None and isfinite(value) and 0 < value <= most else None


def _counted(value: float) -> float:
    return value if value >= LEAST_WEIGHT else 0.0
