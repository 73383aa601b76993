"""Every row of the table of goals is there, with the goals that were set, and really runs."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import replace

import pytest

from benches import downloads, rows
from benches.peers import SOURCE
from benches.row import Row
from benches.runner import measure_row
from benches.server import find_nginx
from benches.text import MIB

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the benches need a POSIX system")

# The table of goals: row, goal, limit. Whoever loosens one does it here too.
GOALS = {
    ("bulk_disk", "on the device / aria2c -x8"): 0.35,
    ("bulk_disk", "on the device / curl"): 0.8,
    ("bulk_memory", "wall / curl"): 0.85,
    ("bulk_tls", "wall / curl"): 1.0,
    ("bulk_tls", "CPU / curl"): 1.1,
    ("bulk_http2", "wall / curl"): 1.1,
    ("checked", "wall / the larger of (download, sha256sum)"): 1.1,
    ("many_small", "disk, wall / aria2c -j8"): 0.25,
    ("many_small", "memory, wall / aria2c -j8"): 0.7,
    ("many_small", "ten times as many / once"): 11.0,
    ("one_small", "memory, wall / aria2c"): 2.5,
    ("version", "wall / python -c pass"): 3.0,
    ("memory", "peak, 100 MiB"): 45.0,
    ("memory", "peak, large file"): 45.0,
    ("rate", "one connection: mean off by"): 0.02,
    ("rate", "eight connections: fullest second / rate"): 1.1,
    ("overhead", "of the CPU time"): 0.05,
}


def need(*programs: str) -> None:
    missing = [name for name in programs if not (find_nginx() if name == "nginx" else shutil.which(name))]
    if missing and os.environ.get("FASTDL_REQUIRE_SERVERS") == "1":
        pytest.fail(f"not installed: {', '.join(missing)}")
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")


@pytest.mark.parametrize("name", rows.names())
def test_a_module_is_a_row_of_its_name(name: str) -> None:
    (row,) = rows.load([name])
    assert isinstance(row, Row)
    assert row.name == name
    assert row.goals
    assert len({goal.text for goal in row.goals}) == len(row.goals)


def test_the_goals_are_those_that_were_set() -> None:
    found = {(row.name, goal.text): goal.limit for row in rows.load() for goal in row.goals}
    assert GOALS.items() <= found.items()


def test_profiles_run_only_when_they_are_asked_for() -> None:
    usual = {row.name for row in rows.load()}
    assert {row for row, _ in GOALS} <= usual
    assert not {"sequential", "at_once"} & usual
    assert [row.name for row in rows.load(["at_once", "version"])] == ["at_once", "version"]
    with pytest.raises(LookupError, match="no row is called 'nothing'"):
        rows.load(["version", "nothing"])


def test_version_is_really_measured() -> None:
    (row,) = rows.load(["version"])
    found = measure_row(replace(row, turns=1), {"new": SOURCE}, 1, quick=True)["new"]
    assert (found.skipped, found.faults) == ("", {})
    assert set(found.figures) == {"fastdl --version", "python -c pass"}
    assert all(set(figures) == {"wall", "settled", "cpu", "peak"} for figures in found.figures.values())
    assert [outcome.verdict in ("met", "missed") for outcome in found.outcomes] == [True]


@pytest.mark.parametrize("kind", [{}, {"tls": True}, {"http2": True}, {"on_disk": True}], ids=str)
def test_a_download_by_fastdl_and_by_curl_is_really_measured(kind: dict[str, bool]) -> None:
    need("nginx", "curl")
    (row,) = rows.load(["bulk_memory"])
    row = replace(row, prepare=downloads.one_file((downloads.OWN, "curl"), quick_size=MIB + 17, **kind), turns=1)
    found = measure_row(row, {"new": SOURCE}, 1, quick=True)["new"]
    assert (found.skipped, found.faults) == ("", {})
    assert set(found.figures) == {"fastdl", "curl"}
    assert found.outcomes[0].verdict in ("met", "missed")


@pytest.mark.parametrize("name", ["sequential", "overhead", "checked"])
def test_rows_with_tasks_of_their_own_are_really_measured(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    need("nginx", "sha256sum")
    (row,) = rows.load([name])
    module = sys.modules[f"benches.rows.{name}"]
    if hasattr(module, "_COUNTS"):
        monkeypatch.setattr(module, "_COUNTS", (1, 3))
    if hasattr(module, "_QUICK_SIZE"):
        monkeypatch.setattr(module, "_QUICK_SIZE", 2 * MIB)
    found = measure_row(replace(row, turns=1, warm=1), {"new": SOURCE}, 1, quick=True)["new"]
    assert (found.skipped, found.faults) == ("", {})
    assert found.outcomes[0].verdict in ("met", "missed", "shown")
