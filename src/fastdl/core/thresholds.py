"""`stats --check`: whether the last days of the history are worse than a rule allows. Pure arithmetic.

A rule looks at one metric over the last `days`, and, if it says `fell_by` or `rose_by`, compares that with the
`against` days before these. Where a rule has two conditions, both have to be met for it to fail. Medians are used where
downloads differ a thousandfold among themselves: one huge or tiny file moves a mean, and wakes somebody for nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase

from fastdl.core.hints import Literal
from fastdl.core.history import Entry
from fastdl.core.record import Record

DAY = 86_400.0  # seconds
SMALL = 1 << 20  # bytes; what is smaller says nothing of throughput
NOT_COUNTED = (2, 7, 9, 130, 143)  # ended by the user or by what lay there, and no sign of how downloads do
SHARES = ("failures", "waste")  # between 0 and 1
RATES = ("throughput", "volume")  # bytes a second, bytes a day
METRICS = ("throughput", "duration", "failures", "errors", "waste", "downloads", "volume")
ALWAYS = ("downloads", "volume")  # no download at all is an answer too

Status = Literal["ok", "fail", "no data"]


class Rule(Record):
    """What is watched. `days` and `against` are spans of time in days; `fell_by`, `rose_by` are fractions of the
    earlier value; `below`, `above` are in the metric's unit: bytes a second, seconds, shares, numbers. `host` is a
    pattern with `*`, or empty for all; `least` downloads are needed in each span; `smallest` bytes, for throughput.
    `line` is where it stands."""

    metric: str
    days: float = 7.0
    against: float = 30.0
    fell_by: float | None = None
    rose_by: float | None = None
    below: float | None = None
    above: float | None = None
    host: str = ""
    least: int = 5
    smallest: int = SMALL
    name: str = ""
    line: int = 0

    @property
    def compares(self) -> bool:
        """Whether it looks at an earlier span."""
        return self.fell_by is not None or self.rose_by is not None


class Finding(Record):
    """What became of a rule. `value` and `before` are None where there is not enough to tell; `seen` and
    `seen_before` are the downloads that were looked at; `change` is (value - before) / before, None if there is
    nothing to divide by."""

    rule: Rule
    status: Status
    value: float | None = None
    before: float | None = None
    seen: int = 0
    seen_before: int = 0
    change: float | None = None


def judge(rule: Rule, entries: Sequence[Entry], now: float) -> Finding:
    """How a rule does with this history at the Unix time `now`. Downloads of the future (a clock that was set back)
    count nowhere."""
    since = now - rule.days * DAY
    mine = [entry for entry in entries if entry.exit_code not in NOT_COUNTED and concerns(entry, rule.host)]
    recent = _of(rule, mine, since, now)
    value = _value(rule, recent, rule.days)
    if not rule.compares:
        status = _status(rule, value, None)
        return Finding(rule, status, value, None, len(recent))
    start = since - rule.against * DAY
    earlier = _of(rule, mine, start, since, open_end=True)
    before = _value(rule, earlier, _covered(entries, start, since), comparing=True)
    change = (value - before) / before if value is not None and before else None
    return Finding(rule, _status(rule, value, before), value, before, len(recent), len(earlier), change)


def concerns(entry: Entry, host: str) -> bool:
    """Whether a download's own host, or one that gave it bytes, fits a pattern: `*.example.org`, with or without the
    port."""
    if not host:
        return True
    given = entry.url.partition("://")[2].partition("/")[0].partition("?")[0]
    hosts = [given, *(netloc for netloc, _, size in entry.sources if size > 0)]
    return any(_fits(netloc.lower(), host.lower()) for netloc in hosts)


def _fits(netloc: str, wanted: str) -> bool:
    name, _, port = netloc.rpartition(":")
    bare = name if port.isdigit() and (":" not in name or name.endswith("]")) else netloc
    pattern = wanted.replace("[", "[[]")  # an IPv6 address, not a set of characters
    return fnmatchcase(netloc, pattern) or fnmatchcase(bare, pattern)


def _of(rule: Rule, entries: Iterable[Entry], start: float, end: float, *, open_end: bool = False) -> list[Entry]:
    """Those that say something of the rule's metric, of a span of time."""
    within = [entry for entry in entries if start <= entry.when <= end and not (open_end and entry.when == end)]
    return [entry for entry in within if _tells(rule, entry)]


