"""Downloads that mirrors join while they run, drawn from a seed.

The origin serves the file in the end, with faults that every network has; the mirrors are of any kind. Whatever they
are, the download must end well, and what a mirror can cost is bounded (test_joining.py).
"""

from __future__ import annotations

import random
from dataclasses import replace
from math import inf

from simulation.content import Version
from simulation.parts import Place
from simulation.scenarios import (
    KIB,
    MIB,
    Scenario,
    age,
    block_for,
    claims_of,
    common,
    place_of,
    settings_of,
    validators,
)
from simulation.server import Change, Outage, Quirk, Server

LIE = 7  # the version that altering mirrors serve: of the same size and with the same validators
KINDS = (
    "honest",
    "fast",
    "slow",
    "dies",
    "silent",
    "stale",
    "stale later",
    "hangs",
    "refuses",
    "whole",
    "page",
    "few",
    "short",
    "odd",
    "late",
    "moody",
)


def draw(seed: int) -> Scenario:
    """The scenario of a seed."""
    r = random.Random(seed * 31 + 5)
    size = r.choice((64 * KIB, MIB, 3 * MIB, 8 * MIB, 20 * MIB, 48 * MIB)) + r.randrange(3)
    size += r.randrange(size)
    version = Version(1, size, *validators(r, 1))
    rate = max(10 ** r.uniform(5.0, 7.3), size / 40)
    settings = settings_of(r)
    settings.limits = replace(settings.limits, retries=8)
    settings.prefer = r.random() < 0.15
    places = [place_of(r, 0, version, rate)]
    common(r, places[0], settings, rate, size)
    lies = r.random() < 0.25
    if lies or r.random() < 0.2:
        settings.window = None
        settings.piece = max(64 * KIB, size // r.choice((4, 20, 150)))
        settings.size = size
        settings.hashing = r.choice((inf, 500e6, 20e6, 2e6))
        settings.bans = r.random() < 0.7
    for index in range(1, r.choices((2, 3, 4, 6), (50, 25, 15, 10))[0]):
        places.append(_mirror(r, index, version, rate, "alters" if lies and index == 1 else r.choice(KINDS)))
    scenario = Scenario(seed, "good", places, settings, r.choice((inf, inf, rate * 4)), block_for(size))
    if settings.window is not None:  # what went out cannot be compared: without sizes and validators nothing would tell
        places[0].server.sized = True
    if r.random() < 0.2 and settings.window is None:
        scenario.claims = claims_of(r, version)
        if scenario.claims is not None and version.etag is None and settings.piece and r.random() < 0.7:
            age(scenario.claims, version, r)
    return scenario


def _mirror(r: random.Random, index: int, version: Version, rate: float, kind: str) -> Place:
    """A mapped source. Its validators are its own: the digest is what vouches for it."""
    host = "host-0" if r.random() < 0.05 else f"mirror-{index}"
    own = replace(version, etag=f'"{index}"' if r.random() < 0.7 else None)
    server = Server(host, [(0.0, own)], rtt=r.choice((0.0005, 0.01, 0.05, 0.15, 0.3)))
    server.rate = rate * 10 ** r.uniform(-1, 0.7)
    server.slow_start = r.random() < 0.3
    place = Place(server, mirror=True, mapped=True, joins=r.choice((0.0, 0.05, 0.3, r.uniform(0, 5))))
    behave(server, kind, r, version)
    if r.random() < 0.1:
        place.front = Server(f"front-{index}", server.versions, rtt=server.rtt, is_front=True)
        server.lifetime = inf
    return place


def behave(server: Server, kind: str, r: random.Random, version: Version) -> None:
    """Make a mirror one of its kind."""
    own = server.versions[0][1]
    if kind == "fast":
        server.rate *= 4
    elif kind == "slow":
        server.rate /= 50
    elif kind == "dies":
        server.outages.append(Outage(r.uniform(0, 6), inf, r.choice(("refuse", "reset", "503", "404", "hang"))))
    elif kind == "silent":
        server.changes.append(Change(r.uniform(0, 6), None, 0.0))
    elif kind == "stale":
        server.versions = [(0.0, replace(own, number=3, size=version.size + r.choice((-1, 1, 5000))))]
    elif kind == "stale later":
        server.versions.append((r.uniform(0, 5), replace(own, number=3, size=version.size + 1, etag='"new"')))
    elif kind == "hangs":
        server.outages.append(Outage(0.0, inf, "hang") if r.random() < 0.5 else Outage(-1.0, 0.0, "503"))
        server.quirks.append(Quirk("hang"))
    elif kind == "refuses":
        server.outages.append(Outage(0.0, inf, r.choice(("refuse", "reset", "403", "404", "429", "500", "503"))))
    elif kind == "whole":
        server.ranges, server.accepts = False, r.random() < 0.5
        server.sized = r.random() < 0.8
    elif kind == "page":
        server.quirks.append(Quirk("html", r.choice((0.3, 1.0)), inf))
    elif kind == "few":
        server.limit, server.beyond = r.choice((1, 2)), r.choice(("429", "503", "reset", "refuse"))
    elif kind == "short":
        server.most = 200 * KIB
    elif kind == "odd":
        trick = r.choice(("wrong start", "wrong total", "wrong etag", "no content-range", "multipart", "too long"))
        server.quirks.append(Quirk(trick, r.choice((0.3, 1.0)), inf))
    elif kind == "late":
        server.quirks.append(Quirk("late", r.choice((0.5, 1.0)), inf, r.choice((0.5, 1.9, 4.0))))
    elif kind == "moody":
        server.quirks.append(Quirk(r.choice(("cut", "500", "503", "429")), r.choice((0.2, 0.6)), inf))
    elif kind == "alters":
        server.versions = [(0.0, replace(own, number=LIE))]
