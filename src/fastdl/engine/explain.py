"""The object of `explain --json`: the rule, every source with what speaks for and against it, the digest, the plan.

What the rules and the trust table say of the sources is shown as they say it; the plan says what this version makes of
it. `--dry-run` prints the same object of what `get` does today (engine/dry_run.py).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastdl.core.mapper import Mapper, Route
from fastdl.core.trust import Verdict, judge_sources, proves
from fastdl.core.urls import Url, is_masked, mask, parse_url
from fastdl.core.verify import Digest, parse_checksum
from fastdl.errors import FastdlError, Interrupted, Terminated, UsageError
from fastdl.io.rules_file import mapper_of
from fastdl.settings import Settings

if TYPE_CHECKING:
    from fastdl.core.credentials import Credentials
    from fastdl.io.contact import Answer
    from fastdl.io.session import Session

Object = dict[str, Any]

NOT_USED = "not used yet by this version"
NOT_ASKED: Object = dict.fromkeys(("final_url", "path", "size", "ranges", "connections", "etag", "last_modified"))


@dataclass(frozen=True, slots=True)
class Choices:
    """What the options of `explain` that `get` does not have say; the words are those of the options."""

    offline: bool = False
    cdn: str = "auto"
    trust: str = "verified"
    region: str = "auto"


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the digest. `status`: known, none, or unreachable (somebody may publish one, and did not say).
    `source`: user, url, origin or metalink; `url`: the masked place that gave it. `verified`: it may let others supply
    bytes. `pending`: those who publish it were not asked. `learned`: names that the answer gave the mapper."""

    digest: Digest | None
    status: str
    source: str | None = None
    url: str | None = None
    verified: bool = True
    pending: bool = False
    tried: tuple[tuple[str, str], ...] = ()
    learned: tuple[tuple[str, str], ...] = ()

    @property
    def notes(self) -> Object:
        """What the plan says besides: where the digest was found, or why it is not known."""
        if self.digest is not None:
            return {"digest_url": self.url} if self.url else {}
        if self.pending:
            return {"digest_why": "nobody was asked"}
        return {"digest_why": self.tried[0][1] if self.tried else "nobody is known to publish one"}

    @property
    def proof(self) -> Digest | None:
        """The digest on whose strength mirrors may be used."""
        return self.digest if self.verified else None


def explain(settings: Settings, url: str, choices: Choices) -> Object:
    """Explain one URL. An origin that cannot be reached is explained as well: `plan` has its error. Raises UsageError,
    and Interrupted or Terminated."""
    mapper = mapper_of(settings)
    given = parse_url(url)
    digest = parse_checksum(settings.checksum) if settings.checksum else None
    if choices.offline:
        from fastdl.io.secrets import load_credentials

        private = is_private(load_credentials(settings), settings, given)
        route = mapper.route(url, private=private)
        asked, known = _expected(settings, given), beforehand(digest, route)
    else:
        route, asked, known, private = _ask(settings, mapper, url, digest)
    verdicts = judge_sources(
        route, known.proof, known.pending, choices.trust, choices.cdn, private, frozenset(), choices.region
    )
    plan = {
        "mapping": route.why,
        "cdn": choices.cdn,
        "mirrors": NOT_USED,
        "check": check_of(digest),
        **known.notes,
        "digest_lookups": [mask(place) for look in route.digests for place in (look.url, *look.alternatives)],
        "digest_tried": [{"url": place, "why": why} for place, why in known.tried],
        **asked,
    }
    urls = [given, *(parse_url(mirror) for mirror in settings.mirrors)]
    return described(route, urls, verdicts, known, plan)


# --- without asking anybody ------------------------------------------------------------------------------


def is_private(credentials: Credentials, settings: Settings, given: Url) -> bool:
    """Whether a request for `given` carries anything that only its origin may see; a Referer and a client certificate
    are such things too."""
    secrets = credentials.has_secrets(given, time.time()) or settings.referer or settings.cert
    return bool(secrets) or any(is_masked(mirror) for mirror in settings.mirrors)


def beforehand(given: Digest | None, route: Route) -> Known:
    """What is known of the digest before anybody is asked: the user's, else the one in the URL itself."""
    if given is not None:
        return Known(given, "known", "user")
    pending = bool(route.digests)
    if route.embedded is not None:
        return Known(route.embedded, "known", "url", pending=pending)
    return Known(None, "unreachable" if pending else "none", pending=pending)


def check_of(digest: Digest | None) -> str:
    """What `get` checks a whole file by."""
    if digest is not None:
        return f"{digest.algorithm} given with --checksum"
    return f"the size; digests that are found are {NOT_USED}"


def path_of(settings: Settings, disposition: str | None, given: Url, final: Url) -> str:
    """Where the file would appear. Raises BadName."""
    from fastdl.engine import target

    return "-" if settings.output == "-" else target.path_of(settings, disposition, given, final)


def _expected(settings: Settings, given: Url) -> Object:
    """The plan's part about the origin where it was not asked."""
    try:
        return {**NOT_ASKED, "path": path_of(settings, None, given, given)}
    except FastdlError as error:  # -o names a folder
        return {**NOT_ASKED, "error": mask(str(error)), "exit_code": error.code}


# --- the object ------------------------------------------------------------------------------------------


