"""A run by the workers of a Dask cluster, seen from its head.

Each worker gets one task, which is a lane (cluster/lane): it lasts as long as the run, downloads what it is given and
tells what becomes of it, through queues at the scheduler. So the cluster shows the worker as busy, but no file, no URL
and no secret is an argument of a task. All of this runs on the loop of Dask's client; the caller's thread only takes
what there is to tell.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
import time
import uuid
from collections.abc import Callable, Coroutine, Iterable, Iterator

from fastdl import __version__
from fastdl.cluster.head import Head, Lane
from fastdl.cluster.messages import Report
from fastdl.cluster.parcel import Packer, Sealed, opened
from fastdl.core.hints import Any
from fastdl.errors import ClusterLost, FastdlError, Interrupted, UsageError
from fastdl.events import Checked, Ended, Event, Note, Observer
from fastdl.io import files as paths
from fastdl.io.disk import disk_error
from fastdl.listing import File
from fastdl.result import Result
from fastdl.settings import Settings

BEAT = 0.5  # seconds between looks at who is there, and at the longest between two words to a lane
GRACE = 1.0  # seconds after the loss of a worker until its connections are taken to be closed at the servers too
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


def named_workers(executor: Any) -> frozenset[str]:
    """Those that an executor of Dask's is bound to. Raises UsageError for what a lane cannot be held to."""
    chosen = dict(getattr(executor, "_kwargs", {}))
    workers = chosen.pop("workers", None) or ()
    if chosen.pop("allow_other_workers", False):
        workers = ()
    for name in ("pure", "retries"):  # which mean nothing here: a file is taken over in any case
        chosen.pop(name, None)
    if chosen:
        given = ", ".join(sorted(chosen))
        raise UsageError("the executor has options that downloads cannot keep to", given, "Give workers=... or none.")
    return frozenset(str(each) for each in ((workers,) if isinstance(workers, str | int) else workers))


