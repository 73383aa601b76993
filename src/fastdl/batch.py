"""Several files of one run: at most -j at once, one set of connections, one rate limit."""

from __future__ import annotations

import contextlib
import functools
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from fastdl.core.hints import TYPE_CHECKING, Any
from fastdl.engine.download import Download
from fastdl.engine.first import Desk
from fastdl.errors import FastdlError, Interrupted
from fastdl.events import Ended, Observer, Started
from fastdl.io.session import Session
from fastdl.result import Result, Tally
from fastdl.settings import Settings

if TYPE_CHECKING:
    from fastdl.engine.metering import Metering
    from fastdl.engine.profile import Profile
    from fastdl.listing import File

    Watcher = Profile | Metering  # runs downloads, and takes down what they do

MANY = 3  # URLs; more are worth preparing for
SETTLING = 0.1  # seconds that a small file may wait for others to be named with
PARTING = 2.0  # seconds that downloads have to write down how far they are, after Ctrl-C

Make = Callable[[int, Any], Download]


def run(settings: Settings, urls: Sequence[str], observer: Observer, watcher: Watcher | None = None) -> list[Result]:
    """Download all `urls`; the results come in the same order, each with its error if there was one. `watcher`
    runs them, where times or traffic are wanted.

    Raises UsageError if the settings cannot work (a broken cookie file, say). After Ctrl-C or a termination the files
    that were not ended have that as their error, and no new one is begun."""
    with _session(settings, many=len(urls) > MANY) as session:

        def make(job: int, url: str) -> Download:
            return Download(session, url, settings, observer, job)

        if len(urls) == 1:
            return [_ran(make(0, urls[0]), watcher)]
        results: dict[int, Result] = {}
        crew = Crew(session, enumerate(urls), make, results.__setitem__, watcher=watcher)
        stopped = crew.work(min(settings.jobs, len(urls)))
        for job, url in enumerate(urls if stopped is not None else ()):
            results.setdefault(job, Result(url, error=stopped))
        return [results[job] for job in range(len(urls))]


def run_list(
    settings: Settings,
    files: Iterable[File],
    observer: Observer,
    watcher: Watcher | None = None,
    brake: Brake | None = None,
) -> Tally:
    """Download `files` as they come; each result goes to the observer, and what is returned only counts them. A file
    with an error ends with that; after Ctrl-C, a termination or a pull of the `brake` no new one is taken.

    Raises UsageError if the settings of the run cannot work."""
    tally = Tally()
    with _session(settings, many=True) as session:

        def make(job: int, file: File) -> Download:
            return of_list(session, file, settings, observer, job)

        def ended(_: int, result: Result) -> None:
            tally.add(result)

        stopped = Crew(session, enumerate(files), make, ended, observer, watcher, brake).work(settings.jobs)
    tally.stopped = tally.stopped or stopped
    return tally


def _ran(download: Download, watcher: Watcher | None) -> Result:
    return download.run() if watcher is None else watcher.run(download)


def of_list(
    run: Session, file: File, settings: Settings, observer: Observer, job: int, kind: type[Download] | None = None
) -> Download:
    """The download of a file of a list. Raises FastdlErrors that name the place in it."""
    if file.error is not None:
        raise file.error
    kind = kind or Download
    if file.settings is settings:
        return kind(run, file.url, settings, observer, job, file.listed)
    from fastdl.io.view import FileSession
    from fastdl.listing import at_place

    try:
        view = FileSession(run, file.settings)
    except FastdlError as error:
        raise at_place(file.place, error) from None
    return kind(view, file.url, file.settings, observer, job, file.listed)


@contextlib.contextmanager
def _session(settings: Settings, *, many: bool) -> Iterator[Session]:
    session = Session(settings)
    session.many = many
    try:
        yield session
    finally:
        session.close()


class Brake:
    """Ends a run from outside."""

    def __init__(self) -> None:
        self.error: FastdlError | None = None

    def pull(self, error: FastdlError) -> None:
        """From any thread: no new file is begun, and those that run end soon with `error`. Takes no lock."""
        self.error = self.error or error


