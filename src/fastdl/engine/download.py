"""One file from the URL to its final name: the order of the steps. The decisions are elsewhere (landing, sourcing,
repair, core)."""

from __future__ import annotations

import functools
import threading
import time
from collections import Counter
from collections.abc import Callable

from fastdl.core import tracker
from fastdl.core.hints import TYPE_CHECKING, Any, Literal
from fastdl.core.orders import Failure, Finish, GiveUp, Instruction, Restart
from fastdl.core.ranges import RangeSet
from fastdl.core.response import Action, Verdict
from fastdl.core.scheduler import Scheduler
from fastdl.core.state import Limits
from fastdl.core.tracker import Tracker
from fastdl.core.urls import Url, parse_url
from fastdl.core.verify import parse_checksum
from fastdl.engine import accounts, first, target
from fastdl.engine.attempt import Attempt
from fastdl.engine.blame import Blame
from fastdl.engine.first import Desk, FirstAnswer
from fastdl.engine.landing import AskAgain, Landing
from fastdl.engine.proof import Expected
from fastdl.engine.sinks import STDOUT_WINDOW
from fastdl.engine.sourcing import SILENCE, Sourcing
from fastdl.engine.watch import Watch
from fastdl.errors import FastdlError, Interrupted, ObjectChanged, Refused, TimedOut
from fastdl.events import Ended, Named, Note, Observer, Started
from fastdl.io.contact import Answer, Place
from fastdl.io.session import Session
from fastdl.io.settling import SmallFile, settle
from fastdl.result import Result
from fastdl.settings import Settings

if TYPE_CHECKING:
    from fastdl.core.history import Entry
    from fastdl.core.lists.entry import Listed

RESTARTS = 3  # times that a file which changed is begun again; the last time as one plain stream
OVERLAP = 16 * 1024  # bytes fetched again where no strong validator vouches for a partial download