class _Run:
    """`events` and `close` are for the caller's thread, all else for the loop's."""

    def __init__(
        self, client: Any, settings: Settings, files: Iterable[File], only: frozenset[str], observer: Observer
    ) -> None:
        self._client = client
        self._observer = observer
        self._only = only
        self._loop: asyncio.AbstractEventLoop = client.loop.asyncio_loop
        self._packer = Packer(settings)
        self._files = files
        self._head = Head(self._packer.settings)
        self._id = uuid.uuid4().hex[:12]
        self._up = f"fastdl-{self._id}"
        self._told: queue.SimpleQueue[Event | BaseException | None] = queue.SimpleQueue()
        self._changed = asyncio.Event()
        self._futures: dict[int, Any] = {}  # of Dask, by lane
        self._workers: dict[str, int] = {}  # the lane at each address
        self._shunned: dict[str, FastdlError | None] = {}  # workers that get nothing, and why
        self._sending: dict[int, asyncio.Task[None]] = {}
        self._works: set[asyncio.Task[None]] = set()
        self._spoke: dict[int, float] = {}
        self._count = 0
        self._waiting = False  # it was said that no worker is there
        self._wake: Any = None  # a task that waits for one
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
            await self._client.scheduler.queue_create(name=self._up)
            listening = asyncio.ensure_future(self._listen())
            watching = asyncio.ensure_future(self._watch())
            while not self._head.done and self._head.stopped is None:
                self._step()
                await self._pause(BEAT)
            await self._part()
        except Exception as error:
            self._told.put(self._lost(error))
        finally:
            for task in (listening, watching, *self._sending.values()):
                if task is not None:
                    task.cancel()
            await self._tidy_up()
            self._told.put(None)

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
                data = Sealed(self._head.orders(lane)).data
                await self._client.scheduler.queue_put(name=self._down(lane.number), data=data)
                if not lane.dirty:
                    return
        except Exception as error:
            self._fail(self._lost(error))
        finally:
            self._sending.pop(lane.number, None)

    def _down(self, number: int) -> str:
        return f"{self._up}-{number}"

    async def _listen(self) -> None:
        try:
            while True:
                records = [await self._client.scheduler.queue_get(name=self._up)]
                records += await self._client.scheduler.queue_get(name=self._up, batch=True)
                for record in records:
                    report = opened(record["value"])
                    if isinstance(report, Report):
                        self._heard(report)
                self._changed.set()
        except Exception as error:
            self._fail(self._lost(error))

    def _heard(self, report: Report) -> None:
        lane = self._head.lanes.get(report.lane)
        if lane is not None and lane.begun and report.serial == 1:  # the worker was started again, and its task too
            self._lose(report.lane)
            return
        for event in self._head.heard(report):
            if isinstance(event, Checked):  # the lane waits until this is noted, and not until somebody has time
                self._observer(self._packer.unpack(event))
            else:
                self._told.put(self._packer.unpack(event))
        if report.unfit is not None and lane is not None:
            self._shun(lane.name, report.unfit)

    # --- workers -----------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        try:
            while True:
                if self._client.status != "running":
                    raise OSError("the connection to it is lost")
                self._look(await self._there())
                await asyncio.sleep(BEAT)
        except Exception as error:
            self._fail(self._lost(error))

    async def _there(self) -> set[str]:
        """The addresses of the workers that may be used."""
        if not self._only:
            return set(await self._client.scheduler.ncores())
        known = (await self._client.scheduler.identity())["workers"]
        return {at for at, one in known.items() if self._only & {at, str(one.get("name")), str(one.get("host"))}}

    def _look(self, addresses: set[str]) -> None:
        """Who has come, who is gone."""
        for address in [each for each in self._workers if each not in addresses]:
            self._lose(self._workers[address])
        for address in [each for each in self._shunned if each not in addresses]:
            del self._shunned[address]
        for address in addresses:
            if address not in self._workers and address not in self._shunned and self._head.stopped is None:
                self._enlist(address)
        if not self._workers:
            self._complain()
        else:
            self._waiting = False
            self._wake = None  # which takes it from the scheduler
        self._changed.set()

    def _complain(self) -> None:
        """No worker is of use: the run ends if they say why, else it waits."""
        reasons = [error for error in self._shunned.values() if error is not None]
        if reasons:
            self._fail(reasons[0])
        elif not self._waiting:
            self._waiting = True
            if not self._only:
                self._wake = self._client.submit(_wake(), key=f"{self._up}-wake", pure=False)
            self._told.put(Note(None, "warning", "the cluster has no worker; waiting for one to come"))

    def _enlist(self, address: str) -> None:
        self._count += 1
        number = self._count
        self._workers[address] = number
        self._head.join(number, address)
        self._futures[number] = None
        self._begin(self._follow(number, address))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._works.add(task)  # else nobody would hold it
        task.add_done_callback(self._works.discard)

    async def _follow(self, number: int, address: str) -> None:
        """The lane at a worker, from its beginning to its end."""
        try:
            await self._client.scheduler.queue_create(name=self._down(number))
            if number in self._head.lanes:
                self._head.lanes[number].reachable = True
                self._changed.set()
            future = self._futures[number] = self._client.submit(
                _task(number, self._up, self._down(number), __version__),
                key=f"{self._up}-{number}",
                workers=[address],
                allow_other_workers=False,
                pure=False,
            )
            kind, text = await future
        except asyncio.CancelledError:
            return
        except Exception as error:
            kind, text = "failed", _words(error)
        if self._workers.get(address) != number:
            return
        if kind == "left":
            self._shunned[address] = None
        elif kind != "over":
            self._shun(address, _unfit(address, kind, text))
        self._lose(number)

    def _shun(self, address: str, error: FastdlError) -> None:
        """A worker is of no use for this run."""
        if self._shunned.get(address) is not None or self._head.stopped is not None:
            return
        self._shunned[address] = error
        if len(self._workers) > 1:
            why = f" ({error.why})" if error.why else ""
            self._told.put(Note(None, "warning", f"the worker {address} gets no files: {error.what}{why}"))

    def _lose(self, number: int) -> None:
        """A lane has ended or is gone with its worker; others go on with its files."""
        for address in [each for each, lane in self._workers.items() if lane == number]:
            del self._workers[address]
        self._head.lose(number)
        self._loop.call_later(GRACE, self._forget, number)
        self._begin(self._release(number))
        self._changed.set()

    def _forget(self, number: int) -> None:
        self._head.forget(number)
        self._changed.set()

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

    async def _release(self, number: int) -> None:
        """Leave nothing of a lane at the scheduler: neither a task, nor a queue, nor a request that waits for one."""
        future = self._futures.pop(number, None)
        with contextlib.suppress(Exception):
            if future is not None and not future.done():
                await self._client.cancel([future], force=True)
            await self._drop(self._down(number))

    async def _drop(self, name: str) -> None:
        await self._client.scheduler.queue_put(name=name, data=b"")
        self._client._send_to_scheduler({"op": "queue_release", "name": name})

    async def _tidy_up(self) -> None:
        if self._client.status != "running":
            return
        with contextlib.suppress(Exception):
            self._wake = None
            for number in list(self._futures):
                await self._release(number)
            await self._drop(self._up)

    def _lost(self, error: BaseException) -> FastdlError:
        if isinstance(error, FastdlError):
            return error
        scheduler = getattr(self._client.scheduler, "address", "") or "of the cluster"
        if isinstance(error, (OSError, asyncio.TimeoutError)) or self._client.status != "running":
            return ClusterLost(f"the scheduler {scheduler} is gone", _words(error))
        from importlib.metadata import version

        # A queue's methods have no public name that a worker could use without a client of its own.
        release = version("distributed")
        hint = f"Perhaps this fastdl does not fit the cluster's release of Dask; here is distributed {release}."
        return ClusterLost(f"the scheduler {scheduler} does not do what it is asked for", _words(error), hint)


