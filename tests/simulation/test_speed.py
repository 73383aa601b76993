"""How well the scheduler uses a network, in virtual time: close to the fluid ideal, and without needless requests."""

from __future__ import annotations

import random
from math import inf

import pytest

from fastdl.core.state import Limits
from simulation.clock import Clock
from simulation.content import Version
from simulation.network import Network
from simulation.parts import Place, Settings
from simulation.server import Change, Outage, Quirk, Server
from simulation.shell import Outcome, download

KIB = 1024
MIB = 1024 * KIB
MBIT = 1e6 / 8


def server(size: int, host: str = "one", **rest: object) -> Server:
    """An honest server with a strong ETag."""
    return Server(host, [(0.0, Version(1, size, '"v1"'))], **rest)  # type: ignore[arg-type]


def play(
    *servers: Server,
    connections: int | None = None,
    per_host: int = 8,
    timeout: float = 30.0,
    total: float = inf,
    block: int = 64 * KIB,
    window: int | None = None,
    seed: int = 1,
) -> Outcome:
    """Download from these servers, the first of them the origin. It must end well."""
    clock, chance = Clock(), random.Random(seed)
    places = [Place(one, mirror=index > 0) for index, one in enumerate(servers)]
    settings = Settings(Limits(connections, per_host), timeout=timeout, window=window)
    outcome = download(clock, Network(clock, chance, total=total, block=block), places, settings, chance)
    assert outcome.error is None, outcome.error
    return outcome


def requests(outcome: Outcome) -> int:
    """Requests of all attempts."""
    return sum(attempt.watch.fetches + attempt.watch.pipelined for attempt in outcome.attempts)


def connects(outcome: Outcome) -> int:
    """Connections that were opened."""
    return sum(sum(attempt.watch.connects.values()) for attempt in outcome.attempts)


def wasted(outcome: Outcome) -> int:
    """Bytes that came and were not kept."""
    watch = outcome.attempts[-1].watch
    return watch.hedge_waste + watch.abort_waste + watch.overrun_waste


# --- good weather ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("rtt", [0.0005, 0.02, 0.08, 0.3])
@pytest.mark.parametrize("size", [MIB, 20 * MIB, 200 * MIB])
def test_even_connections_end_together(size: int, rtt: float) -> None:
    rate = size / 8 / 5
    outcome = play(server(size, rtt=rtt, rate=rate), connections=8)
    ideal = 5 + 2 * rtt
    # No range is smaller than 64 KiB, so at the end a slow connection may be one such range behind.
    assert outcome.seconds <= 1.06 * ideal + 4 * rtt + 0.1 + 64 * KIB / rate
    assert connects(outcome) <= 10


@pytest.mark.parametrize("seed", range(4))
def test_uneven_connections_end_together(seed: int) -> None:
    r = random.Random(seed)
    size = 64 * MIB
    rates = [10 ** r.uniform(5.0, 6.7) for _ in range(8)]
    one = server(size, rtt=0.05, changes=[Change(0.0, index, rate) for index, rate in enumerate(rates)])
    outcome = play(one, connections=8)
    assert outcome.seconds <= 1.1 * size / sum(rates) + 0.5


def test_a_long_fat_link_with_slow_start() -> None:
    size = 100 * MIB
    outcome = play(server(size, rtt=0.08, rate=12.5e6, total=100e6, slow_start=True))
    # 8 windows that double side by side fill 100 MB/s after about 0.6 s, and until then half of that comes through.
    assert outcome.seconds <= size / 100e6 + 1.2
    assert requests(outcome) <= 120


def test_one_connection_asks_little() -> None:
    outcome = play(server(100 * MIB, rate=10e6), connections=1)
    assert requests(outcome) == 1
    assert outcome.seconds <= 10.6


def test_no_storm_of_small_requests() -> None:
    size = 512 * MIB
    outcome = play(server(size, rtt=0.03, rate=4e6), connections=8, block=256 * KIB)
    assert requests(outcome) <= 8 * 20 + 60
    assert wasted(outcome) <= 4 * MIB


def test_a_small_file_is_one_request() -> None:
    outcome = play(server(20 * KIB, rtt=0.1))
    assert requests(outcome) == 1 and connects(outcome) == 1


# --- two mirrors -----------------------------------------------------------------------------------------


