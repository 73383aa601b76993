"""Virtual time: a queue of moments, and tasks that sleep in it.

A task is a generator. It yields the seconds that it wants to sleep, or None to sleep until somebody wakes it. Nothing
here takes real time, and the order of events depends on nothing but the tasks themselves, so a run can be repeated
exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from heapq import heappop, heappush
from typing import TypeVar

T = TypeVar("T")
Steps = Generator["float | None", None, T]


class Task:
    """A running generator. `done` is set when it has returned."""

    __slots__ = ("_clock", "done", "steps", "ticket")

    def __init__(self, clock: Clock, steps: Steps[None]) -> None:
        self._clock = clock
        self.steps = steps
        self.ticket = 0  # how often it has been resumed: moments with an older ticket are stale
        self.done = False

    def wake(self) -> None:
        """Go on now, whatever it was sleeping for."""
        if not self.done:
            self._clock.push(0.0, self)

    def stop(self) -> None:
        """Never go on."""
        self.done = True
        self.steps.close()


class Clock:
    """Runs tasks in the order of their moments; `now` is in seconds, `events` counts the moments so far."""

    def __init__(self) -> None:
        self.now = 0.0
        self.events = 0
        self._moments: list[tuple[float, int, Task, int]] = []
        self._pushed = 0

    def spawn(self, steps: Steps[None]) -> Task:
        """Begin a task now."""
        task = Task(self, steps)
        self.push(0.0, task)
        return task

    def push(self, delay: float, task: Task) -> None:
        """Resume a task after `delay` seconds, unless it is resumed before."""
        self._pushed += 1
        heappush(self._moments, (self.now + delay, self._pushed, task, task.ticket))

    def run(self, over: Callable[[], bool]) -> None:
        """Let time pass until `over` says so or nothing is left that could happen."""
        moments = self._moments
        while moments and not over():
            moment, _, task, ticket = heappop(moments)
            if task.done or ticket != task.ticket:
                continue
            self.now = moment
            self.events += 1
            task.ticket += 1
            try:
                delay = next(task.steps)
            except StopIteration:
                task.done = True
                continue
            if delay is not None:
                self._pushed += 1
                heappush(moments, (moment + delay, self._pushed, task, task.ticket))
