"""Which places of a route may join a download now, the best first."""

from __future__ import annotations

import random
from collections.abc import Container, Iterable

from fastdl.core.hints import TYPE_CHECKING
from fastdl.core.route import Route
from fastdl.core.rules import CLASSES
from fastdl.core.trust import judge_sources
from fastdl.core.urls import parse_url
from fastdl.core.verify import Digest
from fastdl.errors import FastdlError
from fastdl.io.contact import Place

if TYPE_CHECKING:
    from fastdl.io.store import Store
    from fastdl.settings import Settings


def allowed(
    route: Route, proof: Digest | None, settings: Settings, *, looking: bool, private: bool, known: Container[str]
) -> list[Place]:
    """Those whom core/trust lets in. `proof`: a digest that proves what they send, `looking`: one may still come;
    `known`: URLs that are sources already, or were tried."""
    verdicts = judge_sources(route, proof, looking, settings.trust, settings.cdn, private, frozenset(), settings.region)
    candidates = [v.candidate for v in verdicts if v.allowed and not v.candidate.own_token]
    candidates = [candidate for candidate in candidates if candidate.ranges is not False]
    hosts = {trust: frozenset(c.host for c in candidates if _rank(c.trust) <= _rank(trust)) for trust in CLASSES}
    places = {}
    for candidate in candidates:
        try:
            url = parse_url(candidate.url)
        except FastdlError:
            continue
        if url.text not in known and (url.scheme == "https" or proof is not None):
            places[url.text] = Place(url, mirror=True, trust=candidate.trust, hosts=hosts[candidate.trust])
    return list(places.values())


def in_order(places: Iterable[Place], store: Store, *, regional: bool) -> list[Place]:
    """Those who have served well first, then by class; among equals chance decides, so that no mirror gets all. Who has
    lied is left out. `regional`: the given order counts before rates."""
    liars = store.liars()
    honest = [place for place in places if place.given.netloc not in liars]
    known = store.servers(place.given.netloc for place in honest)

    def key(numbered: tuple[int, Place]) -> tuple[float, ...]:
        number, place = numbered
        server = known.get(place.given.netloc)
        rate = server.rate if server is not None and server.rate else 0.0
        bad = server is not None and server.errors > 1 and not rate
        return (bad, number if regional else 0, -rate, _rank(place.trust), random.random())

    return [place for _, place in sorted(enumerate(honest), key=key)]


def _rank(trust: str) -> int:
    return CLASSES.index(trust)
