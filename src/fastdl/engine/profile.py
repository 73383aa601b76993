"""`get --profile`: the times of all files of a run, put together.

The object that `report` gives (docs/profile.md has an example; seconds are floats of whole microseconds):

    version     1; it grows when a key changes its meaning
    seconds     from the start of the process to the report; null in `start_up` where the system does not tell
    start_up    {seconds, cpu_seconds}: until the first file was begun
    count, failed, bytes    files, those with an error, bytes that came over the network
    sum         {seconds, steps, workers, helpers}: the files below and those left out, added up
    files       of each file {url, path, exit_code, error, size, bytes, resumed_bytes, wasted_bytes, seconds, steps,
                sources, workers, helpers, timeline}; the 1,000 that took longest
    steps       {phase: seconds}: what the file as a whole was doing, one after the other; they add up to its seconds
    workers     [{number, lives, seconds, cpu_seconds, bytes, phases}]: one for each connection slot; phases add up
    helpers     [{name, seconds, cpu_seconds, phases}]: threads beside the workers
    sources     [{url, host, trust, bytes, wasted_bytes, requests, connections, errors, stalls, seconds, phases}]: the
                time spent on each by workers (idle time left out) and by a file's own thread
    timeline    {spans, left_out}: when that was; engine/spans says how
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping

from fastdl.core.hints import TYPE_CHECKING, Any
from fastdl.core.shown import mask
from fastdl.engine.spans import timeline
from fastdl.io.phases import ON_ITS_OWN, OTHER, Recorder, Stopwatch
from fastdl.io.process_age import process_age

if TYPE_CHECKING:
    from fastdl.core.history import Entry
    from fastdl.engine.download import Download
    from fastdl.result import Result

MOST_FILES = 1000  # of which all is kept; the sums have every file
MOST_SPANS = 100_000  # of all files together
MOST_KEPT = 20  # files whose times the state folder gets
IDLE = "idle"
NETWORK = ("dns", "connect", "proxy", "trust", "tls", "first_byte", "receive", "stall")
# The order in which phases are told: first the steps of a file, then what a worker does for a range.
ORDER = (
    "look", "route", "transfer", IDLE, "dns", "connect", "proxy", "trust", "tls", "first_byte", "receive", "stall",
    "limiter", "lock", "allocate", "disk", "journal", "compare", "publisher", "digest", "mend", "flush", "rename",
    "settle", "remember", OTHER,
)  # fmt: skip


class Profile:
    """The times of one run. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: list[dict[str, Any]] = []
        self._kept: deque[tuple[Entry, dict[str, Any]]] = deque(maxlen=MOST_KEPT)
        self._spans = 0
        self._begun: tuple[float | None, float] | None = None
        self._count = self._failed = 0
        self._bytes = 0
        self._steps: Counter[str] = Counter()
        self._workers: Counter[str] = Counter()
        self._helpers: Counter[str] = Counter()
        self._cpu = 0

    def run(self, download: Download) -> Result:
        """Run a download, and take its times; also if it crashes."""
        recorder = self._begin()
        try:
            with recorder.steps.running():
                return download.run()
        finally:
            self._add(recorder, download)

    def run_then(self, download: Download, ended: Callable[[Callable[[], Result]], None]) -> None:
        """The same for one file of many; see Download."""
        recorder = self._begin()

        def concluded(conclude: Callable[[], Result]) -> Result:
            recorder.steps.book_rest("settle")
            try:
                return conclude()
            finally:
                self._add(recorder, download)

        with recorder.steps.running():
            download.run_then(lambda conclude: ended(lambda: concluded(conclude)))

    def _begin(self) -> Recorder:
        with self._lock:
            if self._begun is None:
                self._begun = process_age(), time.process_time()
        return Recorder()

    def _add(self, recorder: Recorder, download: Download) -> None:
        steps = _by_phase([recorder.steps])
        workers = [(number, stopwatch, stopwatch.spent()) for number, stopwatch in recorder.workers]
        told = _file(recorder, download, steps, workers)
        with self._lock:
            self._count += 1
            self._failed += download.result.error is not None
            self._bytes += told["bytes"]
            self._steps.update(steps)
            for _, stopwatch, spent in workers:
                self._workers.update(_phases_of(spent))
                self._cpu += stopwatch.cpu_ns
            self._helpers.update(_by_phase(stopwatch for _, stopwatch in recorder.helpers))
            if download.entry is not None:
                self._kept.append((download.entry, dict(told)))
            self._keep(told)

    def _keep(self, told: dict[str, Any]) -> None:
        """The file joins the others; the timelines of all of them together are bounded."""
        spans = len(told["timeline"]["spans"])
        if self._spans + spans > MOST_SPANS:
            told["timeline"] = {"spans": [], "left_out": spans + told["timeline"]["left_out"]}
        self._files.append(told)
        self._spans += len(told["timeline"]["spans"])
        if len(self._files) >= 2 * MOST_FILES:
            self._files = self._longest()
            self._spans = sum(len(file["timeline"]["spans"]) for file in self._files)

    def kept(self) -> list[tuple[Entry, dict[str, Any]]]:
        """The files that ended last and are in the history, as there and as in `files`."""
        with self._lock:
            return list(self._kept)

    def _longest(self) -> list[dict[str, Any]]:
        """The files that took longest, in the order in which they ended."""
        least = sorted((file["seconds"] for file in self._files), reverse=True)[:MOST_FILES]
        return [file for file in self._files if file["seconds"] >= least[-1]][:MOST_FILES] if least else []

    def report(self) -> dict[str, Any]:
        """Everything, as an object for JSON."""
        with self._lock:
            age, cpu = self._begun or (process_age(), time.process_time())
            now = process_age()
            return {
                "version": 1,
                "seconds": round(now, 6) if now is not None else None,
                "start_up": {"seconds": round(age, 6) if age is not None else None, "cpu_seconds": round(cpu, 6)},
                "count": self._count,
                "failed": self._failed,
                "bytes": self._bytes,
                "sum": {
                    "seconds": _seconds(sum(self._steps.values())),
                    "steps": _told(self._steps),
                    "workers": {
                        "seconds": _seconds(sum(self._workers.values())),
                        "cpu_seconds": _seconds(self._cpu),
                        "phases": _told(self._workers),
                    },
                    "helpers": {"seconds": _seconds(sum(self._helpers.values())), "phases": _told(self._helpers)},
                },
                "files": self._longest(),
            }


