"""Files by the threads or processes of any `concurrent.futures.Executor`: one future a file.

Threads share one session in this process. Other workers get their files pickled and keep a session for each run
(cluster/process); what they have to tell comes back with the result, since no executor has another way.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, ThreadPoolExecutor, wait

from fastdl.cluster import process
from fastdl.cluster.parcel import Packer, Sealed
from fastdl.cluster.recall import Recall
from fastdl.cluster.turns import Turns
from fastdl.core.hints import Any
from fastdl.core.plain import replace
from fastdl.errors import ClusterLost, FastdlError, Interrupted
from fastdl.events import Ended, Event, Observer, Started
from fastdl.io.session import Session
from fastdl.listing import File
from fastdl.result import Result
from fastdl.settings import Settings

AHEAD = 2  # futures for each worker: while one is told about, the next one runs
UNKNOWN = 8  # workers, where the executor does not say how many it has
LOOK = 0.2  # seconds between looks at whether all is called off
PARTING = 2.0  # seconds that downloads have to write down how far they are

_AGAIN = "Make the same call with a new executor; it goes on from where it stopped."

Submit = Callable[[int, File], "Future[Any]"]
Done = tuple[int, File, "Future[Any]"]


def each(
    files: Iterable[File],
    settings: Settings,
    executor: Executor,
    observer: Observer,
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[tuple[int, Result]]:
    """See spread.each."""
    by = _by_threads if isinstance(executor, ThreadPoolExecutor) else _by_others
    return by(files, settings, executor, observer, stopped)


def workers_of(executor: Executor) -> int:
    """How many files an executor does at once."""
    count = getattr(executor, "_max_workers", None)
    return count if isinstance(count, int) and count > 0 else UNKNOWN


def _by_threads(
    files: Iterable[File], settings: Settings, executor: Executor, observer: Observer, stopped: Callable[[], bool]
) -> Iterator[tuple[int, Result]]:
    session = Session(settings)
    session.many = True
    running = process.Running()

    def submit(job: int, file: File) -> Future[Any]:
        return executor.submit(process.fetched, session, file, settings, observer, job, running)

    def call_off(_: list[Future[Any]]) -> None:
        running.stop(Interrupted("interrupted"))

    most = AHEAD * workers_of(executor)
    with contextlib.closing(session), contextlib.closing(_spread(files, submit, most, stopped, call_off)) as done:
        for job, file, future in done:
            try:
                yield job, future.result()
            except CancelledError:
                yield job, _lost(job, file.url, ClusterLost("the executor was shut down", "", _AGAIN), observer)


def _by_others(
    files: Iterable[File], settings: Settings, executor: Executor, observer: Observer, stopped: Callable[[], bool]
) -> Iterator[tuple[int, Result]]:
    packer = Packer(settings)
    workers = workers_of(executor)
    # They know nothing of each other. Where there are more of them than connections, only as many are given work.
    alone = workers > settings.per_host
    run = uuid.uuid4().hex
    recall = Recall(run)
    shared = Sealed((run, _share(packer.settings, workers), recall.path, recall.process))

    def submit(job: int, file: File) -> Future[Any]:
        return executor.submit(process.run_one, shared, job, Sealed(packer.pack(job, file)), alone=alone)

    most = settings.per_host if alone else AHEAD * workers
    with contextlib.closing(_spread(files, submit, most, stopped, recall.call)) as done:
        for job, file, future in done:
            yield job, _replayed(future, job, file.url, lambda event: observer(packer.unpack(event)))


def _share(settings: Settings, workers: int) -> Settings:
    """What one of so many workers may take."""
    rate = settings.limit_rate
    share = max(1, rate // workers) if isinstance(rate, int) else rate
    return replace(settings, per_host=max(1, settings.per_host // workers), limit_rate=share)


def _spread(
    files: Iterable[File],
    submit: Submit,
    most: int,
    stopped: Callable[[], bool],
    call_off: Callable[[list[Future[Any]]], None],
) -> Generator[Done, None, None]:
    """Hand files out, at most so many at once, and give back what has ended. What was not begun is cancelled when the
    caller has had enough, and the rest called off. Raises ClusterLost where the executor takes no more."""
    turns = Turns(files)
    out: dict[Future[Any], tuple[int, File]] = {}
    refused: Exception | None = None
    try:
        while True:
            while refused is None and len(out) < most and (taken := turns.next()) is not None:
                try:
                    out[submit(*taken)] = taken
                except RuntimeError as error:  # shut down, or broken
                    refused = error
            if not out:
                break
            with contextlib.suppress(Exception, CancelledError):  # some executors work when a result is asked for
                next(iter(out)).result(timeout=0)
            # With a bound, so that Ctrl-C gets through on Windows too.
            done = wait(out, timeout=LOOK, return_when=FIRST_COMPLETED).done
            if stopped():
                return
            for future in done:
                job, file = out.pop(future)
                turns.ended(file.url)
                yield job, file, future
        if refused is not None:
            raise ClusterLost("the executor takes no more files", _words(refused), _AGAIN)
    finally:
        running = [future for future in out if not future.cancel()]
        if running:
            call_off(running)
            wait(running, PARTING)


def _replayed(future: Future[Any], job: int, url: str, observer: Observer) -> Result:
    """What a worker tells of a file, told to the observer; its result."""
    try:
        told: list[Event] = future.result().open()
    except FastdlError as error:
        return _lost(job, url, error, observer)
    except (Exception, CancelledError) as error:
        return _lost(job, url, ClusterLost("the worker of this file was lost", _words(error), _AGAIN), observer)
    for event in told:
        observer(event)
        if isinstance(event, Ended):
            return event.result
    return _lost(job, url, ClusterLost("the worker of this file has told nothing of it", "", _AGAIN), observer)


def _lost(job: int, url: str, error: FastdlError, observer: Observer) -> Result:
    result = Result(url, error=error)
    observer(Started(job, url))
    observer(Ended(job, result))
    return result


def _words(error: BaseException) -> str:
    """An exception of somebody else, in a line."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:200].rstrip(":. ")
