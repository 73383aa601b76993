"""Many downloads as an iterator of their results: by this process's own threads, or by somebody's executor."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor

from fastdl import batch
from fastdl.api.folders import Folders
from fastdl.api.jobs import Job
from fastdl.api.settings import check_callback, file_of
from fastdl.errors import Cancelled, UsageError, drop_frames
from fastdl.events import Ended, Event, Note, Observer
from fastdl.listing import File
from fastdl.result import Result
from fastdl.settings import Settings

LOOK = 0.1  # seconds between looks at whether it was called off
LEAST_AHEAD = 256  # files that are begun or wait to be asked for: small ones get their names many at a time
PARTING = 5.0  # seconds that downloads get to end


class Many:
    """One call for many files. `cancel` is for any thread; everything else is for one."""

    def __init__(
        self, jobs: Iterable[Job | str], settings: Settings, executor: Executor | None, on_event: Observer | None
    ) -> None:
        """Raises UsageError where `jobs` is a single one or none at all, and for what is no executor or callback."""
        if isinstance(jobs, str | bytes | Job):
            raise UsageError("jobs is a single one", "a list or another iterable is expected", "Give [job].")
        if not isinstance(jobs, Iterable):
            raise UsageError(f"jobs: a {type(jobs).__name__} is no list", "an iterable of jobs is expected", "")
        if isinstance(executor, type) or not (executor is None or callable(getattr(executor, "submit", None))):
            what = f"executor: a {type(executor).__name__} is none"
            raise UsageError(what, "one of concurrent.futures, or of its kind, is expected", "")
        check_callback(on_event)
        self._jobs = jobs
        self._settings = settings
        self._folders = Folders(settings)
        self._executor = executor
        self._on_event = on_event
        self._telling = threading.Lock()
        self._ended: queue.SimpleQueue[Result | None] = queue.SimpleQueue()
        self._ahead = threading.Semaphore(max(LEAST_AHEAD, 4 * settings.jobs))
        self._brake = batch.Brake()
        self._failure: BaseException | None = None

    def cancel(self) -> None:
        """From any thread: end all soon. Takes no lock."""
        self._brake.pull(Cancelled("cancelled"))

    def results(self) -> Iterator[tuple[int, Result]]:
        """Each file's number and result, as they end. Closing it ends all. Raises what a callback or `jobs` raised, and
        UsageError for settings that cannot work."""
        if self._executor is None:
            yield from self._own()
        else:
            yield from self._by_executor(self._executor)
        if self._failure is not None:
            raise self._failure

    # --- this process ------------------------------------------------------------------------------------

    def _own(self) -> Iterator[tuple[int, Result]]:
        thread = threading.Thread(target=self._work, name="fastdl-many", daemon=True)
        thread.start()
        try:
            while (result := self._next()) is not None:
                self._ahead.release()
                yield result.job, result
        finally:
            self.cancel()  # which is nothing to those that have ended
            until = time.monotonic() + PARTING
            while thread.is_alive() and time.monotonic() < until:
                thread.join(LOOK)  # with a bound, so that Ctrl-C gets through on Windows too

    def _next(self) -> Result | None:
        while True:
            try:
                return self._ended.get(timeout=LOOK)
            except queue.Empty:
                continue

    def _work(self) -> None:
        try:
            with self._locked(self._observe) as (files, observe):
                whole = self._folders.files(files(self._in_time()))
                batch.run_list(self._folders.settings, whole, observe, brake=self._brake)
        except BaseException as error:
            self._failure = self._failure or error
        finally:
            self._ended.put(None)

    def _in_time(self) -> Iterator[File]:
        """The files, not too far ahead of whoever takes the results."""
        files = self._files()
        while True:
            while not self._ahead.acquire(timeout=LOOK):
                self._check()
            self._check()  # a list that was left is not one that has ended
            file = next(files, None)
            if file is None:
                return
            yield file

    def _check(self) -> None:
        if self._brake.error is not None:
            raise self._brake.error

    def _observe(self, event: Event) -> None:
        self._tell(event)
        if isinstance(event, Ended):
            event.result.job = event.job
            drop_frames(event.result.error)
            self._ended.put(event.result)

    # --- an executor -------------------------------------------------------------------------------------

    def _by_executor(self, executor: Executor) -> Iterator[tuple[int, Result]]:
        from fastdl.cluster import spread

        with self._locked(self._tell) as (files, observe):
            whole = self._folders.files(files(self._files()))
            found = spread.each(whole, self._folders.settings, executor, observe, lambda: self._brake.error is not None)
            try:
                for job, result in found:
                    result.job = job
                    drop_frames(result.error)
                    yield job, result
                if self._brake.error is not None:
                    raise self._failure or self._brake.error
            finally:
                close = getattr(found, "close", None)
                if close is not None:
                    close()

    # --- both --------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _locked(self, observer: Observer) -> Iterator[tuple[Callable[[Iterable[File]], Iterator[File]], Observer]]:
        """What the files and their events go through: the lock, if there is one. Raises UsageError, TargetBusy,
        DiskError."""
        if self._settings.lock is None:
            yield iter, lambda event: observer(self._folders.event(event))
            return
        from fastdl.locking import Locking

        def say(text: str) -> None:
            self._tell(Note(None, "info", text))

        with Locking(self._settings, observer, say) as lock:
            yield lock.files, lambda event: lock.handle(self._folders.event(event))

    def _files(self) -> Iterator[File]:
        """The jobs as files, one by one as they are asked for."""
        for number, job in enumerate(self._jobs):
            yield file_of(number, job, self._settings)

    def _tell(self, event: Event) -> None:
        """One at a time, whatever thread they come from; what the callback raises ends all."""
        if self._on_event is None:
            return
        with self._telling:
            if self._failure is not None:
                return
            try:
                self._on_event(event)
            except BaseException as error:
                self._failure = error
                self.cancel()