# --- one file --------------------------------------------------------------------------------------------

Spent = dict[tuple[int, str], int]


def _file(
    recorder: Recorder, download: Download, steps: Counter[str], workers: list[tuple[int, Stopwatch, Spent]]
) -> dict[str, Any]:
    result = download.result
    counts = download.counters.by_worker()
    return {
        "url": mask(result.url),
        "path": result.path,
        "exit_code": result.exit_code,
        "error": mask(str(result.error)) if result.error is not None else None,
        "size": result.size,
        "bytes": sum(row["bytes"] + row["wasted"] for row in counts.values()),
        "resumed_bytes": result.resumed_bytes,
        "wasted_bytes": result.wasted_bytes,
        "seconds": _seconds(sum(steps.values())),
        "steps": _told(steps),
        "sources": _sources(download, counts, workers, steps),
        "workers": [_worker(number, counts, workers) for number in sorted({number for number, *_ in workers})],
        "helpers": [
            {"name": name, **_life([stopwatch], _by_phase([stopwatch]))} for name, stopwatch in recorder.helpers
        ],
        "timeline": timeline(recorder),
    }


def _worker(
    number: int, counts: Mapping[tuple[int, int], dict[str, int]], workers: list[tuple[int, Stopwatch, Spent]]
) -> dict[str, Any]:
    """One connection slot. It lives again in each attempt at the file."""
    mine = [(stopwatch, spent) for other, stopwatch, spent in workers if other == number]
    spent: Counter[str] = Counter()
    for _, each in mine:
        spent.update(_phases_of(each))
    rows = [row for (worker, _), row in counts.items() if worker == number]
    return {
        "number": number,
        "lives": len(mine),
        "bytes": sum(row["bytes"] + row["wasted"] for row in rows),
        **_life([stopwatch for stopwatch, _ in mine], spent),
    }


def _life(stopwatches: Iterable[Stopwatch], spent: Counter[str]) -> dict[str, Any]:
    return {
        "seconds": _seconds(sum(spent.values())),
        "cpu_seconds": _seconds(sum(stopwatch.cpu_ns for stopwatch in stopwatches)),
        "phases": _told(spent),
    }


def _sources(
    download: Download,
    counts: Mapping[tuple[int, int], dict[str, int]],
    workers: list[tuple[int, Stopwatch, Spent]],
    steps: Counter[str],
) -> list[dict[str, Any]]:
    told = []
    for source, place in enumerate(download.places):
        # The first answer of a file of many is asked for by its own thread, without a worker.
        own = {phase: steps[phase] for phase in NETWORK if phase in steps} if source == 0 else {}
        spent: Counter[str] = Counter(own)
        for _, _, each in workers:
            spent.update(_phases_of(each, source))
        rows = [row for (_, other), row in counts.items() if other == source]
        sums = {name: sum(row[name] for row in rows) for name in ("bytes", "wasted", "requests", "errors")}
        told.append(
            {
                "url": mask(place.given.text),
                "host": place.given.host,
                "trust": place.trust,
                "bytes": sums["bytes"] + sums["wasted"],
                "wasted_bytes": sums["wasted"],
                "requests": sums["requests"],
                "connections": sum(row["connections"] for row in rows),
                "errors": sums["errors"],
                "stalls": sum(stopwatch.stalls[source] for _, stopwatch, _ in workers),
                "seconds": _seconds(sum(spent.values())),
                "phases": _told(spent),
            }
        )
    return told


# --- sums ------------------------------------------------------------------------------------------------


def _phases_of(spent: Spent, source: int | None = None) -> Counter[str]:
    """Nanoseconds by phase: all, or what a source was worked for."""
    phases: Counter[str] = Counter()
    for (other, phase), nanoseconds in spent.items():
        if source is None or (other == source != ON_ITS_OWN and phase != IDLE):
            phases[phase] += nanoseconds
    return phases


def _by_phase(stopwatches: Iterable[Stopwatch]) -> Counter[str]:
    phases: Counter[str] = Counter()
    for stopwatch in stopwatches:
        phases.update(_phases_of(stopwatch.spent()))
    return phases


def _seconds(nanoseconds: int) -> float:
    """Whole microseconds, rounded down, so that parts never add up to more than the whole."""
    return nanoseconds // 1000 / 1e6


def _told(phases: Mapping[str, int]) -> dict[str, float]:
    """Seconds by phase, in order. `other` is the rest: with it they add up."""
    names = sorted(phases, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))
    micros = {name: phases[name] // 1000 for name in names if name != OTHER}
    rest = sum(phases.values()) // 1000 - sum(micros.values())
    return {name: value / 1e6 for name, value in micros.items()} | {OTHER: rest / 1e6}
