"""How far the scheduler stays behind the fluid bound, seed by seed, in virtual time (bounds.py)."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from math import inf

import pytest

from benches.switches import off
from simulation import bounds
from simulation.bounds import Played, bursty, half_way, slowed, stalls, uneven

SEEDS = range(40)


def ratios(shape: Callable[[int], Played], seeds: range = SEEDS) -> list[float]:
    """Of each seed, sorted."""
    return sorted(shape(seed).ratio for seed in seeds)


def test_eight_uneven_workers() -> None:
    found = ratios(uneven)
    assert statistics.median(found) <= 1.05 and found[-1] <= 1.08


def test_random_stalls() -> None:
    found = ratios(stalls, range(16))
    assert statistics.median(found) <= 1.10 and found[-1] <= 1.15


@pytest.mark.parametrize("factor", [50.0, inf])
def test_one_of_eight_slow_or_silent(factor: float) -> None:
    assert ratios(lambda seed: slowed(seed, factor))[-1] <= 1.15


@pytest.mark.parametrize(("kind", "most"), [("refuse", 1.1), ("reset", 1.1), ("503", 1.1), ("silent", 1.3)])
def test_one_of_two_mirrors_is_gone_half_way(kind: str, most: float) -> None:
    assert ratios(lambda seed: half_way(seed, kind))[-1] <= most


@pytest.mark.parametrize("shape", ["100 Mbit/s, 80 ms", "2 MiB/s a connection, 80 ms", "mirrors 200 + 50 Mbit/s"])
def test_long_links(shape: str) -> None:
    """Two round trips, two more until the others flow, slow start, the end: less than a second."""
    assert ratios(bounds.SHAPES[shape], range(4))[-1] <= 1.16


# --- what parts bring ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "shape", "worse"),
    [
        ("pipelining", "2 MiB/s a connection, 80 ms", 1.05),
        ("stealing", "8 uneven workers", 1.5),
        ("hedging", "one of 8 is 50 x slower", 1.2),
        ("stalls", "one of 2 mirrors falls silent", 1.5),
        ("sizing", "2 MiB/s a connection, 80 ms", 1.02),
    ],
)
def test_no_part_is_idle(part: str, shape: str, worse: float) -> None:
    """Without it the worst of some downloads is at least so much worse: what brings nothing goes out."""
    seeds = range(12)
    with off([part]):
        without = ratios(bounds.SHAPES[shape], seeds)
    assert without[-1] >= worse * ratios(bounds.SHAPES[shape], seeds)[-1]


# --- silences --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pause", [0.3, 0.6, 0.9])
def test_no_connection_is_given_up_for_short_pauses(pause: float) -> None:
    for seed in range(4):
        assert bursty(pause, seed).attempts[-1].core.sources[0].stalls == 0


@pytest.mark.parametrize("pause", [1.5, 2.5, 4.0])
def test_long_pauses_are_learned(pause: float) -> None:
    """Eight connections with a dozen pauses each or more: the first may be taken for an end, the others are not."""
    for seed in range(4):
        assert bursty(pause, seed).attempts[-1].core.sources[0].stalls <= 4 * bounds.LANES
