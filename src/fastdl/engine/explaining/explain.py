"""The object of `explain --json` and of `--dry-run --json`: the rule, every source with what speaks for and against it,
the digest, what is known of each host, the plan.

Whether a source may help is judged by the functions that a download uses; the plan in words is made of the same
figures (engine/explaining/steps.py).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence

from fastdl.config import state_dir
from fastdl.core.hints import Any
from fastdl.core.route import NAMED
from fastdl.core.shown import mask
from fastdl.core.trust import Verdict
from fastdl.core.urls import Url, parse_url
from fastdl.engine.explaining import asking
from fastdl.engine.explaining.asking import Asked, Finding, Known
from fastdl.engine.explaining.memory import ANY_DIGEST, Memory, verdicts_on
from fastdl.engine.explaining.steps import Sources, first_of, plan_in_words
from fastdl.engine.private import is_private
from fastdl.errors import FastdlError
from fastdl.io.rules_file import mapper_of
from fastdl.io.store import Store
from fastdl.settings import Settings

__all__ = ["Object", "explain", "is_private", "path_of", "told"]

Object = dict[str, Any]

NOT_ASKED: Object = dict.fromkeys(("final_url", "path", "size", "ranges", "connections", "etag", "last_modified"))


def explain(
    settings: Settings, url: str, *, offline: bool = False, warn: Callable[[str], None] = lambda text: None
) -> Object:
    """Explain one URL. An origin that cannot be reached is explained as well: `plan` has its error. `warn` is told what
    is wrong with the state folder. Raises UsageError, and Interrupted or Terminated."""
    given = asking.by_user(settings)
    if offline:
        asked = asking.unasked(settings, mapper_of(settings), url, given)
        return told(asked, settings, Store(state_dir(os.environ, sys.platform), warn), asked=False)
    from fastdl.io.session import Session

    session = Session(settings)
    try:
        return told(asking.ask(session, settings, session.mapper, url, given), settings, session.store)
    finally:
        session.close()
        for text in session.take_warnings():
            warn(text)


def told(found: Asked, settings: Settings, store: Store, *, asked: bool = True) -> Object:
    """The object. `asked`: whether servers were asked, as far as they had to be."""
    known = found.known
    urls = [parse_url(found.route.url), *(parse_url(mirror) for mirror in settings.mirrors)]
    given = {url.text for url in urls}
    verdicts, memory = verdicts_on(found, settings, known.proof, store)
    verdicts = [verdict for verdict in verdicts if verdict.candidate.url not in given]
    origin = _of_origin(found, settings, urls, verdicts)
    helpers = tuple(verdict.candidate.host for verdict in verdicts if verdict.allowed)
    waiting = _waiting(found, settings, store, helpers)
    sources = Sources(tuple(url.host for url in urls), helpers, waiting, _first_reason(verdicts))
    best = known.best
    return {
        "url": mask(urls[0].text),
        "rule": found.route.rule,
        "ecosystem": found.route.ecosystem,
        "sources": [
            *(_given(url, number) for number, url in enumerate(urls)),
            *(_mapped(verdict) for verdict in verdicts),
        ],
        "digest": {
            "algorithm": best.digest.algorithm if best is not None else None,
            "value": best.digest.hex if best is not None else None,
            "source": best.source if best is not None else None,
            "status": known.status,
        },
        "plan": {
            "mapping": found.route.why,
            "cdn": settings.cdn,
            "trust": settings.trust,
            "check": check_of(known),
            "first": first_of(sources, known, settings),
            "steps": plan_in_words(sources, found, settings, origin["size"], origin["ranges"]),
            **_about_digest(known, asked),
            "digest_lookups": [mask(place) for look in found.route.digests for place in (look.url, *look.alternatives)],
            "digest_tried": [{"url": place, "why": why} for place, why in known.tried],
            "servers": _servers(memory, [*(url.netloc for url in urls), *map(_netloc, verdicts)]),
            **origin,
        },
    }


# --- the digest ------------------------------------------------------------------------------------------


def check_of(known: Known) -> str:
    """What `get` checks the whole file by."""
    texts = [f"{finding.digest.algorithm} {given_by(finding)}" for finding in known.findings]
    if known.pending:
        texts.append("the digest that its publisher names, if one does in time")
    return "; ".join(dict.fromkeys(texts)) or "the size alone"


def given_by(finding: Finding) -> str:
    """Who gave a digest, in words."""
    words = {
        "user": "given with --checksum",
        "url": "that stands in the URL",
        "origin": "published by the origin",
        "metalink": "of the publisher's Metalink",
    }
    text = words.get(finding.source, f"of {finding.source}")
    return text if finding.verified else f"{text}, for which nobody vouches"


def _about_digest(known: Known, asked: bool) -> Object:
    """Where the digest was found, or why it is not known."""
    best = known.best
    if best is None:
        if known.pending and not asked:
            return {"digest_why": "nobody was asked"}
        return {"digest_why": known.tried[0][1] if known.tried else "nobody is known to publish one"}
    found: Object = {"digest_url": best.url} if best.url else {}
    if not best.verified:
        found["digest_why"] = "it came without verified TLS: it is checked, but lets no other source help"
    elif not best.digest.strong:
        found["digest_why"] = f"{best.digest.algorithm} is too weak to let other sources help"
    return found


# --- sources ---------------------------------------------------------------------------------------------


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
    named = f"{NAMED}; " if candidate.mirror_id == NAMED else ""
    return {
        "url": mask(candidate.url),
        "host": candidate.host,
        "operator": candidate.operator or candidate.host,
        "region": candidate.region or None,
        "trust": candidate.trust,
        "allowed": verdict.allowed,
        "why": named + verdict.why,
    }


def _netloc(verdict: Verdict) -> str:
    return parse_url(verdict.candidate.url).netloc


def _servers(memory: Memory, netlocs: Iterable[str]) -> list[Object]:
    """What earlier downloads taught about these hosts, those that sent altered bytes included."""
    found = []
    for netloc in dict.fromkeys(netlocs):
        lie = memory.liars.get(netloc)
        server = memory.servers.get(netloc)
        if server is not None or lie is not None:
            found.append({**(server or {"host": netloc}), "lied": memory.lie_of(netloc) or None})
    return found


def _waiting(found: Asked, settings: Settings, store: Store, helpers: Sequence[str]) -> tuple[str, ...]:
    """The hosts that may help once the publisher's digest is known, if that is still to be asked for."""
    if not found.known.pending or settings.insecure:
        return ()
    proved, _ = verdicts_on(found, settings, ANY_DIGEST, store)
    hosts = [verdict.candidate.host for verdict in proved if verdict.allowed]
    return tuple(host for host in dict.fromkeys(hosts) if host not in helpers)


