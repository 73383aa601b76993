"""A file whose digest is wrong is mended: the attempts that engine/repair asks for, and what came of them."""

from __future__ import annotations

import functools
import time

from fastdl.core.hints import TYPE_CHECKING
from fastdl.core.orders import Finish, GiveUp, Instruction, Restart
from fastdl.core.ranges import RangeSet
from fastdl.core.scheduler import Scheduler
from fastdl.core.shown import mask
from fastdl.core.state import Limits
from fastdl.engine.attempt import Attempt
from fastdl.engine.landing import Landing
from fastdl.engine.repair import Comparing, Mender
from fastdl.engine.sinks import PartialSink
from fastdl.engine.watch import Watch
from fastdl.errors import DigestMismatch, Refused
from fastdl.io import phases

if TYPE_CHECKING:
    from fastdl.engine.job import Job

REPAIR = -1  # the worker of the tracker that books what was fetched to compare


@phases.timed("mend")
def mend(job: Job, landing: Landing, size: int) -> Restart | None:
    """Replace what other sources than the origin have altered, and note who did. Not None: the file changed at the
    origin meanwhile. Raises DigestMismatch where nothing but digests of pieces is known, and some stay wrong."""
    partial, proof, stored = landing.partial, landing.proof, landing.sink
    if partial is None or stored is None:
        return None
    bad = RangeSet(proof.bad_pieces())
    if not bad and proof.wrong(size) is None:
        return None

    def fetch(missing: RangeSet, sources: frozenset[int], sink: Comparing) -> None:
        outcome = _fetch_again(job, landing, size, missing, sources, sink)
        if outcome is None and sink.enough and job.stopped is None:
            return
        if isinstance(outcome, Restart):
            raise _Changed(outcome)
        if not isinstance(outcome, Finish):
            raise job.ended(outcome)

    def right() -> bool:
        proof.again()
        return proof.wrong(size) is None and (proof.strong or not proof.bad_pieces())

    job.note("info", "the digest does not match: comparing what each source sent with the origin")
    mender = Mender(partial, stored.ids, size, functools.partial(_rank, job, stored), fetch, right)
    try:
        mended = mender.mend(bad)
    except _Changed as changed:
        return changed.restart
    finally:
        for source, count in mender.findings.fetched.items():
            job.waste(REPAIR, source, count)
    if mended:
        job.altered.update({stored.source_text(liar): mender.findings.altered[liar] for liar in mender.liars})
    elif proof.wrong(size) is None:
        partial.discard()
        raise DigestMismatch("the digests of its pieces do not match", landing.evidence)
    return None


def _fetch_again(
    job: Job, landing: Landing, size: int, missing: RangeSet, sources: frozenset[int], sink: Comparing
) -> Finish | Restart | GiveUp | None:
    """An attempt at parts of a file that is there already, from some of its sources."""
    before = job.main
    assert before is not None
    plain = before.core.sources[0].ranges is False and sources == {0}
    watch = Watch(job.job, landing, None, time.monotonic(), size - missing.total)

    def begin(core: Scheduler, now: float) -> list[Instruction]:
        for source, place in zip(core.sources, job.places, strict=True):
            source.mapped = place.mapped
            if source.id not in sources or (source.id and before.core.sources[source.id].error is not None):
                source.error = Refused("it is not asked again")
        done = RangeSet([(0, 0 if plain else size)])
        for piece in missing:
            done.remove(piece.start, piece.end)
        return core.start(now, size, done)

    def on_tick(attempt: Attempt, now: float) -> None:
        watch.look(attempt, now, job.observer)
        if sink.enough:
            attempt.stop()

    settings = job.settings
    attempt = job.new_attempt(
        landing,
        job.places,
        Limits(settings.connections, settings.per_host, settings.min_split, settings.retries),
        accept=lambda attempt, place, answer, verdict: None,
        on_tick=on_tick,
        on_conflict=lambda source, offset, view: True,
        resumed=True,
    )
    attempt.sink = sink
    attempt.core.sources[0].ranges = False if plain else None
    if job.stopped is None:
        attempt.run(begin, job.deadline)
    if job.stopped is not None:
        raise job.stopped
    return attempt.outcome


def _rank(job: Job, stored: PartialSink, source: int) -> int:
    """How little a source of the journal is proved: strangers come first."""
    text = stored.source_text(source)
    place = next((place for place in job.places if mask(place.given.text) == text), None)
    if place is None:
        return 0
    return ("third-party", "official", "alias", "origin").index(place.trust)


class _Changed(Exception):
    """The file changed at the origin during a repair."""

    def __init__(self, restart: Restart) -> None:
        super().__init__()
        self.restart = restart
