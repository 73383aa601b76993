"""Progress bars at a terminal: a line for each running file and, where there are several, one for all of them below.

tqdm draws the bar in a line; it costs as much to import as a small file costs to fetch, so it is imported when the
first download has lasted long enough to be worth a bar. `ui/line` makes what a line says, `ui/canvas` minds the
cursor: unlike tqdm's own lines, these survive a window that changes its size and a job that was stopped.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress

from fastdl.core.hints import Any, TextIO
from fastdl.events import Ended
from fastdl.ui.canvas import Canvas
from fastdl.ui.console import console_of, in_front, terminal_size
from fastdl.ui.line import Layout, layout_for, line, waiting_line
from fastdl.ui.progress import Clock, Display, Job
from fastdl.ui.text import columns, counted

PATIENCE = 0.3  # seconds a download must last before a bar is worth its import
WAITING = 1.0  # seconds without an answer until that is told
EVERY = 0.1
SPEED_SECONDS = 3.0  # over which the speed of all files together is averaged
COLOUR = "green"  # of the bar, and of nothing else: what is copied into a log is the same everywhere


class Bars(Display):
    """One line a file, and a line for all of them when there are several. `files` is None while nobody knows how many
    there are."""

    ticks = True

    def __init__(
        self,
        stream: TextIO,
        files: int | None,
        clock: Clock = time.monotonic,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        super().__init__(stream, clock)
        self.terminal = stream
        self.console = console_of(stream, environ)
        self.canvas = Canvas(stream, self.console)
        self.total = Total(files, clock()) if files is None or files > 1 else None
        self.longest = 0  # cells of the longest name so far
        self.framed = float("-inf")  # when the last frame was drawn
        self.shown: dict[int, str] = {}  # the lines of files that stand on the screen, by job
        self.tail: list[str] = []  # the line of all files
        self.tqdm: Any = None
        self._lent = 0  # commands of the user's that may write to the terminal now
        self._resumption = Resumption(self.canvas)

    def draw(self, number: int, job: Job) -> None:
        self.tick()

    def tick(self) -> None:
        now = self.clock()
        if now - self.framed < EVERY:
            return
        if self.total is not None:
            self.total.count(self.jobs.values(), now)
        if self._in_front():
            self._frame(now)

    def finish(self, number: int, job: Job, event: Ended) -> None:
        if self.total is not None:
            self.total.ended(job, event)
        if self.shown.pop(number, None) is not None and self._in_front():
            width = self._size()[0]
            rest = [*self.shown.values(), *self.tail]
            self.canvas.show(rest if width >= self.canvas.width else (), width)

    def write(self, line: str) -> None:
        if self._in_front() and self.canvas.lines:
            self.canvas.say(line, self._size()[0])
        else:
            super().write(line)

    def hide(self) -> None:
        if self._in_front():
            self.canvas.clear(self._size()[0])
        self.framed = self.clock()

    def lend(self, lent: bool) -> None:
        if lent:
            self.hide()
        self._lent += 1 if lent else -1

    def close(self) -> None:
        self.jobs.clear()  # nothing is drawn any more, whoever ticks
        self.shown.clear()
        self.tail = []
        if self._in_front():
            self.canvas.clear(self._size()[0])
        self._resumption.end()
        self.console.restore()

    def _in_front(self) -> bool:
        """Whether the terminal is ours. What was drawn before it was taken away is left to whoever writes now."""
        if not self._lent and in_front(self.terminal):
            return True
        self.canvas.forget()
        return False

    def _frame(self, now: float) -> None:
        """Draw everything that is worth drawing, in as many lines as the terminal has."""
        old = {number: job for number, job in sorted(self.jobs.items()) if _is_due(job, now)}
        total = self.total if self.total is not None and now - self.total.job.since >= PATIENCE else None
        if not old and (total is None or not self.jobs):
            return
        self.framed = now
        width, height = self._size()
        labels = total.labels() if total is not None else []
        names = [job.label for job in self.jobs.values()] + labels[:1]
        self.longest = max(self.longest, *map(columns, names))
        layout = layout_for(width, self.longest, "\u2026" if self.console.blocks else "...", self.console.codec)
        if total is not None:
            total.job.label = next((label for label in labels if len(label) <= layout.name), labels[-1])
        room = max(0, height - 1 - (total is not None))
        self.tail = [self._text(total.job, layout, width, now)] if total is not None else []
        under_way = sorted(old, key=lambda number: not old[number].path)  # before those that wait for an answer
        seen = sorted(under_way[: max(room, total is None)])
        self.shown = {number: self._text(old[number], layout, width, now) for number in seen}
        self.canvas.show([*self.shown.values(), *self.tail], width)

    def _text(self, job: Job, layout: Layout, width: int, now: float) -> str:
        if job.path:
            return line(job, layout, self._bar)
        return waiting_line(job, layout, width, now - job.since, named=self.total is not None)

    def _bar(self, filled: float, cells: int) -> str:
        if self.tqdm is None:
            from tqdm.std import tqdm

            self.tqdm = tqdm
        text: str = self.tqdm.format_meter(
            filled,
            1.0,
            0.0,
            ncols=cells,
            ascii=False if self.console.blocks else " #",
            bar_format="{bar}",
            colour=COLOUR if self.console.colour else None,
        )
        return text

    def _size(self) -> tuple[int, int]:
        return terminal_size(self.terminal)


def _is_due(job: Job, now: float) -> bool:
    return now - job.since >= (PATIENCE if job.path else WAITING)


class Total:
    """The files of a run taken together. The size of all is only known when every file has begun and told its own."""

    def __init__(self, files: int | None, now: float) -> None:
        self.files = files
        self.job = Job(label="", since=now, path="*")
        self._ended = self._failed = 0
        self._bytes = self._come = 0  # of ended files: in the files, and fetched by this run
        self._at, self._seen = now, 0

    def labels(self) -> list[str]:
        """`3 of 20 files, 1 failed`, and shorter forms of it."""
        count = str(self._ended) if self.files is None else f"{self._ended} of {self.files}"
        files = counted(self._ended, "file") if self.files is None else f"{count} files"
        if not self._failed:
            return [files, count]
        return [f"{files}, {self._failed} failed", f"{count}, {self._failed} failed", f"{self._failed} failed"]

    def ended(self, job: Job, event: Ended) -> None:
        """A file is over."""
        result = event.result
        self._ended += 1
        self._failed += result.error is not None
        done = job.done if result.error is not None or result.size is None else result.size
        self._bytes += done
        if not result.kept:
            self._come += max(0, done - job.resumed)

    def count(self, jobs: Iterable[Job], now: float) -> None:
        """Take the state of the running files."""
        running = list(jobs)
        summed = self.job
        summed.done = self._bytes + sum(job.done for job in running)
        sizes = [job.total if job.path else None for job in running]
        known = self._ended + len(running) == self.files and None not in sizes
        summed.total = self._bytes + sum(size or 0 for size in sizes) if known else None
        summed.connections = sum(job.connections for job in running)
        come = self._come + sum(job.done - job.resumed for job in running)
        if now - summed.since <= SPEED_SECONDS:
            summed.speed = max(0.0, come / max(now - summed.since, EVERY))
        elif now > self._at:
            weight = min(1.0, (now - self._at) / SPEED_SECONDS)
            summed.speed = max(0.0, summed.speed + weight * ((come - self._seen) / (now - self._at) - summed.speed))
        self._at, self._seen = now, come


class Resumption:
    """Notices that the process was stopped (Ctrl-Z) and goes on: the shell has written since, so the cursor is not
    where it was left. Nothing where the system has no such signal, or the program around us owns signals."""

    def __init__(self, canvas: Canvas) -> None:
        import signal

        self._before: Any = None
        self._number = getattr(signal, "SIGCONT", None)
        if self._number is not None:
            try:
                self._before = signal.signal(self._number, lambda number, frame: canvas.forget())
            except ValueError:  # not the main thread
                self._number = None

    def end(self) -> None:
        """Give the signal back."""
        import signal

        if self._number is not None:
            with suppress(ValueError):
                signal.signal(self._number, self._before)
            self._number = None
