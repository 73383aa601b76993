"""What proves one file, and where else it lies: the route of its URL, what answers tell, and the publisher's digest.

The origin begins at once and waits for nobody. Beside it the publisher is asked for the digest, in a thread of its own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from fastdl.core.digests import Look, Step
from fastdl.core.digests.base import ListedMirror, Pieces, strongest
from fastdl.core.digests.fields import digests_of, links_of
from fastdl.core.hints import TYPE_CHECKING
from fastdl.core.route import Candidate, Route, named_source, resolved
from fastdl.core.urls import Url, parse_url
from fastdl.core.verify import LENGTHS, Digest
from fastdl.engine.proof import Expected
from fastdl.errors import FastdlError
from fastdl.io import phases
from fastdl.io.contact import Answer, Place
from fastdl.io.lookup import SECONDS, Lookup, Outcome

if TYPE_CHECKING:
    from fastdl.io.session import Session
    from fastdl.settings import Settings

SILENCE = 1.5  # seconds without a head from the origin after which others are asked
END_WAIT = 1.0  # seconds of silence that a complete file waits for a digest that is being looked up
END_MOST = 5.0  # seconds in all


class Evidence:
    """What one download has found out about its file."""

    changes: int
    """Grows with whatever may let other sources in."""
    more: list[Candidate]
    """Sources that answers have named, beside those of the route."""
    proof: Digest | None
    """The strong digest on whose strength others may supply bytes."""
    pieces: Pieces | None
    heard_at: float
    """When the first usable head came, on time.monotonic's clock; 0 before."""

    def __init__(
        self,
        session: Session,
        settings: Settings,
        url: str,
        origin: Url,
        given: Sequence[Expected],
        say: Callable[[str], None],
    ) -> None:
        """`given` are the digests that the user has named; `say` takes sentences for -v."""
        self._session = session
        self._settings = settings
        self._url = url
        self._origin = origin
        self._given = list(given)
        self._guard = threading.Lock()
        self._say = say
        self.private = True
        self.began = 0.0
        self.changes = 0
        self._forget()

    def _forget(self) -> None:
        """Nothing but what was given is known of the file."""
        strong = [each.digest for each in self._given if each.digest.strong]
        self._known = {digest.text for digest in strong}
        self.proof = strongest(strong)
        self._route: Route | None = None
        self.pieces = None
        self._lookups: list[Lookup] = []
        self._outcomes: list[Outcome] = []  # appended by the look-ups' threads
        self._fresh: list[Expected] = []  # digests that the landing has not been told yet
        self.more = []
        self._met = False  # the origin has answered
        self._whole = False  # the file is complete: whatever is known by now is checked
        self._unreachable = self._other_size = False  # why a look-up gave no digest
        self.heard_at = 0.0
        self._size: int | None = None  # bytes, as the origin says
        self.changes += 1

    # --- what is known before anybody is asked -----------------------------------------------------------

    @property
    def route(self) -> Route:
        """The route of the URL; found when it is first asked for."""
        if self._route is None:
            from fastdl.engine.private import is_private

            self.private = is_private(self._session.credentials, self._settings, self._origin)
            self._route = self._session.mapper.route(self._url, private=self.private)
        return self._route

    @property
    def has_others(self) -> bool:
        """Whether somebody else than the origin may have to be asked, for bytes or for a digest."""
        route = self.route
        return bool(route.candidates or route.digests or route.resolve or self.more)

    def embedded(self) -> Digest | None:
        """The digest that the URL itself carries."""
        return self.route.embedded

    @property
    def foreseen(self) -> frozenset[str]:
        """Algorithms in which a digest is being looked up; those that nobody can know beforehand are left out."""
        return frozenset(look.algorithm for look in self.route.digests if look.algorithm in LENGTHS)

    @phases.timed("route")
    def begin(self) -> None:
        """Find the route and begin to look up the digest. The first request is under way by now."""
        self.began = time.monotonic()
        route = self.route
        if route.embedded is not None:
            self._learn(Expected(route.embedded, "url", "the URL"), proves=True)
        if route.digests and not self.proof:
            self._look_up(route.digests)
        if route.rule is not None:
            self._say(f"rule {route.rule}: {route.why}")

    def _look_up(self, looks: Sequence[Look]) -> None:
        seconds = min(SECONDS, self._settings.max_time or SECONDS)
        aliases = [candidate.host for candidate in self.route.candidates if candidate.trust == "alias"]
        lookup = Lookup(self._session, looks, time.monotonic() + seconds, self._outcomes.append, hosts=aliases)
        self._lookups.append(lookup)
        lookup.start()

    # --- what answers tell -------------------------------------------------------------------------------

    def heard(self, place: Place, answer: Answer, size: int | None) -> None:
        """A usable head came, from whom it may be; called by workers, one at a time. Of the origin's first one the
        digest fields and links count (RFC 9530, RFC 6249), its redirects' as well."""
        self.heard_at = self.heard_at or time.monotonic()
        if place.mapped or place.mirror or self._met:
            return
        self._met, self._size = True, size
        heads = [*answer.hops, (answer.url, answer.head)]
        secure = not self._settings.insecure and all(url.scheme == "https" for url, _ in heads)
        linked = any(look.header == "x-linked-etag" for look in self.route.digests)
        found = [digest for url, head in heads for digest in digests_of(head, url.path, linked=linked)]
        best = strongest(found)
        if best is not None and not self._known:
            self._learn(Expected(best, "origin", answer.url.host), proves=secure)
        if self.private:
            return
        for url, head in heads:
            links = links_of(head, url)
            if secure and best is not None and best.strong:
                self.more += [candidate for link in links.duplicates if (candidate := self._named(link)) is not None]
            described = [link for link in links.described_by if _same_operator(url, link)]
            if secure and described and not self.proof:
                names = {"url": self._url}
                self._look_up([Step("metalink", link, names=names) for link in described[:2]])
        if self.route.resolve and answer.url.text != self._origin.text and self._origin.scheme == "https":
            self._follow(answer.url)
        self.changes += 1

    def _follow(self, url: Url) -> None:
        """The origin is a redirector: what is known of the place where it led counts too."""
        before = self.route
        self._route = resolved(before, self._session.mapper.route(url.text))
        if self._route.embedded is not None and before.embedded is None:
            self._learn(Expected(self._route.embedded, "url", "the URL"), proves=True)
        more = self._route.digests[len(before.digests) :]
        if more and not self.proof:
            self._look_up(more)

    def _learn(self, expected: Expected, *, proves: bool) -> None:
        if expected.digest.text not in self._known:
            self._known.add(expected.digest.text)
            self._fresh.append(expected)
        if proves and expected.digest.strong and self.proof is None:
            self.proof = expected.digest
        self.changes += 1

    def digests(self) -> list[Expected]:
        """Digests that have become known since the last call."""
        with self._guard:
            # A digest may be of a file of another size, so the origin's first head is waited for; but not for ever.
            while self._outcomes and (self._met or self._whole or time.monotonic() - self.began > SILENCE):
                self._take(self._outcomes.pop(0))
            fresh, self._fresh = self._fresh, []
            return fresh

    def _take(self, outcome: Outcome) -> None:
        self.changes += 1
        if outcome.found is None:
            self._unreachable = self._unreachable or outcome.status == "unreachable"
            self._say(f"no digest of the publisher is known: {outcome.why}")
            return
        host = parse_url(outcome.url).host
        if None not in (outcome.found.size, self._size) and outcome.found.size != self._size:
            self._say(f"{host} publishes the digest of a file of another size")
            self._other_size = True
            return
        digest = outcome.found.digest
        self._say(f"{host} publishes {digest.algorithm} {digest.hex}")
        self._learn(Expected(digest, outcome.source, host), proves=outcome.opens)
        if outcome.opens and outcome.found.pieces is not None:
            self.pieces = outcome.found.pieces
        if outcome.opens and outcome.found.mirrors:
            self.more += [named for link in outcome.found.mirrors if (named := self._named(link)) is not None]
        if outcome.found.learned:
            more = self._session.mapper.route(self._url, private=self.private, known=dict(outcome.found.learned))
            own = {candidate.url for candidate in more.candidates}
            others = [candidate for candidate in self.route.candidates if candidate.url not in own]
            self._route = self.route._replace(candidates=(*more.candidates, *others))

    def _named(self, link: ListedMirror) -> Candidate | None:
        return named_source(link, self._session.mapper.pack.limits)

    @property
    def looking(self) -> bool:
        """Whether a look-up is still under way."""
        return bool(self._open())

    def _open(self) -> list[Lookup]:
        return [lookup for lookup in self._lookups if lookup.outcome is None and not lookup.ended]

    @phases.timed("publisher")
    def wait(self, stopped: Callable[[], bool]) -> None:
        """The file is complete: wait for a digest that is being looked up, as long as the publisher keeps answering.
        The look-ups themselves are bounded (io/lookup)."""
        self._whole = True
        began = time.monotonic()
        while (open_ := self._open()) and not self._outcomes and not stopped():
            now = time.monotonic()
            if now - max(began, *(lookup.heard for lookup in open_)) > END_WAIT or now - began > END_MOST:
                self._say("the publisher's digest did not come in time")
                return
            open_[0].wait(0.05)  # in short waits, so that Ctrl-C gets through on Windows too

    @property
    def unproved(self) -> str:
        """Why a complete file has no digest to be compared with, in words."""
        if self.looking:
            return "the publisher's digest did not come in time"
        if self._unreachable:
            return "the publisher's digest could not be looked up"
        if self._other_size:
            return "the published digest is of another file size"
        if self._lookups:
            return "no digest published"
        return "no digest published with it" + (", none looked up for a private request" if self.private else "")

    def renew(self) -> None:
        """The file changed at the origin: what was found out about it may be of its former version."""
        self.close()
        self._forget()

    def close(self) -> None:
        """End all look-ups."""
        for lookup in self._lookups:
            lookup.stop()


def _same_operator(url: Url, link: str) -> bool:
    """Whether a description is where the file's publisher is."""
    try:
        to = parse_url(link)
    except FastdlError:
        return False
    return to.scheme == "https" and (to.host == url.host or to.host.endswith("." + url.host))
