"""`--dry-run`: ask for the head, say what a download would do, fetch no body."""

from __future__ import annotations

import time
from collections.abc import Sequence

from fastdl.core import plan
from fastdl.core.head import validators_of
from fastdl.core.response import Action, Ask, Known, Verdict, judge
from fastdl.core.shown import mask
from fastdl.core.urls import Url
from fastdl.core.verify import Digest
from fastdl.engine.explaining import asking, explain
from fastdl.engine.explaining.asking import Finding
from fastdl.engine.explaining.explain import Object
from fastdl.errors import HttpStatus, ProtocolViolation
from fastdl.io.contact import Answer, Contact, Place
from fastdl.io.session import Session
from fastdl.settings import Settings


def dry_run(session: Session, settings: Settings, url: str, places: list[Place], digest: Digest | None) -> Object:
    """The object of `--dry-run --json`, that of `explain`. `digest` is the user's or a list's. Raises what the first
    contact raises."""
    given = [Finding(digest, "user")] if digest is not None else []
    asked = asking.ask(session, settings, session.mapper, url, given, strict=True)
    return explain.told(asked, settings, session.store)


def first_contact(session: Session, place: Place) -> tuple[Answer, Verdict]:
    """The head of what `place` serves, and whether it can be used. Raises FastdlErrors."""
    contact = Contact(session, 0, lambda: False)
    try:
        answer = contact.ask(place, 0, None, True, ())
    finally:
        contact.drop()
    verdict = judge(Ask(0, None, True), answer.head, Known(), time.time())
    if verdict.broken:
        raise ProtocolViolation("the server sent a broken answer", verdict.why)
    if verdict.action not in (Action.USE, Action.WHOLE, Action.EMPTY, Action.NO_RANGES):
        raise HttpStatus("the server refused", f"{verdict.why} from {answer.url.host}", status=answer.head.status)
    return answer, verdict


def plan_of(settings: Settings, urls: Sequence[Url], helpers: int, answer: Answer, verdict: Verdict) -> Object:
    """What the first answer says of the download. `urls` are the given sources, `helpers` the number of hosts that may
    join. Raises BadName."""
    ranges = verdict.action is Action.USE
    hosts = len({url.host for url in urls}) + helpers
    found = validators_of(answer.head)
    return {
        "final_url": mask(answer.url.text),
        "path": explain.path_of(settings, answer.head.get("content-disposition"), urls[0], answer.url),
        "size": verdict.size,
        "ranges": ranges,
        "connections": _connections(settings, verdict.size, hosts) if ranges else 1,
        "etag": found.etag,
        "last_modified": found.last_modified,
    }


def _connections(settings: Settings, size: int | None, hosts: int) -> int:
    """The most connections that the download would open."""
    asked = settings.connections or plan.MOST_CONNECTIONS
    pieces = max(1, (size or 0) // (settings.min_split or plan.MIN_SPLIT))
    return min(asked, settings.per_host * hosts, pieces)
