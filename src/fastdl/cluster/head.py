"""The bookkeeping of a run by many lanes: which file is where, what has ended, who takes over from whom.

Decisions only: `cluster/dask` carries messages, waits and counts the time. Files go to a lane a few at a time, as it
finds room for them; those of one that is lost go to the others, with what is known of them.
"""

from __future__ import annotations

from collections import deque

from fastdl.cluster.messages import Orders, Report, Todo, Vow
from fastdl.cluster.shares import Shares
from fastdl.cluster.turns import Turns
from fastdl.core.plain import dataclass, field
from fastdl.errors import FastdlError
from fastdl.events import Checked, Ended, Event, Started
from fastdl.listing import File
from fastdl.settings import Settings

MOST_AT_ONCE = 128  # files in one message
TAIL = 2  # of what is left, a lane gets one part in so many times the lanes


@dataclass(slots=True)
class Lane:
    """What is known of one lane. `todo` are its files that have not ended."""

    number: int
    name: str  # of its worker
    todo: dict[int, Todo] = field(default_factory=dict)
    fresh: list[Todo] = field(default_factory=list)  # not sent yet
    sent: deque[tuple[int, int]] = field(default_factory=deque)  # orders that were not seen yet: serial, files
    room: int = 0  # as it said, less what it did not know of
    waiting: int = 0
    vows: int = 0  # that have arrived
    serial: int = 0  # of the newest orders
    begun: bool = False  # it has reported
    recall: bool = False  # to be sent
    recalled: int = 0  # the serial of the orders that say so, 0: none is under way
    reachable: bool = False  # there is a way to tell it anything
    dirty: bool = True  # there is something to tell it


