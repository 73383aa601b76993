"""From the figures of a row to what was reached: each goal met, missed, or skipped. No measuring here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benches.figures import Spread, noise, ratios
from benches.row import Goal
from benches.text import MIB

Figures = Mapping[str, Mapping[str, Sequence[float]]]
"""Of each task each figure, a value a turn."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One goal and what was reached: `value` is the ratio of the medians (or the median), `spread` that of the turns.
    `verdict` is "met", "missed", "shown" (there is no limit), or, with the reason in `why`, "skipped" and "failed".
    `beyond`: missed by more than the noise, which `noise` is (a part; None: too few runs to tell)."""

    goal: Goal
    verdict: str
    value: float = 0.0
    spread: Spread | None = None
    noise: float | None = None
    beyond: bool = False
    why: str = ""

    @property
    def said(self) -> str:
        """The verdict in words."""
        if self.verdict == "missed" and not self.beyond:
            return "missed, too few runs to tell" if self.noise is None else "missed, within noise"
        return f"{self.verdict}: {self.why}" if self.why else self.verdict


def judge(goal: Goal, figures: Figures, faults: Mapping[str, str], absent: Mapping[str, str]) -> Outcome:
    """What these figures mean for the goal. `faults` say why tasks failed, `absent` why they were not tried."""
    for term in (goal.top, *goal.bottom):
        if term.task in faults:
            return Outcome(goal, "failed", why=faults[term.task])
        if term.task not in figures:
            return Outcome(goal, "skipped", why=absent.get(term.task, f"{term.task} was not measured"))
        if term.figure not in figures[term.task]:
            return Outcome(goal, "skipped", why=f"{term.task} has no {term.figure}")
    top = figures[goal.top.task][goal.top.figure]
    bottoms = [figures[term.task][term.figure] for term in goal.bottom]
    largest = max((Spread.of(values).median for values in bottoms), default=1.0)
    if largest <= 0:
        return Outcome(goal, "skipped", why="a peer's figure is 0")
    value = Spread.of(top).median / largest
    turns = ratios(top, bottoms)
    spread = Spread.of(turns) if turns else None
    unsure = noise(spread) if spread else None
    if goal.limit is None:
        return Outcome(goal, "shown", value, spread, unsure)
    limit = goal.limit * (MIB if goal.unit == "MiB" else 1)
    excess = (limit - value if goal.at_least else value - limit) / limit
    beyond = unsure is not None and excess > unsure
    return Outcome(goal, "met" if excess <= 0 else "missed", value, spread, unsure, beyond)


def number(value: float, unit: str) -> str:
    """A figure as people read it."""
    if unit == "MiB":
        return f"{value / MIB:.1f} MiB"
    if unit == "%":
        return f"{100 * value:.1f} %"
    return f"{value:.2f}" if abs(value) >= 0.1 or value == 0 else f"{value:.3f}"


def wanted(goal: Goal) -> str:
    """The limit as people read it."""
    if goal.limit is None:
        return "-"
    limit = goal.limit * (MIB if goal.unit == "MiB" else 1)
    return f"{'>=' if goal.at_least else '<='} {number(limit, goal.unit)}"
