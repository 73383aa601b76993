"""When a source more joins one download, and which one.

What is known of the file lets it in (`engine/evidence`, `core/trust`), and only where there is time to be gained. It is
met with a small range that is useful anyway, and gets more by the rate that it shows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fastdl.core.hints import TYPE_CHECKING
from fastdl.engine.evidence import SILENCE, Evidence
from fastdl.io.contact import Place

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
TRIALS = 3  # mapped sources that are being tried at a time
MOST_JOINED = 24  # of one download, the dead ones among them
MOST_SERVING = 4  # after that many serve, none is tried any more


class Sourcing:
    """The mapped sources of one download."""

    def __init__(
        self,
        session: Session,
        settings: Settings,
        places: Sequence[Place],
        evidence: Evidence,
        warn: Callable[[str], None],
    ) -> None:
        """`places` are the given ones; `warn` takes sentences for everybody."""
        self._session = session
        self._settings = settings
        self._given_urls = {place.given.text for place in places}
        self.evidence = evidence
        self._warn = warn
        self._shunned: set[str] = set()
        self._tried: set[str] = set()
        self._queue: list[Place] = []  # allowed and not joined yet, best first
        self._known = -1  # what `evidence.changes` was when it was made
        self._unproved = False  # a source was taken without a digest

    def shun(self, place: Place) -> None:
        """It has another file than the origin."""
        self._shunned.add(place.given.text)

    def renew(self) -> None:
        """The file changed at the origin: what is known of it is of its former version, and all may be tried again."""
        self.evidence.renew()
        self._tried = set(self._shunned)

    def next_source(self, outlook: Outlook, now: float) -> Place | None:
        """The source that is to join now, if one is."""
        if self._settings.cdn == "off" or self.evidence.private or len(self._tried) >= MOST_JOINED:
            return None
        if outlook.trials >= TRIALS or outlook.serving >= MOST_SERVING or not self._worth(outlook, now):
            return None
        if self._known != self.evidence.changes:
            self._known = self.evidence.changes
            self._queue = self._allowed()
        if not self._queue:
            return None
        place = self._queue.pop(0)
        self._tried.add(place.given.text)
        return place

    def _worth(self, outlook: Outlook, now: float) -> bool:
        """Whether there is time to be gained."""
        if outlook.troubled or not outlook.confirmed:
            return outlook.troubled or self._first or now - self.evidence.began > SILENCE
        if outlook.single or outlook.left is None or outlook.left < WORTH_BYTES:
            return False
        if self._settings.cdn == "prefer":
            return True
        heard = now - self.evidence.heard_at
        needed = WORTH_SECONDS if heard > SETTLED else EARLY_SECONDS
        return outlook.left > needed * outlook.rate and heard > EARLIEST

    @property
    def _first(self) -> bool:
        """Whether mapped sources are to be asked before the origin: --cdn prefer, where the digest is known by now."""
        return self._settings.cdn == "prefer" and self.evidence.proof is not None

    def may_lead(self) -> bool:
        """Whether a mapped source may be asked first of all."""
        return self._first and not self.evidence.private and bool(self._allowed())

    def _allowed(self) -> list[Place]:
        settings, evidence = self._settings, self.evidence
        candidates = (*evidence.route.candidates, *evidence.more)
        if not candidates:
            return []
        from fastdl.engine.candidates import allowed, in_order

        route = evidence.route._replace(candidates=candidates)
        known, private = self._given_urls | self._tried, evidence.private
        places = allowed(route, evidence.proof, settings, looking=evidence.looking, private=private, known=known)
        return in_order(places, self._session.store, regional=settings.region != "auto")

    def prepared(self, place: Place, landing: Landing) -> Place:
        """The place with what has to hold for it now: where no digest proves its bytes, the origin's validators."""
        if self.evidence.proof is None:
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
