"""A run by the workers of a Dask cluster, seen from its head.

Each worker gets one task, which is a lane (cluster/lane): it lasts as long as the run, downloads what it is given and
tells what becomes of it, through queues at the scheduler. So the cluster shows the worker as busy, but no file, no URL
and no secret is an argument of a task. All of this runs on the loop of Dask's client; the caller's thread only takes
what there is to tell.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator

from fastdl.cluster.dask_queues import Queues, lost
from fastdl.cluster.dask_roster import Roster
from fastdl.cluster.head import Head, Lane
from fastdl.cluster.messages import Report
from fastdl.cluster.parcel import Packer
from fastdl.core.hints import Any
from fastdl.errors import FastdlError, Interrupted
from fastdl.events import Checked, Ended, Event, Observer
from fastdl.io import files as paths
from fastdl.io.disk import disk_error
from fastdl.listing import File
from fastdl.result import Result
from fastdl.settings import Settings

BEAT = 0.5  # seconds between looks at who is there, and at the longest between two words to a lane
PARTING = 4.0  # seconds that lanes have to write down how far they are
MOST_UNTOLD = 2000  # events that the caller has not taken; with more, no file is handed out


def each(
    files: Iterable[File],
    settings: Settings,
    client: Any,
    observer: Observer,
    stopped: Callable[[], bool] = lambda: False,
    only: frozenset[str] = frozenset(),
) -> Iterator[tuple[int, Result]]:
    """See spread.each. `client`: of Dask, connected; it stays so. `only`: addresses, names or hosts of the workers that
    may be used; none are all."""
    run = _Run(client, settings, files, only, observer)
    run.start()
    try:
        for event in run.events(stopped):
            observer(event)
            if isinstance(event, Ended):
                yield event.job, event.result
    finally:
        for event in run.close():
            observer(event)


class _Run:
    """`events` and `close` are for the caller's thread, all else for the loop's."""

    def __init__(
        self, client: Any, settings: Settings, files: Iterable[File], only: frozenset[str], observer: Observer
    ) -> None:
        self._client = client
        self._observer = observer
        self._loop: asyncio.AbstractEventLoop = client.loop.asyncio_loop
        self._packer = Packer(settings)
        self._files = files
        self._head = Head(self._packer.settings)
        self._told: queue.SimpleQueue[Event | BaseException | None] = queue.SimpleQueue()
        self._changed = asyncio.Event()
        self._queues = Queues(client)
        self._roster = Roster(client, self._queues, self._head, only, self._changed.set, self._told.put)
        self._sending: dict[int, asyncio.Task[None]] = {}  # by lane
        self._spoke: dict[int, float] = {}
        self._wants = threading.Condition()
        self._wanted = 1
        self._closed = False
        self._main: Any = None

    # --- the caller's thread -----------------------------------------------------------------------------

    def start(self) -> None:
        """Begin. Raises DiskError where the folder cannot be made."""
        _make_folder(self._packer.settings.dir)
        self._main = asyncio.run_coroutine_threadsafe(self._work(), self._loop)
        threading.Thread(target=self._feed, name="fastdl-list", daemon=True).start()

    def events(self, stopped: Callable[[], bool]) -> Iterator[Event]:
        """What there is to tell, until all is over or `stopped` says so. Raises what has ended the run."""
        while True:
            try:
                told = self._told.get(timeout=0.2)  # with a bound, so that Ctrl-C gets through on Windows too
            except queue.Empty:
                if stopped():
                    return
                continue
            if told is None:
                return
            if isinstance(told, BaseException):
                raise told
            yield told

    def close(self) -> list[Event]:
        """End everything; what was told meanwhile."""
        self._loop.call_soon_threadsafe(self._stop, Interrupted("interrupted"))
        with self._wants:
            self._closed = True
            self._wants.notify_all()
        with contextlib.suppress(Exception):
            self._main.result(PARTING + 2.0)
        rest: list[Event] = []
        with contextlib.suppress(queue.Empty):
            while True:
                told = self._told.get_nowait()
                if told is not None and not isinstance(told, BaseException):
                    rest.append(told)
        return rest

    # --- the list's thread -------------------------------------------------------------------------------

    def _feed(self) -> None:
        folder = ""
        try:
            for job, file in enumerate(self._files):
                packed = self._packer.pack(job, file)
                if packed.error is None and packed.settings.dir != folder:
                    folder = packed.settings.dir
                    with contextlib.suppress(FastdlError):  # its worker will say so
                        _make_folder(folder)
                self._call(self._add, job, packed)
                with self._wants:
                    self._wanted -= 1
                    self._wants.wait_for(lambda: self._wanted > 0 or self._closed)
                    if self._closed:
                        return
        except BaseException as error:
            self._call(self._fail, error)
            return
        self._call(self._add, -1, None)

    def _call(self, do: Callable[..., None], *args: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(do, *args)

    # --- the loop ----------------------------------------------------------------------------------------

    def _add(self, job: int, file: File | None) -> None:
        if file is None:
            self._head.listed = True
        else:
            self._head.add(job, file)
        self._changed.set()

    def _fail(self, error: BaseException) -> None:
        """The run has ended, with this."""
        self._told.put(error)
        self._stop(Interrupted("the run has ended"))

    def _stop(self, error: FastdlError) -> None:
        self._head.stop(error)
        self._changed.set()

    async def _work(self) -> None:
        listening = watching = None
        try:
            await self._queues.open(self._queues.up)
            listening = asyncio.ensure_future(self._again_and_again(self._listen))
            watching = asyncio.ensure_future(self._again_and_again(self._watch))
            while not self._head.done and self._head.stopped is None:
                self._step()
                await self._pause(BEAT)
            await self._part()
        except Exception as error:
            self._told.put(lost(self._client, error))
        finally:
            for task in (listening, watching, *self._sending.values()):
                if task is not None:
                    task.cancel()
            await self._tidy_up()
            self._told.put(None)

    async def _again_and_again(self, do: Callable[[], Awaitable[None]]) -> None:
        """Until it fails, and the run with it."""
        try:
            while True:
                await do()
        except Exception as error:
            self._fail(lost(self._client, error))

    async def _watch(self) -> None:
        await self._roster.look()
        await asyncio.sleep(BEAT)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._changed.wait(), seconds)
        self._changed.clear()

    def _step(self) -> None:
        """Hand out what there is, and say what has changed."""
        head = self._head
        if self._told.qsize() < MOST_UNTOLD:
            head.assign()
        head.review()
        self._say()
        with self._wants:
            self._wanted = head.wanted if self._told.qsize() < MOST_UNTOLD else 0
            self._wants.notify_all()

    def _say(self) -> None:
        now = time.monotonic()
        for lane in list(self._head.lanes.values()):
            due = lane.dirty or now - self._spoke.get(lane.number, 0.0) > BEAT
            if due and lane.reachable and lane.number not in self._sending:
                self._spoke[lane.number] = now
                self._sending[lane.number] = asyncio.ensure_future(self._send(lane))

    async def _send(self, lane: Lane) -> None:
        try:
            while True:
                await self._queues.send(lane.number, self._head.orders(lane))
                if not lane.dirty:
                    return
        except Exception as error:
            self._fail(lost(self._client, error))
        finally:
            self._sending.pop(lane.number, None)

    async def _listen(self) -> None:
        for report in await self._queues.receive():
            self._heard(report)
        self._changed.set()

    def _heard(self, report: Report) -> None:
        lane = self._head.lanes.get(report.lane)
        if lane is not None and lane.begun and report.serial == 1:  # the worker was started again, and its task too
            self._roster.lose(report.lane)
            return
        for event in self._head.heard(report):
            if isinstance(event, Checked):  # the lane waits until this is noted, and not until somebody has time
                self._observer(self._packer.unpack(event))
            else:
                self._told.put(self._packer.unpack(event))
        if report.unfit is not None and lane is not None:
            self._roster.shun(lane.name, report.unfit)

    # --- the end -----------------------------------------------------------------------------------------

    async def _part(self) -> None:
        """Tell the lanes, and wait until those that have begun have ended."""
        until = time.monotonic() + PARTING
        self._head.all_dirty()
        while any(lane.begun for lane in self._head.lanes.values()) and time.monotonic() < until:
            if self._client.status != "running":
                return
            self._say()
            await self._pause(0.1)

    async def _tidy_up(self) -> None:
        if self._client.status != "running":
            return
        with contextlib.suppress(Exception):
            await self._roster.dismiss()
            await self._queues.drop(self._queues.up)


def _make_folder(folder: str) -> None:
    """The folder that all share is made here: a worker that did it might make one that nobody else sees."""
    try:
        os.makedirs(paths.long_path(folder), exist_ok=True)
    except OSError as error:
        raise disk_error(error, "create", folder) from error
