"""The judge: may the bytes behind this response head be used, and at which offset? (RFC 9110, sections 13-15)

A range download trusts nothing: a server, a cache or a captive portal between may answer a range request with the whole
file, another range, another version of the file or an error page. Every answer is held against what was asked and what
is known of the object, and gets exactly one verdict.
"""

from __future__ import annotations

from enum import Enum

from fastdl.core.head import Head, Validators, content_length, content_range, validators_of
from fastdl.core.plain import dataclass
from fastdl.core.retry import retry_after


@dataclass(frozen=True, slots=True)
class Ask:
    """What a request asked for: [start, end) in bytes, end None for "to the end"; `ranged` is false for a plain GET."""

    start: int
    end: int | None
    ranged: bool


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the object when the answer comes; `validators` are those of the same source's first response."""

    size: int | None = None
    validators: Validators | None = None
    content_type: str | None = None
    own_codings: frozenset[str] = frozenset()  # of its name: see core.head


class Action(Enum):
    """What to do with a response."""

    USE = "use"  # the body is [start, start + length) of the object
    WHOLE = "whole"  # the body is the object from its first byte: this source gave no range
    EMPTY = "empty"  # the object has no bytes
    CHANGED = "changed"  # the object is another one by now: throw away what came before, start once more
    NO_RANGES = "no ranges"  # the whole object was sent where a part was asked: this source serves no ranges
    RETRY = "retry"  # may pass: again, here or elsewhere
    BAD_RANGE = "bad range"  # an answer to a range request that breaks the protocol: a plain GET may do better
    BUSY = "busy"  # too many requests or connections: fewer, and later
    REDIRECT = "redirect"
    DENIED = "denied"  # 401, 403, 404, 410: final, unless it was a redirect's target that expired
    REFUSED = "refused"  # final


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judge's decision. `length` (bytes of body) and `size` (bytes of the object) are None where unknown; `why` is
    for people; `wait` is the seconds that Retry-After asks for; `broken` marks a breach of the protocol."""

    action: Action
    why: str = ""
    start: int = 0
    length: int | None = None
    size: int | None = None
    wait: float | None = None
    broken: bool = False
    coding: str = ""  # a content coding to take off the body (only WHOLE)


DECODABLE = frozenset({"gzip", "x-gzip", "deflate"})  # codings that can be taken off (io/decoding.py)
DENIALS = frozenset({401, 403, 404, 410})  # final, unless they come from a redirect's target that expired
_MAY_PASS = frozenset({408, 421, 425, 500, 502, 504, 509, 520, 521, 522, 523, 524, 525, 527, 529, 530})
_BUSY = frozenset({429, 503})
_RANGE_TROUBLE = frozenset({400, 405, 406, 417, 501})  # servers and firewalls that refuse a Range field as such


def judge(ask: Ask, head: Head, known: Known, wall_clock: float = 0.0) -> Verdict:
    """Decide about one response head. `wall_clock` (Unix seconds) is for Retry-After dates."""
    status = head.status
    if status == 206:
        return _judge_part(ask, head, known)
    if status == 200 or status == 203:
        return _judge_whole(ask, head, known)
    if status == 416:
        return _judge_unsatisfiable(ask, head, known)
    if status == 412:
        return _changed_or_retry(head, known, "412 to a request with If-Range")
    if status in (301, 302, 303, 307, 308):
        return Verdict(Action.REDIRECT)
    why = f"HTTP {status} {head.reason}".strip()
    if status in DENIALS:
        return Verdict(Action.DENIED, why)
    if status in _BUSY:
        return Verdict(Action.BUSY, why, wait=retry_after(head.get("retry-after"), wall_clock))
    if status in _MAY_PASS:
        return Verdict(Action.RETRY, why, wait=retry_after(head.get("retry-after"), wall_clock))
    if ask.ranged and known.size is None and status in _RANGE_TROUBLE:
        return Verdict(Action.NO_RANGES, why)
    if 400 <= status <= 599 or 300 <= status <= 399:
        return Verdict(Action.REFUSED, why)
    return Verdict(Action.RETRY, f"{why} has no file in it", broken=True)


def _bad_range(why: str) -> Verdict:
    return Verdict(Action.BAD_RANGE, why, broken=True)


def _broken(why: str) -> Verdict:
    return Verdict(Action.RETRY, why, broken=True)


def _changed_or_retry(head: Head, known: Known, why: str) -> Verdict:
    if known.validators is not None and known.validators.contradicts(validators_of(head)):
        return Verdict(Action.CHANGED, "the file changed on the server")
    return Verdict(Action.RETRY, why, broken=True)


def _codings(head: Head, known: Known) -> list[str]:
    """Content codings on top of the file itself. We ask for none (`Accept-Encoding: identity`)."""
    codings = [part.strip(" \t") for part in ",".join(head.all("content-encoding")).lower().split(",")]
    codings = [coding for coding in codings if coding not in ("", "identity")]
    return codings[1:] if codings and codings[0] in known.own_codings else codings


def _portal(head: Head, known: Known) -> bool:
    """A web page where a file of another type was being downloaded: a login or challenge page, not a new version."""
    kind = (head.get("content-type") or "").split(";")[0].strip().lower()
    before = (known.content_type or "").split(";")[0].strip().lower()
    return before != "" and kind in ("text/html", "application/xhtml+xml") and kind != before


def _judge_part(ask: Ask, head: Head, known: Known) -> Verdict:
    if not ask.ranged:
        return _broken("206 to a request without Range")
    if (head.get("content-type") or "").lower().lstrip().startswith("multipart/byteranges"):
        return _bad_range("multipart/byteranges to a request for one range")
    if _codings(head, known):
        # A range of the coded form is no range of the file; the whole coded form can be decoded.
        return Verdict(Action.NO_RANGES, "the server codes the file")
    try:
        length, place = content_length(head), content_range(head)
    except ValueError as error:
        return _bad_range(str(error))
    if place is None or place[0] < 0:
        return _bad_range("206 without a Content-Range")
    start, end, size = place
    if known.validators is not None and known.validators.contradicts(validators_of(head)):
        return Verdict(Action.CHANGED, "its validator is another one now")
    if known.size is not None and size is not None and size != known.size:
        return Verdict(Action.CHANGED, f"its size was {known.size} bytes and is {size} now")
    if start != ask.start:
        return _bad_range(f"asked for bytes from {ask.start}, got them from {start}")
    if ask.end is not None and end > ask.end:
        return _bad_range("more bytes than were asked for")
    if known.size is not None and end > known.size:
        return _bad_range("a range beyond the end of the file")
    if length is not None and length != end - start:
        return _bad_range("Content-Length and Content-Range disagree")
    if size is None and known.size is None and ask.end is None:
        # "bytes 0-99/*": how long the object is stays unknown; such a body cannot be known to be whole.
        return _bad_range("Content-Range without a total size")
    return Verdict(Action.USE, start=start, length=end - start, size=size)


def _judge_whole(ask: Ask, head: Head, known: Known) -> Verdict:
    codings = _codings(head, known)
    if len(codings) > 1 or (codings and codings[0] not in DECODABLE):
        return _broken(f"a content coding ({', '.join(codings)[:40]}) that was not asked for")
    try:
        length, place = content_length(head), content_range(head)
    except ValueError as error:
        return _broken(str(error))
    if place is not None and (place[0] != 0 or place[1] != place[2]):
        # Content-Range has no meaning in a 200 (RFC 9110, section 14.4); here it says that a part came as the whole.
        return _broken("200 with the Content-Range of a part")
    if head.get("transfer-encoding") is not None or codings:
        length = None  # RFC 9112, section 6.3: Transfer-Encoding overrides; a coded length is not the file's
    if _portal(head, known):
        return Verdict(Action.RETRY, "a web page came where a file was expected", broken=True)
    if known.validators is not None and known.validators.contradicts(validators_of(head)):
        return Verdict(Action.CHANGED, "its validator is another one now")
    if known.size is not None and length is not None and length != known.size:
        return Verdict(Action.CHANGED, f"its size was {known.size} bytes and is {length} now")
    if ask.start > 0:
        return Verdict(Action.NO_RANGES, "the server ignores Range", length=length, size=length)
    return Verdict(Action.WHOLE, length=length, size=length, coding=codings[0] if codings else "")


def _judge_unsatisfiable(ask: Ask, head: Head, known: Known) -> Verdict:
    if not ask.ranged:
        return Verdict(Action.REFUSED, "416 to a request without Range")
    try:
        place = content_range(head)
    except ValueError as error:
        return _broken(str(error))
    size = place[2] if place is not None else None
    if size == 0 and not known.size:
        return Verdict(Action.EMPTY, "the file is empty", size=0)
    if known.size is None and ask.start == 0:
        # A server that refuses ranges as such: a plain GET tells.
        return Verdict(Action.NO_RANGES, "416 to the whole range", size=size)
    if size is not None and known.size is not None and size != known.size:
        return Verdict(Action.CHANGED, f"its size was {known.size} bytes and is {size} now")
    return _changed_or_retry(head, known, "416 to a range inside the file")
