"""What a line of progress says, and that it fits."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastdl.ui.line import Layout, brief, layout_for, line, time_left, waiting_line
from fastdl.ui.progress import Job
from fastdl.ui.text import columns

MIB = 1024 * 1024


def bar(filled: float, cells: int) -> str:
    return ("#" * int(filled * cells)).ljust(cells, ".")


def job(label: str = "a.bin", **more: object) -> Job:
    values = {"done": 45 * MIB, "total": 100 * MIB, "speed": 5.0 * MIB, "connections": 8, "sources": 2, "path": label}
    return Job(label, 0.0, **(values | more))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("width", "parts", "missing"),
    [
        (39, ["a.bin", " 45%", "5.0 MiB/s", "11 s left"], ["|", "conn"]),
        (59, ["a.bin", " 45% |", "5.0 MiB/s", "11 s left", "100 MiB"], ["conn"]),
        (79, ["a.bin", " 45% |", "5.0 MiB/s", "11 s left", "100 MiB", "8 conn", "2 src"], [" of "]),
        (199, ["a.bin", " 45% |", "5.0 MiB/s", "11 s left", "45.0 MiB of  100 MiB", "8 conn", "2 src"], []),
    ],
)
def test_what_goes_first_when_there_is_little_room(width: int, parts: list[str], missing: list[str]) -> None:
    text = line(job(), layout_for(width, 40), bar)
    assert [part for part in parts if part not in text] == []
    assert [part for part in missing if part in text] == []


@settings(deadline=None)
@given(
    st.text(max_size=80),
    st.integers(1, 300),
    st.integers(0, 300),
    st.integers(0, 10**18),
    st.none() | st.integers(0, 10**18),
    st.floats(0, 1e15),
    st.integers(0, 99),
)
def test_every_line_fits(
    label: str, width: int, longest: int, done: int, total: int | None, speed: float, count: int
) -> None:
    layout = layout_for(width, longest, "\u2026")
    one = job(label, done=done, total=total, speed=speed, connections=count, sources=count)
    assert columns(line(one, layout, bar)) <= width
    for named in (False, True):
        assert columns(waiting_line(one, layout, width, 3.0, named=named)) <= width


def test_parts_stand_below_each_other() -> None:
    for width in range(40, 220):
        layout = layout_for(width, 20)
        places = set()
        for speed, done in ((0.0, 0), (999.4 * MIB, 99 * MIB), (1.0, 5), (1000.0, 100 * MIB)):
            text = line(job("name" * 20, done=done, speed=speed, connections=16, sources=3), layout, bar)
            places.add((text.index("%"), text.index("/s"), text.find("conn")))
        assert len(places) == 1


def test_a_short_name_leaves_its_room_to_the_bar() -> None:
    assert layout_for(120, 5).bar > layout_for(120, 60).bar
    assert layout_for(120, 60).name > layout_for(120, 5).name
    assert layout_for(39, 60) == Layout(12, 0, frozenset({"percent", "rate", "left"}))


def test_an_unknown_size_has_no_bar_and_no_time_left() -> None:
    wide = line(job(total=None), layout_for(79, 5), bar)
    assert "size unknown" in wide
    assert "45.0 MiB" in wide
    narrow = line(job(total=None), layout_for(39, 5), bar)
    assert narrow.endswith("45.0 MiB")
    for text in (wide, narrow):
        assert "%" not in text and "left" not in text and "|" not in text


def test_more_bytes_than_announced_break_nothing() -> None:
    text = line(job(done=200 * MIB), layout_for(79, 5), bar)
    assert "100% |#" in text
    assert "finishing" in text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"), (999, "999 B"), (1000, "1.0 KiB"), (102_300, "99.9 KiB"), (102_400, "100 KiB"),
        (1023 * 1024, "1.0 MiB"),
        (5 * MIB, "5.0 MiB"), (2**40, "1.0 TiB"), (2**60, "1024 PiB"), (2**80, "9999 PiB"),
    ],
)  # fmt: skip
def test_sizes_in_eight_cells(count: int, text: str) -> None:
    assert brief(count) == text


@given(st.floats(0, 1e30))
def test_sizes_never_take_more(count: float) -> None:
    assert len(brief(count)) <= 8


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "0 s left"), (59.4, "59 s left"), (59.6, "1:00 left"), (3599, "59:59 left"), (3720, "1h02 left"),
        (86399, "23h59 left"), (2 * 86400 + 3 * 3600, "2d03h left"), (9.99 * 86400, "9d23h left"), (10 * 86400, ""),
    ],
)  # fmt: skip
def test_time_left_in_ten_cells(seconds: float, text: str) -> None:
    assert time_left(job(done=0, total=10**9, speed=10**9 / seconds)) == text
    assert len(text) <= 10


def test_no_time_left_is_known_at_no_speed() -> None:
    assert time_left(job(speed=0.0)) == ""
