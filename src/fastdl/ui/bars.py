"""Progress bars at a terminal, drawn with tqdm.

tqdm costs as much to import as a small file costs to fetch, so it is imported when the first download has lasted long
enough to be worth a bar. What a line says is made here by pure functions for a given width; tqdm fills in the bar and
minds the cursor. No colour is used at all, which is what NO_COLOR asks for.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress

from fastdl.core.hints import Any, TextIO
from fastdl.core.quantity import format_rate, format_seconds, format_size
from fastdl.events import Ended
from fastdl.ui.progress import Clock, Display, Job
from fastdl.ui.text import columns, encodable, pad, shorten

PATIENCE = 0.3  # seconds a download must last before a bar is worth its import
EVERY = 0.1
LEAST_BAR = 6  # cells; with less room the bar is left out
MOST_NAME = 32
TOTAL = -1


class Bars(Display):
    """One line a file, and a line for all of them when there are several. `files` is None while nobody knows how many
    there are."""

    def __init__(self, stream: TextIO, files: int | None, clock: Clock = time.monotonic) -> None:
        super().__init__(stream, clock)
        self.out = Patient(stream)
        self.files = files
        self.several = files is None or files > 1
        self.ended = 0
        self.ended_bytes = 0
        self.lines: dict[int, Any] = {}
        self.summed = Job(label="", since=clock())
        self.tqdm: Any = None

    def draw(self, number: int, job: Job) -> None:
        if self.clock() - job.since < PATIENCE or not self.due(job, EVERY):
            return
        width, height = terminal_size(self.out.stream)
        if self.several and self.due(self.summed, EVERY):
            self._sum(width)
            self._show(TOTAL, self.summed, width, height)
        self._show(number, job, width, height)

    def finish(self, number: int, job: Job, event: Ended) -> None:
        self.ended += 1
        self.ended_bytes += event.result.size or 0
        line = self.lines.pop(number, None)
        if line is not None:
            line.close()

    def write(self, line: str) -> None:
        if self.tqdm is None or not self.lines:
            super().write(line)
            return
        self.tqdm.write(line, file=self.out)

    def close(self) -> None:
        for line in self.lines.values():
            line.close()
        self.lines.clear()

    def _sum(self, width: int) -> None:
        """The line of all files: its total is only known when every file has begun and told its size."""
        running = list(self.jobs.values())
        label = f"{self.ended}" if self.files is None else f"{self.ended} of {self.files}"
        self.summed.label = f"{label} files" if len(label) + 6 <= name_room(width) else label
        self.summed.done = self.ended_bytes + sum(job.done for job in running)
        sizes = [job.total for job in running]
        known = self.ended + len(running) == self.files and None not in sizes
        self.summed.total = self.ended_bytes + sum(size or 0 for size in sizes) if known else None
        self.summed.speed = sum(job.speed for job in running)
        self.summed.connections = sum(job.connections for job in running)

    def _show(self, number: int, job: Job, width: int, height: int) -> None:
        line = self.lines.get(number)
        if line is None:
            line = self.lines[number] = self._open()
        line.bar_format = encodable(line_format(job, width, aligned=self.several), self.out.encoding)
        line.ncols, line.nrows = width, height
        line.total, line.n = job.total, min(job.done, job.total) if job.total is not None else job.done
        line.refresh()

    def _open(self) -> Any:
        if self.tqdm is None:
            from tqdm.std import tqdm

            tqdm.monitor_interval = 0  # its watching thread would outlive the bars
            tqdm.set_lock(threading.RLock())  # the default one is shared between processes and slow to make
            self.tqdm = tqdm
        return self.tqdm(total=None, file=self.out, leave=False, bar_format=" ", ncols=1, delay=1e-9)


class Patient:
    """A stream whose faults are nobody's: a terminal that has gone does not stop a download."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.encoding = getattr(stream, "encoding", None)

    def write(self, text: str) -> None:
        with suppress(OSError, ValueError):
            self.stream.write(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self.stream.flush()


def name_room(width: int) -> int:
    """Cells for the name in a line of `width` cells."""
    return max(8, min(MOST_NAME, width // 4))


def terminal_size(stream: TextIO) -> tuple[int, int]:
    """Cells of a line on this terminal less one (a full line would wrap on some), and its lines; 79 and 24 where it
    cannot be asked."""
    try:
        size = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError, AttributeError):
        size = os.terminal_size((0, 0))
    return max(20, (size.columns or 80) - 1), size.lines or 24


def line_format(job: Job, width: int, *, aligned: bool) -> str:
    """tqdm's format for one line: name, percents, `{bar}`, facts. Every part has a fixed width, so that no bar
    trembles; `aligned` names are filled up, so that the bars of several files stand below each other."""
    room = name_room(width)
    head = shorten(job.label, room)
    if aligned:
        head = pad(head, room)
    bar = ""
    if job.percent is not None:
        head += f" {job.percent:3d}%"
        bar = " |{bar}|"
    taken = columns(head) + (LEAST_BAR + 3 if bar else 0)
    return _literal(head) + bar + _literal(facts(job, width - taken))


def facts(job: Job, room: int) -> str:
    """What is told behind the bar in at most `room` cells: speed, time left, size, connections, sources; those at the
    end go first where there is little room."""
    size = job.done if job.total is None else job.total
    texts = [
        format_rate(job.speed).rjust(11),
        (f"{format_seconds(job.left)} left" if job.left is not None else "").rjust(10),
        format_size(size).rjust(10),
        (f"{job.connections} conn" if job.connections else "").rjust(7),
        f"{job.sources} src".rjust(5) if job.sources > 1 else "",
    ]
    line = ""
    for text in texts:
        if columns(line) + 2 + len(text) > room:
            break
        line += "  " + text
    return line.rstrip()


def _literal(text: str) -> str:
    """Braces doubled: a name is no format."""
    return text.replace("{", "{{").replace("}", "}}")
