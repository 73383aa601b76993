"""The files that a lane was given and has not ended."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable

from fastdl.cluster.messages import Todo

# Seconds that the target of a file that was taken over may be held by the one who had it. Where its machine died, an
# NFS server keeps its locks until their lease ends (RFC 7530, section 9.5): 90 seconds with most.
BUSY = 120.0
AHEAD = 0.5  # seconds of work that a lane likes to have before it
MOST_AHEAD = 256  # files


class InHand:
    """Not thread-safe."""

    def __init__(self) -> None:
        self._todo: deque[Todo] = deque()
        self._all: dict[int, Todo] = {}  # by job, the begun ones too
        self._begun: dict[int, float] = {}  # when
        self._ended: deque[float] = deque()  # the last ones: when

    @property
    def waiting(self) -> int:
        """How many are not begun."""
        return len(self._todo)

    def give(self, files: Iterable[Todo]) -> None:
        """More of them."""
        for todo in files:
            self._all[todo.job] = todo
            self._todo.append(todo)

    def next(self) -> Todo:
        """The next one; it counts as begun. Raises IndexError where none is waiting."""
        todo = self._todo.popleft()
        self._begun.setdefault(todo.job, time.monotonic())
        return todo

    def once_more(self, todo: Todo) -> None:
        """It could not be begun yet."""
        self._todo.appendleft(todo)

    def find(self, job: int) -> Todo | None:
        """The file of that number."""
        return self._all.get(job)

    def may_wait(self, todo: Todo) -> bool:
        """Whether the lane that had it before may be about to let its target go."""
        return todo.again and time.monotonic() - self._begun.get(todo.job, 0.0) < BUSY

    def drop(self, job: int) -> None:
        """Another lane is to have it."""
        self._all.pop(job, None)
        self._begun.pop(job, None)

    def end(self, job: int) -> None:
        """It is done, or never will be."""
        self.drop(job)
        self._ended.append(time.monotonic())

    def recall(self) -> list[int]:
        """Give up what was not begun: the jobs."""
        jobs = [todo.job for todo in self._todo]
        self._todo.clear()
        for job in jobs:
            self.drop(job)
        return jobs

    def clear(self) -> list[int]:
        """Give up all: the jobs."""
        jobs = list(self._all)
        for held in (self._all, self._begun, self._todo):
            held.clear()
        return jobs

    def room(self, at_once: int) -> int:
        """How many more are wanted where so many are worked on at once: enough for half a second at the pace of the
        last one."""
        now = time.monotonic()
        while self._ended and now - self._ended[0] > 1.0:
            self._ended.popleft()
        wanted = min(MOST_AHEAD, max(at_once + 2, at_once + int(len(self._ended) * AHEAD)))
        return max(0, wanted - len(self._all))
