"""What a lane has to tell the head, until its next report."""

from __future__ import annotations

from collections.abc import Iterable

from fastdl.cluster.messages import Report, Vow
from fastdl.errors import FastdlError
from fastdl.events import Event, Progressed


class Outbox:
    """Not thread-safe. `vowed` counts all vows; `unfit` stays once it is set: why this worker can do nothing."""

    def __init__(self, lane: int) -> None:
        self._lane = lane
        self._serial = 0
        self._events: list[Event] = []
        self._vows: list[Vow] = []
        self._returned: list[int] = []
        self.vowed = 0
        self.unfit: FastdlError | None = None

    def add(self, event: Event) -> None:
        """An event of a file. Of how far it has come the last one is enough."""
        if isinstance(event, Progressed):
            self._events = [e for e in self._events if not (isinstance(e, Progressed) and e.job == event.job)]
        self._events.append(event)

    def vow(self, vow: Vow) -> None:
        """A file is about to get its name."""
        self._vows.append(vow)
        self.vowed += 1

    def give_back(self, jobs: Iterable[int]) -> None:
        """Files for another lane."""
        self._returned += [job for job in jobs if job not in self._returned]

    def report(self, seen: int, counts: dict[str, int], room: int, waiting: int) -> Report:
        """All of it, with what is to be said of the lane now, see Report."""
        self._serial += 1
        events, self._events = tuple(self._events), []
        vows, self._vows = tuple(self._vows), []
        returned, self._returned = tuple(self._returned), []
        return Report(
            self._lane,
            self._serial,
            seen,
            events=events,
            vows=vows,
            open=counts,
            room=room,
            waiting=waiting,
            returned=returned,
            unfit=self.unfit,
        )
