"""`-r auto` on lines of many shapes: alone it takes the line, beside others it leaves it to them."""

from __future__ import annotations

import pytest

from fastdl.core.ledbat import DelayLimit
from simulation.line import Line, fetch

MBIT = 1e6 / 8
SHAPES = [  # bytes a second, round trip, seconds of queue
    pytest.param(50 * MBIT, 0.08, 0.04, id="50 Mbit"),
    pytest.param(100 * MBIT, 0.08, 0.04, id="100 Mbit"),
    pytest.param(100 * MBIT, 0.08, 0.2, id="100 Mbit, long queue"),
    pytest.param(20 * MBIT, 0.03, 0.3, id="20 Mbit, very long queue"),
    pytest.param(400 * MBIT, 0.03, 0.05, id="400 Mbit"),
    pytest.param(20 * MBIT, 0.25, 0.1, id="far"),
    pytest.param(100 * MBIT, 0.002, 0.05, id="near"),
]
SYSTEMS = [pytest.param(False, id="clamp"), pytest.param(True, id="buffer")]


@pytest.mark.parametrize("bounded", SYSTEMS)
@pytest.mark.parametrize(("capacity", "base", "queue"), SHAPES)
def test_alone_it_takes_the_line(capacity: float, base: float, queue: float, bounded: bool) -> None:
    limit = DelayLimit()
    line = fetch(Line(capacity, base, queue, bounded=bounded), limit, 40.0, rival=False)
    assert line.read >= 0.9 * 40 * capacity, "from cold"
    before = line.read
    fetch(line, limit, 40.0, rival=False)
    assert line.read - before >= 0.95 * 40 * capacity


@pytest.mark.parametrize("bounded", SYSTEMS)
@pytest.mark.parametrize(("capacity", "base", "queue"), SHAPES)
def test_who_comes_later_than_others_leaves_the_line_to_them(
    capacity: float, base: float, queue: float, bounded: bool
) -> None:
    line = fetch(Line(capacity, base, queue, bounded=bounded), None, 10.0, rival=True)
    alone = fetch(Line(capacity, base, queue), None, 50.0, rival=True).other - line.other
    before = line.other
    fetch(line, DelayLimit(), 40.0, rival=True)
    assert line.other - before >= 0.8 * alone


@pytest.mark.parametrize("bounded", SYSTEMS)
@pytest.mark.parametrize(("capacity", "base", "queue"), SHAPES)
def test_who_was_first_makes_room_and_takes_the_line_back(
    capacity: float, base: float, queue: float, bounded: bool
) -> None:
    limit = DelayLimit()
    line = fetch(Line(capacity, base, queue, bounded=bounded), limit, 15.0, rival=False)
    alone = fetch(Line(capacity, base, queue), None, 40.0, rival=True).other
    fetch(line, limit, 40.0, rival=True)
    assert line.other >= 0.8 * alone
    fetch(line, limit, 20.0, rival=False)
    before = line.read
    fetch(line, limit, 20.0, rival=False)
    assert line.read - before >= 0.9 * 20 * capacity


def test_without_windows_nothing_gives_way() -> None:
    """What all this rests on: slow reading alone lets the system's large buffers fill first, at full speed."""
    line = fetch(Line(50 * MBIT, 0.08, 0.04, bounded=True), None, 10.0, rival=True)
    alone = fetch(Line(50 * MBIT, 0.08, 0.04), None, 50.0, rival=True).other - line.other
    before = line.other
    fetch(line, DelayLimit(), 40.0, rival=True, blind=True)
    assert line.other - before < 0.8 * alone
