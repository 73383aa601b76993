"""The arithmetic of several runs, on figures made by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benches.figures import ENOUGH, FLOOR, Spread, noise, ratios

SECONDS = st.floats(min_value=0.001, max_value=1000)


def test_a_spread_has_middle_ends_mean_and_the_deviation_of_a_sample() -> None:
    spread = Spread.of([4.0, 1.0, 1.0])
    assert (spread.median, spread.low, spread.high, spread.mean, spread.count) == (1.0, 1.0, 4.0, 2.0, 3)
    assert math.isclose(spread.deviation, math.sqrt(3.0))
    assert math.isclose(spread.relative, math.sqrt(3.0) / 2)
    assert Spread.of([5.0]).deviation == 0.0
    with pytest.raises(ValueError, match="no runs"):
        Spread.of([])


@given(st.lists(SECONDS, min_size=1, max_size=9))
def test_the_middle_lies_between_the_ends(values: list[float]) -> None:
    spread = Spread.of(values)
    assert spread.low <= spread.median <= spread.high
    assert spread.deviation >= 0


def test_noise_is_two_per_cent_where_runs_lie_close_and_twice_their_deviation_else() -> None:
    quiet, loud = Spread.of([1.0, 1.0, 1.001]), Spread.of([0.9, 1.0, 1.1])
    assert noise(quiet) == FLOOR == 0.02
    assert noise(loud) == pytest.approx(0.2)
    assert noise(quiet, loud) == noise(loud, quiet) == noise(loud)


def test_with_fewer_than_three_runs_nobody_can_tell() -> None:
    assert ENOUGH == 3
    assert noise(Spread.of([1.0, 1.0])) is None
    assert noise(Spread.of([1.0] * 9), Spread.of([1.0, 1.0])) is None


def test_ratios_are_made_turn_by_turn_with_the_larger_peer() -> None:
    assert ratios([2.0, 6.0], [[1.0, 3.0], [4.0, 2.0]]) == [0.5, 2.0]
    assert ratios([2.0, 6.0, 9.0], [[1.0, 3.0]]) == [2.0, 2.0]
    assert ratios([2.0, 6.0], []) == [2.0, 6.0]
    assert ratios([2.0], [[0.0]]) == []


@given(st.lists(st.tuples(SECONDS, st.floats(min_value=1, max_value=50)), min_size=1, max_size=9))
def test_a_machine_that_is_slower_in_a_turn_is_slower_for_both(turns: list[tuple[float, float]]) -> None:
    found = ratios([seconds * slow for seconds, slow in turns], [[2 * seconds * slow for seconds, slow in turns]])
    assert found == pytest.approx([0.5] * len(turns))
