"""Several files of one run: at most -j at once, one set of connections, one rate limit."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from fastdl.engine.download import Download
from fastdl.errors import FastdlError, Interrupted
from fastdl.events import Ended, Observer, Started
from fastdl.io.session import Session
from fastdl.result import Result, Tally
from fastdl.settings import Settings

if TYPE_CHECKING:
    from fastdl.listing import File

MANY = 3  # URLs; more are worth preparing for
PARTING = 2.0  # seconds that downloads have to write down how far they are, after Ctrl-C

Make = Callable[[int, Any], Download]


def run(settings: Settings, urls: Sequence[str], observer: Observer) -> list[Result]:
    """Download all `urls`; the results come in the same order, each with its error if there was one.

    Raises UsageError if the settings cannot work (a broken cookie file, say). After Ctrl-C or a termination the files
    that were not ended have that as their error, and no new one is begun."""
    with _session(settings, many=len(urls) > MANY) as session:

        def make(job: int, url: str) -> Download:
            return Download(session, url, settings, observer, job)

        if len(urls) == 1:
            return [make(0, urls[0]).run()]
        results: dict[int, Result] = {}
        crew = _Crew(urls, make, results.__setitem__)
        stopped = crew.work(min(settings.jobs, len(urls)))
        for job, url in enumerate(urls if stopped is not None else ()):
            results.setdefault(job, Result(url, error=stopped))
        return [results[job] for job in range(len(urls))]


def run_list(settings: Settings, files: Iterable[File], observer: Observer) -> Tally:
    """Download `files` as they come; each result goes to the observer, and what is returned only counts them. A file
    with an error ends with that; after Ctrl-C or a termination no new one is taken.

    Raises UsageError if the settings of the run cannot work."""
    tally = Tally()
    with _session(settings, many=True) as session:

        def make(job: int, file: File) -> Download:
            return _of_list(session, file, settings, observer, job)

        def ended(_: int, result: Result) -> None:
            tally.add(result)

        stopped = _Crew(files, make, ended, observer).work(settings.jobs)
    tally.stopped = tally.stopped or stopped
    return tally


def _of_list(run: Session, file: File, settings: Settings, observer: Observer, job: int) -> Download:
    """The download of a file of a list. Raises FastdlErrors that name the place in it."""
    if file.error is not None:
        raise file.error
    if file.settings is settings:
        return Download(run, file.url, settings, observer, job)
    from fastdl.io.view import FileSession
    from fastdl.listing import at_place

    try:
        view = FileSession(run, file.settings)
    except FastdlError as error:
        raise at_place(file.place, error) from None
    return Download(view, file.url, file.settings, observer, job, file.listed)


@contextlib.contextmanager
def _session(settings: Settings, *, many: bool) -> Iterator[Session]:
    session = Session(settings)
    session.many = many
    try:
        yield session
    finally:
        session.close()


class _Crew:
    """Threads that take one item after the other, make a download of it and run that. Nothing is kept of what has
    ended, so a list may be of any length."""

    def __init__(
        self,
        items: Iterable[Any],
        make: Make,
        ended: Callable[[int, Result], None],
        observer: Observer | None = None,
    ) -> None:
        self._items = enumerate(items)
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
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                while thread.is_alive():
                    thread.join(0.1)  # with a bound, so that Ctrl-C gets through on Windows too
        except (KeyboardInterrupt, FastdlError) as error:
            self._stop(error if isinstance(error, FastdlError) else Interrupted("interrupted"))
        if self._crash is not None:
            raise self._crash
        return self._stopped

    def _work(self) -> None:
        try:
            while (taken := self._next()) is not None:
                self._run(*taken)
        except BaseException as error:
            self._crash = self._crash or error

    def _next(self) -> tuple[int, Any] | None:
        with self._feeding:
            if self._stopped is not None or self._crash is not None:
                return None
            return next(self._items, None)

    def _run(self, job: int, item: Any) -> None:
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
        with self._turn(download.url):
            self._download(job, download)

    def _download(self, job: int, download: Download) -> None:
        with self._lock:
            self._running.add(download)
            if self._stopped is not None:
                download.stop(self._stopped)
        try:
            result = download.run()
            with self._lock:
                self._ended(job, result)
        finally:
            with self._changed:
                self._running.discard(download)
                self._changed.notify_all()

    @contextlib.contextmanager
    def _turn(self, url: str) -> Iterator[None]:
        """A URL that was given twice is fetched once: the second time its file is found to be there."""
        with self._lock:
            lock, users = self._turns.get(url, (threading.Lock(), 0))
            self._turns[url] = lock, users + 1
        try:
            with lock:
                yield
        finally:
            with self._lock:
                users = self._turns[url][1]
                if users == 1:
                    del self._turns[url]
                else:
                    self._turns[url] = lock, users - 1

    def _stop(self, error: FastdlError) -> None:
        with self._lock:
            self._stopped = error
            running = list(self._running)
        for download in running:
            download.stop(error)
        with self._changed:  # a thread that waits for the next line of a pipe is not waited for
            self._changed.wait_for(lambda: not self._running, PARTING)
