"""Answers that bring no usable bytes: what the scheduler is told of them."""

from __future__ import annotations

from fastdl.core.head import validators_of
from fastdl.core.orders import Failure, Fault
from fastdl.core.response import Action, Verdict
from fastdl.errors import FastdlError, HttpStatus, ObjectChanged, ProtocolViolation, Refused, SizeMismatch
from fastdl.io.contact import Answer, Place

_STATUS = {Action.BUSY: Fault.BUSY, Action.DENIED: Fault.DENIED, Action.REFUSED: Fault.REFUSED}


def stranger(place: Place, answer: Answer, verdict: Verdict, size: int | None) -> Failure | None:
    """Not None: a mapped source's answer is not believed though it fits the protocol. `size`: of the file, bytes."""
    why = _strange(place, answer, verdict, size)
    return Failure(Fault.REFUSED, SizeMismatch("the mirror has another file", why)) if why else None


def _strange(place: Place, answer: Answer, verdict: Verdict, size: int | None) -> str:
    if verdict.action is Action.EMPTY or (verdict.size is None and verdict.action is Action.WHOLE):
        return "it does not say how large the file is"
    if size is not None and verdict.size not in (None, size):
        return f"it has {verdict.size} bytes there, not {size}"
    if place.twin is not None and place.validators is None:
        found, own = validators_of(answer.head), place.twin
        shared = (found.etag is not None and found.etag == own.etag) or (
            found.last_modified is not None and found.last_modified == own.last_modified
        )
        if own.contradicts(found) or not shared:
            return "its validators are not the origin's"
    return ""


def failure_of(place: Place, answer: Answer, verdict: Verdict, *, begun: bool) -> Failure:
    """What a verdict that is none for use means. `begun`: bytes of the file were taken already, from this source or by
    an earlier run. Where redirects have led the place to is forgotten if it may be the fault."""
    fault, error = _fault(place, answer, verdict)
    if verdict.action is Action.RETRY and not verdict.broken:
        place.final = None
    if fault is Fault.DENIED and answer.url != place.given:
        place.expire(answer.url)  # a signed target, say: the first URL leads to a fresh one
        fault = Fault.EXPIRED if begun else fault
    return Failure(fault, error, verdict.wait)


def _fault(place: Place, answer: Answer, verdict: Verdict) -> tuple[Fault, FastdlError]:
    action, why = verdict.action, f"{verdict.why} from {answer.url.host}"
    if action is Action.CHANGED and place.mirror:
        return Fault.REFUSED, SizeMismatch("the mirror has another file", verdict.why)
    if action is Action.CHANGED:
        return Fault.CHANGED, ObjectChanged("the file changed during the download", verdict.why)
    if action is Action.NO_RANGES:
        return Fault.NO_RANGES, Refused("the server serves no ranges", verdict.why)
    if verdict.broken:
        error = ProtocolViolation("the server sent a broken answer", why)
        return (Fault.BAD_RANGE if action is Action.BAD_RANGE else Fault.LOST), error
    return _STATUS.get(action, Fault.LOST), HttpStatus("the server refused", why, status=answer.head.status)
