"""Which workers of a Dask cluster a run uses: each gets one task, its lane, from when it is first seen until it has
gone, and nothing where it has shown that it can do nothing for the run."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine

from fastdl import __version__
from fastdl.cluster.dask_queues import Queues, in_words
from fastdl.cluster.head import Head
from fastdl.core.hints import Any
from fastdl.errors import ClusterLost, FastdlError, UsageError
from fastdl.events import Event, Note

GRACE = 1.0  # seconds after the loss of a worker until its connections are taken to be closed at the servers too


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


class Roster:
    """For the loop of Dask's client alone. `only`: addresses, names or hosts of the workers that may be used; none are
    all. `changed` is called when there may be something to do, `tell` with events."""

    def __init__(
        self,
        client: Any,
        queues: Queues,
        head: Head,
        only: frozenset[str],
        changed: Callable[[], None],
        tell: Callable[[Event], None],
    ) -> None:
        self._client = client
        self._queues = queues
        self._head = head
        self._only = only
        self._changed = changed
        self._tell = tell
        self._lanes: dict[str, int] = {}  # by the address of the worker
        self._shunned: dict[str, FastdlError | None] = {}  # workers that get nothing, and why
        self._futures: dict[int, Any] = {}  # of Dask, by lane
        self._works: set[asyncio.Task[None]] = set()
        self._count = 0
        self._waiting = False  # it was said that no worker is there
        self._wake: Any = None  # a task that waits for one

    async def look(self) -> None:
        """See who has come and who is gone. Raises UsageError or ClusterLost if no worker is of use and they say why,
        and whatever Dask raises."""
        if self._client.status != "running":
            raise OSError("the connection to it is lost")
        addresses = await self._there()
        for address in [each for each in self._lanes if each not in addresses]:
            self.lose(self._lanes[address])
        for address in [each for each in self._shunned if each not in addresses]:
            del self._shunned[address]
        for address in addresses:
            if address not in self._lanes and address not in self._shunned and self._head.stopped is None:
                self._enlist(address)
        if not self._lanes:
            self._complain()
        else:
            self._waiting = False
            self._wake = None  # which takes it from the scheduler
        self._changed()

    async def _there(self) -> set[str]:
        """The addresses of the workers that may be used."""
        if not self._only:
            return set(await self._client.scheduler.ncores())
        known = (await self._client.scheduler.identity())["workers"]
        return {at for at, one in known.items() if self._only & {at, str(one.get("name")), str(one.get("host"))}}

    def _complain(self) -> None:
        """No worker is of use: the run ends if they say why, else it waits."""
        for error in self._shunned.values():
            if error is not None:
                raise error
        if self._waiting:
            return
        self._waiting = True
        if not self._only:
            self._wake = self._client.submit(_wake(), key=f"{self._queues.up}-wake", pure=False)
        self._tell(Note(None, "warning", "the cluster has no worker; waiting for one to come"))

    def _enlist(self, address: str) -> None:
        self._count += 1
        number = self._count
        self._lanes[address] = number
        self._head.join(number, address)
        self._futures[number] = None
        self._begin(self._follow(number, address))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._works.add(task)  # else nobody would hold it
        task.add_done_callback(self._works.discard)

    async def _follow(self, number: int, address: str) -> None:
        """The lane at a worker, from its beginning to its end."""
        up, down = self._queues.up, self._queues.down(number)
        try:
            await self._queues.open(down)
            if number in self._head.lanes:
                self._head.lanes[number].reachable = True
                self._changed()
            future = self._futures[number] = self._client.submit(
                _task(number, up, down, __version__),
                key=down,
                workers=[address],
                allow_other_workers=False,
                pure=False,
            )
            kind, text = await future
        except asyncio.CancelledError:
            return
        except Exception as error:
            kind, text = "failed", in_words(error)
        if self._lanes.get(address) != number:
            return
        if kind == "left":
            self._shunned[address] = None
        elif kind != "over":
            self.shun(address, _unfit(address, kind, text))
        self.lose(number)

    def shun(self, address: str, error: FastdlError) -> None:
        """A worker is of no use for this run."""
        if self._shunned.get(address) is not None or self._head.stopped is not None:
            return
        self._shunned[address] = error
        if len(self._lanes) > 1:
            why = f" ({error.why})" if error.why else ""
            self._tell(Note(None, "warning", f"the worker {address} gets no files: {error.what}{why}"))

    def lose(self, number: int) -> None:
        """A lane has ended or is gone with its worker; others go on with its files."""
        for address in [each for each, lane in self._lanes.items() if lane == number]:
            del self._lanes[address]
        self._head.lose(number)
        asyncio.get_running_loop().call_later(GRACE, self._forget, number)
        self._begin(self._release(number))
        self._changed()

    def _forget(self, number: int) -> None:
        self._head.forget(number)
        self._changed()

    async def _release(self, number: int) -> None:
        """Leave nothing of a lane at the scheduler: neither a task, nor a queue, nor a request that waits for one."""
        future = self._futures.pop(number, None)
        with contextlib.suppress(Exception):
            if future is not None and not future.done():
                await self._client.cancel([future], force=True)
            await self._queues.drop(self._queues.down(number))

    async def dismiss(self) -> None:
        """Release all lanes. One that a busy worker has not begun is no failure of that worker."""
        self._wake = None
        self._lanes.clear()
        for number in list(self._futures):
            await self._release(number)


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
