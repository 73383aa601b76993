"""Where many files meet many workers: whoever has an executor begins here."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor

from fastdl.events import Observer
from fastdl.listing import File
from fastdl.result import Result
from fastdl.settings import Settings


def each(
    jobs: Iterable[File],
    settings: Settings,
    executor: Executor,
    observer: Observer,
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[tuple[int, Result]]:
    """Download `jobs`, numbered from 0, by the workers of `executor`, and give each one's number and result as it ends.
    They are taken as the workers need them, so there may be any number of them; closing the iterator ends all.

    `settings` are those of the whole run: its rate and its connections to a host hold for all workers together. The
    observer gets the events of all files, from this thread, or where the workers are threads from theirs. `stopped` is
    asked some times a second: where it says so, all is ended as if the iterator had been closed.

    Raises UsageError if the settings cannot work, ClusterLost if the workers or what leads to them are gone: then the
    files that were not told of are not done."""
    found = sys.modules.get("distributed.cfexecutor")
    if found is not None and isinstance(executor, found.ClientExecutor):
        from fastdl.cluster import dask, dask_roster

        only = dask_roster.named_workers(executor)
        return dask.each(jobs, settings, executor._client, observer, stopped, only)
    from fastdl.cluster import pools

    return pools.each(jobs, settings, executor, observer, stopped)
