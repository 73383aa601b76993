"""The arithmetic of the tables, on figures made by hand."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benches.harness import Run
from benches.report import MIB, Case, Row, Spread, memory_table, parse_size, ratio, size_text, table


def row(tool: str, *walls: float, peak: int = 10 * MIB, flush: float = 0.0, cpu: float = 1.0) -> Row:
    return Row.of(tool, [Run(wall, flush, cpu, peak, 0) for wall in walls])


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_median_is_not_the_mean_and_the_ends_are_kept() -> None:
    assert Spread.of([1.0, 2.0, 9.0]) == Spread(2.0, 1.0, 9.0)
    assert Spread.of([4.0, 1.0]) == Spread(2.5, 1.0, 4.0)
    with pytest.raises(ValueError, match="no runs"):
        Spread.of([])


@given(st.lists(st.floats(0.001, 1e6), min_size=1, max_size=9))
def test_a_spread_holds_its_median(values: list[float]) -> None:
    spread = Spread.of(values)
    assert spread.low <= spread.median <= spread.high
    assert spread == Spread.of(sorted(values))


def test_a_ratio_below_one_means_faster_than_the_peer() -> None:
    assert ratio(row("fastdl", 1.0, 3.0, 2.0), row("aria2c -x8", 4.0)) == 0.5
    assert ratio(row("fastdl", 1.0, flush=0.0), row("curl", 1.0, flush=1.0), "settled") == 0.5
    assert ratio(row("fastdl", 1.0), row("curl", 0.0)) == float("inf")


def test_every_tool_is_compared_with_every_peer() -> None:
    case = Case("1 GiB", 1 << 30, (row("fastdl", 1.0), row("curl", 2.0), row("aria2c -x8", 4.0, peak=25 * MIB)))
    lines = table(case).splitlines()
    assert cells(lines[0]) == ["tool", "wall s", "min-max", "CPU s", "peak MiB", "/ curl", "/ aria2c"]
    assert cells(lines[2]) == ["fastdl", "1.00", "1.00-1.00", "1.00", "10", "0.50", "0.25"]
    assert cells(lines[4]) == ["aria2c -x8", "4.00", "4.00-4.00", "1.00", "25", "2.00", "1.00"]
    assert len({len(line) for line in lines}) == 1


def test_on_a_real_disk_the_time_to_the_device_is_compared_as_well() -> None:
    case = Case("disk", MIB, (row("fastdl", 2.0), row("curl", 1.0, flush=3.0)))
    head, _, own, _ = (cells(line) for line in table(case, on_device=True).splitlines())
    assert head[6:] == ["on device s", "/ curl"]
    assert own[5:] == ["2.00", "2.00", "0.50"]


def test_peak_memory_is_the_highest_of_the_runs_side_by_side() -> None:
    def sized(size: int, *peaks: int) -> Case:
        return Case("memory", size, (Row.of("fastdl", [Run(1, 0, 1, peak, 0) for peak in peaks]),))

    head, _, own = memory_table([sized(100 * MIB, 20 * MIB, 22 * MIB), sized(4096 * MIB, 33 * MIB)]).splitlines()
    assert cells(head) == ["tool", "100 MiB: peak MiB", "4 GiB: peak MiB", "last / first"]
    assert cells(own) == ["fastdl", "22.0", "33.0", "1.50"]


def test_a_case_is_plain_data() -> None:
    data = json.loads(json.dumps(Case("x", 5, (row("curl", 1.0, 2.0),)).as_json()))
    assert data["rows"][0]["wall"] == {"median": 1.5, "low": 1.0, "high": 2.0}
    assert data["rows"][0]["runs"] == 2


@pytest.mark.parametrize(
    ("size", "text"),
    [(1 << 30, "1 GiB"), (4 << 30, "4 GiB"), (100 * MIB, "100 MiB"), (1536 * MIB, "1.5 GiB"), (1000, "1000 B")],
)
def test_sizes_read_like_the_options(size: int, text: str) -> None:
    assert size_text(size) == text


@pytest.mark.parametrize(("text", "size"), [("1G", 1 << 30), ("512m", 512 * MIB), ("4k", 4096), ("17", 17)])
def test_sizes_are_read_as_the_options(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "G", "0", "-1M", "1.5G", "1T", "1 G"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="is no size"):
        parse_size(text)
