"""`fastdl mirrors test URL`: what the sources of one URL are worth, by a sample of each.

What a source sends is held against what the origin sends, or against the publisher's digest where the sample is the
whole file. What is learned of the hosts goes to the state folder, so that the next download asks the best of them first
and a liar not at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fastdl.core.hints import Any
from fastdl.core.route import Candidate
from fastdl.core.rules import CLASSES
from fastdl.core.shown import mask
from fastdl.core.trust import Verdict
from fastdl.core.urls import parse_url
from fastdl.engine.explaining import asking
from fastdl.engine.explaining.asking import Asked
from fastdl.engine.explaining.compare import Finding, compared, reports
from fastdl.engine.explaining.measure import Sample, Told, measure
from fastdl.engine.explaining.memory import ANY_DIGEST, verdicts_on
from fastdl.errors import DigestMismatch, FastdlError
from fastdl.io.contact import Place
from fastdl.io.session import Session
from fastdl.settings import Settings

Object = dict[str, Any]
UNMEASURED = (
    "bytes_per_second", "expected_seconds", "connect_seconds", "first_byte_seconds", "bytes", "seconds", "size",
    "ranges", "validator", "agrees", "lied",
)  # fmt: skip


def rank(session: Session, settings: Settings, url: str, on_done: Told) -> tuple[Object, FastdlError | None]:
    """The object of `mirrors test --json`, and why no source at all can be used, if that is so. Raises UsageError,
    Interrupted, Terminated."""
    asked = asking.ask(session, settings, session.mapper, url, asking.by_user(settings))
    urls = [parse_url(url), *(parse_url(mirror) for mirror in settings.mirrors)]
    texts = {each.text for each in urls}
    verdicts = [verdict for verdict in _verdicts(session, asked, settings) if verdict.candidate.url not in texts]
    allowed = [verdict.candidate for verdict in verdicts if verdict.allowed]
    places = [Place(urls[0]), *(Place(mirror, mirror=True) for mirror in urls[1:]), *_places(allowed)]
    samples = measure(session, places, on_done, asked.error)
    proof = asked.known.proof
    found = compared(samples, proof if proof is not None and proof.strong else None)
    _learn(session, found, settings)
    error = None
    if not any(finding.usable for finding in found):
        error = samples[0].fault or DigestMismatch("no source has the file that its digest names", found[0].why)
    return _described(asked, verdicts, found), error


def _verdicts(session: Session, asked: Asked, settings: Settings) -> list[Verdict]:
    """The verdict on every mapped source, as if a publisher who has not answered had given a digest: what is sampled
    is thrown away."""
    known = asked.known
    proof = known.proof
    if known.status == "unreachable" or (proof is not None and not proof.strong and known.tried):
        proof = ANY_DIGEST
    return verdicts_on(asked, settings, proof, session.store)[0]


def _places(allowed: Sequence[Candidate]) -> list[Place]:
    """The mapped sources, with the hosts where their redirects may lead: those that are trusted as much."""
    ranks = {candidate.host: CLASSES.index(candidate.trust) for candidate in allowed}
    return [
        Place(
            parse_url(candidate.url),
            mirror=True,
            trust=candidate.trust,
            hosts=frozenset(host for host, rank in ranks.items() if rank <= CLASSES.index(candidate.trust)),
        )
        for candidate in allowed
    ]


def _learn(session: Session, found: Sequence[Finding], settings: Settings) -> None:
    """Tells the state folder. A lie is noted only where the origin's word came over verified TLS, and never of the
    origin's own host."""
    origin = found[0].sample.place.given
    secure = origin.scheme == "https" and not settings.insecure
    store = session.store
    store.learn(reports(found, settings.limit_rate is not None))
    for finding in found[1:]:
        netloc = finding.sample.place.given.netloc
        if finding.lied and secure and netloc != origin.netloc:
            store.note_lie(netloc, f"{finding.why} ('mirrors test')")


# --- the object ------------------------------------------------------------------------------------------


def _described(asked: Asked, verdicts: Sequence[Verdict], found: Sequence[Finding]) -> Object:
    best = asked.known.best
    size = found[0].sample.size if found[0].usable else None
    about = {verdict.candidate.url: verdict.candidate for verdict in verdicts}
    ranked = sorted(found, key=lambda finding: (not finding.usable, *_order(finding.sample, size)))
    return {
        "url": mask(found[0].sample.place.given.text),
        "rule": asked.route.rule,
        "ecosystem": asked.route.ecosystem,
        "mapping": asked.route.why,
        "size": size,
        "digest": {
            "algorithm": best.digest.algorithm if best is not None else None,
            "value": best.digest.hex if best is not None else None,
            "source": best.source if best is not None else None,
            "status": asked.known.status,
        },
        "sources": [
            *(_measured(finding, place, size, about) for place, finding in enumerate(ranked, 1)),
            *(_unmeasured(verdict) for verdict in verdicts if not verdict.allowed),
        ],
    }


def _order(sample: Sample, size: int | None) -> tuple[bool, float]:
    """Those that sent something first, the fastest of them first."""
    return not sample.usable, sample.expected(size)


def _measured(finding: Finding, place: int, size: int | None, about: Mapping[str, Candidate]) -> Object:
    sample = finding.sample
    url = sample.place.given
    rate = sample.rate
    return {
        "rank": place if finding.usable else None,
        **_named(mask(url.text), url.netloc, sample.place.trust, about.get(url.text)),
        "measured": True,
        "usable": finding.usable,
        "why": finding.why,
        "bytes_per_second": round(rate) if rate is not None else None,
        "expected_seconds": _rounded(sample.expected(size)) if finding.usable else None,
        "connect_seconds": _rounded(sample.connect),
        "first_byte_seconds": _rounded(sample.first_byte),
        "bytes": len(sample.data),
        "seconds": _rounded(sample.seconds),
        "size": sample.size,
        "ranges": sample.ranges,
        "validator": finding.validator,
        "agrees": finding.agrees,
        "lied": finding.lied,
    }


def _unmeasured(verdict: Verdict) -> Object:
    candidate = verdict.candidate
    netloc = parse_url(candidate.url).netloc
    named = _named(mask(candidate.url), netloc, candidate.trust, candidate)
    nothing = dict.fromkeys(UNMEASURED)
    return {"rank": None, **named, "measured": False, "usable": False, "why": verdict.why, **nothing}


def _named(url: str, host: str, trust: str, candidate: Candidate | None) -> Object:
    operator, region = (candidate.operator, candidate.region) if candidate is not None else ("", "")
    return {"url": url, "host": host, "operator": operator or host, "region": region or None, "trust": trust}


def _rounded(seconds: float | None) -> float | None:
    return round(seconds, 4) if seconds is not None else None
