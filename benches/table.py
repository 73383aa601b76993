"""The table that a run prints: a line a goal, with what was reached, its spread and the verdict."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benches.runner import Measured
from benches.text import align
from benches.verdicts import Outcome, number, wanted

_HEAD = ("row", "goal", "figure", "min-max", "wanted", "verdict")
_WIDEST = 90  # characters of a verdict: a reason may be a program's whole complaint


def table(rows: Iterable[Measured]) -> str:
    """All rows."""
    lines: list[Sequence[str]] = [_HEAD, ("---", "---", "---:", "---:", "---:", "---")]
    for measured in rows:
        if measured.skipped:
            verdict = f"{'failed' if measured.broken else 'skipped'}: {measured.skipped}"
            lines.append((measured.row.name, measured.row.title, "-", "-", "-", _short(verdict)))
            continue
        lines += [_line(measured, outcome) for outcome in measured.outcomes if not _left_out(measured, outcome)]
    return align(lines)


def _left_out(measured: Measured, outcome: Outcome) -> bool:
    """A case that is only in the whole set says nothing in the quick one."""
    known = {*measured.figures, *measured.faults, *measured.absent}
    return outcome.verdict == "skipped" and outcome.goal.top.task not in known


def _line(measured: Measured, outcome: Outcome) -> tuple[str, ...]:
    goal = outcome.goal
    if outcome.verdict in ("skipped", "failed"):
        return (measured.row.name, goal.text, "-", "-", wanted(goal), _short(outcome.said))
    spread = outcome.spread
    ends = f"{number(spread.low, goal.unit)} - {number(spread.high, goal.unit)}" if spread else "-"
    return (measured.row.name, goal.text, number(outcome.value, goal.unit), ends, wanted(goal), outcome.said)


def _short(text: str) -> str:
    line = " ".join(text.split()).replace("|", "/")
    return line if len(line) <= _WIDEST else line[: _WIDEST - 1] + "…"


def summary(rows: Iterable[Measured]) -> str:
    """How many goals came to what, in one line."""
    said: dict[str, int] = {}
    for measured in rows:
        for outcome in measured.outcomes:
            if outcome.goal.limit is not None:
                said[outcome.verdict] = said.get(outcome.verdict, 0) + 1
    return ", ".join(f"{said.get(word, 0)} {word}" for word in ("met", "missed", "skipped", "failed"))
