"""What simulated servers are like and what they answer: honest ones, slow ones, broken ones and liars.

A server's behaviour is data: rates that change, outages, and *quirks*, which strike single answers by chance.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf

from fastdl.core.head import Head
from simulation.content import Version

DATE = ("date", "Wed, 05 Jun 2024 10:00:00 GMT")


@dataclass(slots=True)
class Quirk:
    """Something odd that strikes an answer with a chance of `chance`, `left` times in all, from the server's request
    number `after` on. `seconds` is how long it lasts where that means something, `share` where in the body it
    happens."""

    kind: str
    chance: float = 1.0
    left: float = inf
    seconds: float = 0.0
    after: int = 0
    share: float | None = None


@dataclass(frozen=True, slots=True)
class Outage:
    """From `start` to `end` requests get `kind`: refuse, reset (open connections too), hang, or a status."""

    start: float
    end: float
    kind: str


@dataclass(frozen=True, slots=True)
class Change:
    """From `at` on the connection number `connection` (None: all) brings `rate` bytes a second; 0 is silence."""

    at: float
    connection: int | None
    rate: float


@dataclass(slots=True)
class Server:
    """What one URL leads to. Rates in bytes a second, times in seconds."""

    host: str
    versions: list[tuple[float, Version]]  # from when on which
    rtt: float = 0.05
    rate: float = 4e6  # of one connection
    total: float = inf  # of all connections to this server
    slow_start: bool = False
    ranges: bool = True
    accepts: bool = True  # says Accept-Ranges in a whole answer
    sized: bool = True  # sends Content-Length
    limit: float = inf  # connections at once
    lanes: int | None = None  # where set, a connection takes the number of the lowest free lane, as it were of a path
    beyond: str = "429"  # what the next one gets: a status, reset, refuse or hang
    retry_after: str | None = None
    most: float = inf  # bytes that it sends in one answer to a range request
    pipelining: str = "good"  # or: close (after the current body), hang, 400
    per_node: int = 1  # nodes that disagree about the ETag
    keeps: float = inf  # requests answered on one connection
    says_close: bool = True  # and the last one says so
    lifetime: float | None = None  # seconds that a redirect's target lives; None: no redirect
    uses: float = inf  # requests that a redirect's target takes
    outages: list[Outage] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    quirks: list[Quirk] = field(default_factory=list)
    is_front: bool = False  # only sends redirects
    # what happens
    open: int = 0
    opened: int = 0
    requests: int = 0
    flowing: int = 0
    refused: int = 0
    taken: set[int] = field(default_factory=set)  # numbers of open connections

    def number(self) -> int:
        """The number of a connection that is opened now."""
        number = self.opened
        if self.lanes is not None:
            number = next(lane for lane in range(self.open + 1) if lane not in self.taken)
        self.opened += 1
        self.open += 1
        self.taken.add(number)
        return number

    def leave(self, number: int) -> None:
        """A connection was closed."""
        self.open -= 1
        self.taken.discard(number)

    def version(self, now: float) -> Version:
        """The file as it is at this moment."""
        found = self.versions[0][1]
        for since, version in self.versions:
            if since <= now:
                found = version
        return found

    def outage(self, now: float) -> str | None:
        """What requests get now instead of an answer."""
        for outage in self.outages:
            if outage.start <= now < outage.end:
                return outage.kind
        return None

    def killed(self, now: float) -> float:
        """When the next outage will end all connections."""
        return min((o.start for o in self.outages if o.kind == "reset" and o.start > now), default=inf)

    def rate_of(self, connection: int, now: float) -> tuple[float, float]:
        """(rate of one connection, until when)."""
        rate, until = self.rate, inf
        for change in self.changes:
            if change.connection is None or change.connection == connection:
                if change.at <= now:
                    rate = change.rate
                else:
                    until = min(until, change.at)
        return rate, until


@dataclass(frozen=True, slots=True)
class Request:
    """A request as the server sees it; `token` is what the redirect's target was signed with."""

    start: int
    end: int | None
    ranged: bool
    if_range: str | None = None
    token: tuple[float, int] | None = None


@dataclass(slots=True)
class Response:
    """A head, its body's place in the file, and what happens to it on the way. Offsets count from the body's begin."""

    head: Head
    start: int = 0
    length: int = 0
    version: Version | None = None
    wait: float = 0.0
    cut: float = inf
    stall: float = inf
    stalled: float = 0.0
    known_end: bool = True


