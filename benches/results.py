"""A result as data: of which commit, on which machine, every figure of every run.

JSON: `format`, `began`, `seconds`, `quick`, `runs`, `commit`, `branch`, `changed` (the tree is not the commit's),
`machine` (its `load` before, `load_after`), `versions`, and `rows`: of each `name`, `title`, `skipped`, `broken`,
`faults`, `load`, `seconds`, `tasks` (task: figure: a value a run; seconds, bytes) and `goals` (`text`, `value`, `low`,
`high`, `turns`, `noise`, `limit`, `at_least`, `unit`, `verdict`, `beyond`, `why`).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from benches import machine
from benches.runner import Measured
from benches.server import find_nginx
from benches.verdicts import Outcome

FORMAT = 1
ROOT = Path(__file__).resolve().parent.parent
_PROGRAMS = {"curl": "--version", "aria2c": "--version", "wget2": "--version", "nginx": "-v"}


def origin(root: Path | None = None) -> dict[str, object]:
    """Which state of the repository this is; empty fields where it is no clone or there is no git."""
    root = root or ROOT
    return {
        "commit": git(root, "rev-parse", "HEAD"),
        "branch": git(root, "rev-parse", "--abbrev-ref", "HEAD"),
        "changed": bool(git(root, "status", "--porcelain", "--", "src")),
    }


def git(root: Path, *words: str) -> str:
    """What git says, or nothing where it fails."""
    if shutil.which("git") is None:
        return ""
    done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=False, timeout=60)
    return done.stdout.strip() if done.returncode == 0 else ""


def versions() -> dict[str, str]:
    """The first line that each installed program says of itself."""
    told = {"python": sys.version.split()[0]}
    for name, option in _PROGRAMS.items():
        path = find_nginx() if name == "nginx" else shutil.which(name)
        if path is not None:
            done = subprocess.run([path, option], capture_output=True, text=True, check=False, timeout=30)
            told[name] = (done.stdout or done.stderr).strip().split("\n")[0].strip()
    return told


def begin(*, quick: bool, runs: int | None) -> dict[str, Any]:
    """The head of a result: all that is known before anything is measured."""
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    head = {"format": FORMAT, "began": now, "quick": quick, "runs": runs}
    return {**head, **origin(), "machine": machine.describe(), "versions": versions()}


def finish(head: Mapping[str, Any], rows: Iterable[Measured], seconds: float) -> dict[str, Any]:
    """The whole result."""
    on = {**head["machine"], "load_after": round(os.getloadavg()[0], 2)}
    return {**head, "seconds": round(seconds, 1), "machine": on, "rows": [row_data(row) for row in rows]}


def row_data(measured: Measured) -> dict[str, Any]:
    """One row as plain data."""
    return {
        "name": measured.row.name,
        "title": measured.row.title,
        "skipped": measured.skipped,
        "broken": measured.broken,
        "faults": {**measured.absent, **measured.faults},
        "load": [round(value, 2) for value in measured.load],
        "seconds": round(measured.seconds, 1),
        "tasks": measured.figures,
        "goals": [goal_data(outcome) for outcome in measured.outcomes],
    }


def goal_data(outcome: Outcome) -> dict[str, Any]:
    """One goal and what was reached, as plain data."""
    goal, spread = outcome.goal, outcome.spread
    return {
        "text": goal.text,
        "limit": goal.limit,
        "at_least": goal.at_least,
        "unit": goal.unit,
        "value": outcome.value,
        "low": spread.low if spread else None,
        "high": spread.high if spread else None,
        "turns": spread.count if spread else 0,
        "noise": outcome.noise,
        "verdict": outcome.verdict,
        "beyond": outcome.beyond,
        "why": outcome.why,
    }


def write(path: Path, result: Mapping[str, Any]) -> None:
    """Raises OSError."""
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def read(path: Path) -> dict[str, Any]:
    """Raises OSError, and ValueError where it is no result of these benches."""
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is no JSON: {error}") from None
    if not isinstance(result, dict) or result.get("format") != FORMAT or not isinstance(result.get("rows"), list):
        raise ValueError(f"{path} is no result of these benches")
    return result


def goals_of(result: Mapping[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """All goals that have a value, by row and text."""
    rows: Sequence[Mapping[str, Any]] = result["rows"]
    return {
        (row["name"], goal["text"]): goal
        for row in rows
        for goal in row["goals"]
        if goal["verdict"] not in ("skipped", "failed")
    }