def test_two_mirrors_bring_their_sum() -> None:
    size = 200 * MIB
    fast = server(size, "fast", rtt=0.08, rate=inf, total=200 * MBIT)
    slow = server(size, "slow", rtt=0.08, rate=inf, total=50 * MBIT)
    outcome = play(fast, slow)
    assert size / outcome.seconds >= 0.9 * 250 * MBIT


def test_two_mirrors_bring_their_sum_when_the_slow_one_is_the_origin() -> None:
    size = 200 * MIB
    fast = server(size, "fast", rtt=0.08, rate=inf, total=200 * MBIT)
    slow = server(size, "slow", rtt=0.08, rate=inf, total=50 * MBIT)
    outcome = play(slow, fast)
    assert size / outcome.seconds >= 0.9 * 250 * MBIT


def test_a_mirror_falls_silent_half_way() -> None:
    size = 64 * MIB
    one = server(size, "one", rtt=0.05, rate=1e6)
    two = server(size, "two", rtt=0.05, rate=1e6, outages=[], changes=[Change(2.0, None, 0.0)])
    outcome = play(one, two)
    left = size - 2 * 16e6
    assert outcome.seconds <= 1.15 * (2 + left / 8e6) + 2.5


def test_a_mirror_dies_half_way() -> None:
    size = 64 * MIB
    one = server(size, "one", rtt=0.05, rate=1e6)
    two = server(size, "two", rtt=0.05, rate=1e6, outages=[Outage(2.0, inf, "reset")])
    outcome = play(one, two)
    left = size - 2 * 16e6
    assert outcome.seconds <= 1.15 * (2 + left / 8e6)


# --- bad weather -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [0.5, 2.0, 4.0, 4.9])
def test_one_connection_becomes_very_slow(at: float) -> None:
    size, rate = 40 * MIB, 1 * MIB
    one = server(size, rtt=0.05, rate=rate, changes=[Change(at, 3, rate / 50)])
    outcome = play(one, connections=8)
    ideal = at + max(0.0, size - 8 * rate * at) / (7 * rate + rate / 50)
    assert outcome.seconds <= 1.15 * ideal + 0.5


@pytest.mark.parametrize("number", [0, 3, 7])
@pytest.mark.parametrize("at", [0.5, 2.0, 4.0, 4.9])
def test_one_connection_falls_silent(at: float, number: int) -> None:
    size, rate = 40 * MIB, 1 * MIB
    one = server(size, rtt=0.05, rate=rate, changes=[Change(at, number, 0.0)])
    outcome = play(one, connections=8)
    ideal = at + max(0.0, size - 8 * rate * at) / (7 * rate)
    assert outcome.seconds <= 1.15 * ideal + 0.5


def test_all_but_one_connection_fall_silent() -> None:
    size, rate = 40 * MIB, 1 * MIB
    one = server(size, rtt=0.05, rate=rate, changes=[Change(2.0, index, 0.0) for index in range(7)])
    outcome = play(one, connections=8)
    # New connections work: it takes some seconds to see that the old ones do not.
    assert outcome.seconds <= 5.0 + 3.5


def test_a_connection_whose_head_never_comes() -> None:
    size, rate = 40 * MIB, 1 * MIB
    outcome = play(server(size, rtt=0.05, rate=rate, quirks=[Quirk("hang", 1.0, 1, after=4)]), connections=8)
    assert outcome.seconds <= 1.3 * 5.0


def test_the_only_connection_falls_silent() -> None:
    size = 10 * MIB
    outcome = play(server(size, rate=MIB, changes=[Change(2.0, 0, 0.0)]), connections=1, timeout=5.0)
    assert outcome.seconds <= 10 + 5 + 1.5


def test_a_server_of_two_connections() -> None:
    size = 40 * MIB
    for beyond in ("429", "503", "reset", "refuse"):
        outcome = play(server(size, rtt=0.05, rate=MIB, limit=2, beyond=beyond))
        assert outcome.seconds <= 1.1 * 20 + 1.0, beyond
        assert requests(outcome) <= 90, beyond


@pytest.mark.parametrize("limit", [2, 3])
def test_a_server_that_lets_one_connection_more_hang(limit: int) -> None:
    size = 64 * MIB
    outcome = play(server(size, rtt=0.03, rate=2e6, limit=limit, beyond="hang"))
    assert outcome.seconds <= 1.1 * size / 2e6 / limit + 1.0
    assert requests(outcome) <= 60


