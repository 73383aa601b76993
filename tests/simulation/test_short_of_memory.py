"""A machine that is short of memory: fewer connections, soon, and the file whole all the same."""

from __future__ import annotations

import random
from math import inf

import pytest

from fastdl.core.state import Limits
from simulation.bounds import MIB, server
from simulation.clock import Clock
from simulation.network import Network
from simulation.parts import Place, Settings
from simulation.scenarios import check, draw
from simulation.shell import download

LOOK = 3.0  # engine/watch.py


@pytest.mark.parametrize(("looks", "left"), [(1, 4), (2, 2), (3, 1), (5, 1)])
def test_half_of_the_connections_at_every_look(looks: int, left: int) -> None:
    clock, chance = Clock(), random.Random(1)
    network = Network(clock, chance)
    settings = Settings(Limits(), short_of_memory=[LOOK * (1 + look) for look in range(looks)])
    seen: list[tuple[float, int]] = []
    settings.log = lambda attempt, what, instructions: seen.append((clock.now, network.flowing))
    one = server(400 * MIB, rtt=0.05, rate=inf, total=10 * MIB)
    outcome = download(clock, network, [Place(one)], settings, chance)
    assert outcome.error is None
    assert max(count for now, count in seen if now < LOOK) == 8
    assert max(count for now, count in seen if now > LOOK * looks + 2.5) == left
    assert outcome.seconds <= 40 + 2  # the link is as fast with fewer


def test_a_single_connection_goes_on() -> None:
    clock, chance = Clock(), random.Random(1)
    settings = Settings(Limits(connections=1), short_of_memory=[1.0, 2.0])
    outcome = download(clock, Network(clock, chance), [Place(server(20 * MIB, rate=2 * MIB))], settings, chance)
    assert outcome.error is None and outcome.network.requests == 1


@pytest.mark.parametrize("first", range(0, 200, 25))
def test_over_faulty_networks(first: int) -> None:
    for seed in range(first, first + 25):
        scenario = draw(seed)
        r = random.Random(seed)
        scenario.settings.short_of_memory = [r.uniform(0.0, 4.0) for _ in range(2)]
        check(scenario, scenario.run())
