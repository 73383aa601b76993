"""Which file is next: they are taken up as they are asked for, and a URL that is given twice is fetched once.

The second time its file is found to be there, as in a run of one process (batch).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from fastdl.listing import File

Job = tuple[int, File]  # its number in the run, from 0


class Turns:
    """The files of a run, numbered. Not thread-safe; only `next` may take time."""

    def __init__(self, files: Iterable[File]) -> None:
        self._files: Iterator[Job] = iter(enumerate(files))
        self._behind: dict[str, deque[Job]] = {}  # of each URL that is being fetched, who waits for it
        self._due: deque[Job] = deque()
        self._held = 0  # in `_behind`
        self.exhausted = False  # the list has ended

    @property
    def waiting(self) -> int:
        """Files that were asked for and may not begin yet."""
        return len(self._due) + self._held

    def next(self) -> Job | None:
        """The next file that may be begun now, None if there is none."""
        if self._due:
            return self._due.popleft()
        while not self.exhausted:
            job = next(self._files, None)
            if job is None:
                self.exhausted = True
                return None
            if (taken := self.begin(job)) is not None:
                return taken
        return None

    def begin(self, job: Job) -> Job | None:
        """The same, if no other file of its URL is being fetched; else it waits."""
        waiting = self._behind.get(job[1].url)
        if waiting is not None:
            waiting.append(job)
            self._held += 1
            return None
        self._behind[job[1].url] = deque()
        return job

    def ended(self, url: str) -> None:
        """The file of this URL that was begun has ended: the next one has its turn."""
        waiting = self._behind.get(url)
        if waiting:
            self._held -= 1
            self._due.append(waiting.popleft())
        else:
            self._behind.pop(url, None)