def _first_reason(verdicts: Sequence[Verdict]) -> str:
    """Why the likeliest of the sources that may not help may not; "" without any."""
    return verdicts[0].why if verdicts and not verdicts[0].allowed else ""


# --- the origin ------------------------------------------------------------------------------------------


def path_of(settings: Settings, disposition: str | None, given: Url, final: Url) -> str:
    """Where the file would appear. Raises BadName."""
    from fastdl.engine import target

    return "-" if settings.output == "-" else target.path_of(settings, disposition, given, final)


def _of_origin(found: Asked, settings: Settings, urls: Sequence[Url], verdicts: Sequence[Verdict]) -> Object:
    """The plan's part about the origin and the file."""
    error = found.error
    if error is None and found.answer is not None and found.verdict is not None:
        from fastdl.engine.explaining.dry_run import plan_of

        helpers = {verdict.candidate.host for verdict in verdicts if verdict.allowed}
        try:
            return plan_of(settings, urls, len(helpers), found.answer, found.verdict)
        except FastdlError as bad:  # -o names a folder
            error = bad
    try:
        expected = {**NOT_ASKED, "path": path_of(settings, None, urls[0], urls[0])}
    except FastdlError as bad:
        expected, error = dict(NOT_ASKED), error or bad
    return expected if error is None else {**expected, "error": mask(str(error)), "exit_code": error.code}