@pytest.mark.parametrize("limit", [1, 2, 3, 4])
@pytest.mark.parametrize(
    ("size", "rate", "rtt"),
    [(4, 1e6, 0.05), (4, 4e6, 0.0005), (4, 4e6, 0.05), (16, 4e6, 0.05), (16, 20e6, 0.0005), (64, 20e6, 0.05)],
)
def test_connections_that_hang_cost_nothing(limit: int, size: int, rate: float, rtt: float) -> None:
    outcome = play(server(size * MIB, rtt=rtt, rate=rate, limit=limit, beyond="hang"))
    one = size * MIB / rate + 2 * rtt
    assert outcome.seconds <= (1.25 if limit == 2 else 1.01) * one


@pytest.mark.parametrize("seed", range(3))
def test_a_server_that_is_slow_now_and_then_keeps_its_connections(seed: int) -> None:
    """Output in order gives somebody nothing to do again and again while others wait for their answers."""
    slow = Quirk("late", 0.3, seconds=1.2)
    outcome = play(server(64 * MIB, rate=1e6, quirks=[slow]), window=8 * MIB, seed=seed)
    (source,) = outcome.attempts[-1].core.sources
    assert source.busy == 0 and not source.unanswered
    assert outcome.seconds <= 2.5 * 64 * MIB / 8e6


def test_two_mirrors_that_take_one_to_three_seconds_over_each_answer() -> None:
    seconds = []
    for seed in range(12):
        slow = [[Quirk("late", seconds=1.0), Quirk("late", 0.5, seconds=2.0)] for _ in range(2)]
        one, two = (server(4 * MIB, host, rate=1e6, quirks=each) for host, each in zip(("a", "b"), slow, strict=True))
        outcome = play(one, two, seed=seed)
        assert not any(source.busy for source in outcome.attempts[-1].core.sources)
        seconds.append(outcome.seconds)
    assert sum(seconds) / len(seconds) <= 6.3  # as one connection to one of them on average


@pytest.mark.parametrize(("size", "rtt", "most"), [(4, 0.03, 1.8), (16, 0.03, 2.5), (4, 0.2, 4.5)])
def test_a_body_goes_on_where_a_server_thinks_over_each_answer(size: int, rtt: float, most: float) -> None:
    late = Quirk("late", seconds=1.0)
    one = server(size * MIB, rtt=rtt, rate=25e6, total=25e6, slow_start=True, quirks=[late])
    outcome = play(one)
    assert outcome.seconds <= most
    assert requests(outcome) <= 24


def test_a_short_outage_costs_little_more_than_itself() -> None:
    size, rate = 80 * MIB, 1 * MIB
    for kind in ("reset", "503", "refuse"):
        one = server(size, rtt=0.05, rate=rate, outages=[Outage(3.0, 4.5, kind)])
        outcome = play(one, connections=8)
        assert outcome.seconds <= 10 + 1.5 + 3.0, kind


def test_single_failures_do_not_cost_connections_for_good() -> None:
    size, rate = 160 * MIB, 1 * MIB
    one = server(size, rtt=0.05, rate=rate, quirks=[Quirk("500", 0.3, 6, after=10)])
    outcome = play(one, connections=8)
    assert outcome.seconds <= 1.25 * 20


def test_a_server_that_answers_short() -> None:
    size = 40 * MIB
    outcome = play(server(size, rtt=0.05, rate=MIB, most=512 * KIB), connections=8)
    assert outcome.seconds <= 1.2 * 5
    assert requests(outcome) <= 250


def test_a_server_that_closes_after_every_answer() -> None:
    size = 40 * MIB
    outcome = play(server(size, rtt=0.05, rate=MIB, keeps=1), connections=8)
    assert outcome.seconds <= 1.3 * 5


@pytest.mark.parametrize("way", ["close", "hang"])
def test_a_server_that_knows_no_pipelining(way: str) -> None:
    size = 80 * MIB
    outcome = play(server(size, rtt=0.05, rate=MIB, pipelining=way), connections=8)
    assert outcome.seconds <= 1.3 * 10


def test_a_server_without_ranges() -> None:
    size = 20 * MIB
    for accepts in (True, False):
        outcome = play(server(size, rate=2 * MIB, ranges=False, accepts=accepts))
        assert outcome.seconds <= 10.5
        assert requests(outcome) <= (2 if accepts else 1)
