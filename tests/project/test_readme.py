"""README sells by figures: each one is a figure of docs/performance.md, and each claim one of docs/comparison.md."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PERFORMANCE = (ROOT / "docs/performance.md").read_text(encoding="utf-8")
COMPARISON = (ROOT / "docs/comparison.md").read_text(encoding="utf-8")

# README's line: the row of the measured table, and its figure for each program.
FIGURES = {
    "1 GiB by plain HTTP, until it is on the disk": ("bulk_disk", "on the device"),
    "1 GiB by plain HTTP, to a memory disk": ("bulk_memory", "wall"),
    "1 GiB over TLS, to a memory disk": ("bulk_tls", "wall"),
    "one file of 1 MiB, to a memory disk": ("one_small", "memory, wall"),
    "1,000 files of 16 KiB, to a disk": ("many_small", "disk, wall"),
    "1,000 files of 16 KiB, to a memory disk": ("many_small", "memory, wall"),
    "a line of 100 Mbit and 80 ms": ("wan_long", "wall"),
    "a server that slows each connection down": ("wan_capped", "wall"),
}


def table(text: str, head: str) -> dict[str, list[str]]:
    """First cell -> the others, of the table below this head line."""
    lines = text.split(f"{head}\n", 1)[1].splitlines()[1:]
    rows = {}
    for line in lines:
        if not line.startswith("|"):
            break
        first, *others = (cell.strip() for cell in line[1:-1].split("|"))
        rows[first] = others
    return rows


def measured(row: str, figure: str, program: str) -> str | None:
    """The value that the measured table has for "FIGURE / PROGRAM", with any of the program's options."""
    pattern = rf"\| {row} \| {re.escape(figure)} / {program}(?: -x?j?\d+)? \| ([\d.]+) \|"
    found = re.search(pattern, PERFORMANCE)
    return found[1] if found else None


SPEEDS = table(README, "| | curl | aria2 | Surge, turbo-cdn |")


def test_every_line_of_the_speeds_is_known() -> None:
    assert set(SPEEDS) == set(FIGURES)


@pytest.mark.parametrize("line", FIGURES)
def test_the_speeds_are_the_measured_ones(line: str) -> None:
    row, figure = FIGURES[line]
    curl, aria2, never_run = SPEEDS[line]
    assert aria2 == measured(row, figure, "aria2c")
    assert curl == (measured(row, figure, "curl") or "-")
    assert never_run == "not measured"


def test_slower_is_told_too() -> None:
    values = [float(cell) for cells in SPEEDS.values() for cell in cells[:2] if cell != "-"]
    assert max(values) > 1


RENAMED = {
    "notices, when it goes on, that the file became another one of the same size": (
        "notices then that another file of the same size is there"
    )
}


@pytest.mark.parametrize(
    "line",
    [
        "sources of one file at once",
        "finds mirrors by itself",
        "finds the digest by itself",
        "final name only after the check",
        *RENAMED,
    ],
)
def test_the_claims_are_those_of_the_comparison(line: str) -> None:
    ours = table(README, "| | fastdl | curl | aria2 | Surge | turbo-cdn |")[line]
    known = table(COMPARISON, "| | curl | aria2 | turbo-cdn | Surge | fastdl |")[RENAMED.get(line, line)]
    curl, aria2, turbo, surge, fastdl = (cell.split(", by ETag")[0] for cell in known)
    assert ours == [fastdl, curl, aria2, surge, turbo]
