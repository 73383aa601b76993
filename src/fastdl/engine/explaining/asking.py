"""What is known of one URL and its file, before and after asking: the part that `explain`, `--dry-run` and `mirrors
test` share.

A download asks the same people in the same order, but beside its first bytes; here it is done one after the other.
"""

from __future__ import annotations

import time

from fastdl.core.hints import TYPE_CHECKING
from fastdl.core.mapper import Mapper
from fastdl.core.plain import dataclass
from fastdl.core.record import Record
from fastdl.core.route import Candidate, Route, named_source, resolved
from fastdl.core.shown import mask
from fastdl.core.trust import proves
from fastdl.core.urls import Url, parse_url
from fastdl.core.verify import LENGTHS, Digest, parse_checksum
from fastdl.engine.private import is_private
from fastdl.errors import FastdlError, Interrupted, Terminated, UsageError
from fastdl.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastdl.core.digests import Look
    from fastdl.core.head import Head
    from fastdl.core.response import Verdict as Judgement
    from fastdl.io.contact import Answer
    from fastdl.io.session import Session

__all__ = ["Asked", "Finding", "Known", "ask", "beforehand", "by_user", "is_private", "unasked"]

MOST_DESCRIPTIONS = 2  # Metalinks that are read


class Finding(Record):
    """A digest of the file. `source`: user, url, origin or metalink; `url`: the masked place that gave it, "" where
    that is the command line or the URL; `verified`: nobody between could have put it there."""

    digest: Digest
    source: str
    url: str = ""
    verified: bool = True

    @property
    def proves(self) -> bool:
        """Whether others may supply bytes on the strength of it."""
        return self.verified and self.digest.strong


class Known(Record):
    """What is known of the file's digests. `status`: known, none, or unreachable (somebody may publish one and did not
    say). `findings`: all of them; each one is checked. `pending`: those who publish it were not asked. `tried`: masked
    places that gave none, and why. `learned`: names that an answer gave the mapper. `piece`:
    bytes of a piece, where a Metalink has digests of pieces."""

    status: str
    findings: tuple[Finding, ...] = ()
    pending: bool = False
    tried: tuple[tuple[str, str], ...] = ()
    learned: tuple[tuple[str, str], ...] = ()
    piece: int | None = None

    @property
    def best(self) -> Finding | None:
        """The one that is named first: the user's, if it is strong, else the strongest."""
        order = list(LENGTHS)

        def key(finding: Finding) -> tuple[bool, bool, int]:
            strong = finding.digest.strong
            return not strong, not (strong and finding.source == "user"), order.index(finding.digest.algorithm)

        return min(self.findings, key=key, default=None)

    @property
    def proof(self) -> Digest | None:
        """The digest on whose strength mirrors may be used; one too weak for that where there is no better."""
        trusted = [finding.digest for finding in self.findings if finding.verified]
        return next((digest for digest in trusted if proves(digest)), next(iter(trusted), None))


@dataclass(slots=True)
class Asked:
    """What came of asking. `answer` and `verdict`: the origin's first response; `error`: why there is none that can be
    used. `private`: the request carries something that only its origin may see."""

    route: Route
    known: Known
    private: bool
    answer: Answer | None = None
    verdict: Judgement | None = None
    error: FastdlError | None = None


# --- without asking anybody ------------------------------------------------------------------------------


def by_user(settings: Settings) -> list[Finding]:
    """The digest that --checksum names. Raises UsageError."""
    return [Finding(parse_checksum(settings.checksum), "user")] if settings.checksum else []


def unasked(settings: Settings, mapper: Mapper, url: str, given: Sequence[Finding]) -> Asked:
    """What the rules, the URL and the user say. Raises UsageError."""
    from fastdl.io.secrets import load_credentials

    private = is_private(load_credentials(settings), settings, parse_url(url))
    route = mapper.route(url, private=private)
    return Asked(route, beforehand(given, route), private)


def beforehand(given: Sequence[Finding], route: Route) -> Known:
    """What is known before anybody is asked: the user's digests, and the one in the URL itself. Publishers are asked
    only where none of these proves the file."""
    findings = list(given)
    if route.embedded is not None:
        findings.append(Finding(route.embedded, "url"))
    pending = bool(route.digests) and not any(finding.proves for finding in findings)
    status = "known" if findings else "unreachable" if pending else "none"
    return Known(status, tuple(findings), pending)


# --- asking ----------------------------------------------------------------------------------------------


def ask(
    session: Session, settings: Settings, mapper: Mapper, url: str, given: Sequence[Finding], *, strict: bool = False
) -> Asked:
    """Ask the origin for its head and, unless the user or the URL gave a digest that proves the file, the publishers
    for its digest. An origin that gives no usable answer is noted; if `strict`, its error is raised. Raises UsageError,
    Interrupted, Terminated."""
    origin = parse_url(url)
    private = is_private(session.credentials, settings, origin)
    route = mapper.route(url, private=private)
    asked = Asked(route, beforehand(given, route), private)
    _contact(session, asked, origin)
    if strict and asked.error is not None:
        raise asked.error
    follows = route.resolve and origin.scheme == "https" and settings.cdn != "off"
    if asked.answer is not None and follows:
        asked.route = resolved(route, mapper.route(asked.answer.url.text, private=private))
    _look_up(session, settings, asked, given, origin)
    if asked.known.learned:
        more = mapper.route(url, private=private, known=dict(asked.known.learned))
        asked.route = asked.route._replace(candidates=more.candidates)
    return asked


