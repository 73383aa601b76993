"""Compares two results of `python -m benches`, or shows one: a table, and plots in one file.

    python -m benches.report OLD.json NEW.json [--html FILE] [--svg FILE]
    python -m benches.report RESULT.json [--html FILE] [--svg FILE]

What is compared is the figures of the goals: ratios to peers of the same turns, so that a machine that is slower today
is slower for all. Exit 1 is a regression beyond the noise: 2 % where the runs lie close together, else twice their
deviation. With fewer than three runs, or where more than the commit differs (the machine, a program's version, the
sizes), it cannot tell, says so, and does not fail.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benches import plots, results
from benches.figures import ENOUGH, FLOOR
from benches.text import MIB, align
from benches.verdicts import number

_SAME_MACHINE = ("system", "architecture", "processor", "cpus", "memory", "python")


@dataclass(frozen=True, slots=True)
class Change:
    """One goal in two results; `worse` is the change with the sign that makes more of it worse, `noise` None where
    nobody can tell."""

    row: str
    text: str
    unit: str
    old: float
    new: float
    worse: float
    noise: float | None

    @property
    def verdict(self) -> str:
        if self.noise is None:
            return "cannot tell"
        if abs(self.worse) <= self.noise:
            return "same"
        return "WORSE" if self.worse > 0 else "better"


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """Every goal that both have a figure of."""
    before = results.goals_of(old)
    found = []
    for (row, text), goal in results.goals_of(new).items():
        other = before.get((row, text))
        if other is not None:
            part = goal["value"] / other["value"] - 1 if other["value"] else 0.0
            worse = -part if goal["at_least"] else part
            found.append(Change(row, text, goal["unit"], other["value"], goal["value"], worse, _noise(other, goal)))
    return found


def _noise(old: Mapping[str, Any], new: Mapping[str, Any]) -> float | None:
    if min(old["turns"], new["turns"]) < ENOUGH or old["noise"] is None or new["noise"] is None:
        return None
    return max(FLOOR, float(old["noise"]), float(new["noise"]))


def other_factors(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What differs beside the commit: with it a change says nothing of the code."""
    found = [name for name in _SAME_MACHINE if old["machine"].get(name) != new["machine"].get(name)]
    found += [
        name for name in sorted({*old["versions"], *new["versions"]}) if _version(old, name) != _version(new, name)
    ]
    return found + (["quick"] if old["quick"] != new["quick"] else [])


def _version(result: Mapping[str, Any], name: str) -> object:
    return result["versions"].get(name)


def compared(found: Sequence[Change]) -> str:
    """The table of two results."""
    lines: list[Sequence[str]] = [
        ("row", "goal", "old", "new", "change", "noise", "verdict"),
        ("---", "---", "---:", "---:", "---:", "---:", "---"),
    ]
    for one in found:
        noise = "-" if one.noise is None else f"{one.noise:.1%}"
        change = one.new / one.old - 1 if one.old else 0.0
        figures = (number(one.old, one.unit), number(one.new, one.unit))
        lines.append((one.row, one.text, *figures, f"{change:+.1%}", noise, one.verdict))
    return align(lines)


def shown(result: Mapping[str, Any]) -> str:
    """The table of one result."""
    lines: list[Sequence[str]] = [
        ("row", "goal", "figure", "min-max", "wanted", "verdict"),
        ("---", "---", "---:", "---:", "---:", "---"),
    ]
    for (row, text), goal in results.goals_of(result).items():
        unit = goal["unit"]
        ends = f"{number(goal['low'], unit)} - {number(goal['high'], unit)}" if goal["turns"] else "-"
        lines.append((row, text, number(goal["value"], unit), ends, _wanted(goal), goal["verdict"]))
    return align(lines)


def _wanted(goal: Mapping[str, Any]) -> str:
    if goal["limit"] is None:
        return "-"
    limit = goal["limit"] * (MIB if goal["unit"] == "MiB" else 1)
    return f"{'>=' if goal['at_least'] else '<='} {number(limit, goal['unit'])}"


def heading(result: Mapping[str, Any]) -> str:
    """Of what a result is, in one line."""
    on = result["machine"]
    tree = f"{result['commit'][:12] or 'no commit'}{' with changes' if result['changed'] else ''}"
    where = f"{on['processor']} x {on['cpus']}, load {on['load']} to {on['load_after']}"
    return f"{tree} ({result['branch']}), {result['began']}, {where}"


def main(argv: Sequence[str] | None = None) -> int:
    """The command line: exit 1 for a regression, 2 for files that are no results."""
    parser = argparse.ArgumentParser(prog="python -m benches.report", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("results", nargs="+", type=Path, metavar="RESULT", help="one file, or the old and the new one")
    parser.add_argument("--html", type=Path, help="a page with table and plot")
    parser.add_argument("--svg", type=Path, help="the plot alone")
    options = parser.parse_args(argv)
    try:
        if len(options.results) > 2:
            raise ValueError("give one result, or an old and a new one")
        return _report([results.read(path) for path in options.results], options.html, options.svg)
    except (OSError, ValueError, KeyError) as error:
        print(f"report: {error}", file=sys.stderr)
        return 2


def _report(read: Sequence[Mapping[str, Any]], html: Path | None, svg: Path | None) -> int:
    found = changes(read[0], read[1]) if len(read) == 2 else []
    text = compared(found) if len(read) == 2 else shown(read[0])
    notes, code = judged(read[0], read[1], found) if len(read) == 2 else ([], 0)
    print("\n".join([*map(heading, read), "", text, "", *notes]).rstrip())
    picture = plots.svg(read)
    if svg:
        svg.write_text(picture, encoding="utf-8")
    if html:
        html.write_text(plots.page([heading(result) for result in read], text, notes, picture), encoding="utf-8")
    return code


def judged(old: Mapping[str, Any], new: Mapping[str, Any], found: Sequence[Change]) -> tuple[list[str], int]:
    """What the comparison comes to, in lines, and the exit code."""
    worse = [one for one in found if one.verdict == "WORSE"]
    factors = other_factors(old, new)
    notes = []
    if any(one.noise is None for one in found):
        notes.append(f"Figures with fewer than {ENOUGH} runs: nobody can tell a change from noise.")
    if factors:
        notes.append(f"More than the commit differs ({', '.join(factors)}): the changes say nothing of the code.")
    elif worse:
        notes.append(f"Regression: {', '.join(f'{one.row}, {one.text}' for one in worse)}.")
    elif found:
        notes.append("No regression beyond the noise.")
    else:
        notes.append("The two results have no figure in common.")
    return notes, 1 if worse and not factors else 0


if __name__ == "__main__":
    sys.exit(main())
