"""Where the figures of a change are kept: lines of a CSV file, a table of a SQLite file, a JSON file.

All three have the same fields, one entry a figure: who measured what when (`began`, `factor`, `reasoning`, `target`,
`commit`, `branch`, `changed`, `base`, `load`, `load_after`, `quick`, `verdict`), which figure (`row`, `task`,
`figure`), how often (`runs`), `base_` and plain `mean`, `min`, `max`, `stdev`, then `change` and `noise` as parts, what
it was judged (`said`), and every single run (`base_runs`, `all_runs`, JSON).
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benches.figures import Spread

if TYPE_CHECKING:
    from benches.factor import Figure

_ABOUT = ("began", "factor", "reasoning", "target", "commit", "branch", "changed", "base", "quick", "verdict")
_SPREAD = ("mean", "min", "max", "stdev")
FIELDS = (
    *_ABOUT,
    *("load", "load_after", "row", "task", "figure", "runs"),
    *(f"base_{name}" for name in _SPREAD),
    *_SPREAD,
    *("change", "noise", "said", "base_runs", "all_runs"),
)


def entries(told: Mapping[str, Any], figures: Sequence[Figure]) -> list[dict[str, Any]]:
    """One flat entry a figure."""
    about = {name: told[name] for name in _ABOUT}
    about |= {"load": told["machine"]["load"], "load_after": told["load_after"]}
    return [{**about, **_entry(figure)} for figure in figures]


def _entry(figure: Figure) -> dict[str, Any]:
    return {
        "row": figure.row,
        "task": figure.task,
        "figure": figure.name,
        "runs": min(figure.base.count, figure.changed.count),
        **{f"base_{name}": value for name, value in _spread(figure.base).items()},
        **_spread(figure.changed),
        "change": figure.change,
        "noise": figure.noise,
        "said": figure.verdict,
        "base_runs": json.dumps(figure.base_runs),
        "all_runs": json.dumps(figure.changed_runs),
    }


def _spread(spread: Spread) -> dict[str, float]:
    return dict(zip(_SPREAD, (spread.mean, spread.low, spread.high, spread.deviation), strict=True))


def write(
    told: Mapping[str, Any],
    figures: Sequence[Figure],
    *,
    csv_file: Path | None,
    db_file: Path | None,
    json_file: Path | None,
) -> None:
    """Append to the first two, replace the third; None: not wanted. Raises OSError and ValueError."""
    lines = entries(told, figures)
    if csv_file:
        append_csv(csv_file, lines)
    if db_file:
        append_db(db_file, lines)
    if json_file:
        json_file.write_text(json.dumps({**told, "figures": lines}, indent=1) + "\n", encoding="utf-8")


def append_csv(path: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    """The head is written where the file is new."""
    new = not path.exists() or path.stat().st_size == 0
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, FIELDS)
        if new:
            writer.writeheader()
        writer.writerows(lines)


def append_db(path: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    """Into the table `figures`, which is made where it is not there. Raises ValueError for a file that is none."""
    import sqlite3
    from contextlib import closing

    columns = ", ".join(f'"{name}"' for name in FIELDS)
    try:
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(f"CREATE TABLE IF NOT EXISTS figures ({columns})")
            marks = ", ".join(f":{name}" for name in FIELDS)
            connection.executemany(f"INSERT INTO figures ({columns}) VALUES ({marks})", lines)
    except sqlite3.Error as error:
        raise ValueError(f"{path}: {error}") from None
