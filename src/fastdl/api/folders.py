"""A relative path is that of the call, wherever the program goes meanwhile: `os.chdir` is for all of its threads.

The engine gets absolute folders, and what it tells has its paths as the program writes them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from fastdl.core.plain import replace
from fastdl.events import Ended, Event, Named
from fastdl.listing import File
from fastdl.result import Result
from fastdl.settings import Settings


def current() -> str:
    """The current folder; "" where it was removed, which leaves paths as they are and the complaint to the system."""
    try:
        return os.getcwd()
    except OSError:
        return ""


class Folders:
    """The folders of one call."""

    def __init__(self, given: Settings) -> None:
        self._given = given
        self._base = current()
        self._relative: set[int] = set()  # jobs whose folder was given so; of those that have not ended
        self.settings = self._whole(given)

    def files(self, files: Iterable[File]) -> Iterator[File]:
        """The same files with absolute folders."""
        for job, file in enumerate(files):
            settings = self.enter(job, file.settings)
            yield replace(file, settings=settings)

    def enter(self, job: int, settings: Settings) -> Settings:
        """Those of a job that begins, with an absolute folder."""
        if not os.path.isabs(settings.dir):
            self._relative.add(job)
        return self.settings if settings is self._given else self._whole(settings)

    def event(self, event: Event) -> Event:
        """What is told, with paths as they were given."""
        if isinstance(event, Named) and event.job in self._relative:
            return replace(event, path=self._as_given(event.path))
        if isinstance(event, Ended) and event.job in self._relative:
            self._relative.discard(event.job)
            self._put_back(event.result)
        return event

    def _whole(self, settings: Settings) -> Settings:
        folder = self._base if settings.dir == "." else os.path.join(self._base, settings.dir)
        return replace(settings, dir=folder or settings.dir)

    def _put_back(self, result: Result) -> None:
        if result.path is not None:
            result.path = self._as_given(result.path)
        if result.unpacked_into:
            result.unpacked_into = self._as_given(result.unpacked_into)
        told = result.plan["plan"] if result.plan is not None else {}
        if told.get("path"):
            told["path"] = self._as_given(told["path"])

    def _as_given(self, path: str) -> str:
        if path == self._base:
            return "."
        above = os.path.join(self._base, "")
        return path[len(above) :] if path.startswith(above) else path
