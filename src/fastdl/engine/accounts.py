"""What is told and remembered of a download when it is over: sources, counters, digest, liars, history."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from fastdl.core import tracker
from fastdl.core.hints import TYPE_CHECKING
from fastdl.core.quantity import format_size
from fastdl.core.shown import mask
from fastdl.core.urls import parse_url
from fastdl.core.verify import LENGTHS, Digest
from fastdl.engine import target
from fastdl.io import phases
from fastdl.io.contact import Place
from fastdl.io.partial import DATA_SUFFIX
from fastdl.result import DigestReport, SourceReport

if TYPE_CHECKING:
    from fastdl.core.history import Entry
    from fastdl.core.servers import Report
    from fastdl.engine.job import Job
    from fastdl.engine.sourcing import Sourcing
    from fastdl.io.settling import SmallFile
    from fastdl.io.validators import Kept

CONVICTION = -2  # the worker of the tracker that books what liars sent


def keep(job: Job, kept: target.AlreadyThere, embedded: Callable[[], Digest | None]) -> None:
    """Nothing had to be fetched. `embedded` is the URL's own digest."""
    result = job.result
    result.path = kept.path
    result.kept = kept.why
    result.size = os.path.getsize(kept.path) if os.path.isfile(kept.path) else None
    digest(job, verified=kept.verified)
    if result.digest is None and kept.verified and (own := embedded()) is not None:
        result.digest = DigestReport(own.algorithm, own.hex, "url", verified=True)
    asked = job.settings.json or (job.settings.lock is not None and kept.why != target.EXISTS)
    if asked and result.size is not None:
        result.sha256 = _proved(job, kept) or target.file_digest(kept.path, "sha256").hex()


def _proved(job: Job, kept: target.AlreadyThere) -> str | None:
    """The sha256 that the file was just found to have."""
    listed = job.listed
    return listed.hold.digest.hex if kept.verified and listed is not None and listed.hold is not None else None


def digest(job: Job, *, verified: bool) -> None:
    """Report the strongest of the digests that were known, and whether the file has it; the user's own comes first."""
    landing = job.landing
    known = landing.proof.expected if landing is not None else []
    if known:
        order = list(LENGTHS)
        best = min(known, key=lambda each: (not each.digest.strong, order.index(each.digest.algorithm)))
        own = next((each for each in known if each.source == "user" and each.digest.strong), best)
        job.result.digest = DigestReport(own.digest.algorithm, own.digest.hex, own.source, verified)


def report(job: Job) -> None:
    """What happened, for --json and the last line; also of a download that failed."""
    result, landing = job.result, job.landing
    if result.digest is None:
        digest(job, verified=False)
    if landing is None or not job.asked:
        return
    if not result.kept:
        result.size, result.path = landing.size, landing.path
    counters = job.counters
    result.final_url = job.final.text if job.final is not None else None
    result.requests = counters.total(tracker.REQUESTS)
    result.wasted_bytes = counters.total(tracker.WASTED)
    counts = counters.by_source()
    merged: dict[str, SourceReport] = {}
    for number, place in enumerate(job.places):
        mine = counts.get(number, {})
        one = merged.setdefault(place.given.text, SourceReport(place.given.text, place.given.host, place.trust))
        one.bytes += mine.get("bytes", 0) + mine.get("wasted", 0)
        one.connections += mine.get("connections", 0)
        one.errors += mine.get("errors", 0)
    result.sources = list(merged.values())


def convict(job: Job, sourcing: Sourcing, warn: Callable[[str], None]) -> None:
    """Remember who altered bytes, and say so in one line each. The file is right now."""
    origin = job.places[0].given
    for text, count in job.altered.items():
        url = parse_url(text)
        if url.origin == origin.origin:
            continue
        amount = format_size(count)
        job.session.store.note_lie(url.netloc, f"{amount} of what it sent were not the origin's bytes")
        mended = f"mended from {origin.netloc}, and it is not asked again for 30 days"
        warn(f"{url.netloc} sent altered bytes ({amount}): {mended}")
        for number, place in enumerate(job.places):
            if mask(place.given.text) == text:
                sourcing.shun(place)
                job.counters.row(CONVICTION, number).add(tracker.ERRORS, 1)


@phases.timed("remember")
def remember(job: Job, *, private: bool) -> Entry | None:
    """What was learned of the servers, and the history, go to the state folder; what the history gets."""
    from fastdl.core.history import Entry, history_url

    result, session = job.result, job.session
    reports = _reports(job)
    entry = None
    if job.settings.history:
        entry = Entry(
            time.time(),
            history_url(result.url, private=private),
            result.path,
            result.size,
            result.seconds,
            result.bytes_per_second,
            result.exit_code,
            mask(str(result.error)) if result.error is not None else None,
            result.sha256,
            result.digest.source if result.digest is not None else None,
            tuple((place.given.netloc, place.trust, one.bytes) for place, one in _pairs(job)),
            tuple(one.errors for _, one in _pairs(job)),
        )
    session.store.note(reports, entry, _kept(job))
    return entry


def foretell(job: Job, stored: SmallFile) -> None:
    """Notes a small file before it has its name, which it gets together with others (see Session.settler)."""
    landing = job.landing
    if landing is not None and landing.path is not None:
        kept = landing.note(landing.path, fetched=True, under=stored.final + DATA_SUFFIX)
        if kept is not None:
            job.session.store.note((), None, kept)
            job.foretold = True


def _kept(job: Job) -> Kept | None:
    """What the next run may ask the server about the file, where this one has fetched it or seen that it is the
    server's, and has not noted it yet."""
    result, landing = job.result, job.landing
    if landing is None or result.error is not None or result.path is None or job.foretold:
        return None
    return landing.note(result.path, fetched=not result.kept)


def _reports(job: Job) -> list[Report]:
    """What the sources have shown of themselves, of those that were asked."""
    from fastdl.core.servers import Report

    counts = job.counters.by_source()
    attempt = job.main
    if attempt is None:  # one small answer: it says that the server serves, and no more
        netloc, mine = job.places[0].given.netloc, counts[0]
        return [Report(netloc, mine["bytes"], None, None, 1, 0, None, mine["errors"], False)]
    reports = []
    for number, (place, source) in enumerate(zip(job.places, attempt.core.sources, strict=False)):
        mine = counts.get(number, {})
        if mine.get("requests"):
            seen = (source.rate, source.rtt if source.met else None, source.most, source.busy, source.ranges)
            reports.append(Report(place.given.netloc, mine["bytes"], *seen, mine["errors"], source.error is not None))
    return reports


def _pairs(job: Job) -> list[tuple[Place, SourceReport]]:
    by_url = {one.url: one for one in job.result.sources}
    seen: dict[str, Place] = {place.given.text: place for place in job.places}
    return [(place, by_url[text]) for text, place in seen.items() if text in by_url]
