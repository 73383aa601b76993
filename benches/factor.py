"""One change against its base commit: `python -m benches run --factor NAME --reasoning TEXT`.

Both trees are measured in turns, fastdl alone, on the row that the change is for and on the profiles that it must not
harm. What counts as a success is a rule and not an opinion: at least 5 % better and by more than the noise on a figure
of the target, and no other figure worse by more than 2 % beyond the noise.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass

from benches import records, results, rows, trees
from benches.figures import ENOUGH, Spread, noise
from benches.peers import SOURCE
from benches.row import better_high
from benches.runner import Measured, measure_row
from benches.text import align
from benches.verdicts import number

BASE, CHANGED = "base", "changed"
PROFILES = ("bulk_memory", "one_small", "sequential", "at_once", "memory")
GAIN = 0.05
HARM = 0.02
# What a change is judged by; other figures of a row (its shares and ratios) count too.
_NOT_COUNTED = ("settled",)
RUNS = 3


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of one task in both trees, a value a run."""

    row: str
    task: str
    name: str
    base_runs: tuple[float, ...]
    changed_runs: tuple[float, ...]

    @property
    def base(self) -> Spread:
        return Spread.of(self.base_runs)

    @property
    def changed(self) -> Spread:
        return Spread.of(self.changed_runs)

    @property
    def change(self) -> float:
        """+0.1 is ten per cent more than the base, by the medians."""
        return self.changed.median / self.base.median - 1 if self.base.median else 0.0

    @property
    def noise(self) -> float | None:
        """None where too few runs were made."""
        return noise(self.base, self.changed)

    @property
    def gain(self) -> float:
        """The change with its sign turned so that more is better."""
        return self.change if better_high(self.name) else -self.change

    @property
    def verdict(self) -> str:
        """ "better", "worse" (by more than 2 % beyond the noise), "same" or "cannot tell"."""
        if self.noise is None:
            return "cannot tell"
        if self.gain >= GAIN and self.gain > self.noise:
            return "better"
        return "worse" if -self.gain > self.noise + HARM else "same"


def figures_of(base: Measured, changed: Measured) -> list[Figure]:
    """All figures that both trees have."""
    found = []
    for task, names in base.figures.items():
        for name, values in names.items():
            other = changed.figures.get(task, {}).get(name)
            if other and name not in _NOT_COUNTED:
                found.append(Figure(base.row.name, task, name, tuple(values), tuple(other)))
    return found


def verdict(figures: Sequence[Figure], target: str, faults: Sequence[str] = ()) -> str:
    """What came of the change as a whole, in a word and why."""
    if faults:
        return f"failure: {faults[0]}"
    aimed = [figure for figure in figures if figure.row == target]
    if not aimed or any(figure.noise is None for figure in figures):
        return f"cannot tell: {'nothing was measured' if not aimed else f'fewer than {ENOUGH} runs'}"
    worse = [figure for figure in figures if figure.verdict == "worse"]
    if worse:
        return f"failure: {', '.join(f'{one.row} {one.task} {one.name} {one.change:+.1%}' for one in worse)}"
    better = [figure for figure in aimed if figure.verdict == "better"]
    if better:
        return f"success: {', '.join(f'{one.task} {one.name} {one.change:+.1%}' for one in better)}"
    return f"no effect on {target} of {GAIN:.0%} and beyond the noise"


def run(options: argparse.Namespace) -> int:
    """Measure, print, record. Raises LookupError for rows that are none and ValueError for a base that is none."""
    if not options.reasoning:
        raise ValueError("--factor needs --reasoning: what is expected of the change, and why")
    names = options.rows.split(",") if options.rows else list(PROFILES)
    target = options.target or names[0]
    chosen = rows.load(names if target in names else [target, *names])
    base = trees.base_commit(results.ROOT, options.base)
    runs = options.runs or RUNS
    told = {**results.begin(quick=options.quick, runs=runs), "base": base, "target": target}
    told |= {"factor": options.factor, "reasoning": options.reasoning}
    with trees.tree_of(results.ROOT, base) as source:
        both = {BASE: source, CHANGED: SOURCE}
        measured = [measure_row(row, both, runs, quick=options.quick, disk=options.disk, peers=False) for row in chosen]
    figures = [figure for found in measured for figure in figures_of(found[BASE], found[CHANGED])]
    faults = [
        f"{label}, {found[label].row.name}: {text}"
        for found in measured
        for label in found
        for text in _wrong(found[label])
    ]
    said = verdict(figures, target, [fault for fault in faults if fault.startswith(CHANGED)])
    told |= {"load_after": round(os.getloadavg()[0], 2), "verdict": said}
    print("\n".join([table(figures), "", f"{options.factor}: {said}", *faults]))
    records.write(told, figures, csv_file=options.csv, db_file=options.db, json_file=options.json)
    return 0


def _wrong(measured: Measured) -> list[str]:
    """What of a row could not be measured."""
    return [measured.skipped] if measured.skipped else list(measured.faults.values())


def table(figures: Sequence[Figure]) -> str:
    """A line a figure: base and changed with mean, deviation, ends, and what became of it."""
    lines: list[Sequence[str]] = [
        ("row", "task", "figure", "base", "min-max", "changed", "min-max", "change", "noise", "verdict"),
        ("---", "---", "---", "---:", "---:", "---:", "---:", "---:", "---:", "---"),
    ]
    for figure in figures:
        unit = "MiB" if figure.name == "peak" else ""
        cells = []
        for spread in (figure.base, figure.changed):
            cells.append(f"{number(spread.mean, unit)} ± {number(spread.deviation, unit)}")
            cells.append(f"{number(spread.low, unit)} - {number(spread.high, unit)}")
        noise_said = "-" if figure.noise is None else f"{figure.noise:.1%}"
        lines.append(
            (figure.row, figure.task, figure.name, *cells, f"{figure.change:+.1%}", noise_said, figure.verdict)
        )
    return align(lines)
