"""What is looked at while a download runs: here the speed that a person is told."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from fastdl.engine.watch import Watch
from fastdl.events import Event, Progressed

MIB = 1024 * 1024


class Attempt:
    """Stands for a download; `done` bytes are there."""

    def __init__(self, done: int) -> None:
        self.done = done

    def facts(self) -> tuple[int, int, int, int, int]:
        return self.done, 1000 * MIB, 4, 1, 0

    def hold(self) -> None:
        """More connections would be of no use."""

    def spare(self, strain: Any) -> None:
        """The machine is busy."""


def watched(attempt: Attempt) -> tuple[Watch, list[Event]]:
    landing: Any = SimpleNamespace(proof=SimpleNamespace(advance=lambda front: None), partial=None)
    return Watch(0, landing, None, 100.0, attempt.done), []


def test_the_speed_is_right_from_the_start() -> None:
    attempt = Attempt(500 * MIB)
    watch, told = watched(attempt)
    for tick in range(1, 41):  # eighths of a second: nothing in ten of them, then 8 MiB a second
        attempt.done = 500 * MIB + max(0, tick - 10) * MIB
        watch.look(attempt, 100.0 + tick / 8, told.append)  # type: ignore[arg-type]
    speeds = [event.speed for event in told if isinstance(event, Progressed)]
    assert speeds[:10] == [0.0] * 10
    assert speeds[10:] == pytest.approx([8 * MIB] * 30)


def test_the_speed_follows_a_change() -> None:
    attempt = Attempt(0)
    watch, told = watched(attempt)
    for tick in range(1, 101):
        attempt.done += MIB if tick <= 30 else MIB // 4
        watch.look(attempt, 100.0 + tick / 8, told.append)  # type: ignore[arg-type]
    speeds = [event.speed for event in told if isinstance(event, Progressed)]
    assert speeds[29] == pytest.approx(8 * MIB)
    assert speeds[29] > speeds[35] > speeds[45]
    assert speeds[-1] == pytest.approx(2 * MIB, rel=0.05)
