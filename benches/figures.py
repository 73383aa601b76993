"""The arithmetic of several runs of one thing: middle, ends, mean, deviation, and what counts as noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median, stdev

ENOUGH = 3  # runs, below which nobody can tell a change from noise
FLOOR = 0.02  # the least noise that is assumed: machines are never quieter for long
DEVIATIONS = 2.0


@dataclass(frozen=True, slots=True)
class Spread:
    """One figure over several runs; `deviation` is that of a sample (0 for one run)."""

    median: float
    low: float
    high: float
    mean: float
    deviation: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Raises ValueError for no values."""
        if not values:
            raise ValueError("no runs to summarise")
        deviation = stdev(values) if len(values) > 1 else 0.0
        return cls(median(values), min(values), max(values), fmean(values), deviation, len(values))

    @property
    def relative(self) -> float:
        """The deviation as a part of the mean."""
        return abs(self.deviation / self.mean) if self.mean else 0.0


def noise(*spreads: Spread) -> float | None:
    """By what part figures may differ without meaning: 2 % where the runs lie close together, else twice their relative
    deviation (the larger one of several spreads). None where fewer than three runs were made: nobody can tell."""
    if any(spread.count < ENOUGH for spread in spreads):
        return None
    return max(FLOOR, *(DEVIATIONS * spread.relative for spread in spreads))


def ratios(tops: Sequence[float], bottoms: Sequence[Sequence[float]]) -> list[float]:
    """Run by run: each figure by the largest of its peers in the same turn, so that a machine that gets slower in
    between is in both. As many as there are turns in which all were measured."""
    rounds = zip(tops, *bottoms, strict=False)
    return [top / largest for top, *rest in rounds if (largest := max(rest, default=1.0)) > 0]
