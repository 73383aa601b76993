"""One file from the URL to its final name: the order of the steps. The decisions are elsewhere (landing, sourcing,
transfer, repair, core)."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable

from fastdl.core.hints import TYPE_CHECKING
from fastdl.core.orders import Finish, Restart
from fastdl.core.urls import parse_url
from fastdl.core.verify import parse_checksum
from fastdl.engine import accounts, first, target
from fastdl.engine.blame import Blame
from fastdl.engine.evidence import Evidence
from fastdl.engine.first import Desk, FirstAnswer
from fastdl.engine.job import Job
from fastdl.engine.landing import Landing
from fastdl.engine.proof import Expected, Proof
from fastdl.engine.sourcing import Sourcing
from fastdl.engine.transfer import Transfer
from fastdl.errors import FastdlError, Interrupted, ObjectChanged
from fastdl.events import Checked, Ended, Named, Observer, Started
from fastdl.io.contact import Contact, Place
from fastdl.io.session import Session
from fastdl.io.settling import SmallFile, settle
from fastdl.result import Result
from fastdl.settings import Settings

if TYPE_CHECKING:
    from fastdl.core.history import Entry
    from fastdl.core.lists.entry import Listed

RESTARTS = 3  # times that a file which changed is begun again; the last time as one plain stream


class Download(Job):
    """A job that goes through its steps. `run` never raises FastdlError: the result holds it."""

    def __init__(
        self,
        session: Session,
        url: str,
        settings: Settings,
        observer: Observer,
        job: int = 0,
        listed: Listed | None = None,
    ) -> None:
        """See Job."""
        super().__init__(session, url, settings, observer, job, listed)
        self.desk = Desk()  # of the job's thread, which brings its own
        self.stored: SmallFile | None = None  # whole, and not named yet
        self.entry: Entry | None = None  # what the history has of it
        self._evidence: Evidence | None = None
        self._began = 0.0

    def let_go(self) -> None:
        """It has ended, and its result was taken. Its parts know each other in circles: unless they are parted here,
        they stay, the bytes of small files among them, until Python looks for garbage, which may be thousands of files
        later."""
        for attempt in (self.attempt, self.main):
            if attempt is not None:
                attempt.let_go()
        self._evidence = self.landing = self.attempt = self.main = self.asking = self.stored = None

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
            accounts.keep(self, kept, lambda: self._evidence.embedded() if self._evidence is not None else None)
        except FastdlError as error:
            result.error = self.stopped or error
        except KeyboardInterrupt:
            result.error = Interrupted("interrupted")
        finally:
            if result.error is not None and self.asking is not None:
                self.asking.drop()
            if self._evidence is not None:
                self._evidence.close()
            if self.landing is not None:
                self.landing.close()

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
        if self._evidence is not None and self.asked:
            self.entry = accounts.remember(self, private=self._evidence.private)
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
        session, listed = self.session, self.listed
        evidence = Evidence(session, settings, self.url, self.places[0].given, expected, tell)
        self._evidence, sourcing = evidence, Sourcing(session, settings, self.places, evidence, warn)
        hold, size = (listed.hold, listed.size) if listed is not None else (None, None)
        proof = Proof(expected, hold, size, sha256=settings.tells_sha256)
        self.landing = landing = Landing(session, settings, self.url, self.places, proof, tell, evidence.embedded)
        self.deadline = self._began + settings.max_time if settings.max_time is not None else None
        claims = landing.look()
        if landing.in_order:
            proof.foreseen = evidence.foreseen
        asked = None
        if session.many:
            asked = self._at_once(landing, evidence, begun=claims is not None)
            if self.stored is not None:
                return
        blame = Blame(self, landing, listed.pieces if listed is not None else None)
        for restart in range(RESTARTS + 1):
            last = restart == RESTARTS
            outcome = Transfer(self, landing, sourcing, blame, claims, last=last).run(asked)
            if isinstance(outcome, Finish):
                outcome = self._conclude(landing, sourcing, blame, retry=claims is not None and not last)
                if outcome is None:
                    return
            if not isinstance(outcome, Restart):
                raise self.ended(outcome)
            self._begin_again(landing, sourcing, outcome.why)
            proof.renew(expected)
            blame.begin_again()
            asked = claims = None
        raise ObjectChanged("the file kept changing during the download", f"begun {RESTARTS + 1} times")

    def _at_once(self, landing: Landing, evidence: Evidence, *, begun: bool) -> FirstAnswer | None:
        """Make the first request from this thread; a small file is `stored` then. Else the answer that an attempt is to
        go on with, if there is one, and this thread keeps no connection from it. `begun`: by an earlier run."""
        if begun or not first.possible(self, landing, evidence):
            self.desk.clear()
            return None
        self.asking = contact = self.desk.take(self)
        asked = FirstAnswer(contact)
        evidence.begin()
        try:
            self.stored = first.small(self, landing, evidence, asked)
        except target.AlreadyThere:
            self._reuse(contact)
            raise
        if self.stored is not None:
            self._reuse(contact)
            self._checked(landing, landing.size or 0)
            accounts.foretell(self, self.stored)
            self.observer(Named(self.job, landing.path or "-", landing.size, 0))
        elif asked.used:
            self.asking = None
            contact.leave()
        else:
            return asked
        return None

    def _reuse(self, contact: Contact) -> None:
        self.asking = None
        self.desk.keep(contact)

    def _checked(self, landing: Landing, size: int) -> None:
        """Every digest that is known agrees. A lock hears of the file now: after a kill, one that has its name and
        stands in no lock would be anybody's."""
        sha256 = landing.digests(size).get("sha256")
        self.result.sha256 = sha256.hex() if sha256 is not None else None
        if self.settings.lock is not None and self.result.sha256 is not None:
            self.observer(Checked(self.job, landing.path or "-", size, 0, self.result.sha256))
        accounts.digest(self, verified=True)
        if self.result.digest is None and self._evidence is not None:
            self.result.unproved = self._evidence.unproved

    def _begin_again(self, landing: Landing, sourcing: Sourcing, why: str) -> None:
        """What was found out is of a former version of the file. Raises ObjectChanged where that has gone out."""
        if landing.stream is not None and landing.stream.front > 0:
            raise ObjectChanged("the file changed during the download", "part of it has been put out already")
        if why:
            self.note("warning", f"{why}: beginning again from nothing")
        if self.main is not None and (place := self.places[self.main.core.confirmed_by]).mapped:
            sourcing.shun(place)  # it had another file than the origin
        for place in self.places:
            place.forget()
        sourcing.renew()

    # --- the end -----------------------------------------------------------------------------------------

    def _conclude(self, landing: Landing, sourcing: Sourcing, blame: Blame, *, retry: bool) -> Restart | None:
        """Check size and digests, mend what is wrong, give the file its name. `retry`: an earlier run had a part in the
        file, so it may be begun anew. Raises DigestMismatch and what ends a repair."""
        assert self.attempt is not None and self.attempt.core.size is not None
        size, evidence = self.attempt.core.size, sourcing.evidence
        evidence.wait(lambda: self.stopped is not None)
        for expected in evidence.digests():
            landing.expect(expected)
        proof = landing.proof
        blame.known(self.attempt, evidence.pieces)  # there may have been no tick since
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
                landing.reject(wrong)
            self.note("warning", "The digest does not match what an earlier run left: beginning again")
            return Restart("")
        self._checked(landing, size)
        blame.compare()
        accounts.convict(self, sourcing, functools.partial(self.note, "warning"))
        witness = self.session.witness
        if witness is not None and landing.partial is not None and landing.path is not None:
            witness.vow(self, landing.partial.final)
            witness.wait()
        landing.finish()
        return None
