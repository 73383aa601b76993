"""What earlier downloads have taught about hosts, and what that means for the sources of one URL.

Read from the state folder; where nothing was ever learned nothing is opened, and SQLite is not even loaded.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from fastdl.core.hints import TYPE_CHECKING, Any
from fastdl.core.record import Record
from fastdl.core.rules import CLASSES
from fastdl.core.trust import Verdict, judge_sources, proves
from fastdl.core.urls import parse_url
from fastdl.core.verify import Digest

if TYPE_CHECKING:
    from fastdl.core.inventory import Place
    from fastdl.core.servers import Server
    from fastdl.engine.explaining.asking import Asked
    from fastdl.io.store import Store
    from fastdl.settings import Settings

Object = dict[str, Any]

ANY_DIGEST = Digest("sha256", bytes(32))  # stands for the one that a publisher may have


class Memory(Record):
    """`servers`: what is known of hosts, by netloc, as objects for JSON; `liars`: when they sent altered bytes, in Unix
    seconds."""

    servers: dict[str, Object]
    liars: dict[str, float]

    def lie_of(self, netloc: str) -> str:
        """Why a host is out of favour, or ""."""
        when = self.liars.get(netloc)
        return "" if when is None else f"it sent altered bytes on {day(when)}"

    def on_place(self, place: Place) -> Place:
        """An entry of the list of mirrors, with its lie counted."""
        why = self.lie_of(place.netloc)
        return place._replace(allowed=False, why=why) if why and place.allowed else place


def day(when: float) -> str:
    """A date of the UTC calendar."""
    return time.strftime("%Y-%m-%d", time.gmtime(when))


def recall(store: Store, netlocs: Iterable[str]) -> Memory:
    """What is known of these hosts ("host" or "host:port")."""
    wanted = set(netlocs)
    liars = {netloc: when for netloc, when in store.liars().items() if netloc in wanted}
    known = store.servers(sorted(wanted))
    return Memory({netloc: _server(server) for netloc, server in known.items()}, liars)


def _server(server: Server) -> Object:
    return {
        "host": server.host,
        "bytes_per_second": round(server.rate) if server.rate else None,
        "latency": round(server.latency, 6) if server.latency is not None else None,
        "connections": server.connections or None,
        "busy": round(server.busy, 2),
        "ranges": server.ranges,
        "errors": round(server.errors, 2),
        "downloads": server.downloads,
        "seen": day(server.seen),
    }


# --- the sources of one URL ------------------------------------------------------------------------------


def verdicts_on(asked: Asked, settings: Settings, proof: Digest | None, store: Store) -> tuple[list[Verdict], Memory]:
    """The verdict on every mapped source, and what is remembered of them and of the origin: the allowed ones first, in
    the order in which a download would try them (but for chance among equals). `proof`: the digest that lets others
    help."""
    pending = asked.known.pending and not settings.insecure
    verdicts = _judged(asked, settings, proof, pending)
    if settings.insecure and not proves(proof):
        verdicts = [_for_want_of_tls(verdict, _judged(asked, settings, ANY_DIGEST, False)) for verdict in verdicts]
    origin = parse_url(asked.route.url).netloc
    memory = recall(store, [origin, *(parse_url(verdict.candidate.url).netloc for verdict in verdicts)])
    verdicts = [_remembered(verdict, memory, proves(proof)) for verdict in verdicts]
    regional = settings.region != "auto"
    order = {verdict.candidate.url: place for place, verdict in enumerate(verdicts)}

    def key(verdict: Verdict) -> tuple[float, ...]:
        candidate = verdict.candidate
        known = memory.servers.get(parse_url(candidate.url).netloc, {})
        rate = known.get("bytes_per_second") or 0
        bad = known.get("errors", 0) > 1 and not rate
        near = order[candidate.url] if regional else 0
        return (not verdict.allowed, bad, near, -rate, CLASSES.index(candidate.trust), order[candidate.url])

    return sorted(verdicts, key=key), memory


def _judged(asked: Asked, settings: Settings, proof: Digest | None, pending: bool) -> list[Verdict]:
    return judge_sources(
        asked.route, proof, pending, settings.trust, settings.cdn, asked.private, frozenset(), settings.region
    )


def _for_want_of_tls(verdict: Verdict, proved: list[Verdict]) -> Verdict:
    """The verdict, with the reason why a published digest does not help. `proved`: what it would be with one."""
    would = any(other.allowed and other.candidate == verdict.candidate for other in proved)
    if verdict.allowed or not would:
        return verdict
    return verdict._replace(why="a published digest does not count without verified TLS (--insecure)")


def _remembered(verdict: Verdict, memory: Memory, proved: bool) -> Verdict:
    """The verdict, with what stands against the source besides the trust table. `proved`: a strong digest is known."""
    candidate = verdict.candidate
    if not verdict.allowed:
        return verdict
    why = memory.lie_of(parse_url(candidate.url).netloc)
    if candidate.own_token:
        why = "it asks for a token of its own"
    elif not candidate.url.startswith("https:") and not proved:
        why = "over plain HTTP only with a strong digest"
    return verdict._replace(allowed=False, why=why) if why else verdict
