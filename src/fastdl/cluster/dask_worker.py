"""A lane at a worker of a Dask cluster. Its messages go through two queues of the scheduler, the one place that clients
and workers reach for certain."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
from collections.abc import Coroutine

from distributed import get_worker

from fastdl import __version__
from fastdl.cluster.lane import Lane
from fastdl.cluster.messages import Orders, Report
from fastdl.cluster.parcel import Sealed, opened
from fastdl.core.hints import Any

SENDING = 30.0  # seconds that a message may take to the scheduler
WORKING = ("running", "paused")  # of the states of a worker, those in which it keeps its tasks


def work(number: int, up: str, down: str, version: str) -> tuple[str, str]:
    """The task: be lane `number` of a run until it is over. What became of it, and a word on that."""
    if version != __version__:
        return "other", __version__
    left = Lane(number, _Line(get_worker(), up, down)).run()
    return ("left" if left else "over"), ""


class _Line:
    """See messages.Line. A request for the next orders stays open at the scheduler until there are some: one that ended
    in a time-out would be an error in its log."""

    def __init__(self, worker: Any, up: str, down: str) -> None:
        self._worker = worker
        self._loop = worker.loop.asyncio_loop
        self._up = up
        self._down = down
        self._asked: concurrent.futures.Future[Any] | None = None

    def put(self, report: Report) -> None:
        data = Sealed(report).data
        self._do(self._worker.scheduler.queue_put(name=self._up, data=data), SENDING)

    def get(self, seconds: float) -> Orders | None:
        if self._asked is None:
            self._asked = self._begin(self._worker.scheduler.queue_get(name=self._down))
        try:
            record = self._asked.result(seconds)
        except (TimeoutError, concurrent.futures.TimeoutError):
            return None
        except BaseException as error:
            raise OSError(str(error)) from error
        self._asked = None
        orders = opened(record["value"])
        return orders if isinstance(orders, Orders) else None

    def staying(self) -> bool:
        return getattr(self._worker.status, "name", "running") in WORKING

    def close(self) -> None:
        """Leave no request open at the scheduler."""
        if self._asked is not None:
            with contextlib.suppress(OSError):
                self._do(self._worker.scheduler.queue_put(name=self._down, data=b""), 1.0)

    def _begin(self, call: Coroutine[Any, Any, Any]) -> concurrent.futures.Future[Any]:
        if self._loop.is_closed():
            call.close()
            raise OSError("the worker has ended")
        return asyncio.run_coroutine_threadsafe(call, self._loop)

    def _do(self, call: Coroutine[Any, Any, Any], seconds: float) -> Any:
        try:
            return self._begin(call).result(seconds)
        except OSError:
            raise
        except BaseException as error:
            raise OSError(str(error)) from error