def plain_head(status: int, *fields: tuple[str, str]) -> Head:
    """A head with these fields."""
    return Head(status, "", (DATE, *fields), "HTTP/1.1")


def trouble(kind: str, server: Server) -> Response:
    """No answer, or a refusal."""
    if kind == "hang":
        return Response(plain_head(200), wait=inf)
    if kind in ("reset", "refuse"):
        return Response(plain_head(200), cut=-1)
    status = int(kind)
    if status in (429, 503) and server.retry_after is not None:
        return Response(plain_head(status, ("retry-after", server.retry_after), ("content-length", "0")))
    return Response(plain_head(status, ("content-length", "0")))


def honest(server: Server, number: int, answered: int, request: Request, version: Version) -> Response:
    """The right answer, on the server's connection `number` after `answered` others."""
    fields: list[tuple[str, str]] = [("content-type", "application/octet-stream")]
    if version.etag is not None:
        node = number % server.per_node
        fields.append(("etag", version.etag if not node else f'"node-{node}-{version.number}"'))
    if version.modified is not None:
        fields.append(("last-modified", version.modified))
    if answered + 1 >= server.keeps and server.says_close:
        fields.append(("connection", "close"))
    fits = request.if_range is None or request.if_range in (version.etag, version.modified)
    if request.ranged and server.ranges and fits:
        if request.start >= version.size:
            return Response(
                plain_head(416, *fields, ("content-range", f"bytes */{version.size}"), ("content-length", "0"))
            )
        end = version.size if request.end is None else min(request.end, version.size)
        end = int(min(end, request.start + server.most))
        fields.append(("content-range", f"bytes {request.start}-{end - 1}/{version.size}"))
        fields.append(("content-length", str(end - request.start)))
        return Response(plain_head(206, *fields), request.start, end - request.start, version)
    if server.sized:
        fields.append(("content-length", str(version.size)))
    if server.ranges and server.accepts:
        fields.append(("accept-ranges", "bytes"))
    return Response(plain_head(200, *fields), 0, version.size, version, known_end=server.sized)


TWISTS = frozenset(
    {"short", "whole", "wrong start", "wrong total", "wrong etag", "no content-range", "multipart", "html", "too long"}
)


def twist(kind: str, request: Request, response: Response) -> Response:
    """The answer, bent: a lie, or a right that servers make little use of."""
    fields = dict(response.head.headers)
    version = response.version
    if version is None or response.head.status not in (200, 206):
        return response
    if kind == "html":
        page = Head(200, "", (DATE, ("content-type", "text/html"), ("content-length", "4000")), "HTTP/1.1")
        return Response(page, 0, 4000, Version(-1, 4000))
    if kind == "wrong etag":
        if "etag" not in fields and "last-modified" not in fields:
            return response
        fields["etag" if "etag" in fields else "last-modified"] = '"another"'
    elif response.head.status != 206:
        return response
    elif kind == "short" and response.length > 1:
        response.length = max(1, response.length // 2)
        fields["content-length"] = str(response.length)
        fields["content-range"] = f"bytes {response.start}-{response.start + response.length - 1}/{version.size}"
    elif kind == "whole":
        fields.pop("content-range", None)
        fields["content-length"] = str(version.size)
        return Response(Head(200, "", tuple(fields.items()), "HTTP/1.1"), 0, version.size, version)
    elif kind == "wrong start" and response.length > 1:
        end = response.start + response.length
        response.length -= 1
        fields["content-length"] = str(response.length)
        fields["content-range"] = f"bytes {response.start + 1}-{end - 1}/{version.size}"
    elif kind == "wrong total":
        end = response.start + response.length - 1
        fields["content-range"] = f"bytes {response.start}-{end}/{version.size + 1000}"
    elif kind == "no content-range":
        fields.pop("content-range", None)
    elif kind == "multipart":
        fields["content-type"] = "multipart/byteranges; boundary=x"
        fields.pop("content-range", None)
    elif kind == "too long" and request.end is not None and request.end < version.size:
        response.length = version.size - response.start
        fields["content-length"] = str(response.length)
        fields["content-range"] = f"bytes {response.start}-{version.size - 1}/{version.size}"
    response.head = Head(response.head.status, "", tuple(fields.items()), "HTTP/1.1")
    return response
