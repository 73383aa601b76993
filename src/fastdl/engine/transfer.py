"""One attempt at the whole file: the first usable head settles where it lands, sources join, and both are told."""

from __future__ import annotations

import functools
import time
from collections.abc import Container

from fastdl.core.hints import TYPE_CHECKING
from fastdl.core.orders import Finish, GiveUp, Instruction, Restart
from fastdl.core.ranges import RangeSet
from fastdl.core.response import Action, Verdict
from fastdl.core.scheduler import Scheduler
from fastdl.core.state import Limits
from fastdl.engine.attempt import Attempt
from fastdl.engine.blame import Blame
from fastdl.engine.evidence import SILENCE
from fastdl.engine.existing import AskAgain
from fastdl.engine.job import OVERLAP, Job
from fastdl.engine.landing import Landing
from fastdl.engine.sinks import STDOUT_WINDOW
from fastdl.engine.sourcing import Sourcing
from fastdl.engine.watch import Watch
from fastdl.errors import Refused
from fastdl.events import Named
from fastdl.io.contact import Answer, Place

if TYPE_CHECKING:
    from fastdl.engine.first import FirstAnswer


class Transfer:
    """Goes on from `claims`, or begins with nothing."""

    def __init__(
        self, job: Job, landing: Landing, sourcing: Sourcing, blame: Blame, claims: RangeSet | None, *, last: bool
    ) -> None:
        """`claims`: bytes of an earlier run, which `landing` has found; `last`: one plain stream from the origin."""
        self._job = job
        self._landing = landing
        self._sourcing = sourcing
        self._evidence = sourcing.evidence
        self._blame = blame
        self._claims = claims
        self._last = last
        self._opened = self._recalled = False
        self._joining = not (last or landing.in_order or job.settings.connections == 1)
        job.result.resumed_bytes = resumed = claims.total if claims is not None else 0
        self._watch = Watch(job.job, landing, job.settings.max_size, time.monotonic(), resumed)

    def run(self, asked: FirstAnswer | None) -> Finish | Restart | GiveUp | None:
        """Run to the end, which is None at the deadline. `asked`: the answer to the first request, if that was made
        already. Raises what stopped the job, and what an attempt raises."""
        job, landing, claims, settings = self._job, self._landing, self._claims, self._job.settings
        liars = job.session.store.liars() if len(job.places) > 1 else {}
        job.main = attempt = job.new_attempt(
            landing,
            job.places[:1] if self._last else job.places,
            Limits(1 if self._last else settings.connections, settings.per_host, settings.min_split, settings.retries),
            accept=self._accept,
            on_tick=self._on_tick,
            on_conflict=self._on_conflict,
            extra_headers=landing.existing.conditions() if claims is None else (),
            resumed=claims is not None,
            first=asked,
        )
        job.asking = None  # it is the attempt's now
        if claims is not None and claims.total == landing.size:
            landing.whole_already()
            job.final = job.places[0].given
        try:
            if job.stopped is None:
                begin = functools.partial(self._begin, liars, asked)
                attempt.run(begin, job.deadline, self._evidence.begin if asked is None else lambda: None)
            elif asked is not None:
                asked.contact.drop()
        except AskAgain:
            return Restart("")
        finally:
            self._tell(attempt, last=True)
        if job.stopped is not None:
            raise job.stopped
        return attempt.outcome

    def _begin(
        self, liars: Container[str], asked: FirstAnswer | None, core: Scheduler, now: float
    ) -> list[Instruction]:
        job, landing, claims = self._job, self._landing, self._claims
        core.single = self._last
        core.horizon = STDOUT_WINDOW if landing.in_order else core.horizon
        core.overlap = 0 if landing.validators.strong else OVERLAP
        for source, place in zip(core.sources, job.places, strict=False):
            if place.mapped:  # it had joined the attempt before this one
                source.mapped, source.error = True, Refused("the download was begun anew")
            elif place.mirror and place.given.netloc in liars:
                source.error = Refused("it sent altered bytes not long ago")
        if self._joining and job.settings.cdn == "prefer":
            core.sources[0].last_resort = True
            if self._sourcing.may_lead():
                core.sources[0].ready = now + SILENCE
        began = now if asked is None else asked.asked_at
        return core.start(began, landing.size if claims is not None else None, claims)

    def _accept(self, attempt: Attempt, place: Place, answer: Answer, verdict: Verdict) -> None:
        """The first usable head settles name, size and target; later heads are the judge's business alone."""
        landing = self._landing
        self._evidence.heard(place, answer, verdict.size)
        if self._opened:
            landing.adopt(place, answer)
            return
        self._expect()
        attempt.sink = landing.open(place, answer, verdict, self._claims is not None, attempt.front_moved)
        self._opened = True
        self._job.final = answer.url
        self._job.session.give_way(answer.url)
        self._tell_of(answer, verdict)

    def _expect(self) -> None:
        for expected in self._evidence.digests():
            self._landing.expect(expected)

    def _on_tick(self, attempt: Attempt, now: float) -> None:
        job = self._job
        if not self._recalled:  # not before the first tick: small files are over by then
            self._recalled = True
            self._recall(attempt, job.places)
        attempt.core.host_share = job.session.share(job.places[0].given.host)
        with attempt.accepting:
            self._expect()
        if self._opened and not self._last:
            self._blame.check(attempt, self._evidence.pieces)
        self._watch.look(attempt, now, job.observer if self._opened else None)
        self._tell(attempt)
        while self._joining and self._join(attempt):
            pass

    def _join(self, attempt: Attempt) -> bool:
        """Let one source more join, if one is to; whether one did."""
        with attempt.accepting:  # answers that come meanwhile may name sources too
            place = self._sourcing.next_source(attempt.outlook(), time.monotonic())
        if place is None:
            return False
        self._job.note("info", f"{place.given.netloc} joins ({place.trust})")
        attempt.join(self._sourcing.prepared(place, self._landing), self._landing.add_source)
        self._recall(attempt, [place])
        return True

    def _recall(self, attempt: Attempt, places: list[Place]) -> None:
        """Open no more connections than these hosts are known to serve."""
        for number, place in enumerate(attempt.places):
            if place in places and (limit := self._sourcing.limit_of(place)) is not None:
                attempt.recall(number, limit)

    def _on_conflict(self, source: int, offset: int, view: memoryview) -> bool:
        """A source sent other bytes than are stored. Where several sources had a part in the file and a digest will
        decide, the download goes on: what is wrong is mended at its end."""
        mixed = len(self._job.places) > 1 and self._landing.proof.strong
        if mixed:
            self._blame.contradicted(source, offset, view)
        return mixed

    # --- what is told ------------------------------------------------------------------------------------

    def _tell_of(self, answer: Answer, verdict: Verdict) -> None:
        job, landing, resumed = self._job, self._landing, self._job.result.resumed_bytes
        size = "of unknown size" if verdict.size is None else f"of {verdict.size} bytes"
        ranges = "with" if verdict.action is Action.USE else "without"
        peer = f" ({answer.channel.peer})" if answer.channel.peer else ""
        job.note("info", f"{answer.url.host}{peer} has a file {size}, {ranges} ranges, by {answer.head.version}")
        if resumed:
            job.note("info", f"{resumed} bytes are there already")
        job.observer(Named(job.job, landing.path or "-", landing.size, resumed))
        if landing.partial is not None and landing.partial.unmapped:
            job.note("warning", f"FASTDL_WRITER=mmap does nothing: {landing.partial.unmapped}")

    def _tell(self, attempt: Attempt, *, last: bool = False) -> None:
        for place, text in attempt.news(last=last):
            self._job.note("info", f"{place.given.netloc} {text}")
