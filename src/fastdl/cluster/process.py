"""One file after the other in the threads or processes of an executor, by a session that outlives each of them.

A process knows of a run by its id. The first file of one makes its session, and a later run, a while without work or
the end of the process closes it: no executor tells its workers that a run is over.
"""

from __future__ import annotations

import atexit
import threading
import time

from fastdl.batch import of_list
from fastdl.cluster.parcel import Sealed
from fastdl.cluster.recall import Listener
from fastdl.engine.download import Download
from fastdl.engine.first import Desk
from fastdl.errors import FastdlError, Interrupted
from fastdl.events import Ended, Event, Observer, Progressed, Started
from fastdl.io.session import Session
from fastdl.listing import File
from fastdl.result import Result
from fastdl.settings import Settings

FAREWELL = 0.25  # seconds that a server gets to notice that a connection is closed, before another process opens one
IDLE = 5.0  # seconds without a file, after which a process closes its connections


class Running:
    """The downloads that are running, to stop them. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._downloads: set[Download] = set()
        self._stopped: FastdlError | None = None

    def run(self, download: Download) -> Result:
        """Run it, unless all was stopped."""
        with self._lock:
            self._downloads.add(download)
            if self._stopped is not None:
                download.stop(self._stopped)
        try:
            return download.run()
        finally:
            with self._lock:
                self._downloads.discard(download)

    def stop(self, error: FastdlError) -> None:
        """End all soon, with `error`, and those that are begun later."""
        with self._lock:
            self._stopped = self._stopped or error
            downloads = list(self._downloads)
        for download in downloads:
            download.stop(error)


def fetched(session: Session, file: File, settings: Settings, observer: Observer, job: int, running: Running) -> Result:
    """Download one file in this thread; the result holds its error if there was one."""
    try:
        download = of_list(session, file, settings, observer, job)
    except FastdlError as error:
        result = Result(file.url, error=error)
        observer(Started(job, file.url))
        observer(Ended(job, result))
        return result
    download.of_several = True
    desk = download.desk = Desk()
    try:
        return running.run(download)
    finally:
        desk.clear()  # its connection is for whoever comes next


# --- in a process of its own -----------------------------------------------------------------------------


class _Kept:
    """The session of the newest run in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._run = ""
        self._session: Session | None = None
        self._settings = Settings()
        self._users = 0
        self._since = 0.0
        self._timer: threading.Timer | None = None

    def take(self, run: str, settings: Settings) -> tuple[Session, Settings]:
        """The session of a run, for one file. Raises UsageError."""
        with self._lock:
            if self._session is not None and self._run != run and not self._users:
                self._close()
            if self._session is None or self._run != run:
                session = Session(settings)
                session.many = True
                if self._users:  # two runs at once in one process: the second has one for each of its files
                    return session, settings
                self._run, self._session, self._settings = run, session, settings
            self._users += 1
            return self._session, self._settings

    def give_back(self, session: Session) -> None:
        """The file has ended."""
        with self._lock:
            if session is not self._session:
                session.close()
                return
            self._users -= 1
            self._since = time.monotonic()
            if not self._users and self._timer is None:
                self._wait(IDLE)

    def _wait(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._look)
        self._timer.daemon = True
        self._timer.start()

    def _look(self) -> None:
        with self._lock:
            self._timer = None
            left = self._since + IDLE - time.monotonic()
            if self._session is None or self._users:
                return
            if left > 0:
                self._wait(left)
            else:
                self._close()

    def _close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def end(self) -> None:
        """The process ends."""
        with self._lock:
            self._close()


_kept = _Kept()


def end() -> None:
    """Close what a run has left open in this process."""
    _kept.end()


atexit.register(end)


def run_one(shared: Sealed, job: int, sealed: Sealed, *, alone: bool) -> Sealed:
    """In the worker: one file of a run, given as `spread` packs it; its events, the last of which has the result.
    `alone`: other processes are waiting for the connection, so none is kept.

    Raises UsageError where the run's settings cannot work."""
    run, settings, sign, caller = shared.open()
    session, settings = _kept.take(run, settings)
    told: list[Event] = []
    running = Running()

    def observer(event: Event) -> None:
        if not isinstance(event, Progressed):  # when it comes it is over
            told.append(event)

    try:
        file: File = sealed.open()
        with Listener(sign, caller, lambda: running.stop(Interrupted("interrupted"))):
            fetched(session, file, settings, observer, job, running)
        if alone:
            session.pool.drop_idle(FAREWELL)
    except KeyboardInterrupt:
        told.append(Ended(job, Result("", error=Interrupted("interrupted"))))
    finally:
        _kept.give_back(session)
    return Sealed(told)
