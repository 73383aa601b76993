"""How a running download looks: bars at a terminal, a line now and then, JSON for programs, or nothing.

All of it goes to stderr. A display is an observer of events; it keeps one small record per file and decides itself
how often it draws, so that the engine may report as often as it likes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping

from fastdl.core.hints import TextIO
from fastdl.core.plain import dataclass
from fastdl.errors import FastdlError
from fastdl.events import Ended, Event, Lent, Named, Progressed, Started
from fastdl.ui.text import counted, safe

ANNOUNCE = 1.0  # seconds a download must last before it is worth a line that it has begun
# Seconds between two lines of one file, and the age from which on they hold: who waits longer is told more rarely.
PLAIN_EVERY = ((120.0, 30.0), (30.0, 10.0), (0.0, 5.0))
TICK = 0.25  # seconds between two looks at the clock where no event comes
JSON_EVERY = 0.5

Clock = Callable[[], float]


@dataclass(slots=True)
class Job:
    """What is known of one running file; sizes in bytes, speed in bytes a second, times by the display's clock.
    `path` is "" until the server has answered; `resumed` bytes were there before this run."""

    label: str
    since: float
    host: str = ""
    path: str = ""
    resumed: int = 0
    done: int = 0
    total: int | None = None
    speed: float = 0.0
    connections: int = 0
    sources: int = 0
    drawn: float = float("-inf")
    announced: bool = False

    @property
    def percent(self) -> int | None:
        """Whole percents, rounded down so that 100 is only shown when all is there."""
        if self.total is None:
            return None
        return 100 if self.total == 0 else min(100, self.done * 100 // self.total)

    @property
    def left(self) -> float | None:
        """Seconds to go at the present speed."""
        if self.total is None or self.speed <= 0:
            return None
        return max(0, self.total - self.done) / self.speed


class Display:
    """Shows nothing; the others build on its book-keeping. Not thread-safe: the caller holds a lock."""

    ticks = False  # whether `tick` has to be called now and then

    def __init__(self, stream: TextIO | None, clock: Clock = time.monotonic) -> None:
        self.stream = stream
        self.clock = clock
        self.jobs: dict[int, Job] = {}

    def handle(self, event: Event) -> None:
        """Takes one event in and draws if it is time."""
        if isinstance(event, Started):
            label, host = names_of(event.url) if self.ticks else (safe(event.url), "")
            self.jobs[event.job] = Job(label=label, since=self.clock(), host=host)
        elif isinstance(event, Ended):
            job = self.jobs.pop(event.job, None)
            if job is not None:
                self.finish(event.job, job, event)
        elif isinstance(event, Named | Progressed) and event.job in self.jobs:
            self._update(event)
            self.draw(event.job, self.jobs[event.job])
        elif isinstance(event, Lent):
            self.lend(event.lent)

    def _update(self, event: Named | Progressed) -> None:
        job = self.jobs[event.job]
        if isinstance(event, Named):
            job.path = event.path
            job.label = "stdout" if event.path == "-" else safe(os.path.basename(event.path)) or job.label
            job.total, job.done, job.resumed = event.size, event.resumed_bytes, event.resumed_bytes
            return
        job.done, job.total, job.speed = event.done, event.total, event.speed
        job.connections, job.sources = event.connections, event.sources

    def draw(self, number: int, job: Job) -> None:
        """Shows the present state of a job, if it is time to."""

    def finish(self, number: int, job: Job, event: Ended) -> None:
        """The job is over: its last state is shown or its place is cleared."""

    def tick(self) -> None:
        """Some time is over, whether there was an event or not."""

    def hide(self) -> None:
        """Somebody else is about to write to the same terminal."""

    def lend(self, lent: bool) -> None:
        """Somebody else writes to the same terminal for a while (`lent`), or does so no more."""

    def write(self, line: str) -> None:
        """Prints one whole line without tearing what is drawn."""
        emit(self.stream, line)

    def close(self) -> None:
        """Takes everything off the screen that is not meant to stay."""

    def due(self, job: Job, every: float) -> bool:
        """True if `every` seconds are over since the job was drawn; counts as drawn then."""
        now = self.clock()
        if now - job.drawn < every:
            return False
        job.drawn = now
        return True


class Plain(Display):
    """Whole lines, for logs, for screen readers and for terminals that only print: one when a file has begun, then one
    every five seconds, and more rarely in the course of time."""

    ticks = True

    def draw(self, number: int, job: Job) -> None:
        now = self.clock()
        if job.path and not job.announced:
            if now - job.since >= ANNOUNCE:
                job.announced, job.drawn = True, now
                self.write(first_line(job))
        elif now - max(job.since, job.drawn) >= plain_every(now - job.since):
            job.drawn = now
            self.write(plain_line(job) if job.path else f"{job.label}: waiting for {job.host or 'an answer'}")

    def tick(self) -> None:
        for number, job in list(self.jobs.items()):
            self.draw(number, job)


class JsonLines(Display):
    """One JSON object a line for programs: at most two a second for each file, and one when it ends."""

    def draw(self, number: int, job: Job) -> None:
        if job.path and self.due(job, JSON_EVERY):
            self._emit(job)

    def finish(self, number: int, job: Job, event: Ended) -> None:
        if job.path and event.result.error is None and event.result.size is not None:
            job.done = job.total = event.result.size
            self._emit(job)

    def _emit(self, job: Job) -> None:
        import json

        facts = {
            "path": job.path,
            "bytes": job.done,
            "total": job.total,
            "speed": round(job.speed),
            "connections": job.connections,
            "sources": job.sources,
        }
        self.write(json.dumps(facts))


def names_of(url: str) -> tuple[str, str]:
    """What a URL is called before its file has a name, and its host; the host is "" where it is no URL."""
    from fastdl.core.shown import percent_decoded
    from fastdl.core.urls import parse_url

    try:
        parsed = parse_url(url)
    except FastdlError:
        return safe(url), ""
    name = percent_decoded(parsed.path.rpartition("/")[2]).decode(errors="replace")
    return safe(name) or parsed.host, parsed.netloc


def plain_every(age: float) -> float:
    """Seconds until the next line of a file that is `age` seconds old."""
    return next(every for least, every in PLAIN_EVERY if age >= least)


def first_line(job: Job) -> str:
    """`name: 266.0 MiB from example.org, 1.0 MiB of it are there already`."""
    from fastdl.core.quantity import format_size

    size = format_size(job.total) if job.total is not None else "unknown size"
    text = f"{job.label}: {size}" + (f" from {job.host}" if job.host else "")
    return text + (f", {format_size(job.resumed)} of it are there already" if job.resumed else "")


def plain_line(job: Job) -> str:
    """`name: 45% of 266.0 MiB (120.0 MiB), 12.3 MiB/s, 11 s left, 8 connections, 2 sources`; what is not known is left
    out."""
    from fastdl.core.quantity import format_rate, format_seconds, format_size

    if job.total is None:
        parts = [f"{job.label}: {format_size(job.done)} so far"]
    else:
        parts = [f"{job.label}: {job.percent}% of {format_size(job.total)} ({format_size(job.done)})"]
    parts.append(format_rate(job.speed))
    if job.left is not None:
        parts.append(f"{format_seconds(job.left)} left")
    if job.connections:
        parts.append(counted(job.connections, "connection"))
        parts.append(counted(job.sources, "source"))
    return ", ".join(parts)


def emit(stream: TextIO | None, line: str) -> None:
    """Prints a line; a stream that is closed or gone is no reason to stop a download."""
    if stream is None:
        return
    try:
        stream.write(line + "\n")
        stream.flush()
    except (OSError, ValueError):
        return


def choose_kind(asked: str, *, quiet: bool, terminal: bool, data_on_terminal: bool, environ: Mapping[str, str]) -> str:
    """The display that `--progress` means here: bar, plain, json or none. `terminal`: stderr is one;
    `data_on_terminal`: the file itself goes to a terminal (`-o -`), where a bar would tear it."""
    if quiet:
        return "none"
    if asked != "auto":
        return asked
    if not terminal or data_on_terminal:
        return "none"
    return "plain" if environ.get("TERM") == "dumb" else "bar"


def make_display(
    kind: str,
    stream: TextIO | None,
    files: int | None,
    clock: Clock = time.monotonic,
    environ: Mapping[str, str] = os.environ,
) -> Display:
    """The display of a kind that `choose_kind` gave, for a run of `files` files (None: nobody knows yet)."""
    if kind == "bar" and stream is not None:
        from fastdl.ui.bars import Bars

        return Bars(stream, files, clock, environ)
    if kind == "plain":
        return Plain(stream, clock)
    if kind == "json":
        return JsonLines(stream, clock)
    return Display(stream, clock)
