"""One request, followed through redirects to the response that counts."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

from fastdl.core.credentials import plain_headers
from fastdl.core.head import Head, Validators
from fastdl.core.plain import dataclass, field
from fastdl.core.redirect import REDIRECTS, next_url
from fastdl.core.response import DENIALS
from fastdl.core.urls import Url
from fastdl.errors import ConnectionLost, NetworkError, RedirectRefused
from fastdl.io.channel import Channel, Request
from fastdl.io.session import Session

_SMALL_BODY = 64 * 1024  # bytes: a redirect's body up to this is read, so that the connection can be used again
_MOST_READS = 16  # steps in which such a body has to come


@dataclass(slots=True)
class Place:
    """Where a source's bytes are found. `given` is its URL as it was given, `final` where redirects have led (None:
    not known); a mirror is sent no secrets. `validators` and `content_type` are those of its first usable response.

    A mapped place was found by a rule, not given by the user. Its `trust` is "alias", "official" or "third-party";
    its redirects may lead to `hosts` and to names below its own; `twin`: no digest proves its bytes, so one of these
    validators, the origin's, has to be its own as well. It is told the public path and nothing of the user."""

    given: Url
    mirror: bool = False
    trust: str = "origin"
    hosts: frozenset[str] = frozenset()
    twin: Validators | None = None
    final: Url | None = None
    validators: Validators | None = None
    content_type: str | None = None
    slow_peers: set[str] = field(default_factory=set)

    def forget(self) -> None:
        """What was learned of it is not to be relied on any more."""
        self.final = self.validators = self.content_type = None

    def expire(self, target: Url) -> None:
        """Redirects have led to `target`, which refuses now. Another worker may know a fresher one already."""
        if self.final == target:
            self.final = None

    @property
    def mapped(self) -> bool:
        """Whether a rule found it."""
        return self.trust != "origin"

    @property
    def given_for(self) -> Url | None:
        """The URL whose origin may be told secrets."""
        return None if self.mirror else self.given


@dataclass(frozen=True, slots=True)
class Answer:
    """The response that counts: its head, the URL that gave it, the connection its body comes from, and the redirects
    that led there."""

    head: Head
    url: Url
    channel: Channel
    hops: tuple[tuple[Url, Head], ...] = ()