def described(route: Route, urls: Sequence[Url], verdicts: Iterable[Verdict], known: Known, plan: Object) -> Object:
    """The object. `urls`: the origin and the -m mirrors; what is mapped to one of them is not listed twice."""
    digest = known.digest
    given = {url.text for url in urls}
    return {
        "url": mask(urls[0].text),
        "rule": route.rule,
        "ecosystem": route.ecosystem,
        "sources": [
            *(_given(url, number) for number, url in enumerate(urls)),
            *(_mapped(verdict) for verdict in verdicts if verdict.candidate.url not in given),
        ],
        "digest": {
            "algorithm": digest.algorithm if digest is not None else None,
            "value": digest.hex if digest is not None else None,
            "source": known.source,
            "status": known.status,
        },
        "plan": plan,
    }


def _given(url: Url, number: int) -> Object:
    return {
        "url": mask(url.text),
        "host": url.host,
        "operator": url.host,
        "region": None,
        "trust": "origin",
        "allowed": True,
        "why": "given with -m" if number else "the URL that was given",
    }


def _mapped(verdict: Verdict) -> Object:
    candidate = verdict.candidate
    return {
        "url": mask(candidate.url),
        "host": candidate.host,
        "operator": candidate.operator or candidate.host,
        "region": candidate.region or None,
        "trust": candidate.trust,
        "allowed": verdict.allowed,
        "why": verdict.why,
    }


# --- asking the origin and the publishers ----------------------------------------------------------------


def _ask(settings: Settings, mapper: Mapper, url: str, given: Digest | None) -> tuple[Route, Object, Known, bool]:
    """Route, the plan's part about the origin, digest, and whether the request is private."""
    from fastdl.io.session import Session

    origin = parse_url(url)
    session = Session(settings)
    try:
        private = is_private(session.credentials, settings, origin)
        route = mapper.route(url, private=private)
        asked, answer = _contacted(session, settings, origin)
        if answer is not None and route.resolve and origin.scheme == "https":
            route = _resolved(route, mapper.route(answer.url.text, private=private))
        known = beforehand(given, route)
        if given is None and not proves(known.digest):
            known = _looked_up(session, route, known, answer, asked["size"])
        if known.learned:
            more = mapper.route(url, private=private, known=dict(known.learned))
            route = route._replace(candidates=more.candidates)
        return route, asked, known, private
    finally:
        session.close()


def _contacted(session: Session, settings: Settings, origin: Url) -> tuple[Object, Answer | None]:
    from fastdl.engine.dry_run import first_contact, plan_of
    from fastdl.io.contact import Place

    places = [Place(origin), *(Place(parse_url(mirror), mirror=True) for mirror in settings.mirrors)]
    answer: Answer | None = None
    try:
        answer, verdict = first_contact(session, places[0])
        return plan_of(settings, places, answer, verdict), answer
    except (UsageError, Interrupted, Terminated):
        raise
    except FastdlError as error:
        return {**_expected(settings, origin), "error": mask(str(error)), "exit_code": error.code}, answer


def _resolved(route: Route, target: Route) -> Route:
    """A redirector's route, with what is known of the URL where it led."""
    if target.rule is None or target.rule == route.rule:
        return route
    return route._replace(
        mutable=route.mutable or target.mutable,
        candidates=(*route.candidates, *target.candidates),
        digests=(*route.digests, *target.digests),
        embedded=route.embedded or target.embedded,
    )


def _looked_up(session: Session, route: Route, before: Known, answer: Answer | None, size: int | None) -> Known:
    """What the publishers say, then the origin's own header fields, then the URL: the first that proves something."""
    asked = _published(session, route, size) if route.digests else Known(None, "none")
    finds = [known for known in (asked, _in_headers(session, answer), before) if known.digest is not None]
    best = next((known for known in finds if proves(known.proof)), finds[0] if finds else asked)
    return Known(
        best.digest, best.status, best.source, best.url, best.verified, tried=asked.tried, learned=asked.learned
    )


def _published(session: Session, route: Route, size: int | None) -> Known:
    from fastdl.io.lookup import SECONDS, Lookup

    seconds = min(SECONDS, session.settings.max_time or SECONDS)
    aliases = [candidate.host for candidate in route.candidates if candidate.trust == "alias"]
    lookup = Lookup(
        session, route.digests, time.monotonic() + seconds, lambda outcome: None, size=lambda: size, hosts=aliases
    )
    lookup.start()
    outcome = None
    try:
        for _ in range(int(10 * seconds) + 10):  # in short waits, so that Ctrl-C gets through on Windows too
            outcome = lookup.wait(0.1)
            if outcome is not None:
                break
    finally:
        lookup.stop()
    if outcome is None:
        return Known(None, "unreachable", tried=((mask(route.digests[0].url), "no answer in time"),))
    if outcome.found is None:
        return Known(None, outcome.status, tried=outcome.tried)
    return Known(
        outcome.found.digest,
        "known",
        outcome.source,
        outcome.url,
        outcome.verified,
        tried=outcome.tried,
        learned=tuple(outcome.found.learned.items()),
    )


def _in_headers(session: Session, answer: Answer | None) -> Known:
    """The digest in the origin's own answer; it counts for others only if TLS vouches for it."""
    from fastdl.core.digests.base import strongest
    from fastdl.core.digests.fields import digests_of

    digest = strongest(digests_of(answer.head, answer.url.path)) if answer is not None else None
    if answer is None or digest is None:
        return Known(None, "none")
    verified = answer.url.scheme == "https" and not session.settings.insecure
    return Known(digest, "known", "origin", mask(answer.url.text), verified)