def _task(number: int, up: str, down: str, version: str) -> Callable[[], tuple[str, str]]:
    """What a worker is to do. A function inside a function goes there by value: a scheduler without fastdl passes it on
    all the same, and a worker without it says so."""

    def fastdl_lane() -> tuple[str, str]:
        try:
            import fastdl
        except ImportError:
            return "absent", ""
        try:
            from fastdl.cluster import dask_worker
        except ImportError as error:
            return ("broken", str(error)) if fastdl.__version__ == version else ("other", fastdl.__version__)
        return dask_worker.work(number, up, down, version)

    return fastdl_lane


def _wake() -> Callable[[], None]:
    """A task for nobody: a cluster that grows with its work has no worker before there is some."""

    def fastdl_wake() -> None:
        """Nothing: a lane for the new worker follows."""

    return fastdl_wake


def _unfit(address: str, kind: str, text: str) -> FastdlError:
    """Why a worker cannot do anything."""
    hint = f"Install fastdl {__version__} where the worker runs, and start it again."
    if kind == "absent":
        return UsageError(f"the worker {address} has no fastdl", "it cannot be imported there", hint)
    if kind == "other":
        return UsageError(f"the worker {address} has fastdl {text}", f"this is fastdl {__version__}", hint)
    if kind == "broken":
        return UsageError(f"the worker {address} cannot use its fastdl", text, hint)
    return ClusterLost(f"the worker {address} has failed", text, "Its log says more.")


def _make_folder(folder: str) -> None:
    """The folder that all share is made here: a worker that did it might make one that nobody else sees."""
    import os

    try:
        os.makedirs(paths.long_path(folder), exist_ok=True)
    except OSError as error:
        raise disk_error(error, "create", folder) from error


def _words(error: BaseException) -> str:
    """An exception of somebody else, in a line."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:200].rstrip(":. ")