def _tells(rule: Rule, entry: Entry) -> bool:
    if rule.metric == "throughput":
        return entry.exit_code == 0 and _kept(entry) >= max(1, rule.smallest)
    if rule.metric == "duration":
        return entry.exit_code == 0
    if rule.metric == "waste":
        return _received(entry) > 0
    if rule.metric == "errors":
        return len(entry.faults) == len(entry.sources)
    return True


def _covered(entries: Sequence[Entry], start: float, end: float) -> float:
    """Days of a span that the history reaches back to: what is not known counts for nothing, at least one day."""
    oldest = min((entry.when for entry in entries), default=end)
    return max(1.0, (end - max(start, oldest)) / DAY)


# --- the metrics -----------------------------------------------------------------------------------------


def _value(rule: Rule, entries: Sequence[Entry], days: float, *, comparing: bool = False) -> float | None:
    """The metric over these downloads; None if they are too few."""
    if len(entries) < rule.least and (comparing or rule.metric not in ALWAYS):
        return None
    if not entries and rule.metric not in ALWAYS:
        return None
    return _COMPUTE[rule.metric](entries, days)


def median(values: Iterable[float]) -> float:
    """The middle one, or the mean of the two in the middle. Raises ValueError if there is none."""
    ordered = sorted(values)
    if not ordered:
        raise ValueError("no value")
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return ordered[middle - 1] + (ordered[middle] - ordered[middle - 1]) / 2


def _received(entry: Entry) -> int:
    return sum(size for _, _, size in entry.sources)


def _kept(entry: Entry) -> float:
    """Bytes that the run fetched and had a use for."""
    return entry.bytes_per_second * entry.seconds


def _throughput(entries: Sequence[Entry], days: float) -> float:
    return median(entry.bytes_per_second for entry in entries)


def _duration(entries: Sequence[Entry], days: float) -> float:
    return median(entry.seconds for entry in entries)


def _failures(entries: Sequence[Entry], days: float) -> float:
    return sum(entry.exit_code != 0 for entry in entries) / len(entries)


def _errors(entries: Sequence[Entry], days: float) -> float:
    return sum(sum(entry.faults) for entry in entries) / len(entries)


def _waste(entries: Sequence[Entry], days: float) -> float:
    received = sum(_received(entry) for entry in entries)
    wasted = math.fsum(max(0.0, _received(entry) - _kept(entry)) for entry in entries)
    return min(1.0, wasted / received) if received else 0.0


def _downloads(entries: Sequence[Entry], days: float) -> float:
    return len(entries) / days


def _volume(entries: Sequence[Entry], days: float) -> float:
    return sum(_received(entry) for entry in entries) / days


_COMPUTE: dict[str, Callable[[Sequence[Entry], float], float]] = {
    "throughput": _throughput,
    "duration": _duration,
    "failures": _failures,
    "errors": _errors,
    "waste": _waste,
    "downloads": _downloads,
    "volume": _volume,
}


# --- the verdict -----------------------------------------------------------------------------------------


def _status(rule: Rule, value: float | None, before: float | None) -> Status:
    if value is None or (rule.compares and before is None):
        return "no data"
    tests = [
        rule.fell_by is None or (before is not None and fell(before, value) >= rule.fell_by),
        rule.rose_by is None or (before is not None and rose(before, value) >= rule.rose_by),
        rule.below is None or value < rule.below,
        rule.above is None or value > rule.above,
    ]
    return "fail" if all(tests) else "ok"


def fell(before: float, value: float) -> float:
    """The part of `before` that is gone; 0 if it grew, or if there was nothing that could fall."""
    return max(0.0, (before - value) / before) if before > 0 else 0.0


def rose(before: float, value: float) -> float:
    """The growth as a part of `before`; infinite if there was nothing before."""
    if value <= before:
        return 0.0
    return (value - before) / before if before > 0 else math.inf