class Head:
    """The state of one run. Not thread-safe."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.lanes: dict[int, Lane] = {}
        self.turns = Turns(())
        self.turns.exhausted = True  # what comes, comes by `add`
        self.listed = False  # the list has ended
        self.stopped: FastdlError | None = None
        self._ready: deque[Todo] = deque()
        self._vows: dict[int, Vow] = {}
        self._told: set[int] = set()  # jobs that have not ended, of which it was told that they are begun
        self._shares = Shares(settings.per_host)
        self._serial = 0

    # --- files -------------------------------------------------------------------------------------------

    def add(self, job: int, file: File) -> None:
        """One more file of the list."""
        if self.turns.begin((job, file)) is not None:
            self._ready.append(Todo(job, file))

    @property
    def kept(self) -> int:
        """Files that wait here."""
        return len(self._ready) + self.turns.waiting

    @property
    def wanted(self) -> int:
        """How many more files could be used now."""
        room = sum(max(0, lane.room) for lane in self.lanes.values())
        return max(0, 2 * room + 1 - self.kept)

    @property
    def done(self) -> bool:
        """Whether every file has ended."""
        return (
            self.listed
            and not self._ready
            and not self.turns.waiting
            and not any(lane.todo for lane in self.lanes.values())
        )

    # --- lanes -------------------------------------------------------------------------------------------

    def join(self, number: int, name: str) -> Lane:
        """A lane at the worker of this name."""
        lane = self.lanes[number] = Lane(number, name)
        self._shares.join(number)
        self.all_dirty()
        return lane

    def lose(self, number: int) -> None:
        """A lane is gone: its files are for others. Its connections count until `forget`."""
        lane = self.lanes.pop(number, None)
        if lane is None:
            return
        for job in reversed(list(lane.todo)):
            self._give_back(lane, job, again=True)
        self.all_dirty()

    def forget(self, number: int) -> None:
        """The connections of a lost lane are closed by now."""
        if number in self._shares.lanes:
            self._shares.leave(number)

    def _give_back(self, lane: Lane, job: int, *, again: bool) -> None:
        todo = lane.todo.pop(job)
        lane.fresh = [each for each in lane.fresh if each.job != job]
        again = (again and (job in self._told or job in self._vows)) or todo.again
        self._ready.appendleft(Todo(job, todo.file, again, self._vows.get(job)))

    def all_dirty(self) -> None:
        """There is something new for every lane."""
        for lane in self.lanes.values():
            lane.dirty = True

    # --- messages ----------------------------------------------------------------------------------------

    def heard(self, report: Report) -> list[Event]:
        """Take a report; what is to be told of it."""
        lane = self.lanes.get(report.lane)
        if lane is None:
            return []
        lane.begun = True
        while lane.sent and lane.sent[0][0] <= report.seen:
            lane.sent.popleft()
        lane.room = report.room - len(lane.fresh) - sum(count for _, count in lane.sent)
        lane.waiting = report.waiting
        if report.seen >= lane.recalled:
            lane.recalled = 0
        told: list[Event] = []
        for vow in report.vows:
            if vow.job in lane.todo:
                self._vows[vow.job] = vow
                told += self._checked(vow)
        if report.vows:
            lane.vows += len(report.vows)
            lane.dirty = True
        told += [event for event in report.events if self._passes(lane, event)]
        for job in report.returned:
            if job in lane.todo:
                self._give_back(lane, job, again=True)
        self._shares.heard(report.lane, report.seen, report.open)
        return told

    def _checked(self, vow: Vow) -> list[Event]:
        """For the lock, if there is one."""
        result = vow.result
        if self.settings.lock is None or result.sha256 is None:
            return []
        return [Checked(vow.job, result.path or "-", vow.size, 0, result.sha256)]

    def _passes(self, lane: Lane, event: Event) -> bool:
        """Whether an event is news: a file that was taken over has been begun already."""
        job = getattr(event, "job", None)
        if job is None:
            return True
        if job not in lane.todo:
            return False
        if isinstance(event, Started):
            if job in self._told:
                return False
            self._told.add(job)
        if isinstance(event, Ended):
            todo = lane.todo.pop(job)
            self._told.discard(job)
            self._vows.pop(job, None)
            self.turns.ended(todo.file.url)
            while (taken := self.turns.next()) is not None:
                self._ready.append(Todo(*taken))
        return True

    def assign(self) -> None:
        """Hand out what waits, in equal parts towards the end; and take back from those who have much waiting what
        others could begin."""
        if self.stopped is not None:
            return
        lanes = sorted((lane for lane in self.lanes.values() if lane.begun), key=lambda lane: len(lane.todo))
        for lane in lanes:
            count = min(lane.room, MOST_AT_ONCE)
            if self.listed:
                count = min(count, max(1, -(-len(self._ready) // (TAIL * len(lanes)))))
            for _ in range(min(count, len(self._ready))):
                todo = self._ready.popleft()
                lane.todo[todo.job] = todo
                lane.fresh.append(todo)
                lane.room -= 1
                lane.dirty = True
        if self.listed and not self._ready and any(not lane.todo and lane.room for lane in lanes):
            for lane in lanes:
                if lane.waiting and not lane.recalled and not lane.recall and not lane.fresh:
                    lane.recall = lane.dirty = True

    def review(self) -> None:
        """Share the connections anew."""
        over = self.listed and not self._ready and not self.turns.waiting
        self._shares.idle = {lane.number for lane in self.lanes.values() if over and not lane.todo}
        for number in self._shares.review(self._serial + 1):
            if number in self.lanes:
                self.lanes[number].dirty = True

    def orders(self, lane: Lane) -> Orders:
        """What a lane is to be told now."""
        self._serial += 1
        first = lane.serial == 0
        lane.serial, lane.dirty = self._serial, False
        files, lane.fresh = tuple(lane.fresh), []
        if files:
            lane.sent.append((self._serial, len(files)))
        recall, lane.recall = lane.recall, False
        if recall:
            lane.recalled = self._serial
        return Orders(
            self._serial,
            settings=self.settings if first else None,
            files=files,
            shares=self._shares.of(lane.number),
            rate=self._rate(),
            heard=lane.vows,
            recall=recall,
            over=self.done,
            stop=self.stopped,
        )

    def _rate(self) -> int | None:
        rate = self.settings.limit_rate
        return max(1, rate // max(1, len(self.lanes))) if isinstance(rate, int) else None

    def stop(self, error: FastdlError) -> None:
        """All lanes are to end."""
        self.stopped = self.stopped or error
        self.all_dirty()
