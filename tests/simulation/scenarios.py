"""Downloads over faulty networks, drawn from a seed.

Three moods: `good` has one source that serves the file in the end, with faults that every network has; it must end
well. `hopeless` has none; it must give up. `wild` may be anything; it must end, and never with a wrong file.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from math import inf

from fastdl.core.head import Validators
from fastdl.core.orders import Restart
from fastdl.core.ranges import RangeSet
from fastdl.core.state import Limits
from fastdl.errors import FastdlError
from simulation.clock import Clock
from simulation.content import Version
from simulation.network import Network
from simulation.parts import Claims, Place, Settings
from simulation.server import Change, Outage, Quirk, Server
from simulation.shell import Outcome, download

KIB = 1024
MIB = 1024 * KIB
MODIFIED = "Sat, 01 Jun 2024 08:30:00 GMT"
LATER = "Tue, 04 Jun 2024 23:10:00 GMT"


@dataclass(slots=True)
class Scenario:
    """Everything that a run depends on."""

    seed: int
    mood: str
    places: list[Place]
    settings: Settings
    total: float
    block: int
    claims: Claims | None = None

    def run(self) -> Outcome:
        """Play it. Raises AssertionError where an invariant does not hold."""
        chance = random.Random(self.seed * 7 + 1)
        clock = Clock()
        network = Network(clock, chance, total=self.total, block=self.block)
        return download(clock, network, self.places, self.settings, chance, self.claims)


def draw(seed: int) -> Scenario:
    """The scenario of a seed."""
    r = random.Random(seed)
    mood = r.choices(("good", "hopeless", "wild"), (60, 10, 30))[0]
    size = r.choice((1, 1000, 64 * KIB, 300 * KIB, MIB, 3 * MIB, 8 * MIB, 20 * MIB, 48 * MIB)) + r.randrange(3)
    size += r.randrange(size)
    version = Version(1, size, *validators(r, 1))
    count = r.choices((1, 2, 3, 4), (60, 25, 10, 5))[0]
    rate = 10 ** r.uniform(5.0, 7.5) if size > MIB else 10 ** r.uniform(4.3, 7.0)
    rate = max(rate, size / 40)
    places = [place_of(r, index, version, rate) for index in range(count)]
    settings = settings_of(r)
    scenario = Scenario(seed, mood, places, settings, r.choice((inf, inf, rate * 4)), block_for(size))
    best = r.randrange(count)
    for index, place in enumerate(places):
        if mood == "good" and index == best:
            common(r, place, settings, rate, size)
        elif mood == "hopeless" or (mood == "good" and index == 0):
            common(r, place, settings, rate, size)
            _doom(r, place, size, rate)
        else:
            _anything(r, place, version, rate, size)
    if settings.window is not None:  # what went out cannot be compared: without sizes and validators nothing would tell
        for place in places:
            place.server.sized = True
    if mood == "good":
        for place in places[:best] + places[best + 1 :]:
            # Whoever speaks first decides which file it is: let that be nobody who lies or has another one.
            place.server.quirks = [q for q in place.server.quirks if not q.kind.startswith("wrong")]
            if any(state.size != size for _, state in place.server.versions):
                place.server.versions = [(0.0, version)]
    if mood == "good" and settings.limits.retries < 4:
        settings.limits = replace(settings.limits, retries=8)
    if r.random() < 0.2 and settings.window is None:
        scenario.claims = claims_of(r, version)
        if scenario.claims is not None and version.etag is None and r.random() < 0.5:
            age(scenario.claims, version, r)
    return scenario


def validators(r: random.Random, number: int) -> tuple[str | None, str | None]:
    modified = MODIFIED if number == 1 else LATER
    return r.choice(
        (
            (f'"v{number}"', modified),
            (f'"v{number}"', None),
            (f'W/"v{number}"', None),
            (None, modified),
            (None, None),
        )
    )


def block_for(size: int) -> int:
    return 16 * KIB if size < 2 * MIB else 64 * KIB if size < 16 * MIB else 192 * KIB


def settings_of(r: random.Random) -> Settings:
    connections = r.choice((None, None, None, 1, 2, 4, 8, 16))
    per_host = r.choice((8, 8, 8, 1, 2, 4, 16))
    limits = Limits(connections, per_host, r.choice((None, None, None, 64 * KIB, MIB)), r.choice((8, 8, 5, 3, 1, 0)))
    settings = Settings(limits, timeout=r.choice((30.0, 10.0, 4.0)))
    if r.random() < 0.15:
        settings.window = r.choice((256 * KIB, MIB, 4 * MIB))
    if r.random() < 0.5:
        settings.hesitation = r.choice((0.02, 0.2))
        settings.longest = r.choice((0.001, 0.01, 0.1, 2.5))
    if r.random() < 0.5:
        settings.disk = r.choice((0.001, 0.02, 0.2))
    if r.random() < 0.1:
        settings.shares = [(r.uniform(0, 3), max(1, per_host // 2)), (r.uniform(3, 6), per_host)]
    if r.random() < 0.1 and per_host > 1:
        settings.others = [(r.uniform(0, 1), r.randrange(1, per_host)), (r.uniform(1, 6), 0)]
    return settings


def place_of(r: random.Random, index: int, version: Version, rate: float) -> Place:
    shared = index > 0 and r.random() < 0.15
    host = "host-0" if shared else f"host-{index}"
    etag, modified = (version.etag, version.modified) if index == 0 else validators(r, 1)
    server = Server(host, [(0.0, replace(version, etag=etag, modified=modified))])
    server.rtt = r.choice((0.0005, 0.01, 0.05, 0.15, 0.3))
    server.rate = rate * r.choice((1, 1, 0.5, 0.1)) if index else rate
    server.total = r.choice((inf, server.rate * 3))
    server.slow_start = r.random() < 0.3
    place = Place(server, mirror=index > 0)
    if r.random() < 0.15:
        place.front = Server(f"front-{index}", server.versions, rtt=server.rtt, is_front=True)
        server.lifetime = inf
    return place


# --- what every network has ------------------------------------------------------------------------------


def common(r: random.Random, place: Place, settings: Settings, rate: float, size: int) -> None:
    """Faults that a download has to live with: all of them pass, or leave something that works."""
    server = place.server
    seconds = size / server.rate
    kinds = [r.randrange(16) for _ in range(r.choice((0, 1, 1, 2, 3)))]
    for kind in kinds:
        if kind == 0:
            server.limit, server.beyond = r.choice((1, 2, 3, 5)), r.choice(("429", "503", "reset", "refuse"))
            server.retry_after = r.choice((None, "1", "3"))
        elif kind == 1:
            server.quirks.append(Quirk("cut", r.choice((0.2, 1.0)), r.choice((1, 3, 8))))
        elif kind == 2:
            server.quirks.append(Quirk("stall", 0.3, r.choice((1, 3)), r.choice((1.0, 3.0, 8.0, inf))))
        elif kind == 3:
            server.quirks.append(Quirk("late", 0.3, r.choice((1, 4)), r.choice((0.5, 2.0, 6.0))))
        elif kind == 4:
            start = r.uniform(0, seconds)
            server.outages.append(
                Outage(start, start + r.uniform(0.1, 2.0), r.choice(("503", "500", "reset", "refuse")))
            )
        elif kind == 5:
            server.quirks.append(Quirk("short", r.choice((0.3, 1.0)), r.choice((3, 30))))
            server.most = r.choice((inf, max(64 * KIB, size // 100)))
        elif kind == 6:
            server.changes += [
                Change(r.uniform(0, seconds), r.choice((None, 0, 1, 2)), server.rate * r.choice((0.02, 0.3, 3.0)))
                for _ in range(r.choice((1, 3)))
            ]
        elif kind == 7:
            server.changes.append(Change(r.uniform(0, seconds), r.choice((0, 1, 2)), 0.0))
        elif kind == 8:
            server.ranges = False
            server.sized = r.random() < 0.7
            settings.limits = replace(settings.limits, retries=8)
        elif kind == 9 and place.front is None:
            place.front = Server(f"front-{server.host}", server.versions, rtt=server.rtt, is_front=True)
            server.lifetime = r.choice((inf, seconds / 3 + 2.0)) if len(kinds) == 1 else inf
            server.uses = r.choice((inf, 20))
        elif kind == 10:
            server.keeps, server.says_close = r.choice((1, 2, 5)), r.random() < 0.5
        elif kind == 11:
            server.pipelining = r.choice(("close", "hang"))
        elif kind == 12:
            page = "502" if place.mirror else "html"  # for all that is known, a mirror that is new has this page only
            trick = r.choice(("wrong start", "no content-range", "multipart", "too long", "500", page))
            server.quirks.append(Quirk(trick, r.choice((0.1, 0.5)), r.choice((1, 3)), after=2 * (trick == "html")))
        elif kind == 13 and not place.mirror:  # a mirror that lies once about which file it has is not asked again
            server.quirks.append(Quirk(r.choice(("wrong total", "wrong etag")), 0.2, 1, after=r.choice((0, 2))))
        elif kind == 14:
            server.quirks.append(Quirk(r.choice(("429", "503", "502")), 0.3, r.choice((1, 3))))
        else:
            server.quirks.append(Quirk("whole", 0.2, 1, after=1))


def _doom(r: random.Random, place: Place, size: int, rate: float) -> None:
    """Nothing comes from here after a while."""
    begin = r.choice((0.0, r.uniform(0, size / rate)))
    place.server.outages = [Outage(begin, inf, r.choice(("refuse", "reset", "503", "500", "404", "hang", "403")))]


def _anything(r: random.Random, place: Place, version: Version, rate: float, size: int) -> None:
    """No promise at all."""
    server = place.server
    common(r, place, Settings(Limits()), rate, size)
    kind = r.randrange(10)
    if kind == 0:
        _doom(r, place, size, rate)
    elif kind == 1:
        at = r.uniform(0, size / rate)
        larger = replace(version, number=2, size=size + r.choice((-1, 1, 5000)) if size > 1 else 5, etag=None)
        etag, modified = validators(r, 2)
        server.versions.append((at, replace(larger, etag=etag, modified=modified)))
    elif kind == 2:
        first = server.versions[0][1]
        server.versions = [(0.0, replace(first, number=3, size=size * 2 + 7))]
        server.sized = True  # without a size nothing tells, and a mirror counts as the user's word
    elif kind == 3:
        server.per_node = r.choice((2, 3))
    elif kind == 4:
        trick = r.choice(("wrong start", "wrong total", "wrong etag", "no content-range", "multipart", "too long"))
        server.quirks.append(Quirk(trick, r.choice((0.3, 1.0)), inf))
    elif kind == 5:
        trick = r.choice(("cut", "hang", "500", "503", "html", "whole", "404"))
        server.quirks.append(Quirk(trick, r.choice((0.3, 1.0)), share=r.choice((None, 0.0))))
    elif kind == 6:
        server.quirks.append(Quirk("403", 1.0, inf, after=r.randrange(1, 10)))
    elif kind == 7:
        server.quirks.append(Quirk("stall", 1.0, inf, inf))
    elif kind == 8:
        server.retry_after = r.choice(("20", "1000", "0"))
        server.quirks.append(Quirk("429", 0.5, inf))
    if kind == 1 and not any((version.etag, version.modified)) and server.versions[-1][1].size == size:
        server.versions.pop()


def claims_of(r: random.Random, version: Version) -> Claims | None:
    done = RangeSet()
    for _ in range(r.randrange(1, 5)):
        start = r.randrange(version.size)
        done.add(start, r.randrange(start, version.size) + 1)
    if done.total == version.size:
        return None
    return Claims(done, version.size, Validators(version.etag, version.modified), version.number)


def age(claims: Claims, version: Version, r: random.Random) -> None:
    """The file was another one when the earlier run fetched its beginning: of the same size, and nothing but its bytes
    (or its weak date) tells."""
    claims.version = 9
    claims.done = RangeSet([(0, r.randrange(version.size) or 1)])
    claims.validators = Validators(None, LATER if version.modified is not None and r.random() < 0.5 else None)


def _doubtful(scenario: Scenario, outcome: Outcome) -> bool:
    """Whether somebody serves another file at times, or none whose bytes could be known again."""
    servers = [place.server for place in scenario.places]
    sizes = {version.size for server in servers for _, version in server.versions}
    lies = any(quirk.kind.startswith("wrong") for server in servers for quirk in server.quirks)
    plain = any(attempt.core.single for attempt in outcome.attempts)
    return len(sizes) > 1 or lies or any(server.per_node > 1 for server in servers) or plain


def check(scenario: Scenario, outcome: Outcome) -> None:
    """What the mood of a scenario demands of its outcome."""
    error: FastdlError | None = outcome.error
    taken_back = scenario.settings.window is not None and any(isinstance(a.outcome, Restart) for a in outcome.attempts)
    if scenario.mood == "good" and not (taken_back and _doubtful(scenario, outcome)):  # what is out on stdout is out
        assert error is None, f"it gave up although a source served the file: {error}"
    if scenario.mood == "hopeless" and error is None:
        assert outcome.size is not None
    if error is not None:
        assert error.what, "an error without a word"
