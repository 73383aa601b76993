"""What the publisher of a URL says of its file: `verify --from`.

Asked are the URL itself, the places that the rules know (io/lookup.py, verified TLS only) and the header fields of the
origin's answer. A private request asks nobody but the origin. Other than for a download, which one strong digest is
enough to begin with, all of them are collected: a file that is checked has to agree with each.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from fastdl.core.digests.base import Look, Pieces, Step
from fastdl.core.head import Head, validators_of
from fastdl.core.hints import TYPE_CHECKING
from fastdl.core.plain import dataclass
from fastdl.core.response import Action
from fastdl.core.route import Route, resolved
from fastdl.core.shown import mask
from fastdl.core.urls import Url, parse_url
from fastdl.engine.explaining.asking import Finding
from fastdl.engine.private import is_private
from fastdl.engine.verifying.verify import in_order
from fastdl.errors import FastdlError, IntegrityError, Interrupted, NetworkError, Refused, Terminated, UsageError
from fastdl.io.contact import Answer, Contact, Place
from fastdl.io.session import Session

if TYPE_CHECKING:
    from fastdl.io.lookup import Outcome

MOST_DESCRIPTIONS = 2  # Metalinks that are read

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Published:
    """What is known of the file behind a URL. `size` in bytes; `pieces` are a Metalink's; `place` is the origin, with
    the validators of its first answer; `ranges`: it serves them. `error` is why the origin gave no usable answer."""

    place: Place
    findings: tuple[Finding, ...]
    size: int | None = None
    pieces: Pieces | None = None
    ranges: bool = False
    error: FastdlError | None = None


def published(session: Session, url: str, warn: Tell, *, needed: bool) -> Published:
    """Ask. With `needed` a digest has to come of it. Raises UsageError; NetworkError and Refused where the origin or
    a publisher gave no answer and so no digest is known; IntegrityError where none is published."""
    origin = parse_url(url)
    place = Place(origin)
    private = is_private(session.credentials, session.settings, origin)
    route = session.mapper.route(url, private=private)
    answer, size, ranges, error = _contact(session, place)
    if answer is not None and route.resolve and origin.scheme == "https":
        route = resolved(route, session.mapper.route(answer.url.text, private=private))
    secure = answer is not None and _secure(session, answer, origin)
    described = _described(answer, url) if answer is not None and secure and not private else []
    looks = [*described, *route.digests]
    outcome = _looked_up(session, route, looks, size) if looks else None
    findings = _findings(route, outcome, answer, secure)
    if not findings and answer is not None and ranges:
        whole = _whole_answer(session, place)
        findings = _findings(route, outcome, whole, secure and whole is not None and _secure(session, whole, origin))
    if needed and not findings:
        raise error or _nothing(outcome, asked=bool(looks))
    if error is not None:
        warn(f"the origin gave no answer: {error}")
    if findings and not findings[0].verified:
        warn("the digest came without verified TLS: whoever sits between could have sent another")
    found = outcome.found if outcome is not None else None
    size = size if size is not None or found is None else found.size
    return Published(place, findings, size, found.pieces if found is not None else None, ranges, error)


def _contact(session: Session, place: Place) -> tuple[Answer | None, int | None, bool, FastdlError | None]:
    """The origin's first answer, the file's size, whether it serves ranges, or why there is no answer."""
    from fastdl.engine.explaining.dry_run import first_contact

    try:
        answer, verdict = first_contact(session, place)
    except (UsageError, Interrupted, Terminated):
        raise
    except FastdlError as error:
        return None, None, False, error
    place.validators = validators_of(answer.head)
    place.content_type = answer.head.get("content-type") or ""
    size = 0 if verdict.action is Action.EMPTY else verdict.size
    return answer, size, verdict.action is Action.USE, None


def _whole_answer(session: Session, place: Place) -> Answer | None:
    """The answer to a request without a range: there alone fields like Digest speak of the whole file."""
    contact = Contact(session, 0, lambda: False)
    try:
        return contact.ask(place, 0, None, False, ())
    except (NetworkError, Refused):
        return None
    finally:
        contact.drop()


def _secure(session: Session, answer: Answer, origin: Url) -> bool:
    """Whether TLS vouches for an answer and for every redirect that led to it."""
    chain = [origin, *(url for url, _ in answer.hops), answer.url]
    return not session.settings.insecure and all(url.scheme == "https" for url in chain)


def _heads(answer: Answer) -> list[tuple[Url, Head]]:
    return [*answer.hops, (answer.url, answer.head)]


def _described(answer: Answer, url: str) -> list[Look]:
    """Metalinks of their own host that the origin's answers name (RFC 6249, section 5)."""
    from fastdl.core.digests.fields import links_of

    links = [(at, parse_url(link)) for at, head in _heads(answer) for link in links_of(head, at).described_by]
    own = [link.text for at, link in links if link.scheme == "https" and link.host == at.host]
    return [Step("metalink", link, names={"url": url}) for link in own[:MOST_DESCRIPTIONS]]


def _looked_up(session: Session, route: Route, looks: list[Look], size: int | None) -> Outcome | None:
    """What the publishers say; None if they did not within the time."""
    from fastdl.io.lookup import SECONDS, Lookup

    seconds = min(SECONDS, session.settings.max_time or SECONDS)
    hosts = [candidate.host for candidate in route.candidates if candidate.trust == "alias"]
    deadline = time.monotonic() + seconds
    lookup = Lookup(session, looks, deadline, lambda outcome: None, size=lambda: size, hosts=hosts)
    lookup.start()
    try:
        for _ in range(int(10 * seconds) + 10):  # in short waits, so that Ctrl-C gets through on Windows too
            outcome = lookup.wait(0.1)
            if outcome is not None:
                return outcome
    finally:
        lookup.stop()
    return None


def _findings(route: Route, outcome: Outcome | None, answer: Answer | None, secure: bool) -> tuple[Finding, ...]:
    """All digests, the strongest first. Those that nobody vouches for count only where there are no others."""
    found: list[Finding] = []
    if route.embedded is not None:
        found.append(Finding(route.embedded, "url", mask(route.url)))
    if outcome is not None and outcome.found is not None:
        given = outcome.found.digests or (outcome.found.digest,)
        found += [Finding(digest, outcome.source, outcome.url, outcome.verified) for digest in given]
    if answer is not None:
        from fastdl.core.digests.fields import digests_of

        linked = any(look.header == "x-linked-etag" for look in route.digests)
        for url, head in _heads(answer):
            digests = digests_of(head, url.path, linked=linked)
            found += [Finding(digest, "origin", mask(url.text), secure) for digest in digests]
    kept = [finding for finding in found if finding.verified] or found
    unique = {(finding.digest.algorithm, finding.digest.value): finding for finding in reversed(kept)}
    return in_order(unique.values())


def _nothing(outcome: Outcome | None, *, asked: bool) -> FastdlError:
    """Why no digest is known: nobody publishes one, or somebody who may did not answer."""
    hint = "Give the digest with --checksum or a list with -c."
    if outcome is None and asked:
        return NetworkError("the digest could not be looked up", "no answer in time", hint)
    if outcome is not None and outcome.status != "none":
        return NetworkError("the digest could not be looked up", outcome.why, hint)
    why = outcome.why if outcome is not None else "no place is known that has one"
    return IntegrityError("no digest of this file is published", why, hint)