class Crew:
    """Threads that take one item after the other, each with its number in the run, make a download of it and run that.
    Nothing is kept of what has ended, so a list may be of any length."""

    def __init__(
        self,
        session: Session,
        items: Iterable[tuple[int, Any]],
        make: Make,
        ended: Callable[[int, Result], None],
        observer: Observer | None = None,
        watcher: Watcher | None = None,
        brake: Brake | None = None,
    ) -> None:
        self._brake = brake
        self._settler = session.settler
        self._pool = session.pool
        self._jobs = 0
        self._worked = threading.Event()
        self._watcher = watcher
        self._items = iter(items)
        self._make = make
        self._ended = ended
        self._observer = observer
        self._feeding = threading.Lock()
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._running: set[Download] = set()
        self._turns: dict[str, tuple[threading.Lock, int]] = {}
        self._stopped: FastdlError | None = None
        self._crash: BaseException | None = None

    def work(self, jobs: int) -> FastdlError | None:
        """Do it all with `jobs` threads; what stopped it early, if anything did."""
        threads = [threading.Thread(target=self._work, name=f"fastdl-job-{n}", daemon=True) for n in range(jobs)]
        settling = threading.Thread(target=self._keep_settling, name="fastdl-settling", daemon=True)
        self._jobs = jobs
        try:
            for thread in (*threads, settling):
                thread.start()
            for thread in (*threads, settling):
                if thread is settling:
                    self._worked.set()
                while thread.is_alive():
                    thread.join(0.1)  # with a bound, so that Ctrl-C gets through on Windows too
                    if self._brake is not None and self._brake.error is not None:
                        raise self._brake.error
        except (KeyboardInterrupt, FastdlError) as error:
            self.stop(error if isinstance(error, FastdlError) else Interrupted("interrupted"))
        finally:
            self._worked.set()
        if self._crash is not None:
            raise self._crash
        return self._stopped

    def _keep_settling(self) -> None:
        """Name what has waited for a while. Not in the main thread: Ctrl-C raises in the middle of what that one
        does, and a lot would be lost."""
        try:
            while not self._worked.wait(SETTLING):
                self._settler.hurry(SETTLING)
            self._settler.hurry()
        except BaseException as error:
            self._crash = self._crash or error

    def _work(self) -> None:
        desk = Desk()
        try:
            while (taken := self._next()) is not None:
                self._run(*taken, desk)
                if self._pool.scarce(self._jobs):  # more jobs than connections to a host: none keeps one for itself
                    desk.clear()
        except BaseException as error:
            self._crash = self._crash or error
        finally:
            desk.clear()

    def _next(self) -> tuple[int, Any] | None:
        with self._feeding:
            if self._stopped is not None or self._crash is not None:
                return None
            return next(self._items, None)

    def _run(self, job: int, item: Any, desk: Desk) -> None:
        try:
            download = self._make(job, item)
        except FastdlError as error:
            result = Result(item.url, error=error)
            if self._observer is not None:
                self._observer(Started(job, result.url))
                self._observer(Ended(job, result))
            with self._lock:
                self._ended(job, result)
            return
        download.desk = desk
        self._begin_turn(download.url)
        with self._lock:
            self._running.add(download)
            if self._stopped is not None:
                download.stop(self._stopped)
        try:
            run_then = download.run_then
            if self._watcher is not None:
                run_then = functools.partial(self._watcher.run_then, download)
            run_then(lambda conclude: self._over(job, download, conclude))
        except BaseException:
            self._leave(download)
            raise

    def _over(self, job: int, download: Download, conclude: Callable[[], Result]) -> None:
        """The file has its name, or has failed; said by its own thread or by the one that gives names."""
        try:
            result = conclude()
            with self._lock:
                self._ended(job, result)
        except BaseException as error:
            self._crash = self._crash or error
        finally:
            self._leave(download)

    def _leave(self, download: Download) -> None:
        with self._changed:
            self._running.discard(download)
            self._changed.notify_all()
        self._end_turn(download.url)
        download.let_go()

    def _begin_turn(self, url: str) -> None:
        """A URL that was given twice is fetched once: the second time its file is found to be there."""
        with self._lock:
            lock, users = self._turns.get(url, (threading.Lock(), 0))
            self._turns[url] = lock, users + 1
        if not lock.acquire(blocking=False):
            self._settler.hurry()  # it may be the only thing that is waited for
            lock.acquire()

    def _end_turn(self, url: str) -> None:
        with self._lock:
            lock, users = self._turns[url]
            if users == 1:
                del self._turns[url]
            else:
                self._turns[url] = lock, users - 1
        lock.release()

    def stop(self, error: FastdlError) -> None:
        """From any thread: end all soon, with `error`; the partial downloads stay."""
        with self._lock:
            self._stopped = error
            running = list(self._running)
        for download in running:
            download.stop(error)
        until = time.monotonic() + PARTING
        while self._running and time.monotonic() < until:
            self._settler.hurry()  # a body may have come whole at the last moment
            with self._changed:  # a thread that waits for the next line of a pipe is not waited for
                self._changed.wait_for(lambda: not self._running, 0.05)
