"""What programs give as `on_event`."""

from __future__ import annotations

import threading
from collections.abc import Callable

import fastdl
from fastdl.events import Progressed


class OfTheProgram(Exception):
    """What is raised by a program's own part of it."""


class Heard(list[fastdl.Event]):
    """Events as they come, which is one at a time."""

    def __init__(self) -> None:
        super().__init__()
        self._inside = threading.Lock()

    def __call__(self, event: fastdl.Event) -> None:
        assert self._inside.acquire(blocking=False)
        self.append(event)
        self._inside.release()


class Raising(Heard):
    """Raises at an event of that kind (of that job)."""

    def __init__(self, kind: type[fastdl.Event], job: int | None = None) -> None:
        super().__init__()
        self.raised = OfTheProgram()
        self._kind, self._job = kind, job

    def __call__(self, event: fastdl.Event) -> None:
        super().__call__(event)
        if isinstance(event, self._kind) and self._job in (None, event.job):
            raise self.raised


def when_it_flows(call: Callable[[], object], count: int = 1) -> Callable[[fastdl.Event], None]:
    """Calls when so many bytes have come, and with each event after that."""

    def on_event(event: fastdl.Event) -> None:
        if isinstance(event, Progressed) and event.done >= count:
            call()

    return on_event
