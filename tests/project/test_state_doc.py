"""docs/state.md says what the code does: keys of JSON, bounds, times, places."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fastdl.cli import history, stats
from fastdl.config import state_dir
from fastdl.core import servers
from fastdl.engine import profile
from fastdl.io import history as history_table
from fastdl.io import profiles, store, validators
from fastdl.io import servers as servers_table
from fastdl.io.caches import Heap
from fastdl.ui.dashboard import downloads, sections

DOCS = Path(__file__).resolve().parents[2] / "docs"
STATE = (DOCS / "state.md").read_text(encoding="utf-8")
STATS = (DOCS / "stats.md").read_text(encoding="utf-8")


def cells(heading: str, text: str = STATE) -> list[list[str]]:
    """The table below a heading, without its head."""
    section = re.split(rf"(?m)^##? {re.escape(heading)}$", text)[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[2:]]


def keys(heading: str, text: str = STATE) -> list[str]:
    return [name for row in cells(heading, text) for cell in row for name in re.findall(r"`([a-z]\w*)`", cell)]


def test_keys_of_stats() -> None:
    """They stand in docs/stats.md."""
    seen = servers.Server("a", None, None, 0, 0.0, None, 0.0, 0, 0.0)
    heaps = {"routes": Heap(1, 2, 3)}
    told = stats.as_object(stats.Stats([seen], [("a", 0.0, "")], {"routes": (0, 0)}, heaps, store.Totals()))
    parts = [told["servers"][0], told["lies"][0], told["caches"]["routes"], told["heaps"]["routes"], told["history"]]
    inner = [key for part in parts for key in part]
    assert sorted(keys("JSON", STATS)) == sorted([*told, *inner])


def test_options_of_stats() -> None:
    spelled = [re.findall(r"--([a-z]+)", row[0]) for row in cells("Statistics: `fastdl stats`", STATS)]
    assert spelled == [[option.name] for option in stats.STATS_OPTIONS]


def test_bounds_of_the_page() -> None:
    text = " ".join(STATS.split())
    assert f"the last {sections.MOST_DAYS} days with a download" in text
    assert f"each of the last {sections.MOST_DOTS} downloads" in text
    assert f"the {sections.MOST_SERVERS} servers that sent most" in text
    assert f"the last {downloads.MOST_SHOWN}: where each came from" in text
    assert f"the last {profiles.MOST_PROFILES} files that were profiled" in text
    assert f"at most {profiles.MOST_BYTES // 1024} KiB each" in text
    assert profile.MOST_KEPT == profiles.MOST_PROFILES


def test_keys_of_history() -> None:
    entry = history.as_object(store.Entry(0.0, "", sources=(("a", "origin", 0),)))
    first = [name for row in cells("`fastdl history`") for name in re.findall(r"`(\w+)`", row[0])]
    assert first == list(entry)
    assert set(keys("`fastdl history`")) == {*entry, *entry["sources"][0]}


def test_keys_of_cache() -> None:
    assert keys("`fastdl cache`") == list(store.Info("")._asdict())


def test_bounds() -> None:
    written = {row[0]: row[2] for row in cells("What") if row[2][0].isdigit()}
    bounds = {
        "servers": servers_table.MOST_SERVERS,
        "lies": servers_table.MOST_LIES,
        "ETags": validators.MOST_ETAGS,
        "history": history_table.MOST_HISTORY,
        "profiles": profiles.MOST_PROFILES,
    }
    assert written == {name: f"{bound:,}" for name, bound in bounds.items()}


def test_times() -> None:
    days = servers.DAY
    numbers = {int(number) for number in re.findall(r"(\d+) days", STATE.replace("\n", " "))}
    times = (servers.HALF_LIFE, 4 * servers.HALF_LIFE, servers.LIE_LASTS, servers.FORGOTTEN)
    assert numbers == {time / days for time in times}
    assert days == servers.BUSY_HALF_LIFE
    assert servers.MOST_WEIGHT == 4
    assert servers.FULL_WEIGHT == 1 << 20


@pytest.mark.parametrize(
    ("system", "environ"),
    [
        ("linux", {"HOME": "~"}),
        ("darwin", {"HOME": "~"}),
        ("win32", {"LOCALAPPDATA": "%LOCALAPPDATA%"}),
    ],
)
def test_places(system: str, environ: dict[str, str]) -> None:
    separator = "\\" if system == "win32" else "/"
    assert f"`{state_dir(environ, system)}{separator}{store.FILE}`" in STATE
