"""Where else one file lies, and what proves it: the route of its URL, the publisher's digest, and who may join when.

The origin begins at once and waits for nobody. Beside it the publisher is asked for the digest, in a thread of its own;
what that answer opens is decided by `core/trust`. A mapped source joins only where there is time to be gained: it is
met with a small range that is useful anyway, and gets more by the rate that it shows.
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
    from fastdl.core.outlook import Outlook
    from fastdl.engine.landing import Landing
    from fastdl.io.session import Session
    from fastdl.settings import Settings

WORTH_SECONDS = 1.0  # that a download must still take for a source more to be worth its connection
SETTLED = 0.4  # seconds after the first head until its rate says something
EARLIEST = 0.15  # before that it says nothing at all, and in between only
EARLY_SECONDS = 4.0  # that it will be long
WORTH_BYTES = 2 * 1024 * 1024
SILENCE = 1.5  # seconds without a head from the origin after which others are asked
TRIALS = 3  # mapped sources that are being tried at a time
MOST_JOINED = 24  # of one download, the dead ones among them
MOST_SERVING = 4  # after that many serve, none is tried any more
END_WAIT = 1.0  # seconds of silence that a complete file waits for a digest that is being looked up
END_MOST = 5.0  # seconds in all


class Sourcing:
    """The mapped sources and the found digests of one download."""

    def __init__(
        self,
        session: Session,
        settings: Settings,
        url: str,
        places: Sequence[Place],
        given: Sequence[Expected],
        say: Callable[[str], None],
        warn: Callable[[str], None],
    ) -> None:
        """`places` are the given ones, the origin first; `given` the digests that the user has named; `say` takes
        sentences for -v, `warn` those for everybody."""
        self._session = session
        self._settings = settings
        self._url = url
        self._origin = places[0].given
        self._given_urls = {place.given.text for place in places}
        self._given = list(given)
        self._shunned: set[str] = set()
        self._guard = threading.Lock()
        self._say = say
        self._warn = warn
        self.private = True
        self._unproved = False  # a source was taken without a digest
        self._began = 0.0
        self._forget()

    def _forget(self) -> None:
        """Nothing but what was given is known of the file."""
        strong = [each.digest for each in self._given if each.digest.strong]
        self._known = {digest.text for digest in strong}
        self._proof = strongest(strong)
        self._route: Route | None = None
        self.pieces: Pieces | None = None
        self._lookups: list[Lookup] = []
        self._outcomes: list[Outcome] = []  # appended by the look-ups' threads
        self._fresh: list[Expected] = []  # digests that the landing has not been told yet
        self._more: list[Candidate] = []  # sources that answers have named
        self._queue: list[Place] | None = None  # allowed and not joined yet, best first; None: to be made anew
        self._tried = set(self._shunned)
        self._met = False  # the origin has answered
        self._whole = False  # the file is complete: whatever is known by now is checked
        self._unreachable = self._other_size = False  # why a look-up gave no digest
        self._heard_at = 0.0
        self._size: int | None = None  # bytes, as the origin says

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
        return bool(route.candidates or route.digests or route.resolve or self._more)

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
        self._began = time.monotonic()
        route = self.route
        if route.embedded is not None:
            self._learn(Expected(route.embedded, "url", "the URL"), proves=True)
        if route.digests and not self._proof:
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
        self._heard_at = self._heard_at or time.monotonic()
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
                self._more += [candidate for link in links.duplicates if (candidate := self._named(link)) is not None]
            described = [link for link in links.described_by if _same_operator(url, link)]
            if secure and described and not self._proof:
                names = {"url": self._url}
                self._look_up([Step("metalink", link, names=names) for link in described[:2]])
        if self.route.resolve and answer.url.text != self._origin.text and self._origin.scheme == "https":
            self._follow(answer.url)
        self._queue = None

    def _follow(self, url: Url) -> None:
        """The origin is a redirector: what is known of the place where it led counts too."""
        before = self.route
        self._route = resolved(before, self._session.mapper.route(url.text))
        if self._route.embedded is not None and before.embedded is None:
            self._learn(Expected(self._route.embedded, "url", "the URL"), proves=True)
        more = self._route.digests[len(before.digests) :]
        if more and not self._proof:
            self._look_up(more)

    def _learn(self, expected: Expected, *, proves: bool) -> None:
        if expected.digest.text not in self._known:
            self._known.add(expected.digest.text)
            self._fresh.append(expected)
        if proves and expected.digest.strong and self._proof is None:
            self._proof = expected.digest
        self._queue = None

    def digests(self) -> list[Expected]:
        """Digests that have become known since the last call."""
        with self._guard:
            # A digest may be of a file of another size, so the origin's first head is waited for; but not for ever.
            while self._outcomes and (self._met or self._whole or time.monotonic() - self._began > SILENCE):
                self._take(self._outcomes.pop(0))
            fresh, self._fresh = self._fresh, []
            return fresh

    def _take(self, outcome: Outcome) -> None:
        self._queue = None
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
            self._more += [named for link in outcome.found.mirrors if (named := self._named(link)) is not None]
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

    def shun(self, place: Place) -> None:
        """It has another file than the origin."""
        self._shunned.add(place.given.text)

    def close(self) -> None:
        """End all look-ups."""
        for lookup in self._lookups:
            lookup.stop()

    # --- joining -----------------------------------------------------------------------------------------

    def next_source(self, outlook: Outlook, now: float) -> Place | None:
        """The source that is to join now, if one is."""
        if self._settings.cdn == "off" or self.private or outlook.trials >= TRIALS or outlook.serving >= MOST_SERVING:
            return None
        if len(self._tried) >= MOST_JOINED or not self._worth(outlook, now):
            return None
        if self._queue is None:
            self._queue = self._allowed()
        if not self._queue:
            return None
        place = self._queue.pop(0)
        self._tried.add(place.given.text)
        return place

    def _worth(self, outlook: Outlook, now: float) -> bool:
        """Whether there is time to be gained."""
        if outlook.troubled or not outlook.confirmed:
            return outlook.troubled or self._first or now - self._began > SILENCE
        if outlook.single or outlook.left is None or outlook.left < WORTH_BYTES:
            return False
        if self._settings.cdn == "prefer":
            return True
        heard = now - self._heard_at
        needed = WORTH_SECONDS if heard > SETTLED else EARLY_SECONDS
        return outlook.left > needed * outlook.rate and heard > EARLIEST

    @property
    def _first(self) -> bool:
        """Whether mapped sources are to be asked before the origin: --cdn prefer, where the digest is known by now."""
        return self._settings.cdn == "prefer" and self._proof is not None

    def may_lead(self) -> bool:
        """Whether a mapped source may be asked first of all."""
        return self._first and not self.private and bool(self._allowed())

    def _allowed(self) -> list[Place]:
        from fastdl.engine.candidates import allowed, in_order

        settings = self._settings
        route = self.route._replace(candidates=(*self.route.candidates, *self._more))
        known = self._given_urls | self._tried
        places = allowed(route, self._proof, settings, looking=self.looking, private=self.private, known=known)
        return in_order(places, self._session.store, regional=settings.region != "auto")

    def prepared(self, place: Place, landing: Landing) -> Place:
        """The place with what has to hold for it now: where no digest proves its bytes, the origin's validators."""
        if self._proof is None:
            if self._settings.trust == "any" and place.trust != "alias":
                if not self._unproved:
                    self._warn(f"--trust any: no digest proves what {place.given.host} sends")
                self._unproved = True
            else:
                place.twin = landing.validators
        return place

    def limit_of(self, place: Place) -> int | None:
        """How many connections a host is known to serve at once, where it has refused more."""
        server = self._session.store.servers([place.given.netloc]).get(place.given.netloc)
        return server.connections if server is not None and server.busy > 0 and server.connections > 0 else None


def _same_operator(url: Url, link: str) -> bool:
    """Whether a description is where the file's publisher is."""
    try:
        to = parse_url(link)
    except FastdlError:
        return False
    return to.scheme == "https" and (to.host == url.host or to.host.endswith("." + url.host))