def _contact(session: Session, asked: Asked, origin: Url) -> None:
    from fastdl.engine.explaining.dry_run import first_contact
    from fastdl.io.contact import Place

    try:
        asked.answer, asked.verdict = first_contact(session, Place(origin))
    except (UsageError, Interrupted, Terminated):
        raise
    except FastdlError as error:
        asked.error = error


def _look_up(session: Session, settings: Settings, asked: Asked, given: Sequence[Finding], origin: Url) -> None:
    """Adds to `asked` what the origin's own header fields say, and what the publishers do if need be."""
    known = before = beforehand(given, asked.route)
    told = _in_headers(session, asked, origin) if before.best is None or not before.best.digest.strong else None
    if not any(finding.proves for finding in before.findings):
        linked = settings.cdn != "off"
        looks = [*(_described(session, asked, origin) if linked else ()), *asked.route.digests]
        known = _published(session, asked, looks, before) if looks else before
    findings = _unique([*known.findings, *([told] if told is not None else [])])
    asked.known = known._replace(status="known" if findings else known.status, findings=findings)
    if told is not None and told.proves:
        listed = _listed(session, asked, origin)
        asked.route = asked.route._replace(candidates=(*asked.route.candidates, *listed))


def _published(session: Session, asked: Asked, looks: Sequence[Look], before: Known) -> Known:
    """What the publishers say besides what was known before."""
    from fastdl.io.lookup import SECONDS, Lookup

    route, size = asked.route, asked.verdict.size if asked.verdict is not None else None
    seconds = min(SECONDS, session.settings.max_time or SECONDS)
    aliases = [candidate.host for candidate in route.candidates if candidate.trust == "alias"]
    deadline = time.monotonic() + seconds
    lookup = Lookup(session, looks, deadline, lambda outcome: None, size=lambda: size, hosts=aliases)
    lookup.start()
    outcome = None
    try:
        for _ in range(int(10 * seconds) + 10):  # in short waits, so that Ctrl-C gets through on Windows too
            outcome = lookup.wait(0.1)
            if outcome is not None:
                break
    finally:
        lookup.stop()
    known = before._replace(pending=False)
    if outcome is None:
        tried = ((mask(looks[0].url), "no answer in time"),)
        return known._replace(status=known.status if known.findings else "unreachable", tried=tried)
    found = outcome.found
    if found is None:
        return known._replace(status=known.status if known.findings else outcome.status, tried=outcome.tried)
    if outcome.opens:
        limits = session.mapper.pack.limits
        named = [candidate for link in found.mirrors if (candidate := named_source(link, limits)) is not None]
        asked.route = route._replace(candidates=(*route.candidates, *named))
    finding = Finding(found.digest, outcome.source, outcome.url, outcome.verified)
    piece = found.pieces.length if outcome.opens and found.pieces is not None else None
    return Known("known", (*before.findings, finding), False, outcome.tried, tuple(found.learned.items()), piece)


# --- what the origin's own answer says -------------------------------------------------------------------


def _secure(session: Session, answer: Answer, origin: Url) -> bool:
    """Whether TLS vouches for an answer and for every redirect that led to it."""
    chain = [origin, *(url for url, _ in answer.hops), answer.url]
    return not session.settings.insecure and all(url.scheme == "https" for url in chain)


def _heads(answer: Answer) -> list[tuple[Url, Head]]:
    return [*answer.hops, (answer.url, answer.head)]


def _in_headers(session: Session, asked: Asked, origin: Url) -> Finding | None:
    """The strongest digest in the origin's answer and in the redirects to it (RFC 9530)."""
    from fastdl.core.digests.base import strongest
    from fastdl.core.digests.fields import digests_of

    answer = asked.answer
    if answer is None:
        return None
    linked = any(look.header == "x-linked-etag" for look in asked.route.digests)
    best = strongest([digest for url, head in _heads(answer) for digest in digests_of(head, url.path, linked=linked)])
    return Finding(best, "origin", mask(answer.url.text), _secure(session, answer, origin)) if best else None


def _described(session: Session, asked: Asked, origin: Url) -> list[Look]:
    """Metalinks of its publisher's that the origin's answer names over TLS (RFC 6249, section 5)."""
    from fastdl.core.digests.base import Step
    from fastdl.core.digests.fields import links_of

    answer = asked.answer
    if answer is None or asked.private or not _secure(session, answer, origin):
        return []
    found = [
        Step("metalink", link, names={"url": asked.route.url})
        for url, head in _heads(answer)
        for link in links_of(head, url).described_by
        if _same_operator(url, parse_url(link))
    ]
    return list(found[:MOST_DESCRIPTIONS])


def _same_operator(url: Url, to: Url) -> bool:
    return to.scheme == "https" and (to.host == url.host or to.host.endswith("." + url.host))


def _listed(session: Session, asked: Asked, origin: Url) -> list[Candidate]:
    """The duplicates that the origin's answer names (RFC 6249, section 3)."""
    from fastdl.core.digests.fields import links_of

    answer = asked.answer
    if answer is None or asked.private or not _secure(session, answer, origin):
        return []
    links = [link for url, head in _heads(answer) for link in links_of(head, url).duplicates]
    limits = session.mapper.pack.limits
    return [candidate for link in links if (candidate := named_source(link, limits)) is not None]


def _unique(findings: list[Finding]) -> tuple[Finding, ...]:
    """Each digest once; one that nobody vouches for gives way to a sure one."""
    kept: dict[tuple[str, bytes], Finding] = {}
    for finding in sorted(findings, key=lambda finding: not finding.verified):
        kept.setdefault((finding.digest.algorithm, finding.digest.value), finding)
    return tuple(finding for finding in findings if finding in kept.values())
