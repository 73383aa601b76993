"""One file from the URL to its final name: the order of the steps. The decisions are elsewhere (landing, core)."""

from __future__ import annotations

import functools
import os
import time
from typing import Literal

from fastdl.core import tracker
from fastdl.core.orders import Failure, Finish, GiveUp, Instruction, Restart
from fastdl.core.ranges import RangeSet
from fastdl.core.response import Action, Verdict
from fastdl.core.scheduler import Scheduler
from fastdl.core.state import Limits
from fastdl.core.tracker import Tracker
from fastdl.core.urls import Url, parse_url
from fastdl.core.verify import Digest, parse_checksum
from fastdl.engine import target
from fastdl.engine.attempt import Attempt
from fastdl.engine.landing import AskAgain, Landing
from fastdl.engine.sinks import STDOUT_WINDOW
from fastdl.engine.watch import Watch
from fastdl.errors import FastdlError, Interrupted, ObjectChanged, TimedOut
from fastdl.events import Ended, Named, Note, Observer, Started
from fastdl.io.contact import Answer, Place
from fastdl.io.session import Session
from fastdl.result import DigestReport, Result, SourceReport
from fastdl.settings import Settings

RESTARTS = 3  # times that a file which changed is begun again; the last time as one plain stream
OVERLAP = 16 * 1024  # bytes fetched again where no strong validator vouches for a partial download


