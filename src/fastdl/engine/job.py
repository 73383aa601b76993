"""One job of a run as all its steps see it: what it is about, how far it has come, and how it is stopped, rested and
woken from another thread."""

from __future__ import annotations

import threading
from collections import Counter

from fastdl.core import tracker
from fastdl.core.hints import TYPE_CHECKING, Any, Literal
from fastdl.core.orders import Failure, Finish, GiveUp
from fastdl.core.state import Limits
from fastdl.core.tracker import Tracker
from fastdl.core.urls import Url
from fastdl.engine.attempt import Attempt
from fastdl.errors import FastdlError, Interrupted, TimedOut
from fastdl.events import Note, Observer
from fastdl.io.contact import Contact, Place
from fastdl.io.session import Session
from fastdl.result import Result
from fastdl.settings import Settings

if TYPE_CHECKING:
    from fastdl.core.lists.entry import Listed
    from fastdl.engine.landing import Landing

OVERLAP = 16 * 1024  # bytes fetched again where no strong validator vouches for a partial download


class Job:
    """The state that the steps of one download share."""

    def __init__(
        self,
        session: Session,
        url: str,
        settings: Settings,
        observer: Observer,
        job: int = 0,
        listed: Listed | None = None,
    ) -> None:
        """`job` is its number in the run; `listed`: what a list says of the file beyond the settings."""
        self.session = session
        self.settings = settings
        self.url = url
        self.job = job
        self.listed = listed
        self.observer = observer
        self.places: list[Place] = []  # the origin, -m mirrors, then mapped sources as they join
        self.counters = Tracker()
        self.landing: Landing | None = None
        self.final: Url | None = None
        self.result = Result(url=url, job=job, path="-" if settings.output == "-" else None)
        self.altered: Counter[str] = Counter()  # bytes, by the masked URL of who altered them
        self.attempt: Attempt | None = None  # the newest one, maybe of a repair
        self.main: Attempt | None = None  # the newest one at the whole file
        self.foretold = False  # what the next run is to know of the file is noted already
        self.of_several = False  # files that this run was asked for
        self.asking: Contact | None = None  # a request of the job's own thread is under way, or its answer unused
        self.stopped: FastdlError | None = None
        self.forsaken = False  # nobody will ask for the outcome: set without a lock, by whoever finds out
        self.deadline: float | None = None  # seconds, on time.monotonic's clock
        self._resting = False
        self._steering = threading.Lock()  # of the newest attempt and whether it rests

    @property
    def asked(self) -> bool:
        """Whether a server was."""
        return self.attempt is not None or self.counters.total(tracker.REQUESTS) > 0

    # --- from any thread ---------------------------------------------------------------------------------

    def stop(self, error: FastdlError) -> None:
        """End soon, with `error` as the outcome; the partial download stays."""
        self.stopped = error
        asking, attempt, landing = self.asking, self.attempt, self.landing
        if asking is not None:
            asking.abort()
        if attempt is not None:
            attempt.halt()
        if landing is not None:
            landing.proof.interrupt()  # a digest that is being waited for

    def rest(self) -> None:
        """End the connections soon, and ask for nothing more until `wake`."""
        with self._steering:
            self._resting, attempt = True, self.attempt
            if attempt is not None:
                attempt.rest()

    def wake(self) -> None:
        """Go on from what has come, as a later run would: see Scheduler.wake."""
        with self._steering:
            self._resting, attempt, landing = False, self.attempt, self.landing
            if attempt is None or landing is None:
                return
            surely = landing.in_order or landing.validators.strong or attempt is not self.main
            rested = attempt.wake(0 if surely else OVERLAP)
            if self.deadline is not None:
                self.deadline += rested

    # --- what the steps ask ------------------------------------------------------------------------------

    def new_attempt(self, landing: Landing, places: list[Place], limits: Limits, **others: Any) -> Attempt:
        """An attempt at the file, or at parts of it; `stop` ends it. `others`: see Attempt."""
        attempt = Attempt(
            self.session,
            places,
            limits,
            self.counters,
            not_modified=landing.existing.not_modified,
            on_failure=self._failed,
            wanted=self._wanted,
            **others,
        )
        with self._steering:
            self.attempt = attempt
            if self._resting:
                attempt.rest()
        return attempt

    def _wanted(self) -> bool:
        if self.forsaken and self.stopped is None:
            self.stopped = Interrupted("nobody waits for the download any more")
        return self.stopped is None

    def _failed(self, place: Place, failure: Failure) -> None:
        error = failure.error
        self.note("info", f"{place.given.netloc}: {error.what}" + (f" ({error.why})" if error.why else ""))

    def ended(self, outcome: Finish | GiveUp | None) -> FastdlError:
        """The error of an attempt that did not finish."""
        if isinstance(outcome, GiveUp):
            return outcome.error
        why = f"--max-time {self.settings.max_time:g} s"
        return self.stopped or TimedOut("the time is over", why, "Raise --max-time.")

    def waste(self, worker: int, source: int, count: int) -> None:
        """Bytes of a source that were kept are thrown away, or were needed twice; `worker` is of the tracker."""
        row = self.counters.row(worker, source)
        row.add(tracker.WASTED, count)
        row.add(tracker.BYTES, -count)

    def note(self, level: Literal["info", "warning"], text: str) -> None:
        """Tell the observer a sentence."""
        self.observer(Note(self.job, level, text))
