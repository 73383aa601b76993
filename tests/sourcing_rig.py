"""One download's sourcing without network and clock: rules, a publisher who answers when told, what was said."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest

from fastdl.core.digests import Found, Look
from fastdl.core.head import Head
from fastdl.core.mapper import Mapper
from fastdl.core.outlook import Outlook
from fastdl.core.pack import Limits, Pack
from fastdl.core.rules import DigestPlace, Mirror, Pattern, Rule
from fastdl.core.servers import Server
from fastdl.core.urls import parse_url
from fastdl.core.verify import Digest
from fastdl.engine import evidence, sourcing
from fastdl.engine.evidence import Evidence
from fastdl.engine.proof import Expected
from fastdl.engine.sourcing import Sourcing
from fastdl.io.contact import Answer, Place
from fastdl.io.lookup import Outcome
from fastdl.settings import Settings

MIB = 1 << 20
URL = "https://origin.example.org/files/app-1.2.tar"
SHA = Digest("sha256", hashlib.sha256(b"right").digest())
OTHER = Digest("sha512", hashlib.sha512(b"another").digest())
MD5 = Digest("md5", hashlib.md5(b"right").digest())


def mirror(host: str, trust: str = "official", **more: Any) -> Mirror:
    made = Mirror(host, host, "DE", f"https://{host}/pub/{{path}}", (), trust, True, trust != "alias")
    return made._replace(**more)


MIRRORS = (
    mirror("twin.example.org", "alias"),
    mirror("m.example.com"),
    mirror("n.example.net", region="JP"),
    mirror("stranger.example.com", "third-party"),
    mirror("off.example.com", "third-party", enabled=False),
)
SUMS = DigestPlace("sums", "sums_file", "sha256", "hex", url="https://origin.example.org/files/SHA256SUMS")


def rule(*mirrors: Mirror, name: str = "files", host: str = "origin.example.org", **more: Any) -> Rule:
    regex = rf"https?://{host}/files/(?P<path>[^?#]+)".replace(".", r"\.")
    pattern = Pattern("file", regex, "/files/", mutable=more.pop("mutable", False), resolve=more.pop("resolve", False))
    return Rule(name, name, (host,), (pattern,), mirrors, more.pop("digests", (SUMS,)))._replace(**more)


class Store:
    """What earlier runs have taught."""

    def __init__(self) -> None:
        self.lies: dict[str, float] = {}
        self.known: dict[str, Server] = {}

    def liars(self) -> dict[str, float]:
        return self.lies

    def servers(self, hosts: Iterable[str]) -> dict[str, Server]:
        return {host: self.known[host] for host in hosts if host in self.known}

    def met(self, host: str, rate: float | None, errors: float = 0.0) -> None:
        self.known[host] = Server(host, rate, 0.1, 4, 0.0, True, errors, 1, 0.0)


class Secrets:
    def __init__(self) -> None:
        self.any = False

    def has_secrets(self, url: object, now: float) -> bool:
        return self.any


class Session:
    def __init__(self, *rules: Rule) -> None:
        self.mapper = Mapper(Pack({}, {}, {}, Limits(("evil.example",))).changed({each.id: each for each in rules}))
        self.store = Store()
        self.credentials = Secrets()


class FakeLookup:
    """Answers when the test says so."""

    def __init__(
        self,
        session: object,
        looks: Iterable[Look],
        deadline: float,
        on_found: Callable[[Outcome], None],
        *,
        size: object = None,
        hosts: Iterable[str] = (),
    ) -> None:
        self.looks = list(looks)
        self.deadline = deadline
        self.hosts = list(hosts)
        self.outcome: Outcome | None = None
        self.ended = self.started = self.stopped = False
        self.heard = 0.0
        self.waits: list[float] = []
        self.while_waiting: Callable[[float], None] = lambda seconds: None
        self._on_found = on_found

    def start(self) -> None:
        self.started = True

    def stop(self) -> None:
        self.stopped = self.ended = True

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.while_waiting(seconds)

    def answer(
        self, digest: Digest | None = SHA, *, verified: bool = True, source: str = "origin", **found: Any
    ) -> None:
        if digest is None:
            self.outcome = Outcome("none", why="it answered 404")
        else:
            self.outcome = Outcome("known", Found(digest, (digest,), **found), source, self.looks[0].url, verified)
        self.ended = True
        self._on_found(self.outcome)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


class Rig:
    """One download's sourcing. `lookups` were started; `said` and `warned` is what people were told."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.clock = Clock()
        self.lookups: list[FakeLookup] = []
        self.said: list[str] = []
        self.warned: list[str] = []
        self.session = Session(rule(*MIRRORS))
        patch.setattr(evidence, "time", self.clock)
        patch.setattr(evidence, "Lookup", self._lookup)

    def _lookup(self, *args: Any, **more: Any) -> FakeLookup:
        made = FakeLookup(*args, **more)
        made.heard = self.clock.now
        self.lookups.append(made)
        return made

    def begin(self, *, url: str = URL, given: Sequence[Expected] = (), **settings: Any) -> Sourcing:
        self.places = [Place(parse_url(url)), *(Place(parse_url(m), mirror=True) for m in settings.get("mirrors", ()))]
        run = Settings(**settings)
        self.known = Evidence(self.session, run, url, self.places[0].given, given, self.said.append)  # type: ignore[arg-type]
        self.one = Sourcing(self.session, run, self.places, self.known, self.warned.append)  # type: ignore[arg-type]
        self.known.begin()
        return self.one

    def hear(self, *fields: tuple[str, str], size: int | None = 100 * MIB, hops: Sequence[str] = ()) -> list[Expected]:
        """The origin's first head, from the last of the redirects; what is newly known by then."""
        chain = [self.places[0].given, *map(parse_url, hops)]
        *before, last = chain
        redirects = tuple((url, Head(302, "", (("location", "x"),), "HTTP/1.1")) for url in before)
        answer = Answer(Head(206, "", fields, "HTTP/1.1"), last, None, redirects)  # type: ignore[arg-type]
        self.known.heard(self.places[0], answer, size)
        self.clock.now += sourcing.SETTLED + 0.01
        return self.known.digests()

    def join(self, **more: Any) -> Place | None:
        return self.one.next_source(outlook(**more), self.clock.now)

    def all(self, **more: Any) -> list[str]:
        """Hosts of all that join now, in their order."""
        hosts = []
        while (place := self.join(**more)) is not None:
            hosts.append(place.given.host)
        return hosts


def outlook(**more: Any) -> Outlook:
    usual = {"confirmed": True, "single": False, "left": 100 * MIB, "rate": float(MIB), "troubled": False}
    return Outlook(**{**usual, "trials": 0, "serving": 0, **more})


def user(digest: Digest) -> list[Expected]:
    return [Expected(digest, "user")]


def field(digest: Digest) -> tuple[str, str]:
    name = {"sha256": "sha-256", "sha512": "sha-512"}.get(digest.algorithm, digest.algorithm)
    return "repr-digest", f"{name}=:{base64.b64encode(digest.value).decode()}:"


def link(**relations: str) -> list[tuple[str, str]]:
    return [
        ("link", f'<{url}>; rel={name}' + ("; type=application/metalink4+xml" if name == "describedby" else ""))
        for name, url in relations.items()
    ]  # fmt: skip
