"""`--dry-run`: ask for the head, say what a download would do, fetch no body."""

from __future__ import annotations

import time
from typing import Any

from fastdl.core import plan
from fastdl.core.response import Action, Ask, Known, Verdict, judge, validators_of
from fastdl.core.urls import Url, mask
from fastdl.core.verify import Digest
from fastdl.engine import target
from fastdl.errors import HttpStatus, ProtocolViolation
from fastdl.io.contact import Answer, Contact, Place
from fastdl.io.session import Session
from fastdl.settings import Settings


def dry_run(session: Session, settings: Settings, places: list[Place], digest: Digest | None) -> dict[str, Any]:
    """The object of `--dry-run --json`: sources, digest and plan. Raises what the first contact raises."""
    contact = Contact(session, 0, lambda: False)
    try:
        answer = contact.ask(places[0], 0, None, True, ())
    finally:
        contact.drop()
    verdict = judge(Ask(0, None, True), answer.head, Known(), time.time())
    if verdict.broken:
        raise ProtocolViolation("the server sent a broken answer", verdict.why)
    if verdict.action not in (Action.USE, Action.WHOLE, Action.EMPTY, Action.NO_RANGES):
        raise HttpStatus("the server refused", f"{verdict.why} from {answer.url.host}", status=answer.head.status)
    return {
        "url": mask(places[0].given.text),
        "rule": None,
        "ecosystem": None,
        "sources": [_source(place) for place in places],
        "digest": _digest(digest),
        "plan": _plan(settings, places, answer, verdict),
    }


def _source(place: Place) -> dict[str, Any]:
    why = "given with -m" if place.mirror else "the URL that was given"
    host = place.given.host
    return {
        "url": mask(place.given.text),
        "host": host,
        "operator": host,
        "region": None,
        "trust": "origin",
        "allowed": True,
        "why": why,
    }


def _digest(digest: Digest | None) -> dict[str, Any]:
    if digest is None:
        return {"algorithm": None, "value": None, "source": None, "status": "none"}
    return {"algorithm": digest.algorithm, "value": digest.hex, "source": "user", "status": "known"}


def _plan(settings: Settings, places: list[Place], answer: Answer, verdict: Verdict) -> dict[str, Any]:
    ranges = verdict.action is Action.USE
    hosts = len({place.given.host for place in places})
    found = validators_of(answer.head)
    return {
        "final_url": mask(answer.url.text),
        "path": _path(settings, places[0].given, answer),
        "size": verdict.size,
        "ranges": ranges,
        "connections": _connections(settings, verdict.size, hosts) if ranges else 1,
        "etag": found.etag,
        "last_modified": found.last_modified,
    }


def _path(settings: Settings, given: Url, answer: Answer) -> str:
    if settings.output == "-":
        return "-"
    return target.path_of(settings, answer.head.get("content-disposition"), given, answer.url)


def _connections(settings: Settings, size: int | None, hosts: int) -> int:
    """The most connections that the download would open."""
    asked = settings.connections or plan.MOST_CONNECTIONS
    pieces = max(1, (size or 0) // (settings.min_split or plan.MIN_SPLIT))
    return min(asked, settings.per_host * hosts, pieces)