class Contact:
    """Sends one worker's requests; remembers its connection between them."""

    def __init__(self, session: Session, turn: int, cancelled: Callable[[], bool]) -> None:
        self._session = session
        self._turn = turn
        self._cancelled = cancelled
        self.channel: Channel | None = None
        self.requests = 0  # sent, redirects included
        self.opened = 0  # connections
        self._origin: tuple[str, str, int] | None = None
        self._url: Url | None = None

    def obey(self, session: Session, cancelled: Callable[[], bool]) -> None:
        """Others go on with it: their word counts now."""
        self._session = session
        self._cancelled = cancelled

    def ask(
        self, place: Place, start: int, end: int | None, ranged: bool, extra: tuple[tuple[str, str], ...]
    ) -> Answer:
        """GET a range from where `place` leads, redirects followed. Where a target that was found earlier refuses
        (signed ones expire), the first URL is asked for a fresh one.

        Raises NoSlot, RedirectRefused and leaves of NetworkError."""
        url = place.final or place.given
        hops: list[tuple[Url, Head]] = []
        while True:
            head = self._exchange(place, url, start, end, ranged, extra)
            if head.status not in REDIRECTS:
                assert self.channel is not None
                if head.status in DENIALS and not hops and url != place.given:
                    place.expire(url)
                    self._finish_body()
                    url = place.given
                    continue
                place.final = url
                return Answer(head, url, self.channel, tuple(hops))
            to = next_url(url, head.status, head.get("location"), len(hops))
            if place.mapped:
                _check_class(place, to)
            if to.host != url.host and self._session.mapper.pack.limits.forbids(to.host):
                raise RedirectRefused("the server redirects to a host of a malicious operator", to.host)
            hops.append((url, head))
            url = to
            self._finish_body()

    def _exchange(
        self, place: Place, url: Url, start: int, end: int | None, ranged: bool, extra: tuple[tuple[str, str], ...]
    ) -> Head:
        used = self._connect(place, url)
        request = self.request(place, url, start, end, ranged, extra)
        while True:
            try:
                head = self._send(place, request)
                break
            except ConnectionLost:
                # The server may close an idle connection at the very moment we use it (RFC 9112, section 9.3.1). Each
                # turn uses up one that was idle.
                if not used or self._cancelled():
                    raise
                self.drop()
                used = self._connect(place, url)
        if head.status in (426, 505) and self._session.insist_on_http2(url):
            self.drop()
            return self._exchange(place, url, start, end, ranged, extra)
        if head.status == 401 and any("digest" in value.lower() for value in head.all("www-authenticate")):
            return self._with_digest(place, request, head)
        return head

    def _with_digest(self, place: Place, request: Request, head: Head) -> Head:
        login = self._session.credentials.login_for(request.url, place.given_for)
        if login is None or getattr(self.channel, "digest", None) is not None:
            return head
        self.drop()
        self.channel = self._session.digest_channel(request.url, login)
        self.opened += 1
        self._origin = request.url.origin
        self._url = request.url
        self._check_wanted()
        return self._send(place, request)

    def _send(self, place: Place, request: Request) -> Head:
        assert self.channel is not None
        self.requests += 1
        self.channel.send(request)
        head = self.channel.receive_head()
        self.channel = self._session.answered(request.url, self.channel, head)
        cookies = head.all("set-cookie")
        if cookies and not place.mirror:
            self._session.credentials.store_cookies(request.url, cookies, time.time())
        return head

    def request(
        self, place: Place, url: Url, start: int, end: int | None, ranged: bool, extra: tuple[tuple[str, str], ...] = ()
    ) -> Request:
        """The request for a range, with everything that may go to this URL."""
        if place.mapped:
            headers = plain_headers()
        else:
            headers = self._session.credentials.headers_for(url, place.given_for, time.time())
        if_range = place.validators.strong if place.validators is not None and start > 0 else None
        return Request(url, start, end, ranged, if_range, (*headers, *extra))

    def _connect(self, place: Place, url: Url) -> bool:
        """Have a connection to the URL's origin; true if it was used before."""
        if self.channel is not None:
            if self._origin == url.origin and self.channel.reusable:
                return True
            self.leave()
        self.channel = self._session.channel(
            url, cancelled=self._cancelled, turn=self._turn, avoid=frozenset(place.slow_peers)
        )
        self._origin = url.origin
        self._url = url
        self.opened += self.channel.answered == 0
        self._check_wanted()
        return self.channel.answered > 0

    def leads_to(self, url: Url) -> bool:
        """Whether the connection is one to the URL's server."""
        return self._origin == url.origin

    def _check_wanted(self) -> None:
        """An abort that came while there was no connection has found nothing to break off."""
        if self._cancelled():
            raise ConnectionLost("the connection was given up")

    def _finish_body(self) -> None:
        """Read the rest of a small body that is of no interest, or drop the connection."""
        assert self.channel is not None
        left = self.channel.body_left
        if left == 0 or (left is not None and left <= _SMALL_BODY and self._read_away()):
            return  # if it is not reusable all the same, the next request takes another one
        self.drop()

    def _read_away(self) -> bool:
        """Read the rest of a body; whether that worked, in a few steps (it may drip)."""
        assert self.channel is not None
        scrap = memoryview(bytearray(_SMALL_BODY))
        with contextlib.suppress(NetworkError):
            return any(self.channel.read_into(scrap) == 0 for _ in range(_MOST_READS))
        return False

    def rest(self) -> None:
        """Nothing is to be done for now: a connection whose body was not read to its end is closed at once, so that the
        server stops sending."""
        if self.channel is not None and not self.channel.reusable:
            self.drop()

    def leave(self) -> None:
        """Give the connection back for others to use, if it is in a state for that."""
        channel, self.channel = self.channel, None
        if channel is not None and self._url is not None:
            self._session.release(self._url, channel)

    def drop(self) -> None:
        """Close the connection."""
        channel, self.channel = self.channel, None
        if channel is not None:
            channel.close()

    def abort(self) -> None:
        """From any thread: make a blocked call fail soon."""
        channel = self.channel
        if channel is not None:
            channel.abort()


def _check_class(place: Place, to: Url) -> None:
    """Where a mapped source may redirect: over TLS, and to nobody who is trusted less. Raises RedirectRefused."""
    own = place.given.host
    if to.scheme != "https":
        raise RedirectRefused("the mirror redirects out of TLS", to.host)
    if to.host != own and not to.host.endswith("." + own) and to.host not in place.hosts:
        raise RedirectRefused("the mirror redirects to somebody else's host", to.host)
