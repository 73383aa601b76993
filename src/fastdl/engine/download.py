"""One file from the URL to its final name: the order of the steps. The decisions are elsewhere (landing, sourcing,
repair, core)."""

from __future__ import annotations

import functools
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Literal

from fastdl.core import tracker
from fastdl.core.orders import Failure, Finish, GiveUp, Instruction, Restart
from fastdl.core.ranges import Range, RangeSet
from fastdl.core.response import Action, Verdict
from fastdl.core.scheduler import Scheduler
from fastdl.core.state import Limits
from fastdl.core.tracker import Tracker
from fastdl.core.urls import Url, mask, parse_url
from fastdl.core.verify import parse_checksum
from fastdl.engine import accounts, target
from fastdl.engine.attempt import Attempt
from fastdl.engine.landing import AskAgain, Landing
from fastdl.engine.proof import Expected
from fastdl.engine.sinks import STDOUT_WINDOW
from fastdl.engine.sourcing import SILENCE, Sourcing
from fastdl.engine.watch import Watch
from fastdl.errors import DigestMismatch, FastdlError, Interrupted, ObjectChanged, Refused, TimedOut
from fastdl.events import Ended, Named, Note, Observer, Started
from fastdl.io.contact import Answer, Place
from fastdl.io.session import Session
from fastdl.result import Result
from fastdl.settings import Settings

if TYPE_CHECKING:
    from fastdl.core.lists.entry import Listed
    from fastdl.engine.repair import Comparing

