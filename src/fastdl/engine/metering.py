"""`get --metrics`: what all downloads of a run have done so far, counted while they work.

Nothing is added to the way of a byte: the engine counts in each download's own tracker anyway, and whoever wants to
know reads that from outside. What has ended is folded into sums, so memory does not grow with the number of files;
hosts beyond a bound are counted together.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable

from fastdl.core.hints import TYPE_CHECKING
from fastdl.core.plain import dataclass, field
from fastdl.core.shown import clean
from fastdl.errors import DigestMismatch
from fastdl.events import Ended, Event

if TYPE_CHECKING:
    from fastdl.engine.download import Download
    from fastdl.engine.profile import Profile
    from fastdl.io.pool import ConnectionPool
    from fastdl.result import Result

MOST_HOSTS = 200  # with counters of their own
OTHER = "other"  # all further hosts together
SPEED_SECONDS = 5.0  # the speed is that of at least so long, where one looks often enough
LONGEST_HOST = 260  # characters: a name of 253, a port

Source = tuple[str, str]  # host, trust class


@dataclass(slots=True)
class Traffic:
    """What one source did. `received` and `wasted` are bytes; received ones are those that came, wasted ones among
    them; `opened` counts connections."""

    received: int = 0
    wasted: int = 0
    requests: int = 0
    errors: int = 0
    retries: int = 0
    opened: int = 0

    def add(self, other: Traffic) -> None:
        """Count the other's in."""
        for name in COUNTERS:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def raise_to(self, other: Traffic) -> None:
        """No counter of this one is below the other's."""
        for name in COUNTERS:
            setattr(self, name, max(getattr(self, name), getattr(other, name)))


COUNTERS = ("received", "wasted", "requests", "errors", "retries", "opened")


@dataclass(slots=True)
class Counts:
    """How a run stands. `ended` counts downloads by exit code; `seconds` is the sum of their times; `digests` counts by
    "verified", "failed", "none"; `missing` are the bytes that running downloads of known size still lack; `connections`
    are open ones by host; `speed` in bytes a second."""

    began: float = 0.0
    running: int = 0
    ended: Counter[int] = field(default_factory=Counter)
    seconds: float = 0.0
    resumed: int = 0
    digests: Counter[str] = field(default_factory=Counter)
    traffic: dict[Source, Traffic] = field(default_factory=dict)
    connections: Counter[str] = field(default_factory=Counter)
    missing: int = 0
    speed: float = 0.0


class Metering:
    """Counts the downloads of one run. Safe for threads. It runs them as a Profile does, and through one if one is
    given; `handle` is to get every event of the run."""

    def __init__(self, profile: Profile | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._profile = profile
        self._clock = clock
        self._lock = threading.Lock()
        self._running: set[Download] = set()
        self._began = time.time()
        self._ended: Counter[int] = Counter()
        self._seconds = 0.0
        self._resumed = 0
        self._digests: Counter[str] = Counter()
        self._over: dict[Source, Traffic] = {}  # of downloads that have ended
        self._told: dict[Source, Traffic] = {}  # a counter that was told never goes down
        self._hosts: set[str] = set()
        self._looks: deque[tuple[float, int]] = deque([(clock(), 0)])

    # --- what happens --------------------------------------------------------------------------------------

    def run(self, download: Download) -> Result:
        """Run a download, counted while it works."""
        self._begin(download)
        try:
            return download.run() if self._profile is None else self._profile.run(download)
        finally:
            self._end(download)

    def run_then(self, download: Download, ended: Callable[[Callable[[], Result]], None]) -> None:
        """The same for one file of many; see Download."""

        def concluded(conclude: Callable[[], Result]) -> Result:
            try:
                return conclude()
            finally:
                self._end(download)

        def over(conclude: Callable[[], Result]) -> None:
            ended(lambda: concluded(conclude))

        self._begin(download)
        try:
            if self._profile is None:
                download.run_then(over)
            else:
                self._profile.run_then(download, over)
        except BaseException:
            self._end(download)
            raise

    def handle(self, event: Event) -> None:
        """Takes an event: how a download ended, also one that was never begun."""
        if isinstance(event, Ended):
            result = event.result
            with self._lock:
                self._ended[result.exit_code] += 1
                self._seconds += result.seconds
                self._resumed += result.resumed_bytes
                if (digest := _digest(result)) is not None:
                    self._digests[digest] += 1

    def _begin(self, download: Download) -> None:
        with self._lock:
            self._running.add(download)

    def _end(self, download: Download) -> None:
        with self._lock:
            if download in self._running:
                self._running.discard(download)
                self._count(download, self._over)

    # --- how it stands -------------------------------------------------------------------------------------

    def counts(self) -> Counts:
        """How the run stands now."""
        with self._lock:
            running = list(self._running)
            now = self._clock()
            counts = Counts(self._began, len(running), Counter(self._ended), self._seconds, self._resumed)
            counts.digests = Counter(self._digests)
            counts.traffic = self._traffic(running)
            counts.connections = self._connections(running)
            counts.missing = sum(_missing(download) for download in running)
            counts.speed = self._speed(now, sum(each.received for each in counts.traffic.values()))
            return counts

    def _traffic(self, running: list[Download]) -> dict[Source, Traffic]:
        sums: dict[Source, Traffic] = {}
        for source, traffic in self._over.items():
            sums.setdefault(source, Traffic()).add(traffic)
        for download in running:
            self._count(download, sums)
        for source, traffic in sums.items():
            traffic.raise_to(self._told.get(source, traffic))
            self._told[source] = traffic
        return {source: self._told[source] for source in sorted(self._told)}

    def _count(self, download: Download, sums: dict[Source, Traffic]) -> None:
        counts = download.counters.by_source()
        for number, place in enumerate(list(download.places)):
            mine = counts.get(number)
            if mine is not None:
                source = self._known(place.given.netloc), place.trust
                received = mine["bytes"] + mine["wasted"]
                others = mine["requests"], mine["errors"], mine["retries"], mine["connections"]
                sums.setdefault(source, Traffic()).add(Traffic(received, mine["wasted"], *others))

    def _known(self, netloc: str) -> str:
        """The host as it is told."""
        host = clean(netloc.rpartition("@")[2].lower(), LONGEST_HOST)
        if host not in self._hosts:
            if len(self._hosts) >= MOST_HOSTS:
                return OTHER
            self._hosts.add(host)
        return host

    def _connections(self, running: list[Download]) -> Counter[str]:
        pools: dict[int, ConnectionPool] = {id(each.session.pool): each.session.pool for each in running}
        found: Counter[str] = Counter()
        for pool in pools.values():
            for host, count in pool.in_use().items():
                found[self._known(host)] += count
        return found

    def _speed(self, now: float, total: int) -> float:
        """Bytes a second since the youngest look that is long enough ago, else since the oldest."""
        looks = self._looks
        while len(looks) > 1 and now - looks[1][0] >= SPEED_SECONDS:
            looks.popleft()
        since, before = looks[0]
        if now - looks[-1][0] >= SPEED_SECONDS / 10:
            looks.append((now, total))
        return max(0, total - before) / (now - since) if now > since and self._running else 0.0


def _digest(result: Result) -> str | None:
    """What became of the check; None where a download did not come so far."""
    if result.error is not None:
        return "failed" if isinstance(result.error, DigestMismatch) else None
    return "verified" if result.digest is not None and result.digest.verified else "none"


def _missing(download: Download) -> int:
    attempt = download.main
    if attempt is None or download.result.error is not None:
        return 0
    stored, size, *_ = attempt.facts()
    return max(0, size - stored) if size is not None else 0
