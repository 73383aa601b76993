"""What is told and remembered of a download when it is over: sources, counters, digest, liars, history."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from fastdl.core import tracker
from fastdl.core.hints import TYPE_CHECKING
from fastdl.core.quantity import format_size
from fastdl.core.urls import mask, parse_url
from fastdl.core.verify import LENGTHS, Digest
from fastdl.engine import target
from fastdl.io import phases
from fastdl.io.contact import Place
from fastdl.io.partial import DATA_SUFFIX
from fastdl.result import DigestReport, SourceReport

if TYPE_CHECKING:
    from fastdl.core.history import Entry
    from fastdl.engine.download import Download
    from fastdl.engine.sourcing import Sourcing
    from fastdl.io.settling import SmallFile
    from fastdl.io.store import Kept, Report

CONVICTION = -2  # the worker of the tracker that books what liars sent


def keep(download: Download, kept: target.AlreadyThere, embedded: Callable[[], Digest | None]) -> None:
    """Nothing had to be fetched. `embedded` is the URL's own digest."""
    result = download.result
    result.path = kept.path
    result.kept = kept.why
    result.size = os.path.getsize(kept.path) if os.path.isfile(kept.path) else None
    digest(download, verified=kept.verified)
    if result.digest is None and kept.verified and (own := embedded()) is not None:
        result.digest = DigestReport(own.algorithm, own.hex, "url", verified=True)
    asked = download.settings.json or (download.settings.lock is not None and kept.why != target.EXISTS)
    if asked and result.size is not None:
        result.sha256 = _proved(download, kept) or target.file_digest(kept.path, "sha256").hex()


def _proved(download: Download, kept: target.AlreadyThere) -> str | None:
    """The sha256 that the file was just found to have."""
    listed = download.listed
    return listed.hold.digest.hex if kept.verified and listed is not None and listed.hold is not None else None


def digest(download: Download, *, verified: bool) -> None:
    """Report the strongest of the digests that were known, and whether the file has it; the user's own comes first."""
    landing = download.landing
    known = landing.proof.expected if landing is not None else []
    if known:
        order = list(LENGTHS)
        best = min(known, key=lambda each: (not each.digest.strong, order.index(each.digest.algorithm)))
        own = next((each for each in known if each.source == "user" and each.digest.strong), best)
        download.result.digest = DigestReport(own.digest.algorithm, own.digest.hex, own.source, verified)


def report(download: Download) -> None:
    """What happened, for --json and the last line; also of a download that failed."""
    result, landing = download.result, download.landing
    if result.digest is None:
        digest(download, verified=False)
    if landing is None or not download.asked:
        return
    if not result.kept:
        result.size, result.path = landing.size, landing.path
    counters = download.counters
    result.final_url = download.final.text if download.final is not None else None
    result.requests = counters.total(tracker.REQUESTS)
    result.wasted_bytes = counters.total(tracker.WASTED)
    counts = counters.by_source()
    merged: dict[str, SourceReport] = {}
    for number, place in enumerate(download.places):
        mine = counts.get(number, {})
        one = merged.setdefault(place.given.text, SourceReport(place.given.text, place.given.host, place.trust))
        one.bytes += mine.get("bytes", 0) + mine.get("wasted", 0)
        one.connections += mine.get("connections", 0)
        one.errors += mine.get("errors", 0)
    result.sources = list(merged.values())


def convict(download: Download, sourcing: Sourcing, warn: Callable[[str], None]) -> None:
    """Remember who altered bytes, and say so in one line each. The file is right now."""
    origin = download.places[0].given
    for text, count in download.altered.items():
        url = parse_url(text)
        if url.origin == origin.origin:
            continue
        amount = format_size(count)
        download.session.store.note_lie(url.netloc, f"{amount} of what it sent were not the origin's bytes")
        mended = f"mended from {origin.netloc}, and it is not asked again for 30 days"
        warn(f"{url.netloc} sent altered bytes ({amount}): {mended}")
        for number, place in enumerate(download.places):
            if mask(place.given.text) == text:
                sourcing.shun(place)
                download.counters.row(CONVICTION, number).add(tracker.ERRORS, 1)


@phases.timed("remember")
def remember(download: Download, *, private: bool) -> Entry | None:
    """What was learned of the servers, and the history, go to the state folder; what the history gets."""
    from fastdl.core.history import Entry, history_url

    result, session = download.result, download.session
    reports = _reports(download)
    entry = None
    if download.settings.history:
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
            tuple((place.given.netloc, place.trust, one.bytes) for place, one in _pairs(download)),
            tuple(one.errors for _, one in _pairs(download)),
        )
    session.store.note(reports, entry, _kept(download))
    return entry


def foretell(download: Download, stored: SmallFile) -> None:
    """Notes a small file before it has its name, which it gets together with others (see Session.settler)."""
    landing = download.landing
    if landing is not None and landing.path is not None:
        kept = landing.kept(landing.path, fetched=True, under=stored.final + DATA_SUFFIX)
        if kept is not None:
            download.session.store.note((), None, kept)


def _kept(download: Download) -> Kept | None:
    """What the next run may ask the server about the file, where this one has fetched it or seen that it is the
    server's."""
    result, landing = download.result, download.landing
    if landing is None or result.error is not None or result.path in (None, "-") or download.stored is not None:
        return None
    return landing.kept(result.path or "", fetched=not result.kept)


def _reports(download: Download) -> list[Report]:
    """What the sources have shown of themselves, of those that were asked."""
    from fastdl.io.store import Report

    counts = download.counters.by_source()
    attempt = download.main
    if attempt is None:  # one small answer: it says that the server serves, and no more
        netloc, mine = download.places[0].given.netloc, counts[0]
        return [Report(netloc, mine["bytes"], None, None, 1, 0, None, mine["errors"], False)]
    reports = []
    for number, (place, source) in enumerate(zip(download.places, attempt.core.sources, strict=False)):
        mine = counts.get(number, {})
        if mine.get("requests"):
            seen = (source.rate, source.rtt if source.met else None, source.most, source.busy, source.ranges)
            reports.append(Report(place.given.netloc, mine["bytes"], *seen, mine["errors"], source.error is not None))
    return reports


def _pairs(download: Download) -> list[tuple[Place, SourceReport]]:
    by_url = {one.url: one for one in download.result.sources}
    seen: dict[str, Place] = {place.given.text: place for place in download.places}
    return [(place, by_url[text]) for text, place in seen.items() if text in by_url]