class Download:
    """One job of a run. `run` never raises FastdlError: the result holds it."""

    def __init__(
        self,
        session: Session,
        url: str,
        settings: Settings,
        observer: Observer,
        job: int = 0,
        listed: Listed | None = None,
    ) -> None:
        """`listed`: what a list says of the file beyond the settings."""
        self.session = session
        self.settings = settings
        self.url = url
        self.job = job
        self.places: list[Place] = []  # the origin, -m mirrors, then mapped sources as they join
        self.counters = Tracker()
        self.attempt: Attempt | None = None  # the newest one, maybe of a repair
        self.main: Attempt | None = None  # the newest one at the whole file
        self.landing: Landing | None = None
        self.final: Url | None = None
        self.result = Result(url=url, job=job, path="-" if settings.output == "-" else None)
        self.altered: Counter[str] = Counter()  # bytes, by the masked URL of who altered them
        self._blame = Blame(self, listed.pieces if listed is not None else None)
        self.listed = listed
        self.observer = observer
        self._sourcing: Sourcing | None = None
        self.desk = Desk()  # of the job's thread, which brings its own
        self._first: FirstAnswer | None = None
        self.stored: SmallFile | None = None  # whole, and not named yet
        self.of_several = False  # files that this run was asked for
        self.entry: Entry | None = None  # what the history has of it
        self.stopped: FastdlError | None = None
        self.forsaken = False  # nobody will ask for the outcome: set without a lock, by whoever finds out
        self._resting = False
        self._steering = threading.Lock()  # of the newest attempt and whether it rests
        self._began = 0.0
        self.deadline: float | None = None

    def stop(self, error: FastdlError) -> None:
        """From any thread: end soon, with `error` as the outcome; the partial download stays."""
        self.stopped = error
        first, attempt, landing = self._first, self.attempt, self.landing
        if first is not None:
            first.contact.abort()
        if attempt is not None:
            attempt.halt()
        if landing is not None:
            landing.stop()

    def let_go(self) -> None:
        """It has ended, and its result was taken. Its parts know each other in circles: unless they are parted here,
        they stay, the bytes of small files among them, until Python looks for garbage, which may be thousands of files
        later."""
        for attempt in (self.attempt, self.main):
            if attempt is not None:
                attempt.let_go()
        self._sourcing = self.landing = self.attempt = self.main = self._first = self.stored = None
        vars(self).pop("_blame", None)

    def _wanted(self) -> bool:
        if self.forsaken and self.stopped is None:
            self.stopped = Interrupted("nobody waits for the download any more")
        return self.stopped is None

    def rest(self) -> None:
        """From any thread: end the connections soon, and ask for nothing more until `wake`."""
        with self._steering:
            self._resting, attempt = True, self.attempt
            if attempt is not None:
                attempt.rest()

    def wake(self) -> None:
        """From any thread: go on from what has come, as a later run would: see Scheduler.wake."""
        with self._steering:
            self._resting, attempt, landing = False, self.attempt, self.landing
            if attempt is None or landing is None:
                return
            surely = landing.in_order or landing.validators.strong or attempt is not self.main
            rested = attempt.wake(0 if surely else OVERLAP)
            if self.deadline is not None:
                self.deadline += rested

    # --- the steps ---------------------------------------------------------------------------------------

    def run(self) -> Result:
        """Do it all; the result holds the error if there was one."""
        self._do()
        if self.stored is not None:
            settle([(self.stored, self._settled)])
        return self._end()

    def run_then(self, ended: Callable[[Callable[[], Result]], None]) -> None:
        """The same for one file of many: `ended` gets what gives the result, from another thread where the file is
        given its name together with others."""
        self.of_several = True
        self._do()
        witness = self.session.witness
        if self.stored is not None and witness is not None:
            witness.vow(self, self.stored.final)
        if self.stored is not None and self.settings.follows:  # which is for this thread, when the file has its name
            self.session.settler.put(self.stored, self._settled)
            self.session.settler.wait_for(self.stored.final)
            self.stored = None
        if self.stored is None:
            ended(self._end)
            return

        def settled(error: FastdlError | None) -> None:
            self._settled(error)
            ended(self._end)

        self.session.settler.put(self.stored, settled)

    def _do(self) -> None:
        """Up to the final name, or up to where only that is missing."""
        self._began = time.monotonic()
        result = self.result
        self.observer(Started(self.job, self.url))
        try:
            expected = self._prepare()
            with self.session.crowd(self.places[0].given.host):
                self._fetch(expected)
        except target.AlreadyThere as kept:
            accounts.keep(self, kept, lambda: self._sourcing.embedded() if self._sourcing is not None else None)
        except FastdlError as error:
            result.error = self.stopped or error
        except KeyboardInterrupt:
            result.error = Interrupted("interrupted")
        finally:
            if result.error is not None and self._first is not None:
                self._first.contact.drop()
            if self._sourcing is not None:
                self._sourcing.close()
            if self.landing is not None:
                self.landing.close()

    @property
    def asked(self) -> bool:
        """Whether a server was."""
        return self.attempt is not None or self.counters.total(tracker.REQUESTS) > 0

    def _settled(self, error: FastdlError | None) -> None:
        self.result.error = error

    def _end(self) -> Result:
        """What is told and remembered of it."""
        result = self.result
        accounts.report(self)
        result.seconds = time.monotonic() - self._began
        follows = self.settings.follows and result.error is None and result.plan is None
        if follows:
            from fastdl.engine import after

            if self.settings.extract:
                after.extract(self)
        if self._sourcing is not None and self.asked:
            self.entry = accounts.remember(self, private=self._sourcing.private)
        if follows and result.error is None:
            after.command(self)
        for warning in self.session.take_warnings():
            self.note("warning", warning)
        self.observer(Ended(self.job, result))
        return result

    def _prepare(self) -> list[Expected]:
        """The given sources and digests. Raises UsageError."""
        settings, listed = self.settings, self.listed
        given = parse_url(self.url)
        self.places = [Place(given), *(Place(parse_url(url), mirror=True) for url in settings.mirrors)]
        expected = [Expected(parse_checksum(settings.checksum), settings.checksum_by)] if settings.checksum else []
        if listed is not None:
            if listed.hold is not None:
                expected.append(Expected(listed.hold.digest, "lock", listed.hold.who))
            expected += [Expected(digest, listed.source, "the list") for digest in listed.digests]
        return expected

    def _fetch(self, expected: list[Expected]) -> None:
        settings = self.settings
        if settings.dry_run:
            from fastdl.engine.explaining.dry_run import dry_run

            digest = expected[0].digest if expected else None
            self.result.plan = dry_run(self.session, settings, self.url, self.places, digest)
            return
        tell, warn = functools.partial(self.note, "info"), functools.partial(self.note, "warning")
        self._sourcing = sourcing = Sourcing(self.session, settings, self.url, self.places, expected, tell, warn)
        session = self.session
        self.landing = landing = Landing(
            settings,
            self.url,
            self.places,
            expected,
            tell,
            lambda: session.store,
            sourcing.embedded,
            session.scanned,
            self._wait_for,
            self.listed.hold if self.listed is not None else None,
            many=session.many,
        )
        self.deadline = self._began + settings.max_time if settings.max_time is not None else None
        claims = landing.look()
        if landing.in_order:
            landing.proof.foreseen = sourcing.foreseen
        if session.many and self._at_once(landing, sourcing, begun=claims is not None):
            return
        for restart in range(RESTARTS + 1):
            outcome = self._try(landing, sourcing, claims, last=restart == RESTARTS)
            if isinstance(outcome, Finish):
                outcome = self._conclude(landing, sourcing, retry=claims is not None and restart < RESTARTS)
                if outcome is None:
                    return
            if not isinstance(outcome, Restart):
                raise self.ended(outcome)
            self._begin_again(landing, outcome.why)
            landing.proof.renew(expected)
            self._blame.begin_again()
            if self.main is not None and (place := self.places[self.main.core.confirmed_by]).mapped:
                sourcing.shun(place)  # it had another file than the origin
            claims = None
            for place in self.places:
                place.forget()
            sourcing.renew()
        raise ObjectChanged("the file kept changing during the download", f"begun {RESTARTS + 1} times")

    def _at_once(self, landing: Landing, sourcing: Sourcing, *, begun: bool) -> bool:
        """Make the first request from this thread; true where the file is small, and stored. Else the attempt goes on
        with the answer, and this thread keeps no connection from it. `begun`: by an earlier run."""
        if begun or not first.possible(self, landing, sourcing):
            self.desk.clear()
            return False
        self._first = asked = FirstAnswer(self.desk.take(self))
        sourcing.begin()
        try:
            self.stored = first.small(self, landing, sourcing, asked)
        except target.AlreadyThere:
            self._first = None
            raise
        if self.stored is None:
            if asked.used:
                self._first = None
                self.desk.clear()
            return False
        self._checked(landing, landing.size or 0)
        self.observer(Named(self.job, landing.path or "-", landing.size, 0))
        return True

    def _checked(self, landing: Landing, size: int) -> None:
        """Every digest that is known agrees."""
        sha256 = landing.digests(size).get("sha256")
        self.result.sha256 = sha256.hex() if sha256 is not None else None
        accounts.digest(self, verified=True)
        if self.result.digest is None and self._sourcing is not None:
            self.result.unproved = self._sourcing.unproved

    def _wait_for(self, path: str) -> None:
        """Another download of this run may be about to give a file that very path."""
        if self.session.many:
            self.session.settler.wait_for(path)

    def ended(self, outcome: Finish | GiveUp | None) -> FastdlError:
        """The error of an attempt that did not finish."""
        if isinstance(outcome, GiveUp):
            return outcome.error
        why = f"--max-time {self.settings.max_time:g} s"
        return self.stopped or TimedOut("the time is over", why, "Raise --max-time.")

    def _begin_again(self, landing: Landing, why: str) -> None:
        if landing.stream is not None and landing.stream.front > 0:
            raise ObjectChanged("the file changed during the download", "part of it has been put out already")
        if why:
            self.note("warning", f"{why}: beginning again from nothing")

    def _try(
        self, landing: Landing, sourcing: Sourcing, claims: RangeSet | None, last: bool
    ) -> Finish | Restart | GiveUp | None:
        """One attempt, from `claims` or from nothing; the `last` one as one plain stream from the origin."""
        settings = self.settings
        resumed = claims.total if claims is not None else 0
        self.result.resumed_bytes = resumed
        watch = Watch(self.job, landing, settings.max_size, time.monotonic(), resumed)
        opened = recalled = False
        joining = not (last or landing.in_order or settings.connections == 1)

        def accept(attempt: Attempt, place: Place, answer: Answer, verdict: Verdict) -> None:
            """The first usable head settles name, size and target; later heads are the judge's business alone."""
            nonlocal opened
            sourcing.heard(place, answer, verdict.size)
            if opened:
                landing.adopt(place, answer)
                return
            for expected in sourcing.digests():
                landing.expect(expected)
            attempt.sink = landing.open(place, answer, verdict, claims is not None, attempt.front_moved)
            opened = True
            self.final = answer.url
            self._opened(landing, answer, verdict)

        def on_tick(attempt: Attempt, now: float) -> None:
            nonlocal recalled
            if not recalled:  # not before the first tick: small files are over by then
                recalled = True
                self._recall(attempt, sourcing, self.places)
            attempt.core.host_share = self.session.share(self.places[0].given.host)
            with attempt.accepting:
                for expected in sourcing.digests():
                    landing.expect(expected)
            if opened and not last:
                self._blame.check(attempt, landing, sourcing.pieces)
            watch.look(attempt, now, self.observer if opened else None)
            self._tell(attempt.news())
            while joining:
                with attempt.accepting:  # answers that come meanwhile may name sources too
                    place = sourcing.next_source(attempt.outlook(), time.monotonic())
                if place is None:
                    break
                self.note("info", f"{place.given.netloc} joins ({place.trust})")
                attempt.join(sourcing.prepared(place, landing), landing.add_source)
                self._recall(attempt, sourcing, [place])

        liars = self.session.store.liars() if len(self.places) > 1 else {}

        def begin(core: Scheduler, now: float) -> list[Instruction]:
            core.single = last
            core.horizon = STDOUT_WINDOW if landing.in_order else core.horizon
            core.overlap = 0 if landing.validators.strong else OVERLAP
            for source, place in zip(core.sources, self.places, strict=False):
                if place.mapped:  # it had joined the attempt before this one
                    source.mapped, source.error = True, Refused("the download was begun anew")
                elif place.mirror and place.given.netloc in liars:
                    source.error = Refused("it sent altered bytes not long ago")
            if joining and settings.cdn == "prefer":
                core.sources[0].last_resort = True
                if sourcing.may_lead():
                    core.sources[0].ready = now + SILENCE
            return core.start(
                now if asked is None else asked.asked_at, landing.size if claims is not None else None, claims
            )

        asked, self._first = self._first, None
        attempt = self.new_attempt(
            self.places[:1] if last else self.places,
            Limits(1 if last else settings.connections, settings.per_host, settings.min_split, settings.retries),
            accept=accept,
            on_tick=on_tick,
            on_conflict=functools.partial(self._conflict, landing),
            extra_headers=landing.conditions() if claims is None else (),
            resumed=claims is not None,
            first=asked,
        )
        self.main = attempt
        if claims is not None and claims.total == landing.size:
            landing.whole_already()
            self.final = self.places[0].given
        try:
            if self.stopped is None:
                attempt.run(begin, self.deadline, sourcing.begin if asked is None else lambda: None)
            elif asked is not None:
                asked.contact.drop()
        except AskAgain:
            return Restart("")
        finally:
            self._tell(attempt.news(last=True))
        if self.stopped is not None:
            raise self.stopped
        return attempt.outcome

    def new_attempt(self, places: list[Place], limits: Limits, **others: Any) -> Attempt:
        """An attempt at the file, or at parts of it; `stop` ends it."""
        assert self.landing is not None
        attempt = Attempt(
            self.session,
            places,
            limits,
            self.counters,
            not_modified=self.landing.not_modified,
            on_failure=self._failed,
            wanted=self._wanted,
            **others,
        )
        with self._steering:
            self.attempt = attempt
            if self._resting:
                attempt.rest()
        return attempt

    def _opened(self, landing: Landing, answer: Answer, verdict: Verdict) -> None:
        self.session.give_way(answer.url)
        size = "of unknown size" if verdict.size is None else f"of {verdict.size} bytes"
        ranges = "with" if verdict.action is Action.USE else "without"
        peer = f" ({answer.channel.peer})" if answer.channel.peer else ""
        self.note("info", f"{answer.url.host}{peer} has a file {size}, {ranges} ranges, by {answer.head.version}")
        resumed = self.result.resumed_bytes
        if resumed:
            self.note("info", f"{resumed} bytes are there already")
        self.observer(Named(self.job, landing.path or "-", landing.size, resumed))
        if landing.partial is not None and landing.partial.unmapped:
            self.note("warning", f"FASTDL_WRITER=mmap does nothing: {landing.partial.unmapped}")

    def _recall(self, attempt: Attempt, sourcing: Sourcing, places: list[Place]) -> None:
        """Open no more connections than these hosts are known to serve."""
        for number, place in enumerate(attempt.places):
            if place in places and (limit := sourcing.limit_of(place)) is not None:
                attempt.recall(number, limit)

    def _tell(self, news: list[tuple[Place, str]]) -> None:
        for place, text in news:
            self.note("info", f"{place.given.netloc} {text}")

    def _failed(self, place: Place, failure: Failure) -> None:
        error = failure.error
        self.note("info", f"{place.given.netloc}: {error.what}" + (f" ({error.why})" if error.why else ""))

    def _conflict(self, landing: Landing, source: int, offset: int, view: memoryview) -> bool:
        """A source sent other bytes than are stored. Where several sources had a part in the file and a digest will
        decide, the download goes on: what is wrong is mended at its end."""
        mixed = len(self.places) > 1 and landing.proof.strong
        if mixed:
            self._blame.contradicted(landing, source, offset, view)
        return mixed

    def waste(self, worker: int, source: int, count: int) -> None:
        """Bytes of a source that were kept are thrown away, or were needed twice; `worker` is of the tracker."""
        self.counters.row(worker, source).add(tracker.WASTED, count)
        self.counters.row(worker, source).add(tracker.BYTES, -count)

    def note(self, level: Literal["info", "warning"], text: str) -> None:
        """Tell the observer a sentence."""
        self.observer(Note(self.job, level, text))

    # --- the end -----------------------------------------------------------------------------------------

    def _conclude(self, landing: Landing, sourcing: Sourcing, retry: bool) -> Restart | None:
        """Check size and digests, mend what is wrong, give the file its name. `retry`: an earlier run had a part in the
        file, so it may be begun anew. Raises DigestMismatch and what ends a repair."""
        assert self.attempt is not None and self.attempt.core.size is not None
        size = self.attempt.core.size
        sourcing.wait(lambda: self.stopped is not None)
        for expected in sourcing.digests():
            landing.expect(expected)
        proof = landing.proof
        self._blame.known(self.attempt, landing, sourcing.pieces)  # there may have been no tick since
        proof.end_pieces()
        landing.digests(size)
        wrong = proof.wrong(size)
        if wrong is not None or (proof.has_pieces and not proof.strong):
            from fastdl.engine.mending import mend

            outcome = mend(self, landing, size)
            if outcome is not None:
                return outcome
            wrong = proof.wrong(size)
        if wrong is not None:
            if not retry:
                landing.reject(wrong, self.evidence())
            self.note("warning", "The digest does not match what an earlier run left: beginning again")
            return Restart("")
        self._checked(landing, size)
        self._blame.compare(landing)
        accounts.convict(self, sourcing, functools.partial(self.note, "warning"))
        witness = self.session.witness
        if witness is not None and landing.partial is not None and landing.path is not None:
            witness.vow(self, landing.partial.final)
            witness.wait()
        landing.finish()
        return None

    def evidence(self) -> str:
        """Where the bytes of a file came from that its own digest refuses."""
        assert self.landing is not None
        host = self.places[0].given.host
        return f"every byte came from {host} itself" if self.landing.partial is not None else ""