class Download:
    """One job of a run. `run` never raises FastdlError: the result holds it."""

    def __init__(self, session: Session, url: str, settings: Settings, observer: Observer, job: int = 0) -> None:
        self.session = session
        self.settings = settings
        self.url = url
        self.job = job
        self._observer = observer
        self._result = Result(url=url, path="-" if settings.output == "-" else None)
        self._places: list[Place] = []
        self._digest: Digest | None = None
        self._landing: Landing | None = None
        self._attempt: Attempt | None = None
        self._stopped: FastdlError | None = None
        self._final: Url | None = None
        self._counters = Tracker()

    def stop(self, error: FastdlError) -> None:
        """From any thread: end soon, with `error` as the outcome; the partial download stays."""
        self._stopped = error
        attempt = self._attempt
        if attempt is not None:
            attempt.stop()
        if self._landing is not None:
            self._landing.stop()

    # --- the steps ---------------------------------------------------------------------------------------

    def run(self) -> Result:
        """Do it all; the result holds the error if there was one."""
        began = time.monotonic()
        self._observer(Started(self.job, self.url))
        try:
            self._prepare()
            with self.session.crowd(self._places[0].given.host):
                self._fetch_unless_there(began)
        except FastdlError as error:
            self._result.error = self._stopped or error
        except KeyboardInterrupt:
            self._result.error = Interrupted("interrupted")
        finally:
            if self._landing is not None:
                self._landing.close()
        self._report()
        self._result.seconds = time.monotonic() - began
        self._observer(Ended(self.job, self._result))
        return self._result

    def _fetch_unless_there(self, began: float) -> None:
        try:
            self._fetch(began)
        except target.AlreadyThere as kept:
            self._keep(kept)

    def _prepare(self) -> None:
        settings = self.settings
        given = parse_url(self.url)
        self._places = [Place(given), *(Place(parse_url(url), mirror=True) for url in settings.mirrors)]
        if settings.checksum:
            self._digest = parse_checksum(settings.checksum)
            self._result.digest = DigestReport(self._digest.algorithm, self._digest.hex, "user")

    def _fetch(self, began: float) -> None:
        settings = self.settings
        if settings.dry_run:
            from fastdl.engine.dry_run import dry_run

            self._result.plan = dry_run(self.session, settings, self.url, self._places, self._digest)
            return
        note = functools.partial(self._note, "info")
        self._landing = landing = Landing(settings, self.url, self._places, self._digest, note)
        deadline = began + settings.max_time if settings.max_time is not None else None
        claims = landing.look()
        for restart in range(RESTARTS + 1):
            outcome = self._try(landing, claims, deadline, last=restart == RESTARTS)
            if isinstance(outcome, Finish):
                if self._conclude(landing, retry=claims is not None and restart < RESTARTS):
                    return
            elif isinstance(outcome, GiveUp):
                raise outcome.error
            elif isinstance(outcome, Restart):
                self._begin_again(landing, outcome.why)
            else:
                raise self._stopped or TimedOut("the time is over", f"--max-time {settings.max_time:g} s", "")
            claims = None
            for place in self._places:
                place.forget()
        raise ObjectChanged("the file kept changing during the download", f"begun {RESTARTS + 1} times")

    def _begin_again(self, landing: Landing, why: str) -> None:
        if landing.stream is not None and landing.stream.front > 0:
            raise ObjectChanged("the file changed during the download", "part of it has been put out already")
        if why:
            self._note("warning", f"{why}: beginning again from nothing")

    def _try(
        self, landing: Landing, claims: RangeSet | None, deadline: float | None, last: bool
    ) -> Finish | Restart | GiveUp | None:
        """One attempt, from `claims` or from nothing; the `last` one as one plain stream from the origin."""
        settings = self.settings
        resumed = claims.total if claims is not None else 0
        self._result.resumed_bytes = resumed
        watch = Watch(self.job, landing, settings.max_size, time.monotonic(), resumed)
        opened = False

        def accept(attempt: Attempt, answer: Answer, verdict: Verdict) -> None:
            """The first usable head settles name, size and target; later heads are the judge's business alone."""
            nonlocal opened
            if opened:
                return
            attempt.sink = landing.open(answer, verdict, claims is not None, attempt.front_moved)
            opened = True
            self._final = answer.url
            self._opened(landing, answer, verdict)

        def on_tick(attempt: Attempt, now: float) -> None:
            attempt.core.host_share = self.session.share(self._places[0].given.host)
            watch.look(attempt, now, self._observer if opened else None)

        def begin(core: Scheduler, now: float) -> list[Instruction]:
            core.single = last
            core.horizon = STDOUT_WINDOW if landing.in_order else core.horizon
            core.overlap = 0 if landing.validators.strong else OVERLAP
            return core.start(now, landing.size if claims is not None else None, claims)

        limits = Limits(1 if last else settings.connections, settings.per_host, settings.min_split, settings.retries)
        attempt = Attempt(
            self.session,
            self._places[:1] if last else self._places,
            limits,
            self._counters,
            accept=accept,
            not_modified=landing.not_modified,
            on_tick=on_tick,
            on_failure=self._failed,
            extra_headers=landing.conditions() if claims is None else (),
            resumed=claims is not None,
        )
        self._attempt = attempt
        if claims is not None and claims.total == landing.size:
            landing.whole_already()
            self._final = self._places[0].given
        try:
            if self._stopped is None:
                attempt.run(begin, deadline)
        except AskAgain:
            return Restart("")
        if self._stopped is not None:
            raise self._stopped
        return attempt.outcome

    def _opened(self, landing: Landing, answer: Answer, verdict: Verdict) -> None:
        self.session.give_way(answer.url)
        size = "of unknown size" if verdict.size is None else f"of {verdict.size} bytes"
        ranges = "with" if verdict.action is Action.USE else "without"
        peer = f" ({answer.channel.peer})" if answer.channel.peer else ""
        self._note("info", f"{answer.url.host}{peer} has a file {size}, {ranges} ranges, by {answer.head.version}")
        resumed = self._result.resumed_bytes
        if resumed:
            self._note("info", f"{resumed} bytes are there already")
        self._observer(Named(self.job, landing.path or "-", landing.size, resumed))

    def _failed(self, place: Place, failure: Failure) -> None:
        self._note("info", f"{place.given.host}: {failure.error}")

    def _note(self, level: Literal["info", "warning"], text: str) -> None:
        self._observer(Note(self.job, level, text))

    # --- the end -----------------------------------------------------------------------------------------

    def _conclude(self, landing: Landing, retry: bool) -> bool:
        """Check size and digests, give the file its name. False: what an earlier run left was damaged, begin anew."""
        assert self._attempt is not None and self._attempt.core.size is not None
        values = landing.digests(self._attempt.core.size)
        sha256 = values.get("sha256")
        self._result.sha256 = sha256.hex() if sha256 is not None else None
        if self._digest is not None and values[self._digest.algorithm] != self._digest.value:
            if not retry:
                landing.reject(self._digest, values[self._digest.algorithm])
            self._note("warning", "The digest does not match what an earlier run left: beginning again")
            return False
        if self._result.digest is not None:
            self._result.digest.verified = True
        landing.finish()
        return True

    def _keep(self, kept: target.AlreadyThere) -> None:
        result = self._result
        result.path = kept.path
        result.kept = kept.why
        result.size = os.path.getsize(kept.path) if os.path.isfile(kept.path) else None
        if result.digest is not None:
            result.digest.verified = kept.verified
        if self.settings.json and result.size is not None:
            result.sha256 = target.file_digest(kept.path, "sha256").hex()

    def _report(self) -> None:
        """What happened, for --json and the last line; also of a download that failed."""
        result, landing = self._result, self._landing
        if self._attempt is None or landing is None:
            return
        if not result.kept:
            result.size, result.path = landing.size, landing.path
        result.final_url = self._final.text if self._final is not None else None
        result.requests = self._counters.total(tracker.REQUESTS)
        result.wasted_bytes = self._counters.total(tracker.WASTED)
        counts = self._counters.by_source()
        result.sources = [_source_report(place, counts.get(n, {})) for n, place in enumerate(self._places)]


def _source_report(place: Place, counts: dict[str, int]) -> SourceReport:
    return SourceReport(
        url=place.given.text,
        host=place.given.host,
        bytes=counts.get("bytes", 0) + counts.get("wasted", 0),
        connections=counts.get("connections", 0),
        errors=counts.get("errors", 0),
    )
