"""`--dry-run`: ask for the head, say what a download would do, fetch no body."""

from __future__ import annotations

import time

from fastdl.core import plan
from fastdl.core.response import Action, Ask, Known, judge, validators_of
from fastdl.core.response import Verdict as Judgement
from fastdl.core.trust import Verdict
from fastdl.core.urls import mask
from fastdl.core.verify import Digest
from fastdl.engine import explain
from fastdl.engine.explain import NOT_USED, Object
from fastdl.errors import HttpStatus, ProtocolViolation
from fastdl.io.contact import Answer, Contact, Place
from fastdl.io.rules_file import mapper_of
from fastdl.io.session import Session
from fastdl.settings import Settings


def dry_run(session: Session, settings: Settings, url: str, places: list[Place], digest: Digest | None) -> Object:
    """The object of `--dry-run --json`: that of `explain`, but of what a download does today, which uses neither mapped
    sources nor digests that it would have to find. Raises what the first contact raises."""
    origin = places[0].given
    private = explain.is_private(session.credentials, settings, origin)
    route = mapper_of(settings).route(url, private=private)
    answer, judgement = first_contact(session, places[0])
    facts = {
        "mapping": route.why,
        "mirrors": NOT_USED,
        "check": explain.check_of(digest),
        **plan_of(settings, places, answer, judgement),
    }
    known = explain.Known(digest, "known", "user") if digest is not None else explain.Known(None, "none")
    verdicts = [Verdict(candidate, False, NOT_USED) for candidate in route.candidates]
    return explain.described(route, [place.given for place in places], verdicts, known, facts)


def first_contact(session: Session, place: Place) -> tuple[Answer, Judgement]:
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


def plan_of(settings: Settings, places: list[Place], answer: Answer, verdict: Judgement) -> Object:
    """What the first answer says of the download. Raises BadName."""
    ranges = verdict.action is Action.USE
    hosts = len({place.given.host for place in places})
    found = validators_of(answer.head)
    disposition = answer.head.get("content-disposition")
    return {
        "final_url": mask(answer.url.text),
        "path": explain.path_of(settings, disposition, places[0].given, answer.url),
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
