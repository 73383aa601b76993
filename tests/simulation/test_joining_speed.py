"""What mirrors that join bring, against the fluid ideal, and what bad ones cost. In virtual time.

The fluid ideal: before a mirror joins, the origin's rate; from then on the sum of both. Beyond it a mirror that is used
well may take its trial (asked, answered, a first range and its rate known) and what every download's end takes.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from math import inf

import pytest

from fastdl.core import plan
from fastdl.core.state import Limits
from simulation.clock import Clock
from simulation.content import Version
from simulation.joining import LIE
from simulation.network import Network
from simulation.parts import Place, Settings
from simulation.server import Change, Outage, Quirk, Server
from simulation.shell import Outcome, download
from simulation.test_speed import wasted

KIB = 1024
MIB = 1024 * KIB


def server(size: int, host: str, rate: float, rtt: float, number: int = 1) -> Server:
    return Server(host, [(0.0, Version(number, size, '"v1"'))], rtt=rtt, rate=inf, total=rate)


def play(origin: Server, *mirrors: Server, at: float = 0.3, **settings: object) -> Outcome:
    """Download from an origin; the mirrors join after `at` seconds. It must end well."""
    clock, chance = Clock(), random.Random(1)
    places = [Place(origin), *(Place(one, mirror=True, mapped=True, joins=at) for one in mirrors)]
    made = Settings(Limits(), size=origin.versions[0][1].size, **settings)  # type: ignore[arg-type]
    outcome = download(clock, Network(clock, chance), places, made, chance)
    assert outcome.error is None, outcome.error
    return outcome


# --- good ones -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rtt", [0.0005, 0.02, 0.1])
@pytest.mark.parametrize("at", [0.05, 0.3, 2.0, 5.0])
@pytest.mark.parametrize("size", [20 * MIB, 50 * MIB, 200 * MIB])
def test_a_mirror_of_four_times_the_rate(size: int, at: float, rtt: float) -> None:
    rate = 2.0 * MIB
    outcome = play(server(size, "origin", rate, rtt), server(size, "mirror", 4 * rate, rtt), at=at)
    ideal = at + (size - at * rate) / (5 * rate)
    assert outcome.seconds <= 1.02 * ideal + 0.2 + 5 * rtt
    assert wasted(outcome) <= 2 * MIB


@pytest.mark.parametrize("rtt", [0.0005, 0.03, 0.15])
@pytest.mark.parametrize("rate", [128 * KIB, 512 * KIB, 2 * MIB, 8 * MIB])
@pytest.mark.parametrize("times", [0.5, 1, 4])
def test_mirrors_of_other_rates(times: float, rate: int, rtt: float) -> None:
    """However much each connection of the origin has to do when the mirror comes."""
    size = 20 * rate
    outcome = play(server(size, "origin", rate, rtt), server(size, "mirror", times * rate, rtt), at=1.0)
    ideal = 1.0 + (size - rate) / ((1 + times) * rate)
    assert outcome.seconds <= 1.1 * ideal + 1.2


def test_three_mirrors_bring_their_sum() -> None:
    size, rate = 200 * MIB, 2.0 * MIB
    mirrors = [server(size, f"mirror-{n}", 4 * rate, 0.05) for n in range(3)]
    outcome = play(server(size, "origin", rate, 0.05), *mirrors)
    assert outcome.seconds <= 1.1 * (0.3 + size / (13 * rate))


# --- bad ones --------------------------------------------------------------------------------------------


def _outage(kind: str) -> Callable[[Server], None]:
    return lambda one: one.outages.append(Outage(0.0, inf, kind))


def _quirk(*quirk: object, **more: object) -> Callable[[Server], None]:
    return lambda one: one.quirks.append(Quirk(*quirk, **more))  # type: ignore[arg-type]


def _slow(one: Server) -> None:
    one.total /= 100


def _stale(one: Server) -> None:
    one.versions = [(0.0, Version(3, one.versions[0][1].size + 1, '"v1"'))]


def _whole(one: Server) -> None:
    one.ranges = False


BAD: dict[str, Callable[[Server], None]] = {
    **{f"outage {kind}": _outage(kind) for kind in ("hang", "refuse", "reset", "404", "503", "429")},
    "no head": _quirk("hang"),
    "no body": _quirk("stall", 1.0, inf, inf, share=0.0),
    "half a body": _quirk("stall", 1.0, inf, inf, share=0.5),
    "cut": _quirk("cut", 1.0, share=0.0),
    "late heads": _quirk("late", 1.0, inf, 1.8),
    "page": _quirk("html"),
    "slow": _slow,
    "stale": _stale,
    "whole": _whole,
}


# Seconds. Most cost nothing but a range that ends later than it might have. Who answers late, or at a crawl, holds the
# last ranges for a moment. Who falls silent in every body is found out by two silences, one of which may be the last.
COST = {"late heads": 1.5, "no body": 0.9, "slow": 1.5, "half a body": 2 * plan.STALL + 1.0}


@pytest.mark.parametrize("prefer", [False, True], ids=["auto", "prefer"])
@pytest.mark.parametrize("rtt", [0.0005, 0.03, 0.15])
@pytest.mark.parametrize("kind", BAD)
def test_what_a_bad_mirror_costs(kind: str, rtt: float, prefer: bool) -> None:
    """Two of them, at the beginning or near the end."""
    for rate, seconds in ((512 * KIB, 12), (4 * MIB, 4)):
        size = rate * seconds
        alone = play(server(size, "origin", rate, rtt)).seconds
        for at in (0.05, 0.6 * seconds):
            mirrors = [server(size, f"mirror-{n}", rate, rtt) for n in range(2)]
            for one in mirrors:
                BAD[kind](one)
            outcome = play(server(size, "origin", rate, rtt), *mirrors, at=at, prefer=prefer)
            assert outcome.seconds <= alone + COST.get(kind, 0.75), f"{rate} B/s, joined at {at}"


@pytest.mark.parametrize("prefer", [False, True], ids=["auto", "prefer"])
@pytest.mark.parametrize("how", ["silent", "reset", "hang"])
def test_a_mirror_that_dies_costs_no_more_than_what_it_does_not_bring(how: str, prefer: bool) -> None:
    rate, at = 2.0 * MIB, 3.0
    size = int(20 * rate)
    one = server(size, "mirror", rate, 0.05)
    if how != "reset":
        one.changes.append(Change(at, None, 0.0))
    if how != "silent":
        one.outages.append(Outage(at, inf, how))
    outcome = play(server(size, "origin", rate, 0.05), one, prefer=prefer)
    ideal = at + (size - at * rate * (1 if prefer else 2)) / rate
    assert outcome.seconds <= ideal + 2.0


@pytest.mark.parametrize("size", [64 * MIB, 256 * MIB])
def test_one_liar_among_three(size: int) -> None:
    """With digests of pieces it costs less than a quarter more than without that mirror."""
    rate = 2.0 * MIB

    def run(*third: Server) -> Outcome:
        mirrors = [server(size, f"mirror-{n}", 2 * rate, 0.03) for n in range(2)]
        return play(server(size, "origin", rate, 0.03), *third, *mirrors, piece=MIB, hashing=400e6)

    honest, lying = run(), run(server(size, "liar", 2 * rate, 0.03, LIE))
    assert lying.disk.versions() == [1] and lying.attempts[-1].watch.dropped
    assert lying.seconds + lying.mended / rate <= 1.25 * honest.seconds
