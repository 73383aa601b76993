"""One steered download in a thread of its own, apart from the object that a program holds.

The thread knows only what is here. So a `Download` that nobody refers to any more is collected while its thread still
works, and the finalizer can call that off.
"""

from __future__ import annotations

import contextlib
import threading
import time
import weakref
from collections.abc import Callable
from typing import Literal

from fastdl.api.folders import Folders
from fastdl.core.plain import replace
from fastdl.engine.download import Download as Engine
from fastdl.errors import Cancelled, FastdlError, drop_frames
from fastdl.events import Event, Named, Observer, Progressed
from fastdl.io.session import Session
from fastdl.result import Result
from fastdl.settings import Settings

State = Literal["ready", "running", "pausing", "paused", "done", "failed", "cancelled"]
LOOK = 0.1  # seconds between looks at signals while somebody waits: on Windows nothing else lets Ctrl-C through


class Run:
    """A download from before its start to after its end. Thread-safe."""

    def __init__(self, url: str, settings: Settings, on_event: Observer | None) -> None:
        self.url = url
        self.result: Result | None = None
        self.failure: BaseException | None = None  # what the callback raised, or what nobody foresaw
        self.progress = Progressed(0, 0, None, 0.0, 0, 0)
        self._folders = Folders(settings)
        self._settings = self._folders.enter(0, settings)
        self._on_event = on_event
        self._lock = threading.RLock()  # a signal's handler may call anything
        self._forsaken = False
        self._telling = threading.Lock()
        self._teller: int | None = None  # the thread that is in the callback
        self._thread: threading.Thread | None = None
        self._session: Session | None = None
        self._engine: Engine | None = None
        self._resting = False
        self._stopped: Cancelled | None = None
        self._over = threading.Event()
        self._watchers: list[Callable[[], None]] = []

    # --- steering ----------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin; the second call does nothing. Raises RuntimeError where the system gives no thread."""
        with self._lock:
            if self._thread is None and not self._over.is_set():
                thread = threading.Thread(target=self._work, name="fastdl-download", daemon=True)
                thread.start()
                self._thread = thread

    def rest(self, resting: bool) -> None:
        """End the connections for now, or go on."""
        with self._lock:
            self._resting = resting
            session, engine = self._session, self._engine
            if session is None or engine is None or self._over.is_set():
                return
            if resting:
                engine.rest()
                session.rest(True)
            else:
                session.rest(False)
                engine.wake()

    def limit(self, rate: int | str | None) -> None:
        """At most so many bytes a second from now on."""
        with self._lock:
            self._settings.limit_rate = rate
            if self._session is not None and self._engine is not None:
                self._session.limit(rate)
                if self._engine.attempt is not None:
                    self._engine.attempt.hurry()

    def stop(self) -> None:
        """Call it off; what has come stays for the next time."""
        with self._lock:
            if self._stopped is not None or self._over.is_set():
                return
            self._stopped = Cancelled("cancelled")
            if self._engine is not None:
                self._engine.stop(self._stopped)
            if self._thread is not None:
                return
        self._end(Result(self.url, error=self._stopped))

    def forsake(self) -> None:
        """Nobody holds the download any more. Called by the garbage collector in whatever thread, which may be one of
        its own inside any lock: nothing is done here but to note it."""
        self._forsaken = True
        engine = self._engine
        if engine is not None:
            engine.forsaken = True

    # --- what is known -----------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """Where it stands at this moment."""
        result, session = self.result, self._session
        if self._over.is_set():
            if self.failure is not None or result is None:
                return "failed"
            error = result.error
            return "done" if error is None else "cancelled" if isinstance(error, Cancelled) else "failed"
        if self._thread is None:
            return "paused" if self._resting else "ready"
        if not self._resting:
            return "running"
        return "pausing" if session is None or session.pool.in_use() else "paused"

    def at_rest(self) -> Progressed | None:
        """How far it has come, if it rests."""
        engine = self._engine
        attempt = engine.attempt if engine is not None and self._resting else None
        if attempt is None:
            return None
        done, size, connections, sources, _ = attempt.facts()
        if not connections and not done:  # the newest attempt has not begun
            return replace(self.progress, speed=0.0, connections=0, sources=0)
        return Progressed(0, done, size, 0.0, connections, sources)

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self._over.is_set()

    def when_over(self, call: Callable[[], None]) -> None:
        """Have `call` called once, in another thread, when it has ended; at once if it has."""
        with self._lock:
            if not self._over.is_set():
                self._watchers.append(call)
                return
        call()

    def not_when_over(self, call: Callable[[], None]) -> None:
        """What `when_over` was asked for is not wanted any more."""
        with self._lock, contextlib.suppress(ValueError):
            self._watchers.remove(call)

    def wait(self, seconds: float | None) -> bool:
        """Whether it has ended within so many seconds. Raises RuntimeError where that cannot be waited for."""
        if self._thread is None and not self._over.is_set():
            raise RuntimeError("the download was not started")
        if not self._over.is_set() and self._teller == threading.get_ident():
            raise RuntimeError("on_event cannot wait for the end of its own download")
        until = None if seconds is None else time.monotonic() + seconds
        while not self._over.wait(LOOK if until is None else min(LOOK, max(0.0, until - time.monotonic()))):
            if until is not None and time.monotonic() >= until:
                return False
            if not self._alive() and not self._over.is_set():
                raise RuntimeError("the download was left behind in the process that was forked")
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(LOOK)
        return True

    def _alive(self) -> bool:
        """Whether its thread runs: in the child of a fork none does but the one that has forked."""
        return self._thread is not None and self._thread.is_alive()

    # --- the thread --------------------------------------------------------------------------------------

    def _work(self) -> None:
        result = Result(self.url)
        session: Session | None = None
        engine: Engine | None = None
        try:
            session = Session(self._settings)
            session.steerable()
            engine = Engine(session, self.url, self._settings, self._tell)
            self._engage(session, engine)
            result = engine.run()
        except FastdlError as error:
            result.error = error
        except BaseException as error:
            self.failure = self.failure or error
        finally:
            with self._lock:  # nobody steers it from here on
                self._session = self._engine = None
            try:
                if session is not None:
                    session.close()
            finally:
                self._end(result)
                if engine is not None:
                    engine.let_go()

    def _engage(self, session: Session, engine: Engine) -> None:
        """Make up for what was asked before there was anybody to ask."""
        with self._lock:
            self._session, self._engine = session, engine
            session.limit(self._settings.limit_rate)
            if self._resting:
                engine.rest()
                session.rest(True)
            if self._stopped is not None:
                engine.stop(self._stopped)
        engine.forsaken = engine.forsaken or self._forsaken

    def _end(self, result: Result) -> None:
        drop_frames(result.error)
        with self._lock:
            self.result = result
            self._over.set()
            watchers, self._watchers = self._watchers, []
        self._on_event = None
        for call in watchers:
            call()

    def _tell(self, event: Event) -> None:
        """One at a time, whatever thread they come from; what the callback raises ends the download."""
        with self._telling:
            event = self._folders.event(event)
            on_event = self._on_event  # a worker that outlives the download finds none
            if isinstance(event, Progressed):
                self.progress = event
            elif isinstance(event, Named):
                self.progress = Progressed(event.job, event.resumed_bytes, event.size, 0.0, 0, 0)
            if on_event is None or self.failure is not None:
                return
            self._teller = threading.get_ident()
            try:
                on_event(event)
            except BaseException as error:
                self.failure = error
            finally:
                self._teller = None
        if self.failure is not None:
            self.stop()


def forsake_with(holder: object, run: Run) -> None:
    """Have the run called off when nobody refers to `holder` any more. The finalizer does not keep the run itself: what
    that ended with may know the frames in which it was raised, and so the holder."""
    weakref.finalize(holder, _forsake, weakref.ref(run))


def _forsake(run: weakref.ref[Run]) -> None:
    found = run()  # its thread keeps it while it works
    if found is not None:
        found.forsake()
