"""One worker's part of a run: it downloads the files that the head gives it, and tells what becomes of them.

A lane is one session with the threads of a batch. How messages travel is somebody else's business (`Line`), so lanes
are the same at any kind of worker. It ends by itself when the head is silent for long: nobody is there to be told.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator

from fastdl import batch
from fastdl.cluster import vows
from fastdl.cluster.in_hand import InHand
from fastdl.cluster.lane_pool import LanePool
from fastdl.cluster.messages import Line, Orders, Report, Todo
from fastdl.cluster.outbox import Outbox
from fastdl.cluster.own_limits import bounded, lowered, smaller_rate
from fastdl.core.hints import Any
from fastdl.core.plain import replace
from fastdl.engine.download import Download
from fastdl.errors import DiskError, FastdlError, Interrupted, TargetBusy
from fastdl.events import Checked, Ended, Event, Progressed
from fastdl.io.session import Session, Witness
from fastdl.listing import File
from fastdl.settings import Settings

BEAT = 0.25  # seconds between reports where nothing happens
GATHER = 0.01  # seconds that a report waits for more to tell
SILENCE = 8.0  # seconds without a word from the head, after which it counts as gone


class Lane(Witness):
    """See above. `run` does it all."""

    def __init__(self, number: int, line: Line) -> None:
        self._line = line
        self._out = Outbox(number)
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._told = threading.Event()  # there is something to report
        self._files = InHand()
        self._heard = 0  # of what was vowed
        self._seen = 0
        self._over = False
        self._stopped: FastdlError | None = None
        self._quitting = False
        self._heard_at = time.monotonic()
        self._settings: Settings | None = None
        self._usual: Settings | None = None  # equal to it
        self._session: Session | None = None
        self._pool: LanePool | None = None
        self._crew: batch.Crew | None = None
        self._own_rate: int | str | None = None
        self._rate: int | str | None = None
        self._jobs = 0
        self._shares: dict[str, int] = {}

    def run(self) -> bool:
        """Until the run is over, or this worker is to go: then true."""
        ear = threading.Thread(target=self._listen, name="fastdl-ear", daemon=True)
        mouth = threading.Thread(target=self._speak, name="fastdl-mouth", daemon=True)
        ear.start()
        mouth.start()
        try:
            settings = self._await_settings()
            if settings is not None:
                self._work(settings)
        except FastdlError as error:
            self._out.unfit = error
        finally:
            with self._changed:
                self._quitting = True
                self._out.give_back(self._files.clear())
                self._changed.notify_all()
            self._told.set()
            mouth.join()
            self._line.close()
            ear.join()
        return not self._line.staying()

    def _await_settings(self) -> Settings | None:
        with self._changed:
            while self._settings is None and self._stopped is None:
                self._changed.wait(0.5)
                self._look()
            return self._settings if self._stopped is None else None

    def _work(self, settings: Settings) -> None:
        own = bounded(settings)
        self._own_rate = own.limit_rate
        if not os.path.isdir(settings.dir):
            raise DiskError(f"the folder {settings.dir} is not there", "all workers have to share it")
        rate = smaller_rate(self._rate if isinstance(settings.limit_rate, int) else settings.limit_rate, self._own_rate)
        own = replace(own, limit_rate=rate)
        session = Session(own)
        session.many = True
        session.steerable()
        session.witness = self
        self._pool = pool = LanePool(own.per_host, self._told.set)
        session.pool = pool
        pool.share(self._shares)
        with self._lock:
            self._session, self._rate, self._jobs = session, rate, own.jobs
        self._told.set()
        try:
            self._crew = batch.Crew(session, self._feed(own), self._make, lambda job, result: None, self._observe)
            if self._stopped is not None:
                self._crew.stop(self._stopped)
            self._crew.work(own.jobs)
        finally:
            pool.end()
            session.close()

    # --- files -------------------------------------------------------------------------------------------

    def _feed(self, settings: Settings) -> Iterator[tuple[int, _Given]]:
        """Files as they come."""
        while True:
            with self._changed:
                while not self._files.waiting and not self._over and self._stopped is None:
                    self._changed.wait(0.5)
                    self._look()
                if self._stopped is not None or not self._files.waiting:
                    return
                todo = self._files.next()
            if todo.again and self._session is not None:
                self._session.scanned.clear()  # what the other one has left may be new since then
            yield todo.job, _Given(todo, self._as_ours(todo.file, settings))

    def _as_ours(self, file: File, own: Settings) -> File:
        """A file whose settings are the run's has this lane's: it needs no view of its own. (Files that came in one
        message share theirs.)"""
        if file.settings is not self._usual:
            if file.settings != self._settings:
                return replace(file, settings=lowered(file.settings, own))
            self._usual = file.settings
        return replace(file, settings=own)

    def _make(self, job: int, given: _Given) -> Any:
        assert self._session is not None
        if given.file.error is None and not os.path.isdir(given.file.settings.dir):
            raise DiskError(f"the folder {given.file.settings.dir} is not there", "all workers have to share it")
        vow = given.todo.vow
        known = vow is not None and vows.kept(vow, given.file.settings)
        kind = vows.Kept if known else Download
        made = batch.of_list(self._session, given.file, self._session.settings, self._observe, job, kind)
        if vow is not None and known:
            made.result = vow.result
        return made

    def _observe(self, event: Event) -> None:
        if isinstance(event, Checked):  # the vow says as much
            return
        with self._changed:
            if isinstance(event, Ended) and not self._is_end(event):
                return
            self._out.add(event)
        if not isinstance(event, Progressed):
            self._told.set()

    def _is_end(self, event: Ended) -> bool:
        """Whether a file's end is one. What was stopped because this worker has to go is given back."""
        todo = self._files.find(event.job)
        error = event.result.error
        if todo is None:
            return False
        if isinstance(error, TargetBusy) and self._files.may_wait(todo):
            again = threading.Timer(0.3, self._once_more, (todo,))
            again.daemon = True
            again.start()
            return False
        if isinstance(self._stopped, _Leaving) and error is self._stopped:
            self._out.give_back((event.job,))
            self._files.drop(event.job)
            return False
        self._files.end(event.job)
        return True

    def _once_more(self, todo: Todo) -> None:
        with self._changed:
            self._files.once_more(todo)
            self._changed.notify_all()

    # --- before a name is given --------------------------------------------------------------------------

    def vow(self, download: Any, path: str) -> None:
        vow = vows.made(download, path)
        if vow is None:
            return
        with self._lock:
            self._out.vow(vow)
        self._told.set()

    def wait(self) -> None:
        with self._changed:
            upto = self._out.vowed
            while self._heard < upto and self._stopped is None:
                self._changed.wait(0.5)
                self._look()
            if self._heard < upto and isinstance(self._stopped, _Orphaned):
                raise self._stopped

    # --- messages ----------------------------------------------------------------------------------------

    def _listen(self) -> None:
        while not self._quitting:
            try:
                orders = self._line.get(1.0)
            except OSError:
                self.stop(_Orphaned("the way to the head of the run is broken"))
                return
            if orders is not None:
                self._obey(orders)
            else:
                with self._changed:
                    self._look()

    def _obey(self, orders: Orders) -> None:
        pool = self._pool
        with self._changed:
            self._heard_at = time.monotonic()
            self._settings = self._settings or orders.settings
            self._files.give(orders.files)
            if orders.recall:
                self._out.give_back(self._files.recall())
            self._heard = max(self._heard, orders.heard)
            self._over = orders.over
            self._shares = orders.shares
            self._changed.notify_all()
        if pool is not None:
            pool.share(orders.shares)
        self._limit(orders.rate)
        with self._lock:
            self._seen = orders.serial
        if orders.stop is not None:
            self.stop(orders.stop)
        self._told.set()

    def _limit(self, share: int | None) -> None:
        session = self._session
        if session is None:
            self._rate = share
        elif share is not None and (rate := smaller_rate(share, self._own_rate)) != self._rate:
            self._rate = rate
            session.limit(rate)

    def stop(self, error: FastdlError) -> None:
        """End soon; what has arrived stays for the next one."""
        with self._changed:
            if self._stopped is not None:
                return
            self._stopped = error
            crew = self._crew
            self._changed.notify_all()
        if crew is not None:
            crew.stop(error)

    def _look(self) -> None:
        """See whether somebody is still there to work for. The lock is held."""
        if self._stopped is not None:
            return
        gone = not self._line.staying()
        if gone or time.monotonic() - self._heard_at > SILENCE:
            orphaned = _Orphaned("nothing is heard of the head of the run")
            why = _Leaving("the worker is about to leave") if gone else orphaned
            threading.Thread(target=self.stop, args=(why,), daemon=True).start()

    def _speak(self) -> None:
        while True:
            if self._told.wait(BEAT) and not self._quitting:
                time.sleep(GATHER)
            self._told.clear()
            last = self._quitting
            try:
                self._line.put(self._report())
            except OSError:
                self.stop(_Orphaned("the way to the head of the run is broken"))
                last = True
            if last:
                return

    def _report(self) -> Report:
        counts = self._pool.counts() if self._pool is not None else {}
        with self._lock:
            working = self._stopped is None and self._session is not None
            room = self._files.room(self._jobs) if working else 0
            return self._out.report(self._seen, counts, room, self._files.waiting)


class _Given:
    """A file for the crew."""

    __slots__ = ("file", "todo")

    def __init__(self, todo: Todo, file: File) -> None:
        self.todo = todo
        self.file = file

    @property
    def url(self) -> str:
        return self.file.url


class _Leaving(Interrupted):
    """This worker has to go; others go on with its files."""


class _Orphaned(_Leaving):
    """The head of the run is gone, and nobody hears what becomes of a file."""