RESTARTS = 3  # times that a file which changed is begun again; the last time as one plain stream
REPAIR = -1  # the worker of the tracker that books what was fetched to compare
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
        self.result = Result(url=url, path="-" if settings.output == "-" else None)
        self.altered: Counter[str] = Counter()  # bytes, by the masked URL of who altered them
        self._suspected: set[str] = set()  # masked URLs of sources that seem to have a part in wrong pieces
        self._doubted: list[tuple[Range, str, bytes]] = []  # what was in such pieces, from whom, and its digest
        self._pieces_refused = ""
        self._contradicted: set[int] = set()  # sources of which that was told
        self._listed = listed
        self._observer = observer
        self._sourcing: Sourcing | None = None
        self._stopped: FastdlError | None = None
        self._began = 0.0
        self._deadline: float | None = None

    def stop(self, error: FastdlError) -> None:
        """From any thread: end soon, with `error` as the outcome; the partial download stays."""
        self._stopped = error
        attempt = self.attempt
        if attempt is not None:
            attempt.stop()
        if self.landing is not None:
            self.landing.stop()

    # --- the steps ---------------------------------------------------------------------------------------

    def run(self) -> Result:
        """Do it all; the result holds the error if there was one."""
        self._began = time.monotonic()
        result = self.result
        self._observer(Started(self.job, self.url))
        try:
            expected = self._prepare()
            with self.session.crowd(self.places[0].given.host):
                self._fetch(expected)
        except target.AlreadyThere as kept:
            accounts.keep(self, kept, lambda: self._sourcing.embedded() if self._sourcing is not None else None)
        except FastdlError as error:
            result.error = self._stopped or error
        except KeyboardInterrupt:
            result.error = Interrupted("interrupted")
        finally:
            if self._sourcing is not None:
                self._sourcing.close()
            if self.landing is not None:
                self.landing.close()
        accounts.report(self)
        result.seconds = time.monotonic() - self._began
        if self._sourcing is not None and self.attempt is not None:
            accounts.remember(self, private=self._sourcing.private)
        for warning in self.session.take_warnings():
            self._note("warning", warning)
        self._observer(Ended(self.job, result))
        return result

    def _prepare(self) -> list[Expected]:
        """The given sources and digests. Raises UsageError."""
        settings, listed = self.settings, self._listed
        given = parse_url(self.url)
        self.places = [Place(given), *(Place(parse_url(url), mirror=True) for url in settings.mirrors)]
        expected = [Expected(parse_checksum(settings.checksum), "user")] if settings.checksum else []
        if listed is not None:
            expected += [Expected(digest, listed.source, "the list") for digest in listed.digests]
        return expected

    def _fetch(self, expected: list[Expected]) -> None:
        settings = self.settings
        if settings.dry_run:
            from fastdl.engine.dry_run import dry_run

            digest = expected[0].digest if expected else None
            self.result.plan = dry_run(self.session, settings, self.url, self.places, digest)
            return
        tell, warn = functools.partial(self._note, "info"), functools.partial(self._note, "warning")
        self._sourcing = sourcing = Sourcing(self.session, settings, self.url, self.places, expected, tell, warn)
        self.landing = landing = Landing(
            settings, self.url, self.places, expected, tell, lambda: self.session.store, sourcing.embedded
        )
        self._deadline = self._began + settings.max_time if settings.max_time is not None else None
        claims = landing.look()
        if landing.in_order:
            landing.proof.foreseen = sourcing.foreseen
        for restart in range(RESTARTS + 1):
            outcome = self._try(landing, sourcing, claims, last=restart == RESTARTS)
            if isinstance(outcome, Finish):
                outcome = self._conclude(landing, sourcing, retry=claims is not None and restart < RESTARTS)
                if outcome is None:
                    return
            if not isinstance(outcome, Restart):
                raise self._ended(outcome)
            self._begin_again(landing, outcome.why)
            landing.proof.renew(expected)
            if self.main is not None and (place := self.places[self.main.core.confirmed_by]).mapped:
                sourcing.shun(place)  # it had another file than the origin
            claims = None
            for place in self.places:
                place.forget()
            sourcing.renew()
        raise ObjectChanged("the file kept changing during the download", f"begun {RESTARTS + 1} times")

    def _ended(self, outcome: Finish | GiveUp | None) -> FastdlError:
        if isinstance(outcome, GiveUp):
            return outcome.error
        return self._stopped or TimedOut("the time is over", f"--max-time {self.settings.max_time:g} s", "")

    def _begin_again(self, landing: Landing, why: str) -> None:
        if landing.stream is not None and landing.stream.front > 0:
            raise ObjectChanged("the file changed during the download", "part of it has been put out already")
        if why:
            self._note("warning", f"{why}: beginning again from nothing")

    def _try(
        self, landing: Landing, sourcing: Sourcing, claims: RangeSet | None, last: bool
    ) -> Finish | Restart | GiveUp | None:
        """One attempt, from `claims` or from nothing; the `last` one as one plain stream from the origin."""
        settings = self.settings
        resumed = claims.total if claims is not None else 0
        self.result.resumed_bytes = resumed
        watch = Watch(self.job, landing, settings.max_size, time.monotonic(), resumed)
        opened = False
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
            attempt.core.host_share = self.session.share(self.places[0].given.host)
            with attempt.accepting:
                for expected in sourcing.digests():
                    landing.expect(expected)
            if opened and not last:
                self._check_pieces(attempt, landing, sourcing)
            watch.look(attempt, now, self._observer if opened else None)
            while joining and (place := sourcing.next_source(attempt.outlook(), now)) is not None:
                self._note("info", f"{place.given.host} joins ({place.trust})")
                attempt.join(sourcing.prepared(place, landing), landing.add_source)

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
            return core.start(now, landing.size if claims is not None else None, claims)

        attempt = self._new_attempt(
            self.places[:1] if last else self.places,
            Limits(1 if last else settings.connections, settings.per_host, settings.min_split, settings.retries),
            accept=accept,
            on_tick=on_tick,
            on_conflict=functools.partial(self._conflict, landing),
            extra_headers=landing.conditions() if claims is None else (),
            resumed=claims is not None,
        )
        self.main = attempt
        if claims is not None and claims.total == landing.size:
            landing.whole_already()
            self.final = self.places[0].given
        try:
            if self._stopped is None:
                attempt.run(begin, self._deadline, sourcing.begin)
        except AskAgain:
            return Restart("")
        if self._stopped is not None:
            raise self._stopped
        return attempt.outcome

    def _new_attempt(self, places: list[Place], limits: Limits, **others: Any) -> Attempt:
        assert self.landing is not None
        self.attempt = Attempt(
            self.session,
            places,
            limits,
            self.counters,
            not_modified=self.landing.not_modified,
            on_failure=self._failed,
            **others,
        )
        return self.attempt

    def _opened(self, landing: Landing, answer: Answer, verdict: Verdict) -> None:
        self.session.give_way(answer.url)
        size = "of unknown size" if verdict.size is None else f"of {verdict.size} bytes"
        ranges = "with" if verdict.action is Action.USE else "without"
        peer = f" ({answer.channel.peer})" if answer.channel.peer else ""
        self._note("info", f"{answer.url.host}{peer} has a file {size}, {ranges} ranges, by {answer.head.version}")
        resumed = self.result.resumed_bytes
        if resumed:
            self._note("info", f"{resumed} bytes are there already")
        self._observer(Named(self.job, landing.path or "-", landing.size, resumed))

    def _failed(self, place: Place, failure: Failure) -> None:
        self._note("info", f"{place.given.host}: {failure.error}")

    def _conflict(self, landing: Landing, source: int, start: int, end: int) -> bool:
        """A source sent other bytes than are stored. Where several sources had a part in the file and a digest will
        decide, the download goes on: what is wrong is mended at its end."""
        mixed = len(self.places) > 1 and landing.proof.strong
        if mixed and source not in self._contradicted:
            self._contradicted.add(source)
            self._note(
                "info", f"{self.places[source].given.host} sent other bytes for {start}-{end - 1} than are there"
            )
        return mixed

    # --- pieces ------------------------------------------------------------------------------------------

    def _check_pieces(self, attempt: Attempt, landing: Landing, sourcing: Sourcing) -> None:
        """Where digests of pieces are known, check what has arrived (RFC 5854, section 4.1.3)."""
        pieces = sourcing.pieces or (self._listed.pieces if self._listed is not None else None)
        if pieces is None or landing.partial is None or attempt.core.size is None:
            return
        if not landing.proof.has_pieces and not self._pieces_refused:
            on_bad = functools.partial(self._bad_pieces, attempt, landing)
            self._pieces_refused = landing.proof.check_pieces(pieces, attempt.core.size, on_bad)
            if self._pieces_refused:
                self._note("info", f"the digests of pieces are of no use: {self._pieces_refused}")
        landing.proof.stored(attempt.done())

    def _bad_pieces(self, attempt: Attempt, landing: Landing, bad: list[Range]) -> None:
        """Pieces are wrong: they are fetched again, and who is to blame for one is not asked any more. Called by the
        checker's thread."""
        from fastdl.core.pieces import guilty

        assert landing.partial is not None
        runs = [(run.start, run.end, run.source) for run in landing.partial.provenance()]
        for liar in guilty(bad, landing.proof.right_pieces(), runs, landing.ids[:1]):
            self._suspected.add(landing.source_text(liar))
        for piece in bad:
            inside = [(max(start, piece.start), min(end, piece.end), source) for start, end, source in runs]
            for start, end, source in inside:
                if start < end and source != landing.ids[0]:
                    self._doubted.append((Range(start, end), landing.source_text(source), landing.print_of(start, end)))
            senders = landing.take_back(piece.start, piece.end)
            hosts = [parse_url(landing.source_text(sender)).host for sender in senders]
            self._note("info", f"bytes {piece.start}-{piece.end - 1} from {', '.join(hosts)} are wrong: once more")
        liars = [n for n, place in enumerate(self.places) if n and mask(place.given.text) in self._suspected]
        attempt.post(lambda core, now: core.distrust(liars, bad, now))

    def _compare_doubted(self, landing: Landing) -> None:
        """The file is right: whoever sent other bytes for a piece that was wrong has altered them."""
        for piece, text, print_ in self._doubted:
            if landing.print_of(piece.start, piece.end) != print_:
                self.altered[text] += piece.size

    def _note(self, level: Literal["info", "warning"], text: str) -> None:
        self._observer(Note(self.job, level, text))

    # --- the end -----------------------------------------------------------------------------------------

    def _conclude(self, landing: Landing, sourcing: Sourcing, retry: bool) -> Restart | None:
        """Check size and digests, mend what is wrong, give the file its name. `retry`: an earlier run had a part in the
        file, so it may be begun anew. Raises DigestMismatch and what ends a repair."""
        assert self.attempt is not None and self.attempt.core.size is not None
        size = self.attempt.core.size
        sourcing.wait(lambda: self._stopped is not None)
        for expected in sourcing.digests():
            landing.expect(expected)
        proof = landing.proof
        proof.end_pieces()
        landing.digests(size)
        wrong = proof.wrong(size)
        if wrong is not None or (proof.has_pieces and not proof.strong):
            outcome = self._mend(landing, size)
            if outcome is not None:
                return outcome
            wrong = proof.wrong(size)
        if wrong is not None:
            if not retry:
                landing.reject(wrong, self._evidence())
            self._note("warning", "The digest does not match what an earlier run left: beginning again")
            return Restart("")
        sha256 = landing.digests(size).get("sha256")
        self.result.sha256 = sha256.hex() if sha256 is not None else None
        accounts.digest(self, verified=True)
        self._compare_doubted(landing)
        accounts.convict(self, sourcing, functools.partial(self._note, "warning"))
        landing.finish()
        return None

    def _mend(self, landing: Landing, size: int) -> Restart | None:
        """Replace what other sources than the origin have altered, and note who did. Not None: the file changed at the
        origin meanwhile. Raises DigestMismatch where nothing but digests of pieces is known, and some stay wrong."""
        partial, proof = landing.partial, landing.proof
        if partial is None or not landing.ids:
            return None
        bad = RangeSet(proof.bad_pieces())
        if not bad and proof.wrong(size) is None:
            return None
        from fastdl.engine.repair import Mender

        def fetch(missing: RangeSet, sources: frozenset[int], sink: Comparing) -> None:
            outcome = self._fetch_again(landing, size, missing, sources, sink)
            if outcome is None and sink.enough and self._stopped is None:
                return
            if isinstance(outcome, Restart):
                raise _Changed(outcome)
            if not isinstance(outcome, Finish):
                raise self._ended(outcome)

        def right() -> bool:
            proof.again()
            return proof.wrong(size) is None and (proof.strong or not proof.bad_pieces())

        self._note("info", "the digest does not match: comparing what each source sent with the origin")
        mender = Mender(partial, landing.ids, size, self._rank, fetch, right)
        try:
            mended = mender.mend(bad)
        except _Changed as changed:
            return changed.restart
        finally:
            for source, count in mender.findings.fetched.items():
                self.counters.row(REPAIR, source).add(tracker.WASTED, count)
                self.counters.row(REPAIR, source).add(tracker.BYTES, -count)
        if mended:
            self.altered.update({landing.source_text(liar): mender.findings.altered[liar] for liar in mender.liars})
        elif proof.wrong(size) is None:
            partial.discard()
            raise DigestMismatch("the digests of its pieces do not match", self._evidence())
        return None

    def _fetch_again(
        self, landing: Landing, size: int, missing: RangeSet, sources: frozenset[int], sink: Comparing
    ) -> Finish | Restart | GiveUp | None:
        """An attempt at parts of a file that is there already, from some of its sources."""
        before = self.main
        assert before is not None
        plain = before.core.sources[0].ranges is False and sources == {0}
        watch = Watch(self.job, landing, None, time.monotonic(), size - missing.total)

        def begin(core: Scheduler, now: float) -> list[Instruction]:
            for source, place in zip(core.sources, self.places, strict=True):
                source.mapped = place.mapped
                if source.id not in sources or (source.id and before.core.sources[source.id].error is not None):
                    source.error = Refused("it is not asked again")
            done = RangeSet([(0, 0 if plain else size)])
            for piece in missing:
                done.remove(piece.start, piece.end)
            return core.start(now, size, done)

        def on_tick(attempt: Attempt, now: float) -> None:
            watch.look(attempt, now, self._observer)
            if sink.enough:
                attempt.stop()

        settings = self.settings
        attempt = self._new_attempt(
            self.places,
            Limits(settings.connections, settings.per_host, settings.min_split, settings.retries),
            accept=lambda attempt, place, answer, verdict: None,
            on_tick=on_tick,
            on_conflict=lambda source, start, end: True,
            resumed=True,
        )
        attempt.sink = sink
        attempt.core.sources[0].ranges = False if plain else None
        if self._stopped is None:
            attempt.run(begin, self._deadline)
        if self._stopped is not None:
            raise self._stopped
        return attempt.outcome

    def _rank(self, source: int) -> int:
        """How little a source of the journal is proved: strangers come first."""
        assert self.landing is not None
        text = self.landing.source_text(source)
        place = next((place for place in self.places if mask(place.given.text) == text), None)
        if place is None:
            return 0
        return ("third-party", "official", "alias", "origin").index(place.trust)

    def _evidence(self) -> str:
        """Where the bytes of a file came from that its own digest refuses."""
        assert self.landing is not None
        host = self.places[0].given.host
        return f"every byte came from {host} itself" if self.landing.partial is not None else ""


class _Changed(Exception):
    """The file changed at the origin during a repair."""

    def __init__(self, restart: Restart) -> None:
        super().__init__()
        self.restart = restart
